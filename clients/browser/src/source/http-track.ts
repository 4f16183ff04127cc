// One track over HTTP: the objects of a body without end, as events.

import type { FetchItem } from "../moqt/data/mod.ts";
import { PublishDoneCode, StreamErrorCode } from "../moqt/error_code.ts";
import { PRIOR_GROUP_ID_GAP, Properties } from "../moqt/property.ts";
import type { HttpEdge } from "./edge.ts";
import { TOLD_GROUPS } from "./limit.ts";
import { ObjectBody } from "./object-body.ts";
import { SourceError, type TrackEvent, type TrackReader } from "./source.ts";

type ObjectItem = Extract<FetchItem, { kind: "object" }>;
type EndEvent = Extract<TrackEvent, { kind: "end" }>;

/** One request. */
interface Live {
  body: ObjectBody;
  /** The group it began with. */
  first: bigint | undefined;
}

/**
 * A group is over when the next one begins; the server leaves nothing out inside a group without a record that says so. Groups
 * it skipped for a slow reader are told as lost, one by one.
 *
 * `fetched` are those objects of a request's first group that came before anything had to be waited for.
 */
export class HttpTrack implements TrackReader {
  readonly properties = Properties.EMPTY;
  readonly requestedAt = performance.now();
  answeredAt = this.requestedAt;
  /** Called once, when there is nothing more to read from the server. */
  onEnd: () => void = () => undefined;
  readonly #edge: HttpEdge;
  readonly #path: string;
  readonly #events: TrackEvent[] = [];
  #live: Promise<Live> | undefined;
  #abort = new AbortController();
  #end: EndEvent | undefined;
  #wake: () => void = () => undefined;
  /** What was delivered last. */
  #group: bigint | undefined;
  #object = -1n;
  /** Code of the loss inside the current group. */
  #lost: number | undefined;
  /** The stream began anew: what lies between was not asked for. */
  #isAnew = true;
  /** The group that was there when the track was opened is not wanted. */
  #skipsFirst: boolean;

  private constructor(edge: HttpEdge, path: string, from: "join" | "next") {
    this.#edge = edge;
    this.#path = path;
    this.#skipsFirst = from === "next";
  }

  /** Rejects with {@link SourceError}. */
  static async open(edge: HttpEdge, path: string, from: "join" | "next", signal: AbortSignal | undefined): Promise<HttpTrack> {
    const track = new HttpTrack(edge, path, from);
    const abort = (): void => track.#abort.abort();
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
    try {
      track.#live = track.#request();
      await track.#live;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
    track.answeredAt = performance.now();
    return track;
  }

  async next(): Promise<TrackEvent> {
    for (;;) {
      const event = this.#events.shift() ?? this.#end;
      if (event !== undefined) return event;
      const live = this.#live;
      if (live === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
      else await this.#pull(live);
    }
  }

  setForward(forward: boolean): void {
    if (this.#end !== undefined || forward === (this.#live !== undefined)) return;
    if (forward) {
      this.#isAnew = true;
      this.#abort = new AbortController();
      this.#live = this.#request();
      // Whoever reads sees it fail.
      this.#live.catch(() => undefined);
    } else {
      this.#abort.abort();
      this.#live = undefined;
    }
    this.#wake();
  }

  close(): void {
    this.#events.length = 0;
    this.#over({ kind: "end", code: undefined, reason: "closed by this player" });
  }

  async #request(): Promise<Live> {
    const asked = performance.now();
    const { body } = await this.#edge.request(this.#path, { signal: this.#abort.signal });
    if (body === null) throw new SourceError("protocol", `${this.#edge.base} answers without a body`);
    return { body: new ObjectBody(body, performance.now() - asked), first: undefined };
  }

  /** Reads one item; a broken stream ends the track, unless it was given up meanwhile. */
  async #pull(running: Promise<Live>): Promise<void> {
    let end: EndEvent;
    let lost: number | undefined;
    try {
      const live = await running;
      const item = await live.body.next();
      if (this.#live !== running) return;
      if (item !== undefined) return this.#take(live, item);
      end = await this.#ending();
    } catch (error) {
      end = { kind: "end", code: undefined, reason: error instanceof Error ? error.message : String(error) };
      lost = StreamErrorCode.SESSION_CLOSED;
    }
    if (this.#live !== running) return;
    this.#lost ??= lost;
    this.#endGroup();
    this.#over(end);
  }

  /** A clean end is the track's, its publisher's or the relay's: one look says which. */
  async #ending(): Promise<EndEvent> {
    try {
      await this.#edge.request(this.#path, { method: "HEAD", signal: this.#abort.signal });
      return { kind: "end", code: PublishDoneCode.INTERNAL_ERROR, reason: "the track began anew" };
    } catch (error) {
      const isGone = error instanceof SourceError && error.code === "not-found";
      const reason = isGone ? "the track is over" : "the server ended the stream";
      return { kind: "end", code: isGone ? PublishDoneCode.TRACK_ENDED : undefined, reason };
    }
  }

  #take(live: Live, item: FetchItem): void {
    const { group } = item.location;
    if (item.kind === "end-of-range") {
      if (!item.known && group === this.#group) this.#lost ??= StreamErrorCode.UNKNOWN_OBJECT_STATUS;
      return;
    }
    live.first ??= group;
    if (this.#skipsFirst && group === live.first) return;
    this.#skipsFirst = false;
    if (group !== this.#group) this.#begin(item);
    else if (item.location.object <= this.#object) return;
    this.#isAnew = false;
    this.#object = item.location.object;
    const { properties, payload, firstByteAt, receivedAt } = item;
    const fetched = group === live.first && live.body.isBurst;
    const object = { ...item.location, properties, payload, firstByteAt, receivedAt, fetched };
    this.#events.push({ kind: "object", object });
  }

  #begin({ location: { group }, properties }: ObjectItem): void {
    const before = this.#group;
    if (this.#isAnew) this.#lost ??= StreamErrorCode.CANCELLED;
    this.#endGroup();
    this.#group = group;
    if (before === undefined || this.#isAnew) return;
    const skipped = group - before - 1n - (properties.getInt(PRIOR_GROUP_ID_GAP) ?? 0n);
    if (skipped <= 0n || skipped > TOLD_GROUPS) return;
    const code = StreamErrorCode.TOO_FAR_BEHIND;
    for (let id = group - skipped; id < group; id += 1n) this.#events.push({ kind: "group-lost", group: id, code });
  }

  #endGroup(): void {
    const [group, code] = [this.#group, this.#lost];
    this.#lost = undefined;
    if (group === undefined) return;
    this.#events.push(code === undefined ? { kind: "group-end", group } : { kind: "group-lost", group, code });
  }

  #over(end: EndEvent): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#live = undefined;
    this.#abort.abort();
    this.#wake();
    this.onEnd();
  }
}
