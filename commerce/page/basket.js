// The basket, kept until the tab is closed, and the order that is made of it, once.

import { Failure, newKey, pause, write } from "./api.js";
import { kept } from "./dom.js";

/** @import { BasketLine, Goods, Order, OrderBody } from "./types" */

/** Lines of one basket. */
const MAX_LINES = 40;
/** Pieces of one line, where the shop allows more. */
const MAX_QUANTITY = 99;
/** Wait between tries of an order that got no answer, in ms. */
const TRY_AGAIN = 2000;

const store = kept(sessionStorage, "efir-shop-basket");
/** The order under way: its key and body stay the same until there is an answer, across reloads. */
const placing = kept(sessionStorage, "efir-shop-placing");

/** @type {BasketLine[]} */
let held = store.read() ?? [];
/** @type {Set<() => void>} */
const watchers = new Set();

/** @param {() => void} watcher @param {AbortSignal} [signal] */
export function watchBasket(watcher, signal) {
  watchers.add(watcher);
  signal?.addEventListener("abort", () => watchers.delete(watcher));
}

export const lines = () => held;
export const pieces = () => held.reduce((sum, { quantity }) => sum + quantity, 0);

/** @param {{ shop: string, sku: string }} goods */
export const inBasket = ({ shop, sku }) => held.find((line) => line.shop === shop && line.sku === sku);

/**
 * Puts goods in. False if there is no room.
 * @param {Goods} goods
 * @param {{ id: string, remaining: number }} [prescription]
 */
export function put(goods, prescription) {
  if (inBasket(goods) !== undefined) return true;
  if (held.length >= MAX_LINES) return false;
  const { shop, sku, name, category, tint, price, rx } = goods;
  const bound = prescription === undefined ? {} : { prescription: prescription.id };
  const line = { shop, sku, name, category, tint, price, rx, quantity: 1, most: Math.min(goods.available, prescription?.remaining ?? MAX_QUANTITY, MAX_QUANTITY) };
  change([...held, { ...line, ...bound }]);
  return true;
}

/**
 * @param {{ shop: string, sku: string }} goods
 * @param {number} quantity none = out of the basket
 */
export function setQuantity(goods, quantity) {
  const line = inBasket(goods);
  if (line === undefined) return;
  const bounded = Math.min(quantity, Math.max(line.most, 1));
  change(bounded < 1 ? held.filter((other) => other !== line) : held.map((other) => (other === line ? { ...line, quantity: bounded } : other)));
}

/** @param {BasketLine[]} next */
function change(next) {
  held = next;
  store.write(next.length === 0 ? null : next);
  for (const watcher of watchers) watcher();
}

/** The order's body without address and payment: what a quote is made of. */
export function wanted() {
  return held.map(({ shop, sku, quantity, prescription }) => ({ shop, sku, quantity, ...(prescription === undefined ? {} : { prescription }) }));
}

/** Whether an order is under way. */
export const isPlacing = () => placing.read()?.key !== undefined;

/** An order that was placed and not seen yet: the page may have been loaded again at the very moment of the answer. @returns {string | undefined} */
export const unseen = () => placing.read()?.placed;

/** @param {string} id of an order that is seen */
export function seen(id) {
  if (unseen() === id) placing.write(null);
}

/** @type {Promise<Order> | undefined} */
let running;

/**
 * Places the order, or goes on with the one under way. However often it is called and the page loaded again, there is one order.
 * @param {OrderBody | undefined} body
 * @param {(wait: number) => void} waiting told before another try, in ms
 * @returns {Promise<Order>}
 */
export function place(body, waiting) {
  running ??= send(body, waiting).finally(() => (running = undefined));
  return running;
}

/**
 * @param {OrderBody | undefined} body
 * @param {(wait: number) => void} waiting
 */
async function send(body, waiting) {
  const under = isPlacing() ? placing.read() : { key: newKey(), body };
  placing.write(under);
  for (;;) {
    try {
      const order = await write("/reseller/orders", under.body, { key: under.key });
      placing.write({ placed: order.id });
      change([]);
      return order;
    } catch (error) {
      // Without an answer nobody knows whether the order is there: the same key asks again. Anything else is an answer.
      if (!(error instanceof Failure) || !error.passing) {
        placing.write(null);
        throw error;
      }
      const wait = error.wait || TRY_AGAIN;
      waiting(wait);
      await pause(wait);
    }
  }
}
