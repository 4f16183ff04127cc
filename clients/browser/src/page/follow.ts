// Follows what is on the air: over WebTransport, which tells at once, else by asking over HTTP.

import { MoqtSource } from "../source/moqt.ts";
import { SourceError } from "../source/source.ts";
import { pathOf } from "./link.ts";
import { BACKOFF_MS, HEALTH_MS, LISTED, POLL_MS, RETRY_WEBTRANSPORT_MS, SETTLE_MS } from "./limit.ts";
import { fetchBroadcasts, fetchFacts, type Facts, usualFacts } from "./relay.ts";

/** How the list stands. */
export type Phase =
  /** Nothing is known yet. */
  | "searching"
  /** Followed over WebTransport. */
  | "live"
  /** Asked for over HTTP. */
  | "http"
  /** The relay does not answer. */
  | "unreachable"
  /** It wants a token, or another one. */
  | "unauthorized";

export interface Status {
  phase: Phase;
  /** Why the list comes over HTTP: what WebTransport said. */
  reason: "" | "no-webtransport" | "unreachable" | "protocol";
  facts: Facts;
  /** Sorted by name. */
  broadcasts: readonly string[][];
}

export class Follower {
  /** Called after every change. */
  onChange: (status: Status) => void = () => {};
  readonly #page: URL;
  #token: string;
  #status: Status;
  readonly #found = new Map<string, string[]>();
  /** Ends the attempt that is under way, to begin anew. */
  #turn = new AbortController();

  constructor(page: URL, token: string) {
    this.#page = page;
    this.#token = token;
    this.#status = { phase: "searching", reason: "", facts: usualFacts(page), broadcasts: [] };
  }

  get status(): Status {
    return this.#status;
  }

  /** Asks again at once, as somebody else. */
  setToken(token: string): void {
    this.#token = token;
    this.#lose("searching");
    this.#turn.abort();
  }

  /** Runs as long as the page. */
  async run(): Promise<never> {
    let wait = BACKOFF_MS.first;
    for (;;) {
      this.#turn = new AbortController();
      const { signal } = this.#turn;
      const began = performance.now();
      await this.#follow(signal);
      // What held for a while and ended is tried anew as if it were the first time.
      if (signal.aborted || performance.now() - began > BACKOFF_MS.most) wait = BACKOFF_MS.first;
      await pause(wait, signal);
      wait = Math.min(wait * 2, BACKOFF_MS.most);
    }
  }

  /** One round: resolves when the list can no longer be followed the way it was. */
  async #follow(signal: AbortSignal): Promise<void> {
    const facts = await fetchFacts(this.#page);
    if (signal.aborted) return;
    if (facts === undefined) return this.#lose("unreachable");
    if (facts.server !== this.#status.facts.server || this.#status.phase === "searching") {
      this.#status = { ...this.#status, facts };
      this.onChange(this.#status);
    }
    const error = await this.#overWebTransport(facts, signal);
    if (signal.aborted || error === undefined) return;
    if (error.code === "unauthorized") return this.#refused(signal);
    if (error.code === "closed" || error.code === "busy") return;
    // The certificate may have changed since its hash was asked for.
    const fresh = await fetchFacts(this.#page);
    if (fresh !== undefined && String(fresh.hashes) !== String(facts.hashes)) return;
    await this.#overHttp(error.code === "no-webtransport" || error.code === "protocol" ? error.code : "unreachable", signal);
  }

  async #overWebTransport({ server, hashes }: Facts, signal: AbortSignal): Promise<SourceError | undefined> {
    let source: MoqtSource | undefined;
    const settled = new AbortController();
    try {
      source = await MoqtSource.connect({ url: `${server}/`, certificateHashes: hashes, token: this.#token, signal });
      source.onLeave = () => source?.close();
      const connection = source;
      void this.#watchHealth(hashes, AbortSignal.any([signal, settled.signal]), () => connection.close());
      const fresh = new Map<string, string[]>();
      // The broadcasts that are known stay on screen until the new list is whole.
      void pause(SETTLE_MS, AbortSignal.any([signal, settled.signal])).then(() => {
        if (!settled.signal.aborted && !signal.aborted) this.#replace("live", "", fresh);
      });
      const opened = performance.now();
      for await (const { kind, namespace } of source.broadcasts([], signal)) {
        const fields = textOf(namespace);
        if (fields === undefined) continue;
        if (kind === "removed") fresh.delete(pathOf(fields));
        else if (fresh.size < LISTED) fresh.set(pathOf(fields), fields);
        if (performance.now() - opened > SETTLE_MS) this.#replace("live", "", fresh);
      }
      return undefined;
    } catch (error) {
      return error instanceof SourceError ? error : new SourceError("protocol", String(error));
    } finally {
      settled.abort();
      source?.close();
    }
  }

  /** Calls `gone` once the relay does not answer, or is another one than it was. */
  async #watchHealth(hashes: string[], signal: AbortSignal, gone: () => void): Promise<void> {
    for (;;) {
      await pause(HEALTH_MS, signal);
      if (signal.aborted) return;
      if (document.hidden) continue;
      const facts = await fetchFacts(this.#page);
      if (facts === undefined || String(facts.hashes) !== String(hashes)) return gone();
    }
  }

  async #overHttp(reason: Status["reason"], signal: AbortSignal): Promise<void> {
    const until = performance.now() + RETRY_WEBTRANSPORT_MS;
    while (!signal.aborted && (reason === "no-webtransport" || performance.now() < until)) {
      const listing = await fetchBroadcasts(this.#page.origin, this.#token);
      if (signal.aborted) return;
      if (listing.kind === "unauthorized") return this.#refused(signal);
      if (listing.kind === "unreachable") return this.#lose("unreachable");
      this.#replace("http", reason, new Map(listing.namespaces.map((fields) => [pathOf(fields), fields])));
      await pause(POLL_MS, signal);
    }
  }

  /** Waits for another token, or for the server to have changed its mind. */
  async #refused(signal: AbortSignal): Promise<void> {
    this.#lose("unauthorized");
    await pause(RETRY_WEBTRANSPORT_MS, signal);
  }

  #lose(phase: Phase): void {
    this.#replace(phase, "", new Map());
  }

  #replace(phase: Phase, reason: Status["reason"], found: ReadonlyMap<string, string[]>): void {
    const before = this.#status;
    const same = found.size === this.#found.size && [...found.keys()].every((key) => this.#found.has(key));
    if (same && before.phase === phase && before.reason === reason) return;
    this.#found.clear();
    for (const [key, fields] of found) this.#found.set(key, fields);
    const broadcasts = [...this.#found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, fields]) => fields);
    this.#status = { ...before, phase, reason, broadcasts };
    this.onChange(this.#status);
  }
}

/** Resolves after a while, or when `signal` is aborted. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done);
  });
}

/** undefined for a namespace that is no text: it has no place in an address. */
function textOf(namespace: readonly Uint8Array[]): string[] | undefined {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    return namespace.map((field) => decoder.decode(field));
  } catch {
    return undefined;
  }
}
