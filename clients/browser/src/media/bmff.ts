// ISO base media boxes (ISO/IEC 14496-12, 4.2), read in place: every view is checked against the box around it.

import { MAX_BOXES } from "./limit.ts";
import { MediaError } from "./types.ts";

/** Big-endian fields of one box, in order. Throws {@link MediaError} at the end of the box. */
export class Fields {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #name: string;
  #at = 0;

  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#name = name;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4));
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }

  i64(): bigint {
    return this.#view.getBigInt64(this.#take(8));
  }

  skip(bytes: number): void {
    this.#take(bytes);
  }

  bytes(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  rest(): Uint8Array {
    return this.bytes(this.remaining);
  }

  /** Version and flags, as full boxes begin. */
  full(): { version: number; flags: number } {
    const word = this.u32();
    return { version: word >>> 24, flags: word & 0xffffff };
  }

  #take(bytes: number): number {
    if (bytes > this.remaining) throw new MediaError(`box \`${this.#name}\` ends inside a field`);
    const start = this.#at;
    this.#at += bytes;
    return start;
  }
}

/** A whole box. */
export interface Box {
  readonly type: string;
  /** Where the box, its body and what follows it start, in bytes from where the walk began. */
  readonly start: number;
  readonly bodyStart: number;
  readonly end: number;
  /** What is inside, a view. */
  readonly body: Uint8Array;
}

/** The boxes of `bytes`, one after another; `where` names what they are in. */
export function boxes(bytes: Uint8Array, where: string): Box[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: Box[] = [];
  let start = 0;
  // Less than a header is padding: QuickTime ends some containers with four zero bytes.
  while (bytes.length - start >= 8) {
    if (found.length === MAX_BOXES) throw new MediaError(`more than ${MAX_BOXES} boxes in ${where}`);
    const type = String.fromCharCode(...bytes.subarray(start + 4, start + 8));
    const short = view.getUint32(start);
    const header = short === 1 ? 16 : 8;
    let size = short;
    if (short === 0) size = bytes.length - start;
    else if (short === 1) size = bytes.length - start >= 16 ? Number(view.getBigUint64(start + 8)) : 0;
    if (size < header || size > bytes.length - start) {
      throw new MediaError(`box \`${type}\` at byte ${start} of ${where} has the impossible size ${size}`);
    }
    const end = start + size;
    found.push({ type, start, bodyStart: start + header, end, body: bytes.subarray(start + header, end) });
    start = end;
  }
  return found;
}

/** The boxes inside a box, after `skip` bytes of its own fields. */
export function children(parent: Box, skip = 0): Box[] {
  return boxes(parent.body.subarray(skip), `\`${parent.type}\``);
}

export function find(list: readonly Box[], type: string): Box | undefined {
  return list.find((box) => box.type === type);
}

/** The box at the end of a path of containers. */
export function need(parent: Box, ...path: string[]): Box {
  let box = parent;
  for (const type of path) {
    const child = find(children(box), type);
    if (child === undefined) throw new MediaError(`no \`${type}\` in \`${box.type}\``);
    box = child;
  }
  return box;
}

export function fields(box: Box): Fields {
  return new Fields(box.body, box.type);
}
