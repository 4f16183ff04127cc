// An MOQT session of a client: requests of both sides over whichever draft was chosen.

import type { FetchRange } from "../moqt/control/fetch.ts";
import type { Message } from "../moqt/control/mod.ts";
import { RequestErrorCode, SessionErrorCode, StreamErrorCode } from "../moqt/error_code.ts";
import type { Filter, Location } from "../moqt/location.ts";
import { formatName, type FullTrackName, joinNamespace, type Namespace, namespaceKey } from "../moqt/name.ts";
import type { Token } from "../moqt/token.ts";
import type { Version } from "../moqt/version.ts";
import { type BroadcastEvent, SourceError } from "../source/source.ts";
import { answer, type Surroundings, within } from "./answer.ts";
import { type Carrier, type Input, StreamReset } from "./carrier.ts";
import { type Channel, type ChannelHandler, type Exchange, violationOf } from "./channel.ts";
import { Draft16 } from "./draft16.ts";
import { Draft18 } from "./draft18.ts";
import { closedByPeer, Violation } from "./error.ts";
import { Fetch } from "./fetch.ts";
import { CLOSE_GRACE, LOCAL_REQUESTS, SETUP_TIMEOUT, WAITING_MESSAGES } from "./limit.ts";
import { Publisher } from "./publishing.ts";
import { deferred } from "./queue.ts";
import { Streams } from "./streams.ts";
import { Subscription } from "./subscription.ts";

export interface SubscribeOptions {
  /** 0 first … 255 last. */
  priority: number;
  filter: Filter;
  /** Objects flow at once; default true. */
  forward?: boolean;
  signal?: AbortSignal | undefined;
}

export interface SessionOptions {
  /** Sent as AUTHORIZATION_TOKEN in SETUP; empty = none. */
  token: string;
  /** Where the connection goes, for error texts. */
  host: string;
}

export class Session implements ChannelHandler, Surroundings {
  readonly version: Version;
  /** Resolves when the session ends, with why. */
  readonly closed: Promise<SourceError>;
  /** The server wants this client to leave; empty = to the same server. */
  onLeave: ((uri: string) => void) | undefined;
  /** Requests of the peer for what this side publishes. */
  readonly publisher: Publisher;
  readonly #carrier: Carrier;
  readonly #host: string;
  readonly #channel: Channel;
  readonly #streams: Streams;
  readonly #closed = deferred<SourceError>();
  #over = false;
  #local = 0;

