// NAL units with start codes (Annex B of H.264 and H.265) and with lengths (ISO/IEC 14496-15), there and back. WebCodecs
// takes lengths with a description and start codes without one; publishers mix them up.

import { MediaError } from "./types.ts";

/** Whether the bytes begin with a start code. A NAL unit of one byte, which is what a length of 1 would say, does not exist. */
export function isAnnexB(frame: Uint8Array): boolean {
  if (frame[0] !== 0 || frame[1] !== 0) return false;
  return frame[2] === 1 || (frame[2] === 0 && frame[3] === 1);
}

/** Whether lengths of `nalLength` bytes lead from unit to unit exactly to the end. */
export function isLengthPrefixed(frame: Uint8Array, nalLength: number): boolean {
  let at = 0;
  while (at + nalLength < frame.length) {
    const length = readLength(frame, at, nalLength);
    if (length === 0) return false;
    at += nalLength + length;
  }
  return frame.length > 0 && at === frame.length;
}

/** The NAL units between start codes, views. */
export function splitAnnexB(frame: Uint8Array): Uint8Array[] {
  const units: Uint8Array[] = [];
  let start = -1;
  for (let at = 0; at + 2 < frame.length; at++) {
    if (frame[at] !== 0 || frame[at + 1] !== 0 || frame[at + 2] !== 1) continue;
    if (start >= 0) units.push(trimZeros(frame.subarray(start, at)));
    start = at + 3;
    at += 2;
  }
  if (start >= 0) units.push(trimZeros(frame.subarray(start)));
  return units.filter((unit) => unit.length > 0);
}

/** Zeros at a unit's end are padding or belong to the start code behind it: no unit ends in one. */
function trimZeros(unit: Uint8Array): Uint8Array {
  let end = unit.length;
  while (end > 0 && unit[end - 1] === 0) end--;
  return unit.subarray(0, end);
}

/** Start codes to lengths of `nalLength` bytes. */
export function toLengthPrefixed(frame: Uint8Array, nalLength: number): Uint8Array {
  const units = splitAnnexB(frame);
  const out = new Uint8Array(units.reduce((sum, unit) => sum + nalLength + unit.length, 0));
  let at = 0;
  for (const unit of units) {
    if (unit.length >= 2 ** (8 * nalLength)) {
      throw new MediaError(`a NAL unit of ${unit.length} bytes does not fit a length of ${nalLength} bytes`);
    }
    for (let byte = nalLength - 1; byte >= 0; byte--) out[at++] = Math.floor(unit.length / 2 ** (8 * byte)) & 0xff;
    out.set(unit, at);
    at += unit.length;
  }
  return out;
}

/** Lengths of four bytes, what nearly everybody writes, to start codes. The frame must pass {@link isLengthPrefixed}. */
export function toAnnexB(frame: Uint8Array): Uint8Array {
  const out = frame.slice();
  for (let at = 0; at + 4 <= out.length; ) {
    const length = readLength(frame, at, 4);
    out.set([0, 0, 0, 1], at);
    at += 4 + length;
  }
  return out;
}

function readLength(frame: Uint8Array, at: number, nalLength: number): number {
  let length = 0;
  for (let index = 0; index < nalLength; index++) length = length * 256 + (frame[at + index] ?? 0);
  return length;
}
