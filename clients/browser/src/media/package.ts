// For the publisher: encoded chunks to LOC objects, and the catalog's entry of their track.

import { readAacConfig } from "./codec.ts";
import { AUDIO_CONFIG, TIMESCALE, TIMESTAMP, VIDEO_CONFIG } from "./loc.ts";
import { MICROSECONDS } from "./time.ts";
import { type CatalogTrack, MediaError } from "./types.ts";

/** One MOQT property, as `Properties.fromPairs` takes it. */
export interface PropertyPair {
  type: bigint;
  value: bigint | Uint8Array;
}

/** Of EncodedVideoChunk and EncodedAudioChunk what is used here. */
export interface EncodedChunk {
  readonly type: "key" | "delta";
  /** µs */
  readonly timestamp: number;
  readonly byteLength: number;
  copyTo(destination: Uint8Array<ArrayBuffer>): void;
}

export interface PackagedObject {
  /** Ascending by type. */
  properties: PropertyPair[];
  payload: Uint8Array;
}

/** What the catalog says and an encoder's configuration does not. */
export interface TrackFacts {
  name: string;
  /** Bits per second. */
  bitrate: number;
  framerate?: number;
  label?: string;
  targetLatency?: number;
}

/** Packages the output of one encoder. */
export class LocPackager {
  readonly #facts: TrackFacts;
  readonly #kind: "video" | "audio";
  #config: VideoDecoderConfig | AudioDecoderConfig | undefined;
  #description: Uint8Array | undefined;

  constructor(kind: "video" | "audio", facts: TrackFacts) {
    this.#kind = kind;
    this.#facts = facts;
  }

  /**
   * Of the track as a whole, for PUBLISH or SUBSCRIBE_OK. `first` objects repeat it, so that each group can be played by
   * itself.
   */
  get trackProperties(): PropertyPair[] {
    return [{ type: TIMESCALE, value: BigInt(MICROSECONDS) }];
  }

  /**
   * Takes the `decoderConfig` of an output's metadata, which encoders give with the first chunk and whenever it changes. `true`
   * = the catalog's entry is another one now.
   */
  setConfig(config: VideoDecoderConfig | AudioDecoderConfig): boolean {
    const before = this.#config && JSON.stringify(this.catalogTrack(), stringifyBytes);
    this.#config = config;
    this.#description = copyBytes(config.description);
    return JSON.stringify(this.catalogTrack(), stringifyBytes) !== before;
  }

  /** The object of a chunk; `first` of its group, which for video is a key frame. */
  package(chunk: EncodedChunk, first: boolean): PackagedObject {
    if (first && chunk.type !== "key") throw new MediaError("a group has to begin with a key frame");
    const payload = new Uint8Array(chunk.byteLength);
    chunk.copyTo(payload);
    const properties = first ? this.trackProperties : [];
    if (first && this.#description !== undefined) {
      properties.push({ type: this.#kind === "video" ? VIDEO_CONFIG : AUDIO_CONFIG, value: this.#description });
    }
    // A timestamp has no sign on the wire.
    properties.push({ type: TIMESTAMP, value: BigInt(Math.max(0, Math.round(chunk.timestamp))) });
    return { properties, payload };
  }

  /** The catalog's entry; there is none before the encoder has given its configuration. */
  catalogTrack(): CatalogTrack {
    const config = this.#config;
    if (config === undefined) throw new MediaError(`the encoder of "${this.#facts.name}" has not begun`);
    return {
      packaging: "loc",
      kind: this.#kind,
      codec: config.codec,
      timescale: MICROSECONDS,
      ...this.#facts,
      ...("sampleRate" in config ? audioFacts(config, this.#description) : videoFacts(config)),
      ...(this.#description ? { description: this.#description } : {}),
    };
  }
}

function videoFacts({ codedWidth, codedHeight }: VideoDecoderConfig): Partial<CatalogTrack> {
  return codedWidth && codedHeight ? { width: codedWidth, height: codedHeight } : {};
}

/** Encoders may resample: the configuration knows better. */
function audioFacts(config: AudioDecoderConfig, description: Uint8Array | undefined): Partial<CatalogTrack> {
  const aac = config.codec.startsWith("mp4a") && description ? readAacConfig(description) : undefined;
  return { sampleRate: aac?.sampleRate || config.sampleRate, channels: aac?.channels || config.numberOfChannels };
}

function copyBytes(source: AllowSharedBufferSource | undefined): Uint8Array | undefined {
  if (source === undefined) return undefined;
  const view = ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
  return view.length > 0 ? view.slice() : undefined;
}

function stringifyBytes(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Array.from(value) : value;
}
