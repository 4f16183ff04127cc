// Small help for building elements.

/** An element with attributes (`true` = present, `false` and undefined = absent) and children. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Record<string, string | boolean | undefined> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** Sets text, without touching the page if it is the same. */
export function setText(holder: Element, text: string): void {
  if (holder.textContent !== text) holder.textContent = text;
}
