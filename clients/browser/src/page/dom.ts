// The page's elements, and copying.

import { DONE_MS } from "./limit.ts";

/** An element that index.html has. */
export function part<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} with id ${id}`);
  return found;
}

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Only if it changed, so that a screen reader does not say it again. */
export function setText(element: Element | null, text: string): void {
  if (element !== null && element.textContent !== text) element.textContent = text;
}

/** A button that copies what `text` gives when it is pressed, and says so. */
export function copyButton(label: string, name: string, text: () => string): HTMLButtonElement {
  const button = make("button", { type: "button", "aria-label": name }, label);
  let timer: ReturnType<typeof setTimeout> | undefined;
  button.addEventListener("click", () => {
    void copy(text()).then((isCopied) => {
      setText(button, isCopied ? "Copied" : "Refused");
      say(isCopied ? "Copied" : "The browser refused to copy");
      clearTimeout(timer);
      timer = setTimeout(() => setText(button, label), DONE_MS);
    });
  });
  return button;
}

/** Makes `<dd data-copy>` a command with a button; returns what changes the command. */
export function copyable(place: HTMLElement, name: string): (text: string) => void {
  const code = make("code", { tabindex: "0" }, place.textContent ?? "");
  place.replaceChildren(make("div", { class: "copy" }, code, copyButton("Copy", `Copy: ${name}`, () => code.textContent ?? "")));
  return (text) => setText(code, text);
}

/** Tells a screen reader. */
export function say(words: string): void {
  part("said", HTMLElement).textContent = words;
}

async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages over plain http have no clipboard: the old way.
    const area = make("textarea", { class: "unseen", "aria-hidden": "true" });
    const before = document.activeElement;
    area.value = text;
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    if (before instanceof HTMLElement) before.focus();
    return isCopied;
  }
}
