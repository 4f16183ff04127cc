// What the page's relay tells over HTTP: where it listens for WebTransport, and what is on the air.

import { ANSWER_MS, LISTED } from "./limit.ts";

/** UDP port when the server that gave the page does not tell. */
const USUAL_PORT = 4443;

export interface Facts {
  /** `https://host:port` for WebTransport. */
  server: string;
  /** SHA-256 in hex; empty = a certificate that browsers trust. */
  hashes: string[];
  /** Other pages of the same process. */
  pages: OtherPage[];
}

export interface OtherPage {
  name: string;
  /** `/…` on the same server. */
  path: string;
}

/** The list, or why there is none. */
export type Listing = { kind: "list"; namespaces: string[][] } | { kind: "unauthorized" } | { kind: "unreachable" };

type Get = typeof fetch;

export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost") || hostname.startsWith("127.") || hostname === "[::1]";
}

/** Where the relay of the page at `page` is, as far as its address tells. */
export function usualFacts(page: URL): Facts {
  return { server: `https://${page.hostname || "localhost"}:${USUAL_PORT}`, hashes: [], pages: [] };
}

/** Asks for `/server.json`; undefined when nobody answers. */
export async function fetchFacts(page: URL, get: Get = fetch): Promise<Facts | undefined> {
  try {
    const answer = await get(`${page.origin}/server.json`, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    return answer.ok ? readFacts(await answer.json(), page) : usualFacts(page);
  } catch (error) {
    // Not JSON: some other web server has the page.
    return error instanceof SyntaxError ? usualFacts(page) : undefined;
  }
}

/** Reads `/server.json`'s answer; what is missing or wrong is as usual. */
export function readFacts(json: unknown, page: URL): Facts {
  const usual = usualFacts(page);
  if (typeof json !== "object" || json === null) return usual;
  const port = "port" in json ? json.port : undefined;
  const hashes: unknown = "certificateHashes" in json ? json.certificateHashes : undefined;
  return {
    server: isPort(port) ? `https://${page.hostname || "localhost"}:${port}` : usual.server,
    hashes: Array.isArray(hashes) ? hashes.filter((hash): hash is string => typeof hash === "string" && /^[0-9a-f]{64}$/i.test(hash)) : [],
    pages: "pages" in json && Array.isArray(json.pages) ? json.pages.filter(isOtherPage) : [],
  };
}

/** Paths of this server only: `//host` would be another's. */
function isOtherPage(page: unknown): page is OtherPage {
  if (typeof page !== "object" || page === null || !("name" in page) || !("path" in page)) return false;
  return typeof page.name === "string" && typeof page.path === "string" && /^\/(?![/\\])/.test(page.path);
}

function isPort(port: unknown): port is number {
  return Number.isInteger(port) && typeof port === "number" && port > 0 && port < 65_536;
}

/** Asks for `/broadcasts`. Never rejects. */
export async function fetchBroadcasts(origin: string, token: string, get: Get = fetch): Promise<Listing> {
  const headers: HeadersInit = token === "" ? {} : { authorization: `Bearer ${token}` };
  try {
    const answer = await get(`${origin}/broadcasts`, { cache: "no-store", headers, signal: AbortSignal.timeout(ANSWER_MS) });
    if (answer.status === 401 || answer.status === 403) return { kind: "unauthorized" };
    if (!answer.ok) return { kind: "unreachable" };
    return { kind: "list", namespaces: readBroadcasts(await answer.json()) };
  } catch {
    return { kind: "unreachable" };
  }
}

/** Reads `/broadcasts`' answer; entries that are no namespaces are left out. */
export function readBroadcasts(json: unknown): string[][] {
  if (typeof json !== "object" || json === null || !("broadcasts" in json) || !Array.isArray(json.broadcasts)) return [];
  const entries: unknown[] = json.broadcasts;
  return entries.flatMap((entry) => {
    const namespace: unknown = typeof entry === "object" && entry !== null && "namespace" in entry ? entry.namespace : undefined;
    return isNamespace(namespace) ? [namespace] : [];
  }).slice(0, LISTED);
}

function isNamespace(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every((field) => typeof field === "string" && field !== "");
}
