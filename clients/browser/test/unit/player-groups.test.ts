import assert from "node:assert/strict";
import { test } from "node:test";
import { Properties } from "../../src/moqt/property.ts";
import { GroupOrder } from "../../src/player/groups.ts";
import type { MediaObject } from "../../src/source/source.ts";

function object(group: number, id: number, receivedAt = 0, fetched = false): MediaObject {
  const payload = new Uint8Array([group & 0xff, id]);
  return { group: BigInt(group), object: BigInt(id), properties: Properties.EMPTY, payload, firstByteAt: receivedAt, receivedAt, fetched };
}

/** `3.0 3.1!` : group 3 object 0, then object 1 behind a discontinuity. */
function drain(order: GroupOrder): string {
  const seen: string[] = [];
  for (let next = order.next(); next !== undefined; next = order.next()) {
    seen.push(`${next.object.group}.${next.object.object}${next.fresh ? "!" : ""}`);
  }
  return seen.join(" ");
}

function push(order: GroupOrder, ...objects: [number, number][]): string {
  for (const [group, id] of objects) order.push({ kind: "object", object: object(group, id) });
  return drain(order);
}

const end = (order: GroupOrder, group: number): void => order.push({ kind: "group-end", group: BigInt(group) });
const lose = (order: GroupOrder, group: number): void => order.push({ kind: "group-lost", group: BigInt(group), code: 0 });

test("overlapping groups leave one after another", () => {
  const order = new GroupOrder(false);
  assert.equal(push(order, [5, 0], [6, 0], [5, 1], [6, 1], [5, 2]), "5.0! 5.1 5.2");
  assert.equal(order.waiting()?.group, 6n);
  end(order, 5);
  assert.equal(drain(order), "6.0 6.1");
  assert.deepEqual([order.skippedGroups, order.gaps], [0, 0]);
});

test("a missing object ends its group; the next begins anew", () => {
  const order = new GroupOrder(false);
  assert.equal(push(order, [5, 0], [5, 1], [5, 3], [5, 4]), "5.0! 5.1");
  assert.equal(push(order, [5, 5], [6, 0], [6, 1]), "6.0! 6.1");
  assert.deepEqual([order.skippedGroups, order.gaps], [1, 1]);
});

test("sound goes on behind a gap", () => {
  const order = new GroupOrder(true);
  assert.equal(push(order, [5, 3], [5, 4], [5, 7]), "5.3! 5.4 5.7");
  assert.deepEqual([order.skippedGroups, order.gaps], [0, 2]);
});

test("a track joined in the middle of a group begins with the next", () => {
  const order = new GroupOrder(false);
  assert.equal(push(order, [5, 7], [5, 8]), "");
  assert.equal(push(order, [6, 0]), "6.0!");
});

test("a late group is left only when the caller says so", () => {
  const order = new GroupOrder(false);
  assert.equal(push(order, [5, 0], [6, 0], [6, 1]), "5.0!");
  order.skip();
  assert.equal(drain(order), "6.0! 6.1");
  assert.equal(push(order, [5, 1], [5, 2]), "", "what comes of the group that was left is left too");
  assert.equal(order.skippedGroups, 1);
});

test("what came of a lost group is shown, then the next", () => {
  const order = new GroupOrder(false);
  order.push({ kind: "object", object: object(5, 0) });
  lose(order, 5);
  assert.equal(push(order, [6, 0]), "5.0! 6.0");
  assert.equal(order.skippedGroups, 1);
});

test("a group of which nothing came is waited for, not forgotten", () => {
  const order = new GroupOrder(false);
  push(order, [5, 0]);
  end(order, 5);
  assert.equal(push(order, [7, 0]), "");
  assert.equal(push(order, [6, 0]), "6.0");
  end(order, 6);
  assert.equal(drain(order), "7.0");
  assert.equal(order.skippedGroups, 0);
});

test("a leap goes to the newest group", () => {
  const order = new GroupOrder(false);
  push(order, [5, 0], [6, 0], [7, 0], [7, 1]);
  assert.equal(order.jump(), true);
  assert.equal(drain(order), "7.0! 7.1");
  assert.equal(order.jump(), false);
  assert.equal(order.held, 0);
});

test("a publisher that counts anew is followed, a late group is not", () => {
  const order = new GroupOrder(false);
  assert.equal(push(order, [500, 0]), "500.0!");
  assert.equal(push(order, [499, 0]), "");
  assert.equal(push(order, [0, 0], [0, 1]), "0.0! 0.1");
  order.push({ kind: "object", object: object(9, 0, 1000) });
  order.skip();
  drain(order);
  order.push({ kind: "object", object: object(8, 0, 1500) });
  assert.equal(drain(order), "");
  order.push({ kind: "object", object: object(2, 0, 4000) });
  assert.equal(drain(order), "2.0!");
});

test("repeated objects are dropped", () => {
  const order = new GroupOrder(false);
  assert.equal(push(order, [5, 0], [5, 0], [5, 1], [5, 1], [5, 0]), "5.0! 5.1");
});

test("what is held is bounded", () => {
  const order = new GroupOrder(false);
  push(order, [0, 0]);
  for (let group = 1; group < 20_000; group += 1) order.push({ kind: "object", object: object(group, 0) });
  assert.ok(order.held <= 4096);
  const silent = new GroupOrder(false);
  for (let id = 1; id < 20_000; id += 1) silent.push({ kind: "object", object: object(1, id) });
  assert.ok(silent.held <= 4096);
});

test("whatever comes, what leaves is decodable and in order", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    let state = seed * 2654435761;
    const random = (below: number): number => {
      state = (Math.imul(state ^ (state >>> 15), 2246822519) + 3266489917) | 0;
      return (state >>> 0) % below;
    };
    const streams = Array.from({ length: 8 }, (_, group) => ({ group, id: 0, left: 1 + random(10) }));
    const order = new GroupOrder(false);
    let last: { group: bigint; id: bigint } | undefined;
    while (streams.some(({ left }) => left > 0)) {
      const stream = streams[random(streams.length)]!;
      if (stream.left === 0) continue;
      stream.left -= 1;
      if (random(20) > 0) order.push({ kind: "object", object: object(stream.group, stream.id) });
      stream.id += 1;
      if (stream.left === 0) (random(4) === 0 ? lose : end)(order, stream.group);
      if (random(10) === 0) order.skip();
      for (let next = order.next(); next !== undefined; next = order.next()) {
        const { group, object: id } = next.object;
        const isNext = last !== undefined && group === last.group && id === last.id + 1n;
        assert.ok(isNext || (id === 0n && (last === undefined || group > last.group)), `seed ${seed}: ${group}.${id}`);
        last = { group, id };
      }
    }
  }
});