  private constructor(carrier: Carrier, version: Version, host: string) {
    this.#carrier = carrier;
    this.#host = host;
    this.version = version;
    this.closed = this.#closed.promise;
    this.#channel = version === 18 ? new Draft18(carrier, this) : new Draft16(carrier, this);
    this.#streams = new Streams(carrier, version, this);
    this.publisher = new Publisher(carrier, version);
    void this.closed.then(() => this.#end());
    carrier.closed.then(
      ({ closeCode, reason }) => this.#finish(closedByPeer(closeCode ?? 0, reason ?? "")),
      (error: unknown) => this.#finish(this.#gone(error)),
    );
  }

  /** Begins a session on a connection that is ready; resolves when requests may be made. */
  static async start(carrier: Carrier, version: Version, options: SessionOptions): Promise<Session> {
    const session = new Session(carrier, version, options.host);
    const value = new TextEncoder().encode(options.token);
    const tokens: Token[] = value.length > 0 ? [{ kind: "use-value", tokenType: 0n, value }] : [];
    session.#streams.run();
    const late = new Violation("it sent no SETUP in time", SessionErrorCode.CONTROL_MESSAGE_TIMEOUT);
    const limits = { closed: session.closed, milliseconds: SETUP_TIMEOUT, late, signal: undefined };
    within(session.#channel.peer, limits).catch((error: unknown) => session.fail(error));
    try {
      await within(session.#channel.start({ type: "SETUP", sender: "client", options: { tokens, implementation: "efir-browser" } }), limits);
    } catch (error) {
      session.fail(error);
      throw await session.closed;
    }
    return session;
  }

  /** Ends the session. */
  close(code: number = SessionErrorCode.NO_ERROR, reason = ""): void {
    this.#close(code, reason, new SourceError("closed", "closed by this player"));
  }

  /** Subscribes. Rejects with SourceError. */
  async subscribe(track: FullTrackName, options: SubscribeOptions): Promise<Subscription> {
    return this.#subscribed(track, options, this.#sendSubscribe(track, options));
  }

  /**
   * The current group from its first object on: SUBSCRIBE from the largest object, and at once a FETCH of what came before it
   * in its group. The head is refused where nothing has been published yet.
   */
  join(track: FullTrackName, options: Omit<SubscribeOptions, "filter">): { live: Promise<Subscription>; head: Fetch } {
    const subscribe = { ...options, filter: { kind: "largest-object" as const } };
    const sent = this.#sendSubscribe(track, subscribe);
    const live = this.#subscribed(track, subscribe, sent);
    const range = { kind: "relative", joining: sent.exchange.id, groups: 0n } as const;
    return { live, head: this.#fetch(range, `FETCH of the head of ${formatName(track)}`, options) };
  }

  /** Objects from `start` up to before `end`; an `end` with object 0 is the whole end group. */
  fetch(track: FullTrackName, start: Location, end: Location, options: { priority: number; signal?: AbortSignal }): Fetch {
    return this.#fetch({ kind: "standalone", track, start, end }, `FETCH of ${formatName(track)}`, options);
  }

  /** Follows the namespaces under a prefix; ends with the session, or when aborted. Rejects with SourceError. */
  async *namespaces(prefix: Namespace, signal?: AbortSignal): AsyncGenerator<BroadcastEvent> {
    const what = "SUBSCRIBE_NAMESPACE";
    const exchange = this.#open((requestId) => ({ type: what, requestId, prefix, options: "namespaces", parameters: {} }));
    const cancel = () => exchange.cancel(StreamErrorCode.CANCELLED);
    signal?.addEventListener("abort", cancel);
    const active = new Map<string, Namespace>();
    try {
      await answer(exchange, "REQUEST_OK", what, this, signal);
      for (let message = await exchange.next(); message; message = await exchange.next()) {
        const event = this.#namespaceEvent(prefix, message, active);
        if (event) yield event;
      }
    } catch (error) {
      if (!(error instanceof StreamReset)) throw this.#reported(error);
    } finally {
      this.#local -= 1;
      signal?.removeEventListener("abort", cancel);
      cancel();
    }
    for (const namespace of active.values()) yield { kind: "removed", namespace };
  }

  /** Announces a namespace; the peer then asks for its tracks. `closed` resolves when the peer does not want it any more. */
  async publishNamespace(namespace: Namespace, signal?: AbortSignal): Promise<{ closed: Promise<void>; close(): void }> {
    const what = "PUBLISH_NAMESPACE";
    const exchange = this.#open((requestId) => ({ type: what, requestId, namespace, parameters: {} }));
    try {
      await answer(exchange, "REQUEST_OK", what, this, signal);
    } catch (error) {
      this.#local -= 1;
      throw error;
    }
    const closed = drained(exchange).then(() => void (this.#local -= 1));
    return { closed, close: () => exchange.cancel(StreamErrorCode.CANCELLED) };
  }

  request(message: Message, exchange: Exchange): void {
    if (!this.publisher.request(message, exchange, this)) {
      const reason = "this player does not take such requests";
      exchange.reply({ type: "REQUEST_ERROR", code: RequestErrorCode.NOT_SUPPORTED, retry: undefined, reason, redirect: undefined });
      exchange.finish();
    }
  }

  goaway(uri: string): void {
    this.onLeave?.(uri);
  }

  control(input: Input, first: Uint8Array): void {
    this.#channel.control(input, first);
  }

  retire(alias: bigint): void {
    this.#local -= 1;
    this.#streams.retire(alias);
  }

  readonly fail = (error: unknown): void => {
    if (error instanceof StreamReset && error.code === undefined) {
      // The connection's own end says more, and is about to come.
      setTimeout(() => this.#finish(this.#gone(error)), CLOSE_GRACE);
      return;
    }
    const violation = violationOf(error) ?? (error instanceof StreamReset ? new Violation("its control stream was reset") : undefined);
    const reason = error instanceof Error ? error.message : String(error);
    const why = violation ?? (error instanceof SourceError ? error : new SourceError("closed", `a fault of this player: ${reason}`));
    this.#close(violation?.sessionCode ?? SessionErrorCode.INTERNAL_ERROR, reason, why);
  };

  #sendSubscribe(track: FullTrackName, options: SubscribeOptions): { exchange: Exchange; at: number } {
    const { filter, priority, forward } = options;
    const parameters = { filter, subscriberPriority: priority, ...(forward === false ? { forward } : {}) };
    const at = performance.now();
    return { exchange: this.#open((requestId) => ({ type: "SUBSCRIBE", requestId, track, parameters })), at };
  }

  async #subscribed(
    track: FullTrackName,
    { signal }: { signal?: AbortSignal | undefined },
    { exchange, at }: { exchange: Exchange; at: number },
  ): Promise<Subscription> {
    try {
      const ok = await answer(exchange, "SUBSCRIBE_OK", `SUBSCRIBE of ${formatName(track)}`, this, signal);
      const subscription = new Subscription(track, ok, exchange, at, this);
      this.#streams.register(ok.trackAlias, subscription);
      return subscription;
    } catch (error) {
      this.#local -= 1;
      throw this.#reported(error);
    }
  }

  #fetch(
    range: FetchRange,
    what: string,
    { priority, signal }: { priority: number; signal?: AbortSignal | undefined },
  ): Fetch {
    const parameters = { subscriberPriority: priority, groupOrder: "ascending" as const };
    const exchange = this.#open((requestId) => ({ type: "FETCH", requestId, range, parameters }));
    return new Fetch(exchange, what, this.#streams, this, signal, () => (this.#local -= 1));
  }

  #open(opening: (id: bigint) => Message): Exchange {
    if (this.#over) throw new SourceError("closed", `the session with ${this.#host} is over`);
    if (this.#local >= LOCAL_REQUESTS) throw new SourceError("busy", `this player has ${LOCAL_REQUESTS} requests open`);
    this.#local += 1;
    return this.#channel.open(opening);
  }

  #namespaceEvent(prefix: Namespace, message: Message, active: Map<string, Namespace>): BroadcastEvent | undefined {
    if (message.type === "GOAWAY") return void this.onLeave?.(message.uri);
    if (message.type !== "NAMESPACE" && message.type !== "NAMESPACE_DONE") {
      throw new Violation(`${message.type} about a prefix`);
    }
    const namespace = joinNamespace(prefix, message.suffix);
    const key = namespaceKey(namespace);
    if (message.type === "NAMESPACE_DONE") return active.delete(key) ? { kind: "removed", namespace } : undefined;
    if (active.has(key)) return undefined;
    if (active.size >= WAITING_MESSAGES) throw new SourceError("busy", `more than ${WAITING_MESSAGES} broadcasts`);
    active.set(key, namespace);
    return { kind: "added", namespace };
  }

  /** Tells the session what a request met, if that ends the session. */
  #reported(error: unknown): unknown {
    const violation = violationOf(error);
    if (violation) this.fail(violation);
    return violation ?? error;
  }

  #gone(error: unknown): SourceError {
    return new SourceError("closed", `the connection to ${this.#host} is gone: ${error instanceof Error ? error.message : String(error)}`);
  }

  #close(code: number, reason: string, why: SourceError): void {
    if (this.#over) return;
    this.#finish(why);
    this.#carrier.close({ closeCode: code, reason: reason.slice(0, 256) });
  }

  #finish(why: SourceError): void {
    this.#over = true;
    this.#closed.resolve(why);
  }

  #end(): void {
    this.#channel.end();
    this.#streams.end();
  }
}

/** Reads what is left of an exchange. */
async function drained(exchange: Exchange): Promise<void> {
  try {
    while (await exchange.next());
  } catch {
    // Revoked, or the connection is gone: in every case it is over.
  }
  exchange.cancel(StreamErrorCode.CANCELLED);
}
