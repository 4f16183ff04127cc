// Plays one video and one audio track against one clock; a change of either keeps the old one until the new one can take over.

import type { CatalogTrack } from "../media/types.ts";
import { createUnpackager } from "../media/unpack.ts";
import type { TrackReader } from "../source/source.ts";
import { AudioTrack } from "./audio.ts";
import { DelayMeter } from "./delay.ts";
import { TrackFeed, type Unit } from "./feed.ts";
import { CHANGE_TIMEOUT_MS } from "./limit.ts";
import { onFrames, type Painter } from "./painter.ts";
import { readStamp } from "./stamp.ts";
import { Timeline } from "./timeline.ts";
import { type Picture, VideoTrack } from "./video.ts";
import type { FromWorklet, ToWorklet } from "./worklet-protocol.ts";

/** Without a new picture for so long the picture stands, ms. */
const STALL_MS = 300;
/** A late group is left when its next frame is overdue by this, ms. */
const PATIENCE_MS = 60;
/** Between two placements of the sound, ms: what was sent has to take effect first. */
const PLACE_EVERY_MS = 400;
/** A picture may be painted this much before it is due, ms: the next chance is later. */
const EARLY_MS = 4;
/** From the samples' leaving to when the worklet can play them, ms: a message and a block. */
const AUDIO_MARGIN_MS = 15;
/** Pictures later than this are not worth painting while others wait to be decoded, ms. */
const BACKLOG_MS = 150;
/** Except that one is painted this often, ms. */
const SLOW_PAINT_MS = 500;

export interface PlaybackEvents {
  painted(picture: Picture): void;
  audioStarted(sampleRate: number, channels: number): void;
  /** A change has been made; `name` is the video track's. */
  changed(name: string): void;
  ended(kind: "video" | "audio", code: number | undefined, reason: string): void;
  failed(kind: "video" | "audio", reason: string): void;
}

/** The sound's way out. */
interface Output {
  port: MessagePort;
  sampleRate: number;
  /** ms */
  latency: number;
}

export class Playback {
  readonly timeline: Timeline;
  readonly meter = new DelayMeter(performance.timeOrigin);
  video: VideoTrack | undefined;
  audio: AudioTrack | undefined;
  painted = 0;
  /** Of the picture on screen. */
  width = 0;
  height = 0;
  stalls = 0;
  underruns = 0;
  tuneIn: number | undefined;
  /** Of tracks that are closed: what the counters had. */
  past = { dropped: 0, decodeErrors: 0, skipped: 0, gaps: 0, bytes: 0 };

  readonly #events: PlaybackEvents;
  #painter: Painter | undefined;
  #nextVideo: VideoTrack | undefined;
  #nextVideoSince = 0;
  #nextAudio: AudioTrack | undefined;
  #output: Output | undefined;
  #underrunsBefore = 0;
  #epoch = 0;
  #placedAt = -Infinity;
  #sentRate = 1;
  #sentUntil = -Infinity;
  #lastPainted: number | undefined;
  #lastPaintAt = 0;
  #isStalled = false;
  readonly #loop: { stop(): void };
  readonly #ticker: ReturnType<typeof setInterval>;

  constructor(latency: number, events: PlaybackEvents) {
    this.timeline = new Timeline(latency);
    this.#events = events;
    this.#loop = onFrames((now) => this.#frame(now));
    this.#ticker = setInterval(() => this.#tick(performance.now()), 100);
  }

  set painter(painter: Painter) {
    this.#painter = painter;
  }

  get hasOutput(): boolean {
    return this.#output !== undefined;
  }

  /** Takes a video track; the one before plays on until this one has a picture. */
  openVideo(track: CatalogTrack, reader: TrackReader): void {
    this.#retireVideo(this.#nextVideo);
    this.#nextVideo = undefined;
    const feed: TrackFeed = new TrackFeed(track, reader, createUnpackager(track, reader.properties), {
      unit: (unit) => this.#videoUnit(opened, unit),
      end: (code, reason) => opened === this.video && this.#events.ended("video", code, reason),
    });
    const opened: VideoTrack = new VideoTrack(feed, this.timeline, this.meter, {
      decoded: () => opened.pump(performance.now()),
      failed: (reason) => this.#events.failed("video", reason),
    });
    if (this.video === undefined) {
      this.#useVideo(opened);
    } else {
      this.#nextVideo = opened;
      this.#nextVideoSince = performance.now();
    }
  }

