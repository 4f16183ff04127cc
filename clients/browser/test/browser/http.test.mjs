// Plain HTTP in a real Chromium: the objects of a track in a worker, and a <video> where WebCodecs are missing.
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Browser } from "./support/chromium.mjs";
import { crash, Servers } from "./support/servers.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const servers = new Servers();
let browser;
let worker;
let fallback;
let server;

before(async () => {
  const bundle = async (file) => {
    const options = { bundle: true, format: "iife", target: "es2022", write: false };
    return (await build({ entryPoints: [join(here, file)], ...options })).outputFiles[0].text;
  };
  [worker, fallback] = await Promise.all([bundle("http-worker.ts"), bundle("http-page.ts")]);
  server = await servers.standalone();
  browser = await Browser.start();
});

after(async () => {
  await browser?.close();
  await servers.close();
});

const base = () => `http://127.0.0.1:${server.http}`;

async function work(page, job) {
  return page.evaluate(
    ([source, job]) =>
      new Promise((resolve) => {
        const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = ({ message }) => resolve({ error: message });
        worker.postMessage(job);
      }),
    [worker, { base: base(), others: 0, token: "", ...job }],
  );
}

test("90 pictures over HTTP, in order and from a group's first", async (context) => {
  await browser.guard("http objects", async () => {
    const page = await browser.page(browser.blank);
    const { result, error } = await work(page, { objects: 90, others: 1 });
    assert.equal(error, undefined);
    assert.equal(result.protocol, "http/1.1");
    assert.deepEqual(result.gaps, []);
    assert.deepEqual([result.objects, result.distinct, result.fetchedFirst, result.resumed], [90, 90, true, true]);
    assert.ok(result.fetched > 0 && result.fetched < 90, `${result.fetched} objects were there already`);
    assert.match(result.missing, /^not-found: .*no such track/);
    assert.equal(result.code, "closed");
    context.diagnostic(JSON.stringify(result));
    await page.close();
  });
});

test("a third player on one plain-HTTP server is told so, and has its place when another goes", async () => {
  await browser.guard("http places", async () => {
    const page = await browser.page(browser.blank);
    const { error } = await work(page, { objects: 1, others: 2 });
    assert.match(error, /^busy: 2 players already play/);
    await page.close();
    const next = await browser.page(browser.blank);
    const { result } = await work(next, { objects: 1, others: 1 });
    assert.equal(result?.objects, 1);
    await next.close();
  });
});

test("over HTTPS all players share one connection", async () => {
  // What a certificate that browsers trust would do.
  const trusting = await Browser.start(["--ignore-certificate-errors"]);
  try {
    await trusting.guard("https objects", async () => {
      const page = await trusting.page(trusting.blank);
      const { result, error } = await work(page, { base: `https://127.0.0.1:${server.udp}`, objects: 60, others: 8 });
      assert.equal(error, undefined);
      assert.match(result.protocol, /^h[23]$/);
      assert.deepEqual([result.gaps, result.distinct], [[], 60]);
    });
  } finally {
    await trusting.close();
  }
});

test("a token goes along from a page of another site, and a wrong one is refused in words", async () => {
  const own = new Servers();
  try {
    await browser.guard("http token", async () => {
      const origin = await own.origin();
      own.environment = { EFIR_ACCESS__SUBSCRIBE_TOKEN: "open-sesame" };
      const relay = await own.relay(origin.udp);
      const page = await browser.page(browser.blank);
      const guarded = { base: `http://127.0.0.1:${relay.http}`, objects: 3 };
      assert.match((await work(page, { ...guarded, token: "wrong" })).error, /^unauthorized: .*token/);
      const { result, error } = await work(page, { ...guarded, token: "open-sesame" });
      assert.deepEqual([error, result?.objects], [undefined, 3]);
      await page.close();
    });
  } finally {
    await own.close();
  }
});

