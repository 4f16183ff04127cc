import assert from "node:assert/strict";
import { test } from "node:test";
import { ClockOffset, DelayMeter, type Stamp } from "../../src/player/delay.ts";
import { SampleWindow } from "../../src/player/window.ts";

const TIME_ORIGIN = 1_700_000_000_000;

/** Origin and relay with clocks that are off by known amounts, µs: the truth is 4 ms link, 1 ms relay, 6 ms link. */
function stampAt(capturedLocal: number, originAhead: number, relayAhead: number): { stamp: Stamp; firstByteAt: number } {
  const captured = (TIME_ORIGIN + capturedLocal) * 1000 + originAhead;
  const difference = 4000 + relayAhead - originAhead;
  const relay = { difference, offset: relayAhead - originAhead, uncertainty: 2000, dwell: 1000 };
  return { stamp: { captured, origin: 3000, relays: [relay] }, firstByteAt: capturedLocal + 3 + 4 + 1 + 6 };
}

test("stages and the whole are right in spite of clocks that are seconds off", () => {
  const meter = new DelayMeter(TIME_ORIGIN);
  meter.clock.roundTrip(0, 12);
  for (let i = 0; i < 100; i += 1) {
    const { stamp, firstByteAt } = stampAt(1000 + i * 33, -2_000_000, 5_000_000);
    const journey = meter.journey(stamp, firstByteAt);
    assert.ok(journey !== undefined);
    assert.ok(Math.abs(journey.capturedAt - (1000 + i * 33)) < 0.01);
    const receivedAt = firstByteAt + 2;
    const times = { firstByteAt, receivedAt, submittedAt: receivedAt + 1, decodedAt: receivedAt + 6, dueAt: receivedAt + 20, paintedAt: receivedAt + 24 };
    meter.painted(times, journey);
  }
  const now = 1000 + 99 * 33 + 40;
  const stages = meter.stages(now);
  assert.deepEqual(stages.map(({ stage }) => stage), ["origin", "link 1", "relay 1", "link 2", "receive", "buffer", "decode", "paint"]);
  const expected = [3, 4, 1, 6, 2, 15, 5, 4];
  for (const [i, { stage, p50, p99, now: recent }] of stages.entries()) {
    for (const value of [p50, p99, recent]) assert.ok(Math.abs(value - expected[i]!) < 0.01, `${stage} ${value}`);
  }
  assert.deepEqual(stages.map(({ uncertainty }) => uncertainty), [0, 2, 0, 6, 0, 0, 0, 0]);
  const total = meter.total(now);
  assert.ok(total !== undefined && Math.abs(total.p50 - 40) < 0.01 && total.uncertainty === 8);
  const sum = stages.reduce((all, { p50 }) => all + p50, 0);
  assert.ok(Math.abs(sum - total.p50) < 0.01, "the stages are the whole");
});

test("stamps with fewer hops are of a cache and are left out; more hops begin anew", () => {
  const meter = new DelayMeter(TIME_ORIGIN);
  const { stamp, firstByteAt } = stampAt(1000, 0, 0);
  assert.ok(meter.journey(stamp, firstByteAt) !== undefined);
  assert.equal(meter.journey({ ...stamp, relays: [] }, firstByteAt), undefined);
  const two = { ...stamp, relays: [...stamp.relays, ...stamp.relays] };
  assert.equal(meter.journey(two, firstByteAt)?.stages.length, 6);
  assert.equal(meter.journey(stamp, firstByteAt), undefined);
});

test("without a round trip nothing is claimed", () => {
  const clock = new ClockOffset();
  assert.deepEqual(clock.difference(0, 250), { offset: 0, uncertainty: 250 });
  clock.roundTrip(1, 20);
  assert.deepEqual(clock.difference(2, 300), { offset: 240, uncertainty: 10 });
});

test("the clock follows after a minute, not before", () => {
  const clock = new ClockOffset();
  clock.roundTrip(0, 10);
  clock.difference(0, 100);
  assert.equal(clock.difference(50_000, 200).offset, 95);
  clock.roundTrip(61_500, 10);
  assert.equal(clock.difference(61_500, 200).offset, 195);
});

test("windows forget by time and by number", () => {
  const window = new SampleWindow(1000);
  for (let i = 0; i < 5000; i += 1) window.push(i / 10, i);
  assert.ok(window.size <= 1200);
  assert.deepEqual(window.quantiles(0, 1)?.[1], 4999);
  window.expire(2000);
  assert.equal(window.quantiles(0.5), undefined);
  assert.equal(window.mean(0), undefined);
});
