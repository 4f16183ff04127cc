// Follows which broadcasts are on the air: over WebTransport, and over HTTP where that does not connect.

import { MoqtSource } from "../source/moqt.ts";
import { SourceError } from "../source/source.ts";
import { POLL_MS, RETRY_FIRST_MS, RETRY_LAST_MS, SETTLE_MS } from "./limit.ts";
import { fetchBroadcasts, type Server } from "./server.ts";

export interface Listing {
  /** Sorted; undefined = not known yet. */
  names: string[] | undefined;
  /** How it is known. */
  way: "none" | "webtransport" | "http";
  /** Why it is not by WebTransport, in words. */
  reason: string;
  /** The server wants a token before it lists anything. */
  isRefused: boolean;
}

/** Calls `changed` with every new state, for as long as the page lives. */
export async function follow(find: () => Promise<Server>, token: string, changed: (listing: Listing, server: Server) => void): Promise<never> {
  let wait = RETRY_FIRST_MS;
  for (;;) {
    // The server may have been started anew, with another certificate.
    const server = await find();
    let isLive = false;
    const polling = new AbortController();
    let reason = "";
    const poll = pollUntil(polling.signal, server, token, (listing) => changed({ ...listing, reason }, server));
    try {
      await followSession(server, token, (names) => {
        isLive = true;
        polling.abort();
        wait = RETRY_FIRST_MS;
        changed({ names, way: "webtransport", reason: "", isRefused: false }, server);
      });
    } catch (error) {
      reason = error instanceof SourceError || error instanceof Error ? error.message : String(error);
    }
    if (isLive) changed({ ...(await look(server, token)), reason }, server);
    await sleep(wait);
    wait = Math.min(RETRY_LAST_MS, wait * 2);
    polling.abort();
    await poll;
  }
}

async function followSession(server: Server, token: string, changed: (names: string[]) => void): Promise<void> {
  const path = token === "" ? "/" : `/?token=${encodeURIComponent(token)}`;
  const source = await MoqtSource.connect({ url: server.url + path, certificateHashes: server.certificateHashes, token });
  try {
    const names = new Set<string>();
    let isSettled = false;
    const tell = (): void => {
      if (isSettled) changed([...names].sort());
    };
    const timer = setTimeout(() => {
      isSettled = true;
      tell();
    }, SETTLE_MS);
    const decoder = new TextDecoder();
    try {
      for await (const { kind, namespace } of source.broadcasts([])) {
        const name = namespace.map((field) => decoder.decode(field)).join("/");
        if (name.startsWith(".")) continue;
        if (kind === "added") names.add(name);
        else names.delete(name);
        tell();
      }
    } finally {
      clearTimeout(timer);
    }
    throw await source.closed;
  } finally {
    source.close();
  }
}

async function pollUntil(signal: AbortSignal, server: Server, token: string, changed: (listing: Listing) => void): Promise<void> {
  while (!signal.aborted) {
    const listing = await look(server, token);
    if (signal.aborted) return;
    changed(listing);
    await Promise.race([sleep(POLL_MS), new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }))]);
  }
}

async function look({ http }: Server, token: string): Promise<Listing> {
  const names = await fetchBroadcasts(http, token);
  if (names === "refused") return { names: undefined, way: "http", reason: "", isRefused: true };
  if (names === undefined) return { names: undefined, way: "none", reason: "", isRefused: false };
  return { names: names.sort(), way: "http", reason: "", isRefused: false };
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
