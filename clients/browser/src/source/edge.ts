// Requests to a relay's HTTP edge, and what their answers mean.

import type { FullTrackName, Namespace } from "../moqt/name.ts";
import { ANSWER_MS } from "./limit.ts";
import { SourceError, type SourceErrorCode } from "./source.ts";

const CODES: Readonly<Record<number, SourceErrorCode>> = { 401: "unauthorized", 403: "unauthorized", 404: "not-found", 429: "busy" };
/** Bytes of an error's text that are read. */
const REASON_BYTES = 300;

export interface EdgeRequest {
  method?: "GET" | "HEAD";
  signal?: AbortSignal | undefined;
}

export class HttpEdge {
  /** `http(s)://host:port` */
  readonly base: string;
  readonly #token: string;

  /** The token travels in a header: addresses end up in logs. */
  constructor(base: string, token: string) {
    this.base = new URL(base).origin;
    this.#token = token;
  }

  /** Answered well. Rejects with {@link SourceError}; the signal also ends the body. */
  async request(path: string, { method = "GET", signal }: EdgeRequest = {}): Promise<Response> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), ANSWER_MS);
    try {
      const response = await fetch(this.base + path, {
        method,
        cache: "no-store",
        credentials: "omit",
        signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
        ...(this.#token === "" ? {} : { headers: { Authorization: `Bearer ${this.#token}` } }),
      });
      if (response.ok) return response;
      throw await this.#refusal(response);
    } catch (error) {
      if (error instanceof SourceError) throw error;
      if (signal?.aborted) throw new SourceError("closed", "given up");
      if (late.signal.aborted) throw this.#unanswered();
      throw new SourceError("unreachable", `no HTTP connection to ${this.base}: nobody listens there, or its certificate is not trusted`);
    } finally {
      clearTimeout(timer);
    }
  }

  async #refusal(response: Response): Promise<SourceError> {
    const { status, headers } = response;
    const text = (await response.text().catch(() => "")).trim().slice(0, REASON_BYTES);
    const code = CODES[status] ?? (status >= 500 ? "busy" : "protocol");
    const seconds = headers.get("retry-after");
    const later = seconds === null ? "" : ` (again in ${seconds} s)`;
    return new SourceError(code, `${this.base} answers ${status}: ${text || "no reason given"}${later}`);
  }

  #unanswered(): SourceError {
    const words = `${this.base} did not answer in ${ANSWER_MS / 1000} s`;
    if (!this.base.startsWith("http:")) return new SourceError("unreachable", words);
    return new SourceError("busy", `${words}: it is gone, or other players hold the six connections that a browser makes to one server`);
  }
}

/** `/tracks/…` of a track. */
export function trackPath({ namespace, name }: FullTrackName, what: "objects" | "latest" | "live"): string {
  return `/tracks/${[...namespace, name].map(pathField).join("/")}/${what}`;
}

/** Fields between slashes. */
export const prefixText = (namespace: Namespace): string => namespace.map(pathField).join("/");

function pathField(field: Uint8Array): string {
  return Array.from(field, (byte) => {
    const character = String.fromCharCode(byte);
    return /[\w.~-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}

/** Resolves after so long, or as soon as the signal aborts. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve(undefined);
    };
    const timer = setTimeout(done, signal.aborted ? 0 : milliseconds);
    signal.addEventListener("abort", done);
  });
}
