// <efir-player>: attributes, methods and events around the worker that plays.

import type { Command, Notice, PlayerState, PlayerStats, PlayOptions } from "../player/protocol.ts";
import { type Address, fetchHashes, httpBaseOf, isLoopback, parseAddress, parseHashes, parseLatency, parseSwitch, parseVolume } from "./address.ts";
import { type Controlled, Controls } from "./controls.ts";
import { make } from "./dom.ts";
import { bitrate } from "./format.ts";
import { CONTROLS_LINGER_MS } from "./limit.ts";
import { Mirror } from "./mirror.ts";
import { Overlay } from "./overlay.ts";
import { StatsPanel } from "./panel.ts";
import css from "./player.css?bundle";
import { Sound } from "./sound.ts";
import { obstacle, type StateNotice, wordsFor } from "./words.ts";
import worker from "../player/worker.ts?bundle";

const IDLE: StateNotice = { type: "state", state: "idle", message: "", code: "" };
/** Changes of these mean another broadcast, or another way to it. */
const RESTARTING = new Set(["src", "transport", "http", "certificate-hash"]);

let workerUrl: string | undefined;

export class EfirPlayer extends HTMLElement implements Controlled {
  static readonly observedAttributes = [
    "src", "latency", "muted", "volume", "controls", "rendition", "transport", "http", "certificate-hash", "stats", "poster",
  ];

  /** Makes the worker that plays; another may be put here before the first player is made. */
  static createWorker = (): Worker => {
    workerUrl ??= URL.createObjectURL(new Blob([worker], { type: "text/javascript" }));
    return new Worker(workerUrl, { name: "efir-player" });
  };

  readonly #stage = make("div", { part: "stage", class: "stage", tabindex: "0", role: "region", "aria-label": "Live video" });
  readonly #root = make("div", { class: "root" }, this.#stage);
  readonly #panel = new StatsPanel();
  readonly #overlay = new Overlay(() => this.play(), () => this.toggleSound());
  readonly #controls = new Controls(this);
  readonly #sound: Sound;
  #canvas: HTMLCanvasElement | undefined;
  #worker: Worker | undefined;
  #mirror: Mirror | undefined;
  #state: StateNotice = IDLE;
  #stats: PlayerStats | undefined;
  #renditions: [name: string, label: string][] = [];
  #activeRendition = "";
  #address: Address | undefined;
  #hashes: string[] = [];
  /** Counts starts: what an older one still waits for is void. */
  #turn = 0;
  #hasStarted = false;
  #isStartDue = false;
  #reconnectsBefore = 0;
  #inView = true;
  #lingering: ReturnType<typeof setTimeout> | undefined;
  #watching: { disconnect(): void }[] = [];
  readonly #seen = (): void => this.#sendVisible();
  readonly #screenChanged = (): void => this.#controls.update();

