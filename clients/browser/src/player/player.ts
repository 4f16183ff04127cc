// Life of one player: connection, broadcast, tracks; what the element asks for and what it is told.

import { begin, decide, ladderOf, type RenditionState } from "../media/rendition.ts";
import type { Catalog, CatalogTrack } from "../media/types.ts";
import { fullTrackName, namespaceFromText, namespaceKey } from "../moqt/name.ts";
import { type Source, SourceError } from "../source/source.ts";
import { CatalogFollower } from "./catalog.ts";
import { asSourceError, Backoff, type Connected, connectSource, upgradeSource, type Ways } from "./connect.ts";
import { BACKOFF_FIRST_MS, CHANGE_TIMEOUT_MS, OFFLINE_LAST_MS, SILENT_SERVER_MS, SILENT_TRACK_MS } from "./limit.ts";
import { Painter } from "./painter.ts";
import { PathFollower } from "./path.ts";
import { Playback } from "./playback.ts";
import type { Command, Notice, PlayerState, PlayOptions } from "./protocol.ts";
import { Moves, placeOf, redirectOf, Trail } from "./redirect.ts";
import { knowsCapture } from "./stamp.ts";
import { StatsMeter } from "./stats.ts";
import { canPlay } from "./support.ts";

const VIDEO_PRIORITY = 64;
/** Sound first: it is small, and ears forgive less. */
const AUDIO_PRIORITY = 32;
/** PUBLISH_DONE: the track is over for good. */
const TRACK_ENDED = 2;

type Post = (notice: Notice, transfer?: Transferable[]) => void;

/** Why playing a broadcast ended. */
type Outcome = "again" | "lost" | "ended" | SourceError;

export class Player {
  readonly #post: Post;
  readonly #ways: Ways;
  #options: PlayOptions | undefined;
  #playback: Playback | undefined;
  #life = new AbortController();
  #painter: Painter | undefined;
  #output: { port: MessagePort; sampleRate: number; latency: number } | undefined;

  #source: Source | undefined;
  #catalogFollower: CatalogFollower | undefined;
  #path: PathFollower | undefined;
  #catalog: Catalog | undefined;
  #ladder: CatalogTrack[] = [];
  #rendition: RenditionState | undefined;
  #wantedVideo = "";
  #opening = { video: 0, audio: 0 };
  #isAudioOpening = false;
  #finish: (outcome: Outcome) => void = () => undefined;

  #stats = new StatsMeter();
  #reconnects = 0;
  #moves = new Moves();
  #captureKnown = false;
  #size = { width: 0, height: 0 };
  #isVisible = true;
  #isAudible = true;
  #isPaused = false;
  #isMirrored = false;
  #state: PlayerState = "idle";
  #message = "";

