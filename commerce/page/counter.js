// Behind the counter: what the staff of the demonstration does. Plainly marked.

import { ask, read, write } from "./api.js";
import { draw, h, say } from "./dom.js";
import { badge, inWords, loading, picture, trouble } from "./parts.js";
import { t } from "./words.js";

/** @import { Role, Scope } from "./types" */

/** How often the lists are read anew, in ms. */
const LOOK_AGAIN = 4000;

/** States of a shipment in which it is still in the house. */
const OPEN = ["waiting", "reserved", "picking", "packed"];

/** The hand that each state of a shipment waits for. @type {Record<string, string>} */
const NEXT = { reserved: "pick", picking: "pack", packed: "ship" };

/** Faults that the page can switch, and what they are when on. @type {Record<string, object>} */
const FAULTS = {
  "payment.refused": {},
  "carrier.lost": {},
  "carrier.delay": {},
  "shop.slow": { delay_ms: 1500 },
  "event.doubled": {},
};

/** @typedef {{ list: any, failure: unknown, said: unknown }} Part */

/** @param {Scope} scope */
export function counter(scope) {
  /** @type {Record<"advice" | "shipments" | "faults", Part>} */
  const state = {
    advice: { list: undefined, failure: undefined, said: undefined },
    shipments: { list: undefined, failure: undefined, said: undefined },
    faults: { list: undefined, failure: undefined, said: undefined },
  };
  let bins = /** @type {string | undefined} */ (undefined);

  /** @param {keyof typeof state} name @param {string | string[]} path @param {Role} as */
  async function look(name, path, as) {
    try {
      const answers = await Promise.all([path].flat().map((one) => read(one, { as, signal: scope.signal })));
      state[name].list = typeof path === "string" ? answers[0] : answers.flatMap(({ items }) => items);
      state[name].failure = undefined;
    } catch (error) {
      if (scope.signal.aborted) return;
      state[name].failure = error;
    }
    show();
  }

  async function lookAtAll() {
    await Promise.all([
      look("advice", "/pharmacy/desk", "pharmacist"),
      look("shipments", OPEN.map((state) => `/warehouse/shipments?state=${state}&limit=10`), "operator"),
      look("faults", "/faults", "operator"),
    ]);
  }

  /** @param {keyof typeof state} name @param {() => Promise<unknown>} act */
  async function act(name, act) {
    try {
      await act();
      state[name].said = undefined;
      say(t("done"));
    } catch (error) {
      if (scope.signal.aborted) return;
      state[name].said = error;
      say(inWords(error).title);
    }
    await lookAtAll();
  }

  async function map() {
    try {
      const answer = await ask("/warehouse/bins/map.svg", { as: "operator", signal: scope.signal, headers: { accept: "image/svg+xml" } });
      const address = URL.createObjectURL(await answer.blob());
      scope.signal.addEventListener("abort", () => URL.revokeObjectURL(address));
      bins = address;
    } catch {
      bins = undefined;
    }
    if (!scope.signal.aborted) show();
  }

  /** @param {any} order */
  function patient(order) {
    const field = `advice-${order.id}`;
    const give = (/** @type {any} */ event) => {
      event.preventDefault();
      const text = event.target.elements.namedItem("text").value;
      act("advice", () => write(`/pharmacy/orders/${order.id}/advice`, { text }, { as: "pharmacist" }));
    };
    return h(
      "li",
      { key: order.id },
      h(
        "form",
        { class: "stack", onsubmit: give },
        h("strong", null, order.lines.map((/** @type {any} */ line) => `${line.quantity} × ${line.name}`).join(", ")),
        h("label", { for: field }, t("adviceText")),
        h("input", { id: field, name: "text", required: true, maxlength: "1000", value: t("adviceSample") }),
        h("button", { type: "submit", class: "main" }, t("giveAdvice")),
      ),
    );
  }

  /** @param {any} shipment */
  function shipment(shipment) {
    const step = NEXT[shipment.state];
    return h(
      "li",
      { key: shipment.id },
      h(
        "span",
        null,
        h("strong", null, shipment.lines.map((/** @type {any} */ line) => `${line.quantity} × ${line.name ?? line.item}`).join(", ")),
        h("span", { class: "quiet" }, shipment.parcel !== undefined && shipment.parcel !== null && h("a", { href: `#/track/${shipment.parcel}` }, shipment.parcel)),
      ),
      h(
        "span",
        { class: "end" },
        badge(shipment.state),
        step !== undefined &&
          h("button", { type: "button", onclick: () => act("shipments", () => write(`/warehouse/shipments/${shipment.id}/${step}`, {}, { as: "operator" })) }, t(/** @type {any} */ (`do_${step}`))),
      ),
    );
  }

  /** @param {string} name */
  function fault(name) {
    const now = state.faults.list ?? {};
    const flip = () => {
      const { [name]: gone, ...others } = now;
      const next = gone === undefined ? { ...now, [name]: FAULTS[name] } : others;
      act("faults", () => write("/faults", next, { method: "PUT", as: "operator" }));
    };
    return h("button", { type: "button", role: "switch", class: "switch", "aria-checked": String(now[name] !== undefined), onclick: flip }, t(/** @type {any} */ (`fault_${name}`)), h("code", null, name));
  }

  /** @param {Part} part @param {string} empty @param {(entry: any) => any} entry */
  function rows({ list, failure, said }, empty, entry) {
    if (failure !== undefined) return [trouble(failure, lookAtAll)];
    if (list === undefined) return [loading(t("loading"))];
    return [
      said !== undefined && trouble(said, undefined),
      list.length === 0 ? h("p", { class: "quiet" }, empty) : h("ul", { class: "rows tall" }, ...list.map(entry)),
    ];
  }

  async function plan() {
    const date = new Date().toLocaleDateString("sv-SE", { timeZone: "Europe/Helsinki" });
    await act("shipments", () => write("/courier/routes", { date }, { as: "operator" }));
  }

  function show() {
    scope.title(t("counter"));
    draw(
      scope.place,
      h("h1", { tabindex: "-1" }, t("counter")),
      h("div", { class: "notice wait" }, h("p", null, h("strong", null, t("counterTitle"))), h("p", { class: "quiet" }, t("counterAbout"))),
      h(
        "div",
        { class: "two" },
        h(
          "div",
          { class: "stack" },
          h("section", { class: "panel", "aria-labelledby": "advice-title" }, h("h2", { id: "advice-title" }, t("pharmacist")), ...rows(state.advice, t("nobodyWaits"), patient)),
          h(
            "section",
            { class: "panel", "aria-labelledby": "fault-title" },
            h("h2", { id: "fault-title" }, t("faults")),
            h("p", { class: "quiet" }, t("faultsAbout")),
            state.faults.failure !== undefined ? trouble(state.faults.failure, lookAtAll) : h("div", { class: "stack tight" }, ...Object.keys(FAULTS).map(fault)),
            state.faults.said !== undefined && trouble(state.faults.said, undefined),
          ),
        ),
        h(
          "div",
          { class: "stack" },
          h(
            "section",
            { class: "panel", "aria-labelledby": "shipment-title" },
            h("div", { class: "heading" }, h("h2", { id: "shipment-title" }, t("warehouse")), h("button", { type: "button", class: "small", onclick: plan }, t("planRoutes"))),
            ...rows(state.shipments, t("noShipments"), shipment),
          ),
          bins !== undefined && h("section", { class: "panel" }, h("h2", null, t("bins")), picture(bins, t("bins"))),
        ),
      ),
    );
  }

  show();
  lookAtAll();
  map();
  const timer = setInterval(() => document.hidden || lookAtAll(), LOOK_AGAIN);
  scope.signal.addEventListener("abort", () => clearInterval(timer));
}
