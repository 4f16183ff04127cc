import assert from "node:assert/strict";
import { test } from "node:test";
import { codecString, encoderConfig, fit } from "../../src/publish/choice.ts";
import { CaptureClock, captureTimeOf, unixMicroseconds } from "../../src/publish/clock.ts";
import { beginsGroup, Cutter, GroupIds } from "../../src/publish/groups.ts";
import { RateControl } from "../../src/publish/rate.ts";
import { httpBaseOf, parseHashes } from "../../src/publish/server.ts";
import { captureWords, failureWords, shellWord } from "../../src/publish/words.ts";

const SECOND = 1_000_000;

test("sound follows the groups of the pictures with the same ids", () => {
  const cutter = new Cutter(new GroupIds(1000.9), true);
  assert.equal(cutter.keyFrame(), 1000n);
  assert.equal(cutter.sound(0), 1000n);
  assert.equal(cutter.sound(20_000), undefined);
  assert.equal(cutter.keyFrame(), 1001n);
  assert.equal(cutter.sound(SECOND), 1001n);
  assert.equal(cutter.sound(SECOND + 20_000), undefined);
});

test("sound goes on in groups of its own when no picture comes, and ids only grow", () => {
  const cutter = new Cutter(new GroupIds(1000), true);
  assert.equal(cutter.sound(0), 1000n, "nothing to wait for");
  assert.equal(cutter.sound(2 * SECOND - 1), undefined);
  assert.equal(cutter.sound(2 * SECOND), 1001n);
  assert.equal(cutter.keyFrame(), 1002n);
  assert.equal(cutter.sound(2 * SECOND + 1), 1002n);
  assert.equal(cutter.sound(2 * SECOND + 2, true), 1003n, "begun anew after a lost group");
});

test("sound alone is cut every second", () => {
  const cutter = new Cutter(new GroupIds(0), false);
  const begun = Array.from({ length: 500 }, (_, index) => cutter.sound(index * 20_000)).filter((group) => group !== undefined);
  assert.deepEqual(begun, Array.from({ length: 10 }, (_, index) => BigInt(index)));
});

const easy = { waited: 5, sent: 900_000, isLost: false };

test("the bitrate falls when objects wait, at most every other second", () => {
  const rate = new RateControl(100_000, 1_000_000);
  assert.equal(rate.update({ now: 0, ...easy }), 1_000_000);
  assert.equal(rate.update({ now: 1000, waited: 400, sent: 600_000, isLost: false }), 510_000);
  assert.equal(rate.update({ now: 2000, waited: 600, sent: 500_000, isLost: false }), 510_000, "what was decided has to show first");
  assert.equal(rate.update({ now: 3000, waited: 600, sent: 500_000, isLost: false }), 425_000);
});

test("a lost group counts at once, and nothing falls below the least", () => {
  const rate = new RateControl(100_000, 1_000_000);
  assert.equal(rate.update({ now: 0, waited: 1100, sent: 400_000, isLost: true }), 240_000);
  for (let now = 1000; now < 10_000; now += 1000) rate.update({ now, waited: 1100, sent: 0, isLost: true });
  assert.equal(rate.bitrate, 100_000);
});

test("it rises slowly while nothing waits, up to what was asked for", () => {
  const rate = new RateControl(100_000, 1_000_000);
  rate.update({ now: 0, waited: 1100, sent: 400_000, isLost: true });
  const steps: number[] = [];
  for (let now = 1000; now <= 120_000; now += 1000) {
    const before = rate.bitrate;
    if (rate.update({ now, ...easy }) !== before) steps.push(now);
  }
  assert.equal(rate.bitrate, 1_000_000);
  for (let index = 1; index < steps.length; index++) assert.ok((steps[index] ?? 0) - (steps[index - 1] ?? 0) >= 5000);
  const bound = new RateControl(100_000, 50_000);
  bound.update({ now: 0, waited: 2000, sent: 0, isLost: true });
  assert.equal(bound.bitrate, 50_000, "who asks for less than the least gets it");
});

test("a rise waits for five easy seconds in a row", () => {
  const rate = new RateControl(100_000, 1_000_000);
  const low = rate.update({ now: 0, waited: 1100, sent: 400_000, isLost: true });
  for (let now = 1000; now <= 60_000; now += 1000) rate.update({ now, ...easy, waited: now % 4000 === 0 ? 100 : 5 });
  assert.equal(rate.bitrate, low);
});

test("capture times come from the frame that waited least", () => {
  const clock = new CaptureClock();
  const unix = 1_800_000_000 * SECOND;
  for (const [index, late] of [40_000, 12_000, 5_000, 60_000].entries()) clock.observe(index * 33_333, unix + index * 33_333 + late);
  assert.equal(clock.captured(4 * 33_333), unix + 4 * 33_333 + 5_000);
});

test("an estimate from long ago is forgotten", () => {
  const clock = new CaptureClock();
  clock.observe(0, SECOND);
  for (let second = 1; second <= 25; second++) clock.observe(second * SECOND, (second + 1) * SECOND + 3000);
  assert.equal(clock.captured(0), SECOND + 3000);
});

