// Draft-18: a control stream of each side for SETUP and GOAWAY, and a bidirectional stream for every request.

import { encodeMessage } from "../moqt/control/mod.ts";
import { SessionErrorCode, StreamErrorCode } from "../moqt/error_code.ts";
import type { Setup } from "../moqt/control/setup.ts";
import { type Carrier, type Duplex, ignore, Input, Output, StreamReset } from "./carrier.ts";
import { type Channel, type ChannelHandler, type Exchange, MessageReader, type Opening } from "./channel.ts";
import { Violation } from "./error.ts";
import { PEER_REQUESTS, STREAM_HEADER_TIMEOUT } from "./limit.ts";
import { halvesOf, openedId, StreamExchange } from "./exchange.ts";
import { deferred } from "./queue.ts";

const VERSION = 18;

export class Draft18 implements Channel {
  readonly version = VERSION;
  readonly #carrier: Carrier;
  readonly #handler: ChannelHandler;
  readonly #peerSetup = deferred<Setup>();
  #nextId = 0n;
  #arriving = 0;
  #hasControl = false;

  constructor(carrier: Carrier, handler: ChannelHandler) {
    this.#carrier = carrier;
    this.#handler = handler;
    this.#peerSetup.promise.catch(ignore);
  }

  get peer(): Promise<Setup> {
    return this.#peerSetup.promise;
  }

  async start(own: Setup): Promise<void> {
    const control = new Output(await this.#carrier.createUnidirectionalStream());
    control.write(encodeMessage(own, VERSION)).catch(ignore);
    void this.#accept();
  }

  end(): void {
    // The streams of its exchanges end by themselves.
    this.#peerSetup.reject(new StreamReset(undefined));
  }

  readonly #takeId = (): bigint => {
    const id = this.#nextId;
    this.#nextId += 2n;
    return id;
  };

  open(opening: Opening): Exchange {
    const id = this.#takeId();
    const halves = this.#carrier.createBidirectionalStream().then((stream) => halvesOf(stream, VERSION));
    return new StreamExchange(id, VERSION, this.#takeId, halves, opening(id));
  }

  /** The peer's control stream: SETUP, then nothing but GOAWAY. */
  control(input: Input, first: Uint8Array): void {
    if (this.#hasControl) throw new Violation("a second control stream");
    this.#hasControl = true;
    this.#readControl(new MessageReader(input, VERSION, first)).catch((error: unknown) => {
      this.#peerSetup.reject(error);
      this.#handler.fail(error);
    });
  }

  async #readControl(messages: MessageReader): Promise<void> {
    const setup = await messages.next();
    if (setup?.type !== "SETUP") throw new Violation("its control stream does not begin with SETUP");
    this.#peerSetup.resolve(setup);
    let left = false;
    for (let message = await messages.next(); message; message = await messages.next()) {
      if (message.type !== "GOAWAY") throw new Violation(`${message.type} on the control stream`);
      if (left) throw new Violation("a second GOAWAY");
      left = true;
      this.#handler.goaway(message.uri);
    }
    throw new Violation("its control stream ended");
  }

  async #accept(): Promise<void> {
    const streams = this.#carrier.incomingBidirectionalStreams.getReader();
    try {
      for (;;) {
        const { value } = await streams.read();
        if (!value) return;
        this.#incoming(value).catch((error: unknown) => this.#handler.fail(error));
      }
    } catch {
      // The connection is gone, which `closed` tells.
    }
  }

  async #incoming(stream: Duplex): Promise<void> {
    const input = new Input(stream.readable);
    const output = new Output(stream.writable);
    const giveUp = () => {
      input.cancel(StreamErrorCode.CANCELLED);
      output.reset(StreamErrorCode.CANCELLED);
    };
    if (this.#arriving >= PEER_REQUESTS) return giveUp();
    this.#arriving += 1;
    const timer = setTimeout(giveUp, STREAM_HEADER_TIMEOUT);
    const messages = new MessageReader(input, VERSION);
    try {
      const message = await messages.next();
      if (!message) return giveUp();
      const id = openedId(message);
      if (id === undefined) throw new Violation(`a request stream begins with ${message.type}`);
      if (id % 2n !== 1n) throw new Violation(`its request id ${id} is even`, SessionErrorCode.INVALID_REQUEST_ID);
      const exchange = new StreamExchange(id, VERSION, this.#takeId, Promise.resolve({ messages, output }));
      this.#handler.request(message, exchange);
    } catch (error) {
      if (!(error instanceof StreamReset)) throw error;
    } finally {
      clearTimeout(timer);
      this.#arriving -= 1;
    }
  }
}
