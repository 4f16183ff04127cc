// The frame of a test file: one browser for all of it, and for each test servers of its own, fresh pages and shaped links.
import { after, before, test } from "node:test";
import { Browser } from "./chromium.mjs";
import { Servers } from "./servers.mjs";
import { Shaper } from "./shaper.mjs";

/**
 * `live(name, body)` registers a test; its body gets the servers and `shaped(port, options)`, which makes a link to a UDP port.
 * On failure screenshots and the net-log are kept. `browser()` is there once the tests run.
 */
export function suite(flags) {
  let browser;
  before(async () => (browser = await Browser.start(flags)));
  after(() => browser?.close());

  const live = (name, body) =>
    test(name, async (context) => {
      const servers = new Servers();
      const shapers = [];
      const shaped = async (port, options) => {
        const shaper = await Shaper.start(port, options);
        shapers.push(shaper);
        return shaper;
      };
      try {
        await browser.guard(name, () => body(servers, shaped, context));
      } finally {
        await Promise.all(browser.context.pages().slice(1).map((page) => page.close()));
        await servers.close();
        for (const shaper of shapers) shaper.close();
      }
    });
  return { live, browser: () => browser };
}
