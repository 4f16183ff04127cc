// MSF (draft-ietf-moq-msf, `draft-01`) with the `cmaf` packaging of CMSF; also the numeric versions before it.

import { familyOf } from "./codec.ts";
import { compact, isObject, JsonFields, type JsonObject } from "./json.ts";
import { MAX_CATALOG_TRACKS } from "./limit.ts";
import { type Catalog, type CatalogTrack, MediaError, type Packaging } from "./types.ts";

/** What is not a field of the track that a delta update names, but says which track it is. */
const PARENT_FIELDS = new Set(["parentName", "parentNamespace"]);

export function readMsf(document: JsonObject): Catalog {
  const root = new JsonFields(document, "catalog");
  if (!root.has("tracks") && root.has("deltaUpdate")) {
    throw new MediaError("catalog is a delta update, not a whole catalog");
  }
  const initData = new Map<string, JsonFields>();
  for (const item of root.list("initDataList")) {
    const entry = new JsonFields(item, "catalog: entry of `initDataList`");
    initData.set(entry.needString("id"), entry);
  }
  const list = root.list("tracks");
  checkCount(list.length);
  const tracks = list.map((item) => readTrack(item, initData)).filter((track) => track !== undefined);
  return { dialect: "msf", tracks, isComplete: root.boolean("isComplete") };
}

function checkCount(tracks: number): void {
  if (tracks > MAX_CATALOG_TRACKS) throw new MediaError(`catalog lists ${tracks} tracks, too many`);
}

/** `undefined` for a track that is not audio or video, or in a packaging not carried here. */
function readTrack(item: unknown, initData: ReadonlyMap<string, JsonFields>): CatalogTrack | undefined {
  const name = new JsonFields(item, "catalog: track").needString("name");
  const track = new JsonFields(item, `catalog track \`${name}\``);
  const packaging = packagingOf(track.string("packaging"));
  const kind = kindOf(track);
  if (packaging === undefined || kind === undefined) return undefined;
  const data = readInitData(track, initData);
  const video = kind === "video";
  const timescale = track.positive("timescale");
  return {
    name,
    packaging,
    kind,
    codec: track.needString("codec"),
    ...compact<Omit<CatalogTrack, "name" | "packaging" | "kind" | "codec">>({
      namespace: readNamespace(track),
      width: video ? track.number("width") || undefined : undefined,
      height: video ? track.number("height") || undefined : undefined,
      framerate: video ? track.number("framerate") || undefined : undefined,
      sampleRate: video ? undefined : track.number("samplerate") || undefined,
      channels: video ? undefined : readChannels(track),
      bitrate: track.number("bitrate") ?? track.number("avgBitrate"),
      timescale,
      init: packaging === "cmaf" ? data : undefined,
      description: packaging === "cmaf" ? undefined : data,
      altGroup: track.number("altGroup"),
      label: track.string("label"),
      language: track.string("lang"),
      targetLatency: track.number("targetLatency") ?? track.object("buffers")?.number("target"),
    }),
  };
}

/** `chunk-per-object` is what moqtail calls one CMAF chunk per object; moq-dev lists hang's `legacy` tracks in MSF, too. */
function packagingOf(text: string | undefined): Packaging | undefined {
  if (text === "cmaf" || text === "chunk-per-object") return "cmaf";
  return text === "loc" || text === "legacy" ? text : undefined;
}

/** By role, or without one by what else is said. */
function kindOf(track: JsonFields): "video" | "audio" | undefined {
  const role = track.string("role");
  if (role === "video" || role === "signlanguage") return "video";
  if (role === "audio" || role === "audiodescription") return "audio";
  if (role !== undefined) return undefined;
  const family = familyOf(track.string("codec") ?? "");
  return track.has("samplerate") || family === "opus" || family === "aac" ? "audio" : "video";
}

function readInitData(track: JsonFields, initData: ReadonlyMap<string, JsonFields>): Uint8Array | undefined {
  if (track.has("initData")) return track.base64("initData");
  const id = track.string("initRef");
  if (id === undefined) return undefined;
  const entry = initData.get(id);
  if (entry === undefined) throw track.fail(`\`initRef\` "${id}" is not in \`initDataList\``);
  // Other types say that a property carries the data.
  const type = entry.string("type") ?? "inline";
  return type === "inline" || type === "" ? entry.base64("data") : undefined;
}

/** A string by the draft, a number in older catalogs. */
function readChannels(track: JsonFields): number | undefined {
  const value = track.raw("channelConfig");
  if (typeof value === "string") return Number.parseInt(value, 10) || undefined;
  return track.number("channelConfig") || undefined;
}

