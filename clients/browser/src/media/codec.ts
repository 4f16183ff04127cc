// What containers need to know about codecs: codec strings from configurations, what WebCodecs wants as `description`,
// and whether a frame can be decoded by itself.

import { MAX_DESCRIPTION_BYTES } from "./limit.ts";
import { MediaError } from "./types.ts";

export type Family = "h264" | "h265" | "av1" | "vp9" | "aac" | "opus" | "other";

const FAMILIES: Readonly<Record<string, Family>> = {
  avc1: "h264",
  avc3: "h264",
  hvc1: "h265",
  hev1: "h265",
  av01: "av1",
  vp09: "vp9",
  mp4a: "aac",
  opus: "opus",
};

/** Sampling rates by AudioSpecificConfig index (ISO/IEC 14496-3, 1.6.3.4). */
const AAC_RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];

const OPUS_MAGIC = [0x4f, 0x70, 0x75, 0x73, 0x48, 0x65, 0x61, 0x64];

/** Of a WebCodecs codec string. */
export function familyOf(codec: string): Family {
  const name = codec.split(".", 1)[0] ?? "";
  return (Object.hasOwn(FAMILIES, name.toLowerCase()) ? FAMILIES[name.toLowerCase()] : undefined) ?? "other";
}

/** Bytes of the length in front of each NAL unit; 0 = start codes, which is what no configuration means. */
export function nalLengthOf(family: Family, description: Uint8Array | undefined): number {
  const at = family === "h264" ? 4 : 21;
  const byte = description?.[at];
  return byte === undefined ? 0 : (byte & 3) + 1;
}

const hex = (value: number): string => value.toString(16).padStart(2, "0");
const decimal = (value: number): string => value.toString().padStart(2, "0");

/**
 * The codec string a configuration (avcC, hvcC, av1C, vpcC, AudioSpecificConfig) implies, under the name of its sample
 * entry; `undefined` when it is not one.
 */
export function codecString(entry: string, config: Uint8Array): string | undefined {
  const at = (index: number): number => config[index] ?? 0;
  switch (familyOf(entry)) {
    case "h264":
      return config.length >= 7 && at(0) === 1 ? `${entry}.${hex(at(1))}${hex(at(2))}${hex(at(3))}` : undefined;
    case "h265":
      return config.length >= 23 ? hevcString(entry, config) : undefined;
    case "av1": {
      if (config.length < 4 || at(0) !== 0x81) return undefined;
      const profile = at(1) >> 5;
      const high = (at(2) & 0x40) !== 0;
      const depth = high && (at(2) & 0x20) !== 0 && profile === 2 ? 12 : high ? 10 : 8;
      return `av01.${profile}.${decimal(at(1) & 0x1f)}${at(2) & 0x80 ? "H" : "M"}.${decimal(depth)}`;
    }
    case "vp9":
      return config.length >= 7 ? `vp09.${decimal(at(4))}.${decimal(at(5))}.${decimal(at(6) >> 4)}` : undefined;
    case "aac": {
      const aac = readAacConfig(config);
      return aac && `mp4a.40.${aac.objectType}`;
    }
    default:
      return undefined;
  }
}

/** ISO/IEC 14496-15, Annex E. */
function hevcString(entry: string, config: Uint8Array): string {
  const at = (index: number): number => config[index] ?? 0;
  let compatibility = 0;
  for (let bit = 0; bit < 32; bit++) {
    if (at(2 + (bit >> 3)) & (0x80 >> (bit & 7))) compatibility += 2 ** bit;
  }
  const constraints = [...config.subarray(6, 12)];
  while (constraints.at(-1) === 0) constraints.pop();
  const upper = (value: number): string => value.toString(16).toUpperCase();
  return [
    entry,
    `${["", "A", "B", "C"][at(1) >> 6]}${at(1) & 0x1f}`,
    upper(compatibility),
    `${at(1) & 0x20 ? "H" : "L"}${at(12)}`,
    ...constraints.map(upper),
  ].join(".");
}

export interface AacConfig {
  objectType: number;
  /** 0 when the configuration does not give it. */
  sampleRate: number;
  /** 0 when it is defined elsewhere. */
  channels: number;
}

/** The head of an AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1). */
export function readAacConfig(config: Uint8Array): AacConfig | undefined {
  if (config.length < 2) return undefined;
  let at = 0;
  const bits = (count: number): number => {
    let value = 0;
    for (; count > 0; count--, at++) value = value * 2 + (((config[at >> 3] ?? 0) >> (7 - (at & 7))) & 1);
    return value;
  };
  const small = bits(5);
  const objectType = small === 31 ? 32 + bits(6) : small;
  const index = bits(4);
  const sampleRate = index === 15 ? bits(24) : (AAC_RATES[index] ?? 0);
  const layout = bits(4);
  return { objectType, sampleRate, channels: layout === 7 ? 8 : layout < 7 ? layout : 0 };
}

