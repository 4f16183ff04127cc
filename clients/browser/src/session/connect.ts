// Opens the WebTransport connection and chooses the draft.

import { alpn, VERSIONS, versionFromAlpn } from "../moqt/version.ts";
import { SessionErrorCode } from "../moqt/error_code.ts";
import { SourceError } from "../source/source.ts";
import { within } from "./answer.ts";
import { type Carrier, ignore } from "./carrier.ts";
import { CONNECT_TIMEOUT } from "./limit.ts";
import { Session } from "./session.ts";

export interface ConnectOptions {
  /** `https://host:port/path?query`. */
  url: string;
  /** SHA-256 of certificates to accept, hex; empty = the browser's own trust. */
  certificateHashes: readonly string[];
  /** Sent as AUTHORIZATION_TOKEN in SETUP; empty = none. */
  token: string;
  signal?: AbortSignal | undefined;
  /** Sub-protocols to offer, best first; by default all this player speaks. */
  protocols?: string[];
}

/** Connects. Rejects with SourceError. */
export async function connect(options: ConnectOptions): Promise<Session> {
  if (typeof WebTransport !== "function") {
    throw new SourceError("no-webtransport", "this browser has no WebTransport, or the page is not served from a secure origin");
  }
  const { url, signal, token } = options;
  const { host } = new URL(url);
  const carrier: Carrier = new WebTransport(url, {
    protocols: options.protocols ?? VERSIONS.map(alpn),
    ...(options.certificateHashes.length > 0 ? { serverCertificateHashes: options.certificateHashes.map(hashOf) } : {}),
  });
  carrier.closed.catch(ignore);
  const never = new Promise<SourceError>(() => {});
  const late = new SourceError("unreachable", `${host} did not answer over UDP in ${CONNECT_TIMEOUT / 1000} s: UDP may be blocked`);
  try {
    await within(carrier.ready, { closed: never, milliseconds: CONNECT_TIMEOUT, late, signal });
  } catch (error) {
    // Closing a connection that was not made yet only gives it up.
    carrier.close({ closeCode: SessionErrorCode.NO_ERROR, reason: "" });
    throw error instanceof SourceError ? error : unreachable(host, error);
  }
  const version = versionFromAlpn(carrier.protocol ?? "");
  if (version === undefined) {
    carrier.close({ closeCode: SessionErrorCode.VERSION_NEGOTIATION_FAILED, reason: "no common version" });
    const offered = VERSIONS.map(alpn).join(", ");
    throw new SourceError("protocol", `the server at ${host} chose ${carrier.protocol || "no version"} where ${offered} were offered`);
  }
  return Session.start(carrier, version, { token, host });
}

function unreachable(host: string, error: unknown): SourceError {
  const detail = error instanceof Error ? error.message : String(error);
  const causes = "nobody listens there, UDP is blocked, its certificate is not the one expected, or it refused this path or token";
  return new SourceError("unreachable", `no WebTransport connection to ${host} (${detail}): ${causes}`);
}

function hashOf(hex: string): WebTransportHash {
  const digits = hex.replaceAll(":", "");
  if (!/^[0-9a-f]{64}$/i.test(digits)) {
    throw new SourceError("unreachable", `the page's certificate hash is not 64 hexadecimal digits: ${hex}`);
  }
  return { algorithm: "sha-256", value: Uint8Array.from(digits.match(/../g) ?? [], (byte) => parseInt(byte, 16)) };
}
