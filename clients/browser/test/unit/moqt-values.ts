// Decoded values as the JSON of the golden vectors, and the comparison of the two.

import { ByteReader, ByteWriter } from "../../src/moqt/codec.ts";
import type { FetchRange } from "../../src/moqt/control/fetch.ts";
import type { Message } from "../../src/moqt/control/mod.ts";
import type { SetupOptions } from "../../src/moqt/control/setup.ts";
import {
  PUBLISH_DONE_CODES,
  PublishDoneCode,
  REQUEST_CODES,
  RequestErrorCode,
  codeName,
  codeToWire,
} from "../../src/moqt/error_code.ts";
import type { Pair } from "../../src/moqt/key_value.ts";
import type { Location } from "../../src/moqt/location.ts";
import { decodeLocation, encodeFilter, encodeLocation, groupOrderToWire } from "../../src/moqt/location.ts";
import type { FullTrackName, Namespace } from "../../src/moqt/name.ts";
import type { Parameters } from "../../src/moqt/parameter.ts";
import type { Properties } from "../../src/moqt/property.ts";
import { encodeToken } from "../../src/moqt/token.ts";
import type { Version } from "../../src/moqt/version.ts";

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type Fields = { [name: string]: Json };

/** Values that follow from others, or from their absence, so that a vector may leave them out. */
const DERIVED = ["code_name", "status_name", "minimal", "cache_cost", "name", "timeout", "request_id"];

export const isFields = (value: Json | undefined): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const field = (value: Json | undefined, name: string): Json | undefined =>
  isFields(value) ? value[name] : undefined;

export const text = (value: Json | undefined): string => (typeof value === "string" ? value : "");

export const unhex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, "hex"));

export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** An integer, written as a string where a JSON number would lose digits. */
export const int = (value: bigint | number): Json => (value < 2 ** 53 ? Number(value) : value.toString());

/** Text where the bytes are UTF-8, else their digits. */
export function bytesValue(bytes: Uint8Array): Json {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { hex: hexOf(bytes) };
  }
}

export const namespaceValue = (namespace: Namespace): Json => namespace.map(bytesValue);

export const locationValue = ({ group, object }: Location): Json => ({ group: int(group), object: int(object) });

const pairValue = (value: bigint | Uint8Array): Json =>
  typeof value === "bigint" ? int(value) : { hex: hexOf(value) };

export const pairsValue = (pairs: readonly Pair[]): Json =>
  pairs.map(({ type, value }) => ({ type: int(type), value: pairValue(value) }));

/** Every value the vector gives must be there, and nothing else but what follows from it. Tells what is wrong. */
export function compare(expected: Json, actual: Json | undefined): string | undefined {
  if (isFields(expected) && isFields(actual)) return compareFields(expected, actual);
  if (Array.isArray(expected) && Array.isArray(actual) && expected.length === actual.length) {
    return expected.map((wanted, at) => compare(wanted, actual[at])).find((wrong) => wrong !== undefined);
  }
  if (isFields(expected) && typeof actual === "string" && expected["hex"] === hexOf(Buffer.from(actual)))
    return undefined;
  if (isFields(expected) && Array.isArray(actual) && expected["fields"]) return compare(expected["fields"], actual);
  if (Array.isArray(expected) && expected.length === 0 && actual === undefined) return undefined;
  if (typeof expected === "string" && typeof actual === "string" && letters(expected) === letters(actual))
    return undefined;
  if (expected === (actual ?? null)) return undefined;
  return `expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`;
}

function compareFields(expected: Fields, actual: Fields): string | undefined {
  // Draft-16 has locations inside byte strings: a vector may show either.
  if ("group" in expected && "hex" in actual) {
    const inside = decodeLocation(new ByteReader(unhex(text(actual["hex"])), 16));
    return compare(expected, locationValue(inside));
  }
  for (const [name, value] of Object.entries(expected)) {
    const wrong = compare(value, actual[name]);
    if (wrong !== undefined) return `${name}: ${wrong}`;
  }
  for (const [name, value] of Object.entries(actual)) {
    const isNothing = value === null || (Array.isArray(value) && value.length === 0);
    if (!(name in expected) && !isNothing && !DERIVED.includes(name)) {
      return `${name} is ${JSON.stringify(value)}, not in the vector`;
    }
  }
  return undefined;
}

