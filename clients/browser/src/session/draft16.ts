// Draft-16: one bidirectional stream for SETUP and nearly every request, so exchanges are told apart by Request ID, ids come in
// sequence and only as many as were granted, and giving up is a message.

import { encodeMessage, type Message } from "../moqt/control/mod.ts";
import { PublishDoneCode, RequestErrorCode, SessionErrorCode, StreamErrorCode } from "../moqt/error_code.ts";
import type { Setup } from "../moqt/control/setup.ts";
import type { Parameters } from "../moqt/parameter.ts";
import { type Carrier, type Duplex, ignore, Input, Output, StreamReset } from "./carrier.ts";
import { type Channel, type ChannelHandler, type Exchange, MessageReader, type Opening, type Reply } from "./channel.ts";
import { Violation } from "./error.ts";
import { halvesOf, openedId, StreamExchange } from "./exchange.ts";
import { GRANTED_REQUESTS, LOCAL_REQUESTS, WAITING_MESSAGES } from "./limit.ts";
import { deferred, Queue } from "./queue.ts";

const VERSION = 16;

export class Draft16 implements Channel {
  readonly version = VERSION;
  readonly #carrier: Carrier;
  readonly #handler: ChannelHandler;
  readonly #peerSetup = deferred<Setup>();
  #output: Output | undefined;
  /** By Request ID; ids of updates lead to what they update. */
  readonly #exchanges = new Map<bigint, SharedExchange>();
  #nextId = 0n;
  /** The peer's grant: ids below it may be sent. */
  #limit = 0n;
  #blocked: { id: bigint; send: () => void }[] = [];
  #peerNextId = 1n;
  #granted = 2n * GRANTED_REQUESTS + 1n;
  #finished = 0n;
  #left = false;

  constructor(carrier: Carrier, handler: ChannelHandler) {
    this.#carrier = carrier;
    this.#handler = handler;
    this.#peerSetup.promise.catch(ignore);
  }

  get peer(): Promise<Setup> {
    return this.#peerSetup.promise;
  }

