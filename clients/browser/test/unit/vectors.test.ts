// The golden vectors: every one of a spoken draft is decoded, compared field by field and written again, or refused
// with its code.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ByteReader, ByteWriter, Incomplete, readWhole, violation } from "../../src/moqt/codec.ts";
import { decodeMessage, encodeMessage } from "../../src/moqt/control/mod.ts";
import { decodeDatagram, encodeDatagram } from "../../src/moqt/data/datagram.ts";
import { type EndOfRange, FetchDecoder, FetchEncoder, type FetchItem } from "../../src/moqt/data/fetch.ts";
import { decodeStreamHeader, encodeFetchHeader } from "../../src/moqt/data/mod.ts";
import { encodeObjectHeader, objectStatusToWire } from "../../src/moqt/data/object.ts";
import {
  type DecodedObject,
  SubgroupDecoder,
  type SubgroupHeader,
  encodeSubgroupHeader,
  subgroupType,
} from "../../src/moqt/data/subgroup.ts";
import { HopDelay, TrackMark } from "../../src/moqt/hop_delay.ts";
import { type Filter, decodeFilter, decodeLocation, encodeFilter, encodeLocation } from "../../src/moqt/location.ts";
import { NameError, decodeNamespace, encodeNamespace, formatName, parseName } from "../../src/moqt/name.ts";
import { Properties, checkObject, propertiesTo } from "../../src/moqt/property.ts";
import { type Token, decodeToken, encodeToken, tokenCacheCost } from "../../src/moqt/token.ts";
import type { Version } from "../../src/moqt/version.ts";
import { type Vector, checkSituation, expectedOf, isBad, isWanted } from "./moqt-situation.ts";
import {
  type Fields,
  type Json,
  bytesValue,
  compare,
  field,
  hexOf,
  int,
  isFields,
  locationValue,
  messageValue,
  namespaceValue,
  pairsValue,
  text,
  unhex,
} from "./moqt-values.ts";

/** Vectors whose bytes are legal but not the shortest. */
const NOT_CANONICAL = [
  "message-type-nonminimal",
  "non-minimal-5-in-5B",
  "non-minimal-5-in-7B",
  "non-minimal-5-in-8B",
  "rfc9000-37-2B",
  "spec-example-37-2B",
  "subscribe-nonminimal-ints",
];

/** What a vector decoded to, and what that encodes to. */
interface Outcome {
  value: Json;
  wire: Uint8Array;
}

const written = (version: Version, write: (out: ByteWriter) => void): Uint8Array => {
  const out = new ByteWriter(version);
  write(out);
  return out.finish();
};

const typeOf = ({ bytes, version }: Vector): bigint => new ByteReader(bytes, version).varint();

function structure<T>(
  { bytes, version }: Vector,
  decode: (reader: ByteReader) => T,
  encode: (value: T, out: ByteWriter) => void,
  show: (value: T) => Json,
): Outcome {
  const value = readWhole(bytes, version, decode, violation("not a whole structure"));
  return { value: show(value), wire: written(version, (out) => encode(value, out)) };
}

function varint({ bytes, version }: Vector): Outcome {
  const reader = new ByteReader(bytes, version);
  const value = reader.varint();
  assert.equal(reader.remaining, 0, "bytes after the integer");
  const wire = written(version, (out) => out.varint(value));
  return { value: { value: int(value), bytes: bytes.length, minimal: hexOf(wire) === hexOf(bytes) }, wire };
}

function filterValue(filter: Filter, version: Version): Json {
  const kinds = ["next-group", "largest-object", "absolute-start", "absolute-range"];
  const at = kinds.indexOf(filter.kind);
  const value: Fields = { type: at + 1 };
  value["name"] = ["NextGroupStart", "LargestObject", "AbsoluteStart", "AbsoluteRange"][at] ?? null;
  if ("start" in filter) value["start"] = locationValue(filter.start);
  if ("endGroup" in filter) {
    value["end_group"] = int(filter.endGroup);
    if (version === 18) value["end_group_delta"] = int(filter.endGroup - filter.start.group);
  }
  return value;
}

function tokenValue(token: Token): Json {
  const value: Fields = { alias_type: ["delete", "register", "use-alias", "use-value"].indexOf(token.kind) };
  if ("alias" in token) value["alias"] = int(token.alias);
  if ("value" in token)
    Object.assign(value, { token_type: int(token.tokenType), token_value: { hex: hexOf(token.value) } });
  if (token.kind === "register") value["cache_cost"] = tokenCacheCost(token);
  return value;
}

