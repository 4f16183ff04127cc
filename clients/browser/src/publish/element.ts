// <efir-publisher>: sends camera or screen to a relay.
//
//   <efir-publisher server="https://host:4443" namespace="live/my-show" token="…"></efir-publisher>
//
// Attributes: `server`, `namespace` (fields between slashes), `token`, `certificate-hash` (SHA-256 in hex, several by space), `http` (the
// server's HTTP edge, if it is not found by itself). Property `stream`: a MediaStream of the page to send instead of the camera.
// Methods start() and stop(). Events `statechange` ({ state, code, message }) and `stats` (PublishStats).

import { capture, FramePump, framesOf } from "./capture.ts";
import { make, setText } from "./dom.ts";
import { Form } from "./form.ts";
import { LOOK } from "./look.ts";
import type { Command, FailureCode, Notice, PublishOptions, PublishState, PublishStats } from "./protocol.ts";
import { fetchHashes, httpBaseOf, parseHashes } from "./server.ts";
import { bits, captureWords, failureWords, reconnectWords, shellWord } from "./words.ts";
import workerCode from "./worker.ts?bundle";

const STATES: Record<PublishState, string> = { idle: "Off", connecting: "Connecting", live: "Live", failed: "Stopped" };
/** A worker that does not say goodbye is ended after this, ms. */
const GOODBYE_MS = 1500;

const NUMBERS: { label: string; text: (stats: PublishStats) => string }[] = [
  { label: "Picture", text: ({ codec, width, height }) => (codec ? `${width} × ${height}` : "waits for viewers") },
  { label: "Frames", text: ({ fps }) => `${fps.toFixed(0)} per s` },
  { label: "Bitrate", text: ({ bitrate, target }) => `${bits(bitrate)} of ${bits(target)}` },
  { label: "Encode delay", text: ({ encodeDelay }) => `${encodeDelay.toFixed(0)} ms` },
  { label: "Send queue", text: ({ queue }) => `${queue.toFixed(0)} ms` },
  { label: "Subscribers", text: ({ viewers }) => String(viewers) },
  { label: "Left out", text: ({ dropped, lostGroups }) => `${dropped} frames, ${lostGroups} groups` },
];

export class EfirPublisher extends HTMLElement {
  static readonly observedAttributes = ["namespace", "token"];

  readonly #form = new Form();
  readonly #preview = make("video", { muted: true, playsinline: true, "aria-label": "Preview" });
  readonly #empty = make("div", { class: "empty" }, "Nothing is sent yet. Choose a source and press Start.");
  readonly #badge = make("span", { class: "badge" }, STATES.idle);
  readonly #values = NUMBERS.map(() => make("dd"));
  readonly #numbers = make("dl", { hidden: true });
  readonly #link = make("a", { target: "_blank", rel: "noopener" });
  readonly #command = make("code", { tabindex: "0", "aria-label": "Command that records it" });
  readonly #share = make("div", { class: "share", hidden: true });
  #state: PublishState = "idle";
  #pageStream: MediaStream | undefined;
  #captured: MediaStream | undefined;
  #worker: Worker | undefined;
  #pump: FramePump | undefined;
  /** Counts starts, so that what belongs to an earlier one is left alone. */
  #run = 0;