  openAudio(track: CatalogTrack, reader: TrackReader): void {
    const output = this.#output;
    if (output === undefined) {
      reader.close();
      return;
    }
    this.#nextAudio?.close();
    this.#nextAudio = undefined;
    const feed: TrackFeed = new TrackFeed(track, reader, createUnpackager(track, reader.properties), {
      unit: (unit) => this.#audioUnit(opened, unit),
      end: (code, reason) => opened === this.audio && this.#events.ended("audio", code, reason),
    });
    const opened: AudioTrack = new AudioTrack(feed, this.timeline, output.sampleRate, {
      samples: (timestamp, channels, isHead) => this.#samples(opened, timestamp, channels, isHead),
      failed: (reason) => this.#events.failed("audio", reason),
    });
    if (this.audio === undefined) this.audio = opened;
    else this.#nextAudio = opened;
  }

  closeVideo(): void {
    this.#retireVideo(this.#nextVideo);
    this.#retireVideo(this.video);
    this.#nextVideo = undefined;
    this.video = undefined;
    this.#isStalled = false;
  }

  closeAudio(): void {
    this.#nextAudio?.close();
    if (this.audio !== undefined) this.#keep(this.audio.feed, this.audio.decodeErrors, 0);
    this.audio?.close();
    this.#nextAudio = undefined;
    this.audio = undefined;
    this.timeline.audible = false;
    this.#send({ type: "flush" });
    this.#sentUntil = -Infinity;
  }

  /** Closes both tracks; the next begin with a clock of their own. */
  clear(): void {
    this.closeVideo();
    this.closeAudio();
    this.timeline.reset();
    this.meter.reset();
  }

  stop(): void {
    this.clear();
    this.#loop.stop();
    clearInterval(this.#ticker);
  }

  setOutput(port: MessagePort | undefined, sampleRate = 0, latency = 0): void {
    if (this.#output !== undefined) this.#output.port.onmessage = null;
    this.closeAudio();
    this.#output = port && { port, sampleRate, latency };
    this.#sentRate = 1;
    this.#underrunsBefore = this.underruns;
    if (port !== undefined) port.onmessage = ({ data }: MessageEvent<FromWorklet>): void => this.#position(data);
  }

  #useVideo(track: VideoTrack): void {
    this.video = track;
    this.#lastPaintAt = performance.now();
    this.#events.changed(track.feed.track.name);
  }

  #retireVideo(track: VideoTrack | undefined): void {
    if (track === undefined) return;
    this.#keep(track.feed, track.decodeErrors, track.dropped);
    track.close();
  }

