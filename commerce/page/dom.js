// Elements from code, and a drawing that is brought up to date without losing focus, open details or half-typed text.

/** @typedef {Node | string | number | false | null | undefined} Plain */
/** @typedef {Plain | Plain[]} Child */

const HANDLERS = /** @type {const} */ (["onclick", "oninput", "onchange", "onsubmit", "onkeydown"]);

/**
 * An element. Functions become handlers, `key` names it among its siblings, `hue` colours it; the rest are attributes.
 * @param {string} name
 * @param {Record<string, unknown> | null} [given]
 * @param {...Child} children
 * @returns {any}
 */
export function h(name, given, ...children) {
  /** @type {any} */
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(given ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") node[key] = value;
    else if (key === "key") node.dataset.key = value;
    else if (key === "hue") node.style.setProperty("--hue", String(value));
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== false && child !== null && child !== undefined && child !== ""));
  // A select knows its value only when it has its options.
  if (name === "select" && given?.["value"] !== undefined) node.value = given["value"];
  return node;
}

/**
 * A picture of one path.
 * @param {string} path
 * @returns {any}
 */
export function drawing(path) {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", "0 0 24 24");
  picture.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(space, "path");
  line.setAttribute("d", path);
  picture.append(line);
  return picture;
}

/**
 * Makes the children of `place` look like these. If what has the focus goes, what has come in its stead gets it.
 * @param {Element} place
 * @param {...Child} children
 */
export function draw(place, ...children) {
  const fresh = h("div", null, ...children);
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const home = focused?.closest("[data-key]");
  match(place, fresh);
  if (focused === null || place.contains(document.activeElement)) return;
  const heir = home?.isConnected ? (home.querySelector("[data-next]:enabled") ?? home.querySelector("button:enabled")) : place.querySelector("h1");
  if (heir instanceof HTMLElement) heir.focus({ preventScroll: true });
}

/** @param {Node | null} node */
const key = (node) => (node instanceof HTMLElement ? node.dataset["key"] : undefined);

/**
 * @param {Node} old
 * @param {Node} fresh
 */
function match(old, fresh) {
  const keyed = new Map([...old.childNodes].filter(key).map((node) => [key(node), node]));
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const name = key(child);
    const alike = at !== null && at.nodeName === child.nodeName && key(at) === undefined ? at : undefined;
    const found = name === undefined ? alike : keyed.get(name);
    if (found === undefined || found.nodeName !== child.nodeName) {
      old.insertBefore(child, at);
      continue;
    }
    if (found === at) at = at?.nextSibling ?? null;
    else old.insertBefore(found, at);
    patch(found, child);
  }
  while (at !== null) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

/**
 * @param {any} old
 * @param {any} fresh
 */
function patch(old, fresh) {
  if (!(old instanceof Element)) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    // Whether details are open is the reader's business.
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) === value) continue;
    // The page's policy takes no style attributes, only styles set by scripts.
    if (name === "style") /** @type {any} */ (old).style.cssText = fresh.style.cssText;
    else old.setAttribute(name, value);
  }
  for (const name of HANDLERS) /** @type {any} */ (old)[name] = fresh[name];
  const typed = old instanceof HTMLInputElement || old instanceof HTMLSelectElement;
  match(old, fresh);
  if (typed && old !== document.activeElement && fresh.hasAttribute("value")) old.value = fresh.value;
  if (old instanceof HTMLInputElement && old.type === "radio") old.checked = fresh.checked;
}

/** @param {string} id */
export function part(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * Says something to those who listen to the page.
 * @param {string} text
 */
export function say(text) {
  const place = part("said");
  place.textContent = place.textContent === text ? `${text}\u00a0` : text;
}

/**
 * What the browser keeps for the page; where it refuses to, nothing.
 * @param {Storage} storage
 * @param {string} name
 */
export function kept(storage, name) {
  return {
    /** @returns {any} */
    read() {
      try {
        return JSON.parse(storage.getItem(name) ?? "null");
      } catch {
        return null;
      }
    },
    /** @param {unknown} value nothing = forget */
    write(value) {
      try {
        if (value === undefined || value === null) storage.removeItem(name);
        else storage.setItem(name, JSON.stringify(value));
      } catch {
        // Refused or full: it lives as long as the page.
      }
    },
  };
}
