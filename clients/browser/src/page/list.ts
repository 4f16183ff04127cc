// The broadcasts on the air, each a button that plays it.

import { make } from "./dom.ts";
import { pathOf, titleOf } from "./link.ts";

export class List {
  readonly #root: HTMLElement;
  readonly #play: (namespace: readonly string[]) => void;
  readonly #entries = new Map<string, HTMLElement>();

  constructor(root: HTMLElement, play: (namespace: readonly string[]) => void) {
    this.#root = root;
    this.#play = play;
  }

  /** Leaves alone the entries that stay, and with them the focus. */
  show(broadcasts: readonly string[][], isPlaying: (path: string) => boolean): void {
    const paths = new Set(broadcasts.map(pathOf));
    for (const [path, entry] of this.#entries) {
      if (paths.has(path)) continue;
      entry.remove();
      this.#entries.delete(path);
    }
    broadcasts.forEach((namespace, index) => {
      const path = pathOf(namespace);
      const entry = this.#entries.get(path) ?? this.#make(namespace, path);
      entry.firstElementChild?.setAttribute("aria-pressed", String(isPlaying(path)));
      const there = this.#root.children[index];
      if (there !== entry) this.#root.insertBefore(entry, there ?? null);
    });
  }

  #make(namespace: readonly string[], path: string): HTMLElement {
    const title = titleOf(namespace);
    const button = make("button", { type: "button", "data-path": path }, title);
    button.addEventListener("click", () => this.#play(namespace));
    const entry = make("li", {}, button);
    this.#entries.set(path, entry);
    return entry;
  }
}
