// Sound: samples in, Opus objects out, while somebody listens.

import { LocPackager } from "../media/package.ts";
import { CaptureClock, unixMicroseconds } from "./clock.ts";
import type { Cutter } from "./groups.ts";
import { AUDIO_BITRATE, AUDIO_STAMP_MS } from "./limit.ts";
import { Track } from "./track.ts";
import { type MediaHooks, trackPairs } from "./video.ts";

const AUDIO_PRIORITY = 48;

export class AudioPublisher {
  readonly track: Track;
  readonly packager: LocPackager;
  readonly #cutter: Cutter;
  readonly #hooks: MediaHooks;
  readonly #clock = new CaptureClock();
  #encoder: AudioEncoder | undefined;
  #format = { sampleRate: 0, numberOfChannels: 0 };
  #beginsGroup = true;
  #stampFrom = -Infinity;
  #isReady = false;

  constructor(name: string, cutter: Cutter, hooks: MediaHooks) {
    this.#cutter = cutter;
    this.#hooks = hooks;
    this.packager = new LocPackager("audio", { name, bitrate: AUDIO_BITRATE });
    this.track = new Track(name, AUDIO_PRIORITY, trackPairs(this.packager, AUDIO_PRIORITY));
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Described, and its timeline can begin. */
  get isComplete(): boolean {
    return this.#isReady && this.#clock.isSettled;
  }

  /** Takes the samples over. */
  samples(data: AudioData): void {
    // They are there when the last of them is captured; the timestamp is that of the first.
    this.#clock.observe(data.timestamp, unixMicroseconds() - data.duration);
    if (!this.#isReady || this.track.viewers > 0) this.#encode(data);
    else this.#rest();
    data.close();
  }

  /** The next object is to begin a group. */
  beginGroup(): void {
    this.#beginsGroup = true;
  }

  close(): void {
    if (this.#encoder?.state !== "closed") this.#encoder?.close();
    this.#encoder = undefined;
  }

  #rest(): void {
    // What is left inside would come out in front of what follows the pause.
    if (this.#encoder?.state === "configured") this.#encoder.reset();
    this.#beginsGroup = true;
  }

  #encode(data: AudioData): void {
    const { sampleRate, numberOfChannels } = data;
    try {
      this.#encoder ??= new AudioEncoder({
        output: (chunk, metadata) => this.#output(chunk, metadata),
        error: (error) => this.#hooks.failed(error.message),
      });
      const isSame = this.#format.sampleRate === sampleRate && this.#format.numberOfChannels === numberOfChannels;
      if (this.#encoder.state !== "configured" || !isSame) {
        // Frames of 20 ms are the default.
        this.#encoder.configure({ codec: "opus", sampleRate, numberOfChannels, bitrate: AUDIO_BITRATE });
        this.#format = { sampleRate, numberOfChannels };
      }
      this.#encoder.encode(data);
    } catch (error) {
      this.#hooks.failed(error instanceof Error ? error.message : String(error));
    }
  }

  #output(chunk: EncodedAudioChunk, metadata: EncodedAudioChunkMetadata | undefined): void {
    if (metadata?.decoderConfig !== undefined && this.packager.setConfig(metadata.decoderConfig)) {
      this.#isReady = true;
      this.#hooks.changed();
    }
    if (this.track.viewers === 0) return this.beginGroup();
    const { type, byteLength } = chunk;
    const timestamp = this.#clock.media(chunk.timestamp);
    const group = this.#cutter.sound(timestamp, this.#beginsGroup);
    if (group !== undefined) this.track.begin(group);
    this.#beginsGroup = false;
    const isFirst = group !== undefined;
    const object = this.packager.package({ type, byteLength, timestamp, copyTo: (to) => chunk.copyTo(to) }, isFirst);
    const isStamped = timestamp >= this.#stampFrom;
    if (isStamped) this.#stampFrom = timestamp + AUDIO_STAMP_MS * 1000;
    if (!this.track.push(object.properties, object.payload, isStamped ? this.#clock.captured(chunk.timestamp) : undefined)) {
      this.beginGroup();
    }
  }
}
