// Reads the barcode on the real page, which is not prepared for tests.
import { installWatch } from "./chromium.mjs";

/** Barcodes that the page's first player shows, `frames` of them. */
export async function watch(page, frames) {
  await page.evaluate(installWatch);
  await page.evaluate(() => (window.watched = window.watchBarcode(document.querySelector("efir-player"))));
  await page.waitForFunction((frames) => window.watched.seen.length >= frames, frames, { timeout: 30_000, polling: 50 });
  return page.evaluate(() => window.watched.seen);
}
