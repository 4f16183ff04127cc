// <efir-player>: attributes, methods and events of the player, its worker and what belongs to the page.

import workerSource from "../player/worker.ts?bundle";
import type { Command, Notice, PlayOptions } from "../player/protocol.ts";
import { type Address, parseAddress, parseHashes, parseLatency, parseTransport, parseVolume } from "./address.ts";
import { make } from "./dom.ts";
import { HASHES_EVERY_MS } from "./limit.ts";
import { canMirror, Mirror } from "./mirror.ts";
import { findServer } from "./server.ts";
import { Sight } from "./sight.ts";
import { Sound } from "./sound.ts";
import { STYLE } from "./style.ts";
import { Ui } from "./ui.ts";
import { emptyView, type StateCode, type View } from "./view.ts";

/** Attributes that say what to play: a change begins anew. */
const WHAT = ["src", "token", "http", "transport", "certificate-hash"];
const HOW = ["latency", "rendition", "muted", "volume", "stats", "controls"];

let workerUrl = "";

export class EfirPlayer extends HTMLElement {
  static readonly observedAttributes = [...WHAT, ...HOW];

  readonly #view: View = emptyView();
  readonly #ui: Ui;
  #canvas = freshCanvas();
  #worker: Worker | undefined;
  #sound: Sound | undefined;
  #sight: Sight | undefined;
  #mirror: Mirror | undefined;
  #options: PlayOptions | undefined;
  /** Counts starts, so that what a start waited for is dropped when another came. */
  #turn = 0;
  #isWanted = false;
  #isRestarting = false;
  /** Between connectedCallback and disconnectedCallback. */
  #isAttached = false;
  #hashesAt = 0;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open", delegatesFocus: true });
    this.#ui = new Ui(this.#canvas, {
      toggle: () => (this.paused ? this.play() : this.pause()),
      play: () => this.play(),
      toggleMute: () => this.#toggleMute(),
      setVolume: (volume) => {
        this.volume = volume;
        this.muted = volume === 0;
      },
      setLatency: (milliseconds) => (this.latency = milliseconds),
      setRendition: (name) => (this.rendition = name),
      toggleStats: () => (this.stats = !this.stats),
      toggleMirror: () => void this.#toggleMirror().catch((error: unknown) => this.#tellError("unsupported", String(error))),
      toggleFullscreen: () => void this.#toggleFullscreen().catch(() => undefined),
    });
    root.append(make("style", {}, STYLE), ...this.#ui.elements);
    this.addEventListener("keydown", (event) => this.#ui.key(event));
    this.addEventListener("fullscreenchange", () => this.#update({ isFullscreen: this.matches(":fullscreen") }));
  }

  connectedCallback(): void {
    this.#isAttached = true;
    this.#view.canMirror = canMirror();
    this.#readHow();
    if (this.#isWanted || this.hasAttribute("autoplay")) this.play();
    else this.#showAddress();
  }

  disconnectedCallback(): void {
    this.#isAttached = false;
    this.#end();
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after || !this.#isAttached) return;
    if (!WHAT.includes(name)) {
      this.#readHow();
      if (name === "latency") this.#post({ type: "latency", milliseconds: this.latency });
      if (name === "rendition") this.#post({ type: "rendition", name: this.rendition });
      return;
    }
    if (this.#isRestarting) return;
    // Several attributes change together.
    this.#isRestarting = true;
    queueMicrotask(() => {
      this.#isRestarting = false;
      if (!this.#isAttached) return;
      if (this.#isWanted || this.hasAttribute("autoplay")) void this.#start();
      else this.#showAddress();
    });
  }

  /** Begins, goes on after a pause, or tries again after a failure. */
  play(): void {
    this.#isWanted = true;
    if (!this.#isAttached) return;
    if (this.#view.state === "paused") {
      this.#post({ type: "resume" });
      this.#apply();
    } else if (this.#worker === undefined || this.#view.state === "failed" || this.#view.state === "idle") {
      void this.#start();
    }
  }

  /** The picture stands and nothing more is fetched; going on is live again. */
  pause(): void {
    this.#isWanted = false;
    this.#post({ type: "pause" });
  }

  /** Opens the picture in a window of its own; needs a gesture, and a browser that can. */
  async requestPictureInPicture(): Promise<PictureInPictureWindow> {
    this.#closeMirror();
    const mirror = new Mirror();
    this.#mirror = mirror;
    this.#post({ type: "mirror", on: true });
    try {
      const opened = await mirror.open(this.#ui.frame, () => this.#closeMirror());
      if (this.#sight !== undefined) this.#sight.isElsewhere = true;
      this.#sight?.refresh();
      this.#update({ isMirrored: true });
      return opened;
    } catch (error) {
      this.#closeMirror();
      throw error;
    }
  }

  get src(): string {
    return this.getAttribute("src") ?? "";
  }
  set src(value: string) {
    this.setAttribute("src", value);
  }
  /** True unless the player plays or tries to. */
  get paused(): boolean {
    return !["connecting", "waiting", "playing"].includes(this.#view.state);
  }
  get muted(): boolean {
    return this.hasAttribute("muted");
  }
  set muted(value: boolean) {
    this.toggleAttribute("muted", value);
  }
  /** 0…1. */
  get volume(): number {
    return parseVolume(this.getAttribute("volume"));
  }
  set volume(value: number) {
    this.setAttribute("volume", String(Math.min(1, Math.max(0, Math.round(value * 100) / 100))));
  }
  /** Target latency in ms; 0 = as live as possible. */
  get latency(): number {
    return parseLatency(this.getAttribute("latency"));
  }
  set latency(value: number | "live") {
    this.setAttribute("latency", value === 0 ? "live" : String(value));
  }
  /** Name of a rendition; empty = chosen automatically. */
  get rendition(): string {
    return this.getAttribute("rendition") ?? "";
  }
  set rendition(value: string) {
    if (value === "") this.removeAttribute("rendition");
    else this.setAttribute("rendition", value);
  }
  get autoplay(): boolean {
    return this.hasAttribute("autoplay");
  }
  set autoplay(value: boolean) {
    this.toggleAttribute("autoplay", value);
  }
  get controls(): boolean {
    return this.hasAttribute("controls");
  }
  set controls(value: boolean) {
    this.toggleAttribute("controls", value);
  }
  get stats(): boolean {
    return this.hasAttribute("stats");
  }
  set stats(value: boolean) {
    this.toggleAttribute("stats", value);
  }

  /** Connects to what the attributes name. */
  async #start(): Promise<void> {
    const turn = ++this.#turn;
    const address = this.#showAddress();
    if (address === undefined) return;
    this.#isWanted = true;
    if (typeof VideoDecoder === "undefined") {
      return this.#setState("failed", "It has no WebCodecs, or this page did not come over https://", "unsupported");
    }
    this.#setState("connecting", `Connecting to ${address.server}`, "");
    const options = await this.#resolve(address);
    if (turn !== this.#turn || !this.#isAttached) return;
    this.#options = options;
    this.#update({ hasPicture: false, renditions: [], hasAudio: false, rendition: "", source: undefined, stats: undefined });
    if (this.#worker === undefined) this.#begin(options);
    else this.#post({ type: "start", options });
    this.#apply();
  }

  /** The first start: worker, canvas, and what watches the page. */
  #begin(options: PlayOptions): void {
    workerUrl ||= URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }));
    const worker = new Worker(workerUrl, { name: "efir-player" });
    this.#worker = worker;
    worker.addEventListener("message", ({ data }: MessageEvent<Notice>) => this.#receive(data));
    worker.addEventListener("error", ({ message }) => this.#setState("failed", `The player stopped working: ${message}`, ""));
    const canvas = this.#canvas.transferControlToOffscreen();
    worker.postMessage({ type: "start", options, canvas } satisfies Command, [canvas]);
    this.#sight = new Sight(this.#ui.frame, {
      size: (width, height) => this.#post({ type: "size", width, height }),
      visible: (visible) => this.#post({ type: "visible", visible }),
    });
    this.#sound = new Sound({
      opened: (port, sampleRate, outputLatency) => {
        worker.postMessage({ type: "audio-port", port, sampleRate, outputLatency } satisfies Command, [port]);
        this.#apply();
      },
      gone: () => this.#post({ type: "audio-gone" }),
      changed: () => this.#apply(),
    });
  }

  /** Stops everything; the canvas is used up. */
  #end(): void {
    this.#turn += 1;
    this.#closeMirror();
    this.#post({ type: "stop" });
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#sound?.stop();
    this.#sound = undefined;
    this.#sight?.close();
    this.#sight = undefined;
    this.#canvas = freshCanvas();
    this.#ui.replaceCanvas(this.#canvas);
    this.#update({ hasPicture: false, stats: undefined });
    this.#setState("idle", "", "");
  }

  async #resolve(address: Address): Promise<PlayOptions> {
    const given = parseHashes(this.getAttribute("certificate-hash"));
    const http = this.getAttribute("http") ?? "";
    const found = given.length > 0 ? { httpBase: http, hashes: given } : await findServer(address.server, http, import.meta.url);
    this.#hashesAt = performance.now();
    return {
      ...address,
      certificateHashes: found.hashes,
      httpBase: found.httpBase,
      transport: parseTransport(this.getAttribute("transport")),
      latency: this.latency,
      rendition: this.rendition,
      audio: true,
    };
  }

  /** The server may have another certificate than when the player began. */
  async #renewHashes(): Promise<void> {
    const turn = this.#turn;
    const old = this.#options;
    const address = this.#address();
    if (old === undefined || address === undefined || this.hasAttribute("certificate-hash")) return;
    if (performance.now() - this.#hashesAt < HASHES_EVERY_MS) return;
    const fresh = await this.#resolve(address);
    const isSame = fresh.certificateHashes.join() === old.certificateHashes.join();
    if (turn !== this.#turn || isSame || fresh.certificateHashes.length === 0) return;
    this.#options = fresh;
    this.#post({ type: "start", options: fresh });
    this.#apply();
  }

  #receive(notice: Notice): void {
    switch (notice.type) {
      case "state":
        if (notice.state === "connecting" && notice.code !== "") void this.#renewHashes();
        return this.#setState(notice.state, notice.message, notice.code);
      case "source":
        this.#update({ source: notice.kind, sourceReason: notice.reason });
        return this.#tell("sourcechange", { kind: notice.kind, protocol: notice.protocol, reason: notice.reason });
      case "catalog": {
        const renditions = notice.tracks.filter(({ kind }) => kind === "video");
        this.#update({ renditions, hasAudio: notice.tracks.some(({ kind }) => kind === "audio") });
        this.#apply();
        return this.#tell("catalog", { dialect: notice.dialect, tracks: notice.tracks });
      }
      case "rendition":
        this.#update({ rendition: notice.name });
        return this.#tell("renditionchange", { name: notice.name, automatic: notice.automatic });
      case "painted": {
        if (!this.#view.hasPicture) this.#update({ hasPicture: true });
        const { timestamp, group, width, height } = notice;
        return this.#tell("painted", { timestamp, group, width, height });
      }
      case "frame":
        if (this.#mirror === undefined) notice.frame.close();
        else this.#mirror.write(notice.frame);
        return;
      case "audio":
        return;
      case "stats":
        this.#update({ stats: notice.stats });
        this.#tell("stats", notice.stats);
    }
  }

  #setState(state: View["state"], message: string, code: StateCode): void {
    const { state: oldState, message: oldMessage } = this.#view;
    if (state === oldState && message === oldMessage) return;
    this.#update({ state, message, code });
    this.#tell("statechange", { state, message, code });
    if (state === "failed") this.#tellError(code, message);
  }

  /** The address, or words on the picture why there is none. */
  #showAddress(): Address | undefined {
    const address = this.#address();
    this.#view.name = address?.namespace.join("/") ?? "";
    this.#ui.show(this.#view);
    return address;
  }

  #address(): Address | undefined {
    if (this.src === "") return undefined;
    try {
      return parseAddress(this.src, this.getAttribute("token"));
    } catch (error) {
      this.#setState("failed", error instanceof Error ? error.message : String(error), "");
      return undefined;
    }
  }

  /** Attributes that take effect at once. */
  #readHow(): void {
    this.#update({
      isMuted: this.muted,
      volume: this.volume,
      latency: this.latency,
      wantedRendition: this.rendition,
      hasStats: this.stats,
      hasControls: this.controls,
    });
    this.#apply();
  }

  /** Sound as it should be now. */
  #apply(): void {
    const { isMuted, volume, hasAudio, state } = this.#view;
    const level = isMuted || state === "idle" || state === "failed" ? 0 : volume;
    const sound = this.#sound;
    if (sound !== undefined) sound.volume = level;
    const isSoundWanted = level > 0 && hasAudio;
    if (isSoundWanted) void sound?.start();
    this.#update({ isSoundBlocked: isSoundWanted && sound?.isBlocked === true, soundObstacle: sound?.obstacle ?? "" });
    this.#post({ type: "audible", audible: isSoundWanted && sound?.isRunning === true });
  }

  #toggleMute(): void {
    // The gesture that came here lets the sound begin.
    if (this.#view.isSoundBlocked) return;
    this.muted = !this.muted;
    if (!this.muted && this.volume === 0) this.volume = 1;
  }

  async #toggleMirror(): Promise<void> {
    if (this.#mirror === undefined) await this.requestPictureInPicture();
    else this.#closeMirror();
  }

  #closeMirror(): void {
    const mirror = this.#mirror;
    if (mirror === undefined) return;
    this.#mirror = undefined;
    this.#post({ type: "mirror", on: false });
    mirror.close();
    if (this.#sight !== undefined) this.#sight.isElsewhere = false;
    this.#sight?.refresh();
    this.#update({ isMirrored: false });
  }

  async #toggleFullscreen(): Promise<void> {
    if (this.matches(":fullscreen")) await document.exitFullscreen();
    else await this.requestFullscreen();
  }

  #update(change: Partial<View>): void {
    Object.assign(this.#view, change);
    this.#ui.show(this.#view);
  }

  #post(command: Command): void {
    this.#worker?.postMessage(command);
  }

  #tellError(code: string, message: string): void {
    this.#tell("error", { code, message });
  }

  #tell(type: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail, composed: true }));
  }
}

function freshCanvas(): HTMLCanvasElement {
  return make("canvas", { part: "video", width: "1", height: "1" });
}
