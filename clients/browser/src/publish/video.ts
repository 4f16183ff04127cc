// Pictures: frames in, objects out, while somebody watches.

import { LocPackager } from "../media/package.ts";
import type { PropertyPair } from "../media/package.ts";
import { TrackMark } from "../moqt/hop_delay.ts";
import { CONTENT_TYPE, DEFAULT_PUBLISHER_PRIORITY, DYNAMIC_GROUPS, HOP_DELAY } from "../moqt/property.ts";
import { encoderConfig, fit, type VideoChoice } from "./choice.ts";
import { CaptureClock, captureTimeOf, unixMicroseconds } from "./clock.ts";
import { beginsGroup, type Cutter } from "./groups.ts";
import { CAPTURE_TIMES, ENCODE_QUEUE, REPEAT_MS } from "./limit.ts";
import { Track } from "./track.ts";

const VIDEO_PRIORITY = 96;

export interface MediaHooks {
  /** The catalog's entry is there, or another one. */
  changed(): void;
  /** The encoder cannot go on. */
  failed(message: string): void;
}

/** Properties of a track of LOC objects. */
export function trackPairs(packager: LocPackager, priority: number): PropertyPair[] {
  return [
    ...packager.trackProperties,
    { type: DEFAULT_PUBLISHER_PRIORITY, value: BigInt(priority) },
    { type: CONTENT_TYPE, value: new TextEncoder().encode("application/octet-stream") },
    { type: HOP_DELAY, value: new TrackMark(true).toBytes() },
  ];
}

export class VideoPublisher {
  readonly track: Track;
  readonly packager: LocPackager;
  size = { width: 0, height: 0 };
  /** Pictures that were encoded. */
  encoded = 0;
  dropped = 0;
  /** Sum of the ms from capture to here, over all encoded pictures. */
  delays = 0;
  readonly #choice: VideoChoice;
  readonly #cutter: Cutter;
  readonly #hooks: MediaHooks;
  readonly #clock = new CaptureClock();
  readonly #captured = new Map<number, number>();
  readonly #repeat: ReturnType<typeof setInterval>;
  #encoder: VideoEncoder | undefined;
  #bitrate: number;
  #last: VideoFrame | undefined;
  #lastAt = 0;
  #encodedUntil = -Infinity;
  #keyAt = -Infinity;
  #needsKey = true;
  #isGroupWanted = false;
  #isReady = false;

