import assert from "node:assert/strict";
import { test } from "node:test";
import { LEAP_MS, Timeline } from "../../src/player/timeline.ts";

/** mulberry32: the same numbers on every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const FRAME_MS = 1000 / 30;

interface Run {
  timeline: Timeline;
  now: number;
  leaps: number;
  rates: number[];
}

/** Plays frames whose arrival is `media + delay(i)`, ticking every 100 ms. */
function play(run: Run, from: number, count: number, delay: (index: number) => number, media = (i: number): number => i * FRAME_MS): void {
  const arrivals = Array.from({ length: count }, (_, i) => {
    const index = from + i;
    return { timestamp: media(index) * 1000, at: index * FRAME_MS + delay(index) };
  });
  for (let i = 1; i < arrivals.length; i += 1) arrivals[i]!.at = Math.max(arrivals[i]!.at, arrivals[i - 1]!.at);
  for (const { timestamp, at } of arrivals) {
    while (run.now + 100 <= at) {
      run.now += 100;
      const tick = run.timeline.tick(run.now);
      run.leaps += tick.leap ? 1 : 0;
      run.rates.push(tick.rate);
    }
    run.timeline.observe({ timestamp, at, fetched: false, capturedAt: undefined });
  }
}

function begin(target: number): Run {
  return { timeline: new Timeline(target), now: 0, leaps: 0, rates: [] };
}

/** Wall minus media, ms. */
function lag(run: Run): number {
  return run.now - run.timeline.mediaAt(run.now) / 1000;
}

test("as live as possible stays just behind the jitter", () => {
  const random = seeded(1);
  const run = begin(0);
  play(run, 0, 900, () => 50 + random() * 30);
  assert.ok(lag(run) > 75 && lag(run) < 115, `lag ${lag(run)}`);
  assert.equal(run.leaps, 0);
});

test("more jitter makes the buffer grow, less lets it shrink again, slowly", () => {
  const random = seeded(2);
  const run = begin(0);
  play(run, 0, 300, () => 20 + random() * 5);
  const calm = lag(run);
  play(run, 300, 300, () => 20 + random() * 200);
  const rough = lag(run);
  play(run, 600, 900, () => 20 + random() * 5);
  assert.ok(rough > calm + 120, `${calm} then ${rough}`);
  assert.ok(lag(run) < calm + 30, `back to ${lag(run)}`);
  assert.ok(run.rates.every((rate) => rate >= 0.95 && rate <= 1.25));
  assert.equal(run.leaps, 0);
});

test("with sound the rate stays within 0.95 and 1.1", () => {
  const random = seeded(3);
  const run = begin(0);
  run.timeline.audible = true;
  play(run, 0, 300, () => 20 + random() * 400);
  play(run, 300, 900, () => 20);
  assert.ok(Math.max(...run.rates) <= 1.1 && Math.max(...run.rates) > 1);
  assert.ok(Math.min(...run.rates) >= 0.95);
});

test("a target is kept from the capture on when it is known", () => {
  const run = begin(800);
  for (let i = 0; i < 300; i += 1) {
    const at = i * FRAME_MS + 120;
    run.timeline.observe({ timestamp: i * FRAME_MS * 1000, at, fetched: false, capturedAt: i * FRAME_MS + 20 });
    run.now = at;
    run.timeline.tick(at);
  }
  assert.ok(Math.abs(lag(run) - 820) < 15, `lag ${lag(run)}`);
});

test("a raised target holds the picture once, a lowered one catches up by rate", () => {
  const run = begin(0);
  play(run, 0, 300, () => 20);
  run.timeline.target = 1000;
  play(run, 300, 30, () => 20);
  assert.ok(Math.abs(lag(run) - 1020) < 30, `lag ${lag(run)}`);
  run.timeline.target = 500;
  run.rates = [];
  play(run, 330, 200, () => 20);
  assert.ok(lag(run) < 560, `lag ${lag(run)}`);
  assert.ok(run.rates.some((rate) => rate > 1.1) && run.leaps === 0);
});

