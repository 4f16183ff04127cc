// One player of the page with its heading and buttons.

import { embedCode, linkTo, type Place } from "./commands.ts";
import { copyButton, make } from "./dom.ts";
import { pathOf, type Shown, titleOf } from "./link.ts";

export interface TileEvents {
  closed(tile: Tile): void;
  /** Latency, chart or rendition were changed at the player. */
  changed(tile: Tile): void;
  /** Its sound was switched on. */
  unmuted(tile: Tile): void;
}

export interface TileContext {
  place: Place;
  token: string;
  /** The token if the viewer wants it in links. */
  linkToken(): string;
}

/** What of a player a link keeps, and its sound. */
const WATCHED = ["latency", "stats", "rendition", "muted"];

export class Tile {
  readonly path: string;
  readonly namespace: readonly string[];
  readonly root: HTMLElement;
  readonly player: HTMLElement;
  readonly #watch: MutationObserver;

  constructor(shown: Shown, isMuted: boolean, context: TileContext, events: TileEvents) {
    this.namespace = shown.namespace;
    this.path = pathOf(shown.namespace);
    const title = titleOf(shown.namespace);
    this.player = make("efir-player" as "div", { controls: "", autoplay: "", http: context.place.origin });
    this.player.toggleAttribute("muted", isMuted);
    this.update(shown);
    this.setToken(context);
    const close = make("button", { type: "button", "aria-label": `Close ${title}` }, "Close");
    close.addEventListener("click", () => events.closed(this));
    const link = copyButton("Link", `Copy a link to ${title}`, () => linkTo(location.href, [this.shown], context.linkToken()));
    const embed = copyButton("Embed", `Copy the code that embeds ${title}`, () => embedCode(context.place, this.shown));
    for (const button of [link, embed, close]) button.classList.add("small");
    const heading = make("h3", {}, title);
    const buttons = make("div", { class: "buttons" }, link, embed, close);
    this.root = make("article", { class: "tile", "aria-label": title }, make("header", {}, heading, buttons), this.player);
    this.#watch = new MutationObserver((changes) => {
      const names = new Set(changes.map(({ attributeName }) => attributeName));
      if (names.delete("muted") && !this.isMuted) events.unmuted(this);
      if (names.size > 0) events.changed(this);
    });
    this.#watch.observe(this.player, { attributeFilter: WATCHED });
  }

  /** As a link has it. */
  get shown(): Shown {
    const latency = this.player.getAttribute("latency");
    const rendition = this.player.getAttribute("rendition");
    return {
      namespace: this.namespace,
      ...(latency === null ? {} : { latency: Number.parseFloat(latency) || 0 }),
      ...(this.player.hasAttribute("stats") ? { stats: true } : {}),
      ...(rendition ? { rendition } : {}),
    };
  }

  get isMuted(): boolean {
    return this.player.hasAttribute("muted");
  }

  mute(): void {
    this.player.setAttribute("muted", "");
  }

  /** Plays it the way a link says. */
  update({ latency, stats, rendition }: Shown): void {
    this.#set("latency", latency === undefined ? undefined : String(latency));
    this.#set("stats", stats ? "" : undefined);
    this.#set("rendition", rendition);
  }

  /** Address and token; what stays the same does not disturb the player. */
  setToken({ place, token }: Pick<TileContext, "place" | "token">): void {
    this.#set("token", token === "" ? undefined : token);
    this.#set("src", `${place.server}/${this.path}`);
  }

  remove(): void {
    this.#watch.disconnect();
    this.root.remove();
  }

  #set(name: string, value: string | undefined): void {
    if (value === undefined) this.player.removeAttribute(name);
    else if (this.player.getAttribute(name) !== value) this.player.setAttribute(name, value);
  }
}
