// Takes the picture of the documentation, docs/player.png: the page of a real server that plays its demo, chart open and full.
//
//   node test/picture.mjs      on a machine that does nothing else: the chart shows what else it does
//
// Needs what test/browser.mjs needs, and ffmpeg.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Browser } from "./browser/support/chromium.mjs";
import { Servers } from "./browser/support/servers.mjs";

/** The chart looks back a minute; the first seconds of play are settling. */
const SETTLED_MS = 100_000;
const MOST_BYTES = 400_000;
const target = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "docs", "player.png");

const servers = new Servers();
const folder = mkdtempSync(join(tmpdir(), "efir-picture-"));
let browser;
try {
  const server = await servers.standalone();
  browser = await Browser.start();
  const page = await browser.page(`http://localhost:${server.http}/#live/demo?stats=1`);
  await page.emulateMedia({ colorScheme: "light" });
  await page.waitForFunction(() => document.querySelector("efir-player")?.state === "playing");
  await page.waitForTimeout(SETTLED_MS);
  const end = await page.$eval("efir-player", (player) => player.getBoundingClientRect().bottom + scrollY);
  const whole = join(folder, "whole.png");
  await page.screenshot({ path: whole, fullPage: true, clip: { x: 0, y: 0, width: 1280, height: Math.ceil(end) + 24 } });
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
