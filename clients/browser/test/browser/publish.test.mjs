// Publishing from an ordinary Chromium: fake camera, fake microphone and a canvas, to a relay that wants a token.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Browser, installWatch } from "./support/chromium.mjs";
import { addPlayer } from "./support/player.mjs";
import { bin, crash, Servers } from "./support/servers.mjs";

const run = promisify(execFile);
const TOKEN = "open sesame/1";
/** Barcodes count so many ms before they begin again: 12 bits. */
const ROUND = 4096;

let browser;
before(async () => {
  browser = await Browser.start(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]);
  // Scripts from a folder instead of those inside the server's binary, to try them without building that.
  const folder = process.env.PAGE_SCRIPTS;
  if (folder) {
    await browser.context.route("**/efir-*.js", (route) => {
      const path = join(folder, new URL(route.request().url()).pathname);
      const headers = { "access-control-allow-origin": "*", "content-type": "text/javascript" };
      return existsSync(path) ? route.fulfill({ path, headers }) : route.continue();
    });
  }
});
after(() => browser?.close());

function live(name, body) {
  test(name, async () => {
    const servers = new Servers();
    servers.environment = { EFIR_ACCESS__PUBLISH_TOKEN: TOKEN };
    try {
      await browser.guard(name, () => body(servers));
    } finally {
      await Promise.all(browser.context.pages().slice(1).map((page) => page.close()));
      await servers.close();
    }
  });
}

/** A page with a publisher; `choose(publisher, argument)` runs in it before anything is sent. */
async function publish(relay, { attributes = {}, fields = {}, canvas = false } = {}) {
  const page = await browser.page(browser.blank);
  await page.addScriptTag({ type: "module", url: `http://localhost:${relay.http}/efir-publish.js` });
  await page.waitForFunction(() => customElements.get("efir-publisher") !== undefined);
  await page.evaluate(installWatch);
  const all = { server: `https://127.0.0.1:${relay.udp}`, namespace: "live/cam", token: TOKEN, ...attributes };
  await page.evaluate(({ all, fields, canvas, ROUND }) => {
    const publisher = document.createElement("efir-publisher");
    for (const [name, value] of Object.entries(all)) publisher.setAttribute(name, value);
    window.publisher = publisher;
    window.log = { states: [], stats: [] };
    publisher.addEventListener("statechange", ({ detail }) => window.log.states.push(detail));
    publisher.addEventListener("stats", ({ detail }) => window.log.stats.push(detail));
    document.body.append(publisher);
    if (canvas) {
      // The wall clock in ms as the barcode of the built-in clip.
      const picture = Object.assign(document.createElement("canvas"), { width: 1280, height: 720 });
      const context = picture.getContext("2d");
      const draw = () => {
        const value = Math.round(performance.timeOrigin + performance.now()) % ROUND;
        context.fillStyle = "#1d3557";
        context.fillRect(0, 0, 1280, 720);
        context.fillStyle = "#f1faee";
        context.fillRect(100 + (value / ROUND) * 1000, 200, 80, 200);
        context.fillStyle = "black";
        context.fillRect(20, 620, 640, 80);
        context.fillStyle = "white";
        for (let bit = 0; bit < 12; bit++) if ((value >> bit) & 1) context.fillRect(40 + 50 * bit, 640, 40, 40);
      };
      setInterval(draw, 1000 / 30);
      draw();
      publisher.stream = picture.captureStream(30);
    }
    const root = publisher.shadowRoot;
    for (const [label, value] of Object.entries(fields)) {
      const control = [...root.querySelectorAll("label")].find((entry) => entry.textContent.startsWith(label)).querySelector("input, select");
      if (control.type === "checkbox") control.checked = value;
      else control.value = value;
      control.dispatchEvent(new Event("change"));
    }
  }, { all, fields, canvas, ROUND });
  return page;
}

async function start(page) {
  await page.locator("efir-publisher").getByRole("button", { name: "Start sending" }).click();
}

/** Waits until the newest state is this one; what was noted so far. */
async function until(page, state, patience = 20_000) {
  await page.waitForFunction((state) => window.log.states.at(-1)?.state === state, state, { timeout: patience, polling: 50 }).catch(async (error) => {
    throw new Error(`never ${state}: ${JSON.stringify(await page.evaluate(() => window.log.states))}`, { cause: error });
  });
  return page.evaluate(() => window.log);
}

function words(page) {
  return page.locator("efir-publisher").getByRole("status").textContent();
}

/** Takes frames with `efir pull` and lets ffprobe decode them; what it says of the streams. */
async function pull(servers, relay, file, frames = 60) {
  const path = join(servers.state, file);
  const url = `https://127.0.0.1:${relay.udp}/live/cam`;
  await run(join(bin, "efir"), ["pull", url, "--insecure", "--frames", String(frames), "--reconnect-for", "20s", "-o", path], { timeout: 60_000 });
  // Counting frames decodes them all.
  const show = ["-v", "error", "-count_frames", "-show_entries", "stream=codec_name,codec_type,width,height,nb_read_frames", "-of", "json", path];
  const { stdout, stderr } = await run("ffprobe", show);
  assert.equal(stderr, "", "ffprobe finds errors in it");
  return JSON.parse(stdout).streams;
}

function player(page, relay, attributes = {}) {
  return addPlayer(page, relay, { src: `https://127.0.0.1:${relay.udp}/live/cam`, ...attributes });
}

