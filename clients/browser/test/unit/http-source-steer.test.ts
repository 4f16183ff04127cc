import assert from "node:assert/strict";
import { test } from "node:test";
import { BAND_S, FAST, JUMP_S, SLOW } from "../../src/fallback/limit.ts";
import { steer } from "../../src/fallback/steer.ts";

const TARGET = 0.5;
const one = [{ start: 100, end: 110 }];

test("it begins, and after numbers anew goes on, at the live edge", () => {
  assert.deepEqual(steer([], 0, 1, TARGET), { seek: undefined, rate: 1, skipped: false, ahead: 0 });
  assert.equal(steer(one, 0, 1, TARGET).seek, 109.5);
  assert.equal(steer([{ start: 100, end: 100.2 }], 0, 1, TARGET).seek, 100, "not before what is there");
  assert.equal(steer(one, 500, 1, TARGET).seek, 109.5);
  assert.equal(steer(one, 0, 1, TARGET).skipped, false);
});

test("small differences change the rate, until the middle is reached", () => {
  assert.equal(steer(one, 109.5, 1, TARGET).rate, 1);
  assert.equal(steer(one, 109.5 - 2 * BAND_S, 1, TARGET).rate, FAST);
  assert.equal(steer(one, 109.5 - BAND_S / 2, FAST, TARGET).rate, FAST);
  assert.equal(steer(one, 109.51, FAST, TARGET).rate, 1);
  assert.equal(steer(one, 109.5 + 2 * BAND_S, 1, TARGET).rate, SLOW);
  assert.equal(steer(one, 109.5 + BAND_S / 2, SLOW, TARGET).rate, SLOW);
  assert.equal(steer(one, 109.49, SLOW, TARGET).rate, 1);
});

test("large ones and gaps are jumped over, and count as skipped", () => {
  const late = steer(one, 110 - TARGET - JUMP_S - 0.1, 1, TARGET);
  assert.deepEqual([late.seek, late.skipped], [109.5, true]);
  const gap = [{ start: 100, end: 101 }, { start: 101.5, end: 102 }];
  assert.equal(steer(gap, 100.5, 1, TARGET).seek, undefined, "plays to the end of what it has");
  const over = steer(gap, 100.95, 1, TARGET);
  assert.deepEqual([over.seek, over.skipped], [101.5, true]);
});
