// Server-sent events over fetch, because EventSource sends no token along.

import { Failure, ask, pause } from "./api.js";

/** @import { Role } from "./types" */

/** First wait before connecting again, in ms; doubled each time nothing came. */
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 15_000;
/** Without any sign of life for so long the connection counts as dead, in ms. */
const SILENCE = 60_000;
/** Characters of one event at most. */
const MAX_EVENT = 1 << 20;

/**
 * Follows a stream until `signal` ends it, across lost connections, from where it was.
 * @param {string} path
 * @param {{
 *   signal: AbortSignal,
 *   as?: Role | "nobody",
 *   event: (kind: string, data: any) => void,
 *   state: (state: "live" | "lost") => void,
 *   ended: () => boolean,
 *   refused: (failure: Failure) => void,
 * }} how once `ended` a stream that is over is not asked for again; `refused` ends it
 */
export async function follow(path, { signal, as, event, state, ended, refused }) {
  const place = { id: "", wait: FIRST_WAIT };
  let wait = FIRST_WAIT;
  while (!signal.aborted) {
    try {
      const headers = { accept: "text/event-stream", ...(place.id === "" ? {} : { "last-event-id": place.id }) };
      const response = await ask(path, { headers, signal, stream: true, ...(as === undefined ? {} : { as }) });
      state("live");
      if (await pump(response, place, event, signal)) wait = place.wait;
      if (ended()) return;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Failure && !error.passing) return refused(error);
      if (error instanceof Failure && error.wait > 0) wait = Math.max(wait, error.wait);
    }
    state("lost");
    await pause(wait * (0.75 + Math.random() / 2), signal).catch(() => {});
    wait = Math.min(2 * wait, LONGEST_WAIT);
  }
}

/**
 * Reads one connection to its end. True if something came.
 * @param {Response} response
 * @param {{ id: string, wait: number }} place
 * @param {(kind: string, data: any) => void} event
 * @param {AbortSignal} signal
 */
async function pump(response, place, event, signal) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let text = "";
  let came = false;
  try {
    for (;;) {
      /** @type {ReturnType<typeof setTimeout> | undefined} */
      let timer;
      const silent = new Promise((_, reject) => (timer = setTimeout(reject, SILENCE, new Error("silent"))));
      const { done, value } = await Promise.race([reader.read(), silent]).finally(() => clearTimeout(timer));
      if (done || signal.aborted) return came;
      text = (text + decoder.decode(value, { stream: true })).replace(/\r\n?/g, "\n");
      if (text.length > MAX_EVENT) return came;
      const blocks = text.split("\n\n");
      text = /** @type {string} */ (blocks.pop());
      for (const block of blocks) came = take(block, place, event) || came;
    }
  } catch {
    return came;
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * @param {string} block
 * @param {{ id: string, wait: number }} place
 * @param {(kind: string, data: any) => void} event
 */
function take(block, place, event) {
  let kind = "message";
  const data = [];
  for (const line of block.split("\n")) {
    const [, name, value = ""] = line.match(/^([^:]+)(?:: ?(.*))?$/) ?? [];
    if (name === "event") kind = value;
    else if (name === "data") data.push(value);
    else if (name === "id") place.id = value;
    else if (name === "retry" && Number(value) > 0) place.wait = Number(value);
  }
  if (data.length === 0) return false;
  let read;
  try {
    read = JSON.parse(data.join("\n"));
  } catch {
    return false;
  }
  event(kind, read);
  return true;
}
