// Properties of tracks and objects (2.5, 12).

import type { ByteReader } from "./codec.ts";
import { ByteWriter, EMPTY_BYTES, ProtocolError, hex, violation } from "./codec.ts";
import type { Pair } from "./key_value.ts";
import { decodeBlock, encodeBlock } from "./key_value.ts";
import type { GroupOrder, Location } from "./location.ts";
import { groupOrderFromWire } from "./location.ts";
import type { Version } from "./version.ts";

/** Track: publisher's OBJECT_DELIVERY_TIMEOUT in ms, 0 = none. */
export const OBJECT_DELIVERY_TIMEOUT = 0x02n;
/** Track: MAX_CACHE_DURATION in ms. */
export const MAX_CACHE_DURATION = 0x04n;
/** Track: publisher's SUBGROUP_DELIVERY_TIMEOUT in ms, 0 = none. */
export const SUBGROUP_DELIVERY_TIMEOUT = 0x06n;
/** LOC, track or object: units per second of `TIMESTAMP`. */
export const TIMESCALE = 0x08n;
/** LOC, object: RFC 9626 frame marking. */
export const VIDEO_FRAME_MARKING = 0x09n;
/** Pairs that only the original publisher adds and nobody changes. */
export const IMMUTABLE = 0x0bn;
/** LOC, object: RFC 6464 audio level. */
export const AUDIO_LEVEL = 0x0cn;
/** LOC: decoder configuration of a video track. */
export const VIDEO_CONFIG = 0x0dn;
/** Track: priority of what has none of its own, 0 to 255. */
export const DEFAULT_PUBLISHER_PRIORITY = 0x0en;
/** LOC: decoder configuration of an audio track. */
export const AUDIO_CONFIG = 0x0fn;
/** LOC, object: presentation time, in `TIMESCALE` units. */
export const TIMESTAMP = 0x10n;
/** Track: the publisher's group order, 1 or 2. */
export const DEFAULT_PUBLISHER_GROUP_ORDER = 0x22n;
/** Track: 1 when NEW_GROUP_REQUEST is honoured. */
export const DYNAMIC_GROUPS = 0x30n;
/** Object: how many groups just before this one never exist. */
export const PRIOR_GROUP_ID_GAP = 0x3cn;
/** Object: how many objects just before this one never exist. */
export const PRIOR_OBJECT_ID_GAP = 0x3en;
/** MSF: 1 when the payload is gzip. */
export const MSF_COMPRESSION = 0x78n;
/** Track: MIME type of the concatenated payloads. */
export const CONTENT_TYPE = 0x79n;
/** Track: objects have hop delay stamps; object: its stamp (`hop_delay.ts`). */
export const HOP_DELAY = 0x7bn;
/** Track: bytes that a byte-stream reader must have before the first object. */
export const PROLOGUE = 0x7dn;
/** The priority of a publisher that names none (12.4). */
export const DEFAULT_PRIORITY = 128;

/** Track properties that must be understood to use the track (2.5.1). */
const isMandatory = (id: bigint): boolean => id >= 0x4000n && id <= 0x7fffn;

/** The object or track breaks a rule of the model: end the track, not the session (2.4.2). */
export class MalformedTrack extends Error {}

/** A block of properties. */
export class Properties {
  static readonly EMPTY = new Properties(EMPTY_BYTES, 18);

  /** The block as it came, in the integers of `version`. */
  readonly raw: Uint8Array;
  readonly version: Version;
  private readonly outer: readonly Pair[];

  /** Properties from the wire; PROTOCOL_VIOLATION when the pairs do not fill `raw` exactly. */
  constructor(raw: Uint8Array, version: Version) {
    this.raw = raw;
    this.version = version;
    this.outer = raw.length > 0 ? decodeBlock(raw, version) : [];
  }

  /** Properties made here. Types may come in any order; equal types keep theirs. */
  static fromPairs(pairs: Iterable<Pair>): Properties {
    return new Properties(blockOf(pairs, 18), 18);
  }

  get isEmpty(): boolean {
    return this.raw.length === 0;
  }

  /** The outer pairs, in order, IMMUTABLE as one of them. */
  pairs(): readonly Pair[] {
    return this.outer;
  }

  /** The first value of a type, in the outer list or else in the immutable one. */
  get(id: bigint): bigint | Uint8Array | undefined {
    return (this.outer.find(({ type }) => type === id) ?? innerPairs(this).find(({ type }) => type === id))?.value;
  }

  /** The value of an even type, from either list. */
  getInt(id: bigint): bigint | undefined {
    const value = this.get(id);
    return typeof value === "bigint" ? value : undefined;
  }

  /** The value of an odd type, from either list. */
  getBytes(id: bigint): Uint8Array | undefined {
    const value = this.get(id);
    return typeof value === "bigint" ? undefined : value;
  }
}

