// The publisher in its panel, loaded when it is first wanted.

import type { Place } from "./commands.ts";
import { make, part } from "./dom.ts";

const WORDS = ["heron", "birch", "comet", "delta", "ember", "fjord", "grove", "harbor", "isle", "juniper", "lagoon", "maple", "north", "otter", "pebble", "quartz"];

export class Publish {
  readonly #panel = part("publish", HTMLElement);
  readonly #button = part("publish-open", HTMLButtonElement);
  readonly #access: () => { place: Place; token: string };
  #publisher: HTMLElement | undefined;

  constructor(access: () => { place: Place; token: string }) {
    this.#access = access;
    this.#button.hidden = false;
    this.#button.addEventListener("click", () => void this.open(this.#panel.hidden === true));
    part("publish-here", HTMLButtonElement).addEventListener("click", () => void this.open(true));
  }

  /** A closed panel goes on sending; the button says so. */
  async open(isOpen: boolean): Promise<void> {
    this.#panel.hidden = !isOpen;
    this.#button.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) return this.#button.focus();
    this.#panel.scrollIntoView({ block: "nearest" });
    if (this.#publisher !== undefined) return;
    const script = new URL("./efir-publish.js", document.baseURI).href;
    try {
      await import(script);
    } catch {
      const advice = "The publisher could not be loaded: is the relay still running? Close this and try again.";
      this.#panel.replaceChildren(make("p", { role: "alert" }, advice));
      return;
    }
    if (this.#publisher === undefined) this.#make();
  }

  setAccess(): void {
    if (this.#publisher === undefined) return;
    const { place, token } = this.#access();
    this.#publisher.setAttribute("server", place.server);
    // Setting it again would take away what was typed there.
    if ((this.#publisher.getAttribute("token") ?? "") !== token) this.#publisher.setAttribute("token", token);
  }

  #make(): void {
    const { place, token } = this.#access();
    const word = WORDS[Math.floor(Math.random() * WORDS.length)];
    const publisher = make("efir-publisher" as "div", {
      server: place.server,
      http: place.origin,
      namespace: `live/${word}`,
      ...(token === "" ? {} : { token }),
    });
    publisher.addEventListener("statechange", (event) => {
      const isSending = event instanceof CustomEvent && event.detail.state === "live";
      this.#button.toggleAttribute("data-sending", isSending);
      this.#button.textContent = isSending ? "On air" : "Publish";
    });
    this.#publisher = publisher;
    this.#panel.replaceChildren(publisher);
  }
}
