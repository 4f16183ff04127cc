// The reader and writer every message shares, and their errors.

import { SessionErrorCode } from "./error_code.ts";
import { getVarint, maxVarint, setVarint, varintLength, varintSize } from "./varint.ts";
import type { Version } from "./version.ts";

/** The bytes end inside the value: read more, or, if there is no more, it is a violation. */
export class Incomplete extends Error {
  constructor() {
    super("more bytes are needed");
  }
}

/** The peer broke the protocol; `code` is what to close the session with. */
export class ProtocolError extends Error {
  readonly code: number;
  constructor(code: number, reason: string) {
    super(reason);
    this.code = code;
  }
}

/** Our own fault: the value has no form in the version asked for. */
export class EncodeError extends Error {}

export const violation = (reason: string): ProtocolError =>
  new ProtocolError(SessionErrorCode.PROTOCOL_VIOLATION, reason);

/** A known type whose content does not fit its definition (1.4.3). */
export const formatting = (reason: string): ProtocolError =>
  new ProtocolError(SessionErrorCode.KEY_VALUE_FORMATTING_ERROR, reason);

export const EMPTY_BYTES = new Uint8Array(0);

export const hex = (id: bigint | number): string => `0x${id.toString(16)}`;

/** Takes values off the front of `bytes`. Every method throws {@link Incomplete} at the end of input. */
export class ByteReader {
  readonly bytesAll: Uint8Array;
  readonly version: Version;
  offset = 0;

  constructor(bytes: Uint8Array, version: Version) {
    this.bytesAll = bytes;
    this.version = version;
  }

  get remaining(): number {
    return this.bytesAll.length - this.offset;
  }

  u8(): number {
    const byte = this.bytesAll[this.offset];
    if (byte === undefined) throw new Incomplete();
    this.offset++;
    return byte;
  }

  u16(): number {
    if (this.remaining < 2) throw new Incomplete();
    return (this.u8() << 8) | this.u8();
  }

  /** The next `length` bytes, as a view. */
  bytes(length: number): Uint8Array {
    if (this.remaining < length) throw new Incomplete();
    this.offset += length;
    return this.bytesAll.subarray(this.offset - length, this.offset);
  }

  rest(): Uint8Array {
    return this.bytes(this.remaining);
  }

  varint(): bigint {
    const first = this.bytesAll[this.offset];
    if (first === undefined) throw new Incomplete();
    const length = varintLength(first, this.version);
    if (this.remaining < length) throw new Incomplete();
    this.offset += length;
    return getVarint(this.bytesAll, this.offset - length, length, this.version);
  }

  /** An integer of at most `max`, as a number. */
  length(max: number, tooLong: string): number {
    const length = this.varint();
    if (length > max) throw violation(tooLong);
    return Number(length);
  }

  /** A length of at most `max`, then that many bytes as a view. Refused from the length alone. */
  prefixed(max: number, tooLong: string): Uint8Array {
    return this.bytes(this.length(max, tooLong));
  }
}

/** Appends values in their shortest form; {@link EncodeError} for what `version` cannot write. */
export class ByteWriter {
  readonly version: Version;
  private buffer: Uint8Array<ArrayBuffer> = new Uint8Array(64);
  private used = 0;

  constructor(version: Version) {
    this.version = version;
  }

  /** Bytes written. */
  get length(): number {
    return this.used;
  }

  /** Forgets what was written after the first `length` bytes. */
  truncate(length: number): void {
    this.used = Math.min(length, this.used);
  }

  u8(value: number): void {
    const at = this.grow(1);
    this.buffer[at] = value;
  }

  u16(value: number): void {
    this.u8(value >> 8);
    this.u8(value);
  }

  bytes(bytes: Uint8Array): void {
    const at = this.grow(bytes.length);
    this.buffer.set(bytes, at);
  }

  varint(value: bigint | number): void {
    const integer = BigInt(value);
    if (integer < 0n || integer > maxVarint(this.version)) {
      throw new EncodeError(`${integer} does not fit an integer of draft-${this.version}`);
    }
    const size = varintSize(integer, this.version);
    const at = this.grow(size);
    setVarint(this.buffer, at, integer, size, this.version);
  }

  /** A length, then the bytes. */
  prefixed(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.bytes(bytes);
  }

  /** What was written, without a copy; the writer is of no more use. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.buffer.subarray(0, this.used);
  }

  private grow(by: number): number {
    const at = this.used;
    this.used += by;
    if (this.used > this.buffer.length) {
      const larger = new Uint8Array(Math.max(this.used, 2 * this.buffer.length));
      larger.set(this.buffer.subarray(0, at));
      this.buffer = larger;
    }
    return at;
  }
}

/** Reads a value that must fill `bytes`; what is missing there will never come, so `broken` is thrown instead. */
export function readWhole<T>(bytes: Uint8Array, version: Version, read: (reader: ByteReader) => T, broken: Error): T {
  const reader = new ByteReader(bytes, version);
  const value = within(() => read(reader), broken);
  if (reader.remaining > 0) throw broken;
  return value;
}

/** Reads where no more bytes can come: `broken` stands for {@link Incomplete}. */
export function within<T>(read: () => T, broken: Error): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof Incomplete ? broken : error;
  }
}
