// The peer's data streams: who they are for, and the objects on them.

import { ByteReader, EMPTY_BYTES, Incomplete } from "../moqt/codec.ts";
import { SessionErrorCode, StreamErrorCode } from "../moqt/error_code.ts";
import type { Version } from "../moqt/version.ts";
import { type Carrier, ignore, Input, StreamReset } from "./carrier.ts";
import { joined, violationOf } from "./channel.ts";
import { Violation } from "./error.ts";
import { EARLY_STREAMS, RETIRED_ALIASES, STREAM_HEADER_TIMEOUT, UNKNOWN_ALIAS_WAIT } from "./limit.ts";
import { FetchStream, type ObjectStream, type ReceivedObject, SubgroupStream } from "./object-stream.ts";
import { decodeDatagram, decodeStreamHeader } from "../moqt/data/mod.ts";

/** Who takes the streams of a subscription. */
export interface StreamSink {
  stream(stream: ObjectStream): void;
  datagram(object: ReceivedObject): void;
}

export interface StreamHandler {
  control(input: Input, first: Uint8Array): void;
  fail(error: unknown): void;
}

interface Early {
  stream: ObjectStream;
  timer: ReturnType<typeof setTimeout>;
}

export class Streams {
  readonly #carrier: Carrier;
  readonly #version: Version;
  readonly #handler: StreamHandler;
  readonly #sinks = new Map<bigint, StreamSink>();
  readonly #fetches = new Map<bigint, (stream: ObjectStream) => void>();
  /** Streams that came before the SUBSCRIBE_OK with their alias. */
  readonly #early = new Map<bigint, Early[]>();
  readonly #retired = new Set<bigint>();
  /** Streams without a header or a subscription yet. */
  #unsettled = 0;

  constructor(carrier: Carrier, version: Version, handler: StreamHandler) {
    this.#carrier = carrier;
    this.#version = version;
    this.#handler = handler;
  }

  run(): void {
    void this.#accept();
    void this.#datagrams();
  }

  /** Streams with this alias are `sink`'s from now on, and those that came early. */
  register(alias: bigint, sink: StreamSink): void {
    if (this.#sinks.has(alias)) {
      throw new Violation(`alias ${alias} for two tracks`, SessionErrorCode.DUPLICATE_TRACK_ALIAS);
    }
    this.#retired.delete(alias);
    this.#sinks.set(alias, sink);
    const early = this.#early.get(alias) ?? [];
    this.#early.delete(alias);
    for (const { stream, timer } of early) {
      clearTimeout(timer);
      this.#unsettled -= 1;
      sink.stream(stream);
    }
  }

