// A broadcast: catalog, pictures and sound of one namespace, for whichever sessions ask.

import { CATALOG_TRACKS, writeMsf } from "../media/catalog.ts";
import type { CatalogTrack } from "../media/types.ts";
import { RequestErrorCode } from "../moqt/error_code.ts";
import { type FullTrackName, type Namespace, namespaceFromText, namespaceKey } from "../moqt/name.ts";
import { CONTENT_TYPE, DEFAULT_PUBLISHER_PRIORITY } from "../moqt/property.ts";
import type { Session } from "../session/session.ts";
import { AudioPublisher } from "./audio.ts";
import { Cutter, GroupIds } from "./groups.ts";
import { MIN_VIDEO_BITRATE } from "./limit.ts";
import type { PublishOptions, PublishStats } from "./protocol.ts";
import { RateControl } from "./rate.ts";
import { Track } from "./track.ts";
import { VideoPublisher } from "./video.ts";

const CATALOG_PRIORITY = 16;

export interface BroadcastHooks {
  /** There is something that can be watched. */
  ready(): void;
  failed(message: string): void;
}

export class Broadcast {
  readonly namespace: Namespace;
  readonly video: VideoPublisher | undefined;
  readonly audio: AudioPublisher | undefined;
  readonly #options: PublishOptions;
  readonly #hooks: BroadcastHooks;
  readonly #ids = new GroupIds(Date.now());
  readonly #catalog: Track;
  readonly #rate: RateControl;
  #lostGroups = 0;
  #lostBefore = 0;
  #waited = 0;
  #ratedAt = performance.now();
  #ratedBytes = 0;
  #counted = { at: performance.now(), encoded: 0, delays: 0, bytes: 0 };

  constructor(options: PublishOptions, hooks: BroadcastHooks) {
    this.#options = options;
    this.#hooks = hooks;
    this.namespace = namespaceFromText(options.namespace);
    this.#catalog = new Track(CATALOG_TRACKS.msf, CATALOG_PRIORITY, [
      { type: DEFAULT_PUBLISHER_PRIORITY, value: BigInt(CATALOG_PRIORITY) },
      { type: CONTENT_TYPE, value: new TextEncoder().encode("application/json") },
    ]);
    const { video, audio } = options;
    const cutter = new Cutter(this.#ids, video !== undefined);
    const media = { changed: () => this.#publishCatalog(), failed: hooks.failed };
    if (video) this.video = new VideoPublisher("video0", video, cutter, media);
    if (audio) this.audio = new AudioPublisher("audio0", cutter, media);
    this.#rate = new RateControl(MIN_VIDEO_BITRATE, video?.bitrate ?? MIN_VIDEO_BITRATE);
    for (const part of this.#media) part.track.onDemand = () => part.track.viewers === 0 && part.track.clear();
  }

  /** Every track that was asked for can begin. */
  get isComplete(): boolean {
    return this.#media.every(({ isComplete }) => isComplete);
  }

  /** Answers what the peer of this session asks. */
  attach({ publisher }: Session): void {
    publisher.onSubscribe = (request) => {
      const track = this.#find(request.track);
      if (track) track.subscribe(request);
      else request.refuse(RequestErrorCode.DOES_NOT_EXIST, "this broadcast has no such track");
    };
    publisher.onFetch = (request) => {
      const track = this.#find(request.track);
      if (track) void track.fetch(request);
      else request.refuse(RequestErrorCode.DOES_NOT_EXIST, "this broadcast has no such track");
    };
  }

  /** Looks after what waits to be sent; some ten times a second. */
  tend(now: number): void {
    for (const part of this.#media) {
      this.#waited = Math.max(this.#waited, part.track.waited(now));
      const { lost, isCurrent } = part.track.dropLate(now);
      this.#lostGroups += lost;
      if (isCurrent && part === this.video) this.video.keyFrame();
      if (isCurrent && part === this.audio) this.audio.beginGroup();
    }
    if (now - this.#ratedAt >= 1000) this.#adapt(now);
  }

  /** The numbers since the last call. */
  stats(now: number): Omit<PublishStats, "protocol"> {
    const { video } = this;
    const before = this.#counted;
    const seconds = Math.max(0.001, (now - before.at) / 1000);
    this.#counted = { at: now, encoded: video?.encoded ?? 0, delays: video?.delays ?? 0, bytes: this.#sentBytes };
    const frames = this.#counted.encoded - before.encoded;
    return {
      codec: video && video.track.viewers > 0 ? this.#options.video?.codec : undefined,
      width: video?.size.width ?? 0,
      height: video?.size.height ?? 0,
      fps: frames / seconds,
      bitrate: (8 * (this.#counted.bytes - before.bytes)) / seconds,
      target: this.#rate.bitrate,
      encodeDelay: frames > 0 ? (this.#counted.delays - before.delays) / frames : 0,
      queue: Math.max(0, ...this.#media.map(({ track }) => track.waited(now))),
      viewers: Math.max(0, ...this.#media.map(({ track }) => track.viewers)),
      dropped: video?.dropped ?? 0,
      lostGroups: this.#lostGroups,
    };
  }

  /** Tells all subscribers that it is over. */
  finish(): void {
    for (const track of [this.#catalog, ...this.#media.map(({ track }) => track)]) track.finish();
  }

  close(): void {
    this.video?.close();
    this.audio?.close();
  }

  get #media(): (VideoPublisher | AudioPublisher)[] {
    return [this.video, this.audio].filter((part) => part !== undefined);
  }

  get #sentBytes(): number {
    return this.#media.reduce((sum, { track }) => sum + track.sentBytes, 0);
  }

  #find({ namespace, name }: FullTrackName): Track | undefined {
    if (namespaceKey(namespace) !== namespaceKey(this.namespace)) return undefined;
    const text = new TextDecoder().decode(name);
    return [this.#catalog, this.video?.track, this.audio?.track].find((track) => track?.name === text);
  }

  #publishCatalog(): void {
    const tracks: CatalogTrack[] = this.#media.filter(({ isReady }) => isReady).map(({ packager }) => packager.catalogTrack());
    this.#catalog.begin(this.#ids.take());
    this.#catalog.push([], new TextEncoder().encode(writeMsf({ dialect: "msf", tracks, isComplete: false }, Date.now())), undefined);
    this.#catalog.end();
    this.#hooks.ready();
  }

  #adapt(now: number): void {
    const seconds = (now - this.#ratedAt) / 1000;
    const isWatched = (this.video?.track.viewers ?? 0) > 0;
    const sent = (8 * (this.#sentBytes - this.#ratedBytes)) / seconds;
    const report = { now, waited: this.#waited, sent, isLost: this.#lostGroups > this.#lostBefore };
    if (isWatched) this.video?.setBitrate(this.#rate.update(report));
    this.#ratedAt = now;
    this.#ratedBytes = this.#sentBytes;
    this.#waited = 0;
    this.#lostBefore = this.#lostGroups;
  }
}
