// Takes the pictures of the documentation, from the pages of a real server.
//
//   node test/picture.mjs player   docs/player.png: the demo plays, chart open and full. On a machine that does nothing else: the
//                                  chart shows what else it does
//   node test/picture.mjs shop     docs/shop.png: an order from three shops on its way
//
// Needs what test/browser.mjs needs, and ffmpeg.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Browser } from "./browser/support/chromium.mjs";
import { fill, order } from "./browser/support/customer.mjs";
import { Servers } from "./browser/support/servers.mjs";

/** The chart looks back a minute; the first seconds of play are settling. */
const SETTLED_MS = 100_000;
/** Until the parcels of an order are on their way. */
const SENT_MS = 60_000;
const MOST_BYTES = 400_000;

/** Shows what a picture is to show; the height of the picture. */
const pictures = {
  async player(page, http) {
    await page.goto(`http://localhost:${http}/#live/demo?stats=1`);
    await page.waitForFunction(() => document.querySelector("efir-player")?.state === "playing");
    await page.waitForTimeout(SETTLED_MS);
    return page.$eval("efir-player", (player) => player.getBoundingClientRect().bottom + scrollY + 24);
  },
  async shop(page, http) {
    await page.goto(`http://localhost:${http}/shop/`);
    await page.click("#enter");
    await page.waitForSelector("#leave");
    await fill(page);
    await order(page);
    await page.waitForFunction(() => document.querySelectorAll("[data-parcel]").length === 3, null, { timeout: SENT_MS });
    await page.waitForFunction(() => /on the way/.test(document.querySelector(".heading .badge").textContent), null, { timeout: SENT_MS });
    return page.$eval("main", (main) => main.getBoundingClientRect().bottom + scrollY);
  },
};

const [name] = process.argv.slice(2);
if (!(name in pictures)) {
  console.error(`node test/picture.mjs ${Object.keys(pictures).join("|")}`);
  process.exit(2);
}
const target = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "docs", `${name}.png`);
const servers = new Servers();
const folder = mkdtempSync(join(tmpdir(), "efir-picture-"));
let browser;
try {
  const { http } = await servers.standalone();
  browser = await Browser.start();
  const page = await browser.context.newPage();
  await page.emulateMedia({ colorScheme: "light" });
  const end = await pictures[name](page, http);
  const whole = join(folder, "whole.png");
  await page.screenshot({ path: whole, fullPage: true, clip: { x: 0, y: 0, width: 1280, height: Math.ceil(end) } });
  const palette = "split[a][b];[a]palettegen=max_colors=256:stats_mode=full[p];[b][p]paletteuse=dither=none";
  execFileSync("ffmpeg", ["-v", "error", "-y", "-i", whole, "-vf", palette, "-compression_level", "9", target]);
  const { size } = statSync(target);
  if (size > MOST_BYTES) throw new Error(`${target} has ${size} bytes, more than ${MOST_BYTES}`);
  console.log(`${target}: ${size} bytes`);
} finally {
  await browser?.close();
  await servers.close();
  rmSync(folder, { recursive: true, force: true });
}
