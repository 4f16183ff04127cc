// One order with its whole history, as it goes on.

import { read, write } from "./api.js";
import { draw, h, say } from "./dom.js";
import { icon } from "./icons.js";
import { follow } from "./live.js";
import { badge, entrance, inWords, loading, moment, money, row, shopWord, stateWord, trouble, vatRows } from "./parts.js";
import { customer, watchSession } from "./session.js";
import { has, t } from "./words.js";

/** @import { Entry, Order, Scope } from "./types" */
/** @import { Word } from "./words.js" */

const STEPS = ["placed", "held", "paid", "confirmed", "collecting", "shipping", "delivered"];
/** States from which nothing changes any more. */
const ENDS = ["delivered", "cancelled"];
/** Events that come together are one look at the order, in ms. */
const TOGETHER = 150;

/** @param {Scope} scope */
export function order(scope) {
  const path = `/reseller/orders/${encodeURIComponent(scope.rest)}`;
  /** @type {{ order: Order | undefined, failure: unknown, link: string, cancelling: unknown, advice: Map<string, string> }} */
  const state = { order: undefined, failure: undefined, link: "", cancelling: undefined, advice: new Map() };
  let looking = 0;
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
    show();
    advice();
  }

  /** What the pharmacist said is the pharmacy's, and is read there. */
  async function advice() {
    for (const part of state.order?.sub_orders ?? []) {
      if (part.shop !== "pharmacy" || state.advice.has(part.id)) continue;
      const given = await read(`/pharmacy/orders/${part.id}`, { signal: scope.signal }).catch(() => undefined);
      const text = given?.advice?.text ?? given?.advice;
      if (typeof text === "string" && text !== "") state.advice.set(part.id, text);
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
            h("div", null, h("button", { type: "button", id: "cancel", onclick: cancel }, t("cancelOrder")), state.cancelling !== undefined && trouble(state.cancelling, undefined)),
        ),
      ),
    );
  }

  function live() {
    follow(`${path}/events`, {
      signal: scope.signal,
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
}

/** @param {Order} order */
function progress({ state }) {
  if (state.startsWith("cancel")) return false;
  return steps(STEPS, STEPS.indexOf(state === "waiting_advice" ? "held" : state), state === "delivered");
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

/** @param {Order} order @param {Map<string, string>} advice */
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
          { key: part.id, "data-shop": part.shop },
          h(
            "span",
            null,
            h("strong", null, part.seller),
            ...lines.filter(({ shop }) => shop === part.shop).map((line) => h("span", { class: "quiet" }, `${line.quantity} × ${line.name ?? line.sku}`)),
            advice.has(part.id) && h("blockquote", null, h("strong", null, t("adviceTitle")), h("p", null, advice.get(part.id))),
          ),
          h("span", { class: "end" }, badge(part.state), h("span", { class: "amount" }, money(part.total))),
        ),
      ),
    ),
  );
}

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
    h("dl", { class: "sums" }, row(t("total"), money(total), "whole"), ...vatRows(vat), refunded !== undefined && refunded.minor !== 0 && row(t("refunded"), money(refunded))),
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
  /** @type {{ list: Order[] | undefined, next: string | null, failure: unknown }} */
  const state = { list: undefined, next: null, failure: undefined };

  /** @param {boolean} more */
  async function load(more) {
    if (customer() === undefined) return show();
    try {
      const { items, next } = await read(`/reseller/orders?limit=20${more && state.next !== null ? `&cursor=${encodeURIComponent(state.next)}` : ""}`, { signal: scope.signal });
      state.list = more ? [...(state.list ?? []), ...items] : items;
      state.next = next ?? null;
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
            h("a", { href: `#/order/${order.id}` }, order.lines.map((line) => line.name ?? line.sku).join(", ")),
            h("span", { class: "quiet" }, created(order), " · ", order.sub_orders.map(({ seller }) => seller).join(", ")),
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

/** @param {Order} order */
function created({ created_at, history }) {
  const at = created_at ?? history[0]?.at;
  return at === undefined ? "" : moment(at);
}
