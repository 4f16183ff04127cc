// A FETCH of this side: its answer and its stream come in any order.

import { StreamErrorCode } from "../moqt/error_code.ts";
import { answer, type Surroundings } from "./answer.ts";
import { ignore, StreamReset } from "./carrier.ts";
import type { Exchange } from "./channel.ts";
import type { ObjectStream, ReceivedObject } from "./object-stream.ts";
import { deferred } from "./queue.ts";
import type { Streams } from "./streams.ts";

export class Fetch {
  readonly #exchange: Exchange;
  readonly #streams: Streams;
  readonly #stream = deferred<ObjectStream>();
  readonly #over = deferred<void>();
  #closed = false;

  constructor(
    exchange: Exchange,
    what: string,
    streams: Streams,
    surroundings: Surroundings,
    signal: AbortSignal | undefined,
    over: () => void,
  ) {
    this.#exchange = exchange;
    this.#streams = streams;
    void this.#over.promise.then(over);
    this.#stream.promise.catch(ignore);
    streams.expectFetch(exchange.id, (stream) => {
      if (this.#closed) stream.cancel(StreamErrorCode.CANCELLED);
      this.#stream.resolve(stream);
    });
    answer(exchange, "FETCH_OK", what, surroundings, signal).then(
      () => void surroundings.closed.then((error) => this.#stream.reject(error)),
      (error: unknown) => {
        streams.forgetFetch(exchange.id);
        this.#over.resolve();
        this.#stream.reject(error);
      },
    );
  }

  /** The next object, `undefined` after the last. Rejects with SourceError when refused, StreamReset when broken off. */
  async next(): Promise<ReceivedObject | undefined> {
    const stream = await this.#stream.promise;
    if (this.#closed) throw new StreamReset(StreamErrorCode.CANCELLED);
    const object = await stream.next();
    if (!object && !this.#closed) {
      this.#closed = true;
      this.#over.resolve();
      this.#exchange.finish();
    }
    return object;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#over.resolve();
    this.#streams.forgetFetch(this.#exchange.id);
    this.#exchange.cancel(StreamErrorCode.CANCELLED);
    this.#stream.promise.then((stream) => stream.cancel(StreamErrorCode.CANCELLED), ignore);
    this.#stream.reject(new StreamReset(StreamErrorCode.CANCELLED));
  }
}
