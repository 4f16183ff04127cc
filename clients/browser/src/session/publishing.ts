// What the peer asks of a page that publishes: subscriptions and fetches, and the streams that answer them.

import type { Message } from "../moqt/control/mod.ts";
import { ByteWriter } from "../moqt/codec.ts";
import type { FetchRange } from "../moqt/control/fetch.ts";
import { encodeFetchHeader, encodeObjectHeader, encodeSubgroupHeader, FetchEncoder } from "../moqt/data/mod.ts";
import { codeToWire, RequestErrorCode, STREAM_CODES, StreamErrorCode } from "../moqt/error_code.ts";
import type { Location } from "../moqt/location.ts";
import type { FullTrackName } from "../moqt/name.ts";
import type { Parameters } from "../moqt/parameter.ts";
import { Properties } from "../moqt/property.ts";
import type { Version } from "../moqt/version.ts";
import { type Carrier, ignore, Output } from "./carrier.ts";
import { type Exchange, violationOf } from "./channel.ts";
import { JOINING_WAIT, PEER_REQUESTS } from "./limit.ts";
import { deferred } from "./queue.ts";

/** An object to send. */
export interface SentObject {
  object: bigint;
  properties: Properties;
  payload: Uint8Array;
}

function written(version: Version, write: (out: ByteWriter) => void): Uint8Array {
  const out = new ByteWriter(version);
  write(out);
  return out.finish();
}

interface Failing {
  fail(error: unknown): void;
}

/** A request of the peer that may be refused. */
class Refusable {
  protected readonly exchange: Exchange;

  constructor(exchange: Exchange) {
    this.exchange = exchange;
  }

  /** REQUEST_ERROR; `retry` in ms says when asking again may help. */
  refuse(code: number, reason: string, retry?: number): void {
    const wait = retry === undefined ? undefined : BigInt(retry);
    this.exchange.reply({ type: "REQUEST_ERROR", code, retry: wait, reason, redirect: undefined });
    this.exchange.finish();
  }
}

/** A SUBSCRIBE of the peer. */
export class IncomingSubscribe extends Refusable {
  readonly track: FullTrackName;
  readonly parameters: Parameters;
  readonly #publisher: Publisher;
  readonly #session: Failing;

  constructor(message: Extract<Message, { type: "SUBSCRIBE" }>, exchange: Exchange, publisher: Publisher, session: Failing) {
    super(exchange);
    this.track = message.track;
    this.parameters = message.parameters;
    this.#publisher = publisher;
    this.#session = session;
  }

  /** SUBSCRIBE_OK. `largest` is the newest object published so far. */
  accept(largest: Location | undefined, properties: Properties = Properties.EMPTY): Publication {
    return this.#publisher.accepted(this, this.exchange, largest, properties, this.#session);
  }
}

/** A FETCH of the peer; a joining one with its range worked out. */
export class IncomingFetch extends Refusable {
  readonly track: FullTrackName;
  readonly start: Location;
  /** Behind the last object; object 0 = the whole group. */
  readonly end: Location;
  readonly #publisher: Publisher;

  constructor(exchange: Exchange, track: FullTrackName, start: Location, end: Location, publisher: Publisher) {
    super(exchange);
    this.track = track;
    this.start = start;
    this.end = end;
    this.#publisher = publisher;
  }

