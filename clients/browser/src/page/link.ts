// The part of the page's address behind `#`: which broadcasts play, and how. Pure.
//
//   link      = broadcast *( "+" broadcast )
//   broadcast = field *( "/" field ) [ "?" option *( "&" option ) ]
//   option    = "latency=" ms | "stats=1" | "rendition=" name
//
// Fields and names are percent-encoded, so that none contains a separator: #live/demo?latency=500&stats=1+live/stage

import { LATENCY_MS, PLAYERS } from "./limit.ts";

/** One player as a link describes it. */
export interface Shown {
  namespace: readonly string[];
  /** ms; undefined = the player's own choice. */
  latency?: number;
  stats?: boolean;
  /** By name; undefined = chosen automatically. */
  rendition?: string;
}

/** A name that tells broadcasts apart, and is a path. */
export function pathOf(namespace: readonly string[]): string {
  return namespace.map(encodeField).join("/");
}

/** For people: decoded. */
export function titleOf(namespace: readonly string[]): string {
  return namespace.join("/");
}

/** Reads `location.hash`; what is not understood is left out, and so is a broadcast's second mention. */
export function parseLink(hash: string): Shown[] {
  const shown = new Map<string, Shown>();
  for (const part of hash.replace(/^#/, "").split("+")) {
    const one = parseOne(part);
    if (one === undefined || shown.has(pathOf(one.namespace))) continue;
    if (shown.size === PLAYERS) break;
    shown.set(pathOf(one.namespace), one);
  }
  return [...shown.values()];
}

/** The other way; empty for no broadcast, else beginning with `#`. */
export function formatLink(shown: readonly Shown[]): string {
  return shown.length === 0 ? "" : `#${shown.map(formatOne).join("+")}`;
}

/** Reads a namespace as a person types it, or as a path. */
export function parseNamespace(text: string): string[] {
  return text.split("/").filter((field) => field !== "").map(decodeField);
}

function parseOne(part: string): Shown | undefined {
  const mark = part.indexOf("?");
  const namespace = parseNamespace(mark < 0 ? part : part.slice(0, mark));
  if (namespace.length === 0) return undefined;
  const shown: Shown = { namespace };
  for (const option of mark < 0 ? [] : part.slice(mark + 1).split("&")) {
    const [name = "", ...rest] = option.split("=");
    const value = decodeField(rest.join("="));
    if (name === "latency" && /^\d{1,6}$/.test(value)) shown.latency = Math.min(LATENCY_MS, Number(value));
    if (name === "latency" && value === "live") shown.latency = 0;
    if (name === "stats" && value === "1") shown.stats = true;
    if (name === "rendition" && value !== "") shown.rendition = value;
  }
  return shown;
}

function formatOne({ namespace, latency, stats, rendition }: Shown): string {
  const options = [];
  if (latency !== undefined) options.push(`latency=${Math.round(latency)}`);
  if (stats) options.push("stats=1");
  if (rendition !== undefined && rendition !== "") options.push(`rendition=${encodeField(rendition)}`);
  return pathOf(namespace) + (options.length > 0 ? `?${options.join("&")}` : "");
}

/** As encodeURIComponent; a lone surrogate, which no name can carry, becomes the replacement character. */
function encodeField(field: string): string {
  return encodeURIComponent(new TextDecoder().decode(new TextEncoder().encode(field)));
}

/** A percent sign that begins no character stands for itself. */
function decodeField(field: string): string {
  try {
    return decodeURIComponent(field);
  } catch {
    return field;
  }
}
