// From objects to frames and a decoder's configuration, whatever the container.

import { isAnnexB, isLengthPrefixed, toAnnexB, toLengthPrefixed } from "./annexb.ts";
import { boxes, find } from "./bmff.ts";
import { FragmentReader, type InitSegment, readInit } from "./cmaf.ts";
import {
  codecString,
  type Family,
  familyOf,
  isKeyFrame,
  nalLengthOf,
  readAacConfig,
  webcodecsDescription,
} from "./codec.ts";
import { type RawFrame, readLegacy } from "./legacy.ts";
import { AUDIO_CONFIG, type PropertyReader, readLoc, readTimescale, VIDEO_CONFIG } from "./loc.ts";
import { microseconds, MICROSECONDS } from "./time.ts";
import { type CatalogTrack, type Frame, MediaError } from "./types.ts";

/** Initialization segment of a track, a track property of Efir's origin. */
const PROLOGUE = 0x7dn;

export type DecoderConfig = VideoDecoderConfig | AudioDecoderConfig;

/** Takes the objects of one track apart, in their order. */
export interface Unpackager {
  readonly kind: "video" | "audio";
  /** For `configure`; another object whenever it changes. */
  readonly config: DecoderConfig;
  /** Counts the changes of `config`, from 0. Look at it after every `unpack`: its frames want the new one. */
  readonly configVersion: number;
  /**
   * The frames of one object, in decode order; payloads are views of it where nothing had to be rewritten. `first` = the
   * object begins a group, which is a key frame where the bits do not tell. Throws {@link MediaError}, and may be called again
   * with the next object after that.
   */
  unpack(payload: Uint8Array, properties: PropertyReader, first: boolean): Frame[];
}

/** For a track of a catalog; `trackProperties` (of SUBSCRIBE_OK) fill in what the catalog leaves out. */
export function createUnpackager(track: CatalogTrack, trackProperties?: PropertyReader): Unpackager {
  if (track.packaging !== "cmaf") return new RawUnpackager(track, trackProperties);
  const init = track.init ?? trackProperties?.getBytes(PROLOGUE);
  if (init === undefined) throw new MediaError(`track "${track.name}" has no initialization segment`);
  return new CmafUnpackager(track, init);
}

class CmafUnpackager implements Unpackager {
  readonly kind: "video" | "audio";
  config: DecoderConfig;
  configVersion = 0;
  readonly #track: CatalogTrack;
  #reader: FragmentReader;

  constructor(track: CatalogTrack, segment: Uint8Array) {
    const init = readInit(segment);
    if (init.kind !== track.kind) {
      throw new MediaError(`track "${track.name}" is ${track.kind}, its initialization segment ${init.kind}`);
    }
    this.kind = init.kind;
    this.#track = track;
    this.config = configOfInit(track, init);
    this.#reader = new FragmentReader(init);
  }

  unpack(payload: Uint8Array, _properties: PropertyReader, _first: boolean): Frame[] {
    // Some publishers begin every group with the segment.
    if (payload[4] !== 0x6d || payload[5] !== 0x6f || payload[6] !== 0x6f || payload[7] !== 0x66) this.#reinit(payload);
    return this.#reader.read(payload);
  }

  #reinit(payload: Uint8Array): void {
    const moov = find(boxes(payload, "the fragment"), "moov");
    if (moov === undefined) return;
    const init = readInit(payload.subarray(0, moov.end));
    if (init.kind !== this.kind) throw new MediaError(`track "${this.#track.name}" turned from ${this.kind} to ${init.kind}`);
    const config = configOfInit(this.#track, init);
    this.#reader = new FragmentReader(init);
    if (isSameConfig(config, this.config)) return;
    this.config = config;
    this.configVersion++;
  }
}

function configOfInit(track: CatalogTrack, init: InitSegment): DecoderConfig {
  return init.kind === "video"
    ? videoConfig(init.codec, init.width || track.width, init.height || track.height, init.description)
    : audioConfig(track.name, init.codec, init.sampleRate || track.sampleRate, init.channels || track.channels, init.description);
}

function videoConfig(
  codec: string,
  width: number | undefined,
  height: number | undefined,
  description: Uint8Array | undefined,
): VideoDecoderConfig {
  return {
    codec,
    optimizeForLatency: true,
    ...(width && height ? { codedWidth: width, codedHeight: height } : {}),
    ...(description ? { description } : {}),
  };
}

function audioConfig(
  name: string,
  codec: string,
  sampleRate: number | undefined,
  channels: number | undefined,
  description: Uint8Array | undefined,
): AudioDecoderConfig {
  const opus = familyOf(codec) === "opus";
  const rate = sampleRate || (opus ? 48_000 : 0);
  const count = channels || (opus ? 2 : 0);
  if (!rate || !count) throw new MediaError(`track "${name}" says neither sampling rate nor channels`);
  return { codec, sampleRate: rate, numberOfChannels: count, ...(description ? { description } : {}) };
}

