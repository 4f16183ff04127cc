// The shops' page: which view is shown, and what stands around it.

import { pieces, watchBasket } from "./basket.js";
import { SHOPS, browse } from "./browse.js";
import { draw, h, part, say } from "./dom.js";
import { icon } from "./icons.js";
import { come, isDark } from "./parts.js";
import { customer, leave, watchSession } from "./session.js";
import { LANGUAGES, language, preferred, speak, t } from "./words.js";

/** @import { Scope, Shop } from "./types" */
/** @typedef {(scope: Scope) => void} View */

/** Views that are fetched when they are first needed. @type {Record<string, () => Promise<View>>} */
const LATER = {
  basket: async () => (await import("./checkout.js")).checkout,
  order: async () => (await import("./order.js")).order,
  orders: async () => (await import("./order.js")).orders,
  track: async () => (await import("./track.js")).track,
  prescriptions: async () => (await import("./rx.js")).prescriptions,
  counter: async () => (await import("./counter.js")).counter,
};

const view = part("view");
let ends = new AbortController();
let shown = "";

/** @param {boolean} moved to another view, so that the focus goes along */
async function go(moved) {
  const [name = "", ...others] = location.hash.replace(/^#\/?/, "").split("/");
  const shop = SHOPS.find((shop) => shop === name) ?? SHOPS[0];
  ends.abort();
  ends = new AbortController();
  const { signal } = ends;
  // A place of its own for each view: nothing of one is left in the next.
  const place = h("div", { class: `view ${LATER[name] === undefined ? "browse" : name}` });
  /** @type {Scope} */
  const scope = { place, signal, rest: others.join("/"), title: (text) => (document.title = `${text} · Efir`) };
  shown = LATER[name] === undefined ? shop : name;
  try {
    /** @type {View} */
    const start = (await LATER[name]?.()) ?? ((scope) => browse(scope, /** @type {Shop} */ (shop)));
    if (signal.aborted) return;
    view.replaceChildren(place);
    start(scope);
  } catch {
    if (signal.aborted) return;
    view.replaceChildren(h("div", { class: "notice bad", role: "alert" }, h("p", null, t("fail_offline")), h("button", { type: "button", onclick: () => go(false) }, t("tryAgain"))));
  }
  frame();
  if (moved) {
    scrollTo(0, 0);
    place.querySelector("h1")?.focus({ preventScroll: true });
  }
}

/** @param {string} code */
async function choose(code) {
  try {
    await speak(/** @type {keyof typeof LANGUAGES} */ (code), true);
  } catch {
    say(t("fail_offline"));
  }
  await go(false);
}

/** Whether the shops' server plays video too: without it the way from the root leads back here. */
let hasVideo = false;

/** Header, footer and the line about the network. */
function frame() {
  const count = pieces();
  const link = (/** @type {string} */ name, /** @type {import("./icons.js").Icon} */ sign, /** @type {string} */ text, /** @type {any} */ extra) =>
    h("a", { href: `#/${name}`, "aria-current": (shown === name || (name === SHOPS[0] && SHOPS.some((shop) => shop === shown)) || (name === "orders" && shown === "order")) && "page" }, icon(sign), h("span", null, text), extra);
  const who = customer();
  draw(
    part("head"),
    h("a", { class: "brand", href: "#/furniture" }, h("img", { src: "./favicon.svg", alt: "", width: "28", height: "28" }), t("brand")),
    h(
      "nav",
      { class: "bar", "aria-label": t("views") },
      link(SHOPS[0], "sofa", t("browse"), undefined),
      link("basket", "basket", t("basket"), count > 0 && h("span", { class: "count", "aria-label": t("pieces", { count }) }, count)),
      link("orders", "orders", t("orders"), undefined),
      link("track", "parcel", t("trackShort"), undefined),
      link("prescriptions", "rx", t("prescriptions"), undefined),
    ),
    h(
      "div",
      { class: "tools" },
      h(
        "select",
        { "aria-label": t("language"), id: "language", value: language(), onchange: (/** @type {any} */ event) => choose(event.target.value) },
        ...Object.entries(LANGUAGES).map(([code, name]) => h("option", { value: code, lang: code }, name)),
      ),
      h("button", { type: "button", id: "theme", class: "icon", "aria-pressed": String(isDark()), "aria-label": t("dark"), title: t("dark"), onclick: turn }, icon("theme")),
      who === undefined
        ? h("button", { type: "button", id: "enter", class: "main", onclick: come }, t("enterShort"))
        : h("button", { type: "button", id: "leave", title: who, "aria-label": t("leaveOf", { who }), onclick: () => (leave(), say(t("left_shop"))) }, icon("person"), h("span", null, t("leave"))),
    ),
  );
  draw(
    part("foot"),
    h("p", { class: "quiet" }, t("demoFoot")),
    h("p", { class: "links" }, hasVideo && h("a", { href: "/" }, t("liveVideo")), h("a", { href: "/api/docs" }, t("docs")), h("a", { href: "#/counter", "aria-current": shown === "counter" && "page" }, t("counter"))),
  );
  part("skip").textContent = t("skip");
  const away = part("offline");
  away.textContent = t("fail_offline");
  away.hidden = navigator.onLine;
}

const system = matchMedia("(prefers-color-scheme: dark)");

/** Light or dark: as the system, until the visitor wants the other. The player's page keeps the same choice. */
function turn() {
  const next = isDark() ? "light" : "dark";
  const isSystems = (next === "dark") === system.matches;
  if (isSystems) delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = next;
  try {
    // As bare text, which first.js and the player's page read.
    if (isSystems) localStorage.removeItem("efir-theme");
    else localStorage.setItem("efir-theme", next);
  } catch {
    // Refused: it lives as long as the page.
  }
  frame();
}

watchBasket(frame);
watchSession(frame);
system.addEventListener("change", frame);
addEventListener("hashchange", () => go(true));
addEventListener("online", () => (frame(), go(false)));
addEventListener("offline", frame);
part("skip").addEventListener("click", (event) => {
  event.preventDefault();
  view.focus();
});

await speak(preferred(), false);
await go(false);
hasVideo = await fetch("/", { method: "HEAD", redirect: "manual" }).then(({ ok }) => ok, () => false);
frame();
