// Finds a way to the server: WebTransport, or HTTP where that does not work, and back to WebTransport when it does.

import { SourceError, type Source, type SourceKind } from "../source/source.ts";
import { BACKOFF_FIRST_MS, BACKOFF_LAST_MS, CONNECT_TIMEOUT_MS, HTTP_AFTER_MS } from "./limit.ts";
import type { PlayOptions } from "./protocol.ts";

export type Connector = (options: PlayOptions, signal: AbortSignal) => Promise<Source>;

/** How to connect, and the time; tests bring their own. */
export interface Ways {
  webtransport: Connector;
  http: Connector | undefined;
  /** Rejects when the signal aborts. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
  random(): number;
}

export interface Connected {
  source: Source;
  /** Why it is not WebTransport, in words; empty when it is. */
  reason: string;
  /** A WebTransport attempt that still runs. */
  pending: Promise<Source> | undefined;
}

/** Waits that grow up to a bound, each between a half and the whole of its size so that viewers do not come back together. */
export class Backoff {
  #next: number;
  readonly #last: number;
  readonly #random: () => number;

  constructor(random: () => number, first = BACKOFF_FIRST_MS, last = BACKOFF_LAST_MS) {
    this.#next = first;
    this.#last = last;
    this.#random = random;
  }

  /** ms to wait now. */
  next(): number {
    const size = this.#next;
    this.#next = Math.min(this.#last, size * 2);
    return size * (0.5 + this.#random() / 2);
  }
}

export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(aborted());
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}

/** What went wrong as a {@link SourceError}. */
export function asSourceError(error: unknown): SourceError {
  if (error instanceof SourceError) return error;
  return new SourceError("unreachable", error instanceof Error ? error.message : String(error));
}

/** Connects once. Rejects with {@link SourceError}, whose words name every way that was tried. */
export async function connectSource(options: PlayOptions, signal: AbortSignal, ways: Ways): Promise<Connected> {
  if (options.transport === "webtransport") return plain(await attempt("webtransport", options, signal, ways));
  if (options.transport === "http") return { ...plain(await attempt("http", options, signal, ways)), reason: "asked for" };
  const own = new AbortController();
  const first = attempt("webtransport", options, AbortSignal.any([signal, own.signal]), ways);
  const patience = new AbortController();
  const early = await Promise.race([
    first.then((source) => ({ source }), (error: unknown) => ({ error: asSourceError(error) })),
    ways.sleep(HTTP_AFTER_MS, AbortSignal.any([signal, patience.signal])).then(() => undefined, () => undefined),
  ]);
  patience.abort();
  signal.throwIfAborted();
  if (early !== undefined && "source" in early) return plain(early.source);
  if (early !== undefined && (ways.http === undefined || early.error.code === "unauthorized")) throw early.error;
  const pending = early === undefined ? first : undefined;
  pending?.catch(() => undefined);
  const reason = early === undefined ? "WebTransport does not answer: UDP may be blocked on the way" : early.error.message;
  const http = attempt("http", options, signal, ways);
  try {
    // A WebTransport connection that is made while HTTP is not is as good as one made in time.
    const source = await (pending === undefined ? http : Promise.any([http, pending]));
    if (source.kind === "http") return { source, reason, pending };
    http.then((late) => late.close(), () => undefined);
    return plain(source);
  } catch (error) {
    own.abort();
    const last = asSourceError(error instanceof AggregateError ? error.errors[0] : error);
    if (last.code === "unauthorized" || last.code === "not-found") throw last;
    throw new SourceError("unreachable", `${reason}; HTTP: ${last.message}`);
  }
}

/** Tries WebTransport until it works; for a player that HTTP feeds meanwhile. Rejects when the signal aborts. */
export async function upgradeSource(
  options: PlayOptions,
  pending: Promise<Source> | undefined,
  signal: AbortSignal,
  ways: Ways,
): Promise<Source> {
  const backoff = new Backoff(ways.random, HTTP_AFTER_MS, 4 * BACKOFF_LAST_MS);
  let running = pending;
  for (;;) {
    try {
      const source = await (running ?? attempt("webtransport", options, signal, ways));
      if (!signal.aborted) return source;
      source.close();
    } catch {
      // The next attempt may do better; HTTP plays on.
    }
    running = undefined;
    signal.throwIfAborted();
    await ways.sleep(backoff.next(), signal);
  }
}

function plain(source: Source): Connected {
  return { source, reason: "", pending: undefined };
}

async function attempt(kind: SourceKind, options: PlayOptions, signal: AbortSignal, ways: Ways): Promise<Source> {
  const connect = ways[kind];
  if (connect === undefined) throw new SourceError("unreachable", "this player cannot play over HTTP");
  const given = new AbortController();
  const clock = new AbortController();
  const attempted = connect(options, AbortSignal.any([signal, given.signal]));
  const late = ways.sleep(CONNECT_TIMEOUT_MS, AbortSignal.any([signal, clock.signal]));
  const name = kind === "http" ? "HTTP" : "WebTransport";
  try {
    return await Promise.race([
      attempted,
      late.then(() => {
        throw new SourceError("unreachable", `${name} got no answer from ${options.server} in ${CONNECT_TIMEOUT_MS / 1000} s`);
      }),
    ]);
  } catch (error) {
    given.abort();
    attempted.then((source) => source.close(), () => undefined);
    throw asSourceError(error);
  } finally {
    clock.abort();
    late.catch(() => undefined);
  }
}

function aborted(): SourceError {
  return new SourceError("closed", "given up");
}
