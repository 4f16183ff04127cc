// The live picture in an ordinary Chromium: in order, with sound, from the middle of a group, over relays, in every codec.
import assert from "node:assert/strict";
import { judge } from "./support/chromium.mjs";
import { clipOf } from "./support/clips.mjs";
import { addPlayer } from "./support/player.mjs";
import { suite } from "./support/suite.mjs";
import { watch } from "./support/watch.mjs";

/** Frames per group of the clips. */
const GROUP = 30;

const { live, browser } = suite();

live("the relay's own page shows the picture, frame by frame, and the sound is heard", async (servers) => {
  const server = await servers.standalone();
  const page = await browser().page(`http://localhost:${server.http}/#live/demo`);
  await page.waitForSelector("efir-player");
  const frames = await watch(page, 90);
  const { garbage, back, inOrder } = judge(frames);
  assert.deepEqual({ garbage, back }, { garbage: [], back: 0 });
  assert.ok(inOrder > 0.9, `only ${inOrder} of the steps are to the next frame`);
});

live("every frame is shown once and in order, and embedded on another site", async (servers) => {
  const server = await servers.standalone();
  const page = await browser().embedding(server.http);
  const player = await addPlayer(page, server);
  await player.show(10);
  const { garbage, back, inOrder, steps } = judge(await player.show(150));
  assert.deepEqual({ garbage, back }, { garbage: [], back: 0 });
  assert.ok(inOrder > 0.95, `steps ${JSON.stringify([...steps])}`);
  const { stats } = await player.until((log) => log.stats?.framesPainted > 100);
  assert.equal(stats.skippedGroups, 0);
  assert.equal(stats.gaps, 0);
  assert.equal(stats.decodeErrors, 0);
  assert.equal(stats.source, "webtransport");
  assert.equal(stats.protocol, "moqt-18");
  assert.equal(await player.unreadable(), 0);
});

live("sound plays without holes and the picture follows it", async (servers) => {
  const server = await servers.standalone(clipOf("renditions"));
  const page = await browser().embedding(server.http);
  // Listens to whatever goes to the loudspeaker.
  await page.evaluate(() => {
    const connect = AudioNode.prototype.connect;
    AudioNode.prototype.connect = function (target, ...rest) {
      if (target instanceof AudioDestinationNode && !window.tap) {
        window.tap = new AnalyserNode(this.context, { fftSize: 2048 });
        connect.call(this, window.tap);
      }
      return connect.call(this, target, ...rest);
    };
  });
  const player = await addPlayer(page, server, { muted: undefined });
  await player.show(10);
  await player.act((player) => {
    player.muted = false;
    player.volume = 1;
  });
  await page.waitForFunction(() => window.tap !== undefined, undefined, { timeout: 10_000 });
  const heard = () =>
    page.evaluate(async () => {
      const samples = new Float32Array(window.tap.fftSize);
      let loud = 0;
      for (let look = 0; look < 50; look++) {
        await new Promise((resolve) => setTimeout(resolve, 40));
        window.tap.getFloatTimeDomainData(samples);
        if (samples.some((sample) => Math.abs(sample) > 0.01)) loud += 1;
      }
      return loud / 50;
    });
  await player.until((log) => log.stats?.audioTrack !== "");
  await page.waitForTimeout(2000);
  const before = (await player.log()).stats;
  assert.ok((await heard()) > 0.95, "silence");
  const { stats } = await player.log();
  assert.equal(stats.audioUnderruns, before.audioUnderruns, "sound was missing");
  const pitch = await page.evaluate(() => {
    const bins = new Float32Array(window.tap.frequencyBinCount);
    window.tap.getFloatFrequencyData(bins);
    const loudest = bins.indexOf(Math.max(...bins));
    return (loudest * window.tap.context.sampleRate) / window.tap.fftSize;
  });
  assert.ok(Math.abs(pitch - 440) < 40, `the tone is at ${pitch} Hz`);
  const { inOrder } = judge((await player.shown()).slice(-60));
  assert.ok(inOrder > 0.9, "the picture stumbles while sound plays");
});

live("a viewer who comes in the middle of a group sees that group at once", async (servers) => {
  const server = await servers.standalone();
  const page = await browser().embedding(server.http);
  const first = await addPlayer(page, server);
  await first.show(40);
  for (let round = 0; round < 3; round++) {
    await page.waitForFunction(() => {
      const newest = window.players[0].watch.seen.at(-1);
      return newest && newest.value % 30 >= 8 && newest.value % 30 <= 14;
    }, undefined, { polling: "raf" });
    const now = (await first.shown()).at(-1).value;
    const late = await addPlayer(page, server);
    const [frame] = await late.show(1);
    assert.equal(Math.floor(frame.value / GROUP), Math.floor(now / GROUP), `joined at ${now}, saw ${frame.value} first`);
    assert.ok((await late.until((log) => log.stats?.tuneIn !== undefined)).stats.tuneIn > 0);
    await late.remove();
  }
});

