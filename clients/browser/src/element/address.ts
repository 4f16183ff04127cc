// What the element's attributes say, put into the worker's words. Pure.

import { MAX_HASHES, MAX_LATENCY_MS } from "./limit.ts";

/** A broadcast on a server, from `src`. */
export interface Address {
  /** `https://host:port`. */
  server: string;
  /** Path and query of the WebTransport request. */
  path: string;
  namespace: string[];
  token: string;
}

/** Reads `https://host:port/live/demo?token=x`; throws an Error in words for whoever wrote the attribute. */
export function parseAddress(src: string, token: string | null): Address {
  if (!URL.canParse(src)) throw new Error(`The address "${src}" is not whole. It looks like https://host:4443/live/demo.`);
  const url = new URL(src);
  if (url.protocol !== "https:") throw new Error(`The address "${src}" must begin with https://, because WebTransport is always encrypted.`);
  const fields = url.pathname.split("/").filter((field) => field !== "");
  if (fields.length === 0) throw new Error(`The address "${src}" names a server but no broadcast. It looks like ${url.origin}/live/demo.`);
  if (token) url.searchParams.set("token", token);
  return {
    server: url.origin,
    path: url.pathname + url.search,
    namespace: fields.map(decodeField),
    token: url.searchParams.get("token") ?? "",
  };
}

/** ms; `live`, nothing and nonsense are 0. */
export function parseLatency(value: string | null): number {
  const milliseconds = Number.parseFloat(value ?? "");
  return Number.isFinite(milliseconds) ? Math.min(MAX_LATENCY_MS, Math.max(0, milliseconds)) : 0;
}

/** 0…1; nothing and nonsense are 1. */
export function parseVolume(value: string | null): number {
  const volume = Number.parseFloat(value ?? "");
  return Number.isFinite(volume) ? Math.min(1, Math.max(0, volume)) : 1;
}

/** SHA-256 hashes in hex, in any text around them; colons between the bytes are taken. */
export function parseHashes(text: string | null): string[] {
  const hashes = (text ?? "").replaceAll(":", "").toLowerCase().match(/\b[0-9a-f]{64}\b/g) ?? [];
  return [...new Set(hashes)].slice(0, MAX_HASHES);
}

export function parseTransport(value: string | null): "auto" | "webtransport" | "http" {
  return value === "webtransport" || value === "http" ? value : "auto";
}

/** A percent sign that begins no character stands for itself. */
function decodeField(field: string): string {
  try {
    return decodeURIComponent(field);
  } catch {
    return field;
  }
}
