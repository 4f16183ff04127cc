// Statistics of a <video>, in the words of the worker's. What a <video> does not tell stays unknown or empty.

import type { CatalogTrack } from "../media/types.ts";
import type { PlayerStats } from "../player/protocol.ts";
import type { BufferFeed } from "./source-buffer.ts";

export class MseMeter {
  stalls = 0;
  reconnects = 0;
  skipped = 0;
  /** Media in hand, ms. */
  buffer = 0;
  readonly #requestedAt = performance.now();
  #tuneIn: number | undefined;
  #tracks: readonly CatalogTrack[] = [];
  #feeds: readonly BufferFeed[] = [];
  #frames = 0;
  #dropped = 0;
  #takenAt = performance.now();
  /** What the video had counted when it was looked at last; it counts from 0 with every source. */
  #seen = { frames: 0, dropped: 0, bytes: 0 };

  /** Another source plays. */
  begin(tracks: readonly CatalogTrack[], feeds: readonly BufferFeed[]): void {
    this.#tracks = tracks;
    this.#feeds = feeds;
    this.#seen = { frames: 0, dropped: 0, bytes: 0 };
  }

  painted(): void {
    this.#tuneIn ??= performance.now() - this.#requestedAt;
  }

  /** To be called once a second. `latency`: what is wanted, ms. */
  take(video: HTMLVideoElement, latency: number): PlayerStats {
    const { totalVideoFrames, droppedVideoFrames: dropped } = video.getVideoPlaybackQuality();
    const now = { frames: totalVideoFrames - dropped, dropped, bytes: this.#feeds.reduce((sum, { bytes }) => sum + bytes, 0) };
    const seconds = (performance.now() - this.#takenAt) / 1000;
    this.#takenAt = performance.now();
    const frames = Math.max(0, now.frames - this.#seen.frames);
    const bytes = Math.max(0, now.bytes - this.#seen.bytes);
    this.#frames += frames;
    this.#dropped += Math.max(0, dropped - this.#seen.dropped);
    this.#seen = now;
    const picture = this.#tracks.find(({ kind }) => kind === "video");
    const sound = this.#tracks.find(({ kind }) => kind === "audio");
    return {
      at: performance.timeOrigin + performance.now(),
      source: "http",
      protocol: "fmp4",
      rendition: picture?.name ?? "",
      audioTrack: sound?.name ?? "",
      width: video.videoWidth,
      height: video.videoHeight,
      codec: picture?.codec ?? sound?.codec ?? "",
      tuneIn: this.#tuneIn,
      glassToGlass: undefined,
      captureKnown: false,
      stages: [],
      buffer: this.buffer,
      targetLatency: latency,
      rate: video.playbackRate,
      framesPainted: this.#frames,
      framesDropped: this.#dropped,
      fps: frames / seconds,
      bitrate: (bytes * 8) / seconds,
      skippedGroups: this.skipped,
      gaps: 0,
      decodeErrors: 0,
      stalls: this.stalls,
      audioUnderruns: 0,
      rtt: undefined,
      loss: undefined,
      reconnects: this.reconnects,
    };
  }
}
