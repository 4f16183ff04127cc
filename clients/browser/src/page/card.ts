// One open player with its name and links.

import { make } from "../element/dom.ts";
import { formatLink, type Opened, pathOf } from "./link.ts";
import type { Server } from "./server.ts";

export interface CardEvents {
  closed(): void;
  /** The viewer chose another latency, rendition, …: links change. */
  changed(): void;
}

export class Card {
  readonly element: HTMLElement;
  readonly name: string;
  readonly #player = document.createElement("efir-player");
  readonly #server: Server;
  #token: string;

  constructor(server: Server, opened: Opened, isMuted: boolean, events: CardEvents) {
    this.#server = server;
    this.name = opened.name;
    this.#token = opened.token;
    const close = make("button", { type: "button", "aria-label": `Close ${opened.name}` }, "Close");
    close.addEventListener("click", () => events.closed());
    const link = copyButton("Copy link", () => location.origin + location.pathname + formatLink([this.opened]));
    const embed = copyButton("Copy embed code", () => this.#embedCode());
    const head = make("header", {}, make("h2", {}, opened.name), link, embed, close);
    const form = this.#tokenForm(events);
    this.element = make("article", { class: "card", "aria-label": opened.name }, head, this.#player, form);
    this.apply(opened);
    this.#player.toggleAttribute("muted", isMuted);
    for (const name of ["autoplay", "controls"]) this.#player.setAttribute(name, "");
    this.#player.setAttribute("http", server.http);
    this.#aim();
    this.#player.addEventListener("statechange", (event) => {
      form.hidden = !(event instanceof CustomEvent && event.detail.code === "unauthorized");
    });
    new MutationObserver(() => events.changed()).observe(this.#player, { attributeFilter: ["latency", "rendition", "stats"] });
  }

  get isHeard(): boolean {
    return !this.#player.hasAttribute("muted");
  }

  /** As a link has it. */
  get opened(): Opened {
    const latency = this.#player.getAttribute("latency") ?? "";
    return {
      name: this.name,
      latency: latency === "live" ? "" : latency,
      rendition: this.#player.getAttribute("rendition") ?? "",
      token: this.#token,
      stats: this.#player.hasAttribute("stats"),
    };
  }

  /** What a link says of a player that is open already. */
  apply({ latency, rendition, token, stats }: Opened): void {
    setAttribute(this.#player, "latency", latency === "" ? "live" : latency);
    setAttribute(this.#player, "rendition", rendition);
    this.#player.toggleAttribute("stats", stats);
    if (token === this.#token) return;
    this.#token = token;
    this.#aim();
  }

  #aim(): void {
    this.#player.setAttribute("src", this.#address());
  }

  #address(): string {
    const query = this.#token === "" ? "" : `?token=${encodeURIComponent(this.#token)}`;
    return `${this.#server.url}/${pathOf(this.name)}${query}`;
  }

  #embedCode(): string {
    const script = `<script type="module" src="${this.#server.http}/efir-player.js"></script>`;
    return `${script}\n<efir-player src="${this.#address()}" http="${this.#server.http}" autoplay muted controls></efir-player>`;
  }

  /** Shown where the server refuses the token, or wants one. */
  #tokenForm(events: CardEvents): HTMLFormElement {
    const input = make("input", { name: "token", type: "password", autocomplete: "off", required: true, spellcheck: "false" });
    const form = make("form", { hidden: true }, make("label", {}, "Token ", input), make("button", { type: "submit" }, "Play"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#token = input.value;
      this.#aim();
      events.changed();
    });
    return form;
  }
}

function setAttribute(element: Element, name: string, value: string): void {
  if (value === (element.getAttribute(name) ?? "")) return;
  if (value === "") element.removeAttribute(name);
  else element.setAttribute(name, value);
}

/** Copies, and says so for a moment. */
export function copyButton(name: string, text: () => string): HTMLButtonElement {
  const button = make("button", { type: "button", "aria-live": "polite" }, name);
  let timer: ReturnType<typeof setTimeout> | undefined;
  button.addEventListener("click", () => {
    const say = (words: string): void => {
      clearTimeout(timer);
      button.textContent = words;
      timer = setTimeout(() => (button.textContent = name), 1600);
    };
    navigator.clipboard.writeText(text()).then(() => say("Copied"), () => window.prompt("Copy this:", text()));
  });
  return button;
}
