// CMAF: what an initialization segment says about its track, and the samples of movie fragments.

import { type Box, boxes, children, Fields, fields, find, need } from "./bmff.ts";
import { codecString, familyOf, isKeyFrame, nalLengthOf, opusHead, readAacConfig, webcodecsDescription } from "./codec.ts";
import { MAX_FRAGMENT_SAMPLES, MAX_INIT_BYTES } from "./limit.ts";
import { microseconds } from "./time.ts";
import { type Frame, MediaError } from "./types.ts";

/** Bytes of a VisualSampleEntry before its boxes. */
const VISUAL_FIELDS = 78;

/** Bytes of an AudioSampleEntry before its boxes, by QuickTime version. */
const AUDIO_FIELDS = [28, 44, 64];

/** `sample_is_non_sync_sample` (ISO/IEC 14496-12, 8.8.3.1). */
const NON_SYNC = 0x10000;

/** Box of the decoder configuration by sample entry. */
const CONFIG_BOX: Readonly<Record<string, string>> = {
  avc1: "avcC",
  avc3: "avcC",
  hvc1: "hvcC",
  hev1: "hvcC",
  av01: "av1C",
  vp09: "vpcC",
  mp4a: "esds",
  Opus: "dOps",
};

/** What a sample has when its fragment does not say. */
interface SampleDefaults {
  duration: number;
  size: number;
  /** `undefined` when nobody says: then only the bits of a frame tell whether it is a key frame. */
  flags: number | undefined;
}

/** One track's initialization segment. */
export interface InitSegment {
  kind: "video" | "audio";
  /** WebCodecs codec string. */
  codec: string;
  /** Ticks per second. */
  timescale: number;
  /** As WebCodecs wants it; absent for codecs that need none. */
  description: Uint8Array | undefined;
  /** Coded size; 0 for audio. */
  width: number;
  height: number;
  /** 0 for video. */
  sampleRate: number;
  channels: number;
  /** Ticks to add to every composition time: the edit list. */
  shift: bigint;
  defaults: SampleDefaults;
}

interface SampleEntry {
  codec: string;
  description: Uint8Array | undefined;
  width: number;
  height: number;
  sampleRate: number;
  channels: number;
}

/** Reads an initialization segment with one audio or video track. */
export function readInit(segment: Uint8Array): InitSegment {
  if (segment.length > MAX_INIT_BYTES) {
    throw new MediaError(`initialization segment of ${segment.length} bytes is too large`);
  }
  const moov = find(boxes(segment, "the initialization segment"), "moov");
  if (moov === undefined) throw new MediaError("no `moov` in the initialization segment");
  const inside = children(moov);
  const tracks = inside.filter((box) => box.type === "trak" && handler(box) !== undefined);
  const [track] = tracks;
  if (track === undefined || tracks.length > 1) {
    throw new MediaError(`initialization segment with ${tracks.length} audio and video tracks: needs exactly one`);
  }
  const kind = handler(track) ?? "video";
  const mdhd = fields(need(track, "mdia", "mdhd"));
  mdhd.skip(mdhd.full().version === 1 ? 16 : 8);
  const timescale = mdhd.u32();
  if (timescale === 0) throw new MediaError("box `mdhd` has the timescale 0");
  const entry = readSampleEntry(need(track, "mdia", "minf", "stbl", "stsd"), kind);
  return { kind, timescale, ...entry, shift: readShift(moov, track, timescale), defaults: readTrex(inside) };
}

function handler(track: Box): "video" | "audio" | undefined {
  const hdlr = fields(need(track, "mdia", "hdlr"));
  hdlr.skip(8);
  const type = hdlr.u32();
  return type === 0x76696465 ? "video" : type === 0x736f756e ? "audio" : undefined;
}

/** Empty edits in front delay the track, the first edit with media cuts its start; later edits are not followed. */
function readShift(moov: Box, track: Box, timescale: number): bigint {
  const edts = find(children(track), "edts");
  const list = edts && find(children(edts), "elst");
  if (list === undefined) return 0n;
  const mvhd = fields(need(moov, "mvhd"));
  mvhd.skip(mvhd.full().version === 1 ? 16 : 8);
  const movieTimescale = BigInt(mvhd.u32() || 1);
  const elst = fields(list);
  const { version } = elst.full();
  let empty = 0n;
  for (let count = elst.u32(); count > 0; count--) {
    const duration = version === 1 ? elst.u64() : BigInt(elst.u32());
    const mediaTime = version === 1 ? elst.i64() : BigInt(elst.i32());
    elst.skip(4);
    if (mediaTime >= 0n) return (empty * BigInt(timescale)) / movieTimescale - mediaTime;
    empty += duration;
  }
  return (empty * BigInt(timescale)) / movieTimescale;
}