function token({ bytes, version }: Vector): Outcome {
  const decoded = decodeToken(bytes, version);
  return { value: tokenValue(decoded), wire: written(version, (out) => encodeToken(decoded, out)) };
}

function keyValues({ bytes, version }: Vector): Outcome {
  const pairs = new Properties(bytes, version).pairs();
  return { value: { pairs: pairsValue(pairs) }, wire: propertiesTo(Properties.fromPairs(pairs), version) };
}

function message(vector: Vector): Outcome {
  const reader = new ByteReader(vector.bytes, vector.version);
  const decoded = decodeMessage(reader);
  if (reader.remaining > 0) {
    decodeMessage(reader);
    assert.fail("two messages in one vector");
  }
  checkSituation(vector, decoded);
  const value = messageValue(decoded, vector.version, expectedOf(vector));
  return { value, wire: encodeMessage(decoded, vector.version) };
}

const subgroupValue = ({ subgroup }: SubgroupHeader, first: bigint | undefined): Json =>
  typeof subgroup === "bigint" ? int(subgroup) : subgroup === "zero" ? 0 : first === undefined ? null : int(first);

function subgroupOf({ bytes, version }: Vector): { header: SubgroupHeader; body: Uint8Array } {
  const reader = new ByteReader(bytes, version);
  const header = decodeStreamHeader(reader);
  assert.equal(header.kind, "subgroup");
  return { header, body: reader.rest() };
}

function subgroupHeader(vector: Vector): Outcome {
  const { version } = vector;
  const { header, body } = subgroupOf(vector);
  assert.equal(body.length, 0, "bytes after the header");
  const kind = subgroupType(header, version);
  const value: Fields = {
    stream_type: kind,
    track_alias: int(header.trackAlias),
    group: int(header.group),
    subgroup_mode: (kind & 6) >> 1,
    properties: header.hasProperties,
    end_of_group: header.endOfGroup,
    default_priority: header.priority === undefined,
    subgroup: subgroupValue(header, undefined),
    priority: header.priority ?? null,
  };
  if (version === 18) value["first_object"] = header.firstObject;
  return { value, wire: written(version, (out) => encodeSubgroupHeader(header, out)) };
}

/** Decodes in pieces of `step` bytes, piece `n` at time `n`. */
function objectsOf(header: SubgroupHeader, body: Uint8Array, version: Version, step: number): DecodedObject[] {
  const decoder = new SubgroupDecoder(version, header.hasProperties);
  const objects: DecodedObject[] = [];
  for (let at = 0; at < body.length; at += step) {
    decoder.push(body.subarray(at, at + step), at);
    for (let object = decoder.next(); object; object = decoder.next()) objects.push(object);
  }
  decoder.finish();
  return objects;
}

const withoutTimes = <T extends object>(item: T): T => ({ ...item, firstByteAt: 0, receivedAt: 0 });

function subgroupStream(vector: Vector): Outcome {
  const { version } = vector;
  const { header, body } = subgroupOf(vector);
  const objects = objectsOf(header, body, version, body.length + 1);
  const slowly = objectsOf(header, body, version, 1);
  assert.deepEqual(slowly.map(withoutTimes), objects.map(withoutTimes), "byte by byte is different");
  let begins = 0;
  for (const { firstByteAt, receivedAt } of slowly) {
    assert.equal(firstByteAt, begins, "the first byte of an object follows the last of the one before");
    begins = receivedAt + 1;
  }
  const out = new ByteWriter(version);
  encodeSubgroupHeader(header, out);
  let previous: bigint | undefined;
  const values = objects.map(({ objectId, properties, status, payload }) => {
    checkObject(properties, { group: header.group, object: objectId });
    const full = { objectId, properties, status, payloadLen: BigInt(payload.length) };
    encodeObjectHeader(previous, full, header.hasProperties, out);
    out.bytes(payload);
    previous = objectId;
    const value: Fields = { object: int(objectId), status: objectStatusToWire(status), payload: bytesValue(payload) };
    if (header.hasProperties) value["properties"] = pairsValue(properties.pairs());
    return value;
  });
  const head: Fields = {
    stream_type: subgroupType(header, version),
    track_alias: int(header.trackAlias),
    group: int(header.group),
    subgroup: subgroupValue(header, objects[0]?.objectId),
    priority: header.priority ?? null,
  };
  return { value: { header: head, objects: values }, wire: out.finish() };
}

