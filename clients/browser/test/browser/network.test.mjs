// What happens on the way: slow links, dead relays, wrong tokens, blocked UDP, hidden tabs.
import assert from "node:assert/strict";
import { judge } from "./support/chromium.mjs";
import { clipOf } from "./support/clips.mjs";
import { addPlayer } from "./support/player.mjs";
import { crash } from "./support/servers.mjs";
import { suite } from "./support/suite.mjs";

const { live, browser } = suite();

live("a relay that is killed and started again is found again", async (servers) => {
  const origin = await servers.origin();
  const relay = await servers.relay(origin.udp);
  const page = await browser().embedding(relay.http);
  const player = await addPlayer(page, relay);
  await player.show(30);
  await crash(relay.child);
  await servers.relay(origin.udp, { udp: relay.udp, http: relay.http });
  await player.until((log) => log.stats?.reconnects >= 1);
  await player.shown();
  const { garbage, back } = judge(await player.show(60));
  assert.deepEqual({ garbage, back }, { garbage: [], back: 0 });
});

live("an origin that is killed and started again goes on in the same player", async (servers) => {
  const origin = await servers.origin();
  const relay = await servers.relay(origin.udp);
  const page = await browser().embedding(relay.http);
  const player = await addPlayer(page, relay);
  await player.show(30);
  await crash(origin.child);
  await servers.originAt(origin.udp);
  await page.waitForTimeout(1500);
  await player.shown();
  const { garbage, inOrder } = judge((await player.show(90)).slice(10));
  assert.deepEqual(garbage, []);
  assert.ok(inOrder > 0.9, `${inOrder} in order`);
});

live("a relay that says goodbye is left in time", async (servers) => {
  const origin = await servers.origin();
  const relay = await servers.relay(origin.udp);
  const page = await browser().embedding(relay.http);
  const player = await addPlayer(page, relay);
  await player.show(30);
  relay.child.kill("SIGTERM");
  await relay.child.ended;
  await servers.relay(origin.udp, { udp: relay.udp, http: relay.http });
  await player.shown();
  await player.show(60);
});

live("a slow link costs whole groups and never shows garbage", async (servers, shaped) => {
  const origin = await servers.origin();
  const relay = await servers.relay(origin.udp);
  const link = await shaped(relay.udp, { seed: 7 });
  link.delay = 10;
  const page = await browser().embedding(relay.http);
  const player = await addPlayer(page, { host: "127.0.0.1", udp: link.port, http: relay.http }, { transport: "webtransport" });
  await player.show(30);
  // The clip needs 2.8 Mbit/s.
  link.rate = 1_500_000;
  await player.until((log) => log.stats?.skippedGroups >= 2, undefined, 40_000);
  const slow = await player.shown();
  const { garbage } = judge(slow);
  assert.deepEqual(garbage, []);
  assert.equal(await player.unreadable(), 0, "pictures without a clear barcode");
  link.rate = 0;
  await page.waitForTimeout(3000);
  await player.shown();
  const { inOrder } = judge(await player.show(60));
  assert.ok(inOrder > 0.9, "does not recover when the link does");
});

live("a link too slow for the large rendition gets the small one", async (servers, shaped) => {
  const origin = await servers.origin(clipOf("renditions"), "--namespace", "live/demo");
  const relay = await servers.relay(origin.udp);
  const link = await shaped(relay.udp, { seed: 3 });
  link.delay = 5;
  const page = await browser().embedding(relay.http);
  const player = await addPlayer(page, { host: "127.0.0.1", udp: link.port, http: relay.http }, { transport: "webtransport" });
  await player.act((player) => (player.style.cssText = "display:block;width:1280px;height:720px"));
  await player.until((log) => log.stats?.rendition === "video0", undefined, 40_000);
  link.rate = 1_300_000;
  await player.until((log) => log.stats?.rendition === "video1", undefined, 40_000);
  await player.shown();
  const { garbage, inOrder } = judge((await player.show(120)).slice(30));
  assert.deepEqual(garbage, []);
  assert.ok(inOrder > 0.8, `${inOrder} in order on the rendition that fits`);
});

live("a lossy, long link plays", async (servers, shaped) => {
  const origin = await servers.origin();
  const relay = await servers.relay(origin.udp);
  const link = await shaped(relay.udp, { seed: 11 });
  link.delay = 30;
  link.loss = 0.01;
  const page = await browser().embedding(relay.http);
  const player = await addPlayer(page, { host: "127.0.0.1", udp: link.port, http: relay.http }, { transport: "webtransport", latency: "500" });
  await player.show(30);
  const { garbage, back } = judge(await player.show(120));
  assert.deepEqual({ garbage, back }, { garbage: [], back: 0 });
  const { stats } = await player.until((log) => log.stats?.rtt !== undefined && log.stats.loss > 0);
  assert.ok(stats.rtt >= 55, `rtt ${stats.rtt} over a link of 60 ms`);
  assert.ok(stats.loss > 0.001 && stats.loss < 0.1, `loss ${stats.loss}`);
});

