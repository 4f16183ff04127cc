// Tracks over plain HTTP, for browsers without WebTransport and ways without UDP: the same objects, one body per track.

import { CATALOG_TRACKS } from "../media/catalog.ts";
import { isObject } from "../media/json.ts";
import { type FullTrackName, isPrefixOf, type Namespace, namespaceFromText, namespaceKey } from "../moqt/name.ts";
import { HttpEdge, pause, prefixText, trackPath } from "./edge.ts";
import { HttpCatalog } from "./http-catalog.ts";
import { HttpTrack } from "./http-track.ts";
import { LIST_BYTES, LIST_LAST_MS, LIST_MS } from "./limit.ts";
import { takePlace } from "./place.ts";
import { type BroadcastEvent, type OpenOptions, type Source, SourceError, type TrackReader } from "./source.ts";

/** As PlayOptions has them. */
export interface HttpOptions {
  /** `https://host:port` */
  server: string;
  /** Where a token may stand in the query. */
  path: string;
  /** Empty = that of the path, or none. */
  token: string;
  /** `http(s)://host:port`; empty = the server's own. */
  httpBase: string;
}

const LIST = "/broadcasts";
const text = new TextDecoder();

/** The edge that these options mean. */
export function edgeOf({ server, path, token, httpBase }: HttpOptions): HttpEdge {
  return new HttpEdge(httpBase || server, token || (new URL(path, server).searchParams.get("token") ?? ""));
}

export class HttpSource implements Source {
  readonly kind = "http";
  readonly closed: Promise<SourceError>;
  /** HTTP has no word for it: a server that leaves ends its bodies. */
  onLeave: ((uri: string) => void) | undefined;
  readonly #edge: HttpEdge;
  readonly #over = new AbortController();
  readonly #readers = new Set<TrackReader>();
  #lost: (error: SourceError) => void = () => undefined;
  #release: () => void = () => undefined;

  /** For lists; to play, {@link connect}. */
  constructor(edge: HttpEdge) {
    this.#edge = edge;
    this.closed = new Promise((resolve) => (this.#lost = resolve));
  }

  /** Asks whether the server is there and takes this token, and for a place. Rejects with {@link SourceError}. */
  static async connect(options: HttpOptions, signal?: AbortSignal): Promise<HttpSource> {
    const edge = edgeOf(options);
    const source = new HttpSource(edge);
    await source.#list([], signal);
    source.#release = await takePlace(edge.base);
    if (signal?.aborted) source.close();
    signal?.throwIfAborted();
    return source;
  }

  /** What is below, as the browser tells it: `http/1.1`, `h2` or `h3`. */
  get protocol(): string {
    const entry = performance.getEntriesByName(`${this.#edge.base}${LIST}`).at(-1);
    return entry !== undefined && "nextHopProtocol" in entry ? String(entry.nextHopProtocol) : "";
  }

  /** `priority` has no effect: each track has its own body, and TCP shares the way. */
  async open(track: FullTrackName, { from, signal }: OpenOptions): Promise<TrackReader> {
    const ends = signal === undefined ? this.#over.signal : AbortSignal.any([signal, this.#over.signal]);
    const path = trackPath(track, "objects");
    const names: readonly string[] = Object.values(CATALOG_TRACKS);
    if (!names.includes(text.decode(track.name))) return this.#keep(await HttpTrack.open(this.#edge, path, from, ends));
    const catalog = await HttpCatalog.open(this.#edge, path.slice(0, path.lastIndexOf("/")), ends);
    catalog.onLost = (error) => this.#end(error);
    return this.#keep(catalog);
  }

  async *broadcasts(prefix: Namespace, signal?: AbortSignal): AsyncIterable<BroadcastEvent> {
    const ends = signal === undefined ? this.#over.signal : AbortSignal.any([signal, this.#over.signal]);
    let known = new Map<string, Namespace>();
    let wait = LIST_MS;
    while (!ends.aborted) {
      const list = await this.#list(prefix, ends).catch(() => undefined);
      if (ends.aborted) return;
      wait = list === undefined ? Math.min(LIST_LAST_MS, 2 * wait) : LIST_MS;
      const now = list ?? known;
      for (const [key, namespace] of known) if (!now.has(key)) yield { kind: "removed", namespace };
      for (const [key, namespace] of now) if (!known.has(key)) yield { kind: "added", namespace };
      known = now;
      await pause(wait, ends);
    }
  }

  close(): void {
    this.#end(new SourceError("closed", "closed by this player"));
  }

  #keep(reader: HttpTrack | HttpCatalog): TrackReader {
    this.#readers.add(reader);
    reader.onEnd = () => this.#readers.delete(reader);
    if (this.#over.signal.aborted) reader.close();
    return reader;
  }

  #end(error: SourceError): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    for (const reader of this.#readers) reader.close();
    this.#release();
    this.#lost(error);
  }

  async #list(prefix: Namespace, signal: AbortSignal | undefined): Promise<Map<string, Namespace>> {
    const query = prefix.length === 0 ? "" : `?prefix=${prefixText(prefix)}`;
    const body = await (await this.#edge.request(LIST + query, { signal })).text();
    const list = new Map<string, Namespace>();
    for (const namespace of readList(body)) if (isPrefixOf(prefix, namespace)) list.set(namespaceKey(namespace), namespace);
    return list;
  }
}

function namespaceOf(broadcast: unknown): Namespace {
  const fields: unknown = isObject(broadcast) ? broadcast["namespace"] : undefined;
  if (!Array.isArray(fields) || !fields.every((field) => typeof field === "string")) throw new Error("a broadcast without a namespace");
  return namespaceFromText(fields);
}

function readList(body: string): Namespace[] {
  try {
    if (body.length > LIST_BYTES) throw new Error("too long");
    const parsed: unknown = JSON.parse(body);
    const broadcasts: unknown = isObject(parsed) ? parsed["broadcasts"] : undefined;
    if (!Array.isArray(broadcasts)) throw new Error("it has no broadcasts");
    return broadcasts.map(namespaceOf);
  } catch (error) {
    throw new SourceError("protocol", `the list of broadcasts cannot be read: ${error instanceof Error ? error.message : ""}`);
  }
}