/** Spellings of the same enumeration value differ in hyphens only; other text must be the same. */
const letters = (value: string): string =>
  value.toLowerCase().startsWith("non") ? value.toLowerCase().replace(/[-_ ]/g, "") : value;

function encoded<T>(value: T, encode: (value: T, out: ByteWriter) => void, version: Version): Json {
  const out = new ByteWriter(version);
  encode(value, out);
  return { hex: hexOf(out.finish()) };
}

const NAMES: readonly (readonly [number, string, (parameters: Parameters, version: Version) => Json | undefined])[] = [
  [0x02, "OBJECT_DELIVERY_TIMEOUT", (p) => integer(p.objectDeliveryTimeout)],
  [0x04, "RENDEZVOUS_TIMEOUT", (p) => integer(p.rendezvousTimeout)],
  [0x06, "SUBGROUP_DELIVERY_TIMEOUT", (p) => integer(p.subgroupDeliveryTimeout)],
  [0x08, "EXPIRES", (p) => integer(p.expires)],
  [
    0x09,
    "LARGEST_OBJECT",
    ({ largestObject: location }, version) =>
      location && (version === 16 ? encoded(location, encodeLocation, version) : locationValue(location)),
  ],
  [0x0a, "FILL_TIMEOUT", (p) => integer(p.fillTimeout)],
  [0x10, "FORWARD", (p) => integer(p.forward === undefined ? undefined : Number(p.forward))],
  [0x20, "SUBSCRIBER_PRIORITY", (p) => integer(p.subscriberPriority)],
  [0x21, "SUBSCRIPTION_FILTER", (p, version) => p.filter && encoded(p.filter, encodeFilter, version)],
  [0x22, "GROUP_ORDER", (p) => p.groupOrder && groupOrderToWire(p.groupOrder)],
  [0x32, "NEW_GROUP_REQUEST", (p) => integer(p.newGroupRequest)],
  [0x34, "TRACK_NAMESPACE_PREFIX", (p) => p.namespacePrefix && namespaceValue(p.namespacePrefix)],
];

const integer = (value: bigint | number | undefined): Json | undefined =>
  value === undefined ? undefined : int(value);

function parametersValue(parameters: Parameters, version: Version): Json {
  const found = NAMES.flatMap(([id, name, read]) => {
    const value = read(parameters, version);
    return value === undefined ? [] : [{ id, name, value }];
  });
  for (const token of parameters.authorizationTokens ?? []) {
    found.push({ id: 0x03, name: "AUTHORIZATION_TOKEN", value: encoded(token, encodeToken, version) });
  }
  for (const { type, value } of parameters.ignored ?? []) {
    const id = Number(type);
    found.push({ id, name: NAMES.find(([known]) => known === id)?.[1] ?? "UNKNOWN", value: pairValue(value) });
  }
  return found.sort((a, b) => a.id - b.id);
}

function optionsValue(options: SetupOptions, version: Version): Json {
  const found: { type: Json; value: Json }[] = [];
  const add = (type: bigint, value: Json | undefined): void => {
    if (value !== undefined) found.push({ type: int(type), value });
  };
  add(1n, options.path && { hex: hexOf(options.path) });
  add(2n, integer(options.maxRequestId));
  add(4n, integer(options.maxAuthTokenCacheSize));
  add(5n, options.authority && { hex: hexOf(options.authority) });
  add(7n, options.implementation === undefined ? undefined : { hex: hexOf(Buffer.from(options.implementation)) });
  for (const token of options.tokens ?? []) add(3n, encoded(token, encodeToken, version));
  for (const { type, value } of options.unknown ?? []) add(type, pairValue(value));
  return found.sort((a, b) => Number(a.type) - Number(b.type));
}