  constructor(post: Post, ways: Ways) {
    this.#post = post;
    this.#ways = ways;
    setInterval(() => this.#everySecond(), 1000);
  }

  handle(command: Command): void {
    switch (command.type) {
      case "start":
        if (command.canvas !== undefined) this.#painter = new Painter(command.canvas);
        return this.#start(command.options);
      case "audio-port": {
        const { port, sampleRate, outputLatency } = command;
        this.#output = { port, sampleRate, latency: outputLatency * 1000 };
        this.#playback?.setOutput(port, sampleRate, this.#output.latency);
        return this.#wantAudio();
      }
      case "audio-gone":
        this.#output = undefined;
        this.#playback?.setOutput(undefined);
        return;
      case "latency":
        if (this.#options !== undefined) this.#options = { ...this.#options, latency: command.milliseconds };
        if (this.#playback !== undefined) this.#playback.timeline.target = command.milliseconds;
        return;
      case "rendition":
        return this.#choose(command.name);
      case "pause":
        return this.#pause();
      case "resume":
        return this.#resume();
      case "size":
        this.#size = command;
        return;
      case "visible":
        this.#isVisible = command.visible;
        return this.#wantTracks();
      case "audible":
        this.#isAudible = command.audible;
        return this.#wantTracks();
      case "mirror":
        this.#isMirrored = command.on;
        return;
      case "stop":
        this.#stop();
        this.#setState("idle", "", "");
    }
  }

  #start(options: PlayOptions): void {
    this.#stop();
    this.#options = options;
    this.#life = new AbortController();
    this.#isPaused = false;
    this.#reconnects = 0;
    this.#stats = new StatsMeter();
    this.#playback = this.#createPlayback(options);
    void this.#run(options, this.#life.signal);
  }

  #stop(): void {
    this.#life.abort();
    this.#finish("ended");
    this.#leaveBroadcast();
    this.#playback?.stop();
    this.#playback = undefined;
    this.#path?.close();
    this.#source?.close();
    this.#source = undefined;
  }

  #createPlayback(options: PlayOptions): Playback {
    const playback = new Playback(options.latency, {
      painted: ({ frame, group }) => {
        this.#setState("playing", "", "");
        const { timestamp, displayWidth: width, displayHeight: height } = frame;
        this.#post({ type: "painted", timestamp, group: group.toString(), width, height });
        if (!this.#isMirrored) return;
        const copy = frame.clone();
        this.#post({ type: "frame", frame: copy }, [copy]);
      },
      audioStarted: (sampleRate, channels) => {
        if (this.#ladder.length === 0) this.#setState("playing", "", "");
        this.#post({ type: "audio", sampleRate, channels });
      },
      changed: (name) => this.#post({ type: "rendition", name, automatic: this.#options?.rendition === "" }),
      ended: (kind, code, reason) => this.#trackEnded(kind, code, reason),
      failed: (kind, reason) => {
        if (kind === "audio") playback.closeAudio();
        else this.#fail("decode", `This browser cannot decode the picture: ${reason}`);
      },
    });
    if (this.#painter !== undefined) playback.painter = this.#painter;
    if (this.#output !== undefined) playback.setOutput(this.#output.port, this.#output.sampleRate, this.#output.latency);
    return playback;
  }

  /** Connects for as long as the player lives. */
  async #run(options: PlayOptions, signal: AbortSignal): Promise<void> {
    let backoff = new Backoff(this.#ways.random);
    let target = options;
    let trail = new Trail();
    while (!signal.aborted) {
      const again = this.#reconnects > 0 && this.#state === "playing" ? "The connection was lost. Connecting again" : "Connecting";
      if (this.#state !== "connecting") this.#setState("connecting", `${again} to ${options.server}`, "");
      try {
        const connected = await connectSource(target, signal, this.#ways);
        backoff = new Backoff(this.#ways.random);
        const outcome = await this.#serve(connected, target, signal);
        if (signal.aborted || outcome === "ended") return;
        if (outcome instanceof SourceError) throw outcome;
      } catch (error) {
        if (signal.aborted) return;
        const redirect = redirectOf(error);
        if (redirect !== undefined) {
          try {
            target = trail.follow(target, redirect);
            this.#lookIn(target.namespace);
            continue;
          } catch (wrong) {
            return this.#fail("redirect", asSourceError(wrong).message);
          }
        }
        const cause = asSourceError(error);
        const isFinal = cause.code === "unauthorized" || (cause.code === "no-webtransport" && options.transport === "webtransport");
        if (isFinal) return this.#fail(cause.code, cause.message);
        this.#setState("connecting", cause.message, cause.code);
      }
      // From the beginning: who sent us on knows where it is now.
      target = options;
      trail = new Trail();
      this.#lookIn(options.namespace);
      this.#reconnects += 1;
      await this.#ways.sleep(backoff.next(), signal).catch(() => undefined);
    }
  }

  #lookIn(namespace: string[]): void {
    if (this.#options !== undefined) this.#options = { ...this.#options, namespace };
  }

  /** Plays over one connection and those that take over from it. */
  async #serve({ source, reason, pending }: Connected, options: PlayOptions, signal: AbortSignal): Promise<Outcome> {
    this.#use(source, reason);
    if (source.kind === "http" && options.transport === "auto") {
      void upgradeSource(options, pending, signal, this.#ways).then(
        (better) => (this.#source?.kind === "http" ? this.#migrate(better, "") : better.close()),
        () => undefined,
      );
    }
    let offline = new Backoff(this.#ways.random, BACKOFF_FIRST_MS, OFFLINE_LAST_MS);
    for (;;) {
      const outcome = await this.#playBroadcast(signal);
      const isLost = outcome === "lost" || (outcome instanceof SourceError && outcome.code !== "not-found" && outcome.code !== "busy");
      if (isLost || signal.aborted) {
        this.#leaveBroadcast();
        this.#source?.close();
        return outcome;
      }
      // What played a while ago may be back at once.
      if (!(outcome instanceof SourceError)) offline = new Backoff(this.#ways.random, BACKOFF_FIRST_MS, OFFLINE_LAST_MS);
      await this.#appears(options.namespace, offline.next(), signal, outcome === "ended");
      if (signal.aborted) return "ended";
    }
  }

  #use(source: Source, reason: string): void {
    this.#path?.close();
    this.#source = source;
    const protocol = "protocol" in source && typeof source.protocol === "string" ? source.protocol : "";
    this.#post({ type: "source", kind: source.kind, protocol, reason });
    const meter = this.#playback?.meter;
    this.#path = new PathFollower(source, (rtt) => meter?.clock.roundTrip(performance.now(), rtt));
    source.onLeave = (uri) => void this.#follow(uri);
    void source.closed.then((cause) => this.#source === source && this.#finish(cause.code === "not-found" ? "lost" : cause));
  }

  /** GOAWAY: the new place first, then the change. */
  async #follow(uri: string): Promise<void> {
    const options = this.#options;
    const { signal } = this.#life;
    if (options === undefined) return;
    try {
      this.#moves.next(performance.now());
    } catch (error) {
      return this.#fail("redirect", asSourceError(error).message);
    }
    try {
      const { source, reason } = await connectSource(placeOf(uri, options), signal, this.#ways);
      this.#moves.arrived(performance.now());
      await this.#migrate(source, reason);
    } catch {
      // The old connection ends soon, and then connecting begins anew.
    }
  }

  /** Moves to another connection without a gap: it plays when it has a picture, the old one until then. */
  async #migrate(source: Source, reason: string): Promise<void> {
    const old = this.#source;
    const namespace = this.#options?.namespace ?? [];
    const { signal } = this.#life;
    try {
      const follower = await CatalogFollower.open(source, namespace, signal, {
        catalog: (catalog) => this.#source === source && this.#takeCatalog(catalog),
        end: (code, words) => this.#source === source && this.#catalogEnded(code, words),
      });
      this.#catalogFollower?.close();
      this.#catalogFollower = follower;
    } catch {
      source.close();
      return;
    }
    this.#use(source, reason);
    await Promise.all([this.#openVideo("join"), this.#openAudio()]);
    await this.#ways.sleep(CHANGE_TIMEOUT_MS, signal).catch(() => undefined);
    old?.close();
  }

  /** Until the broadcast, or the connection, is over. */
  async #playBroadcast(signal: AbortSignal): Promise<Outcome> {
    const source = this.#source;
    if (source === undefined) return "lost";
    const finished = new Promise<Outcome>((resolve) => (this.#finish = resolve));
    this.#catalog = undefined;
    try {
      this.#catalogFollower = await CatalogFollower.open(source, this.#options?.namespace ?? [], signal, {
        catalog: (catalog) => this.#source === source && this.#takeCatalog(catalog),
        end: (code, reason) => this.#source === source && this.#catalogEnded(code, reason),
      });
      this.#playback?.meter.clock.roundTrip(performance.now(), this.#catalogFollower.roundTrip);
    } catch (error) {
      this.#leaveBroadcast();
      const cause = asSourceError(error);
      if (cause.code === "not-found" && this.#state !== "ended") {
        const name = (this.#options?.namespace ?? []).join("/");
        this.#setState("waiting", `Nobody is sending ${name} now. It begins here as soon as somebody does.`, "not-found");
      }
      return cause;
    }
    const outcome = await finished;
    this.#leaveBroadcast();
    if (outcome === "ended" && !signal.aborted) this.#setState("ended", "The broadcast is over.", "");
    return outcome;
  }

  #leaveBroadcast(): void {
    this.#catalogFollower?.close();
    this.#catalogFollower = undefined;
    this.#catalog = undefined;
    this.#rendition = undefined;
    this.#wantedVideo = "";
    this.#opening = { video: this.#opening.video + 1, audio: this.#opening.audio + 1 };
    this.#isAudioOpening = false;
    this.#playback?.clear();
  }

  /** Waits, at most `milliseconds`, for the broadcast to be announced; without bound when it was over. */
  async #appears(namespace: string[], milliseconds: number, signal: AbortSignal, isOver: boolean): Promise<void> {
    const source = this.#source;
    const over = new AbortController();
    const until = AbortSignal.any([signal, over.signal]);
    const prefix = namespaceFromText(namespace);
    const seen = (async (): Promise<void> => {
      // What is there already when the broadcast has just ended is its old announcement.
      let isGone = !isOver;
      for await (const event of source?.broadcasts(prefix, until) ?? []) {
        if (namespaceKey(event.namespace) !== namespaceKey(prefix)) continue;
        if (event.kind === "removed") isGone = true;
        else if (isGone) return;
      }
      await this.#ways.sleep(milliseconds, until);
    })();
    const waits: Promise<unknown>[] = [seen, source?.closed ?? Promise.resolve()];
    waits.push(this.#ways.sleep(isOver ? 2 * OFFLINE_LAST_MS : milliseconds, until));
    await Promise.race(waits.map((wait) => wait.catch(() => undefined)));
    over.abort();
  }

  #takeCatalog(catalog: Catalog): void {
    const before = this.#catalog;
    this.#catalog = catalog;
    if (catalog.isComplete && catalog.tracks.length === 0) return this.#finish("ended");
    const tracks = catalog.tracks.map(({ init: _init, description: _description, ...rest }) => rest);
    this.#post({ type: "catalog", dialect: catalog.dialect, tracks });
    void this.#takeTracks(catalog, before === undefined);
  }

  async #takeTracks(catalog: Catalog, isFirst: boolean): Promise<void> {
    const playable = new Set<CatalogTrack>();
    await Promise.all(catalog.tracks.map(async (track) => (await canPlay(track)) && playable.add(track)));
    if (this.#catalog !== catalog) return;
    const names = this.#ladder.map(({ name }) => name).join("\n");
    this.#ladder = ladderOf(catalog.tracks, "video", (track) => playable.has(track));
    if (catalog.tracks.length > 0 && playable.size === 0) {
      const codecs = [...new Set(catalog.tracks.map(({ codec }) => codec))].join(", ");
      return this.#fail("unsupported", `This browser can play none of the tracks (${codecs}).`);
    }
    if (isFirst || names !== this.#ladder.map(({ name }) => name).join("\n")) this.#rendition = undefined;
    this.#wantTracks();
  }

  #catalogEnded(code: number | undefined, _reason: string): void {
    if (code === TRACK_ENDED && this.#playback?.video === undefined && this.#playback?.audio === undefined) this.#finish("ended");
  }

  #trackEnded(kind: "video" | "audio", code: number | undefined, reason: string): void {
    if (kind === "audio" && this.#playback?.video !== undefined) {
      this.#playback.closeAudio();
      return;
    }
    if (code === undefined) return this.#finish("lost");
    if (code === TRACK_ENDED) return this.#finish("ended");
    this.#setState("waiting", `The broadcast was interrupted${reason === "" ? "" : ` (${reason})`}. It goes on as soon as its sender is back.`, "");
    this.#finish("again");
  }

  /** Opens and closes tracks so that what should play does. */
  #wantTracks(): void {
    const playback = this.#playback;
    if (playback === undefined || this.#catalog === undefined || this.#isPaused) return;
    if (!this.#isVisible) {
      this.#wantedVideo = "";
      this.#opening.video += 1;
      playback.closeVideo();
    } else if (this.#wantedVideo === "" && this.#ladder.length > 0) {
      void this.#openVideo("join");
    }
    this.#wantAudio();
  }

  #wantAudio(): void {
    const playback = this.#playback;
    if (playback === undefined || this.#isPaused || this.#catalog === undefined) return;
    if (!this.#isVisible && !this.#isAudible) playback.closeAudio();
    else if (playback.audio === undefined && !this.#isAudioOpening) void this.#openAudio();
  }

  #videoTrack(): CatalogTrack | undefined {
    const named = this.#ladder.find(({ name }) => name === this.#options?.rendition);
    if (named !== undefined) return named;
    this.#rendition ??= begin(this.#ladder, this.#conditions(), performance.now());
    return this.#ladder[this.#rendition.index];
  }

  #conditions(): Parameters<typeof begin>[1] {
    return { throughput: undefined, decodeLoad: 0, dropped: 0, width: this.#size.width, height: this.#size.height };
  }

  async #openVideo(from: "join" | "next"): Promise<void> {
    const [source, track, playback] = [this.#source, this.#videoTrack(), this.#playback];
    if (source === undefined || track === undefined || playback === undefined || !this.#isVisible || this.#isPaused) return;
    this.#wantedVideo = track.name;
    const turn = ++this.#opening.video;
    await this.#open(source, track, VIDEO_PRIORITY, from, () => turn === this.#opening.video, (reader) => {
      this.#captureKnown = knowsCapture(reader.properties);
      playback.openVideo(track, reader);
    });
  }

  async #openAudio(): Promise<void> {
    const [source, playback] = [this.#source, this.#playback];
    if (source === undefined || playback === undefined || !playback.hasOutput || this.#options?.audio === false) return;
    const ladder = this.#catalog === undefined ? [] : ladderOf(this.#catalog.tracks, "audio", () => true);
    const track = ladder.at(-1);
    if (track === undefined) return;
    const turn = ++this.#opening.audio;
    const isWanted = (): boolean => turn === this.#opening.audio;
    this.#isAudioOpening = true;
    try {
      await this.#open(source, track, AUDIO_PRIORITY, "join", isWanted, (reader) => playback.openAudio(track, reader));
    } finally {
      if (isWanted()) this.#isAudioOpening = false;
    }
  }

  async #open(
    source: Source,
    track: CatalogTrack,
    priority: number,
    from: "join" | "next",
    isWanted: () => boolean,
    use: (reader: Awaited<ReturnType<Source["open"]>>) => void,
  ): Promise<void> {
    const name = fullTrackName(track.namespace ?? this.#options?.namespace ?? [], track.name);
    try {
      const reader = await source.open(name, { priority, from, signal: this.#life.signal });
      if (!isWanted()) return reader.close();
      this.#playback?.meter.clock.roundTrip(performance.now(), reader.answeredAt - reader.requestedAt);
      use(reader);
    } catch (error) {
      if (!isWanted() || this.#life.signal.aborted || track.kind === "audio") return;
      const cause = asSourceError(error);
      this.#finish(cause.code === "not-found" || cause.code === "busy" ? "again" : cause);
    }
  }

  #choose(name: string): void {
    if (this.#options === undefined) return;
    this.#options = { ...this.#options, rendition: name };
    if (name === "") this.#rendition = undefined;
    this.#switch();
  }

  /** To the rendition that is wanted now, at a group's beginning. */
  #switch(): void {
    const track = this.#videoTrack();
    if (track === undefined || track.name === this.#wantedVideo || this.#wantedVideo === "") return;
    void this.#openVideo("next");
  }

  #pause(): void {
    if (this.#isPaused || this.#playback === undefined) return;
    this.#isPaused = true;
    this.#wantedVideo = "";
    this.#opening = { video: this.#opening.video + 1, audio: this.#opening.audio + 1 };
    this.#isAudioOpening = false;
    this.#playback.clear();
    this.#setState("paused", "", "");
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#setState("connecting", "Going on", "");
    this.#wantTracks();
  }

  #everySecond(): void {
    const [playback, source] = [this.#playback, this.#source];
    if (playback === undefined || this.#state === "idle") return;
    const { stats, second } = this.#stats.take(playback, {
      source: source?.kind,
      protocol: source !== undefined && "protocol" in source && typeof source.protocol === "string" ? source.protocol : "",
      rtt: this.#path?.rtt ?? playback.meter.clock.shortestRoundTrip,
      loss: this.#path?.loss,
      reconnects: this.#reconnects,
      captureKnown: this.#captureKnown,
    });
    this.#post({ type: "stats", stats });
    const video = playback.video;
    const reportedAt = this.#path?.reportedAt;
    if (reportedAt !== undefined && performance.now() - reportedAt > SILENT_SERVER_MS) {
      this.#finish(new SourceError("closed", "The server has gone silent."));
    }
    if (video !== undefined && performance.now() - video.feed.lastAt > SILENT_TRACK_MS) this.#finish("again");
    if (this.#rendition === undefined || this.#options?.rendition !== "" || video === undefined) return;
    const { decodeLoad, dropped, isStarved } = second;
    const throughput = isStarved ? stats.bitrate : undefined;
    this.#rendition = decide(this.#ladder, this.#rendition, { throughput, decodeLoad, dropped, ...this.#size }, performance.now());
    this.#switch();
  }

  #fail(code: Extract<Notice, { type: "state" }>["code"], message: string): void {
    this.#stop();
    this.#setState("failed", message, code);
  }

  #setState(state: PlayerState, message: string, code: Extract<Notice, { type: "state" }>["code"]): void {
    if (this.#isPaused && (state === "playing" || state === "connecting" || state === "waiting")) return;
    if (state === this.#state && message === this.#message) return;
    this.#state = state;
    this.#message = message;
    this.#post({ type: "state", state, message, code });
  }
}