  /** FETCH_OK and the stream for the objects, ascending. */
  async accept(properties: Properties = Properties.EMPTY): Promise<FetchOutput> {
    this.exchange.reply({ type: "FETCH_OK", endOfTrack: false, end: this.end, parameters: {}, properties });
    const output = new Output(await this.#publisher.carrier.createUnidirectionalStream());
    const stream = new FetchOutput(output, this.#publisher.version, this.exchange);
    await output.write(written(this.#publisher.version, (out) => encodeFetchHeader(this.exchange.id, out)));
    return stream;
  }
}

/** The stream of a FETCH. */
export class FetchOutput {
  readonly #output: Output;
  readonly #encoder: FetchEncoder;
  readonly #version: Version;
  readonly #exchange: Exchange;

  constructor(output: Output, version: Version, exchange: Exchange) {
    this.#output = output;
    this.#encoder = new FetchEncoder(version, "ascending");
    this.#version = version;
    this.#exchange = exchange;
  }

  /** Resolves when there is room for more. Rejects with StreamReset. */
  write(group: bigint, subgroup: bigint, priority: number, { object, properties, payload }: SentObject): Promise<void> {
    const header = { location: { group, object }, subgroup, priority, properties, payloadLen: BigInt(payload.length) };
    void this.#output.write(written(this.#version, (out) => this.#encoder.object(header, out))).catch(ignore);
    return this.#output.write(payload);
  }

  finish(): void {
    this.#output.finish();
    this.#exchange.finish();
  }
}

/** A stream of one subgroup. */
export class SubgroupOutput {
  readonly #output: Output;
  readonly #version: Version;
  #previous: bigint | undefined;

  constructor(output: Output, version: Version) {
    this.#output = output;
    this.#version = version;
  }

  /** Resolves when there is room for more. Rejects with StreamReset. */
  write({ object, properties, payload }: SentObject): Promise<void> {
    const header = { objectId: object, properties, payloadLen: BigInt(payload.length), status: "normal" as const };
    const bytes = written(this.#version, (out) => encodeObjectHeader(this.#previous, header, true, out));
    this.#previous = object;
    void this.#output.write(bytes).catch(ignore);
    return this.#output.write(payload);
  }

  finish(): void {
    this.#output.finish();
  }

  reset(code: number): void {
    this.#output.reset(Number(codeToWire(STREAM_CODES, code, this.#version)));
  }
}

/** A subscription of the peer that was accepted. */
export class Publication {
  readonly track: FullTrackName;
  /** Newest object when it began to flow, which joining FETCHes end at. */
  largest: Location | undefined;
  forward: boolean;
  priority: number;
  /** The peer wants a new group: NEW_GROUP_REQUEST of its newest request. */
  newGroup: bigint | undefined;
  /** The peer changed FORWARD or its priority, or wants a new group; `largest` must be set before a true `forward` is answered. */
  onUpdate: (() => void) | undefined;
  /** Resolves when the peer gave it up. */
  readonly closed: Promise<void>;
  readonly #alias: bigint;
  readonly #exchange: Exchange;
  readonly #publisher: Publisher;
  readonly #open = new Set<SubgroupOutput>();
  #streams = 0n;
  #over = false;

  constructor(request: IncomingSubscribe, alias: bigint, exchange: Exchange, publisher: Publisher, session: Failing) {
    this.track = request.track;
    this.forward = request.parameters.forward ?? true;
    this.priority = request.parameters.subscriberPriority ?? 128;
    this.newGroup = request.parameters.newGroupRequest;
    this.#alias = alias;
    this.#exchange = exchange;
    this.#publisher = publisher;
    this.closed = this.#follow(session);
  }

  /** Opens a subgroup; `firstObject` = the stream begins with the subgroup's first. Rejects when the peer allows no more streams. */
  async openSubgroup(header: {
    group: bigint;
    subgroup: bigint;
    priority: number;
    endOfGroup: boolean;
    firstObject?: boolean;
  }): Promise<SubgroupOutput> {
    const { carrier, version } = this.#publisher;
    const output = new Output(await carrier.createUnidirectionalStream());
    this.#streams += 1n;
    const { group, subgroup, priority, endOfGroup, firstObject = true } = header;
    const flags = { kind: "subgroup" as const, hasProperties: true, endOfGroup, firstObject };
    const full = { ...flags, trackAlias: this.#alias, group, subgroup: subgroup === 0n ? ("zero" as const) : subgroup, priority };
    const stream = new SubgroupOutput(output, version);
    this.#open.add(stream);
    void output.closed.then(() => this.#open.delete(stream));
    await output.write(written(version, (out) => encodeSubgroupHeader(full, out)));
    return stream;
  }

  /** PUBLISH_DONE; streams are to be finished or reset before. */
  done(status: number, reason = ""): void {
    this.#over = true;
    this.#publisher.forget(this.#exchange.id);
    this.#exchange.reply({ type: "PUBLISH_DONE", status, streamCount: this.#streams, reason });
    this.#exchange.finish();
  }

  async #follow(session: Failing): Promise<void> {
    try {
      for (let message = await this.#exchange.next(); message; message = await this.#exchange.next()) {
        if (message.type !== "REQUEST_UPDATE") continue;
        this.forward = message.parameters.forward ?? this.forward;
        this.priority = message.parameters.subscriberPriority ?? this.priority;
        this.newGroup = message.parameters.newGroupRequest;
        this.onUpdate?.();
        if (this.#over) continue;
        const parameters = this.largest ? { largestObject: this.largest } : {};
        this.#exchange.reply({ type: "REQUEST_OK", parameters, properties: Properties.EMPTY }, message.requestId);
      }
    } catch (error) {
      if (violationOf(error)) session.fail(error);
      for (const stream of this.#open) stream.reset(StreamErrorCode.CANCELLED);
      this.#exchange.cancel(StreamErrorCode.CANCELLED);
    } finally {
      this.#publisher.forget(this.#exchange.id);
    }
  }
}

export class Publisher {
  readonly carrier: Carrier;
  readonly version: Version;
  /** Called for each SUBSCRIBE; accept or refuse it, now or later. */
  onSubscribe: ((request: IncomingSubscribe) => void) | undefined;
  /** Called for each FETCH. Without it they are refused. */
  onFetch: ((request: IncomingFetch) => void) | undefined;
  readonly #publications = new Map<bigint, Publication>();
  readonly #awaited = new Map<bigint, () => void>();
  #nextAlias = 0n;

  constructor(carrier: Carrier, version: Version) {
    this.carrier = carrier;
    this.version = version;
  }

  /** Takes a request that is about publishing; false for others. */
  request(message: Message, exchange: Exchange, session: Failing): boolean {
    if (message.type === "SUBSCRIBE" && this.onSubscribe) {
      const incoming = new IncomingSubscribe(message, exchange, this, session);
      if (this.#publications.size < PEER_REQUESTS) this.onSubscribe(incoming);
      else incoming.refuse(RequestErrorCode.EXCESSIVE_LOAD, "too many subscriptions", 1000);
      return true;
    }
    if (message.type === "FETCH" && this.onFetch) {
      void this.#fetch(message.range, exchange);
      return true;
    }
    return false;
  }

  /** For {@link IncomingSubscribe}. */
  accepted(
    request: IncomingSubscribe,
    exchange: Exchange,
    largest: Location | undefined,
    properties: Properties,
    session: Failing,
  ): Publication {
    const trackAlias = this.#nextAlias++;
    const parameters = largest ? { largestObject: largest } : {};
    exchange.reply({ type: "SUBSCRIBE_OK", trackAlias, parameters, properties });
    const publication = new Publication(request, trackAlias, exchange, this, session);
    publication.largest = largest;
    this.#publications.set(exchange.id, publication);
    this.#awaited.get(exchange.id)?.();
    return publication;
  }

  forget(id: bigint): void {
    this.#publications.delete(id);
  }

  async #fetch(range: FetchRange, exchange: Exchange): Promise<void> {
    if (range.kind === "standalone") {
      return this.onFetch?.(new IncomingFetch(exchange, range.track, range.start, range.end, this));
    }
    const publication = this.#publications.get(range.joining) ?? (await this.#await(range.joining));
    const refusable = new Refusable(exchange);
    if (!publication) return refusable.refuse(RequestErrorCode.INVALID_JOINING_REQUEST_ID, "no such subscription");
    const { largest, forward, track } = publication;
    if (!largest || !forward) return refusable.refuse(RequestErrorCode.INVALID_RANGE, "nothing to join");
    const first = range.kind === "absolute" ? range.group : largest.group - range.groups;
    if (first > largest.group) return refusable.refuse(RequestErrorCode.INVALID_RANGE, "the range starts after the subscription");
    const start = { group: first < 0n ? 0n : first, object: 0n };
    const end = { group: largest.group, object: largest.object + 1n };
    this.onFetch?.(new IncomingFetch(exchange, track, start, end, this));
  }

  /** A SUBSCRIBE that its joining FETCH has overtaken. */
  async #await(id: bigint): Promise<Publication | undefined> {
    if (this.#awaited.size >= PEER_REQUESTS) return undefined;
    const here = deferred<void>();
    const timer = setTimeout(() => here.resolve(), JOINING_WAIT);
    this.#awaited.set(id, () => here.resolve());
    await here.promise;
    clearTimeout(timer);
    this.#awaited.delete(id);
    return this.#publications.get(id);
  }
}
