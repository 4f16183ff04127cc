import assert from "node:assert/strict";
import { test } from "node:test";
import { Resampler } from "../../src/player/resample.ts";

for (const [from, to] of [[44_100, 48_000], [48_000, 44_100], [24_000, 48_000]] as const) {
  test(`${from} to ${to}: a straight line stays straight across chunks`, () => {
    const resampler = new Resampler(to);
    const out: number[] = [];
    for (let chunk = 0; chunk < 10; chunk += 1) {
      const samples = Float32Array.from({ length: 1024 }, (_, i) => (chunk * 1024 + i) / 10_240);
      out.push(...(resampler.convert([samples, samples], from)[1] ?? []));
    }
    assert.ok(Math.abs(out.length - (10_240 * to) / from) < 3, `${out.length} samples`);
    const step = from / to / 10_240;
    for (const [i, sample] of out.entries()) assert.ok(Math.abs(sample - i * step) < 1e-5, `sample ${i}`);
  });
}

test("the same rate goes through untouched", () => {
  const planes = [new Float32Array(10)];
  assert.equal(new Resampler(48_000).convert(planes, 48_000), planes);
});
