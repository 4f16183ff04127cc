// Pieces that several views are made of.

import { Failure } from "./api.js";
import { h, part, say } from "./dom.js";
import { icon, hue, sign } from "./icons.js";
import { enter } from "./session.js";
import { has, language, t } from "./words.js";

/** @import { Money, Vat } from "./types" */
/** @import { Word } from "./words.js" */

/** @param {Money} amount */
export function money({ minor, currency }) {
  const format = new Intl.NumberFormat(locale(), { style: "currency", currency });
  return format.format(minor / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}

/** English with the dates of Europe. */
const locale = () => (language() === "en" ? "en-GB" : language());

/** @param {string} at */
export function moment(at) {
  const time = new Date(at);
  const today = new Date().toDateString() === time.toDateString();
  const text = time.toLocaleString(locale(), today ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" });
  return h("time", { datetime: at }, text);
}

/** @param {string} at */
export const day = (at) => new Date(at).toLocaleDateString(locale(), { dateStyle: "medium" });

/** @param {number} rate in basis points */
export const percent = (rate) => new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 2 }).format(rate / 10_000);

/**
 * The word for a state, or the state itself where the page knows none.
 * @param {string} state
 */
export const stateWord = (state) => (has(`state_${state}`) ? t(/** @type {Word} */ (`state_${state}`)) : state.replaceAll(/[_.]/g, " "));

const TONES = { good: /delivered|dispatched|advised|confirmed|paid/, bad: /cancel|lost|expired|refus|returned|short|fail|undo/, wait: /advice|delayed|waiting/ };

/** @param {string} state */
export function badge(state) {
  const tone = Object.entries(TONES).find(([, pattern]) => pattern.test(state))?.[0];
  return h("span", { class: `badge ${tone ?? ""}` }, stateWord(state));
}

/** @param {string} name of a shop */
export const shopWord = (name) => (has(`shop_${name}`) ? t(/** @type {Word} */ (`shop_${name}`)) : name);

/** Colours of goods that have a name: a hue, or a look of their own. @type {Record<string, number | string>} */
const TINTS = { red: 4, orange: 24, "oak colour": 34, brown: 28, yellow: 48, green: 142, blue: 214, black: "black", grey: "grey", white: "white" };

/** @param {{ shop: string, category: string, tint?: string | undefined }} goods */
export function emblem(goods) {
  const tint = TINTS[goods.tint ?? ""];
  const look = typeof tint === "string" ? { class: `emblem ${tint}` } : { class: "emblem", hue: tint ?? hue(goods.category || goods.shop) };
  return h("span", { ...look, "aria-hidden": "true" }, sign(goods));
}

/**
 * Fewer and more of something.
 * @param {string} name
 * @param {number} value
 * @param {number} most
 * @param {(value: number) => void} change
 */
export function stepper(name, value, most, change) {
  const step = (/** @type {number} */ next) => () => {
    change(next);
    say(next < 1 ? t("removed", { name }) : t("inBasketNow", { name, count: next }));
  };
  return h(
    "div",
    { class: "stepper", role: "group", "aria-label": t("quantityOf", { name }) },
    h("button", { type: "button", class: "icon", "aria-label": t("fewer", { name }), onclick: step(value - 1) }, icon("minus")),
    h("output", null, value),
    h("button", { type: "button", class: "icon", "aria-label": t("more", { name }), "data-next": true, disabled: value >= most, onclick: step(value + 1) }, icon("plus")),
  );
}

/** Kinds of problems that the page has words of its own for. */
const KNOWN = /** @type {const} */ ([
  "offline", "no-demo", "unauthenticated", "forbidden", "not-found", "out-of-stock", "payment-refused", "prescription-required",
  "promotion-limit", "price-changed", "invalid-request", "rate-limited", "overloaded", "unavailable", "internal",
]);

/** @param {unknown} error */
export function inWords(error) {
  if (!(error instanceof Failure)) return { title: t("fail_internal"), detail: error instanceof Error ? error.message : "" };
  const known = KNOWN.find((kind) => kind === error.kind);
  const title = known === undefined ? error.title || t("fail_internal") : t(`fail_${known}`);
  const named = error.errors.map(({ pointer, detail }) => `${pointer}: ${detail}`).join("; ");
  return { title, detail: [error.detail, named].filter((text) => text !== "").join(" ") };
}

/**
 * What went wrong and what to do: enter, wait, try again.
 * @param {unknown} error
 * @param {(() => void) | undefined} again
 */
export function trouble(error, again) {
  const { title, detail } = inWords(error);
  const failure = error instanceof Failure ? error : undefined;
  const box = h("div", { class: "notice bad", role: "alert" }, h("p", null, h("strong", null, title)), detail !== "" && h("p", { class: "quiet" }, detail));
  if (failure?.status === 401) box.append(entrance());
  else if (again !== undefined && (failure === undefined || failure.passing)) box.append(retry(failure?.wait ?? 0, again));
  return box;
}

/**
 * A button that waits as long as the server asked for, and then tries by itself.
 * @param {number} wait
 * @param {() => void} again
 */
function retry(wait, again) {
  const button = h("button", { type: "button", onclick: again }, t("tryAgain"));
  let left = Math.ceil(wait / 1000);
  const count = () => {
    if (left <= 0) {
      button.disabled = false;
      button.textContent = t("tryAgain");
      if (wait > 0) again();
      return;
    }
    button.disabled = true;
    button.textContent = t("tryAgainIn", { seconds: left });
    left -= 1;
    setTimeout(() => button.isConnected && count(), 1000);
  };
  if (wait > 0) count();
  return button;
}

/** A button that lets a demo customer in. */
export const entrance = () => h("button", { type: "button", class: "main entrance", onclick: come }, icon("person"), t("enter"));

/** Lets a demo customer in. What goes wrong is told at the top of the page. */
export async function come() {
  const place = part("offline");
  try {
    await enter("customer");
    place.hidden = true;
    say(t("entered"));
  } catch (error) {
    const { title, detail } = inWords(error);
    place.textContent = `${title} ${detail}`;
    place.hidden = false;
  }
}

/** @param {Vat[]} rates */
export function vatRows(rates) {
  return rates.filter(({ amount }) => amount.minor !== 0).map(({ rate, amount }) => row(t("vatOf", { rate: percent(rate) }), money(amount), "quiet"));
}

/**
 * @param {string} name
 * @param {import("./dom.js").Child} value
 * @param {string} [kind]
 */
export const row = (name, value, kind) => h("div", { class: `sum ${kind ?? ""}` }, h("dt", null, name), h("dd", null, ...[value].flat()));

/**
 * A wide picture that a narrow screen shows in pieces. Lazy, so that only what is on the page is loaded.
 * @param {string} address
 * @param {string} about
 */
export const picture = (address, about) =>
  h("div", { class: "around", role: "group", tabindex: "0", "aria-label": about }, h("img", { class: "map", loading: "lazy", src: address, alt: about }));

/** Whether the page is in its dark colours. */
export const isDark = () => (document.documentElement.dataset["theme"] ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

/** @param {string} text */
export const loading = (text) => h("p", { class: "quiet loading", role: "status" }, text);
