// Rules of choosing a rendition, and that they do not flap in any network.

import assert from "node:assert/strict";
import { test } from "node:test";
import { begin, capOf, type Conditions, decide, ladderOf, MAX_PATIENCE_MS, PATIENCE_MS } from "../../src/media/rendition.ts";
import type { CatalogTrack } from "../../src/media/types.ts";

const video = (name: string, height: number, bitrate: number, extra: Partial<CatalogTrack> = {}): CatalogTrack => ({
  name,
  packaging: "cmaf",
  kind: "video",
  codec: "avc1.64001f",
  width: (height * 16) / 9,
  height,
  bitrate,
  altGroup: 1,
  ...extra,
});
const LADDER = [video("low", 360, 800e3), video("mid", 720, 2.5e6), video("high", 1080, 6e6)];
const GOOD: Conditions = { throughput: undefined, decodeLoad: 0.1, dropped: 0, width: 0, height: 0 };

test("the ladder: playable ones of one set, smallest first", () => {
  const sound: CatalogTrack = { name: "a", packaging: "cmaf", kind: "audio", codec: "opus" };
  const tracks = [sound, ...LADDER.toReversed(), video("av1", 2160, 9e6, { codec: "av01" }), video("other", 720, 1, { altGroup: 2 })];
  const ladder = ladderOf(tracks, "video", (track) => track.codec !== "av01");
  assert.deepEqual(ladder.map((track) => track.name), ["low", "mid", "high"]);
  assert.deepEqual(ladderOf(tracks, "video", () => false), []);
  const alone = ladderOf([video("x", 360, 1, { altGroup: undefined as never })], "video", () => true);
  assert.equal(alone.length, 1);
});

test("no more pixels than the element has", () => {
  assert.equal(capOf(LADDER, { ...GOOD, width: 640, height: 360 }), 0);
  assert.equal(capOf(LADDER, { ...GOOD, width: 641, height: 361 }), 1);
  assert.equal(capOf(LADDER, { ...GOOD, width: 5000, height: 3000 }), 2);
  assert.equal(begin(LADDER, { ...GOOD, width: 320, height: 180 }, 0).index, 0);
  assert.equal(begin(LADDER, GOOD, 0).index, 1, "unknown: not the most expensive one");
  assert.equal(begin(LADDER, { ...GOOD, throughput: 100 }, 0).index, 0);
});

/** Asks once a second; counts the changes. */
function run(seconds: number, conditions: (second: number, index: number) => Conditions) {
  let state = begin(LADDER, GOOD, 0);
  const changes: { second: number; index: number }[] = [];
  for (let second = 1; second <= seconds; second++) {
    const next = decide(LADDER, state, conditions(second, state.index), second * 1000);
    if (next.index !== state.index) changes.push({ second, index: next.index });
    state = next;
  }
  return { changes, state };
}

test("up slowly, down at once", () => {
  const good = run(60, () => GOOD);
  assert.deepEqual(good.changes, [{ second: PATIENCE_MS / 1000, index: 2 }]);
  const fall = run(60, (second) => ({ ...GOOD, dropped: second >= 30 && second < 33 ? 0.5 : 0 }));
  assert.equal(fall.changes[1]?.second, 30);
  const starved = run(35, (second) => (second < 30 ? GOOD : { ...GOOD, throughput: 1e6 }));
  assert.deepEqual(starved.changes.at(-1), { second: 30, index: 0 }, "past the step between, which does not fit either");
  const weak = run(120, (_, index) => ({ ...GOOD, decodeLoad: [0.1, 0.5, 1.1][index] ?? 0 }));
  assert.deepEqual(weak.changes, [], "the decoder would not keep up");
});

test("a small element does without the large picture, but not at once", () => {
  const { changes } = run(60, (second) => ({ ...GOOD, ...(second > 30 ? { width: 320, height: 180 } : {}) }));
  assert.deepEqual(changes.at(-1), { second: 36, index: 0 });
  const brief = run(60, (second) => ({ ...GOOD, ...(second > 30 && second < 34 ? { width: 320, height: 180 } : {}) }));
  assert.equal(brief.changes.length, 1);
});

test("constant conditions settle, whatever they are", () => {
  for (let capacity = 0.2e6; capacity < 12e6; capacity += 0.3e6) {
    for (const isSeen of [true, false]) {
      // The path carries so much; what is beyond comes late.
      const { changes } = run(3600, (_, index) => {
        const late = (LADDER[index]?.bitrate ?? 0) > capacity;
        return { ...GOOD, throughput: isSeen || late ? capacity : undefined, dropped: late ? 0.3 : 0 };
      });
      const most = isSeen ? 3 : 2 * (3600 / (MAX_PATIENCE_MS / 1000) + 6);
      assert(changes.length <= most, `${capacity} bit/s: ${changes.length} changes`);
      const ups = changes.filter((change, index) => change.index > (changes[index - 1]?.index ?? 1));
      for (let index = 3; index < ups.length; index++) {
        const [before, now] = [ups[index - 1]?.second ?? 0, ups[index]?.second ?? 0];
        assert(now - before >= PATIENCE_MS / 1000, "steps up keep their distance");
      }
    }
  }
});

test("random conditions never change it more than every two seconds, nor leave the ladder", () => {
  let seed = 7;
  const random = (): number => (seed = (seed * 48_271) % 0x7fff_ffff) / 0x7fff_ffff;
  const { changes } = run(20_000, () => ({
    throughput: random() < 0.5 ? undefined : random() * 10e6,
    decodeLoad: random(),
    dropped: random() < 0.9 ? 0 : random(),
    width: random() < 0.5 ? 0 : random() * 2000,
    height: random() * 1200,
  }));
  changes.forEach(({ second, index }, at) => {
    assert(LADDER[index] !== undefined);
    assert(second - (changes[at - 1]?.second ?? -9) >= 2);
  });
});