  #keep(feed: TrackFeed, decodeErrors: number, dropped: number): void {
    this.past.decodeErrors += decodeErrors + feed.errors;
    this.past.dropped += dropped;
    this.past.skipped += feed.order.skippedGroups;
    this.past.gaps += feed.order.gaps;
    this.past.bytes += feed.bytes;
  }

  #videoUnit(track: VideoTrack, unit: Unit): void {
    const { object, frame } = unit;
    const stamp = object.fetched ? undefined : readStamp(object.properties);
    const journey = stamp && this.meter.journey(stamp, object.firstByteAt);
    if (journey !== undefined) track.stamp(unit, journey);
    if (track === this.video) {
      const { receivedAt: at, fetched } = object;
      this.timeline.observe({ timestamp: frame.timestamp, at, fetched, capturedAt: journey?.capturedAt });
      this.#place(performance.now());
    }
    track.pump(performance.now());
  }

  #audioUnit(track: AudioTrack, { object, frame }: Unit): void {
    if (this.video === undefined && track === this.audio) {
      const { receivedAt: at, fetched } = object;
      this.timeline.observe({ timestamp: frame.timestamp, at, fetched, capturedAt: undefined });
      this.#place(performance.now());
    }
    track.pump(performance.now());
  }

  #samples(track: AudioTrack, timestamp: number, channels: Float32Array[], isHead: boolean): void {
    const output = this.#output;
    const length = channels[0]?.length ?? 0;
    if (output === undefined || length === 0) return;
    if (track === this.#nextAudio) {
      // Sound that both bring is the same; the worklet takes it once.
      this.audio?.close();
      this.audio = track;
      this.#nextAudio = undefined;
    }
    const isFirst = this.#sentUntil === -Infinity;
    if (!isHead) this.timeline.need(timestamp, performance.now() + output.latency + AUDIO_MARGIN_MS);
    this.#sentUntil = timestamp + (length / output.sampleRate) * 1e6;
    output.port.postMessage({ type: "samples", timestamp, channels } satisfies ToWorklet, channels.map(({ buffer }) => buffer));
    if (!isFirst) return;
    this.timeline.audible = true;
    this.#placedAt = -Infinity;
    this.#epoch = -1;
    this.#place(performance.now());
    this.#events.audioStarted(track.sampleRate, track.channels);
  }

  #send(message: ToWorklet): void {
    this.#output?.port.postMessage(message);
  }

  /** Puts the sound where the clock is, after the clock was set. */
  #place(now: number): void {
    if (this.#output === undefined || this.#sentUntil === -Infinity || this.#epoch === this.timeline.epoch) return;
    if (now - this.#placedAt < PLACE_EVERY_MS) return;
    this.#epoch = this.timeline.epoch;
    this.#placedAt = now;
    const timestamp = this.timeline.mediaAt(now + this.#output.latency);
    // Sound of a course that is over must not hide what comes now under the same or lower times.
    if (Math.abs(timestamp - this.#sentUntil) > 3e6) this.#send({ type: "flush" });
    this.#send({ type: "play", timestamp });
  }

  #position({ timestamp, buffered, underruns }: FromWorklet): void {
    this.underruns = this.#underrunsBefore + underruns;
    const output = this.#output;
    if (timestamp === undefined || output === undefined) return;
    const now = performance.now();
    if (this.#epoch !== this.timeline.epoch) this.#place(now);
    else if (buffered > 0 && !this.timeline.follow(timestamp, now + output.latency) && now - this.#placedAt > PLACE_EVERY_MS) {
      this.#epoch = -1;
      this.#place(now);
    }
  }

  #tick(now: number): void {
    this.timeline.decodeTime = this.meter.decodeTime;
    const { rate, leap } = this.timeline.tick(now);
    if (leap) this.video?.leap();
    if (rate !== this.#sentRate) {
      this.#sentRate = rate;
      this.#send({ type: "rate", rate });
    }
    this.#place(now);
    this.#moveOn(now);
    this.video?.pump(now);
    this.#nextVideo?.pump(now);
    this.audio?.pump(now);
    this.#nextAudio?.pump(now);
    if (this.#nextVideo !== undefined && now - this.#nextVideoSince > CHANGE_TIMEOUT_MS) {
      this.#retireVideo(this.#nextVideo);
      this.#nextVideo = undefined;
    }
    const stands = this.video !== undefined && this.painted > 0 && now - this.#lastPaintAt > STALL_MS;
    if (stands && !this.#isStalled) this.stalls += 1;
    this.#isStalled = stands;
  }

  /** Leaves groups whose next frame is overdue. */
  #moveOn(now: number): void {
    const video = this.video;
    const after = now - PATIENCE_MS;
    if (video !== undefined && video.feed.units.length === 0 && video.pictures.length === 0) {
      if (this.#lastPainted === undefined || this.timeline.dueAt(this.#lastPainted) + 33 < after) video.feed.moveOn();
    }
    const audio = this.audio;
    if (audio !== undefined && audio.feed.units.length === 0 && this.timeline.dueAt(this.#sentUntil) < now + PATIENCE_MS) {
      audio.feed.moveOn();
    }
  }

  #frame(now: number): void {
    this.#changeOver(now);
    const video = this.video;
    const picture = video?.due(now + EARLY_MS, this.tuneIn === undefined);
    if (video === undefined || picture === undefined) return;
    // The head of a group and a backlog are decoded, not played fast; a decoder that never keeps up still shows something.
    const late = now - this.timeline.dueAt(picture.frame.timestamp);
    const isBacklog = late > BACKLOG_MS && video.feed.units.length > 0 && now - this.#lastPaintAt < SLOW_PAINT_MS;
    if (isBacklog && this.tuneIn !== undefined) video.drop(picture);
    else this.#paint(picture, video, now);
    video.pump(now);
  }

  /** To the new track as soon as it has a picture that is due and newer than the one on screen. */
  #changeOver(now: number): void {
    const next = this.#nextVideo;
    if (next === undefined) return;
    const isStale = now - this.#nextVideoSince > CHANGE_TIMEOUT_MS / 2;
    if (this.#lastPainted !== undefined && !isStale) next.dropUntil(this.#lastPainted);
    const first = next.pictures[0];
    if (first === undefined) {
      next.pump(now);
      return;
    }
    if (!isStale && this.timeline.dueAt(first.frame.timestamp) > now + EARLY_MS) return;
    this.#retireVideo(this.video);
    this.#nextVideo = undefined;
    this.#useVideo(next);
  }

  #paint(picture: Picture, video: VideoTrack, now: number): void {
    const { frame } = picture;
    this.#painter?.paint(frame);
    const paintedAt = performance.now();
    if (!picture.isHead) {
      const dueAt = this.timeline.dueAt(frame.timestamp);
      this.meter.painted({ ...picture.times, dueAt, paintedAt }, picture.journey);
    }
    this.tuneIn ??= paintedAt - video.feed.reader.requestedAt;
    this.#lastPainted = frame.timestamp;
    this.#lastPaintAt = now;
    this.painted += 1;
    this.width = frame.displayWidth;
    this.height = frame.displayHeight;
    this.#events.painted(picture);
    frame.close();
  }
}
