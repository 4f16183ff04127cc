// The basket: what is in it, what it costs, and the one order that is made of it.

import { Failure, write } from "./api.js";
import { isPlacing, lines, place, setQuantity, unseen, wanted, watchBasket } from "./basket.js";
import { SHOPS } from "./browse.js";
import { draw, h, kept, say } from "./dom.js";
import { icon } from "./icons.js";
import { emblem, entrance, loading, money, row, shopWord, stepper, trouble, vatRows } from "./parts.js";
import { customer, watchSession } from "./session.js";
import * as shapes from "./shapes.js";
import { t } from "./words.js";

/** @import { Address, BasketLine, Quote, Scope } from "./types" */

/** Wait for another change before the price is asked for, in ms. */
const CHANGING = 200;

const addressKept = kept(sessionStorage, "efir-shop-address");
/** @type {Address} nobody's: the name and the house do not exist */
let address = addressKept.read() ?? { name: "Demo Customer", street: "Esimerkkikatu 1 A 2", postcode: "00100", city: "Helsinki", country: "FI" };
/** What the demonstration's payment provider takes, and what it refuses. */
const CARDS = { good: "demo-card", bad: "demo-refused" };
let card = CARDS.good;

const FIELDS = /** @type {const} */ ([
  ["name", "name", "100"],
  ["street", "street-address", "200"],
  ["postcode", "postal-code", "12"],
  ["city", "address-level2", "100"],
]);