/** Fields between slashes, or the text form of MOQT: fields between hyphens, other bytes as `.xx`. */
function readNamespace(track: JsonFields): string[] | undefined {
  const value = track.raw("namespace");
  if (Array.isArray(value) && value.every((field) => typeof field === "string")) return value;
  const text = track.string("namespace");
  if (text === undefined || text === "") return undefined;
  if (text.includes("/")) return text.split("/").filter((field) => field !== "");
  if (!/^(?:[\w-]|\.[0-9a-f]{2})+$/.test(text) || text.includes("--")) return [text];
  const percent = (field: string): string => field.replace(/\.([0-9a-f]{2})/g, "%$1");
  try {
    return text.split("-").map((field) => decodeURIComponent(percent(field)));
  } catch {
    return [text];
  }
}

/** The document after a delta update: an object that is not the first of its group. */
export function applyDelta(document: JsonObject, delta: JsonObject): JsonObject {
  const update = new JsonFields(delta, "catalog update");
  let tracks = new JsonFields(document, "catalog").list("tracks").filter(isObject);
  for (const step of update.list("deltaUpdate")) {
    const operation = new JsonFields(step, "catalog update: entry of `deltaUpdate`");
    const op = operation.needString("op");
    for (const item of operation.list("tracks")) {
      if (!isObject(item)) throw operation.fail("a track is not an object");
      tracks = applyOperation(tracks, op, item, operation);
      checkCount(tracks.length);
    }
  }
  const { deltaUpdate: _, tracks: replaced, initDataList: more, ...root } = delta;
  const known = new JsonFields(document, "catalog").list("initDataList");
  const added = update.list("initDataList");
  // Entries of tracks that have gone stay until the next whole catalog, so they are counted.
  if (known.length + added.length > 2 * MAX_CATALOG_TRACKS) throw update.fail("too many entries in `initDataList`");
  const merged = { ...document, ...root, tracks: replaced ?? tracks };
  return more === undefined ? merged : { ...merged, initDataList: [...known, ...added] };
}

function applyOperation(tracks: JsonObject[], op: string, item: JsonObject, at: JsonFields): JsonObject[] {
  const is = (name: unknown, namespace: unknown) => (track: JsonObject) =>
    track["name"] === name && (track["namespace"] ?? undefined) === (namespace ?? undefined);
  const itself = is(item["name"], item["namespace"]);
  const others = tracks.filter((track) => !itself(track));
  const known = tracks.find(itself);
  switch (op) {
    case "add":
      return [...others, item];
    case "remove":
      return others;
    case "update":
      if (known === undefined) throw at.fail(`no track "${String(item["name"])}" to update`);
      return tracks.map((track) => (track === known ? { ...known, ...item } : track));
    case "clone": {
      const parent = tracks.find(is(item["parentName"], item["parentNamespace"]));
      if (parent === undefined) throw at.fail(`no track "${String(item["parentName"])}" to clone`);
      const own = Object.entries(item).filter(([key]) => !PARENT_FIELDS.has(key));
      return [...others, { ...parent, ...Object.fromEntries(own) }];
    }
    default:
      throw at.fail(`unknown \`op\` "${op}"`);
  }
}

/** The document of a catalog that we publish. */
export function writeMsf(catalog: Catalog, generatedAt: number): string {
  const initDataList: { id: string; type: "inline"; data: string }[] = [];
  const initRef = (track: CatalogTrack): string | undefined => {
    const bytes = track.packaging === "cmaf" ? track.init : track.description;
    if (bytes === undefined) return undefined;
    const data = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    // Tracks that share their configuration share the entry.
    const known = initDataList.find((entry) => entry.data === data);
    if (known === undefined) initDataList.push({ id: `init-${track.name}`, type: "inline", data });
    return known?.id ?? `init-${track.name}`;
  };
  const tracks = catalog.tracks.map((track) => {
    // MSF has no such packaging.
    if (track.packaging === "legacy") throw new MediaError(`track "${track.name}": MSF does not know \`legacy\``);
    return {
      name: track.name,
      namespace: track.namespace?.join("/"),
      packaging: track.packaging,
      isLive: true,
      role: track.kind,
      codec: track.codec,
      bitrate: track.bitrate,
      width: track.width,
      height: track.height,
      framerate: track.framerate,
      samplerate: track.sampleRate,
      channelConfig: track.channels?.toString(),
      timescale: track.timescale,
      renderGroup: 1,
      altGroup: track.altGroup,
      targetLatency: track.targetLatency,
      lang: track.language,
      label: track.label,
      initRef: initRef(track),
    };
  });
  return JSON.stringify({
    version: "draft-01",
    generatedAt,
    isComplete: catalog.isComplete || undefined,
    tracks,
    initDataList: initDataList.length > 0 ? initDataList : undefined,
  });
}
