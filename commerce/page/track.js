// A parcel by its number, for everybody who has it.

import { Failure, ask, read } from "./api.js";
import { draw, h, say } from "./dom.js";
import { follow } from "./live.js";
import { linkMark, steps } from "./order.js";
import { badge, isDark, loading, moment, picture, stateWord, trouble } from "./parts.js";
import { t } from "./words.js";

/** @import { Scope, Tracking } from "./types" */

const STEPS = ["booked", "accepted", "in_transit", "out_for_delivery", "delivered"];
const ENDS = ["delivered", "lost", "returned", "cancelled"];

/** @param {Scope} scope */
export function track(scope) {
  const number = decodeURIComponent(scope.rest).trim();
  const path = `/courier/parcels/${encodeURIComponent(number)}`;
  /** @type {{ parcel: Tracking | undefined, failure: unknown, link: string, map: string | undefined, noMap: boolean }} */
  const state = { parcel: undefined, failure: undefined, link: "", map: undefined, noMap: false };

  async function load() {
    try {
      take(await read(path, { signal: scope.signal, as: "nobody" }));
    } catch (error) {
      if (scope.signal.aborted) return;
      state.failure = error;
      show();
    }
  }

  /** @param {Tracking} now */
  function take(now) {
    if (state.parcel !== undefined && state.parcel.state !== now.state) say(stateWord(now.state));
    state.parcel = now;
    state.failure = undefined;
    show();
  }

  async function map() {
    // The day of the vans.
    const date = new Date().toLocaleDateString("sv-SE", { timeZone: "Europe/Helsinki" });
    try {
      const response = await ask(`/courier/routes/${date}/map.svg?theme=${isDark() ? "dark" : "light"}`, { signal: scope.signal, as: "nobody", headers: { accept: "image/svg+xml" } });
      state.map = URL.createObjectURL(await response.blob());
      scope.signal.addEventListener("abort", () => URL.revokeObjectURL(state.map ?? ""));
    } catch (error) {
      if (scope.signal.aborted) return;
      state.noMap = error instanceof Failure;
    }
    show();
  }

  /** @param {Tracking} parcel */
  function whole(parcel) {
    const { history, state: at, eta } = parcel;
    const reached = Math.max(...[at, ...history.map((entry) => entry.state)].map((name) => STEPS.indexOf(name)));
    return [
      h(
        "section",
        { class: "panel", "aria-labelledby": "parcel-title" },
        h("div", { class: "heading" }, h("h2", { id: "parcel-title" }, parcel.number), badge(at), linkMark(ENDS.includes(at) ? "" : state.link)),
        h("p", { class: "quiet" }, parcel.carrier, ...(eta === undefined || ENDS.includes(at) ? [] : [" · ", t("expected"), " ", moment(eta)])),
        steps(STEPS, reached, at === "delivered"),
      ),
      h("section", { class: "panel" }, h("h2", null, t("history")), h("ol", { class: "history" }, ...history.toReversed().map((entry) => h("li", null, h("strong", null, stateWord(entry.state)), moment(entry.at), entry.place && h("span", { class: "quiet" }, entry.place))))),
    ];
  }

  function show() {
    scope.title(t("track"));
    draw(
      scope.place,
      h("h1", { tabindex: "-1" }, t("track")),
      h(
        "form",
        { class: "panel find", onsubmit: go },
        h("label", { for: "parcel-number" }, t("parcelNumber")),
        h("div", { class: "row" }, h("input", { id: "parcel-number", value: number, required: true, maxlength: "40", autocomplete: "off", spellcheck: "false", autocapitalize: "characters" }), h("button", { type: "submit", class: "main" }, t("follow"))),
        h("p", { class: "quiet" }, t("trackAbout")),
      ),
      number !== "" && state.parcel === undefined && (state.failure === undefined ? loading(t("loading")) : trouble(state.failure, load)),
      state.parcel !== undefined && h("div", { class: "two" }, ...whole(state.parcel)),
      state.parcel !== undefined && state.failure !== undefined && trouble(state.failure, load),
      h(
        "section",
        { class: "panel", "aria-labelledby": "map-title" },
        h("h2", { id: "map-title" }, t("routesToday")),
        state.map !== undefined ? picture(state.map, t("routesAlt")) : h("p", { class: "quiet" }, state.noMap ? t("noRoutes") : t("loading")),
      ),
    );
  }

  /** @param {any} event */
  function go(event) {
    event.preventDefault();
    const next = `#/track/${encodeURIComponent(event.target.querySelector("input").value.trim())}`;
    if (location.hash === next) load();
    else location.hash = next;
  }

  show();
  map();
  if (number === "") return;
  load().then(() => {
    if (state.parcel === undefined) return;
    follow(`${path}/events`, {
      signal: scope.signal,
      as: "nobody",
      event: (_, now) => take(now),
      state: (link) => {
        state.link = link;
        show();
      },
      ended: () => ENDS.includes(state.parcel?.state ?? ""),
      refused: (failure) => {
        state.failure = failure;
        show();
      },
    });
  });
}
