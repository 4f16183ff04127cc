// FETCH streams (11.4.4): records relative to the one before.

import type { ByteReader, ByteWriter } from "../codec.ts";
import { EncodeError, hex, violation } from "../codec.ts";
import type { GroupOrder, Location } from "../location.ts";
import { compareLocations } from "../location.ts";
import { Properties } from "../property.ts";
import { maxVarint } from "../varint.ts";
import type { Version } from "../version.ts";
import { Input } from "./input.ts";
import { decodeProperties, encodeProperties } from "./object.ts";

const SUBGROUP_MODE = 0x03;
const SUBGROUP_PRIOR = 0x01;
const SUBGROUP_NEXT = 0x02;
const SUBGROUP_EXPLICIT = 0x03;
const OBJECT = 0x04;
const GROUP = 0x08;
const PRIORITY = 0x10;
const PROPERTIES = 0x20;
const DATAGRAM = 0x40;
const OBJECT_FLAGS = 0x7f;
const END_OF_NON_EXISTENT_RANGE = 0x8c;
const END_OF_UNKNOWN_RANGE = 0x10c;

/** What precedes an object's payload on a FETCH stream, with everything relative resolved. */
export interface FetchObjectHeader {
  readonly location: Location;
  /** Undefined for an object that was published as a datagram. */
  readonly subgroup: bigint | undefined;
  /** The publisher's priority. */
  readonly priority: number;
  readonly properties: Properties;
  /** Bytes of payload that follow; there is no status. */
  readonly payloadLen: bigint;
}

/** What a FETCH stream holds after its header. */
export type FetchItem =
  | ({ readonly kind: "object" } & Omit<FetchObjectHeader, "payloadLen"> & {
        /** A view of what was pushed, or a joined copy when it came in parts. */
        readonly payload: Uint8Array;
        /** The `now` of the push with the first byte of the object's header. */
        readonly firstByteAt: number;
        /** The `now` of the push that completed it. */
        readonly receivedAt: number;
      })
  /**
   * Nothing more is sent up to and including `location`; `known`: the objects do not exist, else their state is
   * unknown.
   */
  | EndOfRange;

export interface EndOfRange {
  readonly kind: "end-of-range";
  readonly location: Location;
  readonly known: boolean;
}

/** What later records refer to. */
interface Prior {
  readonly version: Version;
  readonly order: GroupOrder;
  /** Of the last record of either kind. */
  location: Location | undefined;
  /** Of the last object; undefined for a datagram too. */
  subgroup: bigint | undefined;
  priority: number | undefined;
}

const noPrior = (version: Version, order: GroupOrder): Prior => ({
  version,
  order,
  location: undefined,
  subgroup: undefined,
  priority: undefined,
});

function follow(prior: Prior, header: FetchObjectHeader): void {
  prior.location = header.location;
  prior.subgroup = header.subgroup;
  prior.priority = header.priority;
}

/** The location these fields stand for, if there is one. */
function resolve(prior: Prior, group: bigint | undefined, object: bigint | undefined): Location | undefined {
  const { version, location } = prior;
  if (!location) return group === undefined || object === undefined ? undefined : { group, object };
  const deltas = version === 18;
  const direction = prior.order === "ascending" ? 1n : -1n;
  const resolvedGroup =
    group === undefined ? location.group : deltas ? location.group + direction * (group + 1n) : group;
  const resolvedObject =
    object === undefined ? location.object + 1n : deltas && group === undefined ? location.object + object : object;
  const max = maxVarint(version);
  if (resolvedGroup < 0n || resolvedGroup > max || resolvedObject > max) return undefined;
  return { group: resolvedGroup, object: resolvedObject };
}

/** The subgroup a mode without a field stands for. */
function impliedSubgroup(prior: Prior, mode: number): bigint | undefined {
  if (mode === 0) return 0n;
  if (mode === SUBGROUP_PRIOR || prior.subgroup === undefined) return prior.subgroup;
  const next = prior.subgroup + 1n;
  return next <= maxVarint(prior.version) ? next : undefined;
}

