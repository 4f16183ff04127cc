// The form of <efir-publisher>: its parts, and what is chosen in it.

import { SIZES, supportedCodecs, VIDEO_CODECS, type VideoChoice } from "./choice.ts";
import { make } from "./dom.ts";
import { bits, type SourceKind } from "./words.ts";

const FRAMERATE = 30;
const BITRATES = [400_000, 800_000, 1_200_000, 2_500_000, 4_000_000, 6_000_000, 10_000_000];
const SOURCES: Record<SourceKind, string> = { camera: "Camera", screen: "Screen or window", page: "Picture of this page" };

type Option = { value: string; label: string };

export class Form {
  readonly source = select(options(["camera", "screen"]));
  readonly microphone = make("input", { type: "checkbox", checked: true });
  readonly codec = select(VIDEO_CODECS.map(({ codec, label }) => ({ value: codec, label })));
  readonly size = select(SIZES.map(({ height }) => ({ value: String(height), label: `${height}p` })));
  readonly bitrate = select(BITRATES.map((rate) => ({ value: String(rate), label: `up to ${bits(rate)}` })));
  readonly name = make("input", { type: "text", required: true, autocomplete: "off", spellcheck: "false", placeholder: "live/my-show" });
  readonly token = make("input", { type: "password", autocomplete: "off", placeholder: "none" });
  readonly button = make("button", { class: "main", type: "submit" }, "Start sending");
  readonly words = make("p", { class: "words", role: "status", "aria-live": "polite" });
  readonly #fields: HTMLFieldSetElement;
  readonly root: HTMLFormElement;

  constructor() {
    this.size.value = "720";
    this.bitrate.value = "2500000";
    this.#fields = make(
      "fieldset",
      {},
      labelled("Source", this.source),
      make("label", { class: "check" }, this.microphone, "Microphone"),
      labelled("Size, at most", this.size),
      labelled("Codec", this.codec),
      labelled("Bitrate", this.bitrate),
      labelled("Publish token", this.token),
      labelled("Name of the broadcast", this.name, "wide"),
    );
    this.root = make("form", { "aria-label": "Send a broadcast" }, this.#fields, this.button, this.words);
    this.size.addEventListener("change", () => {
      const suits = SIZES.find(({ height }) => String(height) === this.size.value);
      if (suits) this.bitrate.value = String(suits.bitrate);
      void this.probe();
    });
  }

  get sourceKind(): SourceKind {
    const { value } = this.source;
    return value === "screen" || value === "page" ? value : "camera";
  }

  get video(): VideoChoice {
    const codec = VIDEO_CODECS.find((known) => known.codec === this.codec.value)?.codec ?? "h264";
    return { codec, height: Number(this.size.value), bitrate: Number(this.bitrate.value), framerate: FRAMERATE };
  }

  /** Fields between slashes. */
  get namespace(): string[] {
    return this.name.value.split("/").map((field) => field.trim()).filter((field) => field !== "");
  }

  /** Offers a stream of the page, or not. */
  offerPage(isThere: boolean): void {
    const { value } = this.source;
    this.source.replaceChildren(...options(isThere ? ["page", "camera", "screen"] : ["camera", "screen"]).map(option));
    this.source.value = isThere ? "page" : value === "page" ? "camera" : value;
  }

  /** Offers the codecs that this browser encodes at this size; false = none. */
  async probe(): Promise<boolean> {
    const supported: string[] = await supportedCodecs(Number(this.size.value));
    for (const entry of this.codec.options) entry.disabled = !supported.includes(entry.value);
    const [first] = supported;
    if (first !== undefined && !supported.includes(this.codec.value)) this.codec.value = first;
    return first !== undefined;
  }

  setBusy(isBusy: boolean): void {
    this.#fields.disabled = isBusy;
    this.button.textContent = isBusy ? "Stop" : "Start sending";
    this.button.classList.toggle("main", !isBusy);
  }
}

function options(kinds: SourceKind[]): Option[] {
  return kinds.map((kind) => ({ value: kind, label: SOURCES[kind] }));
}

function option({ value, label }: Option): HTMLOptionElement {
  return make("option", { value }, label);
}

function select(entries: Option[]): HTMLSelectElement {
  return make("select", {}, ...entries.map(option));
}

function labelled(words: string, control: HTMLElement, look?: string): HTMLLabelElement {
  return make("label", { class: look }, words, control);
}
