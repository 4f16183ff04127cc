// Message Parameters (10.2): one typed record for every message, and which message takes what.

import { ByteWriter, EncodeError, formatting, hex, readWhole, violation } from "./codec.ts";
import type { ByteReader } from "./codec.ts";
import type { Pair } from "./key_value.ts";
import { decodeId, decodeValue, encodeId, encodeValue } from "./key_value.ts";
import { MESSAGE_BYTES } from "./limit.ts";
import type { Filter, GroupOrder, Location } from "./location.ts";
import {
  decodeFilter,
  decodeLocation,
  encodeFilter,
  encodeLocation,
  groupOrderFromWire,
  groupOrderToWire,
} from "./location.ts";
import type { Namespace } from "./name.ts";
import { decodeNamespacePart, encodeNamespacePart } from "./name.ts";
import type { Token } from "./token.ts";
import { decodeToken, encodeToken } from "./token.ts";
import type { Version } from "./version.ts";

const OBJECT_DELIVERY_TIMEOUT = 0x02;
const AUTHORIZATION_TOKEN = 0x03;
const RENDEZVOUS_TIMEOUT = 0x04;
const SUBGROUP_DELIVERY_TIMEOUT = 0x06;
const EXPIRES = 0x08;
const LARGEST_OBJECT = 0x09;
const FILL_TIMEOUT = 0x0a;
const FORWARD = 0x10;
const SUBSCRIBER_PRIORITY = 0x20;
const SUBSCRIPTION_FILTER = 0x21;
const GROUP_ORDER = 0x22;
const NEW_GROUP_REQUEST = 0x32;
const TRACK_NAMESPACE_PREFIX = 0x34;

/** The parameters of any message; a field that is undefined is not on the wire. Times are milliseconds. */
export interface Parameters {
  /** Objects older than this are not sent; 0 means none and is refused in draft-16. */
  objectDeliveryTimeout?: bigint | undefined;
  /** Subgroups that are not delivered this long after their end are reset; 0 means none. */
  subgroupDeliveryTimeout?: bigint | undefined;
  /** In the order they were written. */
  authorizationTokens?: readonly Token[] | undefined;
  /** How long a relay may wait for a publisher; 0 means answer now. */
  rendezvousTimeout?: bigint | undefined;
  /** When the sender will end the subscription; 0 means not known. */
  expires?: bigint | undefined;
  /** The largest location published; absent means nothing was. */
  largestObject?: Location | undefined;
  /** What a FETCH may spend waiting for upstream; 0 means cache only. */
  fillTimeout?: bigint | undefined;
  /** Whether objects are to be sent. */
  forward?: boolean | undefined;
  /** 0 most urgent, 255 least. */
  subscriberPriority?: number | undefined;
  filter?: Filter | undefined;
  groupOrder?: GroupOrder | undefined;
  /** Asks for a new group: the largest group known plus one, 0 for none. */
  newGroupRequest?: bigint | undefined;
  /** The new prefix of a namespace subscription. */
  namespacePrefix?: Namespace | undefined;
  /** Known parameters that the message does not define: draft-16 ignores them, so must everybody who reads this. */
  ignored?: readonly Pair[] | undefined;
}

/** The parameters that one message may have: a row of the table of 10.2. */
export type Scope = readonly number[];

const TOKEN: Scope = [AUTHORIZATION_TOKEN];
const SUBSCRIPTION: Scope = [
  OBJECT_DELIVERY_TIMEOUT,
  SUBGROUP_DELIVERY_TIMEOUT,
  FORWARD,
  SUBSCRIBER_PRIORITY,
  SUBSCRIPTION_FILTER,
  NEW_GROUP_REQUEST,
];

export const NO_PARAMETERS: Scope = [];
export const SUBSCRIBE: Scope = [...SUBSCRIPTION, ...TOKEN, RENDEZVOUS_TIMEOUT, GROUP_ORDER];
/** Of SUBSCRIBE_OK, and of a REQUEST_OK that answers REQUEST_UPDATE or TRACK_STATUS. */
export const LARGEST: Scope = [EXPIRES, LARGEST_OBJECT];
export const PUBLISH: Scope = [...LARGEST, ...TOKEN, FORWARD];
export const FETCH: Scope = [...TOKEN, FILL_TIMEOUT, SUBSCRIBER_PRIORITY, GROUP_ORDER];
export const SUBSCRIBE_TRACKS: Scope = [...TOKEN, FORWARD];
/**
 * Of TRACK_STATUS, PUBLISH_NAMESPACE, and draft-18's SUBSCRIBE_NAMESPACE; draft-16's is as {@link SUBSCRIBE_TRACKS}.
 */
