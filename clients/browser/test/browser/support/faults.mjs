// What a reader, a keyboard or tired eyes would miss on a page.

/** In the page: what is without a name, hard to read, or out of order, also inside of the elements. */
export function faults() {
  const found = [];
  const all = (root) => [...root.querySelectorAll("*")].flatMap((element) => [element, ...(element.shadowRoot ? all(element.shadowRoot) : [])]);
  const seen = all(document.body).filter((element) => element.checkVisibility());
  const named = (element) =>
    element.ariaLabel || element.getAttribute("aria-labelledby") || element.textContent.trim() || element.title || element.labels?.[0]?.textContent.trim();
  for (const element of seen.filter((element) => element.matches("button, input, select, a, summary, [role]:not([role=status])"))) {
    if (!named(element)) found.push(`no name: ${element.outerHTML.slice(0, 80)}`);
  }
  const rgba = (text) => {
    const [red, green, blue, alpha = 1] = text.match(/[\d.]+/g).map(Number);
    return [red, green, blue, alpha];
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentNode ?? at.host) {
      const colour = at instanceof Element ? rgba(getComputedStyle(at).backgroundColor) : [0, 0, 0, 0];
      if (colour[3] === 1) return colour;
      // Over a picture the ground is not one colour.
      if (colour[3] > 0) return undefined;
    }
    return [255, 255, 255, 1];
  };
  const light = (colour) => {
    const [red, green, blue] = colour.slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  for (const element of seen) {
    const text = [...element.childNodes].filter(({ nodeType }) => nodeType === Node.TEXT_NODE).map(({ data }) => data.trim()).join("");
    if (text === "" || element.closest(":disabled, option, .unseen, .stage")) continue;
    const behind = ground(element);
    if (behind === undefined) continue;
    const [dark, bright] = [light(rgba(getComputedStyle(element).color)), light(behind)].sort((a, b) => a - b);
    const contrast = (bright + 0.05) / (dark + 0.05);
    if (contrast < 4.5) found.push(`contrast ${contrast.toFixed(2)}: ${text.slice(0, 40)}`);
  }
  const levels = [...document.querySelectorAll("h1, h2, h3")].filter((heading) => heading.checkVisibility()).map(({ tagName }) => Number(tagName[1]));
  if (levels[0] !== 1 || levels.some((level, index) => level > (levels[index - 1] ?? 0) + 1)) found.push(`headings ${levels}`);
  for (const landmark of ["header", "main", "footer", "nav"]) if (!document.querySelector(landmark)) found.push(`no ${landmark}`);
  if (document.documentElement.lang !== "en") found.push("no language");
  return found;
}
