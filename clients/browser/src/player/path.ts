// What the server tells about the connection to this player: its track `path`.

import { fullTrackName } from "../moqt/name.ts";
import type { Source, TrackReader } from "../source/source.ts";

/** Before sound and pictures: a hundred bytes a second that also say that the server is alive. */
const PATH_PRIORITY = 8;

/** Counters since the connection began. */
interface PathReport {
  rtt: number;
  lost: number;
  sent: number;
}

/** Follows one connection's path statistics; stays without any where the server has none. */
export class PathFollower {
  /** ms */
  rtt: number | undefined;
  /** Share of packets lost in the last 10 s, 0…1. */
  loss: number | undefined;
  /** `performance.now()` of the last report. */
  reportedAt: number | undefined;
  readonly #reports: PathReport[] = [];
  #reader: TrackReader | undefined;
  #isClosed = false;

  /** `onRoundTrip` gets every round-trip time, ms. */
  constructor(source: Source, onRoundTrip: (milliseconds: number) => void) {
    void this.#run(source, onRoundTrip).catch(() => undefined);
  }

  close(): void {
    this.#isClosed = true;
    this.#reader?.close();
  }

  async #run(source: Source, onRoundTrip: (milliseconds: number) => void): Promise<void> {
    if (source.kind !== "webtransport") return;
    const reader = await source.open(fullTrackName([".efir", "session"], "path"), { priority: PATH_PRIORITY, from: "join" });
    this.#reader = reader;
    if (this.#isClosed) reader.close();
    while (!this.#isClosed) {
      const event = await reader.next();
      if (event.kind === "end") return;
      if (event.kind !== "object") continue;
      this.reportedAt = performance.now();
      const report = readReport(event.object.payload);
      if (report === undefined) continue;
      this.#take(report);
      onRoundTrip(report.rtt);
    }
  }

  #take(report: PathReport): void {
    this.rtt = report.rtt;
    this.#reports.push(report);
    if (this.#reports.length > 11) this.#reports.shift();
    const before = this.#reports[0];
    const sent = report.sent - (before?.sent ?? 0);
    if (before !== undefined && sent > 0) this.loss = Math.max(0, Math.min(1, (report.lost - before.lost) / sent));
  }
}

function readReport(payload: Uint8Array): PathReport | undefined {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(payload));
  } catch {
    return undefined;
  }
  if (typeof json !== "object" || json === null) return undefined;
  const field = (name: string): number => {
    const value: unknown = Reflect.get(json, name);
    return typeof value === "number" && Number.isFinite(value) ? value : Number.NaN;
  };
  const report = { rtt: field("rtt_us") / 1000, lost: field("lost_packets"), sent: field("sent_packets") };
  return Object.values(report).every(Number.isFinite) ? report : undefined;
}
