// Life of one broadcast: encoders, connection, and connecting again.

import { namespaceKey } from "../moqt/name.ts";
import { alpn } from "../moqt/version.ts";
import { asSourceError, Backoff, sleep } from "../player/connect.ts";
import { connect } from "../session/connect.ts";
import type { Session } from "../session/session.ts";
import { SourceError } from "../source/source.ts";
import { Broadcast } from "./broadcast.ts";
import * as limit from "./limit.ts";
import type { Command, FailureCode, Notice, PublishOptions } from "./protocol.ts";
import { fetchHashes } from "./server.ts";

const TEND_MS = 100;
const STATS_MS = 500;

/** What no further attempt changes. */
class Final extends Error {
  readonly code: FailureCode;
  constructor(code: FailureCode, message: string) {
    super(message);
    this.code = code;
  }
}

export class Publisher {
  readonly #post: (notice: Notice) => void;
  readonly #life = new AbortController();
  #broadcast: Broadcast | undefined;
  #session: Session | undefined;
  #timers: ReturnType<typeof setInterval>[] = [];
  #readers: ReadableStreamDefaultReader<VideoFrame | AudioData>[] = [];
  #hasEnded = false;

  constructor(post: (notice: Notice) => void) {
    this.#post = post;
  }

  handle(command: Command): void {
    switch (command.type) {
      case "start":
        return this.#start(command);
      case "frame":
        if (this.#broadcast?.video && !this.#hasEnded) this.#broadcast.video.frame(command.frame);
        else command.frame.close();
        return this.#post({ type: "taken" });
      case "stop":
        void this.#stop();
    }
  }

  #start({ options, videoFrames, audioFrames }: Extract<Command, { type: "start" }>): void {
    let isReady: () => void = () => undefined;
    const ready = new Promise<void>((resolve) => (isReady = resolve));
    const broadcast = new Broadcast(options, {
      ready: () => isReady(),
      failed: (message) => this.#fail("encoder", message),
    });
    this.#broadcast = broadcast;
    if (videoFrames) void this.#read(videoFrames, (frame) => broadcast.video?.frame(frame));
    if (audioFrames) void this.#read(audioFrames, (data) => broadcast.audio?.samples(data));
    this.#timers = [
      setInterval(() => broadcast.tend(performance.now()), TEND_MS),
      setInterval(() => this.#report(broadcast), STATS_MS),
    ];
    void this.#run(broadcast, options, this.#prepared(broadcast, ready));
  }

  async #read<T extends VideoFrame | AudioData>(frames: ReadableStream<T>, take: (frame: T) => void): Promise<void> {
    const reader = frames.getReader();
    this.#readers.push(reader);
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        if (this.#hasEnded) next.value.close();
        else take(next.value);
      }
    } catch {
      // The source ended, which the page sees on its track.
    }
  }

  /** Resolves when there is a catalog with every track; one that is slow to begin is added to it later. */
  async #prepared(broadcast: Broadcast, ready: Promise<void>): Promise<void> {
    const { signal } = this.#life;
    const late = sleep(limit.ENCODER_START_MS, signal).then(() => {
      throw new Final("encoder", "no picture or sound came from the source");
    });
    late.catch(() => undefined);
    await Promise.race([ready, late]);
    const until = performance.now() + limit.COMPLETE_MS;
    while (!broadcast.isComplete && performance.now() < until) await sleep(TEND_MS, signal);
  }

  async #run(broadcast: Broadcast, options: PublishOptions, prepared: Promise<void>): Promise<void> {
    const { signal } = this.#life;
    let backoff = this.#backoff();
    let target = options;
    let isFirst = true;
    this.#state("connecting", "", `Connecting to ${options.server}`);
    while (!signal.aborted) {
      try {
        const session = await this.#open(target, broadcast, signal);
        const before = this.#session;
        this.#session = session;
        let moved: (uri: string) => void = () => undefined;
        const leave = new Promise<string>((resolve) => (moved = resolve));
        session.onLeave = moved;
        await prepared;
        if (isFirst) await refuseTaken(session, broadcast, options);
        const announced = await session.publishNamespace(broadcast.namespace, signal);
        isFirst = false;
        backoff = this.#backoff();
        this.#state("live", "", "");
        if (before) setTimeout(() => before.close(), limit.HANDOVER_MS);
        const revoked = announced.closed.then(() => new SourceError("busy", "the server does not take the broadcast any more"));
        const outcome = await Promise.race([session.closed, revoked, leave]);
        if (signal.aborted) return;
        if (typeof outcome !== "string") throw outcome;
        target = outcome === "" ? options : { ...options, server: new URL(outcome).origin };
        continue;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Final) return this.#fail(error.code, error.message);
        const cause = asSourceError(error);
        if (cause.code === "unauthorized" || cause.code === "no-webtransport") return this.#fail(cause.code, cause.message);
        this.#state("connecting", cause.code, cause.message);
        this.#session?.close();
        this.#session = undefined;
        target = options;
      }
      await sleep(backoff.next(), signal).catch(() => undefined);
    }
  }

  #backoff(): Backoff {
    return new Backoff(Math.random, limit.BACKOFF_FIRST_MS, limit.BACKOFF_LAST_MS);
  }

  async #open(options: PublishOptions, broadcast: Broadcast, signal: AbortSignal): Promise<Session> {
    const { server, namespace, token, certificateHashes: given, httpBase } = options;
    const url = new URL(`/${namespace.map(encodeURIComponent).join("/")}`, server);
    if (token !== "") url.search = `?token=${encodeURIComponent(token)}`;
    // A server that was started again may have another certificate.
    const certificateHashes = given.length > 0 ? given : await fetchHashes(httpBase);
    const session = await connect({ url: url.href, certificateHashes, token, signal });
    broadcast.attach(session);
    return session;
  }

  #report(broadcast: Broadcast): void {
    const protocol = this.#session ? alpn(this.#session.version) : "";
    this.#post({ type: "stats", stats: { ...broadcast.stats(performance.now()), protocol } });
  }

  #state(state: "connecting" | "live" | "failed", code: FailureCode | "", message: string): void {
    this.#post({ type: "state", state, code, message });
  }

  #fail(code: FailureCode, message: string): void {
    if (this.#hasEnded) return;
    this.#state("failed", code, message);
    void this.#stop();
  }

  async #stop(): Promise<void> {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#timers.forEach(clearInterval);
    for (const reader of this.#readers) void reader.cancel().catch(() => undefined);
    this.#broadcast?.close();
    this.#broadcast?.finish();
    if (this.#session) await new Promise((resolve) => setTimeout(resolve, limit.CLOSING_MS));
    this.#life.abort();
    this.#session?.close();
    this.#post({ type: "stopped" });
  }
}

/** Relays take two publishers of one name; viewers would get now one, now the other. */
async function refuseTaken(session: Session, broadcast: Broadcast, { namespace }: PublishOptions): Promise<void> {
  const own = namespaceKey(broadcast.namespace);
  try {
    for await (const event of session.namespaces(broadcast.namespace, AbortSignal.timeout(limit.LISTING_MS))) {
      if (event.kind !== "added" || namespaceKey(event.namespace) !== own) continue;
      throw new Final("taken", `somebody else sends ${namespace.join("/")} there already`);
    }
  } catch (error) {
    // A server that does not list, or not to publishers, lets them announce all the same.
    if (error instanceof Final) throw error;
  }
}