async function mse(options = {}) {
  const page = await browser.context.newPage();
  await page.addInitScript(() => {
    delete globalThis.VideoDecoder;
    delete globalThis.AudioDecoder;
  });
  await page.goto(browser.blank);
  await page.addScriptTag({ content: fallback });
  await page.evaluate(
    ([base, options]) => {
      const video = document.body.appendChild(document.createElement("video"));
      video.muted = true;
      window.notices = [];
      window.player = new MsePlayer(video, (notice) => window.notices.push(notice));
      const all = { server: base, path: "/live/demo", namespace: ["live", "demo"], token: "", certificateHashes: [], httpBase: base };
      window.player.handle({ type: "start", options: { ...all, transport: "auto", latency: 0, rendition: "", audio: true, ...options } });
    },
    [base(), options],
  );
  return page;
}

const video = (page) =>
  page.evaluate(() => {
    const { currentTime, error, videoWidth, buffered, playbackRate } = document.querySelector("video");
    return { currentTime, error: error?.message, videoWidth, ahead: buffered.length ? buffered.end(buffered.length - 1) - currentTime : 0, playbackRate };
  });

const notices = (page, type) => page.evaluate((type) => window.notices.filter((notice) => notice.type === type), type);

async function plays(page) {
  await page.waitForFunction(() => window.notices.filter(({ type }) => type === "state").at(-1)?.state === "playing", null, { timeout: 15_000 });
}

test("without WebCodecs a <video> plays, near the live edge and without errors", async (context) => {
  await browser.guard("mse", async () => {
    const page = await mse();
    assert.equal(await page.evaluate(() => needsMse()), true);
    await plays(page);
    await page.waitForTimeout(3000);
    const before = await video(page);
    await page.waitForTimeout(6000);
    const later = await video(page);
    const passed = later.currentTime - before.currentTime;
    assert.equal(later.error, undefined);
    assert.ok(passed > 5 && passed < 7, `${passed} s of media in 6 s`);
    assert.ok(later.ahead > 0.05 && later.ahead < 1.5, `${later.ahead} s in hand`);
    assert.equal(later.videoWidth, 1280);
    const [catalog] = await notices(page, "catalog");
    assert.equal(await page.evaluate((catalog) => canPlayWithMse(catalog), catalog), true);
    const { stats } = (await notices(page, "stats")).at(-1);
    assert.ok(stats.fps > 20 && stats.bitrate > 100_000 && stats.reconnects === 0, JSON.stringify(stats));
    assert.ok(stats.audioTrack !== "" && stats.rendition !== "");
    context.diagnostic(JSON.stringify({ before, later, stats, states: await notices(page, "state") }));
    await page.close();
  });
});

test("it pauses, goes on at the live edge, keeps more when asked, and stops", async () => {
  await browser.guard("mse pause", async () => {
    const page = await mse();
    await plays(page);
    await page.evaluate(() => window.player.handle({ type: "pause" }));
    const { currentTime } = await video(page);
    await page.waitForTimeout(1500);
    await page.evaluate(() => window.player.handle({ type: "latency", milliseconds: 1200 }));
    await page.evaluate(() => window.player.handle({ type: "resume" }));
    await plays(page);
    await page.waitForTimeout(6000);
    const later = await video(page);
    assert.ok(later.currentTime - currentTime > 5, `${later.currentTime} after ${currentTime}`);
    assert.ok(later.ahead > 0.8 && later.ahead < 2, `${later.ahead} s in hand`);
    await page.evaluate(() => window.player.handle({ type: "stop" }));
    assert.equal((await notices(page, "state")).at(-1).state, "idle");
    await page.close();
  });
});

test("a broadcast that is not there is waited for, a server that comes back is found", async () => {
  await browser.guard("mse again", async () => {
    const absent = await mse({ namespace: ["live", "nobody"] });
    await absent.waitForFunction(() => window.notices.some(({ type, code }) => type === "state" && code === "not-found"));
    await absent.close();
    const page = await mse();
    await plays(page);
    await crash(server.child);
    await page.waitForFunction(() => window.notices.filter(({ type }) => type === "state").at(-1)?.state === "connecting");
    server = await servers.standalone("--port", String(server.udp), "--http-port", String(server.http));
    await plays(page);
    await page.close();
  });
});
