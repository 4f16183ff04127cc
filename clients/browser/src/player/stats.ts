// Counts of one player once a second.

import type { SourceKind } from "../source/source.ts";
import type { Playback } from "./playback.ts";
import type { PlayerStats } from "./protocol.ts";

export interface StatsContext {
  source: SourceKind | undefined;
  protocol: string;
  rtt: number | undefined;
  loss: number | undefined;
  reconnects: number;
  captureKnown: boolean;
}

/** What changed in the last second, for the choice of rendition. */
export interface Second {
  decodeLoad: number;
  dropped: number;
  /** Groups were left out, or the picture stood: the way did not carry what was sent. */
  isStarved: boolean;
}

export class StatsMeter {
  #at = performance.now();
  #painted = 0;
  #bytes = 0;
  #dropped = 0;
  #trouble = 0;

  /** Stats of the time since the last call. */
  take(playback: Playback, context: StatsContext): { stats: PlayerStats; second: Second } {
    const now = performance.now();
    const seconds = Math.max(0.001, (now - this.#at) / 1000);
    const { video, audio, past, timeline, meter } = playback;
    const feeds = [video?.feed, audio?.feed].filter((feed) => feed !== undefined);
    const sum = (of: (feed: (typeof feeds)[number]) => number): number => feeds.reduce((all, feed) => all + of(feed), 0);
    const bytes = past.bytes + sum((feed) => feed.bytes);
    const dropped = past.dropped + (video?.dropped ?? 0);
    const skipped = past.skipped + sum((feed) => feed.order.skippedGroups);
    const painted = playback.painted - this.#painted;
    const track = video?.feed.track;
    const total = meter.total(now);
    const stats: PlayerStats = {
      at: performance.timeOrigin + now,
      source: context.source,
      protocol: context.protocol,
      rendition: track?.name ?? "",
      audioTrack: audio?.feed.track.name ?? "",
      width: playback.width,
      height: playback.height,
      codec: track?.codec ?? "",
      tuneIn: playback.tuneIn,
      glassToGlass: context.captureKnown ? total : undefined,
      captureKnown: context.captureKnown,
      stages: meter.stages(now),
      buffer: timeline.bufferAt(now),
      targetLatency: timeline.target,
      rate: timeline.rate,
      framesPainted: playback.painted,
      framesDropped: dropped,
      fps: painted / seconds,
      bitrate: ((bytes - this.#bytes) * 8) / seconds,
      skippedGroups: skipped,
      gaps: past.gaps + sum((feed) => feed.order.gaps),
      decodeErrors: past.decodeErrors + sum((feed) => feed.errors) + (video?.decodeErrors ?? 0) + (audio?.decodeErrors ?? 0),
      stalls: playback.stalls,
      audioUnderruns: playback.underruns,
      rtt: context.rtt,
      loss: context.loss,
      reconnects: context.reconnects,
    };
    const late = dropped - this.#dropped;
    const trouble = skipped + playback.stalls;
    const second: Second = {
      decodeLoad: Math.min(1, (video?.takeBusy() ?? 0) / (seconds * 1000)),
      dropped: late / Math.max(1, late + painted),
      isStarved: trouble > this.#trouble,
    };
    this.#at = now;
    this.#painted = playback.painted;
    this.#bytes = bytes;
    this.#dropped = dropped;
    this.#trouble = trouble;
    return { stats, second };
  }
}