live("a refused token says so, a right one plays", async (servers) => {
  const origin = await servers.origin();
  servers.environment = { EFIR_ACCESS__SUBSCRIBE_TOKEN: "open-sesame" };
  const relay = await servers.relay(origin.udp);
  const page = await browser().embedding(relay.http);
  for (const query of ["", "?token=wrong"]) {
    const refused = await addPlayer(page, relay, { src: `https://localhost:${relay.udp}/live/demo${query}` });
    const log = await refused.until((log) => log.states.at(-1)?.state === "failed");
    assert.equal(log.states.at(-1).code, "unauthorized");
    assert.match(log.states.at(-1).message, /token/);
    await refused.remove();
  }
  const player = await addPlayer(page, relay, { src: `https://localhost:${relay.udp}/live/demo?token=open-sesame` });
  await player.show(30);
});

live("a broadcast that is not on the air is waited for", async (servers) => {
  const relay = await servers.relay(undefined);
  const page = await browser().embedding(relay.http);
  const player = await addPlayer(page, relay);
  const log = await player.until((log) => log.states.at(-1)?.state === "waiting");
  assert.match(log.states.at(-1).message, /live\/demo/);
  await servers.origin("--publish", `moqt://127.0.0.1:${relay.udp}/`);
  await player.show(30);
});

live("blocked UDP: the same player plays over HTTP, says so, and comes back", async (servers, shaped) => {
  const origin = await servers.origin();
  const relay = await servers.relay(origin.udp);
  const link = await shaped(relay.udp);
  link.blocked = true;
  const page = await browser().embedding(relay.http);
  const player = await addPlayer(page, { host: "127.0.0.1", udp: link.port, http: relay.http });
  const log = await player.until((log) => log.sources.at(-1)?.kind === "http");
  assert.match(log.sources.at(-1).reason, /UDP|WebTransport/);
  const { garbage, back, inOrder } = judge(await player.show(60));
  assert.deepEqual({ garbage, back }, { garbage: [], back: 0 });
  assert.ok(inOrder > 0.9, `${inOrder} in order over HTTP`);
  link.blocked = false;
  await player.until((log) => log.sources.at(-1)?.kind === "webtransport", undefined, 60_000);
  await player.shown();
  assert.ok(judge(await player.show(60)).inOrder > 0.9);
});

live("UDP that is blocked while playing", async (servers, shaped) => {
  const origin = await servers.origin();
  const relay = await servers.relay(origin.udp);
  const link = await shaped(relay.udp);
  const page = await browser().embedding(relay.http);
  const player = await addPlayer(page, { host: "127.0.0.1", udp: link.port, http: relay.http });
  await player.show(30);
  link.blocked = true;
  await player.until((log) => log.sources.at(-1)?.kind === "http", undefined, 60_000);
  await player.shown();
  await player.show(60);
});

live("a hidden tab costs little and is live again when looked at", async (servers) => {
  const origin = await servers.origin();
  const relay = await servers.relay(origin.udp);
  const page = await browser().embedding(relay.http);
  const player = await addPlayer(page, relay);
  await player.until((log) => log.stats?.bitrate > 1_000_000);
  await page.evaluate(() => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "hidden" });
    Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await player.until((log) => log.stats?.bitrate < 200_000);
  const before = (await player.log()).stats.framesPainted;
  await page.waitForTimeout(1500);
  assert.ok((await player.log()).stats.framesPainted - before <= 2, "pictures are painted though nobody sees them");
  await page.evaluate(() => {
    delete document.visibilityState;
    delete document.hidden;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await player.shown();
  const { garbage, inOrder } = judge((await player.show(60)).slice(5));
  assert.deepEqual(garbage, []);
  assert.ok(inOrder > 0.9);
});

for (const [lacks, names] of [
  ["WebTransport", ["WebTransport"]],
  ["WebTransport and WebCodecs", ["WebTransport", "VideoDecoder", "AudioDecoder"]],
]) {
  live(`a browser without ${lacks} plays over HTTP`, async (servers) => {
    const server = await servers.standalone();
    const page = await browser().embedding(server.http, { without: names });
    const player = await addPlayer(page, server);
    const log = await player.until((log) => log.sources.at(-1)?.kind === "http" && log.states.at(-1).state === "playing");
    assert.match(log.sources.at(-1).reason, names.length > 1 ? /WebCodecs/ : /WebTransport/);
    if (names.length > 1) {
      // The browser's own decoder paints into a <video>: its clock is the proof.
      await page.waitForFunction(() => {
        const video = window.players[0].player.shadowRoot.querySelector("video");
        return video && video.currentTime > 0 && video.getVideoPlaybackQuality().totalVideoFrames > 60;
      }, undefined, { timeout: 20_000 });
      return;
    }
    const { garbage, back } = judge(await player.show(60));
    assert.deepEqual({ garbage, back }, { garbage: [], back: 0 });
  });
}
