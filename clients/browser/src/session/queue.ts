// Values that wait for the one who reads them.

export class Queue<T> {
  #items: T[] = [];
  #waiting: { resolve(item: T | undefined): void; reject(error: Error): void } | undefined;
  #end: { error: Error | undefined } | undefined;

  get length(): number {
    return this.#items.length;
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  push(item: T): void {
    if (this.#end) return;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) waiting.resolve(item);
    else this.#items.push(item);
  }

  /** Nothing more comes: readers get what is left, then `undefined`, or the error. */
  end(error?: Error): void {
    if (this.#end) return;
    this.#end = { error };
    if (error) this.#waiting?.reject(error);
    else this.#waiting?.resolve(undefined);
    this.#waiting = undefined;
  }

  /** The next value. One reader at a time. */
  next(): Promise<T | undefined> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve(item);
    if (this.#end?.error) return Promise.reject(this.#end.error);
    if (this.#end) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
  }

  /** Takes what waits, to give it up. */
  drain(): T[] {
    return this.#items.splice(0);
  }
}

export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** A promise with its ends; browsers of 2023 lack `Promise.withResolvers`. */
export function deferred<T>(): Deferred<T> {
  let resolve: Deferred<T>["resolve"] | undefined;
  let reject: Deferred<T>["reject"] | undefined;
  const promise = new Promise<T>((...ends) => ([resolve, reject] = ends));
  return { promise, resolve: (value) => resolve?.(value), reject: (error) => reject?.(error) };
}
