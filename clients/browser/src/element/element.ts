// <efir-player>: attributes, methods and events around the worker that plays.

import type { Command, Notice, PlayerState, PlayerStats, PlayOptions } from "../player/protocol.ts";
import { type Address, parseAddress, parseHashes, parseLatency, parseTransport, parseVolume } from "./address.ts";
import { type Backend, canPlayHere, createBackend } from "./backend.ts";
import { type Controlled, Controls } from "./controls.ts";
import { make } from "./dom.ts";
import { bitrate } from "./format.ts";
import { CONTROLS_LINGER_MS, HASHES_EVERY_MS } from "./limit.ts";
import { Mirror } from "./mirror.ts";
import { Overlay } from "./overlay.ts";
import { StatsPanel } from "./panel.ts";
import css from "./player.css?bundle";
import { findServer } from "./server.ts";
import { Sight } from "./sight.ts";
import { Sound } from "./sound.ts";
import { obstacle, sourceNote, type StateNotice, wordsFor } from "./words.ts";

const IDLE: StateNotice = { type: "state", state: "idle", message: "", code: "" };
/** Changes of these mean another broadcast, or another way to it. */
const RESTARTING = new Set(["src", "token", "transport", "http", "certificate-hash"]);

/** States in which nothing is done for a picture. */
const RESTING: readonly PlayerState[] = ["idle", "paused", "ended", "failed"];

export class EfirPlayer extends HTMLElement implements Controlled {
  static readonly observedAttributes = [
    ...RESTARTING, "latency", "muted", "volume", "controls", "rendition", "stats", "poster",
  ];

  readonly #stage = make("div", { part: "stage", class: "stage", tabindex: "0", role: "region", "aria-label": "Live video" });
  readonly #root = make("div", { class: "root" }, this.#stage);
  readonly #panel = new StatsPanel();
  readonly #overlay = new Overlay(() => this.play(), () => this.toggleSound());
  readonly #controls = new Controls(this);
  readonly #sound: Sound;
  #backend: Backend | undefined;
  #mirror: Mirror | undefined;
  #state: StateNotice = IDLE;
  #stats: PlayerStats | undefined;
  #renditions: [name: string, label: string][] = [];
  #activeRendition = "";
  #hasAudio = false;
  /** Of the picture, as CSS has it. */
  #shape = "";
  /** As the worker was told. */
  #isAudible: boolean | undefined;
  #address: Address | undefined;
  #options: PlayOptions | undefined;
  #hashesAt = 0;
  /** Counts starts: what an older one still waits for is void. */
  #turn = 0;
  #hasStarted = false;
  #isStartDue = false;
  #reconnectsBefore = 0;
  #sight: Sight | undefined;
  #lingering: ReturnType<typeof setTimeout> | undefined;
  readonly #screenChanged = (): void => this.#controls.update();

