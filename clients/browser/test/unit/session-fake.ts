// Two ends of a WebTransport in memory, and a server end that speaks messages.

import { ByteReader, ByteWriter, Incomplete } from "../../src/moqt/codec.ts";
import { decodeMessage, encodeMessage, type Message } from "../../src/moqt/control/mod.ts";
import { encodeObjectHeader, encodeSubgroupHeader } from "../../src/moqt/data/mod.ts";
import { Properties } from "../../src/moqt/property.ts";
import type { Version } from "../../src/moqt/version.ts";
import type { Carrier, Duplex } from "../../src/session/carrier.ts";

/** Chunks a stream takes before its writer has to wait. */
const WINDOW = 8;

const pipe = (): Duplex => new TransformStream<Uint8Array, Uint8Array>({}, { highWaterMark: WINDOW }, { highWaterMark: 0 });

class Inbox<T> {
  controller: ReadableStreamDefaultController<T> | undefined;
  readonly stream = new ReadableStream<T>({ start: (controller) => void (this.controller = controller) });
  push(item: T): void {
    this.controller?.enqueue(item);
  }
}

export function written(version: Version, write: (out: ByteWriter) => void): Uint8Array {
  const out = new ByteWriter(version);
  write(out);
  return out.finish();
}

interface End {
  uni: Inbox<ReadableStream<Uint8Array>>;
  bidi: Inbox<Duplex>;
  datagrams: Inbox<Uint8Array>;
}

const end = (): End => ({ uni: new Inbox(), bidi: new Inbox(), datagrams: new Inbox() });

/** A carrier for the session under test, and the server it talks to. */
export function fake(version: Version): { carrier: Carrier; server: FakeServer } {
  const mine = end();
  const theirs = end();
  let closed: (info: { closeCode: number; reason: string }) => void = () => {};
  const whenClosed = new Promise<{ closeCode: number; reason: string }>((resolve) => (closed = resolve));
  const carrier: Carrier = {
    ready: Promise.resolve(),
    closed: whenClosed,
    protocol: `moqt-${version}`,
    incomingUnidirectionalStreams: mine.uni.stream,
    incomingBidirectionalStreams: mine.bidi.stream,
    datagrams: { readable: mine.datagrams.stream },
    createUnidirectionalStream: async () => {
      const { readable, writable } = pipe();
      theirs.uni.push(readable);
      return writable;
    },
    createBidirectionalStream: async () => {
      const there = pipe();
      const back = pipe();
      theirs.bidi.push({ readable: there.readable, writable: back.writable });
      return { readable: back.readable, writable: there.writable };
    },
    close: closed,
  };
  return { carrier, server: new FakeServer(version, mine, theirs, closed, whenClosed) };
}

/** One stream of messages, seen from the server. */
export class Talk {
  readonly version: Version;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly writer: WritableStreamDefaultWriter<Uint8Array>;
  #bytes = new Uint8Array();

  constructor({ readable, writable }: Duplex, version: Version) {
    this.version = version;
    this.#reader = readable.getReader();
    this.writer = writable.getWriter();
    this.writer.closed.catch(() => {});
  }

  async read(): Promise<Message> {
    for (;;) {
      const reader = new ByteReader(this.#bytes, this.version);
      try {
        const message = decodeMessage(reader);
        this.#bytes = this.#bytes.slice(reader.offset);
        return message;
      } catch (error) {
        if (!(error instanceof Incomplete)) throw error;
      }
      const { value } = await this.#reader.read();
      if (!value) throw new Error("the client finished the stream");
      this.#bytes = Uint8Array.from([...this.#bytes, ...value]);
    }
  }

  /** Reads until the client resets its half; the code. */
  async reset(): Promise<number> {
    try {
      for (;;) if ((await this.#reader.read()).done) throw new Error("finished, not reset");
    } catch (error) {
      if (error instanceof Error && "streamErrorCode" in error) return Number(error.streamErrorCode);
      throw error;
    }
  }

  send(message: Message): void {
    void this.writer.write(encodeMessage(message, this.version)).catch(() => {});
  }
}

export class FakeServer {
  readonly version: Version;
  readonly closed: Promise<{ closeCode: number; reason: string }>;
  readonly close: (info: { closeCode: number; reason: string }) => void;
  readonly #client: End;
  readonly #bidi: ReadableStreamDefaultReader<Duplex>;
  readonly uni: ReadableStreamDefaultReader<ReadableStream<Uint8Array>>;

  constructor(
    version: Version,
    client: End,
    server: End,
    close: FakeServer["close"],
    closed: FakeServer["closed"],
  ) {
    this.version = version;
    this.#client = client;
    this.close = close;
    this.closed = closed;
    this.#bidi = server.bidi.stream.getReader();
    this.uni = server.uni.stream.getReader();
  }

  /** The next request stream of the client. */
  async talk(): Promise<Talk> {
    const { value } = await this.#bidi.read();
    if (!value) throw new Error("no more streams");
    return new Talk(value, this.version);
  }

  /** Opens a unidirectional stream to the client. */
  open(first: Uint8Array): WritableStreamDefaultWriter<Uint8Array> {
    const { readable, writable } = pipe();
    this.#client.uni.push(readable);
    const writer = writable.getWriter();
    writer.closed.catch(() => {});
    writer.write(first).catch(() => {});
    return writer;
  }

  /** Opens a request stream to the client. */
  request(message: Message): Talk {
    const there = pipe();
    const back = pipe();
    this.#client.bidi.push({ readable: there.readable, writable: back.writable });
    const talk = new Talk({ readable: back.readable, writable: there.writable }, this.version);
    talk.send(message);
    return talk;
  }

  subgroup(trackAlias: bigint, group: bigint, endOfGroup = true): ServerSubgroup {
    const header = {
      ...{ kind: "subgroup", trackAlias, group, subgroup: "zero", priority: 128 } as const,
      ...{ hasProperties: true, endOfGroup, firstObject: true },
    };
    return new ServerSubgroup(this.open(written(this.version, (out) => encodeSubgroupHeader(header, out))), this.version);
  }

  /** SETUP of the server: draft-18's control stream, or the answer on draft-16's. */
  async greet(maxRequestId = 1000n): Promise<Talk | WritableStreamDefaultWriter<Uint8Array>> {
    const setup: Message = { type: "SETUP", sender: "server", options: { tokens: [] } };
    if (this.version === 18) return this.open(encodeMessage(setup, 18));
    const control = await this.talk();
    await control.read();
    control.send({ ...setup, options: { ...setup.options, maxRequestId } });
    return control;
  }
}

export class ServerSubgroup {
  readonly writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #version: Version;
  #previous: bigint | undefined;

  constructor(writer: WritableStreamDefaultWriter<Uint8Array>, version: Version) {
    this.writer = writer;
    this.#version = version;
  }

  object(objectId: bigint, text = `object ${objectId}`, read: () => void = () => {}): this {
    const payload = new TextEncoder().encode(text);
    const header = { objectId, properties: Properties.EMPTY, payloadLen: BigInt(payload.length), status: "normal" } as const;
    const bytes = written(this.#version, (out) => {
      encodeObjectHeader(this.#previous, header, true, out);
      out.bytes(payload);
    });
    this.#previous = objectId;
    this.writer.write(bytes).then(read, () => {});
    return this;
  }

  finish(): void {
    this.writer.close().catch(() => {});
  }

  reset(code: number): void {
    void this.writer.abort(Object.assign(new Error("reset"), { streamErrorCode: code }));
  }
}