function datagram(vector: Vector): Outcome {
  const decoded = decodeDatagram(vector.bytes, vector.version);
  assert.ok(decoded, "not padding");
  const kind = Number(typeOf(vector));
  const { group, objectId, properties, payload } = decoded;
  checkObject(properties, { group, object: objectId });
  const value: Fields = {
    datagram_type: kind,
    track_alias: int(decoded.trackAlias),
    group: int(group),
    object: int(objectId),
    end_of_group: decoded.endOfGroup,
    priority: decoded.priority ?? null,
    status: objectStatusToWire(decoded.status),
  };
  if (!properties.isEmpty) value["properties"] = pairsValue(properties.pairs());
  if (payload) value["payload"] = bytesValue(payload);
  return { value, wire: encodeDatagram(decoded, vector.version, kind) };
}

/** The items of a FETCH stream and the flags each begins with, found by reading byte by byte. */
function recordsOf(body: Uint8Array, version: Version, order: "ascending" | "descending"): [FetchItem, number][] {
  const whole = new FetchDecoder(version, order);
  const slow = new FetchDecoder(version, order);
  const records: [FetchItem, number][] = [];
  let begin = 0;
  for (let at = 0; at < body.length; at++) {
    slow.push(body.subarray(at, at + 1), at);
    for (let item = slow.next(); item; item = slow.next()) {
      records.push([item, Number(new ByteReader(body.subarray(begin), version).varint())]);
      begin = at + 1;
    }
  }
  whole.push(body, 0);
  for (const [item] of records) {
    const other = whole.next();
    assert.ok(other);
    assert.deepEqual(withoutTimes(other), withoutTimes(item), "byte by byte is different");
  }
  assert.equal(whole.next(), undefined);
  whole.finish();
  slow.finish();
  return records;
}

const rangeValue = ({ location, known }: EndOfRange): Fields => ({
  end_of_range: known ? "non_existent" : "unknown",
  group: int(location.group),
  object: int(location.object),
});

function fetchStream(vector: Vector): Outcome {
  const { version } = vector;
  const reader = new ByteReader(vector.bytes, version);
  const header = decodeStreamHeader(reader);
  assert.equal(header.kind, "fetch");
  const isDescending = [vector.all["order"], field(expectedOf(vector), "order")].includes("descending");
  const order = isDescending ? "descending" : "ascending";
  const encoder = new FetchEncoder(version, order);
  const out = new ByteWriter(version);
  encodeFetchHeader(header.requestId, out);
  const objects = recordsOf(reader.rest(), version, order).map(([item, flags]) => {
    if (item.kind === "end-of-range") {
      encoder.endOfRange(item.location, item.known, out);
      return rangeValue(item);
    }
    const { location, subgroup, priority, properties, payload } = item;
    checkObject(properties, location);
    encoder.objectAs(flags, { location, subgroup, priority, properties, payloadLen: BigInt(payload.length) }, out);
    out.bytes(payload);
    const value: Fields = {
      group: int(location.group),
      object: int(location.object),
      subgroup: subgroup === undefined ? null : int(subgroup),
      priority,
      payload: bytesValue(payload),
    };
    if ((flags & 0x20) !== 0) value["properties"] = pairsValue(properties.pairs());
    return value;
  });
  return { value: { request_id: int(header.requestId), order, objects }, wire: out.finish() };
}

function nameText({ bytes }: Vector): Outcome {
  const said = bytesValue(bytes);
  if (typeof said !== "string") throw new NameError("not text");
  const name = parseName(said);
  const again = formatName(name);
  const value = { text: again, namespace: namespaceValue(name.namespace), name: bytesValue(name.name) };
  return { value, wire: new TextEncoder().encode(again) };
}

/** Bytes outside the draft that some peers write: they must be taken as what they mean. */
function quirk(vector: Vector): Outcome {
  const expected = expectedOf(vector);
  if (field(expected, "type") === undefined) return { ...fetchStream(vector), value: expected };
  const reader = new ByteReader(vector.bytes, vector.version);
  const decoded = decodeMessage(reader);
  assert.equal(reader.remaining, 0, "bytes after the message");
  let value = messageValue(decoded, vector.version, expected);
  if (decoded.type === "REQUEST_UPDATE") {
    const prefix = namespaceValue(decoded.parameters.namespacePrefix ?? []);
    value = { type: "REQUEST_UPDATE", request_id: int(decoded.requestId), prefix };
  }
  for (const said of ["peer", "meaning", "note"]) value[said] = field(expected, said) ?? null;
  return { value, wire: new Uint8Array() };
}