  /** Streams with this alias that still come are not wanted. */
  retire(alias: bigint): void {
    this.#sinks.delete(alias);
    this.#retired.add(alias);
    const [oldest] = this.#retired;
    if (this.#retired.size > RETIRED_ALIASES && oldest !== undefined) this.#retired.delete(oldest);
  }

  /** `taken` gets the stream of this FETCH. */
  expectFetch(id: bigint, taken: (stream: ObjectStream) => void): void {
    this.#fetches.set(id, taken);
  }

  forgetFetch(id: bigint): void {
    this.#fetches.delete(id);
  }

  async #accept(): Promise<void> {
    const streams = this.#carrier.incomingUnidirectionalStreams.getReader();
    try {
      for (let next = await streams.read(); next.value; next = await streams.read()) {
        this.#arrived(new Input(next.value)).catch((error: unknown) => {
          if (!(error instanceof StreamReset)) this.#handler.fail(error);
        });
      }
    } catch {
      // The connection is gone, which `closed` tells.
    }
  }

  async #arrived(input: Input): Promise<void> {
    if (this.#unsettled >= EARLY_STREAMS) return input.cancel(StreamErrorCode.CANCELLED);
    this.#unsettled += 1;
    const timer = setTimeout(() => input.cancel(StreamErrorCode.CANCELLED), STREAM_HEADER_TIMEOUT);
    let held = false;
    try {
      held = await this.#settle(input);
    } finally {
      clearTimeout(timer);
      if (!held) this.#unsettled -= 1;
    }
  }

  /** Reads a stream's header and hands the stream to whom it is for; true if that is not known yet. */
  async #settle(input: Input): Promise<boolean> {
    let bytes: Uint8Array = new Uint8Array();
    for (;;) {
      const chunk = await input.read();
      if (!chunk) return false;
      const at = performance.now();
      bytes = joined(bytes, chunk);
      const reader = new ByteReader(bytes, this.#version);
      try {
        const header = decodeStreamHeader(reader);
        const rest = { bytes: bytes.subarray(reader.offset), at };
        switch (header.kind) {
          case "control":
            this.#handler.control(input, rest.bytes);
            return false;
          case "padding":
            drop(input).catch(ignore);
            return false;
          case "fetch":
            this.#deliverFetch(header.requestId, new FetchStream(input, this.#version, rest, this.#failed));
            return false;
          case "subgroup":
            return this.#deliver(header.trackAlias, new SubgroupStream(input, this.#version, header, rest, this.#failed));
        }
      } catch (error) {
        if (!(error instanceof Incomplete)) throw error;
      }
    }
  }

  readonly #failed = (error: unknown): void => this.#handler.fail(error);

  #deliverFetch(id: bigint, stream: ObjectStream): void {
    const taken = this.#fetches.get(id);
    this.#fetches.delete(id);
    if (taken) taken(stream);
    else stream.cancel(StreamErrorCode.CANCELLED);
  }

  #deliver(alias: bigint, stream: ObjectStream): boolean {
    const sink = this.#sinks.get(alias);
    if (sink) sink.stream(stream);
    else if (this.#retired.has(alias)) stream.cancel(StreamErrorCode.CANCELLED);
    else this.#hold(alias, stream);
    return this.#early.has(alias);
  }

  #hold(alias: bigint, stream: ObjectStream): void {
    const timer = setTimeout(() => this.#giveUp(alias, stream), UNKNOWN_ALIAS_WAIT);
    const early = this.#early.get(alias);
    if (early) early.push({ stream, timer });
    else this.#early.set(alias, [{ stream, timer }]);
  }

  #giveUp(alias: bigint, stream: ObjectStream): void {
    const left = (this.#early.get(alias) ?? []).filter((early) => early.stream !== stream);
    if (left.length > 0) this.#early.set(alias, left);
    else this.#early.delete(alias);
    this.#unsettled -= 1;
    stream.cancel(StreamErrorCode.CANCELLED);
  }

  /** Objects in datagrams. One that comes before its alias is known is dropped: datagrams may be lost anyway. */
  async #datagrams(): Promise<void> {
    const datagrams = this.#carrier.datagrams.readable.getReader();
    try {
      for (let next = await datagrams.read(); next.value; next = await datagrams.read()) this.#datagram(next.value);
    } catch (error) {
      if (violationOf(error)) this.#handler.fail(error);
    }
  }

  #datagram(bytes: Uint8Array): void {
    const datagram = decodeDatagram(bytes, this.#version);
    if (!datagram) return;
    const at = performance.now();
    const { trackAlias, group, objectId, properties, endOfGroup, payload, status } = datagram;
    this.#sinks.get(trackAlias)?.datagram({
      ...{ group, object: objectId, subgroup: undefined, properties, payload: payload ?? EMPTY_BYTES, status },
      ...{ endOfGroup: endOfGroup || status !== "normal", firstByteAt: at, receivedAt: at },
    });
  }

  /** The connection is gone. */
  end(): void {
    for (const early of this.#early.values()) for (const { timer } of early) clearTimeout(timer);
    this.#early.clear();
  }
}

async function drop(input: Input): Promise<void> {
  while (await input.read());
}
