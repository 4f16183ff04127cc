// The script that other pages load: it defines <efir-player>.

import { EfirPlayer } from "./efir-player.ts";

if (customElements.get("efir-player") === undefined) customElements.define("efir-player", EfirPlayer);

export { EfirPlayer };