  async start(own: Setup): Promise<void> {
    const stream = await this.#carrier.createBidirectionalStream();
    this.#output = new Output(stream.writable);
    const messages = new MessageReader(new Input(stream.readable), VERSION);
    this.write({ ...own, options: { ...own.options, maxRequestId: this.#granted } });
    const setup = await messages.next();
    if (setup?.type !== "SETUP") throw new Violation("its control stream does not begin with SERVER_SETUP");
    this.#limit = setup.options.maxRequestId ?? 0n;
    this.#read(messages).catch((error: unknown) => this.#handler.fail(error));
    this.#peerSetup.resolve(setup);
    void this.#accept();
  }

  end(): void {
    this.#peerSetup.reject(new StreamReset(undefined));
    for (const exchange of new Set(this.#exchanges.values())) exchange.end(new StreamReset(undefined));
    this.#exchanges.clear();
  }

  control(): void {
    throw new Violation("a unidirectional control stream, which draft-16 does not have");
  }

  open(opening: Opening): Exchange {
    const id = this.#takeId();
    const message = opening(id);
    if (message.type === "SUBSCRIBE_NAMESPACE") {
      const stream = deferredOpen(this.#carrier, (send) => this.#whenGranted(id, send));
      return new StreamExchange(id, VERSION, this.#takeId, stream.then((stream) => halvesOf(stream, VERSION)), message);
    }
    const exchange = new SharedExchange(id, message.type, this);
    this.#exchanges.set(id, exchange);
    this.#whenGranted(id, () => this.write(message));
    return exchange;
  }

  /** Sends, or fails later with the connection. */
  write(message: Message): void {
    this.#output?.write(encodeMessage(message, VERSION)).catch(ignore);
  }

  update(exchange: SharedExchange, parameters: Parameters): void {
    const requestId = this.#takeId();
    this.#exchanges.set(requestId, exchange);
    this.#whenGranted(requestId, () => {
      this.write({ type: "REQUEST_UPDATE", requestId, existingRequestId: exchange.id, parameters });
    });
  }

  /** The exchange is over on this side. A request that was never sent is not sent any more, but its id must be used. */
  forget(exchange: SharedExchange): void {
    for (const [id, other] of this.#exchanges) if (other === exchange) this.#exchanges.delete(id);
    if (exchange.id % 2n === 0n) return;
    this.#finished += 1n;
    if (this.#finished % (GRANTED_REQUESTS / 2n) > 0n) return;
    this.#granted += GRANTED_REQUESTS;
    this.write({ type: "MAX_REQUEST_ID", maxRequestId: this.#granted });
  }

  readonly #takeId = (): bigint => {
    const id = this.#nextId;
    this.#nextId += 2n;
    return id;
  };

  #whenGranted(id: bigint, send: () => void): void {
    if (id < this.#limit && this.#blocked.length === 0) return send();
    if (this.#blocked.length >= LOCAL_REQUESTS) return;
    if (this.#blocked.length === 0) this.write({ type: "REQUESTS_BLOCKED", maxRequestId: this.#limit });
    this.#blocked.push({ id, send });
  }

  async #read(messages: MessageReader): Promise<void> {
    for (let message = await messages.next(); message; message = await messages.next()) this.#receive(message);
    throw new Violation("its control stream ended");
  }

  #receive(message: Message): void {
    switch (message.type) {
      case "GOAWAY":
        if (this.#left) throw new Violation("a second GOAWAY");
        this.#left = true;
        return this.#handler.goaway(message.uri);
      case "MAX_REQUEST_ID":
        return this.#raise(message.maxRequestId);
      case "REQUESTS_BLOCKED":
        return;
      case "UNSUBSCRIBE":
      case "FETCH_CANCEL":
      case "PUBLISH_NAMESPACE_DONE":
        return this.#cancelled(message.requestId, 1n);
      case "PUBLISH_NAMESPACE_CANCEL":
        return this.#cancelled(message.requestId, 0n);
      case "SUBSCRIBE_OK":
      case "FETCH_OK":
      case "REQUEST_OK":
      case "PUBLISH_OK":
      case "REQUEST_ERROR":
      case "PUBLISH_DONE":
        return this.#answered(message.requestId ?? 0n, message);
      case "REQUEST_UPDATE":
        this.#checkId(message.requestId);
        return this.#exchanges.get(message.existingRequestId ?? 1n)?.push(message);
      default:
        return this.#requested(message);
    }
  }

  #raise(limit: bigint): void {
    if (limit <= this.#limit) throw new Violation("MAX_REQUEST_ID that does not grow");
    this.#limit = limit;
    while (this.#blocked[0] && this.#blocked[0].id < limit) this.#blocked.shift()?.send();
  }

  #requested(message: Message): void {
    const id = openedId(message);
    if (id === undefined || message.type === "SUBSCRIBE_NAMESPACE") {
      throw new Violation(`${message.type} on the control stream`);
    }
    this.#checkId(id);
    const exchange = new SharedExchange(id, message.type, this);
    this.#exchanges.set(id, exchange);
    this.#handler.request(message, exchange);
  }

  #answered(id: bigint, message: Message): void {
    if (id % 2n !== 0n || id >= this.#nextId) {
      throw new Violation(`${message.type} for request ${id}, which was never made`, SessionErrorCode.INVALID_REQUEST_ID);
    }
    const exchange = this.#exchanges.get(id);
    exchange?.push(message);
    // An update's own id has served its purpose.
    if (exchange && exchange.id !== id) this.#exchanges.delete(id);
  }

  #cancelled(id: bigint, parity: bigint): void {
    const exchange = this.#exchanges.get(id);
    if (!exchange || id % 2n !== parity) return;
    exchange.end(new StreamReset(StreamErrorCode.CANCELLED));
    this.forget(exchange);
  }

  #checkId(id: bigint): void {
    if (id !== this.#peerNextId) {
      throw new Violation(`request id ${id} where ${this.#peerNextId} is next`, SessionErrorCode.INVALID_REQUEST_ID);
    }
    if (id >= this.#granted) throw new Violation(`request id ${id} was not granted`, SessionErrorCode.TOO_MANY_REQUESTS);
    this.#peerNextId += 2n;
  }

  /** A SUBSCRIBE_NAMESPACE of the peer: the only request that comes on a stream of its own. */
  async #accept(): Promise<void> {
    const streams = this.#carrier.incomingBidirectionalStreams.getReader();
    try {
      for (let next = await streams.read(); next.value; next = await streams.read()) {
        this.#incoming(next.value).catch((error: unknown) => this.#handler.fail(error));
      }
    } catch {
      // The connection is gone, which `closed` tells.
    }
  }

  async #incoming(stream: Duplex): Promise<void> {
    const halves = halvesOf(stream, VERSION);
    try {
      const message = await halves.messages.next();
      if (message?.type !== "SUBSCRIBE_NAMESPACE") throw new Violation(`a request stream with ${message?.type ?? "nothing"}`);
      this.#checkId(message.requestId);
      this.#handler.request(message, new StreamExchange(message.requestId, VERSION, this.#takeId, Promise.resolve(halves)));
    } catch (error) {
      if (!(error instanceof StreamReset)) throw error;
    }
  }
}

/** Opens a stream once its request may be sent. */
function deferredOpen(carrier: Carrier, whenGranted: (send: () => void) => void): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    whenGranted(() => carrier.createBidirectionalStream().then(resolve, reject));
  });
}

/** A request on the control stream. */
class SharedExchange implements Exchange {
  readonly id: bigint;
  readonly #kind: Message["type"];
  readonly #channel: Draft16;
  readonly #messages = new Queue<Message>();

  constructor(id: bigint, kind: Message["type"], channel: Draft16) {
    this.id = id;
    this.#kind = kind;
    this.#channel = channel;
  }

  push(message: Message): void {
    if (this.#messages.length >= WAITING_MESSAGES) {
      throw new Violation(`more than ${WAITING_MESSAGES} messages about request ${this.id}`);
    }
    this.#messages.push(message);
    if (message.type === "PUBLISH_DONE") this.#over();
  }

  end(error: StreamReset): void {
    this.#messages.end(error);
  }

  next(): Promise<Message | undefined> {
    return this.#messages.next();
  }

  reply(reply: Reply, update?: bigint): void {
    this.#channel.write({ ...reply, requestId: update ?? this.id });
  }

  update(parameters: Parameters): void {
    this.#channel.update(this, parameters);
  }

  finish(): void {
    if (!this.#messages.ended) this.#over();
  }

  cancel(code: number): void {
    if (this.#messages.ended) return;
    const withdrawal = this.#withdrawal(code);
    if (withdrawal) this.#channel.write(withdrawal);
    this.#over();
  }

  #over(): void {
    this.#messages.end();
    this.#channel.forget(this);
  }

  #withdrawal(code: number): Message | undefined {
    const requestId = this.id;
    const own = requestId % 2n === 0n;
    switch (this.#kind) {
      case "SUBSCRIBE":
        if (own) return { type: "UNSUBSCRIBE", requestId };
        return { type: "PUBLISH_DONE", requestId, status: PublishDoneCode.INTERNAL_ERROR, streamCount: undefined, reason: "" };
      case "FETCH":
        return own ? { type: "FETCH_CANCEL", requestId } : undefined;
      case "PUBLISH_NAMESPACE":
        if (own) return { type: "PUBLISH_NAMESPACE_DONE", requestId };
        return { type: "PUBLISH_NAMESPACE_CANCEL", requestId, code: RequestErrorCode.INTERNAL_ERROR, reason: `${code}` };
      default:
        return undefined;
    }
  }
}