test("the head of a joined group does not delay what is live", () => {
  const run = begin(0);
  for (let i = 0; i < 60; i += 1) {
    run.timeline.observe({ timestamp: i * FRAME_MS * 1000, at: 2000 + i * 0.2, fetched: true, capturedAt: undefined });
  }
  run.now = 2012;
  assert.ok(lag(run) < 2012 - 59 * FRAME_MS + 15, `lag ${lag(run)}`);
  play(run, 61, 30, () => 5);
  assert.ok(lag(run) < 40, `lag ${lag(run)}`);
});

test("a head that comes as a burst without FETCH does not either", () => {
  const run = begin(0);
  play(run, 0, 300, (i) => Math.max(30, 2000 + i * 2 - i * FRAME_MS));
  assert.ok(lag(run) < 60, `lag ${lag(run)}`);
});

test("a backlog after an outage is left out, not played fast", () => {
  const run = begin(0);
  play(run, 0, 300, () => 20);
  play(run, 300, 300, (i) => Math.max(20, 3000 - (i - 300) * FRAME_MS));
  assert.ok(run.leaps >= 1, "no leap");
  assert.ok(lag(run) < 80, `lag ${lag(run)}`);
});

test("a short outage is caught up by rate", () => {
  const run = begin(0);
  play(run, 0, 300, () => 20);
  play(run, 300, 30, (i) => Math.max(20, 500 - (i - 300) * FRAME_MS));
  assert.equal(run.timeline.holds > 0, true);
  assert.ok(lag(run) > 400);
  play(run, 330, 900, () => 20);
  assert.equal(run.leaps, 0);
  assert.ok(lag(run) < 60, `lag ${lag(run)}`);
});

for (const [what, leap] of [["a loop", -60_000], ["an origin that restarts", 3_600_000], ["a small step back", -3000], ["a small step ahead", 3000]] as const) {
  test(`timestamps of ${what} set the clock anew`, () => {
    const run = begin(0);
    const base = 100_000;
    play(run, 0, 300, () => 20, (i) => base + i * FRAME_MS);
    const epoch = run.timeline.epoch;
    play(run, 300, 120, () => 20, (i) => base + i * FRAME_MS + leap);
    const expected = -base - leap;
    assert.ok(run.timeline.epoch > epoch);
    assert.ok(Math.abs(lag(run) - expected) < 80, `lag ${lag(run) - expected}`);
    assert.ok(run.timeline.bufferAt(run.now) < LEAP_MS);
  });
}

test("sound moves the clock a little, and is put in place when it is far away", () => {
  const run = begin(0);
  play(run, 0, 300, () => 20);
  const before = lag(run);
  const timestamp = run.timeline.mediaAt(run.now);
  assert.equal(run.timeline.follow(timestamp, run.now + 20), true);
  assert.ok(Math.abs(lag(run) - before - 2) < 0.01);
  assert.equal(run.timeline.follow(timestamp, run.now + 500), false);
});

test("the clock waits for the sound, at once and for as long as it needs", () => {
  const run = begin(0);
  play(run, 0, 300, () => 20);
  const before = lag(run);
  run.timeline.need(run.timeline.mediaAt(run.now), run.now + 60);
  assert.ok(Math.abs(lag(run) - before - 60) < 1);
  play(run, 300, 150, () => 20);
  assert.ok(Math.abs(lag(run) - before - 60) < 5, `lag ${lag(run)}`);
  play(run, 450, 900, () => 20);
  assert.ok(lag(run) < before + 15, `lag ${lag(run)}`);
  run.timeline.need(run.timeline.mediaAt(run.now), run.now + 5000);
  assert.ok(lag(run) < before + 15, "sound that is seconds late does not stop the picture");
});

test("the rate never leaves its bounds and the clock never runs back, whatever arrives", () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = seeded(seed);
    const run = begin(random() < 0.5 ? 0 : random() * 3000);
    play(run, 0, 1500, () => (random() < 0.02 ? random() * 4000 : random() * 60));
    assert.ok(run.rates.every((rate) => rate >= 0.95 && rate <= 1.25), `seed ${seed}`);
    assert.ok(Number.isFinite(lag(run)), `seed ${seed}`);
  }
});
