// Decodes one audio track and hands the samples to the worklet, a little before they are heard.

import type { TrackFeed } from "./feed.ts";
import { AUDIO_AHEAD_MS, MAX_DECODE_ERRORS, MAX_DECODE_QUEUE } from "./limit.ts";
import { Resampler } from "./resample.ts";
import type { Timeline } from "./timeline.ts";

export interface AudioEvents {
  /** Planar samples at the rate that was asked for; `isHead`: of the group that was joined, old when it came. */
  samples(timestamp: number, channels: Float32Array[], isHead: boolean): void;
  failed(reason: string): void;
}

export class AudioTrack {
  decodeErrors = 0;
  sampleRate = 0;
  channels = 0;

  readonly feed: TrackFeed;
  readonly #timeline: Timeline;
  readonly #events: AudioEvents;
  readonly #resampler: Resampler;
  #decoder: AudioDecoder | undefined;
  #config: unknown;
  #errorsInRow = 0;
  #headUntil = -Infinity;

  /** `rate`: the AudioContext's. */
  constructor(feed: TrackFeed, timeline: Timeline, rate: number, events: AudioEvents) {
    this.feed = feed;
    this.#timeline = timeline;
    this.#events = events;
    this.#resampler = new Resampler(rate);
  }

  pump(now: number): void {
    for (;;) {
      const unit = this.feed.units[0];
      if (unit === undefined || !this.#timeline.isSet || (this.#decoder?.decodeQueueSize ?? 0) >= MAX_DECODE_QUEUE) return;
      const { timestamp, duration, data } = unit.frame;
      const wait = this.#timeline.dueAt(timestamp) - now;
      const isOnCourse = this.#timeline.isOnCourse(timestamp, now);
      if (isOnCourse && wait > AUDIO_AHEAD_MS) return;
      this.feed.take();
      if (unit.object.fetched) this.#headUntil = timestamp;
      // What nobody will hear any more, or belongs to a course that the picture has left.
      if (!isOnCourse || wait < -AUDIO_AHEAD_MS) continue;
      try {
        if (this.#decoder === undefined || this.#config !== unit.config) this.#configure(unit.config as AudioDecoderConfig);
        this.#decoder?.decode(new EncodedAudioChunk({ type: "key", timestamp: Math.round(timestamp), duration, data }));
      } catch (error) {
        this.#fail(error instanceof Error ? error.message : String(error));
      }
    }
  }

  close(): void {
    this.feed.close();
    this.#closeDecoder();
  }

  #configure(config: AudioDecoderConfig): void {
    if (this.#decoder === undefined) {
      const decoder: AudioDecoder = new AudioDecoder({
        output: (data) => (decoder === this.#decoder ? this.#output(data) : data.close()),
        error: (error) => decoder === this.#decoder && this.#fail(error.message),
      });
      this.#decoder = decoder;
    }
    this.#decoder.configure(config);
    this.#config = config;
  }

  #output(data: AudioData): void {
    this.#errorsInRow = 0;
    this.sampleRate = data.sampleRate;
    this.channels = data.numberOfChannels;
    const planes = Array.from({ length: data.numberOfChannels }, (_, planeIndex) => {
      const plane = new Float32Array(data.numberOfFrames);
      data.copyTo(plane, { planeIndex, format: "f32-planar" });
      return plane;
    });
    this.#events.samples(data.timestamp, this.#resampler.convert(planes, data.sampleRate), data.timestamp <= this.#headUntil);
    data.close();
  }

  #fail(reason: string): void {
    this.decodeErrors += 1;
    this.#errorsInRow += 1;
    this.#closeDecoder();
    if (this.#errorsInRow >= MAX_DECODE_ERRORS) this.#events.failed(reason);
  }

  #closeDecoder(): void {
    if (this.#decoder !== undefined && this.#decoder.state !== "closed") this.#decoder.close();
    this.#decoder = undefined;
    this.#config = undefined;
  }
}
