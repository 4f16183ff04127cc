// Catalogs of a broadcast, object by object, in the two dialects: MSF on the track `catalog`, hang on `catalog.json`.

import { readHang } from "./hang.ts";
import { isObject, type JsonObject, mergePatch, parseJson } from "./json.ts";
import type { PropertyReader } from "./loc.ts";
import { MAX_CATALOG_BYTES, MAX_CATALOG_GROUP_BYTES } from "./limit.ts";
import { applyDelta, readMsf } from "./msf.ts";
import { type Catalog, MediaError } from "./types.ts";

export { writeMsf } from "./msf.ts";

/** Track names by dialect. */
export const CATALOG_TRACKS = { msf: "catalog", hang: "catalog.json" } as const satisfies Record<Catalog["dialect"], string>;

/** Object or track property: 1 = gzip. */
const MSF_COMPRESSION = 0x78n;

/** Follows one catalog track. */
export class CatalogReader {
  readonly #dialect: Catalog["dialect"];
  readonly #namespace: readonly string[];
  readonly #trackProperties: PropertyReader | undefined;
  /** As the group's objects so far make it. */
  #document: JsonObject | undefined;
  #groupBytes = 0;

  /** `namespace` is that of the broadcast; `trackProperties` are those of SUBSCRIBE_OK. */
  constructor(dialect: Catalog["dialect"], namespace: readonly string[], trackProperties?: PropertyReader) {
    this.#dialect = dialect;
    this.#namespace = namespace;
    this.#trackProperties = trackProperties;
  }

  /**
   * The catalog after this object; `first` = it begins a group and is a whole catalog, others change what went before in
   * their group. Objects one after another: wait for the one before. Rejects with {@link MediaError}; what changes a document
   * that was refused is refused as well, until the next group.
   */
  async read(payload: Uint8Array, properties: PropertyReader, first: boolean): Promise<Catalog> {
    const before = first ? undefined : this.#document;
    this.#document = undefined;
    const compression = properties.getInt(MSF_COMPRESSION) ?? this.#trackProperties?.getInt(MSF_COMPRESSION) ?? 0n;
    const bytes = await decompress(payload, compression);
    if (!first && before === undefined) throw new MediaError("catalog update without the catalog it changes");
    this.#groupBytes = bytes.length + (first ? 0 : this.#groupBytes);
    if (this.#groupBytes > MAX_CATALOG_GROUP_BYTES) throw new MediaError("catalog has too many updates in one group");
    const json = parseJson(bytes);
    const document = before === undefined ? json : this.#merge(before, json);
    const catalog = this.#dialect === "msf" ? readMsf(document) : readHang(document, this.#namespace);
    this.#document = document;
    return catalog;
  }

  #merge(before: JsonObject, change: JsonObject): JsonObject {
    if (this.#dialect === "msf") return "deltaUpdate" in change ? applyDelta(before, change) : change;
    const merged = mergePatch(before, change);
    return isObject(merged) ? merged : {};
  }
}

async function decompress(payload: Uint8Array, compression: bigint): Promise<Uint8Array> {
  if (compression === 0n) return payload;
  if (compression !== 1n) throw new MediaError(`catalog with the unknown compression ${compression}`);
  const stream = new Blob([payload.slice()]).stream().pipeThrough(new DecompressionStream("gzip"));
  const reader = stream.getReader();
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      size += part.value.length;
      if (size > MAX_CATALOG_BYTES) throw new MediaError(`catalog of more than ${MAX_CATALOG_BYTES} bytes is too large`);
    }
  } catch (error) {
    void reader.cancel().catch(() => undefined);
    if (error instanceof MediaError) throw error;
    throw new MediaError("catalog is not the gzip its property says it is");
  }
  const out = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