  constructor(name: string, choice: VideoChoice, cutter: Cutter, hooks: MediaHooks) {
    this.#choice = choice;
    this.#cutter = cutter;
    this.#hooks = hooks;
    this.#bitrate = choice.bitrate;
    this.packager = new LocPackager("video", { name, bitrate: choice.bitrate, framerate: choice.framerate });
    // The encoder makes a key frame whenever it is told to.
    const isDynamic = { type: DYNAMIC_GROUPS, value: 1n };
    this.track = new Track(name, VIDEO_PRIORITY, [...trackPairs(this.packager, VIDEO_PRIORITY), isDynamic]);
    this.track.onGroupWanted = () => (this.#isGroupWanted = true);
    this.#repeat = setInterval(() => this.#again(), REPEAT_MS / 4);
  }

  /** The catalog's entry is known. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Described, and its timeline can begin. */
  get isComplete(): boolean {
    return this.#isReady && this.#clock.isSettled;
  }

  /** Somebody watches, or the encoder has not yet said how its output is to be decoded. */
  get isWanted(): boolean {
    return !this.#isReady || this.track.viewers > 0;
  }

  /** Takes the frame over. */
  frame(frame: VideoFrame): void {
    const now = unixMicroseconds();
    this.#clock.observe(frame.timestamp, captureTimeOf(frame.metadata?.().captureTime, now) ?? now);
    this.#last?.close();
    this.#last = frame;
    this.#lastAt = performance.now();
    if (this.isWanted) this.#encode(frame);
    else this.keyFrame();
  }

  /** The next picture is to begin a group. */
  keyFrame(): void {
    this.#needsKey = true;
  }

  setBitrate(bitrate: number): void {
    if (Math.abs(bitrate - this.#bitrate) < this.#bitrate / 50) return;
    this.#bitrate = bitrate;
    const { width, height } = this.size;
    if (this.#encoder?.state === "configured") this.#encoder.configure(encoderConfig(this.#choice, width, height, bitrate));
  }

  close(): void {
    clearInterval(this.#repeat);
    this.#last?.close();
    this.#last = undefined;
    if (this.#encoder?.state !== "closed") this.#encoder?.close();
    this.#encoder = undefined;
  }

  /** A source that stands still, for a viewer who comes now and for those who join later. */
  #again(): void {
    const waited = performance.now() - this.#lastAt;
    if (this.#last === undefined || waited < REPEAT_MS || !this.isWanted) return;
    const since = this.#encodedUntil - this.#last.timestamp;
    const timestamp = this.#last.timestamp + Math.round(waited * 1000);
    if (!this.#needsKey && timestamp - this.#last.timestamp - since < REPEAT_MS * 1000) return;
    const copy = new VideoFrame(this.#last, { timestamp });
    this.#encode(copy);
    copy.close();
  }

  #encode(frame: VideoFrame): void {
    const { timestamp, displayWidth, displayHeight } = frame;
    if (timestamp <= this.#encodedUntil) return;
    try {
      const encoder = this.#configured(displayWidth, displayHeight);
      if (encoder.encodeQueueSize >= ENCODE_QUEUE) {
        this.dropped += 1;
        return;
      }
      const keyFrame = this.#needsKey || beginsGroup(timestamp - this.#keyAt, this.#choice.framerate, this.#isGroupWanted);
      if (keyFrame) {
        this.#keyAt = timestamp;
        this.#isGroupWanted = false;
      }
      this.#needsKey = false;
      this.#encodedUntil = timestamp;
      if (this.#captured.size >= CAPTURE_TIMES) this.#captured.clear();
      this.#captured.set(timestamp, this.#clock.captured(timestamp));
      encoder.encode(frame, { keyFrame });
    } catch (error) {
      this.#hooks.failed(error instanceof Error ? error.message : String(error));
    }
  }

  #configured(sourceWidth: number, sourceHeight: number): VideoEncoder {
    const { width, height } = fit(sourceWidth, sourceHeight, this.#choice.height);
    if (this.#encoder !== undefined && this.size.width === width && this.size.height === height) return this.#encoder;
    this.#encoder ??= new VideoEncoder({
      output: (chunk, metadata) => this.#output(chunk, metadata),
      error: (error) => this.#hooks.failed(error.message),
    });
    this.#encoder.configure(encoderConfig(this.#choice, width, height, this.#bitrate));
    this.size = { width, height };
    this.#needsKey = true;
    return this.#encoder;
  }

  #output(chunk: EncodedVideoChunk, metadata: EncodedVideoChunkMetadata | undefined): void {
    const captured = this.#captured.get(chunk.timestamp);
    this.#captured.delete(chunk.timestamp);
    if (metadata?.decoderConfig !== undefined && this.packager.setConfig(metadata.decoderConfig)) {
      this.#isReady = true;
      this.#hooks.changed();
    }
    if (this.track.viewers === 0) return this.keyFrame();
    const isKey = chunk.type === "key";
    if (isKey) this.track.begin(this.#cutter.keyFrame());
    const { type, byteLength } = chunk;
    const timestamp = this.#clock.media(chunk.timestamp);
    const object = this.packager.package({ type, byteLength, timestamp, copyTo: (to) => chunk.copyTo(to) }, isKey);
    if (!this.track.push(object.properties, object.payload, captured)) this.keyFrame();
    this.encoded += 1;
    if (captured !== undefined) this.delays += (unixMicroseconds() - captured) / 1000;
  }
}
