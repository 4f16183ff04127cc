// Who is at the page: demo tokens, kept until the tab is closed.

import { kept } from "./dom.js";
import { API, Failure, newKey } from "./api.js";

/** @import { Role } from "./types" */
/** @typedef {{ token: string, subject: string, until: number }} Pass */

/** A token this close to its end is renewed, in ms. */
const MARGIN = 60_000;

const tokens = kept(sessionStorage, "efir-shop-tokens");
/** The customer's name outlives the tab, so that the orders are found again. */
const name = kept(localStorage, "efir-shop-name");

/** @type {Partial<Record<Role, Pass>>} */
let passes = tokens.read() ?? {};
/** @type {Map<Role, Promise<Pass>>} */
const asked = new Map();
/** @type {Set<() => void>} */
const watchers = new Set();

/**
 * @param {() => void} watcher called when somebody comes or goes
 * @param {AbortSignal} [signal]
 */
export function watchSession(watcher, signal) {
  watchers.add(watcher);
  signal?.addEventListener("abort", () => watchers.delete(watcher));
}

/** The customer's name, if one is here. */
export function customer() {
  return passes.customer?.subject;
}

/**
 * A token of the role. The customer has to have come in; staff of the demonstration come when called.
 * @param {Role} role
 * @returns {Promise<string | undefined>}
 */
export async function token(role) {
  const pass = passes[role];
  if (pass !== undefined && pass.until > Date.now() + MARGIN) return pass.token;
  if (role === "customer" && pass === undefined) return undefined;
  return (await enter(role)).token;
}

/**
 * Gets a token anew, if there was one.
 * @param {Role} role
 */
export async function renew(role) {
  if (passes[role] === undefined) return false;
  await enter(role);
  return true;
}

/**
 * Comes in.
 * @param {Role} role
 */
export async function enter(role) {
  const running = asked.get(role) ?? fetchPass(role);
  asked.set(role, running);
  try {
    const pass = await running;
    passes = { ...passes, [role]: pass };
    tokens.write(passes);
    if (role === "customer") {
      name.write(pass.subject);
      for (const watcher of watchers) watcher();
    }
    return pass;
  } finally {
    asked.delete(role);
  }
}

/** Everybody leaves; another customer can come in. */
export function leave() {
  passes = {};
  tokens.write(null);
  name.write(null);
  for (const watcher of watchers) watcher();
}

/**
 * @param {Role} role
 * @returns {Promise<Pass>}
 */
async function fetchPass(role) {
  const known = role === "customer" ? (passes.customer?.subject ?? name.read()) : null;
  const body = JSON.stringify(known === null ? { role } : { role, subject: known });
  const headers = { "content-type": "application/json", "idempotency-key": newKey() };
  const response = await fetch(`${API}/demo/token`, { method: "POST", headers, body }).catch(() => {
    throw new Failure({ type: "offline" });
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    // Without demo tokens there is no such address.
    const type = response.status === 404 ? "no-demo" : answer.type;
    throw new Failure({ ...answer, type, status: response.status, retry_after: Number(response.headers.get("retry-after")) });
  }
  return { token: answer.token, subject: answer.subject, until: Date.now() + 1000 * answer.expires_in };
}
