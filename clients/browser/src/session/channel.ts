// Which stream a message travels on: the one thing that the two drafts do differently. Draft-18 gives every request a stream,
// draft-16 has one stream for nearly all; the rest of the session sees exchanges.

import { ByteReader } from "../moqt/codec.ts";
import { decodeMessage, type Message } from "../moqt/control/mod.ts";
import { Incomplete, ProtocolError } from "../moqt/codec.ts";
import type { Setup } from "../moqt/control/setup.ts";
import type { Parameters } from "../moqt/parameter.ts";
import type { Version } from "../moqt/version.ts";
import { Violation } from "./error.ts";
import { MESSAGE_BYTES } from "./limit.ts";
import type { Input } from "./carrier.ts";

/** One request of either side, and what is said about it. */
export interface Exchange {
  /** The Request ID. */
  readonly id: bigint;
  /** The peer's next message about it, `undefined` when no more comes. Rejects with StreamReset when the peer cancelled it. */
  next(): Promise<Message | undefined>;
  /** Answers it; a failure shows in {@link next}. `update` is the REQUEST_UPDATE that is answered, not the request itself. */
  reply(reply: Reply, update?: bigint): void;
  /** REQUEST_UPDATE of this side. */
  update(parameters: Parameters): void;
  /** This side has said its last about it. */
  finish(): void;
  /** Gives it up. */
  cancel(code: number): void;
}

/** What is said to the peer's request; the channel knows whether a Request ID belongs in it. */
export type Reply = DistributiveOmit<Extract<Message, { type: ReplyType }>, "requestId">;
type ReplyType = "SUBSCRIBE_OK" | "FETCH_OK" | "REQUEST_OK" | "REQUEST_ERROR" | "PUBLISH_DONE";
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** Opens a request: gets the Request ID to put in. */
export type Opening = (id: bigint) => Message;

export interface Channel {
  readonly version: Version;
  /** The peer's SETUP. */
  readonly peer: Promise<Setup>;
  /** Sends SETUP; resolves when requests may follow, in draft-18 without waiting for the peer's. */
  start(own: Setup): Promise<void>;
  /** A request of this side. */
  open(opening: Opening): Exchange;
  /** A unidirectional stream that is a control stream. */
  control(input: Input, first: Uint8Array): void;
  /** The connection is gone. */
  end(): void;
}

/** What a channel tells its session. */
export interface ChannelHandler {
  /** The peer opened a request. */
  request(message: Message, exchange: Exchange): void;
  /** The peer wants this side to leave. */
  goaway(uri: string): void;
  /** The session cannot go on. */
  fail(error: unknown): void;
}

/** Messages off a stream. */
export class MessageReader {
  #bytes: Uint8Array;
  readonly #input: Input;
  readonly #version: Version;

  constructor(input: Input, version: Version, first: Uint8Array = new Uint8Array()) {
    this.#input = input;
    this.#version = version;
    this.#bytes = first;
  }

  /** The next message, `undefined` after the last. Rejects with StreamReset or what is wrong with the message. */
  async next(): Promise<Message | undefined> {
    for (;;) {
      if (this.#bytes.length > 0) {
        const message = this.#take();
        if (message) return message;
      }
      const chunk = await this.#input.read();
      if (!chunk) {
        if (this.#bytes.length > 0) throw new Violation("a stream ends inside a message");
        return undefined;
      }
      this.#bytes = joined(this.#bytes, chunk);
    }
  }

  #take(): Message | undefined {
    const reader = new ByteReader(this.#bytes, this.#version);
    try {
      const message = decodeMessage(reader);
      this.#bytes = this.#bytes.subarray(reader.offset);
      return message;
    } catch (error) {
      if (!(error instanceof Incomplete)) throw error;
      if (this.#bytes.length >= MESSAGE_BYTES) throw new Violation("a message longer than its length field can say");
      return undefined;
    }
  }

  /** Whoever reads gets `undefined`. */
  cancel(code: number): void {
    this.#bytes = new Uint8Array();
    this.#input.cancel(code);
  }
}

export function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

/** What a failure means for the session: a rule that the peer broke, or none. */
export function violationOf(error: unknown): Violation | undefined {
  if (error instanceof Violation) return error;
  return error instanceof ProtocolError ? new Violation(error.message, Number(error.code)) : undefined;
}