export const ONLY_TOKENS: Scope = TOKEN;
export const PUBLISH_OK: Scope = [...SUBSCRIPTION, GROUP_ORDER, EXPIRES];
/** Of REQUEST_OK before it is known which request it answers; draft-16 has PUBLISH_OK as a message of its own. */
export const anyOkScope = (version: Version): Scope => (version === 18 ? [...PUBLISH_OK, LARGEST_OBJECT] : LARGEST);
export const UPDATE_SUBSCRIPTION: Scope = [...SUBSCRIPTION, ...TOKEN];
export const UPDATE_FETCH: Scope = [...TOKEN, SUBSCRIBER_PRIORITY];
export const UPDATE_PREFIX: Scope = [...TOKEN, TRACK_NAMESPACE_PREFIX];
/** Of REQUEST_UPDATE before it is known which request it updates. */
export const ANY_UPDATE: Scope = [...UPDATE_SUBSCRIPTION, TRACK_NAMESPACE_PREFIX];

const ALWAYS_KNOWN: Scope = [...PUBLISH, ...SUBSCRIPTION, GROUP_ORDER];
const KNOWN_18: Scope = [RENDEZVOUS_TIMEOUT, FILL_TIMEOUT, TRACK_NAMESPACE_PREFIX];

const isKnown = (id: number, version: Version): boolean =>
  version === 18
    ? ALWAYS_KNOWN.includes(id) || KNOWN_18.includes(id)
    : id !== SUBGROUP_DELIVERY_TIMEOUT && ALWAYS_KNOWN.includes(id);

/** The parameters that are plain integers. */
const INTEGERS = [
  [OBJECT_DELIVERY_TIMEOUT, "objectDeliveryTimeout"],
  [RENDEZVOUS_TIMEOUT, "rendezvousTimeout"],
  [SUBGROUP_DELIVERY_TIMEOUT, "subgroupDeliveryTimeout"],
  [EXPIRES, "expires"],
  [FILL_TIMEOUT, "fillTimeout"],
  [NEW_GROUP_REQUEST, "newGroupRequest"],
] as const;

/** A parameter's value before its meaning is checked. */
type Raw = bigint | Uint8Array | Location | Namespace;

function decodeTyped(id: number, reader: ByteReader, prefixed: boolean): Raw {
  const content = (): Uint8Array => reader.prefixed(MESSAGE_BYTES, "a parameter longer than any message");
  switch (id) {
    case FORWARD:
    case SUBSCRIBER_PRIORITY:
    case GROUP_ORDER:
      return BigInt(reader.u8());
    case AUTHORIZATION_TOKEN:
    case SUBSCRIPTION_FILTER:
      return content();
    case LARGEST_OBJECT:
      return decodeLocation(reader);
    case TRACK_NAMESPACE_PREFIX:
      if (!prefixed) return decodeNamespacePart(reader);
      return readWhole(content(), reader.version, decodeNamespacePart, violation("not a namespace prefix"));
    default:
      return reader.varint();
  }
}

/**
 * Reads a counted block. `prefixed`: TRACK_NAMESPACE_PREFIX has a length in front, as some peers write it.
 * PROTOCOL_VIOLATION for what is unknown, repeated, out of place (ignored in draft-16) or out of range.
 */
export function decodeParameters(reader: ByteReader, scope: Scope, prefixed = false): Parameters {
  const { version } = reader;
  const parameters: Parameters = {};
  let previous: bigint | undefined;
  for (let left = reader.varint(); left > 0n; left--) {
    const wide = decodeId(previous ?? 0n, reader);
    const id = Number(wide);
    if (!isKnown(id, version)) throw violation(`unknown message parameter ${hex(wide)}`);
    if (wide === previous && id !== AUTHORIZATION_TOKEN) throw violation(`parameter ${hex(id)} is repeated`);
    previous = wide;
    const raw = version === 16 ? decodeValue(wide, reader) : decodeTyped(id, reader, prefixed);
    if (scope.includes(id)) {
      if (!accept(parameters, id, raw, version)) throw violation(`parameter ${hex(id)} is out of its range`);
    } else if (version === 16 && (typeof raw === "bigint" || raw instanceof Uint8Array)) {
      parameters.ignored = [...(parameters.ignored ?? []), { type: wide, value: raw }];
    } else {
      throw violation(`parameter ${hex(id)} does not belong to this message`);
    }
  }
  return parameters;
}

