// Calls of the shops' interface, and what went wrong with them.

import { language } from "./words.js";
import { renew, token } from "./session.js";

/** @import { Problem, Role } from "./types" */

export const API = "/api/v1";

/** How long one call may take, in ms. */
const PATIENCE = 20_000;
/** Longest wait before another try that is made by itself, in ms. */
const LONGEST_WAIT = 10_000;
/** Tries of a read that the server is too busy for. */
const READ_TRIES = 3;

/** A call that did not do what it should. */
export class Failure extends Error {
  /** @param {Partial<Problem>} problem */
  constructor(problem) {
    super(problem.detail || problem.title || problem.type || "failed");
    /** The kind's word: `out-of-stock`; `offline` if there was no answer. */
    this.kind = (problem.type ?? "").replace("urn:efir:problem:", "");
    this.status = problem.status ?? 0;
    this.title = problem.title ?? "";
    this.detail = problem.detail ?? "";
    this.errors = problem.errors ?? [];
    /** ms; 0 = at once or never */
    this.wait = 1000 * (problem.retry_after ?? 0);
  }

  /** Whether the same may work later. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500 || this.kind === "idempotency-key-in-flight";
  }
}

/**
 * @typedef {object} Call
 * @property {string} [method]
 * @property {unknown} [body]
 * @property {Role | "nobody"} [as] whose token goes along; the customer's if there is one
 * @property {string} [key] Idempotency-Key; a new one for each POST without
 * @property {AbortSignal} [signal]
 * @property {Record<string, string>} [headers]
 * @property {boolean} [stream] the answer is wanted unread, and may take as long as it likes
 */

/**
 * @param {string} path below `/api/v1`
 * @param {Call} [call]
 * @returns {Promise<Response>}
 */
export async function ask(path, call = {}) {
  let response = await send(path, call);
  // A token may have run out: a new one, and once more.
  if (response.status === 401 && call.as !== "nobody" && (await renew(call.as ?? "customer"))) response = await send(path, call);
  if (response.ok) return response;
  const text = await response.text().catch(() => "");
  /** @type {Partial<Problem>} */
  let problem = {};
  try {
    problem = JSON.parse(text);
  } catch {
    // A proxy's answer, not ours.
  }
  const wait = Number(response.headers.get("retry-after")) || problem.retry_after || 0;
  throw new Failure({ ...problem, status: response.status, retry_after: wait });
}

/**
 * @param {string} path
 * @param {Call} call
 */
async function send(path, { method = "GET", body, as = "customer", key, signal, headers = {}, stream }) {
  /** @type {Record<string, string>} */
  const fields = { "accept-language": language(), accept: "application/json, application/problem+json", ...headers };
  const bearer = as === "nobody" ? undefined : await token(as);
  if (bearer !== undefined) fields["authorization"] = `Bearer ${bearer}`;
  if (body !== undefined) fields["content-type"] = "application/json";
  if (method === "POST") fields["idempotency-key"] = key ?? newKey();
  const signals = [signal, stream ? undefined : AbortSignal.timeout(PATIENCE)].filter((given) => given !== undefined);
  try {
    return await fetch(API + path, {
      method,
      headers: fields,
      signal: AbortSignal.any(signals),
      cache: "no-store",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Failure({ type: "offline" });
  }
}

/**
 * Reads; a busy server is asked again when it said so.
 * @param {string} path
 * @param {Call} [call]
 * @returns {Promise<any>}
 */
export async function read(path, call = {}) {
  for (let tried = 1; ; tried++) {
    try {
      return await (await ask(path, call)).json();
    } catch (error) {
      if (!(error instanceof Failure) || tried === READ_TRIES || error.wait === 0 || error.wait > LONGEST_WAIT) throw error;
      await pause(error.wait, call.signal);
    }
  }
}

/**
 * @param {string} path
 * @param {unknown} body
 * @param {Omit<Call, "body">} [call]
 * @returns {Promise<any>}
 */
export async function write(path, body, call = {}) {
  const response = await ask(path, { method: "POST", ...call, body });
  const text = await response.text();
  return text === "" ? null : JSON.parse(text);
}

/**
 * @param {number} ms
 * @param {AbortSignal} [signal]
 */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}

/** An Idempotency-Key. `randomUUID` is not there where the page comes over plain HTTP from another machine. */
export const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** @param {Record<string, string | number | undefined | null>} given */
export function query(given) {
  const set = Object.entries(given).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return set.length === 0 ? "" : `?${new URLSearchParams(set.map(([name, value]) => [name, String(value)]))}`;
}
