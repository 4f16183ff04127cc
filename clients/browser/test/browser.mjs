// Runs the tests in a real browser, one file after another: two cores are few for video.
//
//   node test/browser.mjs            all
//   node test/browser.mjs NAME…      test/browser/NAME.test.mjs
//
// Needs chromium, ffmpeg and the release binaries (cargo build --release -p standalone -p origin -p relay -p cli).
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = join(dirname(fileURLToPath(import.meta.url)), "browser");
const wanted = process.argv.slice(2);
const files = readdirSync(here)
  .filter((file) => file.endsWith(".test.mjs"))
  .filter((file) => wanted.length === 0 || wanted.includes(file.replace(/\.test\.mjs$/, "")))
  .map((file) => join(here, file));
if (files.length === 0) {
  console.error(`no such test: ${wanted.join(" ")}`);
  process.exit(2);
}
const options = ["--test", "--test-concurrency=1", "--test-reporter=spec", "--test-timeout=180000"];
const { status } = spawnSync(process.execPath, [...options, ...files], { stdio: "inherit" });
process.exitCode = status ?? 1;
