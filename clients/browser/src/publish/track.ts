// A track: who subscribed to it, its current group for those who join, and what is late.

import { PublishDoneCode, RequestErrorCode, StreamErrorCode } from "../moqt/error_code.ts";
import type { Pair } from "../moqt/key_value.ts";
import { compareLocations, type Filter, type Location } from "../moqt/location.ts";
import { Properties } from "../moqt/property.ts";
import type { IncomingFetch, IncomingSubscribe, Publication } from "../session/publishing.ts";
import { BEHIND_MS, GROUP_BYTES, GROUP_OBJECTS, KEPT_GROUPS } from "./limit.ts";
import { GroupSender, TrackObject } from "./sender.ts";

interface Group {
  readonly id: bigint;
  readonly objects: TrackObject[];
  bytes: number;
}

interface Member {
  /** The first object it gets. */
  readonly start: Location;
  readonly endGroup: bigint | undefined;
  /** Streams that still have something to send. */
  readonly senders: Set<GroupSender>;
  /** That of the current group. */
  sender: GroupSender | undefined;
  /** The group that was given up for it. */
  lost: bigint | undefined;
}

export class Track {
  readonly name: string;
  /** Somebody began or ceased to want objects. */
  onDemand: (() => void) | undefined;
  /** Somebody wants a group after the current one, soon; for tracks that say DYNAMIC_GROUPS. */
  onGroupWanted: (() => void) | undefined;
  /** Payload bytes that left since the beginning, for all subscribers. */
  sentBytes = 0;
  readonly #priority: number;
  readonly #properties: Properties;
  readonly #members = new Map<Publication, Member>();
  #groups: Group[] = [];
  #isOpen = false;

  constructor(name: string, priority: number, pairs: readonly Pair[]) {
    this.name = name;
    this.#priority = priority;
    this.#properties = Properties.fromPairs(pairs);
  }

