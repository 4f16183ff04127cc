// A live player for browsers without WebCodecs: fMP4 over HTTP into a <video>. It speaks the worker's language, so that the
// element need not care.

import { begin, ladderOf } from "../media/rendition.ts";
import type { Catalog, CatalogTrack } from "../media/types.ts";
import { PublishDoneCode } from "../moqt/error_code.ts";
import { fullTrackName } from "../moqt/name.ts";
import { CatalogFollower } from "../player/catalog.ts";
import { asSourceError, Backoff, sleep } from "../player/connect.ts";
import { OFFLINE_LAST_MS } from "../player/limit.ts";
import type { Command, Notice, PlayerState, PlayOptions } from "../player/protocol.ts";
import { type HttpEdge, trackPath } from "../source/edge.ts";
import { edgeOf, HttpSource } from "../source/http.ts";
import { SourceError } from "../source/source.ts";
import { LEAST_BUFFER_S, STEER_MS, STILL_MS } from "./limit.ts";
import { MseMeter } from "./meter.ts";
import { BufferFeed } from "./source-buffer.ts";
import { steer } from "./steer.ts";
import { isPlayable, mediaSource, mime } from "./support.ts";

export { canPlayWithMse, needsMse } from "./support.ts";

type Code = Extract<Notice, { type: "state" }>["code"];

/** No server can help. */
class Unsupported extends Error {}

export class MsePlayer {
  readonly #video: HTMLVideoElement;
  readonly #post: (notice: Notice) => void;
  #options: PlayOptions | undefined;
  #life = new AbortController();
  #size = { width: 0, height: 0 };
  #state: PlayerState = "idle";
  #message = "";
  #meter = new MseMeter();
  #lastTime = 0;
  #movedAt = 0;
  /** Ends what plays, to begin anew. */
  #again: (reason: SourceError) => void = () => undefined;

  /** The element owns the video: its volume, its place, its picture-in-picture. */
  constructor(video: HTMLVideoElement, post: (notice: Notice) => void) {
    this.#video = video;
    this.#post = post;
  }

  /** What the worker is sent; what has no meaning here is passed over. */
  handle(command: Command): void {
    if (command.type === "start") this.start(command.options);
    else if (command.type === "stop") this.stop();
    else if (command.type === "pause") this.pause();
    else if (command.type === "resume") this.resume();
    else if (command.type === "latency") this.latency(command.milliseconds);
    else if (command.type === "rendition") this.rendition(command.name);
    else if (command.type === "size") this.#size = command;
  }

  start(options: PlayOptions): void {
    this.#options = options;
    this.#meter = new MseMeter();
    this.#begin();
  }

  stop(): void {
    this.#life.abort();
    this.#set("idle", "", "");
  }

