// Links that carry what is open: `#live/demo?latency=500,live/other`. Pure.

import { MAX_PLAYERS } from "./limit.ts";

/** One player as a link has it. */
export interface Opened {
  /** Fields between slashes. */
  name: string;
  /** ms, or empty for as live as possible. */
  latency: string;
  rendition: string;
  token: string;
  /** The chart is open. */
  stats: boolean;
}

export function parseLink(hash: string): Opened[] {
  const opened = new Map<string, Opened>();
  for (const part of hash.replace(/^#/, "").split(",")) {
    const cut = part.indexOf("?");
    const path = cut === -1 ? part : part.slice(0, cut);
    const name = path.split("/").filter((field) => field !== "").map(decode).join("/");
    if (name === "" || opened.size >= MAX_PLAYERS) continue;
    const query = new URLSearchParams(cut === -1 ? "" : part.slice(cut + 1));
    const latency = query.get("latency") ?? "";
    opened.set(name, {
      name,
      latency: /^\d+$/.test(latency) && latency !== "0" ? latency : "",
      rendition: query.get("rendition") ?? "",
      token: query.get("token") ?? "",
      stats: query.has("stats"),
    });
  }
  return [...opened.values()];
}

export function formatLink(opened: readonly Opened[]): string {
  const parts = opened.map(({ name, latency, rendition, token, stats }) => {
    const query = new URLSearchParams();
    if (latency !== "") query.set("latency", latency);
    if (rendition !== "") query.set("rendition", rendition);
    if (stats) query.set("stats", "1");
    if (token !== "") query.set("token", token);
    const text = query.toString();
    return pathOf(name) + (text === "" ? "" : `?${text}`);
  });
  return parts.length === 0 ? "" : `#${parts.join(",")}`;
}

/** A name as the path of a URL, without a slash at its beginning. */
export function pathOf(name: string): string {
  return name.split("/").map(encodeURIComponent).join("/");
}

function decode(field: string): string {
  try {
    return decodeURIComponent(field);
  } catch {
    return field;
  }
}
