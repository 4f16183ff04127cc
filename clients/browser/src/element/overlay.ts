// What lies over the picture: badge, messages, a notice that goes by itself, the offer of sound.

import type { PlayerStats } from "../player/protocol.ts";
import { make } from "./dom.ts";
import { duration, uncertainty } from "./format.ts";
import { NOTE_MS } from "./limit.ts";
import type { Words } from "./words.ts";

export class Overlay {
  readonly elements: HTMLElement[];
  /** Where no controls stand in for it, the offer is the only way to sound. */
  readonly #chip = make("button", { type: "button", part: "sound-button", class: "chip", hidden: true }, "Tap for sound");
  readonly #badge = make("div", { part: "badge", class: "badge", hidden: true });
  readonly #notice = make("div", { part: "notice", class: "notice", role: "status", hidden: true });
  readonly #title = make("h2");
  readonly #advice = make("p");
  readonly #action = make("button", { type: "button", part: "action" });
  readonly #message = make("div", { part: "message", class: "message", role: "status", hidden: true },
    this.#title, this.#advice, this.#action);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(play: () => void, sound: () => void) {
    this.#action.addEventListener("click", play);
    this.#chip.addEventListener("click", sound);
    this.elements = [this.#message, this.#badge, this.#notice, this.#chip];
  }

  say({ title, advice, tone, action }: Words): void {
    this.#message.hidden = title === "" && action === "";
    this.#message.className = `message ${tone}`;
    this.#title.textContent = title;
    this.#title.hidden = title === "";
    this.#advice.textContent = advice;
    this.#action.textContent = action;
    this.#action.hidden = action === "";
  }

  /** Says something for a while, over a picture that plays. */
  note(text: string): void {
    clearTimeout(this.#timer);
    this.#notice.textContent = text;
    this.#notice.hidden = text === "";
    this.#timer = setTimeout(() => (this.#notice.hidden = true), NOTE_MS);
  }

  offerSound(isOffered: boolean): void {
    this.#chip.hidden = !isOffered;
  }

  /** The delay as it is: capture to paint, or what is known of it. */
  live(stats: PlayerStats | undefined): void {
    this.#badge.hidden = stats === undefined;
    if (stats === undefined) return;
    const { glassToGlass, stages, source } = stats;
    const sum = stages.reduce((all, { p50 }) => all + p50, 0);
    const known = glassToGlass?.p50 ?? (stages.length > 0 ? sum : undefined);
    const way = source === "http" ? "over HTTP" : "";
    this.#badge.classList.add("live");
    const words = [known === undefined ? "" : duration(known), way].filter((part) => part !== "");
    this.#badge.replaceChildren(make("b", {}, "LIVE"), words.join(" · "));
    const from = glassToGlass === undefined
      ? "from the origin to the screen; when it was captured is not known"
      : "from capture to the screen";
    const unsure = uncertainty(glassToGlass?.uncertainty ?? 0);
    this.#badge.title = known === undefined ? "The broadcast carries no times" : `${duration(known)} ${unsure} ${from}`;
  }
}
