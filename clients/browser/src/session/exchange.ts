// A request with a stream of its own: every one in draft-18, SUBSCRIBE_NAMESPACE in draft-16.

import { encodeMessage, type Message } from "../moqt/control/mod.ts";
import type { Parameters } from "../moqt/parameter.ts";
import type { Version } from "../moqt/version.ts";
import { SourceError } from "../source/source.ts";
import { type Duplex, ignore, Input, Output } from "./carrier.ts";
import { type Exchange, MessageReader, type Reply } from "./channel.ts";

export interface Halves {
  messages: MessageReader;
  output: Output;
}

export function halvesOf(stream: Duplex, version: Version): Halves {
  return { messages: new MessageReader(new Input(stream.readable), version), output: new Output(stream.writable) };
}

/** The Request ID of a message that opens a request. */
export function openedId(message: Message): bigint | undefined {
  switch (message.type) {
    case "SUBSCRIBE":
    case "FETCH":
    case "PUBLISH":
    case "TRACK_STATUS":
    case "PUBLISH_NAMESPACE":
    case "SUBSCRIBE_NAMESPACE":
    case "SUBSCRIBE_TRACKS":
      return message.requestId;
    default:
      return undefined;
  }
}

export class StreamExchange implements Exchange {
  readonly id: bigint;
  readonly #version: Version;
  readonly #takeId: () => bigint;
  readonly #halves: Promise<Halves>;

  constructor(id: bigint, version: Version, takeId: () => bigint, halves: Promise<Halves>, first?: Message) {
    this.id = id;
    this.#version = version;
    this.#takeId = takeId;
    this.#halves = halves.catch(() => {
      throw new SourceError("busy", "this browser could not open a stream for a request: the server allows no more");
    });
    this.#halves.catch(ignore);
    if (first) this.#send(first);
  }

  async next(): Promise<Message | undefined> {
    return (await this.#halves).messages.next();
  }

  reply(reply: Reply, update?: bigint): void {
    this.#send({ ...reply, requestId: update ?? this.id });
  }

  update(parameters: Parameters): void {
    this.#send({ type: "REQUEST_UPDATE", requestId: this.#takeId(), existingRequestId: this.id, parameters });
  }

  finish(): void {
    this.#halves.then(({ output }) => output.finish(), ignore);
  }

  cancel(code: number): void {
    this.#halves.then(({ messages, output }) => {
      output.reset(code);
      messages.cancel(code);
    }, ignore);
  }

  #send(message: Message): void {
    const bytes = encodeMessage(message, this.#version);
    this.#halves.then(({ output }) => output.write(bytes)).catch(ignore);
  }
}
