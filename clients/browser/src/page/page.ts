// The page: what is on the air, players side by side, links.

import { make } from "../element/dom.ts";
import { Card, copyButton } from "./card.ts";
import { formatLink, type Opened, parseLink } from "./link.ts";
import { MAX_LISTED, MAX_PLAYERS } from "./limit.ts";
import { follow, type Listing } from "./listing.ts";
import { noticeFor } from "./notices.ts";
import { findServer, type Server } from "./server.ts";

const token = new URLSearchParams(location.search).get("token") ?? "";

/** An element of index.html. */
function part(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`index.html has no #${id}`);
  return element;
}

class Page {
  readonly #server: Server;
  readonly #cards = new Map<string, Card>();
  #listing: Listing = { names: undefined, way: "none", reason: "", isRefused: false };
  /** Somebody opened or closed something, so nothing opens by itself any more. */
  #isChosen = false;

  constructor(server: Server) {
    this.#server = server;
    this.#showCommands();
    addEventListener("hashchange", () => this.#openLink());
    this.#openLink();
  }

  list(listing: Listing): void {
    this.#listing = listing;
    const [first] = listing.names ?? [];
    if (first !== undefined && !this.#isChosen && this.#cards.size === 0) this.#open(fresh(first));
    this.#show();
  }

  #openLink(): void {
    const opened = parseLink(location.hash);
    if (opened.length > 0) this.#isChosen = true;
    const wanted = new Set(opened.map(({ name }) => name));
    for (const name of this.#cards.keys()) if (!wanted.has(name)) this.#remove(name);
    for (const one of opened) {
      const card = this.#cards.get(one.name);
      if (card === undefined) this.#open(one);
      else card.apply(one);
    }
    this.#show();
  }

  #toggle(name: string): void {
    this.#isChosen = true;
    if (this.#cards.has(name)) this.#remove(name);
    else this.#open(fresh(name));
    this.#changed();
  }

  #open(opened: Opened): void {
    if (this.#cards.size >= MAX_PLAYERS) return;
    // One voice at a time, unless the viewer wants more.
    const isMuted = [...this.#cards.values()].some(({ isHeard }) => isHeard);
    const card = new Card(this.#server, opened, isMuted, { closed: () => this.#toggle(opened.name), changed: () => this.#changed() });
    this.#cards.set(opened.name, card);
    part("players").append(card.element);
  }

  #remove(name: string): void {
    this.#cards.get(name)?.element.remove();
    this.#cards.delete(name);
  }

  /** Puts what is open into the address. */
  #changed(): void {
    const link = formatLink([...this.#cards.values()].map(({ opened }) => opened));
    history.replaceState(null, "", location.pathname + location.search + link);
    this.#show();
  }

  #show(): void {
    const { names, way } = this.#listing;
    const host = new URL(this.#server.url).host;
    part("players").dataset.count = String(this.#cards.size);
    this.#showList(names ?? []);
    part("empty").hidden = this.#cards.size > 0 || names === undefined || names.length > 0;
    const counted = names === undefined ? "" : ` · ${names.length} on the air`;
    part("status").textContent = { none: `Looking for ${host}`, webtransport: `${host}${counted}`, http: `${host} over HTTP${counted}` }[way];
    const abilities = { isSecure: isSecureContext, hasWebTransport: "WebTransport" in globalThis, hasWebCodecs: "VideoDecoder" in globalThis };
    const notice = noticeFor(abilities, this.#listing, host);
    const box = part("notice");
    box.hidden = notice === undefined;
    const key = JSON.stringify(notice);
    // Set only when it differs: a screen reader would say it again.
    if (notice === undefined || box.dataset.key === key) return;
    box.dataset.key = key;
    box.className = notice.tone;
    box.replaceChildren(make("strong", {}, notice.title), make("p", {}, notice.advice));
  }

  #showList(names: string[]): void {
    const list = part("broadcasts");
    const key = JSON.stringify([names, [...this.#cards.keys()]]);
    part("list").hidden = names.length === 0;
    if (list.dataset.key === key) return;
    list.dataset.key = key;
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.name : undefined;
    list.replaceChildren(...names.slice(0, MAX_LISTED).map((name) => {
      const isOpen = this.#cards.has(name);
      const button = make("button", { type: "button", "aria-pressed": String(isOpen), "data-name": name, title: isOpen ? "Close it" : "Open it beside the others" }, name);
      button.addEventListener("click", () => this.#toggle(name));
      if (name === focused) queueMicrotask(() => button.focus());
      return make("li", {}, button);
    }));
    if (names.length > MAX_LISTED) list.append(make("li", {}, `and ${names.length - MAX_LISTED} more`));
  }

  #showCommands(): void {
    const { url, version } = this.#server;
    for (const box of document.querySelectorAll<HTMLElement>("[data-command]")) {
      const command = (box.dataset.command ?? "").replaceAll("{server}", url);
      box.append(make("code", {}, command), copyButton("Copy", () => command));
    }
    part("local").hidden = !/^(localhost|127\.|\[::1\])/.test(location.hostname);
    part("version").textContent = version === "" ? "Efir" : `Efir ${version}`;
  }
}

function fresh(name: string): Opened {
  return { name, latency: "", rendition: "", token, stats: false };
}

/** The publisher is another script, loaded when somebody wants to send. */
async function togglePublisher(server: Server): Promise<void> {
  const [button, place] = [part("publish"), part("publisher")];
  const isOpening = place.hidden;
  place.hidden = !isOpening;
  button.setAttribute("aria-expanded", String(isOpening));
  if (!isOpening) return place.replaceChildren();
  try {
    await import(new URL("efir-publish.js", import.meta.url).href);
    const publisher = document.createElement("efir-publisher");
    publisher.setAttribute("server", server.url);
    publisher.setAttribute("http", server.http);
    publisher.setAttribute("namespace", `live/${crypto.randomUUID().slice(0, 4)}`);
    if (token !== "") publisher.setAttribute("token", token);
    place.replaceChildren(publisher);
  } catch {
    place.replaceChildren(make("p", {}, "The publisher could not be loaded from this server."));
  }
}

const server = await findServer(location);
const page = new Page(server);
part("publish").addEventListener("click", () => void togglePublisher(server));
void follow(() => findServer(location), token, (listing) => page.list(listing));
