// One sequence of events out of a track's streams: the FETCH of the head, then the live streams, in order within each group.

import { StreamErrorCode } from "../moqt/error_code.ts";
import type { Properties } from "../moqt/property.ts";
import type { TrackEvent, TrackReader } from "../source/source.ts";
import { StreamReset } from "./carrier.ts";
import type { Fetch } from "./fetch.ts";
import { FINISHED_GROUPS, READ_AHEAD_BYTES, READ_AHEAD_EVENTS, REORDER_WAIT, WAITING_STREAMS } from "./limit.ts";
import type { ReceivedObject } from "./object-stream.ts";
import type { Subscription } from "./subscription.ts";

/** Where a lane's objects come from. */
interface Objects {
  next(): Promise<ReceivedObject | undefined>;
  stop(): void;
  fetched: boolean;
  /** After a clean end, nothing of the group is missing behind. */
  endOfGroup: boolean;
}

/** A stream that is being read, at most one object ahead of its turn. */
interface Lane extends Objects {
  held: ReceivedObject | undefined;
  taken: (() => void) | undefined;
}

interface Group {
  id: bigint;
  lanes: Set<Lane>;
  /** Streams it has had, without the head. */
  streams: number;
  /** Id after the last one delivered. */
  expected: bigint;
  /** The head did not come: what follows must join what was delivered. */
  headless: boolean;
  /** Its last object came. */
  complete: boolean;
  lost: number | undefined;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** Waited long enough for what may come on another stream. */
  waited: boolean;
}

export class TrackMerge implements TrackReader {
  readonly properties: Properties;
  readonly requestedAt: number;
  readonly answeredAt: number;
  /** The publisher wants the track asked for again at `uri`. */
  onLeave: ((uri: string) => void) | undefined;
  readonly #live: Subscription;
  readonly #head: Fetch | undefined;
  readonly #groups = new Map<bigint, Group>();
  readonly #finished = new Set<bigint>();
  readonly #events: TrackEvent[] = [];
  #bytes = 0;
  #reader: ((event: TrackEvent) => void) | undefined;
  #waitingForRoom: (() => void)[] = [];
  #liveEnded = false;
  #end: TrackEvent | undefined;

  constructor(live: Subscription, head: Fetch | undefined) {
    this.properties = live.properties;
    this.requestedAt = live.requestedAt;
    this.answeredAt = live.answeredAt;
    this.#live = live;
    this.#head = head;
    live.onLeave = (uri) => this.onLeave?.(uri);
    if (head && live.largest) {
      const stop = () => head.close();
      this.#add(live.largest.group, { next: () => head.next(), stop, fetched: true, endOfGroup: false });
    } else {
      head?.close();
    }
    void this.#takeStreams();
  }

