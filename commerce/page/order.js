// One order with its whole history, as it goes on.

import { read, write } from "./api.js";
import { seen } from "./basket.js";
import { draw, h, say } from "./dom.js";
import { icon } from "./icons.js";
import { follow } from "./live.js";
import { badge, entrance, inWords, loading, moment, money, row, shopWord, stateWord, trouble, vatRows } from "./parts.js";
import { customer, watchSession } from "./session.js";
import { has, t } from "./words.js";

/** @import { Entry, Order, OrderSummary, Scope } from "./types" */
/** @import { Word } from "./words.js" */
/** @typedef {{ text: string, synthetic: boolean }} Advice */

const STEPS = ["placed", "held", "paid", "confirmed", "collecting", "shipping", "delivered"];
/** States from which nothing changes any more. */
const ENDS = ["delivered", "cancelled"];
/** States of a seller's part that can no longer be taken back. */
const SENT = ["dispatched", "received", "shipping", "delivered", "lost", "returned"];
/** Events that come together are one look at the order, in ms. */
const TOGETHER = 150;

/** @param {Scope} scope */
export function order(scope) {
  const path = `/reseller/orders/${encodeURIComponent(scope.rest)}`;
  /** @type {{ order: Order | undefined, failure: unknown, link: string, cancelling: unknown, advice: Map<string, Advice> }} */
  const state = { order: undefined, failure: undefined, link: "", cancelling: undefined, advice: new Map() };
  let looking = 0;
  const following = new AbortController();
  const ended = () => ENDS.includes(state.order?.state ?? "");

  async function load() {
    const before = state.order?.state;
    try {
      state.order = await read(path, { signal: scope.signal });
      state.failure = undefined;
    } catch (error) {
      if (scope.signal.aborted) return;
      state.failure = error;
    }
    if (state.order !== undefined && before !== undefined && before !== state.order.state) say(stateWord(state.order.state));
    // The stream of an order has no end of its own.
    if (ended()) following.abort();
    show();
    advice();
  }

  /** What the pharmacist said is the pharmacy's, and is read there once it was said. */
  async function advice() {
    if (!state.order?.history.some(({ step }) => step === "advised")) return;
    for (const { shop, id } of state.order.sub_orders) {
      if (shop !== "pharmacy" || id === undefined || state.advice.has(id)) continue;
      const given = await read(`/pharmacy/orders/${id}/advice`, { signal: scope.signal }).catch(() => undefined);
      if (given !== undefined) state.advice.set(id, given);
    }
    if (!scope.signal.aborted) show();
  }

  async function cancel() {
    try {
      await write(`${path}/cancel`, { reason: "customer" }, { signal: scope.signal });
      state.cancelling = undefined;
      await load();
    } catch (error) {
      if (scope.signal.aborted) return;
      state.cancelling = error;
      show();
    }
  }

  function show() {
    const { order, failure } = state;
    scope.title(t("order"));
    if (order === undefined) {
      draw(scope.place, h("h1", { tabindex: "-1" }, t("order")), failure === undefined ? loading(t("loading")) : trouble(failure, load));
      return;
    }
    draw(
      scope.place,
      h("div", { class: "heading" }, h("h1", { tabindex: "-1" }, t("order")), badge(order.state), order.partly_refunded && h("span", { class: "badge" }, t("partlyRefunded"))),
      h("p", { class: "quiet" }, t("number"), " ", h("code", { id: "order-number" }, order.id)),
      progress(order),
      failure !== undefined && trouble(failure, load),
      order.reason !== undefined && h("div", { class: "notice bad" }, h("p", null, t("why", { reason: order.reason }))),
      order.state === "waiting_advice" && h("div", { class: "notice" }, h("p", null, h("strong", null, t("adviceWaits"))), h("p", { class: "quiet" }, t("adviceWaitsAbout"))),
      h(
        "div",
        { class: "two" },
        h("div", { class: "stack" }, sellers(order, state.advice), parcels(order), costs(order)),
        h(
          "div",
          { class: "stack" },
          history(order.history, ended() ? "" : state.link),
          !ended() &&
            order.state !== "cancelling" &&
            !order.sub_orders.some(({ state }) => SENT.includes(state)) &&
            h("div", null, h("button", { type: "button", id: "cancel", onclick: cancel }, t("cancelOrder")), state.cancelling !== undefined && trouble(state.cancelling, undefined)),
        ),
      ),
    );
  }

  function live() {
    follow(`${path}/events`, {
      signal: AbortSignal.any([scope.signal, following.signal]),
      event: () => {
        clearTimeout(looking);
        looking = setTimeout(load, TOGETHER);
      },
      state: (link) => {
        state.link = link;
        show();
      },
      ended,
      refused: (failure) => {
        state.failure ??= failure;
        show();
      },
    });
  }

  if (customer() === undefined) {
    scope.title(t("order"));
    draw(scope.place, h("h1", { tabindex: "-1" }, t("order")), h("div", { class: "panel door" }, h("p", null, t("enterToSee")), entrance()));
    watchSession(() => order(scope), scope.signal);
    return;
  }
  show();
  load().then(live);
  // Who leaves by a link has seen it; a page that is loaded again has not.
  scope.signal.addEventListener("abort", () => seen(scope.rest));
}

/** @param {Order} order */
function progress({ state }) {
  if (state.startsWith("cancel")) return false;
  // Advice comes before a pharmacy keeps anything for good.
  const names = STEPS.map((name) => (name === "held" && state === "waiting_advice" ? state : name));
  return steps(names, names.indexOf(state), state === "delivered");
}