const isExplicit = (flags: number): boolean =>
  (flags & DATAGRAM) === 0 && (flags & SUBGROUP_MODE) === SUBGROUP_EXPLICIT;

function decodeRecord(prior: Prior, reader: ByteReader): FetchObjectHeader | EndOfRange {
  const wide = reader.varint();
  const flags = Number(wide);
  if (flags === END_OF_NON_EXISTENT_RANGE || flags === END_OF_UNKNOWN_RANGE) {
    const location = { group: reader.varint(), object: reader.varint() };
    return { kind: "end-of-range", location, known: flags === END_OF_NON_EXISTENT_RANGE };
  }
  if (flags > OBJECT_FLAGS) throw violation(`unknown serialization flags ${hex(wide)}`);
  if (!prior.location && (flags & (GROUP | OBJECT)) !== (GROUP | OBJECT)) {
    throw violation("the first object refers to one before it");
  }
  const group = (flags & GROUP) !== 0 ? reader.varint() : undefined;
  const subgroup = decodeSubgroup(prior, flags, reader);
  const object = (flags & OBJECT) !== 0 ? reader.varint() : undefined;
  const location = resolve(prior, group, object);
  if (!location) throw violation("a location that does not fit");
  const priority = (flags & PRIORITY) !== 0 ? reader.u8() : prior.priority;
  if (priority === undefined) throw violation("there is no prior priority to refer to");
  const properties = (flags & PROPERTIES) !== 0 ? decodeProperties(reader) : Properties.EMPTY;
  return { location, subgroup, priority, properties, payloadLen: reader.varint() };
}

function decodeSubgroup(prior: Prior, flags: number, reader: ByteReader): bigint | undefined {
  if ((flags & DATAGRAM) !== 0) return undefined;
  if (isExplicit(flags)) return reader.varint();
  const subgroup = impliedSubgroup(prior, flags & SUBGROUP_MODE);
  if (subgroup === undefined) throw violation("there is no prior subgroup to refer to");
  return subgroup;
}

/** Reads the records of a FETCH stream from the bytes after its header; used as `SubgroupDecoder` is. */
export class FetchDecoder {
  private readonly prior: Prior;
  private readonly input: Input;
  private header: FetchObjectHeader | undefined;
  /** The last record carried no payload. */
  private wasEmpty = false;

  /** `order` is the group order the FETCH asked for. */
  constructor(version: Version, order: GroupOrder) {
    this.prior = noPrior(version, order);
    this.input = new Input(version);
  }

  /** Adds what was read at `now`, in whatever clock the caller has. */
  push(chunk: Uint8Array, now: number): void {
    this.input.push(chunk, now);
  }

  /** The next item, or undefined when more bytes are needed. */
  next(): FetchItem | undefined {
    if (!this.header) {
      const record = this.input.header((reader) => decodeRecord(this.prior, reader));
      if (!record) return undefined;
      if ("kind" in record) {
        this.prior.location = record.location;
        this.wasEmpty = true;
        return record;
      }
      this.header = record;
    }
    const { payloadLen, ...fields } = this.header;
    const payload = this.input.payload(payloadLen);
    if (!payload) return undefined;
    follow(this.prior, this.header);
    this.wasEmpty = payloadLen === 0n;
    this.header = undefined;
    const { firstByteAt, receivedAt } = this.input;
    return { kind: "object", ...fields, payload, firstByteAt, receivedAt };
  }

  /**
   * PROTOCOL_VIOLATION when the stream ends inside a record (11.4), also in one that was not taken. Some peers write a
   * status after an empty object, or a length after a range; at the very end of the stream that is told apart from a
   * new record and let pass.
   */
  finish(): void {
    const { carry } = this.input;
    const isStray = this.wasEmpty && carry.length === 1 && [0, 3, 4].includes(carry[0] ?? 1);
    if (this.header || !(isStray || this.input.isEmpty)) throw violation("the stream ends inside an object");
  }
}

/** Writes the records of a FETCH stream after its header. */
export class FetchEncoder {
  private readonly prior: Prior;
  private afterRange = false;

