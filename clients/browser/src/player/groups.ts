// Puts the objects of overlapping groups in order and finds what is missing. Pure.

import { PRIOR_GROUP_ID_GAP, PRIOR_OBJECT_ID_GAP } from "../moqt/property.ts";
import type { MediaObject } from "../source/source.ts";
import { MAX_HELD_BYTES, MAX_HELD_OBJECTS, MAX_OPEN_GROUPS, RENUMBER_DISTANCE, RENUMBER_SILENCE_MS } from "./limit.ts";

/** What {@link GroupOrder} is told; {@link TrackEvent} without its end. */
export type GroupEvent =
  | { kind: "object"; object: MediaObject }
  | { kind: "group-end"; group: bigint }
  | { kind: "group-lost"; group: bigint; code: number };

/** The next object to decode. */
export interface Ordered {
  object: MediaObject;
  /** Something before it is missing or was left out: a decoder has to begin anew here. */
  fresh: boolean;
}

interface OpenGroup {
  objects: MediaObject[];
  /** Nothing more will come. */
  over: boolean;
  /** What does come cannot be decoded. */
  broken: boolean;
}

/**
 * Objects come in any order of groups, in order within one; they leave in order. A missing object ends its group for
 * dependent tracks (video): the next object that leaves is the next group's first. A group that is merely late keeps newer
 * ones waiting until the caller, who knows the clock, says {@link skip}.
 */
export class GroupOrder {
  /** Groups of which something was left out. */
  skippedGroups = 0;
  /** Objects missing inside a group. */
  gaps = 0;

  readonly #independent: boolean;
  readonly #groups = new Map<bigint, OpenGroup>();
  #current: bigint | undefined;
  #expected = 0n;
  #stride = 1n;
  #fresh = true;
  #newestAt = -Infinity;
  #held = 0;
  #heldBytes = 0;

  /** `independent`: every object can be decoded alone (audio), so a gap leaves out only what is missing. */
  constructor(independent: boolean) {
    this.#independent = independent;
  }

  /** Objects in hand. */
  get held(): number {
    return this.#held;
  }

  push(event: GroupEvent): void {
    if (event.kind === "object") {
      this.#pushObject(event.object);
      return;
    }
    const group = this.#groups.get(event.group);
    if (group !== undefined) {
      // What came of a lost group before the loss can still be shown.
      if (event.kind === "group-lost" && !group.broken && !group.over) this.skippedGroups += 1;
      group.over = true;
    } else if (this.#current === undefined || event.group > this.#current) {
      const lost = event.kind === "group-lost";
      if (lost) this.skippedGroups += 1;
      this.#open(event.group, { objects: [], over: true, broken: lost });
    }
  }

