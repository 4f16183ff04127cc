// A subscription of this side: its streams, how it is changed, and how it ends.

import type { Message } from "../moqt/control/mod.ts";
import { PublishDoneCode, StreamErrorCode } from "../moqt/error_code.ts";
import type { Location } from "../moqt/location.ts";
import type { FullTrackName } from "../moqt/name.ts";
import type { Parameters } from "../moqt/parameter.ts";
import type { Properties } from "../moqt/property.ts";
import { StreamReset } from "./carrier.ts";
import { type Exchange, violationOf } from "./channel.ts";
import { Violation } from "./error.ts";
import { DONE_GRACE, WAITING_STREAMS } from "./limit.ts";
import type { ObjectStream, ReceivedObject } from "./object-stream.ts";
import { Queue } from "./queue.ts";
import type { StreamSink } from "./streams.ts";

/** How a subscription ended: `code` is PUBLISH_DONE's, `undefined` when the connection is gone or this side ended it. */
export interface SubscriptionEnd {
  code: number | undefined;
  reason: string;
}

interface Owner {
  retire(alias: bigint): void;
  fail(error: unknown): void;
}

export class Subscription implements StreamSink {
  readonly track: FullTrackName;
  readonly properties: Properties;
  /** Largest location when it began; `undefined` when nothing had been published. */
  readonly largest: Location | undefined;
  /** `performance.now()` ms of the request and its answer. */
  readonly requestedAt: number;
  readonly answeredAt = performance.now();
  /** The publisher wants it asked for again at `uri`, empty = on this session. */
  onLeave: ((uri: string) => void) | undefined;
  readonly #exchange: Exchange;
  readonly #alias: bigint;
  readonly #owner: Owner;
  readonly #streams = new Queue<ObjectStream | ReceivedObject>();
  #seen = 0n;
  #announced: bigint | undefined;
  #end: SubscriptionEnd | undefined;
  #grace: ReturnType<typeof setTimeout> | undefined;

  constructor(
    track: FullTrackName,
    ok: Extract<Message, { type: "SUBSCRIBE_OK" }>,
    exchange: Exchange,
    requestedAt: number,
    owner: Owner,
  ) {
    this.track = track;
    this.properties = ok.properties;
    this.largest = ok.parameters.largestObject;
    this.requestedAt = requestedAt;
    this.#exchange = exchange;
    this.#alias = ok.trackAlias;
    this.#owner = owner;
    void this.#follow();
  }

  /** The Request ID, for joining FETCHes. */
  get id(): bigint {
    return this.#exchange.id;
  }

  /** How it ended; there when {@link next} said `undefined`. */
  get end(): SubscriptionEnd | undefined {
    return this.#end;
  }

  /** The next stream, or object that came in a datagram; `undefined` when no more come. */
  next(): Promise<ObjectStream | ReceivedObject | undefined> {
    return this.#streams.next();
  }

  /** Changes FORWARD, priority or filter. */
  update(parameters: Parameters): void {
    if (!this.#end) this.#exchange.update(parameters);
  }

  close(): void {
    if (!this.#end) this.#exchange.cancel(StreamErrorCode.CANCELLED);
    this.#finish({ code: undefined, reason: "closed by this player" });
    this.#stop();
    for (const left of this.#streams.drain()) if ("next" in left) left.cancel(StreamErrorCode.CANCELLED);
  }

  stream(stream: ObjectStream): void {
    this.#seen += 1n;
    if (this.#streams.ended || this.#streams.length >= WAITING_STREAMS) return stream.cancel(StreamErrorCode.CANCELLED);
    this.#streams.push(stream);
    this.#stopWhenComplete();
  }

  datagram(object: ReceivedObject): void {
    // Half the room is left to streams.
    if (this.#streams.length < WAITING_STREAMS / 2) this.#streams.push(object);
  }

  async #follow(): Promise<void> {
    try {
      for (let message = await this.#exchange.next(); message; message = await this.#exchange.next()) {
        if (message.type === "PUBLISH_DONE") return this.#done(message);
        this.#hear(message);
      }
      this.#broken("the server ended the subscription without PUBLISH_DONE", PublishDoneCode.INTERNAL_ERROR);
    } catch (error) {
      if (violationOf(error)) this.#owner.fail(error);
      const code = error instanceof StreamReset && error.code !== undefined ? PublishDoneCode.INTERNAL_ERROR : undefined;
      this.#broken(error instanceof Error ? error.message : String(error), code);
    }
  }

  #hear(message: Message): void {
    switch (message.type) {
      case "GOAWAY":
        return this.onLeave?.(message.uri);
      case "REQUEST_OK":
      // PUBLISH_DONE UPDATE_FAILED follows.
      case "REQUEST_ERROR":
        return;
      default:
        throw new Violation(`${message.type} about a subscription`);
    }
  }

  #done({ status, streamCount, reason }: Extract<Message, { type: "PUBLISH_DONE" }>): void {
    this.#finish({ code: status, reason });
    this.#exchange.finish();
    this.#announced = streamCount;
    this.#grace = setTimeout(() => this.#stop(), DONE_GRACE);
    this.#stopWhenComplete();
  }

  #stopWhenComplete(): void {
    if (this.#announced !== undefined && this.#seen >= this.#announced) this.#stop();
  }

  #broken(reason: string, code: number | undefined): void {
    this.#finish({ code, reason });
    this.#stop();
  }

  #finish(end: SubscriptionEnd): void {
    this.#end ??= end;
  }

  #stop(): void {
    if (this.#streams.ended) return;
    clearTimeout(this.#grace);
    this.#owner.retire(this.#alias);
    this.#streams.end();
  }
}
