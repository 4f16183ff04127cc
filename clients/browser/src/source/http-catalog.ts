// A catalog over HTTP, without a connection of its own: read until it is quiet, then looked at now and then.

import { PublishDoneCode } from "../moqt/error_code.ts";
import { Properties } from "../moqt/property.ts";
import { type HttpEdge, pause } from "./edge.ts";
import { HttpTrack } from "./http-track.ts";
import { CATALOG_FAILURES, CATALOG_MS, CATALOG_QUIET_MS } from "./limit.ts";
import { SourceError, type TrackEvent, type TrackReader } from "./source.ts";

/** Names of the group that `/latest` gives; none while it goes on. */
type Tag = string | null;

export class HttpCatalog implements TrackReader {
  readonly properties = Properties.EMPTY;
  readonly requestedAt: number;
  readonly answeredAt: number;
  /** The server is gone, or does not serve this client any more. */
  onLost: (error: SourceError) => void = () => undefined;
  /** Called once, when there is nothing more to read from the server. */
  onEnd: () => void = () => undefined;
  readonly #edge: HttpEdge;
  /** Without the last part. */
  readonly #path: string;
  readonly #abort = new AbortController();
  #track: HttpTrack | undefined;
  #known: Tag = null;
  #last: { group: bigint; object: bigint } | undefined;
  #failures = 0;
  #end: TrackEvent | undefined;

  private constructor(edge: HttpEdge, path: string, track: HttpTrack) {
    this.#edge = edge;
    this.#path = path;
    this.#track = track;
    this.requestedAt = track.requestedAt;
    this.answeredAt = track.answeredAt;
  }

  /** Rejects with {@link SourceError}. */
  static async open(edge: HttpEdge, path: string, signal: AbortSignal | undefined): Promise<HttpCatalog> {
    return new HttpCatalog(edge, path, await HttpTrack.open(edge, `${path}/objects`, "join", signal));
  }

  async next(): Promise<TrackEvent> {
    while (this.#end === undefined) {
      const event = this.#track === undefined ? await this.#look() : await this.#read(this.#track);
      if (event !== undefined) return event;
    }
    return this.#end;
  }

  /** A catalog is small: nothing is saved by not forwarding it. */
  setForward(): void {}

  close(): void {
    this.#finish({ kind: "end", code: undefined, reason: "closed by this player" });
  }

  #finish(end: TrackEvent): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#abort.abort();
    this.#track?.close();
    this.onEnd();
  }

  /** The next new object; the connection is given back when there has been one and no more comes. */
  async #read(track: HttpTrack): Promise<TrackEvent | undefined> {
    const quiet = this.#last === undefined ? undefined : pause(CATALOG_QUIET_MS, this.#abort.signal);
    const event = await (quiet === undefined ? track.next() : Promise.race([track.next(), quiet]));
    if (this.#end !== undefined) return undefined;
    if (event === undefined || event.kind === "end") {
      track.close();
      this.#track = undefined;
      return undefined;
    }
    if (event.kind !== "object") return undefined;
    const { group, object } = event.object;
    const last = this.#last;
    if (last?.group === group && object <= last.object) return undefined;
    this.#last = { group, object };
    return event;
  }

  async #look(): Promise<undefined> {
    await pause(CATALOG_MS, this.#abort.signal);
    if (this.#end !== undefined) return;
    try {
      const { signal } = this.#abort;
      const { headers } = await this.#edge.request(`${this.#path}/latest`, { method: "HEAD", signal });
      this.#failures = 0;
      const tag = headers.get("etag");
      const isRead = tag === this.#known || tag === `"${this.#last?.group}-${this.#last?.object}"`;
      this.#known = tag;
      if (tag === null || !isRead) this.#track = await HttpTrack.open(this.#edge, `${this.#path}/objects`, "join", signal);
    } catch (error) {
      this.#failed(error instanceof SourceError ? error : new SourceError("protocol", String(error)));
    }
  }

  #failed(error: SourceError): void {
    if (this.#end !== undefined) return;
    if (error.code === "not-found") {
      this.#finish({ kind: "end", code: PublishDoneCode.TRACK_ENDED, reason: "the catalog is over" });
      return;
    }
    this.#failures += 1;
    const isFinal = error.code === "unauthorized";
    // Players that hold all connections to a server do not make it gone.
    if (!isFinal && (error.code === "busy" || this.#failures < CATALOG_FAILURES)) return;
    this.#finish({ kind: "end", code: undefined, reason: error.message });
    this.onLost(error);
  }
}
