// The server's HTTP edge, and the fingerprints of a certificate that it made itself.

import { HASH_TIMEOUT_MS } from "./limit.ts";

/** SHA-256 hashes in hex, several by space or comma; colons as in tools' output are allowed, what is no hash is left out. */
export function parseHashes(text: string): string[] {
  return text.toLowerCase().replaceAll(":", "").match(/\b[0-9a-f]{64}\b/g) ?? [];
}

/**
 * Base of the HTTP edge: as given, or where the script came from when that is the same machine; empty = unknown. Names of this
 * machine are all the same one.
 */
export function httpBaseOf(given: string, server: string, script: string): string {
  if (given !== "") return given.replace(/\/+$/, "");
  if (!URL.canParse(script)) return "";
  const [from, to] = [new URL(script), new URL(server)];
  const isSame = from.hostname === to.hostname || (isLoopback(from.hostname) && isLoopback(to.hostname));
  return isSame && from.protocol.startsWith("http") ? from.origin : "";
}

function isLoopback(host: string): boolean {
  return /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(host);
}

/** The fingerprints that the HTTP edge tells; none = the certificate is one that the browser trusts, or nobody told. */
export async function fetchHashes(base: string): Promise<string[]> {
  if (base === "") return [];
  try {
    const signal = AbortSignal.timeout(HASH_TIMEOUT_MS);
    const answer = await fetch(`${base}/certificate.sha256`, { cache: "no-store", credentials: "omit", signal });
    return answer.ok ? parseHashes(await answer.text()) : [];
  } catch {
    return [];
  }
}