function isSameConfig(a: DecoderConfig, b: DecoderConfig): boolean {
  const text = ({ description, ...rest }: DecoderConfig): string => JSON.stringify([rest, bytesOf(description)?.join()]);
  return text(a) === text(b);
}

function bytesOf(description: DecoderConfig["description"]): Uint8Array | undefined {
  return description instanceof Uint8Array ? description : undefined;
}

/** LOC and hang's `legacy`: one frame per object. */
class RawUnpackager implements Unpackager {
  readonly kind: "video" | "audio";
  config: DecoderConfig;
  configVersion = 0;
  readonly #track: CatalogTrack;
  readonly #family: Family;
  #nalLength = 0;
  /** The newest of the track's objects, which need not repeat it. */
  #timescale: number;
  /** Last configuration found in an object, to tell a repetition from a change. */
  #found: Uint8Array | undefined;

  constructor(track: CatalogTrack, trackProperties: PropertyReader | undefined) {
    this.kind = track.kind;
    this.#track = track;
    this.#family = familyOf(track.codec);
    this.#timescale = (trackProperties && readTimescale(trackProperties)) ?? track.timescale ?? MICROSECONDS;
    const found = trackProperties?.getBytes(this.#configId);
    this.#found = found;
    this.config = found ? this.#configFrom(found) : this.#configOf(track.codec, track.description);
  }

  unpack(payload: Uint8Array, properties: PropertyReader, first: boolean): Frame[] {
    if (this.#track.packaging === "loc") this.#takeConfig(properties);
    const raw = this.#track.packaging === "loc" ? this.#readLoc(payload, properties) : readLegacy(payload);
    if (raw.data.length === 0) return [];
    const form = this.#formOf(raw.data);
    const key = this.kind === "audio" || (isKeyFrame(this.#family, raw.data, form) ?? first);
    return [{ timestamp: raw.timestamp, duration: 0, key, data: this.#bitstream(raw.data, form) }];
  }

  get #configId(): bigint {
    return this.kind === "video" ? VIDEO_CONFIG : AUDIO_CONFIG;
  }

  #readLoc(payload: Uint8Array, properties: PropertyReader): RawFrame {
    const loc = readLoc(payload, properties, this.#family, this.#nalLength);
    this.#timescale = loc.timescale ?? this.#timescale;
    return { timestamp: microseconds(loc.timestamp, this.#timescale), data: loc.data };
  }

  #takeConfig(properties: PropertyReader): void {
    const found = properties.getBytes(this.#configId);
    if (found === undefined || (this.#found !== undefined && isEqual(found, this.#found))) return;
    const config = this.#configFrom(found);
    this.#found = found.slice();
    if (isSameConfig(config, this.config)) return;
    this.config = config;
    this.configVersion++;
  }

  /** With the codec string that the configuration implies: profile and level may change with it. */
  #configFrom(found: Uint8Array): DecoderConfig {
    const entry = this.#track.codec.split(".", 1)[0] ?? "";
    return this.#configOf(codecString(entry, found) ?? this.#track.codec, found);
  }

  #configOf(codec: string, found: Uint8Array | undefined): DecoderConfig {
    const track = this.#track;
    const description = webcodecsDescription(codec, found);
    this.#nalLength = nalLengthOf(this.#family, description);
    if (this.kind === "video") return videoConfig(codec, track.width, track.height, description);
    const aac = this.#family === "aac" && description ? readAacConfig(description) : undefined;
    const opus = this.#family === "opus" && found ? found[9] : undefined;
    const channels = aac?.channels || opus || track.channels;
    return audioConfig(track.name, codec, aac?.sampleRate || track.sampleRate, channels, description);
  }

  /** Length of the lengths as the frame has them, whatever the configuration says; 0 = start codes. */
  #formOf(data: Uint8Array): number {
    const nalLength = this.#nalLength || 4;
    // Lengths first: one of 256 to 511 bytes looks like a start code.
    return !isLengthPrefixed(data, nalLength) && isAnnexB(data) ? 0 : nalLength;
  }

  /** In the form that belongs to the configuration. */
  #bitstream(data: Uint8Array, form: number): Uint8Array {
    if (this.#family !== "h264" && this.#family !== "h265") return data;
    if (this.#nalLength > 0) return form === 0 ? toLengthPrefixed(data, this.#nalLength) : data;
    return form === 4 && isLengthPrefixed(data, 4) ? toAnnexB(data) : data;
  }
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