  constructor() {
    super();
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    const shadow = this.attachShadow({ mode: "open" });
    shadow.adoptedStyleSheets = [sheet];
    shadow.append(this.#root);
    this.#stage.append(...this.#overlay.elements);
    this.#sound = new Sound({
      opened: (port, sampleRate, outputLatency) => this.#send({ type: "audio-port", port, sampleRate, outputLatency }, [port]),
      gone: () => this.#send({ type: "audio-gone" }),
      changed: () => this.#soundChanged(),
    });
    this.#stage.addEventListener("keydown", (event) => this.#key(event));
    for (const type of ["pointermove", "pointerdown", "focusin"]) this.#stage.addEventListener(type, () => this.#stir());
    this.#stage.addEventListener("pointerleave", () => this.#stage.classList.toggle("idle", this.state === "playing"));
    this.#stage.addEventListener("dblclick", ({ target }) => target === this.#canvas && this.toggleFullscreen());
  }

  connectedCallback(): void {
    document.addEventListener("visibilitychange", this.#seen);
    document.addEventListener("fullscreenchange", this.#screenChanged);
    const size = new ResizeObserver(() => this.#sendSize());
    const view = new IntersectionObserver(([entry]) => {
      this.#inView = entry?.isIntersecting ?? true;
      this.#sendVisible();
    });
    size.observe(this.#stage);
    view.observe(this.#stage);
    this.#watching = [size, view];
    this.#showControls();
    this.#showStats();
    this.#say(IDLE);
    if (parseSwitch(this.getAttribute("autoplay"), true)) this.#startSoon();
  }

  disconnectedCallback(): void {
    document.removeEventListener("visibilitychange", this.#seen);
    document.removeEventListener("fullscreenchange", this.#screenChanged);
    for (const observer of this.#watching) observer.disconnect();
    // Moved to another place of the document: it is back before the next task.
    queueMicrotask(() => this.isConnected || this.#end());
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after) return;
    if (RESTARTING.has(name)) return this.#hasStarted ? this.#startSoon() : undefined;
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
        if (this.#hasStarted && !this.muted) void this.#sound.start();
        this.dispatchEvent(new Event("volumechange"));
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
  set latency(latency: number) { this.setAttribute("latency", latency === 0 ? "live" : String(latency)); }
  get muted(): boolean { return parseSwitch(this.getAttribute("muted"), false); }
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
  /** The newest, of the last second. */
  get stats(): PlayerStats | undefined { return this.#stats; }
  get showsStats(): boolean { return parseSwitch(this.getAttribute("stats"), false); }
  get isPlaying(): boolean { return !["idle", "paused", "ended", "failed"].includes(this.state); }
  get isSilent(): boolean { return this.muted || this.volume === 0 || (this.#hasStarted && !this.#sound.isRunning); }
  get isFullscreen(): boolean { return document.fullscreenElement === this; }

  /** Plays, goes on live after a pause, tries again after a failure. */
  play(): void {
    if (this.state === "paused") this.#send({ type: "resume" });
    else if (!this.isPlaying || !this.#hasStarted) this.#startSoon();
  }

  pause(): void {
    this.#send({ type: "pause" });
  }

  togglePlay(): void {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  toggleSound(): void {
    if (this.isSilent) {
      if (this.volume === 0) this.volume = 1;
      this.muted = false;
      void this.#sound.start();
    } else {
      this.muted = true;
    }
  }

  toggleStats(): void {
    if (this.showsStats) this.removeAttribute("stats");
    else this.setAttribute("stats", "");
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
  async requestPictureInPicture(): Promise<void> {
    if (this.#mirror !== undefined) return;
    const mirror = new Mirror();
    this.#mirror = mirror;
    this.#send({ type: "mirror", on: true });
    try {
      await mirror.open(this.#root, () => this.#closeMirror());
      this.#sendVisible();
    } catch (error) {
      this.#closeMirror();
      throw error;
    }
  }

  #closeMirror(): void {
    this.#send({ type: "mirror", on: false });
    this.#mirror?.close();
    this.#mirror = undefined;
    this.#sendVisible();
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
    const missing = obstacle({ isSecure: isSecureContext, hasWebCodecs: "VideoDecoder" in globalThis });
    if (missing !== undefined) return this.#takeState(missing);
    try {
      this.#address = parseAddress(this.src);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return this.#takeState({ type: "state", state: "failed", message, code: "" });
    }
    this.#stage.setAttribute("aria-label", `Live video ${this.#address.namespace.join("/")}`);
    this.#takeState({ type: "state", state: "connecting", message: `Connecting to ${this.#address.server}`, code: "" });
    this.#hashes = await this.#findHashes(this.#address);
    if (turn === this.#turn && this.isConnected) this.#launch(this.#address);
  }

  /** Given ones, or those that a server on this machine says it has. */
  async #findHashes({ server }: Address): Promise<string[]> {
    const given = this.getAttribute("certificate-hash");
    if (given !== null) return parseHashes(given);
    return isLoopback(new URL(server).hostname) ? fetchHashes(this.#httpBase(server)) : [];
  }

  #httpBase(server: string): string {
    return httpBaseOf(this.getAttribute("http"), server, import.meta.url);
  }

  #launch({ server, path, namespace, token }: Address): void {
    const transport = this.getAttribute("transport");
    const options: PlayOptions = {
      server, path, namespace, token,
      certificateHashes: this.#hashes,
      httpBase: this.#httpBase(server),
      transport: transport === "webtransport" || transport === "http" ? transport : "auto",
      latency: this.latency,
      rendition: this.rendition,
      audio: true,
    };
    if (this.#worker !== undefined) return this.#send({ type: "start", options });
    this.#worker = EfirPlayer.createWorker();
    this.#worker.addEventListener("message", ({ data }: MessageEvent<Notice>) => this.#take(data));
    this.#worker.addEventListener("error", ({ message }) => {
      this.#takeState({ type: "state", state: "failed", message: `The player's worker stopped: ${message || "it was not loaded"}`, code: "" });
    });
    this.#canvas = make("canvas", { part: "picture", class: "picture", "aria-hidden": "true" });
    this.#stage.prepend(this.#canvas);
    const canvas = this.#canvas.transferControlToOffscreen();
    this.#send({ type: "start", options, canvas }, [canvas]);
    this.#sendSize();
    this.#sendVisible();
    this.#soundChanged();
    if (!this.muted) void this.#sound.start();
  }

  /** For good, or until the element is put into a document again. */
  #end(): void {
    this.#turn += 1;
    this.#sound.stop();
    if (this.#mirror !== undefined) this.#closeMirror();
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#canvas?.remove();
    this.#canvas = undefined;
    this.#stats = undefined;
    this.#hasStarted = false;
    this.#state = IDLE;
  }

  #send(command: Command, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(command, transfer);
  }

  #take(notice: Notice): void {
    switch (notice.type) {
      case "state":
        if (notice.state === "connecting") void this.#renewHashes();
        return this.#takeState(notice);
      case "source": {
        const { kind, protocol, reason } = notice;
        if (kind === "http" && reason !== "") {
          this.#overlay.note(`Playing over HTTP, with more delay: ${reason}. WebTransport is tried again by itself.`);
        }
        return this.#tell("sourcechange", { kind, protocol, reason });
      }
      case "catalog": {
        const { dialect, tracks } = notice;
        this.#renditions = tracks.filter(({ kind }) => kind === "video").map((track) => [track.name, labelOf(track)]);
        this.#showRenditions();
        return this.#tell("catalog", { dialect, tracks });
      }
      case "rendition": {
        const { name, automatic } = notice;
        this.#activeRendition = name;
        this.#showRenditions();
        return this.#tell("renditionchange", { name, automatic });
      }
      case "painted":
        this.#stage.style.aspectRatio = `${notice.width} / ${notice.height}`;
        return;
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
    this.#state = notice;
    this.#say(notice);
    this.#tell("statechange", { state, message, code });
    if (state === "failed") this.#tell("error", { message, code });
  }

  #say(notice: StateNotice): void {
    this.#overlay.say(wordsFor(notice, this.#address?.namespace.join("/") ?? ""));
    if (notice.state !== "playing") this.#overlay.live(undefined);
    this.#controls.update();
    this.#soundChanged();
    this.#stir();
  }

  /** Before the worker connects again: a server that was started anew, or months later, has another certificate. */
  async #renewHashes(): Promise<void> {
    const [turn, address] = [this.#turn, this.#address];
    if (address === undefined || this.hasAttribute("certificate-hash")) return;
    const hashes = await this.#findHashes(address);
    const isKnown = hashes.every((hash) => this.#hashes.includes(hash));
    if (isKnown || turn !== this.#turn || this.state !== "connecting") return;
    this.#hashes = hashes;
    this.#reconnectsBefore = (this.#stats?.reconnects ?? 0) + 1;
    this.#launch(address);
  }

  #tell(name: string, detail: object): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
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
    this.#send({ type: "audible", audible: volume > 0 && this.#sound.isRunning });
    const isHeldBack = !this.muted && !this.#sound.isRunning && this.#sound.obstacle === "";
    this.#overlay.offerSound(isHeldBack && this.state === "playing");
    this.#controls.update();
  }

  #sendSize(): void {
    const { clientWidth, clientHeight } = this.#stage;
    this.#send({ type: "size", width: Math.round(clientWidth * devicePixelRatio), height: Math.round(clientHeight * devicePixelRatio) });
  }

  #sendVisible(): void {
    const visible = this.#mirror !== undefined || (this.#inView && document.visibilityState === "visible");
    this.#send({ type: "visible", visible });
  }

  #showControls(): void {
    if (parseSwitch(this.getAttribute("controls"), false)) this.#stage.append(this.#controls.element);
    else this.#controls.element.remove();
  }

  #showStats(): void {
    if (this.showsStats) {
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