function readTrex(moov: readonly Box[]): SampleDefaults {
  const mvex = find(moov, "mvex");
  const box = mvex && find(children(mvex), "trex");
  if (box === undefined) return { duration: 0, size: 0, flags: undefined };
  const trex = fields(box);
  trex.skip(12);
  return { duration: trex.u32(), size: trex.u32(), flags: trex.u32() };
}

function readSampleEntry(stsd: Box, kind: "video" | "audio"): SampleEntry {
  const [entry] = children(stsd, 8);
  if (entry === undefined) throw new MediaError("box `stsd` is empty");
  const configType = Object.hasOwn(CONFIG_BOX, entry.type) ? CONFIG_BOX[entry.type] : undefined;
  if (configType === undefined) throw new MediaError(`sample entry \`${entry.type}\` is not supported`);
  if ((configType === "esds" || configType === "dOps") !== (kind === "audio")) {
    throw new MediaError(`sample entry \`${entry.type}\` in a track of ${kind}`);
  }
  const own = fields(entry);
  if (kind === "video") {
    own.skip(24);
    const [width, height] = [own.u16(), own.u16()];
    const config = configBox(entry, VISUAL_FIELDS, configType).body;
    const codec = codecString(entry.type, config);
    if (codec === undefined) throw new MediaError(`box \`${configType}\` is not a decoder configuration`);
    return { codec, description: webcodecsDescription(codec, config), width, height, sampleRate: 0, channels: 0 };
  }
  own.skip(8);
  const version = own.u16();
  own.skip(6);
  const channels = own.u16();
  own.skip(6);
  const sampleRate = own.u32() >>> 16;
  const config = configBox(entry, AUDIO_FIELDS[version] ?? VISUAL_FIELDS, configType);
  if (configType === "dOps") {
    const head = opusHead(config.body);
    const description = webcodecsDescription("opus", head);
    return { codec: "opus", description, width: 0, height: 0, sampleRate: 48_000, channels: head[9] ?? 0 };
  }
  const description = audioSpecificConfig(config);
  const aac = readAacConfig(description);
  const codec = codecString("mp4a", description);
  if (aac === undefined || codec === undefined) throw new MediaError("box `esds` has no AudioSpecificConfig");
  return {
    codec,
    description: webcodecsDescription(codec, description),
    width: 0,
    height: 0,
    sampleRate: aac.sampleRate || sampleRate,
    channels: aac.channels || channels,
  };
}

function configBox(entry: Box, skip: number, type: string): Box {
  const inside = children(entry, skip);
  const direct = find(inside, type);
  if (direct !== undefined) return direct;
  // QuickTime wraps `esds`.
  const wave = find(inside, "wave");
  if (wave === undefined) throw new MediaError(`no \`${type}\` in \`${entry.type}\``);
  return need(wave, type);
}

/** Descriptors of `esds` (ISO/IEC 14496-1, 7.2.6): 3 around 4 around 5, which holds the configuration. */
function audioSpecificConfig(esds: Box): Uint8Array {
  let at = fields(esds);
  at.full();
  for (;;) {
    const tag = at.u8();
    let length = 0;
    for (let index = 0, byte = 0x80; byte & 0x80 && index < 4; index++) {
      byte = at.u8();
      length = (length << 7) | (byte & 0x7f);
    }
    const inside = new Fields(at.bytes(length), "esds");
    if (tag === 5) return inside.rest();
    if (tag === 3) {
      inside.skip(2);
      const flags = inside.u8();
      if (flags & 0x80) inside.skip(2);
      if (flags & 0x40) inside.skip(inside.u8());
      if (flags & 0x20) inside.skip(2);
      at = inside;
    } else if (tag === 4) {
      const type = inside.u8();
      if (type !== 0x40) throw new MediaError(`audio object type 0x${type.toString(16)} is not supported`);
      inside.skip(12);
      at = inside;
    }
  }
}

interface Sample {
  start: number;
  size: number;
  decodeTime: bigint;
  compositionOffset: number;
  duration: number;
  sync: boolean;
}

/** Takes the CMAF chunks of one track apart. */
export class FragmentReader {
  readonly #init: InitSegment;
  readonly #nalLength: number;
  /** Decode time of the next sample, for fragments without `tfdt`. */
  #nextTime = 0n;
  #count = 0;
  /** Where the data of the run before ends: where a run without own offset starts. */
  #dataEnd: number | undefined;