  constructor() {
    super();
    // The attribute alone does not mute an element that a script makes.
    this.#preview.muted = true;
    NUMBERS.forEach(({ label }, index) => this.#numbers.append(make("div", {}, make("dt", {}, label), this.#values[index] ?? "")));
    this.#share.append(
      make("div", {}, this.#link, copyButton("Copy the link", () => this.#link.href)),
      make("div", {}, this.#command, copyButton("Copy the command", () => this.#command.textContent ?? "")),
    );
    const stage = make("div", { class: "stage" }, this.#preview, this.#empty, this.#badge);
    const below = make("div", { class: "below" }, this.#numbers, this.#share);
    const root = this.attachShadow({ mode: "open" });
    root.append(make("style", {}, LOOK), make("div", { class: "all" }, stage, this.#form.root, below));
    this.#form.root.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#state === "idle" || this.#state === "failed") void this.start();
      else this.stop();
    });
  }

  connectedCallback(): void {
    void this.#form.probe().then((canEncode) => {
      if (!canEncode) this.#fail("no-webtransport", "This browser cannot encode video (it has no WebCodecs). Try Chromium, Chrome or Edge.");
    });
  }

  disconnectedCallback(): void {
    this.stop();
  }

  attributeChangedCallback(name: string, _before: string | null, value: string | null): void {
    if (name === "namespace") this.#form.name.value = value ?? "";
    else this.#form.token.value = value ?? "";
  }

  get state(): PublishState {
    return this.#state;
  }

  /** A stream of the page to send instead of the camera. */
  get stream(): MediaStream | undefined {
    return this.#pageStream;
  }

  set stream(stream: MediaStream | undefined) {
    this.#pageStream = stream;
    this.#form.offerPage(stream !== undefined);
  }

  /** Begins; what goes wrong is told by `statechange`. */
  async start(): Promise<void> {
    this.stop();
    const run = ++this.#run;
    const server = serverOf(this.getAttribute("server"));
    if (server === undefined) return this.#fail("unreachable", "The attribute `server` must be an address like https://host:4443.");
    if (this.#form.namespace.length === 0) return this.#fail("not-found", "Give the broadcast a name, such as live/my-show.");
    this.#set("connecting", "", "Waiting for the source");
    const { sourceKind: source, video } = this.#form;
    const microphone = this.#form.microphone.checked;
    let stream: MediaStream;
    try {
      stream = await capture({ source, microphone, height: video.height, framerate: video.framerate, stream: this.#pageStream });
    } catch (error) {
      if (run === this.#run) this.#fail("", captureWords(error, source, microphone));
      return;
    }
    if (run !== this.#run) return stopTracks(stream);
    this.#captured = source === "page" ? undefined : stream;
    this.#preview.srcObject = stream;
    this.#empty.hidden = true;
    await this.#preview.play().catch(() => undefined);
    if (run !== this.#run) return;
    this.#send(run, stream, {
      server,
      namespace: this.#form.namespace,
      token: this.#form.token.value,
      certificateHashes: parseHashes(this.getAttribute("certificate-hash") ?? ""),
      httpBase: httpBaseOf(this.getAttribute("http") ?? "", server, import.meta.url),
      video,
      audio: microphone && stream.getAudioTracks().length > 0,
    });
  }

  /** Ends the broadcast. */
  stop(): void {
    this.#run += 1;
    this.#release();
    if (this.#state !== "idle") this.#set("idle", "", "");
  }

  #send(run: number, stream: MediaStream, options: PublishOptions): void {
    const [picture] = stream.getVideoTracks();
    const [sound] = options.audio ? stream.getAudioTracks() : [];
    const videoFrames = framesOf<VideoFrame>(picture);
    const audioFrames = framesOf<AudioData>(sound);
    const address = URL.createObjectURL(new Blob([workerCode], { type: "text/javascript" }));
    const worker = new Worker(address);
    URL.revokeObjectURL(address);
    this.#worker = worker;
    worker.addEventListener("message", ({ data }: MessageEvent<Notice>) => {
      if (run === this.#run) this.#take(data, options);
    });
    const start: Command = { type: "start", options: { ...options, audio: audioFrames !== undefined }, videoFrames, audioFrames };
    worker.postMessage(start, [videoFrames, audioFrames].filter((frames) => frames !== undefined));
    if (videoFrames === undefined) {
      this.#pump = new FramePump(this.#preview, (frame) => worker.postMessage({ type: "frame", frame } satisfies Command, [frame]));
    }
    picture?.addEventListener("ended", () => {
      if (run !== this.#run) return;
      this.#run += 1;
      this.#fail("", "The source was taken away: sharing was stopped, or the camera was unplugged. Press Start to go on.");
    });
    if (options.audio && audioFrames === undefined) this.#form.words.textContent = "This browser can only send the picture, without sound.";
  }

  #take(notice: Notice, options: PublishOptions): void {
    switch (notice.type) {
      case "taken":
        return this.#pump?.taken();
      case "stats":
        NUMBERS.forEach(({ text }, index) => setText(this.#values[index] ?? this, text(notice.stats)));
        this.dispatchEvent(new CustomEvent("stats", { detail: notice.stats }));
        return;
      case "state": {
        const { state, code, message } = notice;
        if (state === "failed") return this.#fail(code, failureWords(code || "closed", message, options.namespace.join("/")));
        this.#set(state, code, state === "live" ? "On air. Pictures are encoded while somebody watches." : reconnectWords(code, message));
        if (state === "live") void this.#showLinks(this.#run, options);
      }
    }
  }

  async #showLinks(run: number, { server, namespace, certificateHashes, httpBase }: PublishOptions): Promise<void> {
    const [hash] = certificateHashes.length > 0 ? certificateHashes : await fetchHashes(httpBase);
    if (run !== this.#run) return;
    const name = namespace.map(encodeURIComponent).join("/");
    this.#link.href = `${httpBase || server}/#${name}`;
    setText(this.#link, this.#link.href);
    const trust = hash === undefined ? "" : ` --certificate-hash ${hash}`;
    setText(this.#command, `efir pull ${shellWord(`${server}/${name}`)}${trust} -o ${shellWord(`${namespace.at(-1) ?? "video"}.mp4`)}`);
    this.#share.hidden = false;
  }

  #release(): void {
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker) {
      const timer = setTimeout(() => worker.terminate(), GOODBYE_MS);
      worker.addEventListener("message", ({ data }: MessageEvent<Notice>) => {
        if (data.type !== "stopped") return;
        clearTimeout(timer);
        worker.terminate();
      });
      worker.postMessage({ type: "stop" } satisfies Command);
    }
    this.#pump?.stop();
    this.#pump = undefined;
    if (this.#captured) stopTracks(this.#captured);
    this.#captured = undefined;
    this.#preview.srcObject = null;
    this.#empty.hidden = false;
    this.#share.hidden = true;
  }

  #fail(code: FailureCode | "", message: string): void {
    this.#release();
    this.#set("failed", code, message);
  }

  #set(state: PublishState, code: FailureCode | "", message: string): void {
    this.#state = state;
    const isBusy = state === "connecting" || state === "live";
    this.#form.setBusy(isBusy);
    this.#numbers.hidden = !isBusy;
    setText(this.#badge, STATES[state]);
    setText(this.#form.words, message);
    this.#badge.dataset["state"] = this.#form.words.dataset["state"] = state;
    this.dispatchEvent(new CustomEvent("statechange", { detail: { state, code, message } }));
  }
}

function serverOf(text: string | null): string | undefined {
  const url = text !== null && URL.canParse(text) ? new URL(text) : undefined;
  return url?.protocol === "https:" ? url.origin : undefined;
}

function stopTracks(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

function copyButton(label: string, text: () => string): HTMLButtonElement {
  const button = make("button", { type: "button", "aria-label": label }, "Copy");
  button.addEventListener("click", () => {
    const done = (word: string): void => {
      button.textContent = word;
      setTimeout(() => (button.textContent = "Copy"), 1500);
    };
    navigator.clipboard.writeText(text()).then(() => done("Copied"), () => done("Select it"));
  });
  return button;
}