test("the media timeline is fixed where it begins and never goes back", () => {
  const clock = new CaptureClock();
  clock.observe(0, 800_000);
  assert.equal(clock.isSettled, false);
  clock.observe(20_000, 505_000);
  clock.observe(400_000, 1_400_000);
  assert.equal(clock.isSettled, true);
  assert.equal(clock.media(400_000), 885_000);
  clock.observe(420_000, 800_000);
  assert.equal(clock.media(420_000), 905_000, "a better estimate does not move it");
  assert.equal(clock.captured(420_000), 800_000, "but tells the capture");
  assert.equal(clock.media(420_000), 905_001);
});

test("a source that skipped samples is placed anew once that lasts", () => {
  const clock = new CaptureClock();
  const skipped = 511_000;
  let timestamp = 0;
  const next = (at: number): number => {
    clock.observe(timestamp, at);
    return clock.media((timestamp += 10_000) - 10_000);
  };
  for (let n = 0; n < 60; n++) next(n * 10_000);
  // Half a second of sound is lost; the timestamps go on as if it had not been.
  const late = Array.from({ length: 400 }, (_, n) => {
    const at = (60 + n) * 10_000 + skipped;
    return at - next(at);
  });
  assert.equal(late[0], skipped);
  assert.equal(late.at(-1), 0, "heard late for ever");
  assert.ok(late.every((value, n) => n === 0 || value <= (late[n - 1] ?? 0)), "it is placed anew once");
});

test("capture times of another clock are not taken", () => {
  const now = unixMicroseconds();
  const here = performance.now();
  assert.ok(Math.abs((captureTimeOf(here - 30, now) ?? 0) - (now - 30_000)) < 5000);
  assert.equal(captureTimeOf(here - 5000, now), undefined);
  assert.equal(captureTimeOf(here + 5000, now), undefined);
  assert.equal(captureTimeOf(undefined, now), undefined);
});

test("sizes keep the shape, upright as well, in even numbers", () => {
  assert.deepEqual(fit(1920, 1080, 720), { width: 1280, height: 720 });
  assert.deepEqual(fit(1080, 1920, 720), { width: 720, height: 1280 });
  assert.deepEqual(fit(640, 480, 720), { width: 640, height: 480 }, "never enlarged");
  assert.deepEqual(fit(1365, 767, 360), { width: 640, height: 360 });
  assert.deepEqual(fit(1, 1, 360), { width: 2, height: 2 });
});

test("codec strings name the level that the size needs", () => {
  assert.equal(codecString("h264", 640, 360, 30), "avc1.42e01e");
  assert.equal(codecString("h264", 1280, 720, 30), "avc1.42e01f");
  assert.equal(codecString("h264", 1920, 1080, 30), "avc1.42e028");
  assert.equal(codecString("h264", 1920, 1080, 60), "avc1.42e02a");
  assert.equal(codecString("vp9", 1280, 720, 30), "vp09.00.31.08");
  assert.equal(codecString("av1", 1280, 720, 30), "av01.0.05M.08");
  const config = encoderConfig({ codec: "h264", height: 720, bitrate: 1, framerate: 30 }, 1280, 720, 5);
  assert.deepEqual([config.bitrate, config.latencyMode, config.avc], [5, "realtime", { format: "avc" }]);
  assert.equal("avc" in encoderConfig({ codec: "vp9", height: 720, bitrate: 1, framerate: 30 }, 1280, 720, 5), false);
});

test("the HTTP edge is where the script came from, on the same machine", () => {
  const script = "http://localhost:8080/efir-publish.js";
  assert.equal(httpBaseOf("", "https://127.0.0.1:4443", script), "http://localhost:8080");
  assert.equal(httpBaseOf("", "https://relay.example:4443", script), "");
  assert.equal(httpBaseOf("", "https://relay.example:4443", "https://relay.example/efir-publish.js"), "https://relay.example");
  assert.equal(httpBaseOf("http://other:1/", "https://relay.example", script), "http://other:1");
  assert.equal(httpBaseOf("", "https://localhost", "blob:null/1"), "");
});

test("hashes as the servers and as tools write them", () => {
  const hash = "ab".repeat(32);
  assert.deepEqual(parseHashes(`${hash}\n${"AB:".repeat(31)}AB\nxyz`), [hash, hash]);
  assert.deepEqual(parseHashes("abcd"), []);
});

test("errors say what to do", () => {
  const denied = Object.assign(new Error("denied"), { name: "NotAllowedError" });
  assert.match(captureWords(denied, "camera", true), /camera and microphone\. Allow it/);
  assert.match(captureWords(denied, "screen", true), /screen was not shared/);
  assert.match(captureWords(Object.assign(new Error(), { name: "NotFoundError" }), "camera", true), /switch the microphone off/);
  assert.match(captureWords(new Error("odd"), "page", false), /odd/);
  assert.match(failureWords("taken", "", "live/cam"), /live\/cam.*another name/);
  assert.equal(shellWord("https://host:1/live/a-b"), "https://host:1/live/a-b");
  assert.equal(shellWord("it's"), `'it'\\''s'`);
});

test("p16: a group that is asked for begins sooner, but not at once", () => {
  const at = (milliseconds: number, isWanted: boolean): boolean => beginsGroup(milliseconds * 1000, 30, isWanted);
  assert.deepEqual([at(960, false), at(990, false)], [false, true], "one a second by itself");
  assert.deepEqual([at(100, true), at(460, true), at(490, true)], [false, false, true]);
});