/**
 * Where something is on its way.
 * @param {string[]} names
 * @param {number} at
 * @param {boolean} ended
 */
export function steps(names, at, ended) {
  return h(
    "ol",
    { class: "steps" },
    ...names.map((name, index) =>
      h("li", { class: index < at || ended ? "done" : index === at ? "now" : "", "aria-current": index === at && "step" }, h("span", { class: "dot" }, (index < at || ended) && icon("tick")), h("span", null, stateWord(name))),
    ),
  );
}

/** @param {Order} order @param {Map<string, Advice>} advice */
function sellers({ sub_orders, lines }, advice) {
  return h(
    "section",
    { class: "panel", "aria-labelledby": "sellers-title" },
    h("h2", { id: "sellers-title" }, t("sellers")),
    h(
      "ul",
      { class: "rows tall" },
      ...sub_orders.map((part) =>
        h(
          "li",
          { key: `${part.shop}.${part.id}`, "data-shop": part.shop },
          h(
            "span",
            null,
            h("strong", null, part.seller),
            ...lines.filter(({ shop }) => shop === part.shop).map((line) => h("span", { class: "quiet" }, `${line.quantity} × ${line.name}`)),
            h("span", { class: "quiet" }, t("shipping"), " ", part.shipping.minor === 0 ? t("free") : money(part.shipping)),
            part.refunded !== undefined && h("span", { class: "quiet" }, t("refunded"), " ", money(part.refunded)),
            said(advice.get(part.id ?? "")),
          ),
          h("span", { class: "end" }, badge(part.state), h("span", { class: "amount" }, money(part.total))),
        ),
      ),
    ),
  );
}

/** @param {Advice | undefined} advice */
const said = (advice) =>
  advice !== undefined && h("blockquote", null, h("strong", null, t("adviceTitle"), advice.synthetic && ` (${t("madeUp")})`), h("p", null, advice.text));

/** @param {Order} order */
function parcels({ parcels }) {
  return h(
    "section",
    { class: "panel", "aria-labelledby": "parcels-title" },
    h("h2", { id: "parcels-title" }, t("parcels")),
    parcels.length === 0
      ? h("p", { class: "quiet" }, t("noParcels"))
      : h(
          "ul",
          { class: "rows" },
          ...parcels.map(({ number, state, what }) =>
            h("li", { key: number, "data-parcel": number }, icon("parcel"), h("span", null, h("a", { href: `#/track/${number}` }, number), h("span", { class: "quiet" }, shopWord(what))), badge(state)),
          ),
        ),
  );
}

/** @param {Order} order */
function costs({ total, vat, refunded }) {
  return h(
    "section",
    { class: "panel" },
    h("dl", { class: "sums" }, row(t("total"), money(total), "whole"), ...vatRows(vat), refunded.minor !== 0 && row(t("refunded"), money(refunded))),
  );
}

/** @param {Entry[]} entries @param {string} link */
function history(entries, link) {
  return h(
    "section",
    { class: "panel", "aria-labelledby": "history-title" },
    h("div", { class: "heading" }, h("h2", { id: "history-title" }, t("history")), linkMark(link)),
    h("ol", { class: "history" }, ...entries.toReversed().map(({ at, step, detail }) => h("li", null, h("strong", null, stepWord(step)), moment(at), detail !== undefined && detail !== "" && h("span", { class: "quiet" }, detail)))),
  );
}

/** @param {string} link */
export const linkMark = (link) => link !== "" && h("span", { class: `live ${link}` }, t(link === "live" ? "live" : "lost"));

/** @param {string} step */
const stepWord = (step) => (has(`step_${step}`) ? t(/** @type {Word} */ (`step_${step}`)) : stateWord(step));

/** @param {Scope} scope */
export function orders(scope) {
  /** @type {{ list: OrderSummary[] | undefined, next: string | null, failure: unknown }} */
  const state = { list: undefined, next: null, failure: undefined };

  /** @param {boolean} more */
  async function load(more) {
    if (customer() === undefined) return show();
    try {
      const { items, next } = await read(`/reseller/orders?limit=20${more && state.next !== null ? `&cursor=${encodeURIComponent(state.next)}` : ""}`, { signal: scope.signal });
      state.list = more ? [...(state.list ?? []), ...items] : items;
      state.next = next;
      state.failure = undefined;
    } catch (error) {
      if (scope.signal.aborted) return;
      state.failure = error;
      say(inWords(error).title);
    }
    show();
  }

  function list() {
    if (customer() === undefined) return h("div", { class: "panel door" }, h("p", null, t("enterToSee")), entrance());
    if (state.failure !== undefined) return trouble(state.failure, () => load(false));
    if (state.list === undefined) return loading(t("loading"));
    if (state.list.length === 0) return h("p", { class: "panel" }, t("noOrders"));
    return h(
      "ul",
      { class: "rows panel" },
      ...state.list.map((order) =>
        h(
          "li",
          { key: order.id },
          icon("orders"),
          h(
            "span",
            null,
            h("a", { href: `#/order/${order.id}` }, moment(order.created_at)),
            h("code", { class: "quiet" }, order.id),
          ),
          h("span", { class: "end" }, badge(order.state), h("span", { class: "amount" }, money(order.total))),
        ),
      ),
    );
  }

  function show() {
    scope.title(t("orders"));
    draw(scope.place, h("h1", { tabindex: "-1" }, t("orders")), list(), state.next !== null && h("button", { type: "button", class: "wide", onclick: () => load(true) }, t("showMore")));
  }

  watchSession(() => load(false), scope.signal);
  show();
  load(false);
}

