// The three shops' shelves.

import { read } from "./api.js";
import { inBasket, put, setQuantity, watchBasket } from "./basket.js";
import { draw, h, say } from "./dom.js";
import { icon } from "./icons.js";
import { day, emblem, entrance, loading, money, shopWord, stepper, trouble } from "./parts.js";
import { prescriptionFor, prescribe } from "./rx.js";
import { customer, watchSession } from "./session.js";
import * as shapes from "./shapes.js";
import { language, t } from "./words.js";

/** @import { Goods, Scope, Shop } from "./types" */

export const SHOPS = /** @type {const} */ (["furniture", "grocery", "pharmacy"]);

/** Wait for another letter, in ms. */
const TYPING = 120;
/** Wait before goods that are to come are asked for again, in ms. */
const SOON = 1500;
/** Goods asked for at a time. */
const PAGE = 24;

/** @type {Partial<Record<Shop, string>>} what was last searched for */
const searched = {};

/**
 * @param {Scope} scope
 * @param {Shop} shop
 */
export function browse(scope, shop) {
  /** @type {{ items: Goods[], next: string | null, failure: unknown, busy: boolean, chips: { name: string, sku: string }[], notes: Map<string, (() => Node) | undefined>, places: Map<string, () => Node> }} */
  const state = { items: [], next: null, failure: undefined, busy: true, chips: [], notes: new Map(), places: new Map() };
  let asked = new AbortController();
  let typing = 0;
  let coming = 0;

  /** @param {boolean} more the next page of the same */
  async function load(more) {
    asked.abort();
    if (isShut(shop)) {
      Object.assign(state, { items: [], next: null, chips: [], failure: undefined, busy: false });
      return show();
    }
    asked = new AbortController();
    const signal = AbortSignal.any([asked.signal, scope.signal]);
    state.busy = true;
    state.failure = undefined;
    show();
    try {
      const wish = { q: searched[shop] ?? "", cursor: more ? state.next : null, limit: PAGE };
      const found = await shapes.shelf(shop, wish, (path) => read(path, { signal }));
      state.items = more ? [...state.items, ...found.items] : found.items;
      state.next = found.next;
      clearTimeout(coming);
      if (found.soon) coming = setTimeout(() => scope.signal.aborted || load(false), SOON);
      if (shop === "grocery") state.chips = await shapes.promotions((path) => read(path, { signal }), language()).catch(() => []);
      say(t("found", { count: state.items.length }));
    } catch (error) {
      if (signal.aborted) return;
      if (!more) state.items = [];
      state.failure = error;
    }
    state.busy = false;
    show();
  }

  /** @param {string} text */
  function type(text) {
    searched[shop] = text;
    clearTimeout(typing);
    typing = setTimeout(() => load(false), TYPING);
  }

  /** @param {string} sku */
  function find(sku) {
    searched[shop] = sku;
    load(false);
  }

  /** @param {Goods} goods @param {() => Node} [note] made anew each time the page is drawn */
  function note(goods, note) {
    state.notes.set(goods.sku, note);
    show();
  }

  /** @param {Goods} goods */
  async function add(goods) {
    if (!goods.rx) {
      if (put(goods)) say(t("added", { name: goods.name }));
      else note(goods, () => h("p", { class: "note bad" }, t("basketFull")));
      return;
    }
    if (customer() === undefined) return note(goods, () => h("div", { class: "note" }, h("p", null, t("rxEnter")), entrance()));
    try {
      const found = await prescriptionFor(goods, scope.signal);
      if (found !== undefined) return take(goods, found);
      const wish = () => prescribe(goods.sku, 2, scope.signal).then((written) => take(goods, written), refuse(goods));
      note(goods, () => h("div", { class: "note" }, h("p", null, t("rxNone")), h("button", { type: "button", class: "main", onclick: wish }, t("rxAsk"))));
    } catch (error) {
      refuse(goods)(error);
    }
  }

  /** @param {Goods} goods */
  const refuse = (goods) => (/** @type {unknown} */ error) => scope.signal.aborted || note(goods, () => trouble(error, undefined));

  /** @param {Goods} goods @param {{ id: string, remaining: number }} found */
  function take(goods, found) {
    put(goods, found);
    note(goods, undefined);
    say(t("added", { name: goods.name }));
  }

  /** @param {Goods} goods */
  async function places(goods) {
    if (state.places.delete(goods.sku)) return show();
    state.places.set(goods.sku, () => loading(t("loading")));
    show();
    try {
      const answer = await read(`/pharmacy/availability?vnr=${goods.sku}`, { signal: scope.signal });
      state.places.set(goods.sku, () => placeList(answer));
    } catch (error) {
      state.places.set(goods.sku, () => trouble(error, undefined));
    }
    show();
  }

  /** @param {Goods} goods */
  function card(goods) {
    const { sku, name, text, rx, cold, restricted } = goods;
    const line = inBasket(goods);
    const soldOut = goods.available === 0;
    const control =
      line === undefined
        ? h("button", { type: "button", class: "main add", disabled: soldOut, "aria-label": t("addOf", { name }), onclick: () => add(goods) }, soldOut ? t("soldOut") : t("add"))
        : stepper(name, line.quantity, line.most, (value) => setQuantity(goods, value));
    return h(
      "li",
      { class: "card", key: sku, "data-sku": sku },
      emblem(goods),
      h(
        "div",
        { class: "about" },
        h("h2", null, name),
        text !== "" && h("p", { class: "quiet" }, text),
        h(
          "p",
          { class: "marks" },
          rx && h("span", { class: "badge wait" }, icon("rx"), t("rxMark")),
          shop === "pharmacy" && !rx && h("span", { class: "badge" }, t("selfCare")),
          restricted && h("span", { class: "badge" }, t("restricted")),
          cold && h("span", { class: "badge" }, t("cold")),
          goods.promoted && h("span", { class: "badge bad" }, t("promotion")),
        ),
      ),
      h("div", { class: "buy" }, price(goods), control, terms(goods)),
      stock(goods),
      shop === "pharmacy" &&
        h("button", { type: "button", class: "small", "aria-expanded": String(state.places.has(sku)), onclick: () => places(goods) }, t("whereInStock")),
      state.places.get(sku)?.(),
      state.notes.get(sku)?.(),
    );
  }

  function show() {
    scope.title(shopWord(shop));
    const count = state.busy ? t("loading") : t("found", { count: `${state.items.length}${state.next === null ? "" : "+"}` });
    draw(
      scope.place,
      h("h1", { class: "unseen", tabindex: "-1" }, shopWord(shop)),
      h(
        "div",
        { class: "shelf" },
        h("nav", { class: "tabs", "aria-label": t("shops") }, ...SHOPS.map((name) => h("a", { href: `#/${name}`, "aria-current": name === shop && "page" }, shopWord(name)))),
        h(
          "search",
          { class: "search" },
          icon("search"),
          h("input", {
            id: "search",
            type: "search",
            "aria-label": t(shop === "pharmacy" ? "searchMedicines" : "searchGoods"),
            placeholder: t(shop === "pharmacy" ? "searchMedicines" : "searchGoods"),
            autocomplete: "off",
            spellcheck: "false",
            maxlength: "100",
            value: searched[shop] ?? "",
            oninput: (/** @type {any} */ event) => type(event.target.value),
          }),
        ),
      ),
      h("p", { class: "quiet about-shop" }, t(`about_${shop}`), shop !== "pharmacy" && ` ${t("withService")}`),
      state.chips.length > 0 &&
        h("p", { class: "chips" }, h("span", { class: "quiet" }, t("promotions")), ...state.chips.map(({ name, sku }) => h("button", { type: "button", key: sku, class: "chip", onclick: () => find(sku) }, name))),
      isShut(shop) && door(),
      state.failure !== undefined && trouble(state.failure, () => load(false)),
      state.failure === undefined && !isShut(shop) && h("p", { class: "quiet found" }, count),
      h("ul", { class: "cards", "aria-busy": String(state.busy), "aria-label": shopWord(shop) }, ...state.items.map(card)),
      !state.busy && state.failure === undefined && !isShut(shop) && state.items.length === 0 && h("p", { class: "panel" }, t("nothingFound")),
      state.next !== null && h("button", { type: "button", class: "wide", disabled: state.busy, onclick: () => load(true) }, t("showMore")),
    );
  }

  watchBasket(show, scope.signal);
  watchSession(() => load(false), scope.signal);
  load(false);
}