function run(vector: Vector): Outcome {
  const { version } = vector;
  switch (text(vector.all["kind"])) {
    case "varint":
      return varint(vector);
    case "location":
      return structure(vector, decodeLocation, encodeLocation, locationValue);
    case "namespace":
      return structure(vector, decodeNamespace, encodeNamespace, (namespace) => ({
        fields: namespaceValue(namespace),
      }));
    case "filter":
      return structure(vector, decodeFilter, encodeFilter, (filter) => filterValue(filter, version));
    case "kvp":
      return keyValues(vector);
    case "token":
      return token(vector);
    case "setup":
    case "control":
      return message(vector);
    case "subgroup_header":
      return subgroupHeader(vector);
    case "object":
      return subgroupStream(vector);
    case "datagram":
      return datagram(vector);
    case "fetch":
      return fetchStream(vector);
    case "name_text":
      return nameText(vector);
    case "quirk":
      return quirk(vector);
    default:
      assert.fail(`a vector of unknown kind ${text(vector.all["kind"])}`);
  }
}

/** Runs the vector; false when its bytes were not the shortest. */
function check(vector: Vector): boolean {
  let outcome: Outcome;
  try {
    outcome = run(vector);
  } catch (error) {
    if (isBad(vector) && isWanted(error, vector)) return true;
    throw error;
  }
  assert.ok(!isBad(vector), `accepted as ${JSON.stringify(outcome.value)}`);
  assert.equal(compare(expectedOf(vector), outcome.value), undefined);
  if (vector.all["expect"] === "tolerate") return true;
  assert.equal(vector.all["expect"], "ok");
  if (hexOf(outcome.wire) === hexOf(vector.bytes)) return true;
  const again = run({ ...vector, bytes: outcome.wire }).value;
  if (vector.all["kind"] === "varint") assert.equal(field(again, "value"), field(outcome.value, "value"));
  else assert.deepEqual(again, outcome.value, `encodes to ${hexOf(outcome.wire)}`);
  assert.ok(outcome.wire.length < vector.bytes.length, `encodes to ${hexOf(outcome.wire)}`);
  return false;
}

function vectorsOf(file: string): Fields[] {
  const path = `${process.cwd()}/../../moqt/vectors/${file}`;
  const parsed: Json = JSON.parse(readFileSync(path, "utf8"));
  assert.ok(Array.isArray(parsed));
  return parsed.filter(isFields);
}

test("every vector of a spoken draft holds", () => {
  const counts = new Map<string, number>();
  const notCanonical: string[] = [];
  const failures: string[] = [];
  let checked = 0;
  for (const all of vectorsOf("moqt.json")) {
    const { draft } = all;
    const version = draft === 16 || draft === 18 ? draft : undefined;
    const label = version ? `draft-${version} ${text(all["kind"])}` : "of drafts not spoken";
    counts.set(label, (counts.get(label) ?? 0) + 1);
    if (!version) continue;
    checked++;
    try {
      if (!check({ all, version, bytes: unhex(text(all["hex"])) })) notCanonical.push(text(all["name"]));
    } catch (error) {
      const words = error instanceof Error ? `${error.name} ${error.message}` : String(error);
      failures.push(`${label} ${text(all["name"])}: ${words}`);
    }
  }
  console.log(`${checked} vectors checked:`, Object.fromEntries(counts));
  assert.deepEqual(failures, []);
  assert.deepEqual(notCanonical.sort(), NOT_CANONICAL);
  assert.ok(checked >= 201, `only ${checked} vectors`);
});

test("every vector of delay stamps holds", () => {
  let checked = 0;
  for (const { kind, name, hex, value, expect } of vectorsOf("hop_delay.json")) {
    checked++;
    const bytes = unhex(text(hex));
    if (kind === "hop_delay_mark") {
      assert.equal(TrackMark.fromBytes(bytes)?.captureKnown, field(value, "capture_known"), text(name));
      continue;
    }
    const stamp = HopDelay.fromBytes(bytes);
    if (expect === "malformed") {
      assert.equal(stamp, undefined, text(name));
      continue;
    }
    assert.ok(stamp, text(name));
    const relays = stamp.relays.map((hop) =>
      Object.fromEntries(Object.entries(hop).map(([key, of]) => [key, signed(of)])),
    );
    const { captured, origin } = stamp;
    const found = { captured: int(captured), origin: int(origin), relays, departure: int(stamp.departure()) };
    assert.deepEqual(found, value, text(name));
    assert.equal(hexOf(stamp.toBytes()), hex, text(name));
  }
  console.log(`${checked} vectors of delay stamps checked`);
  assert.ok(checked > 15);
});

const signed = (value: bigint): Json => (value < 0n && value <= -(2n ** 53n) ? value.toString() : int(value));

test("incomplete bytes are told from wrong ones", () => {
  assert.throws(() => decodeMessage(new ByteReader(Uint8Array.of(0x03, 0, 9, 1), 18)), Incomplete);
});