live("the fake camera and microphone go to a relay, to efir pull, and to a player", async (servers) => {
  const relay = await servers.relay();
  const page = await publish(relay);
  await start(page);
  await until(page, "live");
  assert.equal((await page.evaluate(() => window.log.stats.at(-1)?.codec)) ?? null, null, "it encodes though nobody watches");
  const streams = await pull(servers, relay, "camera.mp4");
  const video = streams.find(({ codec_type }) => codec_type === "video");
  const audio = streams.find(({ codec_type }) => codec_type === "audio");
  assert.equal(video.codec_name, "h264");
  assert.ok(Number(video.nb_read_frames) >= 60, `${video.nb_read_frames} frames`);
  assert.equal(audio.codec_name, "opus");
  assert.ok(Number(audio.nb_read_frames) >= 50, `${audio.nb_read_frames} frames of sound`);

  const viewer = await browser.embedding(relay.http);
  const watching = await player(viewer, relay, { muted: undefined });
  const { stats } = await watching.until((log) => log.stats?.framesPainted > 60 && log.stats.audioTrack !== "" && log.stats.glassToGlass);
  assert.equal(stats.decodeErrors, 0);
  const sent = await page.evaluate(() => window.log.stats.at(-1));
  assert.ok(sent.fps > 10 && sent.viewers === 1 && sent.lostGroups === 0, JSON.stringify(sent));
  console.log(`# fake camera: ${sent.width}x${sent.height}, ${sent.fps.toFixed(1)} fps, ${(sent.bitrate / 1e6).toFixed(2)} Mb/s, encode delay ${sent.encodeDelay.toFixed(1)} ms; capture to paint ${JSON.stringify(stats.glassToGlass)}`);
  assert.match(await words(page), /On air/);
  assert.match(await page.locator("efir-publisher").getByLabel("Command that records it").textContent(), /^efir pull https:\/\/127\.0\.0\.1:\d+\/live\/cam --certificate-hash [0-9a-f]{64} -o cam\.mp4$/);

  await page.locator("efir-publisher").getByRole("button", { name: "Stop" }).click();
  await until(page, "idle");
  await watching.until((log) => ["ended", "waiting"].includes(log.states.at(-1).state));
});

for (const [codec, name] of [["vp9", "vp9"], ["av1", "av1"]]) {
  live(`${codec} is encoded, recorded and decoded`, async (servers) => {
    const relay = await servers.relay();
    const page = await publish(relay, { fields: { Codec: codec, "Size, at most": "360", Microphone: false } });
    await start(page);
    await until(page, "live");
    const [video] = await pull(servers, relay, `${codec}.mp4`, 30);
    assert.equal(video.codec_name, name);
    assert.equal(video.height, 360);
  });
}

live("a wrong token says so, the right one then works", async (servers) => {
  const relay = await servers.relay();
  const page = await publish(relay, { attributes: { token: "wrong" } });
  await start(page);
  const { states } = await until(page, "failed");
  assert.equal(states.at(-1).code, "unauthorized");
  assert.match(await words(page), /does not take this token/);
  await page.locator("efir-publisher").getByLabel("Publish token").fill(TOKEN);
  await start(page);
  await until(page, "live");
});

live("a name that somebody else sends is refused", async (servers) => {
  const relay = await servers.relay();
  await until((await started(relay)), "live");
  const second = await publish(relay, { fields: { Microphone: false } });
  await start(second);
  const { states } = await until(second, "failed");
  assert.equal(states.at(-1).code, "taken");
  assert.match(await words(second), /Choose another name/);
});

async function started(relay, options) {
  const page = await publish(relay, { fields: { Microphone: false }, ...options });
  await start(page);
  return page;
}

live("the relay is killed and started again: sending goes on", async (servers) => {
  const relay = await servers.relay();
  const page = await started(relay);
  await until(page, "live");
  await crash(relay.child);
  await until(page, "connecting", 60_000);
  assert.match(await words(page), /trying again by itself/);
  const again = await servers.relay(undefined, relay);
  await until(page, "live", 60_000);
  const [video] = await pull(servers, again, "again.mp4", 30);
  assert.ok(Number(video.nb_read_frames) >= 30);
});

live("permission denied says what to do", async (servers) => {
  const relay = await servers.relay();
  const page = await publish(relay);
  await page.evaluate(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("denied", "NotAllowedError"));
  });
  await start(page);
  await until(page, "failed");
  assert.match(await words(page), /Allow it in the address bar/);
});

live("from glass to glass: the clock in the picture against the clock at the player", async (servers) => {
  const relay = await servers.relay();
  const page = await started(relay, { canvas: true });
  await until(page, "live");
  await page.addScriptTag({ type: "module", url: `http://localhost:${relay.http}/efir-player.js` });
  await page.waitForFunction(() => customElements.get("efir-player") !== undefined);
  const watching = await player(page, relay, { latency: "0" });
  await watching.show(60, 60_000);
  const shown = await watching.show(120, 60_000);
  const origin = await page.evaluate(() => performance.timeOrigin);
  const delays = shown.map(({ value, at }) => (((origin + at - value) % ROUND) + ROUND) % ROUND).sort((a, b) => a - b);
  const [p50, p99] = [0.5, 0.99].map((share) => delays[Math.floor(share * (delays.length - 1))]);
  const { stats } = await watching.log();
  console.log(`# canvas to canvas by barcode: p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms over ${delays.length} pictures; the player says p50 ${stats?.glassToGlass?.p50?.toFixed(0)} ms`);
  assert.ok(p50 < 1000, `p50 ${p50} ms`);
  assert.ok(Math.abs(stats.glassToGlass.p50 - p50) < 150, `the stamps say ${stats.glassToGlass.p50} ms, the picture ${p50} ms`);
});