  /** Subscriptions that want objects now. */
  get viewers(): number {
    return [...this.#members.keys()].filter(({ forward }) => forward).length;
  }

  /** The newest object that a joining viewer could see. */
  get largest(): Location | undefined {
    const group = this.#groups.findLast(({ objects }) => objects.length > 0);
    const object = group?.objects.at(-1)?.object;
    return group && object !== undefined ? { group: group.id, object } : undefined;
  }

  subscribe(request: IncomingSubscribe): void {
    const { start, endGroup } = rangeOf(request.parameters.filter, this.largest);
    const publication = request.accept(this.largest, this.#properties);
    this.#members.set(publication, { start, endGroup, senders: new Set(), sender: undefined, lost: undefined });
    publication.onUpdate = () => this.#updated(publication);
    void publication.closed.then(() => this.#leave(publication));
    this.onDemand?.();
    this.#wantGroup(publication.newGroup);
  }

  /** Answers from what is kept: the current group and the one before. */
  async fetch(request: IncomingFetch): Promise<void> {
    const { start, end } = request;
    const wanted = this.#groups.filter(({ id }) => id >= start.group && id <= end.group);
    if (wanted.length === 0) return request.refuse(RequestErrorCode.DOES_NOT_EXIST, "only the newest group is kept");
    const objects = wanted.flatMap(({ id, objects }) => objects.map((object) => ({ group: id, object })));
    const last = end.object === 0n ? { group: end.group + 1n, object: 0n } : end;
    try {
      const output = await request.accept(this.#properties);
      for (const { group, object } of objects) {
        const at = { group, object: object.object };
        if (compareLocations(at, start) < 0 || compareLocations(at, last) >= 0) continue;
        await output.write(group, 0n, this.#priority, object.sealed());
      }
      output.finish();
    } catch {
      // The peer gave it up or is gone.
    }
  }

  begin(group: bigint): void {
    this.end();
    this.#groups = [...this.#groups, { id: group, objects: [], bytes: 0 }].slice(-KEPT_GROUPS);
    this.#isOpen = true;
  }

  /** Publishes the next object of the group; false = it was dropped, because it belongs to none or the group is full. */
  push(pairs: readonly Pair[], payload: Uint8Array, captured: number | undefined): boolean {
    const group = this.#groups.at(-1);
    if (!this.#isOpen || group === undefined) return false;
    if (group.objects.length >= GROUP_OBJECTS || group.bytes + payload.length > GROUP_BYTES) return false;
    const object = new TrackObject(BigInt(group.objects.length), pairs, payload, captured);
    group.objects.push(object);
    group.bytes += payload.length;
    const at = { group: group.id, object: object.object };
    for (const [publication, member] of this.#members) {
      if (publication.forward && wants(member, at)) this.#send(publication, member, at, object);
    }
    return true;
  }

  /** The group is whole. */
  end(): void {
    this.#isOpen = false;
    for (const member of this.#members.values()) {
      member.sender?.finish();
      member.sender = undefined;
    }
  }

  /** Nobody wants objects: what was kept would be old when somebody does. */
  clear(): void {
    this.end();
    this.#groups = [];
  }

  /** How long the oldest object has been waiting to be sent, ms. */
  waited(now: number): number {
    const since = [...this.#members.values()].flatMap(({ senders }) => [...senders].map(({ waitingSince }) => waitingSince ?? now));
    return Math.max(0, ...since.map((at) => now - at));
  }

  /** Gives up groups that are too late to be seen: how many, and whether the one that is open is among them. */
  dropLate(now: number): { lost: number; isCurrent: boolean } {
    let lost = 0;
    let isCurrent = false;
    for (const member of this.#members.values()) {
      for (const sender of member.senders) {
        if (now - (sender.waitingSince ?? now) <= BEHIND_MS) continue;
        sender.reset(StreamErrorCode.DELIVERY_TIMEOUT);
        member.senders.delete(sender);
        lost += 1;
        if (sender !== member.sender) continue;
        member.lost = sender.group;
        member.sender = undefined;
        isCurrent = true;
      }
    }
    return { lost, isCurrent };
  }

  /** The track is over. */
  finish(): void {
    this.end();
    for (const publication of this.#members.keys()) publication.done(PublishDoneCode.TRACK_ENDED, "the broadcast is over");
    this.#members.clear();
  }

  #send(publication: Publication, member: Member, at: Location, object: TrackObject): void {
    if (member.sender === undefined) {
      const isHead = at.object === 0n;
      const sender = new GroupSender(publication, at.group, this.#priority, isHead, (bytes) => (this.sentBytes += bytes));
      member.sender = sender;
      member.senders.add(sender);
      void sender.over.then(() => member.senders.delete(sender));
    }
    member.sender.push(object);
  }

  #updated(publication: Publication): void {
    publication.largest = this.largest;
    const member = this.#members.get(publication);
    if (member !== undefined && !publication.forward) reset(member);
    this.onDemand?.();
    this.#wantGroup(publication.newGroup);
  }

  /** NEW_GROUP_REQUEST (10.2.13): 0 wants any new group, a number one that is not below it. */
  #wantGroup(group: bigint | undefined): void {
    const current = this.#groups.at(-1)?.id ?? -1n;
    if (group !== undefined && (group === 0n || group > current)) this.onGroupWanted?.();
  }

  #leave(publication: Publication): void {
    const member = this.#members.get(publication);
    if (member !== undefined) reset(member);
    this.#members.delete(publication);
    this.onDemand?.();
  }
}

function reset(member: Member): void {
  for (const sender of member.senders) sender.reset(StreamErrorCode.CANCELLED);
  member.senders.clear();
  member.sender = undefined;
}

function wants({ start, endGroup, lost }: Member, at: Location): boolean {
  return compareLocations(at, start) >= 0 && (endGroup === undefined || at.group <= endGroup) && at.group !== lost;
}

function rangeOf(filter: Filter | undefined, largest: Location | undefined): { start: Location; endGroup: bigint | undefined } {
  const beginning = { group: 0n, object: 0n };
  switch (filter?.kind) {
    case "absolute-start":
      return { start: filter.start, endGroup: undefined };
    case "absolute-range":
      return { start: filter.start, endGroup: filter.endGroup };
    case "next-group":
      return { start: largest ? { group: largest.group + 1n, object: 0n } : beginning, endGroup: undefined };
    default:
      return { start: largest ? { group: largest.group, object: largest.object + 1n } : beginning, endGroup: undefined };
  }
}
