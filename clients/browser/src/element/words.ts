// What is said over the picture: what is the matter, and what to do.

import type { Notice } from "../player/protocol.ts";
import type { SourceKind } from "../source/source.ts";

export type StateNotice = Extract<Notice, { type: "state" }>;

export interface Words {
  /** Empty = nothing is said. */
  title: string;
  advice: string;
  /** `busy` = something goes on by itself. */
  tone: "busy" | "note" | "error";
  /** The button under it. */
  action: "" | "Play" | "Try again";
}

/** What this browser has. */
export interface Abilities {
  isSecure: boolean;
  /** WebCodecs, or a way without them. */
  canPlay: boolean;
}

const SILENT: Words = { title: "", advice: "", tone: "note", action: "" };

/** `broadcast` is its name; `hasAddress` says whether there is anything to play. */
export function wordsFor(notice: StateNotice, broadcast: string, hasAddress = true): Words {
  switch (notice.state) {
    case "idle":
      if (!hasAddress) return { title: "No broadcast chosen", advice: "This player has no address (src) yet.", tone: "note", action: "" };
      return { title: "", advice: "", tone: "note", action: "Play" };
    case "paused":
      return { title: "Paused", advice: "Play goes on live.", tone: "note", action: "Play" };
    case "playing":
      return SILENT;
    case "waiting":
      return waiting(notice, broadcast);
    case "ended":
      return { title: "The broadcast is over", advice: "It begins again here if its sender comes back.", tone: "note", action: "" };
    case "connecting":
      return connecting(notice);
    case "failed":
      return failed(notice);
  }
}

function waiting({ code, message }: StateNotice, broadcast: string): Words {
  const advice = "It begins here by itself as soon as somebody sends it. No need to reload.";
  if (code === "not-found") return { title: `${broadcast} is not on the air`, advice, tone: "busy", action: "" };
  return { title: "Interrupted", advice: sentence(message), tone: "busy", action: "" };
}

function connecting({ code, message }: StateNotice): Words {
  const busy = { tone: "busy", action: "" } as const;
  switch (code) {
    case "":
      return { title: /lost/.test(message) ? "Connecting again" : "Connecting", advice: "", ...busy };
    case "closed":
      return { title: "Connecting again", advice: sentence(message), ...busy };
    case "busy":
      return { title: "The server is busy", advice: "It is asked again by itself in a moment.", ...busy };
    case "protocol":
      return { title: "The server does not understand this player", advice: sentence(message), ...busy };
    case "no-webtransport":
      return { title: "No WebTransport here", advice: sentence(message), ...busy };
    default:
      return { title: "The server cannot be reached", advice: `${sentence(short(message))} Trying again by itself.`, ...busy };
  }
}

function failed({ code, message }: StateNotice): Words {
  const error = { tone: "error", action: "Try again" } as const;
  switch (code) {
    case "unauthorized":
      return { title: "A valid token is needed", advice: "Ask whoever sent you the link for one with ?token=… in it.", ...error };
    case "no-webtransport":
      return { title: "No WebTransport here", advice: "Use a current Chrome, Edge or Firefox, or leave transport at auto to play over HTTP.", ...error };
    case "unsupported":
      return { title: "This browser cannot play it", advice: sentence(message), tone: "error", action: "" };
    case "redirect":
      return { title: "The servers send it nowhere", advice: sentence(message), ...error };
    case "decode":
      return { title: "The picture cannot be decoded", advice: sentence(message), ...error };
    default:
      return { title: "It cannot be played", advice: sentence(message), ...error };
  }
}

/** Without the browser's own words and what HTTP said: a phone's picture has room for three lines. Programs have all of it. */
function short(message: string): string {
  return message.replace(/ \([^)]*\)/, "").replace(/; HTTP: .*/s, "; HTTP does not work either");
}

/** Begins with a capital and ends with a full stop. */
function sentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$|^$/.test(whole) ? whole : `${whole}.`;
}

/** Why nothing can be played here at all; undefined when it can. */
export function obstacle({ isSecure, canPlay }: Abilities): StateNotice | undefined {
  if (canPlay) return undefined;
  const message = isSecure
    ? "It has no WebCodecs. Use a current Chrome, Edge, Firefox or Safari."
    : "The page came over plain http from another machine, where browsers switch WebTransport and WebCodecs off. Open it over https, or on localhost.";
  return { type: "state", state: "failed", message, code: "unsupported" };
}

/** A word about the way the picture comes; empty for the ordinary one. */
export function sourceNote(kind: SourceKind, reason: string): string {
  if (kind !== "http" || reason === "asked for") return "";
  const missing = /has no (WebTransport|WebCodecs)/i.exec(reason)?.[1];
  if (missing !== undefined) return `Over HTTP because this browser has no ${missing}.`;
  const why = /UDP/.test(reason) ? "UDP seems blocked" : "WebTransport does not connect";
  return `Over HTTP, with more delay, because ${why}. WebTransport is tried again by itself.`;
}
