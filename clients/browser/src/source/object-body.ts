// The body of `/tracks/…/objects`: a FETCH stream of draft-18 from its header on.

import { ByteReader, EMPTY_BYTES, Incomplete, violation } from "../moqt/codec.ts";
import { joinBytes } from "../moqt/data/input.ts";
import { decodeStreamHeader, FetchDecoder, type FetchItem } from "../moqt/data/mod.ts";
import { BURST_GAP_MS, STALL_MS } from "./limit.ts";
import { SourceError } from "./source.ts";

/** Bytes that the stream's header needs at most: two integers. */
const HEADER_BYTES = 18;

export class ObjectBody {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new FetchDecoder(18, "ascending");
  readonly #gap: number;
  #head: Uint8Array | undefined = EMPTY_BYTES;
  #isBurst = true;
  #hasBegun = false;

  /** `answered`: ms that the server took to answer, no less than the round trip. */
  constructor(body: ReadableStream<Uint8Array>, answered: number) {
    this.#reader = body.getReader();
    this.#gap = Math.max(BURST_GAP_MS, 2 * answered);
  }

  /**
   * Nothing has been waited for since the first object, for which the server may have had to look: what came so far was there
   * when it was asked for. TCP fills its window in steps of a round trip, so a wait counts from two of them on; on long ways and
   * at high frame rates the burst seems to last longer than it does, never shorter.
   */
  get isBurst(): boolean {
    return this.#isBurst;
  }

  /** Reads only when called. `undefined` at a clean end; rejects when the stream breaks, stalls or is no FETCH stream. */
  async next(): Promise<FetchItem | undefined> {
    for (;;) {
      const item = this.#head === undefined ? this.#decoder.next() : undefined;
      if (item !== undefined) {
        this.#hasBegun = true;
        return item;
      }
      const asked = performance.now();
      const bytes = await this.#read();
      const now = performance.now();
      if (this.#hasBegun && now - asked > this.#gap) this.#isBurst = false;
      if (bytes !== undefined) this.#push(bytes, now);
      else break;
    }
    if (this.#head !== undefined) throw violation("the body ends before its header");
    this.#decoder.finish();
    return undefined;
  }

  async #read(): Promise<Uint8Array | undefined> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stalled = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new SourceError("closed", `nothing came for ${STALL_MS / 1000} s`));
        void this.#reader.cancel().catch(() => undefined);
      }, STALL_MS);
    });
    try {
      return (await Promise.race([this.#reader.read(), stalled])).value;
    } finally {
      clearTimeout(timer);
    }
  }

  #push(bytes: Uint8Array, now: number): void {
    if (this.#head === undefined) return this.#decoder.push(bytes, now);
    const head = joinBytes([this.#head, bytes]);
    const reader = new ByteReader(head, 18);
    try {
      if (decodeStreamHeader(reader).kind !== "fetch") throw violation("not a FETCH stream");
    } catch (error) {
      if (!(error instanceof Incomplete) || head.length >= HEADER_BYTES) throw error;
      this.#head = head;
      return;
    }
    this.#head = undefined;
    if (reader.remaining > 0) this.#decoder.push(reader.rest(), now);
  }
}
