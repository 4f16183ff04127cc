// The page's words in the visitor's language.

import { kept } from "./dom.js";

/** @typedef {keyof typeof import("./words/en.js").default} Word */
/** @typedef {Record<Word, string>} Words */

export const LANGUAGES = /** @type {const} */ ({ en: "English", fi: "Suomi", sv: "Svenska", ru: "Русский" });
/** @typedef {keyof typeof LANGUAGES} Language */

const choice = kept(localStorage, "efir-shop-language");

/** @type {Language} */
let current = "en";
/** Those of the current language, once they have come. @type {Words} */
let words;

/** @param {unknown} code @returns {code is Language} */
const isOurs = (code) => typeof code === "string" && Object.hasOwn(LANGUAGES, code);

export const language = () => current;

/** The language chosen before, or the first of the browser's that the page has. @returns {Language} */
export function preferred() {
  const given = [choice.read(), ...navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase())];
  return given.find(isOurs) ?? "en";
}

/**
 * @param {Language} code
 * @param {boolean} chosen by the visitor, to be kept
 */
export async function speak(code, chosen) {
  words = (await import(`./words/${code}.js`)).default;
  current = code;
  if (chosen) choice.write(code);
  document.documentElement.lang = code;
}

/** @param {string} word @returns {word is Word} */
export const has = (word) => Object.hasOwn(words, word);

/**
 * @param {Word} word
 * @param {Record<string, string | number>} [given] what stands for `{name}` in it
 */
export function t(word, given = {}) {
  return words[word].replaceAll(/\{(\w+)\}/g, (_, name) => String(given[name] ?? ""));
}
