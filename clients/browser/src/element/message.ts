// Words over the picture: what is the matter, and what a viewer can do about it. Pure.

import type { View } from "./view.ts";

export interface Message {
  title: string;
  text: string;
  /** A button that helps. */
  action: { label: string; does: "play" | "toggleMute" } | undefined;
  /** The player works on it by itself. */
  isBusy: boolean;
  /** Stays small, at the edge: there is a picture to see. */
  isSmall: boolean;
}

type Facts = Pick<View, "state" | "message" | "code" | "name" | "hasPicture">;

const RETRY = { label: "Try again", does: "play" } as const;

/** Undefined when the picture needs no words. */
export function describe(view: Facts): Message | undefined {
  const { state, message, name, hasPicture } = view;
  switch (state) {
    case "playing":
      return undefined;
    case "idle":
      if (name === "") return plain("No broadcast chosen", message || "This player has no address (attribute src) yet.");
      return { ...plain(name, ""), action: { label: "Play", does: "play" } };
    case "paused":
      return { ...plain("Paused", "Going on is live again."), action: { label: "Play", does: "play" } };
    case "connecting":
      return connecting(view);
    case "waiting":
      return { ...plain("Not on the air", message || `Nobody is sending ${name} now. It begins here by itself.`), isBusy: true };
    case "ended":
      return { ...plain("The broadcast is over", "It goes on here if the sender comes back."), isSmall: hasPicture };
    case "failed":
      return failed(view);
  }
}

function connecting({ code, message, hasPicture }: Facts): Message {
  if (code === "") return { ...plain("Connecting", hasPicture ? message : ""), isBusy: true, isSmall: hasPicture };
  const said = sentence(message);
  const busy = { isBusy: true, isSmall: hasPicture, action: undefined };
  switch (code) {
    case "unreachable":
      return {
        ...busy,
        title: "The server does not answer",
        text: `${said} Trying again. If this lasts: is the address right and the server up? Has its certificate expired? ` +
          "Does this network let UDP through?",
      };
    case "closed":
      return { ...busy, title: "The connection was lost", text: "Connecting again." };
    case "busy":
      return { ...busy, title: "The server is full", text: "Trying again in a moment." };
    case "no-webtransport":
      return { ...busy, title: "No WebTransport here", text: `${said} A current Chrome, Edge or Firefox has it.` };
    default:
      return { ...busy, title: "This does not work yet", text: `${said} Trying again.` };
  }
}

function failed({ code, message, name }: Facts): Message {
  const said = sentence(message);
  switch (code) {
    case "unauthorized":
      return {
        ...plain("No access", `${said} Ask whoever sends ${name} for a link with a token that is good for it.`),
        action: RETRY,
      };
    case "no-webtransport":
      return plain("No WebTransport here", `${said} Open this page in a current Chrome, Edge or Firefox, or let the player use HTTP.`);
    case "unsupported":
    case "decode":
      return { ...plain("This browser cannot show it", `${said} Try another rendition, or another browser.`), action: RETRY };
    case "protocol":
      return { ...plain("Player and server do not understand each other", `${said} One of them needs an update.`), action: RETRY };
    default:
      return { ...plain("This did not work", said), action: RETRY };
  }
}

/** One line at the picture's edge about the way it comes; empty when there is nothing to say. */
export function note({ state, source, sourceReason }: Pick<View, "state" | "source" | "sourceReason">): string {
  if (state !== "playing" || source !== "http" || sourceReason === "asked for") return "";
  if (/UDP/.test(sourceReason)) return "Over HTTP because UDP seems blocked; trying WebTransport again";
  if (/no WebTransport/i.test(sourceReason)) return "Over HTTP because this browser has no WebTransport";
  return "Over HTTP because WebTransport does not connect; trying it again";
}

function plain(title: string, text: string): Message {
  return { title, text, action: undefined, isBusy: false, isSmall: false };
}

function sentence(text: string): string {
  const trimmed = text.trim();
  if (trimmed === "") return "";
  const first = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
