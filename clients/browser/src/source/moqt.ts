// Tracks over an MOQT session: the head of the current group by FETCH and what follows it live, as one sequence.

import { alpn } from "../moqt/version.ts";
import type { FullTrackName, Namespace } from "../moqt/name.ts";
import { type ConnectOptions, connect } from "../session/connect.ts";
import type { Session } from "../session/session.ts";
import { TrackMerge } from "../session/track-merge.ts";
import type { BroadcastEvent, OpenOptions, Source, SourceError, TrackReader } from "./source.ts";

export class MoqtSource implements Source {
  readonly kind = "webtransport";
  readonly closed: Promise<SourceError>;
  onLeave: ((uri: string) => void) | undefined;
  readonly #session: Session;
  #left = false;

  /** Takes over a session. */
  constructor(session: Session) {
    this.#session = session;
    this.closed = session.closed;
    session.onLeave = (uri) => this.#leave(uri);
  }

  /** Connects. Rejects with SourceError. */
  static async connect(options: ConnectOptions): Promise<MoqtSource> {
    return new MoqtSource(await connect(options));
  }

  /** The sub-protocol in use, e.g. `moqt-18`. */
  get protocol(): string {
    return alpn(this.#session.version);
  }

  async open(track: FullTrackName, { priority, from, signal }: OpenOptions): Promise<TrackReader> {
    const options = { priority, signal };
    if (from === "next") {
      const live = await this.#session.subscribe(track, { ...options, filter: { kind: "next-group" } });
      return this.#reader(new TrackMerge(live, undefined));
    }
    const { live, head } = this.#session.join(track, options);
    try {
      return this.#reader(new TrackMerge(await live, head));
    } catch (error) {
      head.close();
      throw error;
    }
  }

  broadcasts(prefix: Namespace, signal?: AbortSignal): AsyncIterable<BroadcastEvent> {
    return this.#session.namespaces(prefix, signal);
  }

  close(): void {
    this.#session.close();
  }

  #reader(merge: TrackMerge): TrackReader {
    merge.onLeave = (uri) => this.#leave(uri);
    return merge;
  }

  #leave(uri: string): void {
    if (this.#left) return;
    this.#left = true;
    this.onLeave?.(uri);
  }
}
