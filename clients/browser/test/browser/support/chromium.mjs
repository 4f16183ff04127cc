// Debian's Chromium without QUIC flags, a page that embeds the player from another origin, and what it shows.
import { createServer } from "node:http";
import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const artefacts = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", ".test", "failures");

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];

/** A browser with its own profile. */
export class Browser {
  /** `flags` beside the ordinary ones; none of them touches QUIC. */
  static async start(flags = []) {
    const browser = new Browser();
    browser.folder = mkdtempSync(join(tmpdir(), "efir-chromium-"));
    browser.netlog = join(browser.folder, "net-log.json");
    browser.context = await chromium.launchPersistentContext(join(browser.folder, "profile"), {
      executablePath,
      headless: true,
      viewport: { width: 1280, height: 900 },
      args: [...FLAGS, `--log-net-log=${browser.netlog}`, ...flags],
    });
    browser.server = createServer((_, response) => {
      response.setHeader("content-type", "text/html");
      response.end("<!doctype html><meta charset=utf-8><title>embedding page</title><body style=margin:0>");
    });
    await new Promise((resolve) => browser.server.listen(0, "127.0.0.1", resolve));
    browser.blank = `http://localhost:${browser.server.address().port}/`;
    return browser;
  }

  /**
   * A page of another site that embeds the players of the relay whose HTTP edge is on port `http`, in a browser `without` these
   * globals, or that offers no other WebTransport `protocols` than these.
   */
  async embedding(http, { without = [], protocols } = {}) {
    const lines = without.map((name) => `delete globalThis.${name};`);
    if (protocols !== undefined) {
      lines.push(`globalThis.WebTransport = class extends WebTransport {
        constructor(url, options) { super(url, { ...options, protocols: ${JSON.stringify(protocols)} }); }
      };`);
    }
    const page = await this.page(this.blank, lines.join("\n"));
    await page.addScriptTag({ type: "module", url: `http://localhost:${http}/efir-player.js` });
    await page.waitForFunction(() => customElements.get("efir-player") !== undefined);
    await page.evaluate(installWatch);
    return page;
  }

  /** `first` runs before everything else, in the page and in its workers. */
  async page(url, first = "") {
    const page = await this.context.newPage();
    if (first !== "") await page.addInitScript(runFirst, first);
    page.messages = [];
    page.on("console", (message) => page.messages.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => page.messages.push(`page error: ${error.message}`));
    await page.goto(url);
    return page;
  }

  /** Runs a test's body; on failure keeps a screenshot of every page and the net-log. */
  async guard(name, body) {
    try {
      return await body();
    } catch (error) {
      const folder = join(artefacts, name.replace(/\W+/g, "-"));
      mkdirSync(folder, { recursive: true });
      for (const [index, page] of this.context.pages().entries()) {
        await page.screenshot({ path: join(folder, `page-${index}.png`) }).catch(() => {});
        error.message += `\n${(page.messages ?? []).slice(-15).join("\n")}`;
      }
      this.keep = folder;
      error.message += `\nscreenshots and net-log: ${folder}`;
      throw error;
    }
  }

  async close() {
    await this.context.close();
    await new Promise((resolve) => this.server.close(resolve));
    if (this.keep) {
      try {
        renameSync(this.netlog, join(this.keep, "net-log.json"));
      } catch {
        // Another file system, or the browser died before it wrote one.
      }
    }
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** In the page: runs `code`, here and at the beginning of every worker. */
function runFirst(code) {
  new Function(code)();
  const Original = globalThis.Worker;
  globalThis.Worker = class extends Original {
    constructor(url, options) {
      const request = new XMLHttpRequest();
      request.open("GET", url, false);
      request.send();
      super(URL.createObjectURL(new Blob([`${code}\n${request.responseText}`], { type: "text/javascript" })), options);
    }
  };
}

/** In the page: `watchBarcode(player)` notes every barcode that the player's canvas shows. */
export function installWatch() {
  window.watchBarcode = (player) => {
    const probe = new OffscreenCanvas(620, 2).getContext("2d", { willReadFrequently: true });
    const seen = [];
    const watch = { seen, stop: false, unreadable: 0 };
    let last;
    const look = () => {
      if (watch.stop) return;
      const canvas = player.shadowRoot.querySelector("canvas");
      if (canvas && canvas.width > 1) {
        const scale = canvas.width / 1280;
        probe.drawImage(canvas, 30 * scale, 660 * scale, 620 * scale, 2 * scale, 0, 0, 620, 2);
        const pixels = probe.getImageData(0, 0, 620, 1).data;
        let value = 0;
        let clear = true;
        for (let bit = 0; bit < 12; bit++) {
          // The middle of box `bit`, which begins 10 + 50 * bit right of the probe's left edge.
          const level = pixels[(10 + 50 * bit + 20) * 4];
          if (level > 80 && level < 170) clear = false;
          if (level >= 128) value |= 1 << bit;
        }
        // Before the first frame the canvas is transparent.
        const painted = pixels[3] > 0;
        if (painted && !clear) watch.unreadable += 1;
        if (painted && clear && last !== value) seen.push({ value: (last = value), at: performance.now() });
      }
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
    return watch;
  };
}

/**
 * Judges a sequence of barcodes of the looping clip of `length` frames: every step forward by how much. A step of 1 is the next
 * frame, a larger one means frames that were not seen; a step back or to a value that no frame has is garbage.
 */
export function judge(seen, length = 240) {
  const steps = new Map();
  const garbage = seen.filter(({ value }) => value >= length).map(({ value }) => value);
  for (let index = 1; index < seen.length; index++) {
    const step = (seen[index].value - seen[index - 1].value + length) % length;
    steps.set(step, (steps.get(step) ?? 0) + 1);
  }
  // More than half a round ahead is a step back.
  const back = [...steps].filter(([step]) => step > length / 2).reduce((sum, [, count]) => sum + count, 0);
  const next = steps.get(1) ?? 0;
  return { frames: seen.length, garbage, back, next, inOrder: seen.length > 1 ? next / (seen.length - 1) : 0, steps };
}