  next(): Promise<TrackEvent> {
    const event = this.#events.shift() ?? this.#end;
    if (!event) return new Promise((resolve) => (this.#reader = resolve));
    if (event.kind === "object") this.#bytes -= event.object.payload.length;
    if (this.#hasRoom()) for (const go of this.#waitingForRoom.splice(0)) go();
    return Promise.resolve(event);
  }

  setForward(forward: boolean): void {
    this.#live.update({ forward });
  }

  close(): void {
    if (this.#end) return;
    this.#live.close();
    this.#head?.close();
    this.#events.length = 0;
    for (const group of this.#groups.values()) {
      clearTimeout(group.timer);
      for (const lane of group.lanes) lane.stop();
    }
    this.#groups.clear();
    this.#over("closed by this player", undefined);
  }

  async #takeStreams(): Promise<void> {
    for (let next = await this.#live.next(); next; next = await this.#live.next()) {
      if ("next" in next) {
        const stream = next;
        const stop = () => stream.cancel(StreamErrorCode.CANCELLED);
        const { endOfGroup } = stream;
        this.#add(stream.group ?? 0n, { next: () => stream.next(), stop, fetched: false, endOfGroup });
      } else {
        const objects = [next];
        const { endOfGroup } = next;
        this.#add(next.group, { next: async () => objects.shift(), stop: () => {}, fetched: false, endOfGroup });
      }
    }
    this.#liveEnded = true;
    for (const group of [...this.#groups.values()]) this.#advance(group);
    this.#endIfOver();
  }

  #add(id: bigint, objects: Objects): void {
    const lanes = [...this.#groups.values()].reduce((sum, group) => sum + group.lanes.size, 0);
    if (this.#end || this.#finished.has(id) || lanes >= WAITING_STREAMS) return objects.stop();
    const lane = { ...objects, held: undefined, taken: undefined };
    const group = this.#groups.get(id) ?? this.#begin(id);
    group.lanes.add(lane);
    if (!lane.fetched) group.streams += 1;
    void this.#pump(group, lane);
  }

  #begin(id: bigint): Group {
    const lanes = new Set<Lane>();
    const flags = { headless: false, complete: false, lost: undefined, timer: undefined, waited: false };
    const group: Group = { id, lanes, streams: 0, expected: 0n, ...flags };
    this.#groups.set(id, group);
    // An older group whose streams have all ended gets no more of them.
    for (const older of [...this.#groups.values()]) if (older.id < id && older.lanes.size === 0) this.#close(older);
    return group;
  }

  /** Reads a lane's objects into its group, each after the one before has had its turn. */
  async #pump(group: Group, lane: Lane): Promise<void> {
    try {
      for (;;) {
        await this.#room();
        const object = await lane.next();
        if (!object) break;
        if (object.group !== group.id) continue;
        const turn = new Promise<void>((resolve) => (lane.taken = resolve));
        lane.held = object;
        this.#advance(group);
        await turn;
      }
      if (lane.endOfGroup) group.complete = true;
    } catch (error) {
      if (lane.fetched) group.headless = true;
      else group.lost = error instanceof StreamReset ? (error.code ?? StreamErrorCode.SESSION_CLOSED) : StreamErrorCode.INTERNAL_ERROR;
    }
    group.lanes.delete(lane);
    this.#advance(group);
    this.#endIfOver();
  }

  /** Delivers what is next in a group, as far as it is there, and the group's end. */
  #advance(group: Group): void {
    if (!this.#groups.has(group.id)) return;
    for (let lane = this.#nextLane(group); lane; lane = this.#nextLane(group)) this.#deliver(group, lane);
    if (group.lanes.size > 0) {
      if ([...group.lanes].every((lane) => lane.held)) this.#wait(group);
      return;
    }
    const newer = [...this.#groups.keys()].some((id) => id > group.id);
    // A head without a live stream yet is a group that goes on.
    const maySettle = group.streams > 0 || this.#liveEnded || newer;
    if (group.complete || group.lost !== undefined || group.waited || this.#liveEnded || newer) {
      if (maySettle) this.#close(group);
    } else if (group.streams > 0) {
      this.#wait(group);
    }
  }

  /** The lane whose object is next, unless a lower one may still come. */
  #nextLane(group: Group): Lane | undefined {
    let lowest: Lane | undefined;
    let open = false;
    for (const lane of group.lanes) {
      if (!lane.held) open = true;
      else if (!lowest?.held || lane.held.object < lowest.held.object) lowest = lane;
    }
    if (!lowest?.held) return undefined;
    if (lowest.held.object <= group.expected) return lowest;
    const settled = group.streams <= 1 || group.waited || this.#liveEnded;
    return !open && settled ? lowest : undefined;
  }

  #deliver(group: Group, lane: Lane): void {
    const { held, taken } = lane;
    lane.held = undefined;
    if (!held || held.object < group.expected) return taken?.();
    if (group.headless && held.object !== group.expected) {
      group.lost ??= StreamErrorCode.UNKNOWN_OBJECT_STATUS;
      lane.stop();
      return taken?.();
    }
    group.headless = false;
    group.waited = false;
    clearTimeout(group.timer);
    group.timer = undefined;
    group.expected = held.object + 1n;
    if (held.endOfGroup) group.complete = true;
    if (held.status === "normal") {
      const { object, properties, payload, firstByteAt, receivedAt } = held;
      const { fetched } = lane;
      this.#emit({ kind: "object", object: { group: group.id, object, properties, payload, firstByteAt, receivedAt, fetched } });
    }
    taken?.();
  }

  /** Gives other streams of the group a moment. */
  #wait(group: Group): void {
    group.timer ??= setTimeout(() => {
      group.timer = undefined;
      group.waited = true;
      this.#advance(group);
      this.#endIfOver();
    }, REORDER_WAIT);
  }

  #close(group: Group): void {
    clearTimeout(group.timer);
    this.#groups.delete(group.id);
    this.#finished.add(group.id);
    const [oldest] = this.#finished;
    if (this.#finished.size > FINISHED_GROUPS && oldest !== undefined) this.#finished.delete(oldest);
    const lost = group.lost ?? (group.headless ? StreamErrorCode.UNKNOWN_OBJECT_STATUS : undefined);
    if (lost === undefined) this.#emit({ kind: "group-end", group: group.id });
    else this.#emit({ kind: "group-lost", group: group.id, code: lost });
  }

  #endIfOver(): void {
    if (!this.#liveEnded || this.#groups.size > 0 || this.#end) return;
    const { code, reason } = this.#live.end ?? { code: undefined, reason: "the connection is gone" };
    this.#over(reason, code);
  }

  #over(reason: string, code: number | undefined): void {
    this.#end = { kind: "end", code, reason };
    for (const go of this.#waitingForRoom.splice(0)) go();
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.(this.#end);
  }

  #emit(event: TrackEvent): void {
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader) return reader(event);
    if (event.kind === "object") this.#bytes += event.object.payload.length;
    this.#events.push(event);
  }

  #hasRoom(): boolean {
    return this.#events.length < READ_AHEAD_EVENTS && this.#bytes < READ_AHEAD_BYTES;
  }

  /** Resolves when more may be read ahead. */
  async #room(): Promise<void> {
    while (!this.#hasRoom() && !this.#end) await new Promise<void>((resolve) => this.#waitingForRoom.push(resolve));
  }
}