/** OpusHead (RFC 7845, little endian) of a `dOps` body (big endian, no magic). */
export function opusHead(dops: Uint8Array): Uint8Array {
  if (dops.length < 11 || dops[0] !== 0) throw new MediaError("box `dOps` is not an Opus configuration");
  const head = new Uint8Array(8 + dops.length);
  head.set(OPUS_MAGIC);
  head.set(dops, 8);
  head[8] = 1;
  head.subarray(10, 12).reverse();
  head.subarray(12, 16).reverse();
  head.subarray(16, 18).reverse();
  return head;
}

/**
 * What WebCodecs takes as `description` of this codec: avcC and hvcC, AudioSpecificConfig; of Opus the OpusHead only
 * where it says how channels are mapped; AV1 and VP9 have everything in their key frames.
 */
export function webcodecsDescription(codec: string, config: Uint8Array | undefined): Uint8Array | undefined {
  if (config === undefined || config.length === 0) return undefined;
  if (config.length > MAX_DESCRIPTION_BYTES) {
    throw new MediaError(`decoder configuration of ${config.length} bytes for ${codec} is too large`);
  }
  switch (familyOf(codec)) {
    case "av1":
    case "vp9":
      return undefined;
    case "opus":
      return (config[18] ?? 0) === 0 ? undefined : config;
    default:
      return config;
  }
}

/**
 * Whether decoding can start at this frame, told from its bits: an H.264 IDR, an H.265 IRAP, an AV1 or VP9 key frame;
 * audio always. `undefined` when they do not tell. `nalLength` 0 = start codes.
 */
export function isKeyFrame(family: Family, frame: Uint8Array, nalLength: number): boolean | undefined {
  switch (family) {
    case "h264":
      return firstSlice(frame, nalLength, (header) => {
        const type = header & 0x1f;
        return type === 5 ? true : type >= 1 && type <= 4 ? false : undefined;
      });
    case "h265":
      return firstSlice(frame, nalLength, (header) => {
        const type = (header >> 1) & 0x3f;
        return type <= 15 ? false : type <= 23 ? true : undefined;
      });
    case "av1":
      return isAv1Key(frame);
    case "vp9":
      return isVp9Key(frame);
    case "aac":
    case "opus":
      return true;
    default:
      return undefined;
  }
}

function firstSlice(
  frame: Uint8Array,
  nalLength: number,
  classify: (header: number) => boolean | undefined,
): boolean | undefined {
  if (nalLength === 0) {
    for (let at = 0; at + 3 < frame.length; at++) {
      if (frame[at] !== 0 || frame[at + 1] !== 0 || frame[at + 2] !== 1) continue;
      const verdict = classify(frame[at + 3] ?? 0);
      if (verdict !== undefined) return verdict;
    }
    return undefined;
  }
  for (let at = 0; at + nalLength < frame.length; ) {
    let length = 0;
    for (const end = at + nalLength; at < end; at++) length = length * 256 + (frame[at] ?? 0);
    const verdict = length > 0 ? classify(frame[at] ?? 0) : undefined;
    if (verdict !== undefined) return verdict;
    at += length;
  }
  return undefined;
}

const OBU_SEQUENCE_HEADER = 1;
const OBU_FRAME_HEADER = 3;
const OBU_FRAME = 6;

/** Walks the OBUs to the first frame header (AV1 5.3, 5.9.2): a key frame shown now, behind a sequence header. */
function isAv1Key(frame: Uint8Array): boolean | undefined {
  let sequenceHeader = false;
  for (let at = 0; at < frame.length; ) {
    const header = frame[at] ?? 0;
    if (header & 0x80) return undefined;
    at += header & 4 ? 2 : 1;
    let size = frame.length - at;
    if (header & 2) {
      size = 0;
      for (let shift = 0, byte = 0x80; byte & 0x80 && shift < 28; shift += 7) {
        byte = frame[at++] ?? 0;
        size |= (byte & 0x7f) << shift;
      }
    }
    if (size < 0 || at + size > frame.length) return undefined;
    const type = (header >> 3) & 15;
    if (type === OBU_SEQUENCE_HEADER) sequenceHeader = true;
    // show_existing_frame 0, frame_type 0, show_frame 1.
    if (type === OBU_FRAME || type === OBU_FRAME_HEADER) return sequenceHeader && (frame[at] ?? 0) >> 4 === 1;
    at += size;
  }
  return undefined;
}

/** Uncompressed header: frame_marker(2) profile(2, one reserved bit more for profile 3) show_existing frame_type. */
function isVp9Key(frame: Uint8Array): boolean | undefined {
  const first = frame[0] ?? 0;
  if (first >> 6 !== 2) return undefined;
  const shift = ((first >> 4) & 3) === 3 ? 1 : 0;
  return (first & (0x0c >> shift)) === 0;
}
