// From the shops' answers to what the page shows.

import { query } from "./api.js";
import { t } from "./words.js";

/** @import { Goods, Prescription, Quote, Shop } from "./types" */

/**
 * Goods of the furniture shop or the grocery: the reseller's offer, and what the shop itself says of them.
 * @param {any} offer
 * @param {any} [told]
 * @returns {Goods}
 */
function goods(offer, told = {}) {
  const { promotion = {}, was } = told;
  const isPromoted = was !== undefined || told.promotion !== undefined;
  return {
    shop: offer.shop,
    sku: offer.sku,
    name: offer.name,
    text: told.description ?? "",
    category: offer.category,
    tint: told.attributes?.colour,
    price: offer.price,
    promoted: isPromoted,
    own: isPromoted ? told.price : undefined,
    lowest: was,
    until: promotion.ends_at,
    limit: promotion.per_customer,
    available: offer.available,
    restricted: offer.restricted,
    cold: offer.cold_chain,
    rx: false,
  };
}

/**
 * A medicine, which is the pharmacy's to sell.
 * @param {any} given
 * @returns {Goods}
 */
function medicine(given) {
  return {
    shop: "pharmacy",
    sku: given.vnr,
    name: given.name,
    // A pack that is a bare number counts pieces.
    text: [given.substance, given.form, given.strength, /^\d+$/.test(given.pack) ? t("pieces", { count: given.pack }) : given.pack].filter(Boolean).join(" · "),
    category: given.form,
    tint: undefined,
    price: given.price,
    promoted: false,
    own: undefined,
    lowest: undefined,
    until: undefined,
    limit: undefined,
    available: given.available,
    restricted: false,
    cold: given.cold_chain,
    rx: given.status === "R",
  };
}

/**
 * @param {any} given
 * @returns {Prescription}
 */
export function prescription(given) {
  const { id, vnr, packages, remaining, dosage } = given;
  const isTime = [given.valid_from, given.next_at ?? given.valid_from].every((at) => Date.parse(at) <= Date.now());
  const open = remaining > 0 && given.state !== "cancelled" && given.held_by === undefined && isTime && Date.parse(given.valid_until) > Date.now();
  return { id, vnr, name: given.medicine, packages, remaining, dosage, until: given.valid_until, open };
}

/**
 * @param {any} given
 * @returns {Quote}
 */
export function quote(given) {
  const { lines, shipping, short, vat, total } = given;
  const parts = shipping.map((/** @type {any} */ fee) => {
    const own = lines.filter((/** @type {any} */ line) => line.shop === fee.shop);
    const sum = own.reduce((/** @type {number} */ sum, /** @type {any} */ line) => sum + line.total.minor, 0);
    return { seller: fee.seller, shop: fee.shop, total: { ...fee.amount, minor: sum }, shipping: fee.amount };
  });
  /** @type {Quote["totals"]} a line may come in several pieces */
  const totals = new Map();
  for (const { line, total } of lines) totals.set(line, { ...total, minor: total.minor + (totals.get(line)?.minor ?? 0) });
  return { parts, totals, short: new Map(short.map((/** @type {any} */ lack) => [lack.line, lack.missing])), vat, total };
}

/** What `read` of api.js does. @typedef {(path: string) => Promise<any>} Read */

/**
 * A page of a shop's goods. The reseller knows the prices, the shop the words and promotions: both are asked for the same page.
 * @param {Shop} shop
 * @param {{ q: string, cursor: string | null, limit: number }} wish
 * @param {Read} read
 * @returns {Promise<{ items: Goods[], next: string | null, soon?: boolean }>} `soon`: the shop has goods that the reseller is yet to hear of
 */
export async function shelf(shop, wish, read) {
  if (shop === "pharmacy") {
    const { items, next } = await read(`/pharmacy/medicines${query(wish)}`);
    return { items: items.map(medicine), next };
  }
  const [offersAt, wordsAt] = (wish.cursor ?? "|").split("|");
  const [offers, words] = await Promise.all([
    read(`/reseller/offers${query({ ...wish, shop, cursor: offersAt })}`),
    wish.cursor !== null && wordsAt === "" ? { items: [], next: null } : read(`/${shop}/products${query({ ...wish, cursor: wordsAt })}`),
  ]);
  for (const told of words.items) known.set(`${shop}.${told.sku}`, told);
  const items = offers.items.map((/** @type {any} */ offer) => goods(offer, known.get(`${shop}.${offer.sku}`)));
  return { items, next: offers.next === null ? null : `${offers.next}|${words.next ?? ""}`, soon: items.length === 0 && words.items.length > 0 };
}

/**
 * Promotions that hold now: what they are called and the goods they are of.
 * @param {Read} read
 * @param {string} language
 * @returns {Promise<{ name: string, sku: string }[]>}
 */
export async function promotions(read, language) {
  const { items } = await read("/grocery/promotions?limit=12");
  return items.map((/** @type {any} */ { name, sku }) => ({ name: name[language] ?? name.en, sku }));
}

/** What the shops have told of their goods so far, in the language of the last answer. @type {Map<string, any>} */
const known = new Map();

/**
 * Pharmacies that have a medicine, and how much.
 * @param {any} answer
 * @returns {{ name: string, available: number }[]}
 */
export const places = (answer) => answer[0]?.pharmacies ?? [];
