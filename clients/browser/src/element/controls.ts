// The controls over the picture, and the keys that do the same.

import { iconButton, make, nameButton, setIcon } from "./dom.ts";
import { latencyName } from "./format.ts";
import * as icons from "./icons.ts";
import { canMirror } from "./mirror.ts";

/** What the controls show and do. */
export interface Controlled {
  readonly paused: boolean;
  /** Not heard now, for whatever reason. */
  readonly isSilent: boolean;
  volume: number;
  get latency(): number;
  set latency(latency: number | "live");
  rendition: string;
  /** The chart is open. */
  readonly stats: boolean;
  readonly isFullscreen: boolean;
  togglePlay(): void;
  toggleSound(): void;
  toggleStats(): void;
  toggleFullscreen(): void;
  togglePictureInPicture(): void;
}

/** Target latencies that the menu offers, ms; 0 = as live as possible. */
const LATENCIES: readonly number[] = [0, 500, 1000, 2000, 5000];
const VOLUME_STEP = 0.1;

export class Controls {
  readonly element: HTMLElement;
  readonly #target: Controlled;
  readonly #play: HTMLButtonElement;
  readonly #sound: HTMLButtonElement;
  readonly #volume = make("input", { type: "range", min: "0", max: "100", "aria-label": "Volume", part: "volume" });
  readonly #latency = make("select", { part: "select", "aria-label": "Target latency", title: "Target latency (< >)" });
  readonly #rendition = make("select", { part: "select", "aria-label": "Rendition", title: "Rendition", hidden: true });
  readonly #stats: HTMLButtonElement;
  readonly #full: HTMLButtonElement;

  constructor(target: Controlled) {
    this.#target = target;
    this.#play = iconButton("Play", icons.PLAY, () => target.togglePlay(), "k");
    this.#sound = iconButton("Unmute", icons.MUTED, () => target.toggleSound(), "m");
    this.#stats = iconButton("Delay and delivery", icons.CHART, () => target.toggleStats(), "s");
    this.#full = iconButton("Full screen", icons.FULL, () => target.toggleFullscreen(), "f");
    this.#full.hidden = !document.fullscreenEnabled;
    const small = iconButton("Picture in picture", icons.PICTURE, () => target.togglePictureInPicture(), "p");
    small.hidden = !canMirror();
    this.#volume.addEventListener("input", () => (target.volume = this.#volume.valueAsNumber / 100));
    this.#latency.addEventListener("change", () => (target.latency = Number(this.#latency.value)));
    this.#rendition.addEventListener("change", () => (target.rendition = this.#rendition.value));
    const space = make("span", { class: "space" });
    this.element = make("div", { part: "controls", class: "controls", role: "group", "aria-label": "Player controls" },
      this.#play, this.#sound, this.#volume, space, this.#latency, this.#rendition, this.#stats, small, this.#full);
  }

  update(): void {
    const target = this.#target;
    setIcon(this.#play, target.paused ? icons.PLAY : icons.PAUSE);
    nameButton(this.#play, target.paused ? "Play" : "Pause", "k");
    setIcon(this.#sound, target.isSilent ? icons.MUTED : icons.SOUND);
    nameButton(this.#sound, target.isSilent ? "Unmute" : "Mute", "m");
    this.#volume.value = String(target.isSilent ? 0 : Math.round(target.volume * 100));
    this.#stats.setAttribute("aria-pressed", String(target.stats));
    setIcon(this.#full, target.isFullscreen ? icons.SMALL : icons.FULL);
    nameButton(this.#full, target.isFullscreen ? "Leave full screen" : "Full screen", "f");
    const latencies = [...new Set([...LATENCIES, target.latency])].sort((a, b) => a - b);
    setOptions(this.#latency, latencies.map((latency) => [String(latency), latencyName(latency)]), String(target.latency));
  }

  /** The renditions by name; `active` plays now. The menu is there only where there is a choice. */
  setRenditions(names: readonly [name: string, label: string][], active: string): void {
    this.#rendition.hidden = names.length < 2;
    const automatic = names.find(([name]) => name === active)?.[1];
    const first: [string, string] = ["", automatic !== undefined && this.#target.rendition === "" ? `Auto · ${automatic}` : "Auto"];
    setOptions(this.#rendition, [first, ...names], this.#target.rendition);
  }

  /** True if the key was one of the player's. */
  key({ key, target }: KeyboardEvent): boolean {
    const isMenu = target instanceof HTMLSelectElement || target instanceof HTMLInputElement;
    const isButton = target instanceof HTMLButtonElement;
    const player = this.#target;
    const keys: Record<string, () => void> = {
      k: () => player.togglePlay(),
      m: () => player.toggleSound(),
      s: () => player.toggleStats(),
      f: () => player.toggleFullscreen(),
      p: () => canMirror() && player.togglePictureInPicture(),
    };
    if (!isButton && !isMenu) keys[" "] = () => player.togglePlay();
    if (!isMenu) {
      keys["ArrowUp"] = () => (player.volume = Math.min(1, player.volume + VOLUME_STEP));
      keys["ArrowDown"] = () => (player.volume = Math.max(0, player.volume - VOLUME_STEP));
      keys[">"] = () => this.#stepLatency(1);
      keys["<"] = () => this.#stepLatency(-1);
    }
    const action = keys[key.length === 1 ? key.toLowerCase() : key];
    action?.();
    return action !== undefined;
  }

  #stepLatency(step: 1 | -1): void {
    const { latency } = this.#target;
    const next = step === 1 ? LATENCIES.find((one) => one > latency) : LATENCIES.findLast((one) => one < latency);
    if (next !== undefined) this.#target.latency = next;
  }
}

/** Changes a menu only where it differs: an open one would close. */
function setOptions(select: HTMLSelectElement, options: readonly (readonly [value: string, text: string])[], value: string): void {
  const wanted = JSON.stringify(options);
  if (select.dataset.options !== wanted) {
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    select.dataset.options = wanted;
  }
  select.value = value;
}