  constructor(init: InitSegment) {
    this.#init = init;
    this.#nalLength = nalLengthOf(familyOf(init.codec), init.description);
  }

  /** The frames of one object: one or more `moof` + `mdat`, in decode order. Payloads are views of `chunk`. */
  read(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let waiting: Sample[] = [];
    this.#count = 0;
    for (const box of boxes(chunk, "the fragment")) {
      if (box.type === "moof") {
        if (waiting.length > 0) throw new MediaError("box `moof` comes before the data of the fragment before");
        waiting = this.#readMoof(box);
      } else if (box.type === "mdat") {
        for (const sample of waiting) frames.push(this.#frame(sample, box, chunk));
        waiting = [];
      }
    }
    if (waiting.length > 0) throw new MediaError("fragment without the `mdat` of its samples");
    return frames;
  }

  #frame(sample: Sample, mdat: Box, chunk: Uint8Array): Frame {
    const end = sample.start + sample.size;
    if (sample.start < mdat.bodyStart || end > mdat.end) {
      throw new MediaError(`a sample of ${sample.size} bytes at byte ${sample.start} does not lie in its \`mdat\``);
    }
    const { codec, timescale, shift } = this.#init;
    const data = chunk.subarray(sample.start, end);
    const begin = sample.decodeTime + BigInt(sample.compositionOffset) + shift;
    return {
      timestamp: microseconds(begin, timescale),
      duration: microseconds(BigInt(sample.duration), timescale),
      key: isKeyFrame(familyOf(codec), data, this.#nalLength) ?? sample.sync,
      data,
    };
  }

  #readMoof(moof: Box): Sample[] {
    const tracks = children(moof).filter((box) => box.type === "traf");
    // The lone track is the one of the segment, whatever its id: some publishers renumber only one of the two.
    if (tracks.length > 1) throw new MediaError("fragment with several tracks");
    this.#dataEnd = undefined;
    const samples: Sample[] = [];
    for (const traf of tracks) this.#readTraf(traf, moof, samples);
    return samples;
  }

  #readTraf(traf: Box, moof: Box, samples: Sample[]): void {
    const inside = children(traf);
    const header = find(inside, "tfhd");
    if (header === undefined) throw new MediaError("no `tfhd` in `traf`");
    const tfhd = fields(header);
    const { flags } = tfhd.full();
    tfhd.skip(4);
    // base-data-offset counts in the file this fragment was cut out of, and is where its `moof` begins there.
    if (flags & 1) tfhd.skip(8);
    if (flags & 2) tfhd.skip(4);
    const defaults = { ...this.#init.defaults };
    if (flags & 8) defaults.duration = tfhd.u32();
    if (flags & 0x10) defaults.size = tfhd.u32();
    if (flags & 0x20) defaults.flags = tfhd.u32();
    const time = find(inside, "tfdt");
    if (time !== undefined) {
      const tfdt = fields(time);
      this.#nextTime = tfdt.full().version === 1 ? tfdt.u64() : BigInt(tfdt.u32());
    }
    for (const box of inside) if (box.type === "trun") this.#readRun(box, moof, defaults, samples);
  }

  #readRun(box: Box, moof: Box, defaults: SampleDefaults, samples: Sample[]): void {
    const trun = fields(box);
    const { flags } = trun.full();
    const count = trun.u32();
    this.#count += count;
    if (this.#count > MAX_FRAGMENT_SAMPLES) {
      throw new MediaError(`more than ${MAX_FRAGMENT_SAMPLES} samples in one object`);
    }
    // Without any offset the data can only be what follows: the body of the next `mdat`.
    let start = this.#dataEnd ?? moof.end + 8;
    if (flags & 1) start = moof.start + trun.i32();
    const firstFlags = flags & 4 ? trun.u32() : undefined;
    for (let index = 0; index < count; index++) {
      const duration = flags & 0x100 ? trun.u32() : defaults.duration;
      const size = flags & 0x200 ? trun.u32() : defaults.size;
      const ownFlags = flags & 0x400 ? trun.u32() : undefined;
      // Signed in both versions: writers of version 0 that mean a negative offset store it wrapped.
      const compositionOffset = flags & 0x800 ? trun.i32() : 0;
      const sampleFlags = (index === 0 ? firstFlags : undefined) ?? ownFlags ?? defaults.flags;
      const sync = sampleFlags !== undefined && (sampleFlags & NON_SYNC) === 0;
      const decodeTime = this.#nextTime;
      this.#nextTime += BigInt(duration);
      if (size > 0) samples.push({ start, size, decodeTime, compositionOffset, duration, sync });
      start += size;
    }
    this.#dataEnd = start;
  }
}