/** Stores a value; false when it is outside its range. */
function accept(parameters: Parameters, id: number, raw: Raw, version: Version): boolean {
  if (typeof raw === "bigint") return acceptInteger(parameters, id, raw, version);
  if (id === TRACK_NAMESPACE_PREFIX && Array.isArray(raw)) {
    parameters.namespacePrefix = raw;
  } else if (id === LARGEST_OBJECT && "group" in raw) {
    parameters.largestObject = raw;
  } else if (!(raw instanceof Uint8Array)) {
    return false;
  } else if (id === LARGEST_OBJECT) {
    parameters.largestObject = readWhole(raw, version, decodeLocation, formatting("LARGEST_OBJECT is no location"));
  } else if (id === SUBSCRIPTION_FILTER) {
    parameters.filter = readWhole(raw, version, decodeFilter, violation("a filter that does not fill its length"));
  } else {
    parameters.authorizationTokens = [...(parameters.authorizationTokens ?? []), decodeToken(raw, version)];
  }
  return true;
}

function acceptInteger(parameters: Parameters, id: number, value: bigint, version: Version): boolean {
  const integer = INTEGERS.find(([known]) => known === id);
  if (integer) {
    parameters[integer[1]] = value;
    return id !== OBJECT_DELIVERY_TIMEOUT || value > 0n || version === 18;
  }
  if (id === FORWARD) {
    parameters.forward = value === 1n;
    return value <= 1n;
  }
  if (id === SUBSCRIBER_PRIORITY) {
    parameters.subscriberPriority = Number(value);
    return value <= 255n;
  }
  const order = groupOrderFromWire(value);
  parameters.groupOrder = order;
  return order !== undefined;
}

/** PROTOCOL_VIOLATION in draft-18 when a parameter does not belong to the message; draft-16 never minds. */
export function checkParameters(parameters: Parameters, scope: Scope, version: Version): void {
  const misplaced = version === 18 ? entries(parameters, version).find(([id]) => !scope.includes(id)) : undefined;
  if (misplaced) throw violation(`parameter ${hex(misplaced[0])} does not belong to this message`);
}

type Write = (out: ByteWriter) => void;

/** What is present: its id and how to write it; not sorted. */
function entries(parameters: Parameters, version: Version): [number, Write][] {
  const found: [number, Write][] = [];
  const add = <T>(id: number, value: T | undefined, write: (value: T, out: ByteWriter) => void): void => {
    if (value !== undefined) found.push([id, (out) => write(value, out)]);
  };
  // Draft-16 has integers and byte strings only.
  const byte = (value: number, out: ByteWriter): void => (version === 16 ? out.varint(value) : out.u8(value));
  const content =
    <T>(write: (value: T, out: ByteWriter) => void) =>
    (value: T, out: ByteWriter): void => {
      const inner = new ByteWriter(version);
      write(value, inner);
      out.prefixed(inner.finish());
    };
  for (const [id, name] of INTEGERS) add(id, parameters[name], (value, out) => out.varint(value));
  add(LARGEST_OBJECT, parameters.largestObject, version === 16 ? content(encodeLocation) : encodeLocation);
  add(FORWARD, parameters.forward, (value, out) => byte(value ? 1 : 0, out));
  add(SUBSCRIBER_PRIORITY, parameters.subscriberPriority, byte);
  add(SUBSCRIPTION_FILTER, parameters.filter, content(encodeFilter));
  add(GROUP_ORDER, parameters.groupOrder, (order, out) => byte(groupOrderToWire(order), out));
  add(TRACK_NAMESPACE_PREFIX, parameters.namespacePrefix, encodeNamespacePart);
  for (const token of parameters.authorizationTokens ?? []) add(AUTHORIZATION_TOKEN, token, content(encodeToken));
  return found;
}

/** Appends a counted block in ascending order. */
export function encodeParameters(parameters: Parameters, scope: Scope, out: ByteWriter): void {
  const { version } = out;
  const found = entries(parameters, version);
  const wrong = found.find(([id]) => !isKnown(id, version) || !scope.includes(id));
  if (wrong) throw new EncodeError(`the message does not define parameter ${hex(wrong[0])}`);
  for (const { type, value } of (version === 16 && parameters.ignored) || []) {
    found.push([Number(type), () => encodeValue(type, value, out)]);
  }
  found.sort(([a], [b]) => a - b);
  out.varint(found.length);
  let previous = 0n;
  for (const [id, write] of found) {
    encodeId(BigInt(id), previous, out);
    write(out);
    previous = BigInt(id);
  }
}
