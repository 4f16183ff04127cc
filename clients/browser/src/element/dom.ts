// Makes elements with less writing.

type Child = Node | string;

/** An element with attributes (a `true` one is empty, `false` ones are left out) and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | boolean> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** An icon of 24 by 24 units, drawn with the text's colour; hidden from screen readers. */
export function icon(path: string): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS(space, "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

/** A button with an icon, a name and a key that does the same. */
export function iconButton(name: string, path: string, action: () => void, key = ""): HTMLButtonElement {
  const button = make("button", { type: "button", part: "button", "aria-keyshortcuts": key || false }, icon(path));
  nameButton(button, name, key);
  button.addEventListener("click", action);
  return button;
}

export function nameButton(button: HTMLButtonElement, name: string, key = ""): void {
  button.setAttribute("aria-label", name);
  button.title = key === "" ? name : `${name} (${key})`;
}

export function setIcon(button: HTMLButtonElement, path: string): void {
  button.querySelector("path")?.setAttribute("d", path);
}