const trackFields = ({ namespace, name }: FullTrackName): Fields => ({
  namespace: namespaceValue(namespace),
  track: bytesValue(name),
});

function rangeFields(range: FetchRange): Fields {
  if (range.kind === "standalone") {
    const { track, start, end } = range;
    return { fetch_type: 1, ...trackFields(track), start: locationValue(start), end: locationValue(end) };
  }
  const start = range.kind === "relative" ? range.groups : range.group;
  const type = range.kind === "relative" ? 2 : 3;
  return { fetch_type: type, joining_request_id: int(range.joining), joining_start: int(start) };
}

/** A decoded message as the value of its vector, which tells how it names what it leaves open. */
export function messageValue(message: Message, version: Version, expected: Json): Fields {
  const value: Fields = { type: message.type };
  if ("requestId" in message && message.requestId !== undefined) value["request_id"] = int(message.requestId);
  if ("track" in message) Object.assign(value, trackFields(message.track));
  if ("trackAlias" in message) value["track_alias"] = int(message.trackAlias);
  if ("parameters" in message) {
    value["params"] = parametersValue(message.parameters, version);
    value["ignored"] = (message.parameters.ignored ?? []).map(({ type }) => int(type));
  }
  if ("properties" in message) value["properties"] = pairsValue((message.properties satisfies Properties).pairs());
  if ("prefix" in message) value["prefix"] = namespaceValue(message.prefix);
  if ("suffix" in message) value["suffix"] = namespaceValue(message.suffix);
  if ("reason" in message) value["reason"] = message.reason;
  if ("maxRequestId" in message) value["max_request_id"] = int(message.maxRequestId);
  return { ...value, ...ownFields(message, version, expected) };
}

/** The fields that only this type of message has. */
function ownFields(message: Message, version: Version, expected: Json): Fields {
  switch (message.type) {
    case "SETUP":
      return {
        type: message.sender ? `${message.sender.toUpperCase()}_SETUP` : "SETUP",
        options: optionsValue(message.options, version),
      };
    case "REQUEST_OK":
      return { as: field(expected, "as") ?? null };
    case "REQUEST_UPDATE":
      return { existing_request_id: integer(message.existingRequestId) ?? null };
    case "FETCH":
      return rangeFields(message.range);
    case "FETCH_OK":
      return { end_of_track: Number(message.endOfTrack), end: locationValue(message.end) };
    case "PUBLISH_NAMESPACE":
      return { namespace: namespaceValue(message.namespace) };
    case "SUBSCRIBE_NAMESPACE":
      return version === 16 ? { options: ["tracks", "namespaces", "both"].indexOf(message.options) } : {};
    case "PUBLISH_BLOCKED":
      return { track: bytesValue(message.name) };
    case "PUBLISH_NAMESPACE_CANCEL":
    case "REQUEST_ERROR": {
      const { code } = message;
      const fields = {
        code: int(codeToWire(REQUEST_CODES, code, version)),
        code_name: codeName(RequestErrorCode, code),
      };
      if (message.type !== "REQUEST_ERROR") return fields;
      const retry = message.retry === undefined ? 0n : message.retry + 1n;
      const { redirect } = message;
      const place = redirect ? { redirect: { uri: redirect.uri, ...trackFields(redirect.track) } } : {};
      return { ...fields, retry_interval: int(retry), ...place };
    }
    case "PUBLISH_DONE": {
      const { status, streamCount } = message;
      const count = int(streamCount ?? 2n ** 62n - 1n);
      const name = codeName(PublishDoneCode, status);
      return { status: int(codeToWire(PUBLISH_DONE_CODES, status, version)), status_name: name, stream_count: count };
    }
    case "GOAWAY": {
      // The vectors may or may not put the unit in the name.
      const name = isFields(expected) && "timeout_ms" in expected ? "timeout_ms" : "timeout";
      return { uri: message.uri, ...(version === 18 ? { [name]: int(message.timeout ?? 0n) } : {}) };
    }
    case "BARE_CANCEL":
      return { type: "UNSUBSCRIBE" };
    default:
      return {};
  }
}