  constructor() {
    super();
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    const shadow = this.attachShadow({ mode: "open", delegatesFocus: true });
    shadow.adoptedStyleSheets = [sheet];
    shadow.append(this.#root);
    this.#stage.append(...this.#overlay.elements);
    this.#sound = new Sound({
      opened: (port, sampleRate, outputLatency) => {
        // First that it is heard: the port alone makes the worker ask for sound, once.
        this.#soundChanged();
        this.#send({ type: "audio-port", port, sampleRate, outputLatency }, [port]);
      },
      gone: () => this.#send({ type: "audio-gone" }),
      changed: () => this.#soundChanged(),
    });
    this.#stage.addEventListener("keydown", (event) => this.#key(event));
    for (const type of ["pointermove", "pointerdown", "focusin"]) this.#stage.addEventListener(type, () => this.#stir());
    this.#stage.addEventListener("pointerleave", () => this.#stage.classList.toggle("idle", this.state === "playing"));
    this.#stage.addEventListener("dblclick", ({ target }) => target === this.#backend?.picture && this.toggleFullscreen());
  }

  connectedCallback(): void {
    document.addEventListener("fullscreenchange", this.#screenChanged);
    this.#showControls();
    this.#showStats();
    if (this.#backend !== undefined) return;
    this.#say(IDLE);
    if (this.autoplay) this.#startSoon();
  }

  disconnectedCallback(): void {
    document.removeEventListener("fullscreenchange", this.#screenChanged);
    // Moved to another place of the document: it is back before the next task, and plays on.
    queueMicrotask(() => this.isConnected || this.#end());
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after) return;
    if (RESTARTING.has(name)) return this.#hasStarted || (this.isConnected && this.autoplay) ? this.#startSoon() : undefined;
    switch (name) {
      case "latency":
        this.#send({ type: "latency", milliseconds: this.latency });
        break;
      case "rendition":
        this.#send({ type: "rendition", name: this.rendition });
        this.#showRenditions();
        break;
      case "muted":
      case "volume":
        this.#soundChanged();
        this.#tell("volumechange", { muted: this.muted, volume: this.volume });
        break;
      case "poster":
        this.#stage.style.backgroundImage = after === null ? "" : `url(${JSON.stringify(new URL(after, document.baseURI).href)})`;
        break;
      case "controls":
        this.#showControls();
        break;
      case "stats":
        this.#showStats();
    }
    this.#controls.update();
  }

  get src(): string { return this.getAttribute("src") ?? ""; }
  set src(src: string) { this.setAttribute("src", src); }
  /** ms; 0 = as live as possible. */
  get latency(): number { return parseLatency(this.getAttribute("latency")); }
  set latency(latency: number | "live") { this.setAttribute("latency", latency === 0 ? "live" : String(latency)); }
  get autoplay(): boolean { return this.hasAttribute("autoplay"); }
  set autoplay(isAutomatic: boolean) { this.toggleAttribute("autoplay", isAutomatic); }
  get controls(): boolean { return this.hasAttribute("controls"); }
  set controls(isShown: boolean) { this.toggleAttribute("controls", isShown); }
  /** The chart is open. */
  get stats(): boolean { return this.hasAttribute("stats"); }
  set stats(isShown: boolean) { this.toggleAttribute("stats", isShown); }
  get muted(): boolean { return this.hasAttribute("muted"); }
  set muted(isMuted: boolean) { this.toggleAttribute("muted", isMuted); }
  /** 0…1 */
  get volume(): number { return parseVolume(this.getAttribute("volume")); }
  set volume(volume: number) { this.setAttribute("volume", String(Math.round(parseVolume(String(volume)) * 100) / 100)); }
  /** By name; empty = chosen automatically. */
  get rendition(): string { return this.getAttribute("rendition") ?? ""; }
  set rendition(name: string) {
    if (name === "") this.removeAttribute("rendition");
    else this.setAttribute("rendition", name);
  }
  get state(): PlayerState { return this.#state.state; }
  /** Of the last second. */
  get lastStats(): PlayerStats | undefined { return this.#stats; }
  get paused(): boolean { return RESTING.includes(this.state); }
  /** Not heard now, for whatever reason. */
  get isSilent(): boolean {
    const isHeld = this.#hasAudio && !this.#sound.isRunning && this.#video === undefined;
    return this.muted || this.volume === 0 || isHeld;
  }
  get isFullscreen(): boolean { return document.fullscreenElement === this; }

  /** Plays, goes on live after a pause, tries again after a failure. */
  play(): void {
    if (this.state === "paused") this.#send({ type: "resume" });
    else if (this.paused || !this.#hasStarted) this.#startSoon();
  }

  pause(): void {
    if (this.#backend !== undefined) return this.#send({ type: "pause" });
    // Still asking the server for its certificate.
    this.#turn += 1;
    this.#takeState(IDLE);
  }

  togglePlay(): void {
    if (!this.paused) this.pause();
    else this.play();
  }

  toggleSound(): void {
    if (this.isSilent) {
      if (this.volume === 0) this.volume = 1;
      this.muted = false;
    } else {
      this.muted = true;
    }
  }

  toggleStats(): void {
    this.stats = !this.stats;
  }

  toggleFullscreen(): void {
    const change = this.isFullscreen ? document.exitFullscreen() : this.requestFullscreen();
    change.catch(() => this.#overlay.note("The browser refused full screen."));
  }

  togglePictureInPicture(): void {
    if (this.#mirror !== undefined) this.#closeMirror();
    else this.requestPictureInPicture().catch(() => this.#overlay.note("The browser refused picture-in-picture."));
  }

  /** Rejects where the browser has none, or refuses. */
  async requestPictureInPicture(): Promise<PictureInPictureWindow> {
    if (this.#video !== undefined) return this.#video.requestPictureInPicture();
    this.#closeMirror();
    const mirror = new Mirror();
    this.#mirror = mirror;
    this.#send({ type: "mirror", on: true });
    try {
      const opened = await mirror.open(this.#root, () => this.#closeMirror());
      this.#sight?.setElsewhere(true);
      return opened;
    } catch (error) {
      this.#closeMirror();
      throw error;
    }
  }

  #closeMirror(): void {
    if (this.#mirror === undefined) return;
    this.#send({ type: "mirror", on: false });
    this.#mirror.close();
    this.#mirror = undefined;
    this.#sight?.setElsewhere(false);
  }

  /** Once, however many attributes change in one go. */
  #startSoon(): void {
    if (this.#isStartDue) return;
    this.#isStartDue = true;
    queueMicrotask(() => {
      this.#isStartDue = false;
      if (this.isConnected && this.src !== "") void this.#start();
    });
  }

  async #start(): Promise<void> {
    const turn = ++this.#turn;
    this.#hasStarted = true;
    this.#reconnectsBefore = 0;
    this.#panel.clear();
    const missing = obstacle({ isSecure: isSecureContext, canPlay: canPlayHere() });
    if (missing !== undefined) return this.#takeState(missing);
    try {
      this.#address = parseAddress(this.src, this.getAttribute("token"));
    } catch (error) {
      this.#shutDown();
      const message = error instanceof Error ? error.message : String(error);
      return this.#takeState({ type: "state", state: "failed", message, code: "" });
    }
    this.#stage.setAttribute("aria-label", `Live video ${this.#address.namespace.join("/")}`);
    this.#takeState({ type: "state", state: "connecting", message: `Connecting to ${this.#address.server}`, code: "" });
    const options = await this.#resolve(this.#address);
    if (turn === this.#turn && this.isConnected) this.#launch(options);
  }

  /** What the worker is told; certificate hashes are given ones, or those that the server says it has. */
  async #resolve(address: Address): Promise<PlayOptions> {
    const given = this.getAttribute("certificate-hash");
    const http = this.getAttribute("http") ?? "";
    this.#hashesAt = performance.now();
    const found = given !== null
      ? { httpBase: http, hashes: parseHashes(given) }
      : await findServer(address.server, http, import.meta.url);
    const transport = parseTransport(this.getAttribute("transport"));
    const { latency, rendition } = this;
    return { ...address, certificateHashes: found.hashes, httpBase: found.httpBase, transport, latency, rendition, audio: true };
  }

  #launch(options: PlayOptions): void {
    this.#options = options;
    if (this.#backend !== undefined) return this.#send({ type: "start", options });
    const backend = createBackend({
      notice: (notice) => this.#take(notice),
      broken: (message) => this.#takeState({ type: "state", state: "failed", message, code: "" }),
    });
    this.#backend = backend;
    this.#isAudible = undefined;
    this.#stage.prepend(backend.picture);
    this.#send({ type: "start", options });
    this.#sight = new Sight(this.#stage, {
      size: (width, height) => this.#send({ type: "size", width, height }),
      visible: (visible) => this.#send({ type: "visible", visible }),
    });
    this.#soundChanged();
  }

  /** For good, or until the element is put into a document again. */
  #end(): void {
    this.#shutDown();
    this.#hasStarted = false;
    this.#takeState(IDLE);
  }

  /** Nothing runs any more, and the canvas is gone: the next start makes all of it anew. */
  #shutDown(): void {
    this.#turn += 1;
    this.#sound.stop();
    this.#closeMirror();
    this.#sight?.close();
    this.#sight = undefined;
    this.#backend?.close();
    this.#backend?.picture.remove();
    this.#backend = undefined;
    this.#stats = undefined;
    this.#hasAudio = false;
  }

  /** Where WebCodecs are missing: it has its own sound and picture-in-picture. */
  get #video(): HTMLVideoElement | undefined {
    const picture = this.#backend?.picture;
    return picture instanceof HTMLVideoElement ? picture : undefined;
  }

  #send(command: Command, transfer: Transferable[] = []): void {
    this.#backend?.send(command, transfer);
  }

  #take(notice: Notice): void {
    switch (notice.type) {
      case "state":
        if (notice.state === "connecting" && notice.code !== "") void this.#renewHashes();
        return this.#takeState(notice);
      case "source": {
        const { kind, protocol, reason } = notice;
        this.#overlay.note(sourceNote(kind, reason));
        return this.#tell("sourcechange", { kind, protocol, reason });
      }
      case "catalog": {
        const { dialect, tracks } = notice;
        this.#renditions = tracks.filter(({ kind }) => kind === "video").map((track) => [track.name, labelOf(track)]);
        this.#hasAudio = tracks.some(({ kind }) => kind === "audio");
        this.#showRenditions();
        this.#soundChanged();
        return this.#tell("catalog", { dialect, tracks });
      }
      case "rendition": {
        const { name, automatic } = notice;
        this.#activeRendition = name;
        this.#showRenditions();
        return this.#tell("renditionchange", { name, automatic });
      }
      case "painted": {
        const { timestamp, group, width, height } = notice;
        const shape = `${width} / ${height}`;
        if (this.#shape !== shape) {
          this.#stage.style.aspectRatio = this.#shape = shape;
          this.#stage.style.setProperty("--tallness", String(height / width));
        }
        return this.#tell("painted", { timestamp, group, width, height });
      }
      case "frame":
        return this.#mirror === undefined ? notice.frame.close() : this.#mirror.write(notice.frame);
      case "audio":
        return;
      case "stats":
        return this.#takeStats(notice.stats);
    }
  }

  #takeStats(stats: PlayerStats): void {
    this.#stats = { ...stats, reconnects: stats.reconnects + this.#reconnectsBefore };
    this.#panel.take(this.#stats);
    if (this.state === "playing") this.#overlay.live(this.#stats);
    this.#tell("stats", this.#stats);
  }

  #takeState(notice: StateNotice): void {
    const { state, message, code } = notice;
    if (state === this.#state.state && message === this.#state.message && code === this.#state.code) return;
    this.#state = notice;
    this.#say(notice);
    this.#tell("statechange", { state, message, code });
    if (state === "failed") this.#tell("error", { message, code });
  }

  #say(notice: StateNotice): void {
    this.#overlay.say(wordsFor(notice, this.#address?.namespace.join("/") ?? "", this.src !== ""));
    if (notice.state !== "playing") this.#overlay.live(undefined);
    this.#controls.update();
    this.#soundChanged();
    this.#stir();
  }

  /** While the worker cannot connect: a server that was started anew, or runs for weeks, has another certificate. */
  async #renewHashes(): Promise<void> {
    const [turn, address, old] = [this.#turn, this.#address, this.#options];
    if (address === undefined || old === undefined || this.hasAttribute("certificate-hash")) return;
    if (performance.now() - this.#hashesAt < HASHES_EVERY_MS) return;
    const options = await this.#resolve(address);
    const isKnown = options.certificateHashes.every((hash) => old.certificateHashes.includes(hash));
    if (isKnown || turn !== this.#turn || this.state !== "connecting") return;
    this.#reconnectsBefore = (this.#stats?.reconnects ?? 0) + 1;
    this.#launch(options);
  }

  #tell(name: string, detail: object): void {
    this.dispatchEvent(new CustomEvent(name, { detail, composed: true }));
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.#controls.element.isConnected) return;
    if (this.#controls.key(event)) event.preventDefault();
    this.#stir();
  }

  /** The controls come, and go when nothing moves. */
  #stir(): void {
    clearTimeout(this.#lingering);
    this.#stage.classList.remove("idle");
    if (this.state !== "playing") return;
    this.#lingering = setTimeout(() => this.#stage.classList.toggle("idle", this.state === "playing"), CONTROLS_LINGER_MS);
  }

  #soundChanged(): void {
    const volume = this.muted ? 0 : this.volume;
    this.#sound.volume = volume;
    const video = this.#video;
    if (video !== undefined) {
      video.volume = this.volume;
      video.muted = volume === 0;
    }
    const isWanted = volume > 0 && this.#hasAudio && this.#backend !== undefined && video === undefined;
    if (isWanted) void this.#sound.start();
    this.#tellAudible(isWanted && this.#sound.isRunning);
    this.#overlay.offerSound(isWanted && this.#sound.isBlocked && this.state === "playing");
    this.#controls.update();
  }

  #tellAudible(audible: boolean): void {
    if (audible === this.#isAudible || this.#backend === undefined) return;
    this.#isAudible = audible;
    this.#send({ type: "audible", audible });
  }

  #showControls(): void {
    if (this.controls) this.#stage.append(this.#controls.element);
    else this.#controls.element.remove();
  }

  #showStats(): void {
    if (this.stats) {
      this.#root.append(this.#panel.element);
      this.#panel.show();
    } else {
      this.#panel.element.remove();
    }
  }

  #showRenditions(): void {
    this.#controls.setRenditions(this.#renditions, this.#activeRendition);
  }
}

function labelOf(track: { name: string; label?: string; height?: number; bitrate?: number }): string {
  if (track.label !== undefined) return track.label;
  const parts = [track.height === undefined ? "" : `${track.height}p`, track.bitrate === undefined ? "" : bitrate(track.bitrate)];
  return parts.filter((part) => part !== "").join(" · ") || track.name;
}
