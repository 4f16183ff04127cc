// Finds a server's HTTP edge and the fingerprints of its self-signed certificate.

import { parseHashes } from "./address.ts";
import { ANSWER_TIMEOUT_MS } from "./limit.ts";

/** What was found out about a server. */
export interface ServerFacts {
  /** Base of its HTTP edge, without a slash at the end; empty = its own origin. */
  httpBase: string;
  /** SHA-256 in hex; empty = the certificate is one that the browser trusts, or nobody told. */
  hashes: string[];
}

/**
 * Asks the HTTP edge for `/server.json`, or `/certificate.sha256`. `http` is the page's word and always tried; else the places of a
 * local server are, or the place the player's script came from if that is the same host. Never rejects.
 */
export async function findServer(server: string, http: string, script: string, get: typeof fetch = fetch): Promise<ServerFacts> {
  const given = http.replace(/\/+$/, "");
  for (const base of given === "" ? candidates(server, script) : [given]) {
    const hashes = (await fromServerJson(base, get)) ?? (await fromFingerprint(base, get));
    if (hashes !== undefined) return { httpBase: base === server ? "" : base, hashes };
  }
  return { httpBase: given, hashes: [] };
}

function candidates(server: string, script: string): string[] {
  const { hostname, origin, host } = new URL(server);
  const bases: string[] = [];
  const from = URL.canParse(script) ? new URL(script) : undefined;
  if (from?.hostname === hostname && from.protocol.startsWith("http")) bases.push(from.origin);
  if (isLoopback(hostname)) bases.push(origin, `http://${host}`);
  return [...new Set(bases)];
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost") || hostname.startsWith("127.") || hostname === "[::1]";
}

async function fromServerJson(base: string, get: typeof fetch): Promise<string[] | undefined> {
  try {
    const answer = await ask(`${base}/server.json`, get);
    const facts: unknown = await answer?.json();
    if (typeof facts !== "object" || facts === null || !("certificateHashes" in facts)) return undefined;
    const { certificateHashes } = facts;
    return Array.isArray(certificateHashes) ? parseHashes(certificateHashes.join(" ")) : undefined;
  } catch {
    return undefined;
  }
}

async function fromFingerprint(base: string, get: typeof fetch): Promise<string[] | undefined> {
  try {
    const answer = await ask(`${base}/certificate.sha256`, get);
    const hashes = parseHashes((await answer?.text()) ?? "");
    return hashes.length > 0 ? hashes : undefined;
  } catch {
    return undefined;
  }
}

async function ask(url: string, get: typeof fetch): Promise<Response | undefined> {
  const answer = await get(url, { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
  return answer.ok ? answer : undefined;
}
