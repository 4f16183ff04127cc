// What went wrong, in words that say what to do.

import type { FailureCode } from "./protocol.ts";

export type SourceKind = "camera" | "screen" | "page";

/** A failure to get pictures or sound. */
export function captureWords(error: unknown, source: SourceKind, microphone: boolean): string {
  const name = error instanceof Error ? error.name : "";
  const what = source === "screen" ? "the screen" : microphone ? "camera and microphone" : "the camera";
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      if (source === "screen") return "The screen was not shared. Press Start again and choose a screen or window.";
      return `This page may not use ${what}. Allow it in the address bar, at the lock or camera sign, and press Start again.`;
    case "NotFoundError":
    case "OverconstrainedError":
      return microphone
        ? "No camera or no microphone was found. Connect one, or switch the microphone off."
        : "No camera was found. Connect one, or share the screen.";
    case "NotReadableError":
    case "AbortError":
      return `Another program uses ${what}, or the system refuses it. Close that program and press Start again.`;
    default:
      return `No picture from ${what}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The publisher could not begin or go on. `message` is what was found. */
export function failureWords(code: FailureCode, message: string, name: string): string {
  switch (code) {
    case "unauthorized":
      return "The server does not take this token. Put in the publish token of the server and press Start again.";
    case "taken":
      return `${name} is being sent by somebody else already. Choose another name.`;
    case "no-webtransport":
      return "This browser cannot send: it has no WebTransport, or the page does not come from https or localhost.";
    case "encoder":
      return `This browser cannot encode that: ${message}. Choose another codec or a smaller size.`;
    default:
      return message;
  }
}

/** Why it is connecting again. */
export function reconnectWords(code: FailureCode | "", message: string): string {
  if (code === "") return message;
  const cause = code === "unreachable" ? "The server cannot be reached" : "The connection was lost";
  return `${cause}; trying again by itself. (${message})`;
}

export function bits(perSecond: number): string {
  return perSecond >= 1_000_000 ? `${(perSecond / 1_000_000).toFixed(1)} Mb/s` : `${Math.round(perSecond / 1000)} kb/s`;
}

/** Of the letters that every shell takes as they are. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