/** The grocery shows nothing to strangers. @param {Shop} shop */
const isShut = (shop) => shop === "grocery" && customer() === undefined;

const door = () => h("div", { class: "panel door" }, h("h2", null, t("doorTitle")), h("p", { class: "quiet" }, t("door")), entrance());

/** @param {Goods} goods */
const price = ({ price, promoted }) => (price === undefined ? h("p", { class: "quiet" }, t("noPrice")) : h("strong", { class: `price ${promoted ? "cut" : ""}` }, money(price)));

/** What the law and the promotion have to say of the price. @param {Goods} goods */
function terms({ own, lowest, until, limit }) {
  const told = [
    own !== undefined && t("shopPrice", { price: money(own) }),
    lowest !== undefined && t("lowest", { price: money(lowest) }),
    until !== undefined && t("until", { day: day(until) }),
    limit !== undefined && t("perCustomer", { count: limit }),
  ].filter((text) => text !== false);
  return told.length > 0 && h("p", { class: "terms quiet" }, ...told.map((text) => h("span", null, text)));
}

/** Below this many pieces they are counted. */
const FEW = 10;

/** @param {Goods} goods */
function stock({ available }) {
  const [tone, text] =
    available === 0 ? ["bad", t("soldOutLong")] : available < FEW ? ["wait", t("fewLeft", { count: available })] : ["good", t("inStock")];
  return h("p", { class: `stock ${tone}` }, text);
}

/** @param {any} answer */
function placeList(answer) {
  const rows = shapes.places(answer);
  if (rows.length === 0) return h("p", { class: "note" }, t("nowhere"));
  return h(
    "ul",
    { class: "places" },
    ...rows.map(({ name, available }) => h("li", { class: available > 0 ? "good" : "bad" }, h("span", null, name), h("span", null, available > 0 ? t("pieces", { count: available }) : t("soldOut")))),
  );
}
