// Who may read live tracks from a server without HTTP/2.
//
// A browser makes six connections at most to one HTTP/1.1 server, for all its tabs together, and a live track holds one for as
// long as it plays: a player holds two, picture and sound, and a third while it changes the rendition. Two players fit and
// leave room for what is short: lists, catalogs, the page itself. Browsers speak HTTP/1.1 to `http:`; over `https:` this
// server speaks HTTP/2, where all share one connection. What is counted are players of one page's origin, across tabs and
// workers, by Web Locks; a page that may not use them (neither HTTPS nor localhost) learns it from a request without answer.

import { PLACES } from "./limit.ts";
import { SourceError } from "./source.ts";

/** Takes a place until the function that comes back is called. Rejects with SourceError `busy` when there is none. */
export async function takePlace(base: string): Promise<() => void> {
  const locks: LockManager | undefined = globalThis.navigator?.locks;
  if (!base.startsWith("http:") || locks === undefined) return () => undefined;
  for (let place = 0; place < PLACES; place += 1) {
    const release = await tryLock(locks, `efir ${base} ${place}`);
    if (release !== undefined) return release;
  }
  throw new SourceError(
    "busy",
    `${PLACES} players already play from ${base} over plain HTTP, and a browser has no connections for more; HTTPS has no such limit`,
  );
}

function tryLock(locks: LockManager, name: string): Promise<(() => void) | undefined> {
  return new Promise((resolve, reject) => {
    const held = (lock: Lock | null): Promise<void> | undefined => {
      if (lock !== null) return new Promise<void>((release) => resolve(release));
      resolve(undefined);
      return undefined;
    };
    locks.request(name, { ifAvailable: true }, held).catch(reject);
  });
}
