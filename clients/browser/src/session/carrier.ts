// The part of WebTransport that a session needs, and its streams with reset codes as errors of one kind.

export interface Duplex {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

/** What a session runs on: a WebTransport, or a test's pair of ends. */
export interface Carrier {
  readonly ready: Promise<unknown>;
  readonly closed: Promise<{ closeCode?: number; reason?: string }>;
  readonly protocol: string;
  readonly incomingUnidirectionalStreams: ReadableStream<ReadableStream<Uint8Array>>;
  readonly incomingBidirectionalStreams: ReadableStream<Duplex>;
  readonly datagrams: { readonly readable: ReadableStream<Uint8Array> };
  createUnidirectionalStream(): Promise<WritableStream<Uint8Array>>;
  createBidirectionalStream(): Promise<Duplex>;
  close(info: { closeCode: number; reason: string }): void;
}

/** A stream that the peer reset or stopped; without a code the whole connection is gone. */
export class StreamReset extends Error {
  readonly code: number | undefined;
  constructor(code: number | undefined) {
    super(code === undefined ? "the connection is gone" : `the peer reset the stream with code ${code}`);
    this.code = code;
  }
}

function resetOf(error: unknown): StreamReset {
  const code = error instanceof Error && "streamErrorCode" in error ? error.streamErrorCode : undefined;
  return new StreamReset(typeof code === "number" ? code : undefined);
}

/** The reason that carries a code to the peer. */
function reasonWith(code: number): unknown {
  if (typeof WebTransportError !== "function") return Object.assign(new Error(), { streamErrorCode: code });
  try {
    return new WebTransportError("", { streamErrorCode: code });
  } catch {
    // Chromium has the constructor of an older draft, which takes one dictionary.
    return Reflect.construct(WebTransportError, [{ streamErrorCode: code }]);
  }
}

/** A stream to read. */
export class Input {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  /** The next bytes, `undefined` after the last. Rejects with {@link StreamReset}. */
  async read(): Promise<Uint8Array | undefined> {
    try {
      return (await this.#reader.read()).value;
    } catch (error) {
      throw resetOf(error);
    }
  }

  /** STOP_SENDING. */
  cancel(code: number): void {
    this.#reader.cancel(reasonWith(code)).catch(ignore);
  }
}

/** A stream to write. */
export class Output {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(stream: WritableStream<Uint8Array>) {
    this.#writer = stream.getWriter();
    this.#writer.closed.catch(ignore);
  }

  /** Resolves when there is room for more. Rejects with {@link StreamReset}. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#writer.write(bytes).catch(ignore);
    try {
      await this.#writer.ready;
    } catch (error) {
      throw resetOf(error);
    }
  }

  finish(): void {
    this.#writer.close().catch(ignore);
  }

  reset(code: number): void {
    this.#writer.abort(reasonWith(code)).catch(ignore);
  }

  /** Resolves when the stream is over: finished and taken, or with {@link StreamReset} when the peer stopped it. */
  get closed(): Promise<StreamReset | undefined> {
    return this.#writer.closed.then(() => undefined, resetOf);
  }
}

/** For promises whose failure shows elsewhere too. */
export function ignore(): void {}
