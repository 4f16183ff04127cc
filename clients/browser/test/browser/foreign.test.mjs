// A foreign player in the same browser: @moq/watch of the moq-dev family plays our broadcast with its defaults.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { build } from "esbuild";
import { Browser, installWatch, judge } from "./support/chromium.mjs";
import { Servers } from "./support/servers.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** The package's element, bundled for the page. */
async function bundle() {
  const folder = mkdtempSync(join(root, ".test", "foreign-"));
  try {
    const entry = join(folder, "entry.js");
    writeFileSync(entry, 'import "@moq/watch/element";');
    const result = await build({ entryPoints: [entry], bundle: true, format: "esm", target: "es2022", write: false, logLevel: "error" });
    return result.outputFiles[0].text;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("@moq/watch shows our picture, over draft-16, found by its own listing", async () => {
  const servers = new Servers();
  const browser = await Browser.start();
  try {
    await browser.guard("foreign-moq-watch", async () => {
      // It asks for the certificate's hash over HTTP on the port it then dials.
      const { udp } = await servers.samePorts();
      const page = await browser.page(browser.blank);
      await page.addScriptTag({ type: "module", content: await bundle() });
      await page.evaluate(installWatch);
      await page.evaluate((port) => {
        const player = document.createElement("moq-watch");
        player.setAttribute("url", `http://localhost:${port}/`);
        player.setAttribute("name", "live/demo");
        player.setAttribute("muted", "");
        const canvas = document.createElement("canvas");
        canvas.width = 1280;
        canvas.height = 720;
        player.append(canvas);
        document.body.append(player);
        window.watched = window.watchBarcode({ shadowRoot: player });
      }, udp);
      await page.waitForFunction(() => window.watched.seen.length >= 90, undefined, { timeout: 40_000, polling: 100 });
      const { garbage, back, frames } = judge(await page.evaluate(() => window.watched.seen));
      assert.deepEqual({ garbage, back }, { garbage: [], back: 0 }, `of ${frames} frames`);
      const negotiated = page.messages.find((message) => message.includes("negotiated ALPN"));
      assert.match(negotiated ?? "", /moqt-16/);
    });
  } finally {
    await browser.close();
    await servers.close();
  }
});
