// Where servers send a player on to: GOAWAY (10.4) and REQUEST_ERROR with REDIRECT (10.6).

import { CATALOG_TRACKS } from "../media/catalog.ts";
import { RequestRefused } from "../session/error.ts";
import { SourceError } from "../source/source.ts";
import { MAX_REDIRECTS, SETTLED_MS } from "./limit.ts";
import type { PlayOptions } from "./protocol.ts";

type Redirect = NonNullable<RequestRefused["redirect"]>;

/** Where an error says to ask instead. */
export function redirectOf(error: unknown): Redirect | undefined {
  return error instanceof RequestRefused ? error.redirect : undefined;
}

/** The options with the place of a URI; an empty one is the same server. Rejects what a page cannot dial. */
export function placeOf(uri: string, options: PlayOptions): PlayOptions {
  if (uri === "") return options;
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  if (url?.protocol !== "https:") {
    throw new SourceError("redirect", `${options.server} sends this player to ${bare(uri)}, but a browser goes to https:// only`);
  }
  const { origin, pathname, search } = url;
  return { ...options, server: origin, path: pathname === "/" && search === "" ? options.path : pathname + search };
}

/** The servers that sent a player on, one after the other, before one served it. */
export class Trail {
  #places: PlayOptions[] = [];

  /** The next place: never one twice, and not endlessly many. Throws what ends playing. */
  follow(from: PlayOptions, { uri, track }: Redirect): PlayOptions {
    const next = { ...placeOf(uri, from), ...namespaceOf(track, from) };
    this.#places.push(from);
    const way = [...this.#places, next].map(({ server, namespace }) => `${server}/${namespace.join("/")}`).join(" → ");
    if (this.#places.some((place) => key(place) === key(next))) throw new SourceError("redirect", `the servers send this player in a circle: ${way}`);
    if (this.#places.length > MAX_REDIRECTS) throw new SourceError("redirect", `the servers sent this player on more than ${MAX_REDIRECTS} times: ${way}`);
    return next;
  }
}

/** Counts GOAWAYs of servers that do not serve before they send on. */
export class Moves {
  #count = 0;
  #arrivedAt = -Infinity;

  /** One more; throws when it is one too many. */
  next(now: number): void {
    if (now - this.#arrivedAt >= SETTLED_MS) this.#count = 0;
    this.#count += 1;
    if (this.#count > MAX_REDIRECTS) throw new SourceError("redirect", `the servers sent this player on more than ${MAX_REDIRECTS} times without serving it`);
  }

  arrived(now: number): void {
    this.#arrivedAt = now;
  }
}

const key = ({ server, path, namespace }: PlayOptions): string => JSON.stringify([server, path, namespace]);

/** Without the query, which may hold a token. */
const bare = (uri: string): string => uri.replace(/\?.*/s, "");

function namespaceOf({ namespace, name }: Redirect["track"], { namespace: before }: PlayOptions): { namespace: string[] } {
  const decoder = new TextDecoder();
  const isSame = namespace.length === 0 && name.length === 0;
  const catalogs: string[] = Object.values(CATALOG_TRACKS);
  if (!isSame && !catalogs.includes(decoder.decode(name))) {
    throw new SourceError("redirect", "the server sends this player to another track, which is not a catalog");
  }
  return { namespace: isSame ? before : namespace.map((field) => decoder.decode(field)) };
}
