// The players side by side: what is shown, what is heard, and the address that says so.

import type { Place } from "./commands.ts";
import { say } from "./dom.ts";
import { formatLink, parseLink, pathOf, type Shown, titleOf } from "./link.ts";
import { PLAYERS } from "./limit.ts";
import { Tile, type TileContext } from "./tile.ts";

/** From this many on a wide screen has three columns. */
const MANY = 5;

export class Grid {
  /** Called when a player came or went. */
  onChange: () => void = () => {};
  /** All may be heard at once. */
  isAllSound = false;
  readonly #root: HTMLElement;
  readonly #context: TileContext;
  readonly #tiles = new Map<string, Tile>();

  constructor(root: HTMLElement, context: TileContext) {
    this.#root = root;
    this.#context = context;
  }

  get count(): number {
    return this.#tiles.size;
  }

  get newest(): Tile | undefined {
    return [...this.#tiles.values()].at(-1);
  }

  has(path: string): boolean {
    return this.#tiles.has(path);
  }

  /** Shows a broadcast; one that is there already is only brought into view. */
  add(shown: Shown): void {
    const there = this.#tiles.get(pathOf(shown.namespace));
    if (there !== undefined) {
      there.root.scrollIntoView({ block: "nearest" });
      there.player.focus();
      return;
    }
    if (this.count >= PLAYERS) return say(`${PLAYERS} players are as many as this page has. Close one first.`);
    const tile = this.#put(shown, false);
    this.#soloIfWanted(tile);
    say(`Playing ${titleOf(shown.namespace)}`);
    this.#changed();
  }

  /** Shows what the page's address says; of several the first is heard. */
  follow(hash: string): void {
    const wanted = parseLink(hash);
    const paths = new Set(wanted.map(({ namespace }) => pathOf(namespace)));
    for (const tile of [...this.#tiles.values()]) if (!paths.has(tile.path)) this.#drop(tile);
    for (const shown of wanted) {
      const tile = this.#tiles.get(pathOf(shown.namespace));
      if (tile === undefined) this.#put(shown, !this.isAllSound && this.#isHeard());
      else tile.update(shown);
    }
    this.#changed();
  }

  setAccess(place: Place, token: string): void {
    Object.assign(this.#context, { place, token });
    for (const tile of this.#tiles.values()) tile.setToken(this.#context);
  }

  setAllSound(isAll: boolean): void {
    this.isAllSound = isAll;
    const heard = [...this.#tiles.values()].find((tile) => !tile.isMuted);
    if (!isAll && heard !== undefined) this.#soloIfWanted(heard);
    if (isAll) for (const tile of this.#tiles.values()) tile.player.removeAttribute("muted");
  }

  #isHeard(): boolean {
    return [...this.#tiles.values()].some((tile) => !tile.isMuted);
  }

  #put(shown: Shown, isMuted: boolean): Tile {
    const tile = new Tile(shown, isMuted, this.#context, {
      closed: (tile) => this.#close(tile),
      changed: () => this.#keepAddress(),
      unmuted: (tile) => this.#soloIfWanted(tile),
    });
    this.#tiles.set(tile.path, tile);
    this.#root.append(tile.root);
    return tile;
  }

  #soloIfWanted(heard: Tile): void {
    if (this.isAllSound) return;
    for (const tile of this.#tiles.values()) if (tile !== heard) tile.mute();
  }

  #close(tile: Tile): void {
    this.#drop(tile);
    this.#changed();
    say(`Closed ${titleOf(tile.namespace)}`);
    // The button that had the focus is gone: the broadcast in the list, or the page, has it next.
    const entry = document.querySelector<HTMLElement>(`#list [data-path="${CSS.escape(tile.path)}"]`);
    (entry ?? document.querySelector<HTMLElement>("main"))?.focus();
  }

  #drop(tile: Tile): void {
    tile.remove();
    this.#tiles.delete(tile.path);
  }

  #changed(): void {
    this.#root.dataset["count"] = String(this.count);
    this.#root.toggleAttribute("data-many", this.count >= MANY);
    this.#keepAddress();
    this.onChange();
  }

  #keepAddress(): void {
    const link = formatLink([...this.#tiles.values()].map((tile) => tile.shown));
    if (location.hash !== link) history.replaceState(null, "", link || location.pathname + location.search);
  }
}
