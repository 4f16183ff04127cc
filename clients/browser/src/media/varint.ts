// QUIC variable-length integers (RFC 9000, 16), which hang puts in front of frames in every draft of MOQT.

import { MediaError } from "./types.ts";

/** Reads integers and byte strings from the head of an object. */
export class PrefixReader {
  readonly #bytes: Uint8Array;
  offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.offset;
  }

  varint(): bigint {
    const first = this.#bytes[this.offset];
    const length = 1 << ((first ?? 0) >> 6);
    if (first === undefined || length > this.remaining) throw new MediaError("object ends inside its timestamp");
    let value = BigInt(first & 0x3f);
    for (let index = 1; index < length; index++) value = (value << 8n) | BigInt(this.#bytes[this.offset + index] ?? 0);
    this.offset += length;
    return value;
  }

  bytes(length: bigint): Uint8Array {
    if (length > BigInt(this.remaining)) throw new MediaError("property in front of a frame is longer than its object");
    const start = this.offset;
    this.offset += Number(length);
    return this.#bytes.subarray(start, this.offset);
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.offset);
  }
}