/** @param {Scope} scope */
export function checkout(scope) {
  /** @type {{ quote: Quote | undefined, failure: unknown, refused: unknown, busy: string, quoting: boolean }} */
  const state = { quote: undefined, failure: undefined, refused: undefined, busy: "", quoting: false };
  let asked = new AbortController();
  let changing = 0;

  function price() {
    clearTimeout(changing);
    state.quoting = lines().length > 0 && customer() !== undefined;
    show();
    if (state.quoting) changing = setTimeout(quote, CHANGING);
  }

  async function quote() {
    asked.abort();
    asked = new AbortController();
    const signal = AbortSignal.any([asked.signal, scope.signal]);
    try {
      state.quote = shapes.quote(await write("/reseller/quotes", { lines: wanted(), deliver_to: address }, { signal }));
      state.failure = undefined;
    } catch (error) {
      if (signal.aborted) return;
      state.quote = undefined;
      state.failure = error;
    }
    state.quoting = false;
    show();
  }

  async function order() {
    if (state.busy !== "") return;
    state.busy = t("placing");
    state.refused = undefined;
    show();
    say(t("placing"));
    const body = { lines: wanted(), deliver_to: address, payment: { method: /** @type {const} */ ("demo-card"), token: card }, ...(state.quote && { agreed: state.quote.total }) };
    try {
      const placed = await place(body, (wait) => {
        state.busy = t("placingAgain", { seconds: Math.ceil(wait / 1000) });
        show();
      });
      if (!scope.signal.aborted) location.hash = `#/order/${placed.id}`;
    } catch (error) {
      state.busy = "";
      state.refused = error;
      if (!scope.signal.aborted) price();
    }
  }

  /** @param {BasketLine} line @param {number} index */
  function item(line, index) {
    const wrong = [state.refused, state.failure].flatMap((error) => (error instanceof Failure ? error.errors : [])).find(({ pointer }) => pointer.startsWith(`/lines/${index}/`) || pointer === `/lines/${index}`);
    const missing = state.quote?.short.get(index);
    const price = state.quote?.totals.get(index) ?? (line.price && { ...line.price, minor: line.price.minor * line.quantity });
    return h(
      "li",
      { key: `${line.shop}.${line.sku}`, class: "item" },
      emblem(line),
      h(
        "div",
        { class: "about" },
        h("strong", null, line.name),
        h("span", { class: "quiet" }, shopWord(line.shop), line.prescription !== undefined && ` · ${t("onPrescription")}`),
        wrong !== undefined && h("span", { class: "note bad", role: "alert" }, wrong.detail),
        missing !== undefined && h("span", { class: "note bad", role: "alert" }, t("missing", { count: missing })),
      ),
      stepper(line.name, line.quantity, line.most, (value) => setQuantity(line, value)),
      h("span", { class: "amount" }, price && money(price)),
      h("button", { type: "button", class: "icon plain", "aria-label": t("remove", { name: line.name }), onclick: () => (setQuantity(line, 0), say(t("removed", { name: line.name }))) }, icon("remove")),
    );
  }

  function deliver() {
    return h(
      "fieldset",
      { class: "panel" },
      h("legend", null, t("deliverTo")),
      h("p", { class: "quiet" }, t("demoAddress")),
      ...FIELDS.map(([name, complete, length]) =>
        h(
          "label",
          { class: `field ${name}` },
          h("span", null, t(`field_${name}`)),
          h("input", {
            id: `address-${name}`,
            autocomplete: complete,
            maxlength: length,
            required: true,
            value: address[name],
            ...(name === "postcode" ? { inputmode: "numeric", pattern: "[0-9]{5}" } : {}),
            oninput: (/** @type {any} */ event) => addressKept.write((address = { ...address, [name]: event.target.value })),
            onchange: price,
          }),
        ),
      ),
    );
  }

  function pay() {
    const choice = (/** @type {string} */ value, /** @type {string} */ text) =>
      h("label", { class: "check" }, h("input", { type: "radio", name: "card", value, checked: card === value, onchange: () => (card = value) }), text);
    return h("fieldset", { class: "panel" }, h("legend", null, t("payment")), h("p", { class: "quiet" }, t("noRealPayment")), choice(CARDS.good, t("cardGood")), choice(CARDS.bad, t("cardBad")));
  }

  function sums() {
    if (customer() === undefined) return h("div", { class: "panel door" }, h("p", null, t("enterToOrder")), entrance());
    const { quote } = state;
    const isWhole = quote !== undefined && quote.short.size === 0;
    return h(
      "section",
      { class: "panel sums", "aria-labelledby": "sums-title", "aria-busy": String(state.quoting) },
      h("h2", { id: "sums-title" }, t("total")),
      quote !== undefined &&
        h(
          "dl",
          null,
          ...quote.parts.flatMap((part) => [
            row(part.seller, money(part.total), "seller"),
            row(t("shipping"), part.shipping.minor === 0 ? t("free") : money(part.shipping), "quiet"),
          ]),
          row(t("toPay"), money(quote.total), "whole"),
          ...vatRows(quote.vat),
        ),
      quote === undefined && state.quoting && loading(t("pricing")),
      quote !== undefined && !isWhole && h("p", { class: "note bad", role: "alert" }, t("fail_out-of-stock")),
      state.failure !== undefined && trouble(state.failure, quote === undefined ? price : undefined),
      h("button", { type: "submit", id: "place", class: "main wide", disabled: !isWhole || state.busy !== "" }, quote === undefined ? t("placeOrder") : t("placeOrderFor", { total: money(quote.total) })),
      h("p", { class: "quiet", role: "status" }, state.busy || t("demoShort")),
      state.refused !== undefined && trouble(state.refused, undefined),
    );
  }

  function show() {
    scope.title(t("basket"));
    if (lines().length === 0) {
      draw(
        scope.place,
        h("h1", { tabindex: "-1" }, t("basket")),
        state.busy !== ""
          ? loading(state.busy)
          : h("section", { class: "panel door" }, h("p", null, t("basketEmpty")), h("p", { class: "links" }, ...SHOPS.map((shop) => h("a", { href: `#/${shop}` }, shopWord(shop))))),
        state.refused !== undefined && trouble(state.refused, undefined),
      );
      return;
    }
    draw(
      scope.place,
      h("h1", { tabindex: "-1" }, t("basket")),
      h(
        "form",
        { class: "checkout", onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), order()) },
        h("div", { class: "stack" }, h("ul", { class: "panel items", "aria-label": t("basket") }, ...lines().map(item)), deliver(), pay()),
        h("div", { class: "aside" }, sums()),
      ),
    );
  }

  watchBasket(price, scope.signal);
  watchSession(price, scope.signal);
  price();
  // The page was loaded again in the middle of an order: on with it.
  if (isPlacing()) order();
  else if (unseen() !== undefined) location.replace(`#/order/${unseen()}`);
}
