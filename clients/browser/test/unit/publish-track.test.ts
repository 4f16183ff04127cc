// A track and its subscribers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestErrorCode } from "../../src/moqt/error_code.ts";
import { HopDelay } from "../../src/moqt/hop_delay.ts";
import type { Filter, Location } from "../../src/moqt/location.ts";
import { fullTrackName } from "../../src/moqt/name.ts";
import { HOP_DELAY } from "../../src/moqt/property.ts";
import type { IncomingFetch, IncomingSubscribe, Publication, SentObject } from "../../src/session/publishing.ts";
import { unixMicroseconds } from "../../src/publish/clock.ts";
import { Track } from "../../src/publish/track.ts";

const name = fullTrackName(["live", "demo"], "video0");
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

interface Stream {
  group: bigint;
  isHead: boolean;
  objects: string[];
  sent: SentObject[];
  end: "open" | "finished" | number;
}

/** A subscriber whose streams take as much as `flow` lets them. */
class Subscriber {
  readonly streams: Stream[] = [];
  largest: Location | undefined;
  forward = true;
  newGroup: bigint | undefined;
  onUpdate: (() => void) | undefined;
  doneWith: number | undefined;
  flow: Promise<void> = Promise.resolve();
  leave: () => void = () => undefined;
  readonly closed = new Promise<void>((resolve) => (this.leave = resolve));

  subscribe(track: Track, filter: Filter = { kind: "largest-object" }): this {
    const accept = (largest: Location | undefined): Publication => {
      this.largest = largest;
      return this as unknown as Publication;
    };
    track.subscribe({ track: name, parameters: { filter }, accept } as unknown as IncomingSubscribe);
    return this;
  }

  async openSubgroup({ group, firstObject }: { group: bigint; firstObject: boolean }): Promise<unknown> {
    const stream: Stream = { group, isHead: firstObject, objects: [], sent: [], end: "open" };
    this.streams.push(stream);
    return {
      write: async (object: SentObject) => {
        await this.flow;
        stream.objects.push(`${object.object}:${new TextDecoder().decode(object.payload)}`);
        stream.sent.push(object);
      },
      finish: () => (stream.end = "finished"),
      reset: (code: number) => (stream.end = code),
    };
  }

  done(code: number): void {
    this.doneWith = code;
  }
}

function track(): Track {
  return new Track("video0", 96, []);
}

function push(track: Track, ...texts: string[]): void {
  for (const text of texts) assert.equal(track.push([], bytes(text), undefined), true);
}

/** What a FETCH of this range is answered with. */
async function fetched(track: Track, start: Location, end: Location): Promise<string[] | number> {
  const found: string[] = [];
  let refused: number | undefined;
  const request = {
    start,
    end,
    refuse: (code: number) => (refused = code),
    accept: async () => ({
      write: async (group: bigint, _subgroup: bigint, priority: number, { object }: SentObject) => {
        assert.equal(priority, 96);
        found.push(`${group}/${object}`);
      },
      finish: () => found.push("end"),
    }),
  };
  await track.fetch(request as unknown as IncomingFetch);
  return refused ?? found;
}

test("whoever comes in the middle of a group gets the rest live and the head by FETCH", async () => {
  const video = track();
  video.begin(7n);
  push(video, "a", "b");
  const viewer = new Subscriber().subscribe(video);
  assert.deepEqual(viewer.largest, { group: 7n, object: 1n });
  push(video, "c");
  video.begin(8n);
  push(video, "d");
  await settled();
  assert.deepEqual(viewer.streams.map(({ group, isHead, objects, end }) => ({ group, isHead, objects, end })), [
    { group: 7n, isHead: false, objects: ["2:c"], end: "finished" },
    { group: 8n, isHead: true, objects: ["0:d"], end: "open" },
  ]);
  assert.deepEqual(await fetched(video, { group: 7n, object: 0n }, { group: 7n, object: 2n }), ["7/0", "7/1", "end"]);
});

test("FETCH takes whole groups, refuses what is not kept", async () => {
  const video = track();
  assert.equal(await fetched(video, { group: 1n, object: 0n }, { group: 1n, object: 0n }), RequestErrorCode.DOES_NOT_EXIST);
  for (const group of [1n, 2n, 3n]) {
    video.begin(group);
    push(video, "a", "b");
  }
  assert.equal(await fetched(video, { group: 1n, object: 0n }, { group: 1n, object: 0n }), RequestErrorCode.DOES_NOT_EXIST);
  assert.deepEqual(await fetched(video, { group: 2n, object: 1n }, { group: 3n, object: 0n }), ["2/1", "3/0", "3/1", "end"]);
  video.clear();
  assert.equal(video.largest, undefined, "what nobody watches is old when somebody comes");
  assert.equal(video.push([], bytes("c"), undefined), false, "and goes on with a new group only");
});

test("filters decide where a subscription begins and ends", async () => {
  const video = track();
  video.begin(1n);
  push(video, "a");
  const next = new Subscriber().subscribe(video, { kind: "next-group" });
  const range = new Subscriber().subscribe(video, { kind: "absolute-range", start: { group: 2n, object: 1n }, endGroup: 2n });
  push(video, "b");
  for (const group of [2n, 3n]) {
    video.begin(group);
    push(video, "c", "d");
  }
  await settled();
  assert.deepEqual(next.streams.map(({ objects }) => objects), [["0:c", "1:d"], ["0:c", "1:d"]]);
  assert.deepEqual(range.streams.map(({ group, objects }) => [group, objects]), [[2n, ["1:d"]]]);
});

