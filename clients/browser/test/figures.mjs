// The player's figures, measured in Chromium against real servers: tune-in, glass to glass, what a hop adds, CPU, size.
//
//   node test/figures.mjs            all, as lines of text
//   node test/figures.mjs --json     one JSON object
//
// Needs what test/browser.mjs needs.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { Browser } from "./browser/support/chromium.mjs";
import { addPlayer } from "./browser/support/player.mjs";
import { Servers } from "./browser/support/servers.mjs";

const LOADS = 50;
/** Seconds of play for delays and CPU. */
const PLAY = 20;
const dist = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const say = process.argv.includes("--json") ? () => {} : console.log;

function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
}

/** SUBSCRIBE to the first painted frame, each load a new connection at a moment of its own. */
async function tuneIn(browser, server) {
  const page = await browser.embedding(server.http);
  const times = [];
  for (let load = 0; load < LOADS; load++) {
    const player = await addPlayer(page, server);
    times.push((await player.until((log) => log.stats?.tuneIn !== undefined)).stats.tuneIn);
    await player.remove();
    await page.waitForTimeout(100 + ((load * 137) % 900));
  }
  await page.close();
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99), max: Math.max(...times) };
}

/** Stages and total after playing as live as possible. */
async function delays(browser, server) {
  const page = await browser.embedding(server.http);
  const player = await addPlayer(page, server, { latency: "live" });
  await player.until((log) => log.stats?.glassToGlass !== undefined);
  await page.waitForTimeout(PLAY * 1000);
  const { stats } = await player.log();
  await page.close();
  return { total: stats.glassToGlass, stages: stats.stages };
}

/** CPU seconds so far of every process of this browser: those that have its profile on their command line, and their children. */
function cpu(folder) {
  const tick = Number(execFileSync("getconf", ["CLK_TCK"]).toString());
  const parents = new Map();
  const ticks = new Map();
  const ours = new Set();
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      parents.set(entry, fields[1]);
      ticks.set(entry, Number(fields[11]) + Number(fields[12]));
      if (readFileSync(`/proc/${entry}/cmdline`, "utf8").includes(folder)) ours.add(entry);
    } catch {
      // It ended between two looks.
    }
  }
  const belongs = (entry) => entry !== undefined && entry !== "0" && (ours.has(entry) || belongs(parents.get(entry)));
  return [...ticks].filter(([entry]) => belongs(entry)).reduce((sum, [, used]) => sum + used, 0) / tick;
}

/** Share of a core that one player takes beyond an empty page. */
async function playerCpu(browser, server) {
  const page = await browser.embedding(server.http);
  const measure = async () => {
    const before = cpu(browser.folder);
    await page.waitForTimeout(PLAY * 1000);
    return (cpu(browser.folder) - before) / PLAY;
  };
  const idle = await measure();
  // Without the watch that reads the barcode: that is the test's own work.
  const player = await addPlayer(page, server);
  await page.evaluate(() => (window.players[0].watch.stop = true));
  await player.until((log) => log.stats?.fps > 25);
  const playing = await measure();
  const { stats } = await player.log();
  await page.close();
  return { idle, playing, fps: stats.fps };
}

const ms = (value) => `${value.toFixed(1)} ms`;
const servers = new Servers();
const browser = await Browser.start();
const figures = {};
try {
  const one = await servers.standalone();
  figures.tuneIn = await tuneIn(browser, one);
  const { p50, p99, max } = figures.tuneIn;
  say(`tune-in, SUBSCRIBE to first painted frame, ${LOADS} loads: p50 ${ms(p50)}, p99 ${ms(p99)}, worst ${ms(max)}`);
  figures.cpu = await playerCpu(browser, one);
  const { idle, playing, fps } = figures.cpu;
  say(`CPU of one 720p30 player: ${((playing - idle) * 100).toFixed(0)} % of a core at ${fps.toFixed(1)} fps (all of Chromium ${(playing * 100).toFixed(0)} %)`);
  one.child.kill("SIGTERM");
  await one.child.ended;

  const origin = await servers.origin();
  let upstream = origin.udp;
  figures.hops = [];
  for (let hops = 1; hops <= 3; hops++) {
    const relay = await servers.relay(upstream);
    upstream = relay.udp;
    const { total, stages } = await delays(browser, relay);
    const way = stages.filter(({ stage }) => /^(link|relay)/.test(stage)).reduce((sum, stage) => sum + stage.p50, 0);
    figures.hops.push({ hops, total, way, stages });
    const parts = stages.map((stage) => `${stage.stage} ${stage.p50.toFixed(1)}`).join(", ");
    say(`${hops} relay${hops > 1 ? "s" : ""}: capture to paint p50 ${ms(total.p50)}, p99 ${ms(total.p99)} ± ${ms(total.uncertainty)}; on the way ${ms(way)}`);
    say(`  ${parts}`);
  }
  figures.addedPerHop = (figures.hops[2].way - figures.hops[0].way) / 2;
  say(`a hop adds ${ms(figures.addedPerHop)}`);
  const player = readFileSync(join(dist, "efir-player.js"));
  figures.playerGzip = gzipSync(player, { level: 9 }).length;
  say(`efir-player.js: ${(figures.playerGzip / 1024).toFixed(1)} KiB gzip, ${(player.length / 1024).toFixed(0)} KiB`);
  if (process.argv.includes("--json")) console.log(JSON.stringify(figures));
} finally {
  await browser.close();
  await servers.close();
}
