// Light or dark: as the system, until the viewer wants the other.

import { part } from "./dom.ts";

const KEPT = "efir-theme";

export function offerTheme(): void {
  const button = part("theme", HTMLButtonElement);
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const isDark = (): boolean => (root.dataset["theme"] ?? (system.matches ? "dark" : "light")) === "dark";
  const show = (): void => button.setAttribute("aria-pressed", String(isDark()));
  button.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    const isSystems = (theme === "dark") === system.matches;
    if (isSystems) delete root.dataset["theme"];
    else root.dataset["theme"] = theme;
    try {
      if (isSystems) localStorage.removeItem(KEPT);
      else localStorage.setItem(KEPT, theme);
    } catch {
      // The browser keeps nothing for this page: the choice lives until it is loaded again.
    }
    show();
  });
  system.addEventListener("change", show);
  button.hidden = false;
  show();
}
