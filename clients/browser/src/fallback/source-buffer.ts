// Puts a live fMP4 body into a SourceBuffer, as fast as that takes it.

import type { HttpEdge } from "../source/edge.ts";
import { STALL_MS } from "../source/limit.ts";
import { SourceError } from "../source/source.ts";
import { APPENDS, KEEP_S, TRIM_S } from "./limit.ts";

export class BufferFeed {
  /** Payload bytes so far. */
  bytes = 0;
  readonly #buffer: SourceBuffer;
  readonly #video: HTMLVideoElement;

  constructor(buffer: SourceBuffer, video: HTMLVideoElement) {
    this.#buffer = buffer;
    this.#video = video;
  }

  /** Resolves at the body's clean end; rejects with SourceError, or what the buffer says of the media. */
  async run(edge: HttpEdge, path: string, signal: AbortSignal): Promise<void> {
    const { body } = await edge.request(path, { signal });
    const reader = body?.getReader();
    for (;;) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const stalled = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new SourceError("closed", `nothing came for ${STALL_MS / 1000} s`)), STALL_MS);
      });
      try {
        const piece = await Promise.race([reader?.read(), stalled]);
        if (piece?.value === undefined) return;
        this.bytes += piece.value.length;
        await this.#append(piece.value, signal);
        await this.#trim(signal, TRIM_S + KEEP_S);
      } finally {
        clearTimeout(timer);
      }
    }
  }

  async #append(bytes: Uint8Array<ArrayBuffer>, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      signal.throwIfAborted();
      try {
        this.#buffer.appendBuffer(bytes);
        return await this.#done(signal);
      } catch (error) {
        const isFull = error instanceof DOMException && error.name === "QuotaExceededError";
        if (!isFull || attempt === APPENDS) throw error;
        await this.#trim(signal, 1);
      }
    }
  }

  /** Removes what was played `seconds` ago and before. */
  async #trim(signal: AbortSignal, seconds: number): Promise<void> {
    const { buffered } = this.#buffer;
    const until = this.#video.currentTime - Math.min(KEEP_S, seconds);
    if (buffered.length === 0 || buffered.start(0) > this.#video.currentTime - seconds) return;
    this.#buffer.remove(0, until);
    await this.#done(signal);
  }

  #done(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const over = new AbortController();
      const on = (target: EventTarget, type: string, then: () => void): void =>
        target.addEventListener(type, () => (over.abort(), then()), { signal: over.signal });
      on(this.#buffer, "updateend", resolve);
      on(this.#buffer, "error", () => reject(new SourceError("protocol", "the browser cannot read this stream")));
      on(signal, "abort", () => reject(new SourceError("closed", "given up")));
    });
  }
}
