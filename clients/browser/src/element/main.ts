// The script that other pages load: it defines <efir-player>.

import { EfirPlayer } from "./element.ts";

if (customElements.get("efir-player") === undefined) customElements.define("efir-player", EfirPlayer);

declare global {
  interface HTMLElementTagNameMap {
    "efir-player": EfirPlayer;
  }
}

export { EfirPlayer };
