// LOC (draft-ietf-moq-loc-04) and what its implementations make of it: where the timestamp is, in which id, and what stands
// in front of the bitstream.

import { isAnnexB, isLengthPrefixed } from "./annexb.ts";
import type { Family } from "./codec.ts";
import { MediaError } from "./types.ts";
import { PrefixReader } from "./varint.ts";

/** Presentation time: in the track's timescale where there is one, else µs. */
export const TIMESTAMP = 0x10n;
/** Units per second, of a track or an object. */
export const TIMESCALE = 0x08n;
/** Decoder configuration: body of avcC, hvcC, av1C, vpcC. */
export const VIDEO_CONFIG = 0x0dn;
/** Decoder configuration: AudioSpecificConfig or OpusHead. */
export const AUDIO_CONFIG = 0x0fn;

/** The timestamp in draft-02 and the table of draft-03, and in the text of draft-03. */
const OLD_TIMESTAMPS = [0x06n, 0x0an];

/** Capture time in draft-01, wall clock µs; the id of a timeout today, whose values are no date. */
const CAPTURE_TIMESTAMP = 0x02n;
const YEAR_2001_US = 978_307_200_000_000n;

/** The properties of an object or track, of whatever draft. */
export interface PropertyReader {
  getInt(id: bigint): bigint | undefined;
  getBytes(id: bigint): Uint8Array | undefined;
}

/** One object, before its time is scaled. */
export interface LocObject {
  /** In `timescale`, or in that of the track. */
  timestamp: bigint;
  timescale: number | undefined;
  data: Uint8Array;
}

export function readTimescale(properties: PropertyReader): number | undefined {
  const timescale = properties.getInt(TIMESCALE);
  if (timescale === undefined) return undefined;
  if (timescale === 0n || timescale > 0xffff_ffffn) throw new MediaError(`LOC timescale of ${timescale}`);
  return Number(timescale);
}

/** Timestamp and bitstream of an object. */
export function readLoc(object: Uint8Array, properties: PropertyReader, family: Family, nalLength: number): LocObject {
  const timestamp = objectTimestamp(properties);
  if (timestamp === undefined) return readPrefixed(object);
  return { timestamp, timescale: readTimescale(properties), data: withoutMarker(object, family, nalLength) };
}

function objectTimestamp(properties: PropertyReader): bigint | undefined {
  for (const id of [TIMESTAMP, ...OLD_TIMESTAMPS]) {
    const timestamp = properties.getInt(id);
    if (timestamp !== undefined) return timestamp;
  }
  const captured = properties.getInt(CAPTURE_TIMESTAMP);
  return captured !== undefined && captured > YEAR_2001_US ? captured : undefined;
}

/** hang's `loc`: the length of the properties, these with keys as differences, then the bitstream; QUIC varints all. */
function readPrefixed(object: Uint8Array): LocObject {
  const outer = new PrefixReader(object);
  const properties = new PrefixReader(outer.bytes(outer.varint()));
  let timestamp: bigint | undefined;
  let timescale: number | undefined;
  let key = 0n;
  while (properties.remaining > 0) {
    key += properties.varint();
    const value = properties.varint();
    if (key % 2n === 1n) properties.bytes(value);
    else if (key === TIMESTAMP || OLD_TIMESTAMPS.includes(key)) timestamp ??= value;
    else if (key === TIMESCALE && value > 0n && value <= 0xffff_ffffn) timescale = Number(value);
  }
  if (timestamp === undefined) throw new MediaError("LOC object without a timestamp");
  return { timestamp, timescale, data: outer.rest() };
}

/** aiomoqt puts two bytes, `0A 00`, in front. No bitstream but an odd Opus frame begins so. */
function withoutMarker(object: Uint8Array, family: Family, nalLength: number): Uint8Array {
  if (object[0] !== 0x0a || object[1] !== 0 || object.length < 3) return object;
  // A unit of 2560 bytes behind a length of two bytes is the one exception among pictures.
  const nal = family === "h264" || family === "h265";
  if (nal && nalLength === 2 && isLengthPrefixed(object, 2)) return object;
  const bare = object.subarray(2);
  return nal && !isAnnexB(bare) && !isLengthPrefixed(bare, nalLength || 4) ? object : bare;
}