function blockOf(pairs: Iterable<Pair>, version: Version): Uint8Array {
  const out = new ByteWriter(version);
  encodeBlock(pairs, out);
  return out.finish();
}

/**
 * The pairs inside IMMUTABLE. Throws {@link MalformedTrack} when it is there twice, does not parse, or holds another.
 */
export function immutablePairs(properties: Properties): readonly Pair[] {
  const [block, second] = properties.pairs().filter(({ type }) => type === IMMUTABLE);
  if (!block || typeof block.value === "bigint") return [];
  if (second) throw new MalformedTrack("two immutable blocks");
  const inner = attempt(() => decodeBlock(block.value as Uint8Array, properties.version), ProtocolError);
  if (!inner) throw new MalformedTrack("the immutable block does not parse");
  if (inner.some(({ type }) => type === IMMUTABLE)) throw new MalformedTrack("an immutable block inside another");
  return inner;
}

function attempt<T>(run: () => T, expected: typeof ProtocolError | typeof MalformedTrack): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof expected) return undefined;
    throw error;
  }
}

const innerPairs = (properties: Properties): readonly Pair[] =>
  attempt(() => immutablePairs(properties), MalformedTrack) ?? [];

const allPairs = (properties: Properties): Pair[] => [...properties.pairs(), ...innerPairs(properties)];

/** The priority of objects that carry none. */
export function defaultPublisherPriority(properties: Properties): number {
  const priority = properties.getInt(DEFAULT_PUBLISHER_PRIORITY) ?? 256n;
  return priority <= 255n ? Number(priority) : DEFAULT_PRIORITY;
}

export const defaultPublisherGroupOrder = (properties: Properties): GroupOrder =>
  groupOrderFromWire(properties.getInt(DEFAULT_PUBLISHER_GROUP_ORDER) ?? 1n) ?? "ascending";

/** The publisher honours NEW_GROUP_REQUEST. */
export const hasDynamicGroups = (properties: Properties): boolean => properties.getInt(DYNAMIC_GROUPS) === 1n;

/** A property that must be understood and that `understood` does not name. */
export const unknownMandatory = (properties: Properties, understood: readonly bigint[]): bigint | undefined =>
  allPairs(properties).find(({ type }) => isMandatory(type) && !understood.includes(type))?.type;

/** PROTOCOL_VIOLATION when one of a track's properties is outside its range (12.1 to 12.6). */
export function checkTrack(properties: Properties, version: Version): void {
  for (const { type, value } of allPairs(properties)) {
    if (typeof value !== "bigint") continue;
    const wrong =
      (type === DEFAULT_PUBLISHER_PRIORITY && value > 255n) ||
      (type === DEFAULT_PUBLISHER_GROUP_ORDER && !groupOrderFromWire(value)) ||
      (type === DYNAMIC_GROUPS && value > 1n) ||
      (type === OBJECT_DELIVERY_TIMEOUT && value === 0n && version === 16);
    if (wrong) throw violation(`track property ${hex(type)} may not be ${value}`);
  }
}

/**
 * Checks what an object at `location` may have (12.7 to 12.9, 2.5.1): throws {@link MalformedTrack} for a broken
 * immutable block, a gap that is repeated or reaches below zero, or a property that only tracks may have.
 */
export function checkObject(properties: Properties, location: Location): void {
  const seen = new Set<bigint>();
  for (const { type, value } of [...properties.pairs(), ...immutablePairs(properties)]) {
    if (isMandatory(type)) throw new MalformedTrack("a mandatory track property on an object");
    if (type !== PRIOR_GROUP_ID_GAP && type !== PRIOR_OBJECT_ID_GAP) continue;
    if (seen.has(type)) throw new MalformedTrack("a gap given twice");
    seen.add(type);
    if (typeof value === "bigint" && value > (type === PRIOR_GROUP_ID_GAP ? location.group : location.object)) {
      throw new MalformedTrack("a gap below id 0");
    }
  }
}

/** The block in the integers of `version`: the bytes as they came if they are in it already. */
export function propertiesTo(properties: Properties, version: Version): Uint8Array {
  if (properties.version === version || properties.isEmpty) return properties.raw;
  const rewritten = properties.pairs().map(({ type, value }) => {
    const block = type === IMMUTABLE && typeof value !== "bigint" ? value : undefined;
    const inner = block && attempt(() => decodeBlock(block, properties.version), ProtocolError);
    return { type, value: inner ? blockOf(inner, version) : value };
  });
  return blockOf(rewritten, version);
}

/** Reads the track properties that fill the rest of a message. */
export function decodeTrackProperties(reader: ByteReader): Properties {
  const properties = new Properties(reader.rest(), reader.version);
  checkTrack(properties, reader.version);
  return properties;
}

/** Appends the pairs without a length. */
export function encodeTrackProperties(properties: Properties, out: ByteWriter): void {
  out.bytes(propertiesTo(properties, out.version));
}