  /** The next object in order, if it is in hand. */
  next(): Ordered | undefined {
    for (;;) {
      if (this.#current === undefined && !this.#begin()) return undefined;
      const group = this.#currentGroup();
      const object = group?.objects[0];
      if (group === undefined || object === undefined) {
        if (group !== undefined && !group.over && !group.broken) return undefined;
        if (!this.#follow(false)) return undefined;
        continue;
      }
      this.#take(group);
      const missing = object.object - this.#expected - (object.properties.getInt(PRIOR_OBJECT_ID_GAP) ?? 0n);
      if (missing > 0n && !this.#miss(group, missing)) continue;
      this.#expected = object.object + 1n;
      const fresh = this.#fresh;
      this.#fresh = false;
      return { object, fresh };
    }
  }

  /** First object of the next group, which waits because the current one is not complete. */
  waiting(): MediaObject | undefined {
    const next = this.#nextId();
    return next === undefined ? undefined : this.#groups.get(next)?.objects[0];
  }

  /** Leaves the rest of the current group out and goes on with the one that waits. */
  skip(): void {
    this.#follow(true);
  }

  /** Leaves out all but the newest group that has its first object; true when that changed anything. */
  jump(): boolean {
    let newest: bigint | undefined;
    for (const [id, group] of this.#groups) {
      const first = group.objects[0];
      if (first === undefined || group.broken || (this.#current !== undefined && id <= this.#current)) continue;
      if ((first.object === 0n || this.#independent) && (newest === undefined || id > newest)) newest = id;
    }
    if (newest === undefined) return false;
    this.skippedGroups += [...this.#groups.keys()].filter((id) => id < newest).length;
    this.#enter(newest);
    this.#fresh = true;
    return true;
  }

  /** Forgets everything; the next group that begins is the first. */
  reset(): void {
    this.#groups.clear();
    this.#current = undefined;
    this.#stride = 1n;
    this.#fresh = true;
    this.#held = 0;
    this.#heldBytes = 0;
  }

  /** The decoder cannot use the rest of the current group. */
  abandon(): void {
    const group = this.#currentGroup();
    if (group !== undefined && !group.broken && !this.#independent) this.#breakOff(group);
    this.#fresh = true;
  }

  #pushObject(object: MediaObject): void {
    const current = this.#current;
    if (current !== undefined && object.group < current) {
      const silent = object.receivedAt - this.#newestAt > RENUMBER_SILENCE_MS;
      const anew = object.object === 0n && !object.fetched && (silent || current - object.group > RENUMBER_DISTANCE);
      if (!anew) return;
      this.reset();
    }
    this.#newestAt = Math.max(this.#newestAt, object.receivedAt);
    let group = this.#groups.get(object.group);
    if (group === undefined) {
      if (object.group === current) return;
      group = { objects: [], over: false, broken: false };
      this.#open(object.group, group);
    }
    const last = group.objects.at(-1);
    const seen = last !== undefined ? object.object <= last.object : object.group === current && object.object < this.#expected;
    if (group.broken || seen) return;
    group.objects.push(object);
    this.#held += 1;
    this.#heldBytes += object.payload.length;
    if (this.#held > MAX_HELD_OBJECTS || this.#heldBytes > MAX_HELD_BYTES) this.#shed();
  }

  #open(id: bigint, group: OpenGroup): void {
    this.#groups.set(id, group);
    if (this.#groups.size > MAX_OPEN_GROUPS) this.#shed();
  }

  #shed(): void {
    if (this.jump()) return;
    this.skippedGroups += 1;
    this.reset();
  }

  #currentGroup(): OpenGroup | undefined {
    return this.#current === undefined ? undefined : this.#groups.get(this.#current);
  }

  #take(group: OpenGroup): void {
    const object = group.objects.shift();
    if (object === undefined) return;
    this.#held -= 1;
    this.#heldBytes -= object.payload.length;
  }

  /** True when decoding can go on behind the gap. */
  #miss(group: OpenGroup, missing: bigint): boolean {
    this.gaps += Number(missing);
    if (this.#independent) return true;
    this.#breakOff(group);
    return false;
  }

  #breakOff(group: OpenGroup): void {
    this.skippedGroups += 1;
    while (group.objects.length > 0) this.#take(group);
    group.broken = true;
    if (group === this.#currentGroup()) this.#fresh = true;
  }

  /** Begins at the lowest group in hand that can be begun. */
  #begin(): boolean {
    const ids = [...this.#groups.keys()].sort((a, b) => (a < b ? -1 : 1));
    for (const id of ids) {
      const group = this.#groups.get(id);
      const first = group?.objects[0];
      if (group === undefined || first === undefined) continue;
      const head = first.object - (first.properties.getInt(PRIOR_OBJECT_ID_GAP) ?? 0n) <= 0n;
      if (head || this.#independent) {
        this.#enter(id);
        if (this.#independent) this.#expected = first.object;
        return true;
      }
    }
    return false;
  }

  #nextId(): bigint | undefined {
    let next: bigint | undefined;
    for (const [id, group] of this.#groups) {
      if (this.#current !== undefined && id <= this.#current) continue;
      if (group.objects.length === 0 && !group.broken && !group.over) continue;
      if (next === undefined || id < next) next = id;
    }
    return next;
  }

  /** Goes on to the next group in hand; without `force` only when none is missing between. */
  #follow(force: boolean): boolean {
    const next = this.#nextId();
    if (next === undefined || this.#current === undefined) return false;
    const first = this.#groups.get(next)?.objects[0];
    const distance = next - this.#current;
    const known = 1n + (first?.properties.getInt(PRIOR_GROUP_ID_GAP) ?? 0n);
    const direct = distance <= this.#stride || distance <= known;
    if (!direct && !force) return false;
    const group = this.#currentGroup();
    if (group !== undefined && !group.over && !group.broken) {
      this.skippedGroups += 1;
      this.#fresh = true;
    }
    if (!direct) {
      this.skippedGroups += 1;
      this.#fresh = true;
    }
    this.#stride = distance;
    this.#enter(next);
    return true;
  }

  #enter(id: bigint): void {
    for (const [old, group] of this.#groups) {
      if (old >= id) continue;
      while (group.objects.length > 0) this.#take(group);
      this.#groups.delete(old);
    }
    this.#current = id;
    this.#expected = 0n;
  }
}
