// Defines <efir-publisher>.

import { EfirPublisher } from "./element.ts";

if (customElements.get("efir-publisher") === undefined) customElements.define("efir-publisher", EfirPublisher);