  /** `order` is the group order the FETCH asked for. */
  constructor(version: Version, order: GroupOrder) {
    this.prior = noPrior(version, order);
  }

  /**
   * Appends an object's header in its shortest form; the payload follows as it is. Throws {@link EncodeError} when
   * groups run against the order or objects do not ascend; nothing is written then, and the encoder can go on.
   */
  object(header: FetchObjectHeader, out: ByteWriter): void {
    this.objectAs(this.shortestFlags(header), header, out);
  }

  private shortestFlags({ location, subgroup, priority, properties }: FetchObjectHeader): number {
    // Readers differ, and draft-16 is silent, in which subgroup and priority are "prior" after a range.
    const prior = this.afterRange ? { ...this.prior, subgroup: undefined, priority: undefined } : this.prior;
    let mode = SUBGROUP_EXPLICIT;
    if (subgroup === undefined) mode = DATAGRAM;
    else if (subgroup === 0n) mode = 0;
    else if (subgroup === prior.subgroup) mode = SUBGROUP_PRIOR;
    else if (subgroup === impliedSubgroup(prior, SUBGROUP_NEXT)) mode = SUBGROUP_NEXT;
    return (
      mode |
      (prior.location?.group === location.group ? 0 : GROUP) |
      (prior.location && prior.location.object + 1n === location.object ? 0 : OBJECT) |
      (prior.priority === priority ? 0 : PRIORITY) |
      (properties.isEmpty ? 0 : PROPERTIES)
    );
  }

  /** As {@link object} with given flags, which may spell out what could be left out. */
  objectAs(flags: number, header: FetchObjectHeader, out: ByteWriter): void {
    const start = out.length;
    try {
      this.write(flags, header, out);
    } catch (error) {
      out.truncate(start);
      throw error;
    }
    follow(this.prior, header);
    this.afterRange = false;
  }

  private write(flags: number, header: FetchObjectHeader, out: ByteWriter): void {
    const { prior } = this;
    const has = (bit: number): boolean => (flags & bit) !== 0;
    const relative = prior.version === 18 ? prior.location : undefined;
    const { group, object } = header.location;
    const step = relative && (prior.order === "ascending" ? group - relative.group : relative.group - group) - 1n;
    const groupField = has(GROUP) ? (step ?? group) : undefined;
    const objectField = has(OBJECT) ? (relative && !has(GROUP) ? object - relative.object : object) : undefined;
    const explicit = isExplicit(flags) && header.subgroup !== undefined;
    const subgroup = explicit
      ? header.subgroup
      : has(DATAGRAM)
        ? undefined
        : impliedSubgroup(prior, flags & SUBGROUP_MODE);
    const resolved =
      (groupField ?? 0n) < 0n || (objectField ?? 0n) < 0n ? undefined : resolve(prior, groupField, objectField);
    if (
      flags > OBJECT_FLAGS ||
      !resolved ||
      compareLocations(resolved, header.location) !== 0 ||
      subgroup !== header.subgroup ||
      has(DATAGRAM) !== (subgroup === undefined) ||
      (!has(PRIORITY) && prior.priority !== header.priority) ||
      (!has(PROPERTIES) && !header.properties.isEmpty)
    ) {
      throw new EncodeError("this object cannot follow the one before");
    }
    out.varint(flags);
    for (const field of [groupField, explicit ? subgroup : undefined, objectField]) {
      if (field !== undefined) out.varint(field);
    }
    if (has(PRIORITY)) out.u8(header.priority);
    if (has(PROPERTIES)) encodeProperties(header.properties, out);
    out.varint(header.payloadLen);
  }

  /**
   * Appends the end of a range: nothing up to and including `location` exists (`known`), or it is not known whether it
   * does.
   */
  endOfRange(location: Location, known: boolean, out: ByteWriter): void {
    out.varint(known ? END_OF_NON_EXISTENT_RANGE : END_OF_UNKNOWN_RANGE);
    out.varint(location.group);
    out.varint(location.object);
    this.prior.location = location;
    this.afterRange = true;
  }
}
