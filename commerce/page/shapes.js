// From the shops' answers to what the page shows.

import { query } from "./api.js";

/** @import { Goods, Prescription, Quote, Shop } from "./types" */

/**
 * A product of the furniture shop or the grocery.
 * @param {Shop} shop
 * @param {any} given
 * @returns {Goods}
 */
export function product(shop, given) {
  const promotion = given.promotion ?? {};
  return {
    shop,
    sku: given.sku,
    name: given.name,
    text: given.description ?? "",
    category: given.category ?? "",
    price: given.price,
    lowest: given.was,
    until: promotion.until ?? promotion.ends_at,
    limit: promotion.per_customer ?? promotion.limit,
    available: given.available,
    restricted: given.restricted === true || shop === "grocery",
    cold: given.cold_chain === true,
    rx: false,
    group: undefined,
  };
}

/**
 * A medicine.
 * @param {any} given
 * @param {string} language
 * @returns {Goods}
 */
export function medicine(given, language) {
  const pick = (/** @type {any} */ text) => (typeof text === "object" && text !== null ? (text[language] ?? text.en ?? "") : (text ?? ""));
  const of = [pick(given.substance), pick(given.form), given.strength, given.pack].filter(Boolean);
  return {
    shop: "pharmacy",
    sku: given.vnr ?? given.sku,
    name: given.name,
    text: of.join(" · "),
    category: typeof given.form === "object" ? (given.form?.en ?? "") : (given.form ?? ""),
    price: given.price,
    lowest: undefined,
    until: undefined,
    limit: undefined,
    available: given.available,
    restricted: false,
    cold: given.cold_chain === true,
    rx: given.status === "R",
    group: given.substitution_group,
  };
}

/**
 * @param {any} given
 * @returns {Prescription}
 */
export function prescription(given) {
  const open = given.remaining > 0 && given.supply !== "cancelled" && !given.held && Date.parse(given.valid_until) > Date.now();
  return {
    id: given.id,
    vnr: given.vnr,
    name: given.name ?? given.vnr,
    group: given.substitution_group,
    packages: given.packages,
    remaining: given.remaining,
    dosage: given.dosage ?? "",
    until: given.valid_until,
    open,
  };
}

/**
 * @param {any} given
 * @returns {Quote}
 */
export function quote(given) {
  return {
    parts: given.sub_orders.map((/** @type {any} */ part) => ({
      seller: part.seller,
      lines: part.lines ?? [],
      shipping: part.shipping,
      total: part.total,
    })),
    shipping: given.shipping,
    vat: given.vat ?? [],
    total: given.total,
  };
}

/** What `read` of api.js does. @typedef {(path: string) => Promise<any>} Read */

/**
 * A shop's goods.
 * @param {Shop} shop
 * @param {{ q: string, cursor: string | null, limit: number }} wish
 * @param {Read} read
 * @param {string} language
 * @returns {Promise<{ items: Goods[], next: string | null }>}
 */
export async function shelf(shop, wish, read, language) {
  const answer = await read(`/${shop}/${shop === "pharmacy" ? "medicines" : "products"}${query(wish)}`);
  const items = answer.items.map((/** @type {any} */ given) => (shop === "pharmacy" ? medicine(given, language) : product(shop, given)));
  return { items, next: answer.next };
}

/**
 * Pharmacies that have a medicine, and how much.
 * @param {any} answer
 * @returns {{ name: string, available: number }[]}
 */
export function places(answer) {
  return answer.items.map((/** @type {any} */ given) => ({ name: given.name, available: given.available }));
}
