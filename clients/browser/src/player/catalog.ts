// Follows the catalog of a broadcast: MSF, or hang where there is none.

import { CATALOG_TRACKS, CatalogReader } from "../media/catalog.ts";
import type { Catalog } from "../media/types.ts";
import { fullTrackName } from "../moqt/name.ts";
import { SourceError, type Source, type TrackReader } from "../source/source.ts";
import { asSourceError } from "./connect.ts";

/** Before anything of the media. */
const CATALOG_PRIORITY = 16;
/** The first catalog has to come within this, ms: some servers answer for tracks that nobody sends. */
const FIRST_CATALOG_MS = 5000;

export interface CatalogEvents {
  catalog(catalog: Catalog): void;
  /** The catalog's track is over. */
  end(code: number | undefined, reason: string): void;
}

export class CatalogFollower {
  readonly #reader: TrackReader;
  #isClosed = false;

  private constructor(reader: TrackReader) {
    this.#reader = reader;
  }

  /** Round trip of the request, ms. */
  get roundTrip(): number {
    return this.#reader.answeredAt - this.#reader.requestedAt;
  }

  /** Resolves with the first catalog in hand. Rejects with {@link SourceError}. */
  static async open(source: Source, namespace: string[], signal: AbortSignal, events: CatalogEvents): Promise<CatalogFollower> {
    let missing: SourceError | undefined;
    for (const dialect of ["msf", "hang"] as const) {
      try {
        return await CatalogFollower.#openAs(dialect, source, namespace, signal, events);
      } catch (error) {
        const cause = asSourceError(error);
        if (cause.code !== "not-found") throw cause;
        missing ??= cause;
      }
    }
    throw missing ?? new SourceError("not-found", "no catalog");
  }

  static async #openAs(
    dialect: Catalog["dialect"],
    source: Source,
    namespace: string[],
    signal: AbortSignal,
    events: CatalogEvents,
  ): Promise<CatalogFollower> {
    const name = fullTrackName(namespace, CATALOG_TRACKS[dialect]);
    const reader = await source.open(name, { priority: CATALOG_PRIORITY, from: "join", signal });
    const follower = new CatalogFollower(reader);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new SourceError("not-found", `no catalog came on ${CATALOG_TRACKS[dialect]}`)), FIRST_CATALOG_MS);
      const first = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const end = (code: number | undefined, reason: string): void => {
        clearTimeout(timer);
        reject(new SourceError("not-found", reason));
        events.end(code, reason);
      };
      void follower.#follow(new CatalogReader(dialect, namespace, reader.properties), events, first, end);
    }).catch((error: unknown) => {
      follower.close();
      throw error;
    });
    return follower;
  }

  close(): void {
    this.#isClosed = true;
    this.#reader.close();
  }

  async #follow(catalogs: CatalogReader, events: CatalogEvents, first: () => void, end: CatalogEvents["end"]): Promise<void> {
    let group: bigint | undefined;
    while (!this.#isClosed) {
      const event = await this.#reader.next();
      if (this.#isClosed) return;
      if (event.kind === "end") {
        end(event.code, event.reason);
        return;
      }
      if (event.kind !== "object" || (group !== undefined && event.object.group < group)) continue;
      const { object } = event;
      const isFirst = object.group !== group;
      group = object.group;
      try {
        const catalog = await catalogs.read(object.payload, object.properties, isFirst);
        events.catalog(catalog);
        first();
      } catch {
        // A catalog that cannot be read changes nothing; the next group's may be better.
      }
    }
  }
}
