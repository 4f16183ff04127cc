// Prescriptions: the customer's own, and the demonstration's prescriber who writes them.

import { read, write } from "./api.js";
import { draw, h, say } from "./dom.js";
import { icon } from "./icons.js";
import { day, entrance, loading, trouble } from "./parts.js";
import { customer, watchSession } from "./session.js";
import * as shapes from "./shapes.js";
import { t } from "./words.js";

/** @import { Goods, Prescription, Scope } from "./types" */

/** Most packages that the demonstration's prescriber writes. */
const MOST_PACKAGES = 6;
/** Prescriptions looked through. */
const MOST = 200;
/** Medicines shown to choose from. */
const CHOICE = 6;
/** Wait for another letter, in ms. */
const TYPING = 150;

/**
 * @param {AbortSignal} signal
 * @returns {Promise<Prescription[]>}
 */
async function own(signal) {
  const { items } = await read(`/pharmacy/prescriptions?limit=${MOST}`, { signal });
  return items.map(shapes.prescription).reverse();
}

/**
 * A prescription of the customer's that serves. Every look at them is put on record, so it is asked for only when it is needed.
 * @param {Goods} goods
 * @param {AbortSignal} signal
 */
export async function prescriptionFor(goods, signal) {
  const fits = (await own(signal)).filter(({ open, vnr }) => open && vnr === goods.sku);
  return fits[0];
}

/**
 * Has the demonstration's prescriber write one.
 * @param {string} vnr
 * @param {number} packages
 * @param {AbortSignal} signal
 */
export async function prescribe(vnr, packages, signal) {
  const body = { patient: customer(), vnr, packages, dosage: t("demoDosage") };
  return shapes.prescription(await write("/pharmacy/prescriptions", body, { as: "prescriber", signal }));
}

/** @param {Scope} scope */
export function prescriptions(scope) {
  /** @type {{ own: Prescription[] | undefined, failure: unknown, found: Goods[], searched: boolean, asking: unknown }} */
  const state = { own: undefined, failure: undefined, found: [], searched: false, asking: undefined };
  let typing = 0;
  let packages = 2;

  async function load() {
    state.failure = undefined;
    try {
      state.own = customer() === undefined ? [] : await own(scope.signal);
    } catch (error) {
      if (scope.signal.aborted) return;
      state.failure = error;
    }
    show();
  }

  /** @param {string} text */
  function type(text) {
    clearTimeout(typing);
    typing = setTimeout(async () => {
      try {
        const { items } = await shapes.shelf("pharmacy", { q: text, cursor: null, limit: 4 * CHOICE }, (path) => read(path, { signal: scope.signal }));
        state.found = text === "" ? [] : items.filter(({ rx }) => rx).slice(0, CHOICE);
        state.searched = text !== "";
        state.asking = undefined;
        say(t("found", { count: state.found.length }));
      } catch (error) {
        if (scope.signal.aborted) return;
        state.asking = error;
      }
      show();
    }, TYPING);
  }

  /** @param {Goods} goods */
  async function wish(goods) {
    try {
      await prescribe(goods.sku, packages, scope.signal);
      say(t("rxWritten", { name: goods.name }));
      Object.assign(state, { found: [], searched: false, asking: undefined });
      await load();
    } catch (error) {
      if (scope.signal.aborted) return;
      state.asking = error;
      show();
    }
  }

  function form() {
    return h(
      "section",
      { class: "panel", "aria-labelledby": "ask-title" },
      h("h2", { id: "ask-title" }, t("rxAsk")),
      h("p", { class: "quiet" }, t("rxAskAbout")),
      h("label", { for: "rx-search" }, t("searchMedicines")),
      h("input", { id: "rx-search", type: "search", autocomplete: "off", spellcheck: "false", maxlength: "100", oninput: (/** @type {any} */ event) => type(event.target.value) }),
      state.searched && state.found.length === 0 && h("p", { class: "quiet" }, t("nothingFound")),
      state.found.length > 0 &&
        h(
          "ul",
          { class: "rows" },
          ...state.found.map((goods) =>
            h(
              "li",
              { key: goods.sku },
              h("span", null, h("strong", null, goods.name), h("span", { class: "quiet" }, goods.text)),
              h("button", { type: "button", onclick: () => wish(goods), "aria-label": `${t("rxAsk")}: ${goods.name}` }, t("rxWrite")),
            ),
          ),
        ),
      h("label", { for: "packages" }, t("packages")),
      h("input", { id: "packages", class: "short", type: "number", min: "1", max: String(MOST_PACKAGES), value: String(packages), onchange: (/** @type {any} */ event) => (packages = Math.min(Math.max(event.target.valueAsNumber || 1, 1), MOST_PACKAGES)) }),
      state.asking !== undefined && trouble(state.asking, undefined),
    );
  }

  function list() {
    if (state.failure !== undefined) return trouble(state.failure, load);
    if (state.own === undefined) return loading(t("loading"));
    if (state.own.length === 0) return h("p", { class: "quiet" }, t("rxNoneYet"));
    return h(
      "ul",
      { class: "rows" },
      ...state.own.map((given) =>
        h(
          "li",
          { key: given.id, class: given.open ? "" : "spent" },
          icon("rx"),
          h("span", null, h("strong", null, given.name), h("span", { class: "quiet" }, [given.dosage, t("validUntil", { day: day(given.until) })].filter(Boolean).join(" · "))),
          h("span", { class: `badge ${given.open ? "good" : ""}` }, t("left", { count: given.remaining, of: given.packages })),
        ),
      ),
    );
  }

  function show() {
    scope.title(t("prescriptions"));
    draw(
      scope.place,
      h("h1", { tabindex: "-1" }, t("prescriptions")),
      h("div", { class: "notice" }, h("p", null, h("strong", null, t("demoTitle"))), h("p", { class: "quiet" }, t("demoRx"))),
      customer() === undefined ? h("section", { class: "panel door" }, h("p", null, t("rxEnter")), entrance()) : h("div", { class: "two" }, h("section", { class: "panel" }, h("h2", null, t("rxYours")), list()), form()),
      h("section", { class: "panel logo-place" }, h("h2", null, t("logoTitle")), h("p", { class: "quiet" }, t("logoAbsent"))),
    );
  }

  watchSession(load, scope.signal);
  show();
  load();
}