test("a group that waits longer than a second is reset, and the next begins afresh", async () => {
  const video = track();
  const viewer = new Subscriber().subscribe(video);
  let open: () => void = () => undefined;
  viewer.flow = new Promise((resolve) => (open = resolve));
  video.begin(1n);
  push(video, "a", "b");
  await settled();
  const now = performance.now();
  assert.deepEqual(video.dropLate(now + 900), { lost: 0, isCurrent: false });
  assert.ok(video.waited(now + 900) >= 900);
  assert.deepEqual(video.dropLate(now + 1100), { lost: 1, isCurrent: true });
  push(video, "c");
  open();
  viewer.flow = Promise.resolve();
  video.begin(2n);
  push(video, "d");
  await settled();
  assert.equal(viewer.streams[0]?.end, 2, "DELIVERY_TIMEOUT");
  assert.deepEqual(viewer.streams.map(({ group }) => group), [1n, 2n]);
  assert.deepEqual(viewer.streams[1]?.objects, ["0:d"]);
  assert.equal(video.waited(performance.now() + 5000), 0);
});

test("an old group that is late does not cost the current one", async () => {
  const video = track();
  const viewer = new Subscriber().subscribe(video);
  viewer.flow = new Promise(() => undefined);
  video.begin(1n);
  push(video, "a");
  await settled();
  viewer.flow = Promise.resolve();
  await new Promise((resolve) => setTimeout(resolve, 30));
  video.begin(2n);
  push(video, "b");
  await settled();
  const first = performance.now() + 985;
  assert.deepEqual(video.dropLate(first), { lost: 1, isCurrent: false });
  assert.deepEqual(viewer.streams[1]?.objects, ["0:b"]);
});

test("demand: forward, leaving, and the end", async () => {
  const video = track();
  const seen: number[] = [];
  video.onDemand = () => seen.push(video.viewers);
  const viewer = new Subscriber().subscribe(video);
  const other = new Subscriber().subscribe(video);
  video.begin(1n);
  push(video, "a");
  await settled();
  viewer.forward = false;
  viewer.onUpdate?.();
  assert.equal(viewer.streams[0]?.end, 1, "CANCELLED");
  push(video, "b");
  viewer.forward = true;
  viewer.onUpdate?.();
  assert.deepEqual(viewer.largest, { group: 1n, object: 1n });
  push(video, "c");
  await settled();
  assert.deepEqual([viewer.streams[1]?.objects, viewer.streams[1]?.isHead], [["2:c"], false]);
  other.leave();
  await settled();
  assert.equal(other.streams[0]?.end, 1);
  assert.deepEqual(seen, [1, 2, 1, 2, 1]);
  video.finish();
  await settled();
  assert.deepEqual([viewer.doneWith, other.doneWith, viewer.streams[1]?.end], [2, undefined, "finished"]);
});

test("a stamp tells the time until the object left", async () => {
  const video = track();
  const viewer = new Subscriber().subscribe(video);
  video.begin(1n);
  const captured = Math.round(unixMicroseconds()) - 40_000;
  video.push([{ type: 0x10n, value: 5n }], bytes("a"), captured);
  video.push([], bytes("b"), undefined);
  await settled();
  const [first, second] = viewer.streams[0]?.sent ?? [];
  const stamp = HopDelay.fromBytes(first?.properties.getBytes(HOP_DELAY) ?? new Uint8Array());
  assert.equal(stamp?.captured, BigInt(captured));
  assert.ok(stamp.origin >= 40_000n && stamp.origin < 2_000_000n, `${stamp.origin}`);
  assert.equal(first?.properties.getInt(0x10n), 5n);
  assert.equal(second?.properties.isEmpty, true);
});

test("groups are bounded in bytes and objects", () => {
  const video = track();
  video.begin(1n);
  assert.equal(video.push([], new Uint8Array(8 * 1024 * 1024), undefined), true);
  assert.equal(video.push([], bytes("x"), undefined), false);
  video.begin(2n);
  for (let index = 0; index < 1024; index++) assert.equal(video.push([], bytes("x"), undefined), true);
  assert.equal(video.push([], bytes("x"), undefined), false);
});

test("p16: NEW_GROUP_REQUEST is heeded when it is about a group that is not there", async () => {
  const video = track();
  let wanted = 0;
  video.onGroupWanted = () => (wanted += 1);
  const viewer = new Subscriber();
  viewer.newGroup = 0n;
  viewer.subscribe(video);
  assert.equal(wanted, 1, "with the SUBSCRIBE");
  video.begin(5n);
  push(video, "a");
  const counts: number[] = [];
  for (const group of [undefined, 4n, 5n, 6n, 0n]) {
    viewer.newGroup = group;
    viewer.onUpdate?.();
    counts.push(wanted);
  }
  assert.deepEqual(counts, [1, 1, 1, 2, 3]);
});