live("the delay of every hop: origin, two relays, three links, this browser", async (servers) => {
  const origin = await servers.origin();
  const far = await servers.relay(origin.udp);
  const near = await servers.relay(far.udp);
  const page = await browser().embedding(near.http);
  const player = await addPlayer(page, near, { stats: "" });
  const { stats } = await player.until((log) => log.stats?.stages?.length >= 10 && log.stats.loss !== undefined);
  assert.deepEqual(
    stats.stages.map(({ stage }) => stage),
    ["origin", "link 1", "relay 1", "link 2", "relay 2", "link 3", "receive", "buffer", "decode", "paint"],
  );
  const sum = stats.stages.reduce((sum, { p50 }) => sum + p50, 0);
  assert.ok(stats.glassToGlass, "no delay from capture to paint");
  assert.ok(Math.abs(sum - stats.glassToGlass.p50) < Math.max(10, sum / 4), `${sum} in parts, ${stats.glassToGlass.p50} in all`);
  for (const { stage, p50, p99 } of stats.stages) assert.ok(p50 >= 0 && p99 >= p50 && p99 < 2000, `${stage}: ${p50} ${p99}`);
  assert.ok(stats.rtt > 0 && stats.rtt < 200, `rtt ${stats.rtt}`);
  assert.ok(stats.loss >= 0 && stats.loss < 0.5, `loss ${stats.loss}`);
  const { inOrder } = judge(await player.show(60));
  assert.ok(inOrder > 0.9);
});

for (const [name, clip, packaging] of [
  ["VP9 and Opus", "vp9", "cmaf"],
  ["AV1 and AAC", "av1", "cmaf"],
  ["H.264 and AAC as LOC", "renditions", "loc"],
  ["VP9 and Opus as LOC", "vp9", "loc"],
]) {
  live(`${name} play`, async (servers) => {
    const origin = await servers.origin(clipOf(clip), "--namespace", "live/demo", "--packaging", packaging);
    const relay = await servers.relay(origin.udp);
    const page = await browser().embedding(relay.http);
    const player = await addPlayer(page, relay, { muted: undefined });
    await player.show(10);
    const { garbage, back, inOrder } = judge(await player.show(90));
    assert.deepEqual({ garbage, back }, { garbage: [], back: 0 });
    assert.ok(inOrder > 0.9, `${inOrder} in order`);
    const { stats } = await player.until((log) => log.stats?.audioTrack !== "");
    assert.equal(stats.decodeErrors, 0);
  });
}

live("the same over draft-16, for relays that speak no other", async (servers) => {
  const server = await servers.standalone();
  const page = await browser().embedding(server.http, { protocols: ["moqt-16"] });
  const player = await addPlayer(page, server);
  await player.show(10);
  const { garbage, back, inOrder } = judge(await player.show(90));
  assert.deepEqual({ garbage, back }, { garbage: [], back: 0 });
  assert.ok(inOrder > 0.9, `${inOrder} in order`);
  const { stats } = await player.until((log) => log.stats?.rtt !== undefined && log.stats.glassToGlass !== undefined);
  assert.equal(stats.protocol, "moqt-16");
});

live("the rendition is switched by hand without a gap", async (servers) => {
  const server = await servers.standalone(clipOf("renditions"));
  const page = await browser().embedding(server.http);
  const player = await addPlayer(page, server, { rendition: "video0" });
  await player.until((log) => log.stats?.width === 1280);
  await player.show(30);
  await player.act((player) => (player.rendition = "video1"));
  await player.until((log) => log.stats?.rendition === "video1" && log.stats.width === 640);
  await player.act((player) => (player.rendition = "video0"));
  await player.until((log) => log.stats?.rendition === "video0" && log.stats.width === 1280);
  const { back, garbage, steps } = judge(await player.shown());
  assert.deepEqual({ garbage, back }, { garbage: [], back: 0 });
  const missing = [...steps].reduce((sum, [step, count]) => sum + (step - 1) * count, 0);
  assert.ok(missing <= 6, `frames were not shown at the switches: steps ${JSON.stringify([...steps])}`);
});

live("a small player takes the small rendition by itself, a large one the large", async (servers) => {
  const server = await servers.standalone(clipOf("renditions"));
  const page = await browser().embedding(server.http);
  const player = await addPlayer(page, server);
  await player.act((player) => (player.style.cssText = "display:block;width:160px;height:90px"));
  await player.until((log) => log.stats?.rendition === "video1");
  await player.act((player) => (player.style.cssText = "display:block;width:1280px;height:720px"));
  await player.until((log) => log.stats?.rendition === "video0", undefined, 40_000);
});

live("eight players on one page", async (servers) => {
  const server = await servers.standalone(clipOf("small"));
  const page = await browser().embedding(server.http);
  const players = [];
  for (let count = 0; count < 8; count++) players.push(await addPlayer(page, server));
  for (const player of players) {
    await player.show(60, 60_000);
    const { garbage, back } = judge(await player.show(30, 60_000));
    assert.deepEqual({ garbage, back }, { garbage: [], back: 0 });
  }
});

live("pause stands still, going on is live again", async (servers) => {
  const server = await servers.standalone();
  const page = await browser().embedding(server.http);
  const player = await addPlayer(page, server);
  await player.show(30);
  await player.act((player) => player.pause());
  await player.until((log) => log.states.at(-1).state === "paused");
  await page.waitForTimeout(300);
  await player.shown();
  await page.waitForTimeout(2500);
  assert.equal((await player.shown()).length, 0, "the picture moves while paused");
  await player.act((player) => player.play());
  const { garbage, inOrder } = judge((await player.show(60)).slice(5));
  assert.deepEqual(garbage, []);
  assert.ok(inOrder > 0.9);
});
