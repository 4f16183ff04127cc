// Which server this page belongs to.

import { ANSWER_MS } from "./limit.ts";

export interface Server {
  /** `https://host:port` of WebTransport. */
  url: string;
  /** Origin of the HTTP edge: the page's own. */
  http: string;
  certificateHashes: string[];
  /** Empty = unknown. */
  version: string;
}

const USUAL_PORT = 4443;

/** What the server says of itself, or the usual where it says nothing. Never rejects. */
export async function findServer(page: Location, get: typeof fetch = fetch): Promise<Server> {
  const facts = await answer(`${page.origin}/server.json`, get);
  const port = number(facts, "port") ?? USUAL_PORT;
  const hashes = field(facts, "certificateHashes");
  const version = field(facts, "version");
  return {
    url: `https://${page.hostname}:${port}`,
    http: page.origin,
    certificateHashes: Array.isArray(hashes) ? hashes.filter((hash) => typeof hash === "string") : [],
    version: typeof version === "string" ? version : "",
  };
}

/** Names of the broadcasts that the server lists over HTTP; undefined when it does not answer, `refused` when it wants a token. */
export async function fetchBroadcasts(http: string, token: string, get: typeof fetch = fetch): Promise<string[] | "refused" | undefined> {
  try {
    const query = token === "" ? "" : `?token=${encodeURIComponent(token)}`;
    const response = await get(`${http}/broadcasts${query}`, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    if (response.status === 401) return "refused";
    if (!response.ok) return undefined;
    const broadcasts = field(await response.json(), "broadcasts");
    if (!Array.isArray(broadcasts)) return undefined;
    return broadcasts.map((broadcast) => field(broadcast, "namespace")).filter(isNamespace).map((fields) => fields.join("/"));
  } catch {
    return undefined;
  }
}

function isNamespace(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

async function answer(url: string, get: typeof fetch): Promise<unknown> {
  try {
    const response = await get(url, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    return response.ok ? await response.json() : undefined;
  } catch {
    return undefined;
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function number(value: unknown, name: string): number | undefined {
  const found = field(value, name);
  return typeof found === "number" && found > 0 ? found : undefined;
}
