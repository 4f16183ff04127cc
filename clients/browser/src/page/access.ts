// The token: from the page's address or the field, kept as long as the tab.

import { part } from "./dom.ts";

const KEPT = "efir-token";

export class Access {
  /** Called with another token. */
  onChange: (token: string) => void = () => {};
  #token: string;
  readonly #field = part("token", HTMLInputElement);
  readonly #inLinks = part("token-in-links", HTMLInputElement);
  readonly #panel = part("access", HTMLFormElement);
  readonly #button = part("access-open", HTMLButtonElement);

  constructor() {
    this.#token = takeFromAddress() ?? kept() ?? "";
    keep(this.#token);
    this.#field.value = this.#token;
    this.#button.hidden = false;
    this.#button.addEventListener("click", () => this.open(this.#panel.hidden === true));
    this.#panel.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#token = this.#field.value.trim();
      keep(this.#token);
      this.onChange(this.#token);
    });
  }

  get token(): string {
    return this.#token;
  }

  /** Empty unless the viewer wants it in links. */
  get linkToken(): string {
    return this.#inLinks.checked ? this.#token : "";
  }

  open(isOpen: boolean): void {
    this.show(isOpen);
    if (isOpen) this.#field.focus();
  }

  /** Without taking the focus from where it is. */
  show(isShown: boolean): void {
    this.#panel.hidden = !isShown;
    this.#button.setAttribute("aria-expanded", String(isShown));
  }
}

/** Out of the address as well, so that it is not copied from there by accident. */
function takeFromAddress(): string | undefined {
  const url = new URL(location.href);
  const token = url.searchParams.get("token");
  if (token === null) return undefined;
  url.searchParams.delete("token");
  history.replaceState(null, "", url);
  return token;
}

function kept(): string | undefined {
  try {
    return sessionStorage.getItem(KEPT) ?? undefined;
  } catch {
    return undefined;
  }
}

function keep(token: string): void {
  try {
    if (token === "") sessionStorage.removeItem(KEPT);
    else sessionStorage.setItem(KEPT, token);
  } catch {
    // The browser keeps nothing for this page: the token lives until it is loaded again.
  }
}