  pause(): void {
    if (this.#state === "idle" || this.#state === "failed") return;
    this.#life.abort();
    this.#video.pause();
    this.#set("paused", "", "");
  }

  /** Goes on at the live edge. */
  resume(): void {
    if (this.#state === "paused") this.#begin();
  }

  /** Media in hand, ms; how old it is when it comes is not known here. */
  latency(milliseconds: number): void {
    if (this.#options !== undefined) this.#options = { ...this.#options, latency: milliseconds };
  }

  /** By name; empty = chosen once by the size of the picture. */
  rendition(name: string): void {
    if (this.#options === undefined || this.#options.rendition === name) return;
    this.#options = { ...this.#options, rendition: name };
    if (!this.#life.signal.aborted) this.#begin();
  }

  #begin(): void {
    this.#life.abort();
    this.#life = new AbortController();
    const { signal } = this.#life;
    const on = (type: string, then: () => void): void => this.#video.addEventListener(type, then, { signal });
    on("playing", () => this.#set("playing", "", ""));
    on("waiting", () => (this.#meter.stalls += this.#state === "playing" ? 1 : 0));
    const timers = [setInterval(() => this.#steer(), STEER_MS), setInterval(() => this.#tell(), 1000)];
    signal.addEventListener("abort", () => timers.forEach(clearInterval));
    this.#pictures(signal);
    void this.#run(signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    let backoff = new Backoff(Math.random);
    this.#set("connecting", "Connecting", "");
    for (; !signal.aborted && this.#options !== undefined; this.#meter.reconnects += 1) {
      let wait = 0;
      const from = performance.now();
      try {
        await this.#play(this.#options, signal);
        this.#set("ended", "The broadcast is over.", "");
        wait = 2 * OFFLINE_LAST_MS;
      } catch (error) {
        if (signal.aborted) return;
        const { code, message } = asSourceError(error);
        if (error instanceof Unsupported || code === "unauthorized") {
          this.#life.abort();
          return this.#set("failed", message, error instanceof Unsupported ? "unsupported" : code);
        }
        this.#waits(code, message);
        if (code === "not-found") wait = OFFLINE_LAST_MS;
      }
      if (performance.now() - from > STILL_MS) backoff = new Backoff(Math.random);
      await sleep(wait || backoff.next(), signal).catch(() => undefined);
    }
  }

  #waits(code: SourceError["code"], message: string): void {
    if (code !== "not-found") return this.#set("connecting", message, code);
    if (this.#state === "ended") return;
    const name = this.#options?.namespace.join("/") ?? "";
    this.#set("waiting", `Nobody is sending ${name} now. It begins here as soon as somebody does.`, code);
  }

  /** Resolves when the broadcast is over; rejects when it cannot be had, or has to be begun anew. */
  async #play(options: PlayOptions, life: AbortSignal): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([life, over.signal]);
    const edge = edgeOf(options);
    const source = await HttpSource.connect(options, signal);
    this.#post({ type: "source", kind: "http", protocol: "fmp4", reason: "this browser has no WebCodecs" });
    let follower: CatalogFollower | undefined;
    try {
      const ended = new Promise<void>((resolve, reject) => {
        this.#again = reject;
        life.addEventListener("abort", () => reject(new SourceError("closed", "given up")), { once: true });
        void source.closed.then(reject);
        const catalog = this.#catalogs(reject, (first) => this.#feed(first, edge, signal).then(resolve, reject));
        const end = (code: number | undefined): void => {
          if (code === PublishDoneCode.TRACK_ENDED) resolve();
        };
        CatalogFollower.open(source, options.namespace, signal, { catalog, end }).then((opened) => (follower = opened), reject);
      });
      await ended;
    } finally {
      over.abort();
      follower?.close();
      source.close();
    }
  }

  /** Tells of every catalog; plays the first, and begins anew when the tracks are others. */
  #catalogs(change: (reason: SourceError) => void, play: (catalog: Catalog) => void): (catalog: Catalog) => void {
    let names: string | undefined;
    return (catalog) => {
      const tracks = catalog.tracks.map(({ init: _init, description: _description, ...rest }) => rest);
      this.#post({ type: "catalog", dialect: catalog.dialect, tracks });
      const now = tracks.map(({ name, codec }) => `${name} ${codec}`).join("\n");
      if (names === undefined) play(catalog);
      else if (names !== now) change(new SourceError("closed", "The broadcast changes"));
      names = now;
    };
  }

  #choose({ tracks }: Catalog, { rendition, audio }: PlayOptions): CatalogTrack[] {
    const ladder = ladderOf(tracks, "video", isPlayable);
    const conditions = { throughput: undefined, decodeLoad: 0, dropped: 0, ...this.#size };
    const automatic = ladder.length === 0 ? undefined : ladder[begin(ladder, conditions, 0).index];
    const video = ladder.find(({ name }) => name === rendition) ?? automatic;
    const sound = audio ? ladderOf(tracks, "audio", isPlayable).at(-1) : undefined;
    return [video, sound].filter((track) => track !== undefined);
  }

  /** Plays until a track ends; resolves when it is over for good. */
  async #feed(catalog: Catalog, edge: HttpEdge, signal: AbortSignal): Promise<void> {
    const options = this.#options;
    const Source = mediaSource();
    const chosen = options === undefined ? [] : this.#choose(catalog, options);
    if (Source === undefined || options === undefined || chosen.length === 0) {
      if (catalog.isComplete && catalog.tracks.length === 0) return;
      const codecs = [...new Set(catalog.tracks.map(({ codec, packaging }) => `${codec} in ${packaging}`))].join(", ");
      throw new Unsupported(`This browser can play none of the tracks over HTTP (${codecs}).`);
    }
    const media = new Source();
    const url = URL.createObjectURL(media);
    try {
      const opened = new Promise((resolve) => {
        media.addEventListener("sourceopen", resolve, { once: true });
        signal.addEventListener("abort", resolve, { once: true });
      });
      // ManagedMediaSource wants this.
      this.#video.disableRemotePlayback = true;
      this.#video.src = url;
      this.#movedAt = performance.now();
      await opened;
      signal.throwIfAborted();
      const feeds = chosen.map((track) => new BufferFeed(media.addSourceBuffer(mime(track)), this.#video));
      this.#meter.begin(chosen, feeds);
      const [video] = chosen;
      if (video?.kind === "video") this.#post({ type: "rendition", name: video.name, automatic: options.rendition !== video.name });
      await Promise.race(feeds.map((feed, at) => feed.run(edge, this.#pathOf(chosen[at], options), signal)));
      // A clean end is the track's, its publisher's or the server's: opening it again tells which.
      throw new SourceError("closed", "The stream ended. Looking for it again");
    } finally {
      if (this.#video.src === url) {
        this.#video.removeAttribute("src");
        this.#video.load();
      }
      URL.revokeObjectURL(url);
    }
  }

  #pathOf(track: CatalogTrack | undefined, options: PlayOptions): string {
    return trackPath(fullTrackName(track?.namespace ?? options.namespace, track?.name ?? ""), "live");
  }

  #steer(): void {
    const video = this.#video;
    const { buffered, currentTime } = video;
    if (buffered.length === 0) return this.#watch();
    const stretches = Array.from({ length: buffered.length }, (_, at) => ({ start: buffered.start(at), end: buffered.end(at) }));
    const target = Math.max(LEAST_BUFFER_S, (this.#options?.latency ?? 0) / 1000);
    const { seek, rate, skipped, ahead } = steer(stretches, currentTime, video.playbackRate, target);
    if (seek !== undefined) video.currentTime = seek;
    if (video.playbackRate !== rate) video.playbackRate = rate;
    if (skipped) this.#meter.skipped += 1;
    this.#meter.buffer = ahead * 1000;
    if (video.paused) void this.#start();
    this.#watch();
  }

  /** A picture that stands still for long does not come back by itself: numbers that began anew, a decoder that gave up. */
  #watch(): void {
    const { currentTime, error } = this.#video;
    const now = performance.now();
    if (currentTime !== this.#lastTime) this.#movedAt = now;
    this.#lastTime = currentTime;
    if (error !== null) this.#again(new SourceError("protocol", `The browser cannot play this: ${error.message}`));
    else if (now - this.#movedAt > STILL_MS) this.#again(new SourceError("closed", "The picture stood still. Beginning anew"));
  }

  /** Sound needs a click in most browsers; the picture does not. */
  async #start(): Promise<void> {
    try {
      await this.#video.play();
    } catch (error) {
      if (error instanceof DOMException && error.name === "NotAllowedError") this.#video.muted = true;
    }
  }

  #pictures(signal: AbortSignal): void {
    const video = this.#video;
    if (!("requestVideoFrameCallback" in video)) return;
    const painted: VideoFrameRequestCallback = (_, { mediaTime, width, height }) => {
      if (signal.aborted) return;
      this.#meter.painted();
      this.#post({ type: "painted", timestamp: Math.round(mediaTime * 1e6), group: "", width, height });
      video.requestVideoFrameCallback(painted);
    };
    video.requestVideoFrameCallback(painted);
  }

  #tell(): void {
    const { latency = 0 } = this.#options ?? {};
    this.#post({ type: "stats", stats: this.#meter.take(this.#video, latency) });
  }

  #set(state: PlayerState, message: string, code: Code): void {
    if (state === this.#state && message === this.#message) return;
    this.#state = state;
    this.#message = message;
    this.#post({ type: "state", state, message, code });
  }
}
