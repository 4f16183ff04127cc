// What is written reads back the same; what is cut or broken is refused, and nothing else happens.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, ByteWriter, EncodeError, Incomplete, ProtocolError } from "../../src/moqt/codec.ts";
import { type Message, decodeMessage, encodeMessage } from "../../src/moqt/control/mod.ts";
import { validateSetup } from "../../src/moqt/control/setup.ts";
import { type Datagram, decodeDatagram, encodeDatagram } from "../../src/moqt/data/datagram.ts";
import { FetchDecoder, FetchEncoder, type FetchItem, type FetchObjectHeader } from "../../src/moqt/data/fetch.ts";
import { decodeStreamHeader } from "../../src/moqt/data/mod.ts";
import { encodeObjectHeader } from "../../src/moqt/data/object.ts";
import {
  SubgroupDecoder,
  type SubgroupHeader,
  type SubgroupId,
  encodeSubgroupHeader,
} from "../../src/moqt/data/subgroup.ts";
import {
  PUBLISH_DONE_CODES,
  PublishDoneCode,
  REQUEST_CODES,
  RequestErrorCode,
  SESSION_CODES,
  STREAM_CODES,
  SessionErrorCode,
  StreamErrorCode,
  codeFromWire,
  codeToWire,
} from "../../src/moqt/error_code.ts";
import { HopDelay } from "../../src/moqt/hop_delay.ts";
import { OBJECT_BYTES, OBJECT_HEADER_BYTES } from "../../src/moqt/limit.ts";
import {
  NameError,
  decodeNamespace,
  formatName,
  fullTrackName,
  isPrefixOf,
  namespaceFromText,
  parseName,
} from "../../src/moqt/name.ts";
import { Properties } from "../../src/moqt/property.ts";
import type { Side } from "../../src/moqt/request.ts";
import { maxVarint, varintSize } from "../../src/moqt/varint.ts";
import { VERSIONS, type Version, alpn, versionFromAlpn } from "../../src/moqt/version.ts";
import { Random } from "./moqt-random.ts";

const ROUNDS = 60;

/** Runs what may only be refused in the two ways that bytes may be. */
function refusalOf(run: () => void): Incomplete | ProtocolError | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof Incomplete || error instanceof ProtocolError) return error;
    throw error;
  }
}

const decoded = (bytes: Uint8Array, version: Version): Message => decodeMessage(new ByteReader(bytes, version));

function eachMessage(check: (message: Message, bytes: Uint8Array, random: Random) => void): void {
  for (const version of VERSIONS) {
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const random = new Random(seed, version);
      for (const message of random.messages()) check(message, encodeMessage(message, version), random);
    }
  }
}

test("integers of every length keep their value and their size", () => {
  for (const version of VERSIONS) {
    for (let bit = 0n; bit <= 64n; bit++) {
      for (const value of [1n << bit, (1n << bit) - 1n].filter((value) => value <= maxVarint(version))) {
        const out = new ByteWriter(version);
        out.varint(value);
        const bytes = out.finish();
        assert.equal(bytes.length, varintSize(value, version));
        assert.equal(new ByteReader(bytes, version).varint(), value);
        assert.throws(() => new ByteReader(bytes.subarray(0, -1), version).varint(), Incomplete);
      }
    }
    assert.throws(() => new ByteWriter(version).varint(maxVarint(version) + 1n), EncodeError);
  }
});

test("every message reads back as it was written", () => {
  eachMessage((message, bytes, { version }) => assert.deepEqual(decoded(bytes, version), message));
});

test("a message that is cut anywhere is incomplete, and the reader stays", () => {
  eachMessage((_, bytes, { version }) => {
    for (let length = 0; length < bytes.length; length++) {
      const reader = new ByteReader(bytes.subarray(0, length), version);
      assert.throws(() => decodeMessage(reader), Incomplete);
      assert.equal(reader.offset, 0);
    }
  });
});

test("a message with broken bytes is refused, or means something that reads back the same", () => {
  let refused = 0;
  eachMessage((_, bytes, random) => {
    const { version } = random;
    const broken = bytes.slice();
    for (let flips = 1 + random.below(3); flips > 0; flips--) broken[random.below(broken.length)] = random.below(256);
    const refusal = refusalOf(() => {
      const message = decoded(broken, version);
      if (message.type !== "BARE_CANCEL") assert.deepEqual(decoded(encodeMessage(message, version), version), message);
    });
    if (refusal) refused++;
  });
  assert.ok(refused > 500, `${refused} refused`);
});

test("garbage is refused by everything that reads bytes", () => {
  for (const version of VERSIONS) {
    for (let seed = 1; seed <= 5000; seed++) {
      const random = new Random(seed, version);
      const garbage = random.bytes(80);
      refusalOf(() => decoded(garbage, version));
      refusalOf(() => decodeStreamHeader(new ByteReader(garbage, version)));
      refusalOf(() => decodeDatagram(garbage, version));
      refusalOf(() => new Properties(garbage, version));
      HopDelay.fromBytes(garbage);
      for (const decoder of [new SubgroupDecoder(version, random.flip()), new FetchDecoder(version, "descending")]) {
        refusalOf(() => {
          for (let at = 0; at < garbage.length; at += 7) {
            decoder.push(garbage.subarray(at, at + 7), at);
            while (decoder.next());
          }
          decoder.finish();
        });
      }
    }
  }
});

/** Cuts `bytes` into chunks of random lengths. */
function chunksOf(bytes: Uint8Array, random: Random): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = 1 + random.below(random.pick([3, 40, 400]));
    chunks.push(bytes.subarray(at, at + length));
    at += length;
  }
  return chunks;
}

const subgroupHeaderOf = (random: Random): SubgroupHeader => ({
  kind: "subgroup",
  trackAlias: random.int(),
  group: random.int(),
  subgroup: random.pick<SubgroupId>(["zero", "first-object", random.int()]),
  priority: random.flip() ? random.below(256) : undefined,
  hasProperties: random.flip(),
  endOfGroup: random.flip(),
  firstObject: random.version === 18 && random.flip(),
});

test("objects of a subgroup arrive whole however the stream is cut", () => {
  for (const version of VERSIONS) {
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const random = new Random(seed, version);
      const header = subgroupHeaderOf(random);
      const out = new ByteWriter(version);
      encodeSubgroupHeader(header, out);
      const headerLength = out.length;
      let previous: bigint | undefined;
      const objects = random.times(6, () => {
        const objectId: bigint = previous === undefined ? random.int(1000n) : previous + 1n + random.int(1000n);
        const properties = header.hasProperties ? random.properties() : Properties.EMPTY;
        const payload = random.bytes(600);
        encodeObjectHeader(
          previous,
          { objectId, properties, payloadLen: BigInt(payload.length), status: "normal" },
          header.hasProperties,
          out,
        );
        out.bytes(payload);
        previous = objectId;
        return { objectId, properties, payload, status: "normal" };
      });
      const bytes = out.finish();
      const reader = new ByteReader(bytes, version);
      assert.deepEqual(decodeStreamHeader(reader), header);
      assert.equal(reader.offset, headerLength);
      const decoder = new SubgroupDecoder(version, header.hasProperties);
      const found: object[] = [];
      for (const [at, chunk] of chunksOf(reader.rest(), random).entries()) {
        decoder.push(chunk, at);
        for (let object = decoder.next(); object; object = decoder.next()) {
          const { firstByteAt, receivedAt, ...rest } = object;
          assert.equal(receivedAt, at);
          assert.ok(firstByteAt <= at);
          found.push(rest);
        }
      }
      decoder.finish();
      assert.deepEqual(found, objects);
    }
  }
});

test("records of a FETCH arrive whole however the stream is cut", () => {
  for (const version of VERSIONS) {
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const random = new Random(seed, version);
      const order = random.pick(["ascending", "descending"] as const);
      const encoder = new FetchEncoder(version, order);
      const out = new ByteWriter(version);
      let group = 1000n;
      let object = 0n;
      const items = random.times(8, () => {
        const isNewGroup = random.flip();
        if (isNewGroup) group += (order === "ascending" ? 1n : -1n) * (1n + random.int(3n));
        object = isNewGroup ? random.int(5n) : object + 1n + random.int(2n);
        const location = { group, object };
        if (random.below(5) === 0) {
          encoder.endOfRange(location, random.flip(), out);
          return { kind: "end-of-range", location };
        }
        const payload = random.bytes(300);
        const subgroup = random.pick([undefined, 0n, 1n, 2n, random.int()]);
        const properties = random.optionalProperties();
        const header = { location, subgroup, priority: random.below(3), properties };
        encoder.object({ ...header, payloadLen: BigInt(payload.length) }, out);
        out.bytes(payload);
        return { kind: "object", ...header, payload };
      });
      const decoder = new FetchDecoder(version, order);
      const found: object[] = [];
      for (const [at, chunk] of chunksOf(out.finish(), random).entries()) {
        decoder.push(chunk, at);
        for (let item = decoder.next(); item; item = decoder.next()) found.push(comparable(item));
      }
      decoder.finish();
      assert.deepEqual(found, items);
    }
  }
});

function comparable(item: FetchItem): object {
  if (item.kind === "end-of-range") return { kind: item.kind, location: item.location };
  const { firstByteAt, receivedAt, ...rest } = item;
  assert.ok(firstByteAt <= receivedAt);
  return rest;
}

test("an encoder of a FETCH refuses what runs against its order, and goes on", () => {
  const object = (group: bigint, id: bigint): FetchObjectHeader => ({
    location: { group, object: id },
    subgroup: 0n,
    priority: 1,
    properties: Properties.EMPTY,
    payloadLen: 0n,
  });
  const encoder = new FetchEncoder(18, "ascending");
  const out = new ByteWriter(18);
  encoder.object(object(5n, 3n), out);
  const { length } = out;
  assert.throws(() => encoder.object(object(4n, 0n), out), EncodeError);
  assert.throws(() => encoder.object(object(5n, 2n), out), EncodeError);
  assert.equal(out.length, length);
  const other = new FetchEncoder(18, "ascending");
  const datagram = { ...object(6n, 0n), subgroup: undefined };
  other.object({ ...datagram, location: { group: 5n, object: 0n } }, new ByteWriter(18));
  assert.throws(() => other.objectAs(0x0f, datagram, out), EncodeError, "an explicit subgroup for a datagram");
  assert.equal(out.length, length);
  encoder.object(object(5n, 4n), out);
  const decoder = new FetchDecoder(18, "ascending");
  decoder.push(out.finish(), 0);
  assert.ok(decoder.next());
  const second = decoder.next();
  assert.deepEqual(second?.location, { group: 5n, object: 4n });
});

test("datagrams read back as they were written", () => {
  for (const version of VERSIONS) {
    for (let seed = 1; seed <= 10 * ROUNDS; seed++) {
      const random = new Random(seed, version);
      const isStatus = random.flip();
      const status = isStatus ? random.pick(["normal", "end-of-group", "end-of-track"] as const) : "normal";
      const datagram: Datagram = {
        trackAlias: random.int(),
        group: random.int(),
        objectId: random.flip() ? 0n : random.int(),
        priority: random.flip() ? random.below(256) : undefined,
        properties: status === "normal" ? random.optionalProperties() : Properties.EMPTY,
        endOfGroup: !isStatus && random.flip(),
        payload: isStatus ? undefined : random.bytes(50),
        status,
      };
      const bytes = encodeDatagram(datagram, version);
      assert.deepEqual(decodeDatagram(bytes, version), datagram);
      if (isStatus) assert.throws(() => decodeDatagram(bytes.subarray(0, -1), version), ProtocolError);
    }
  }
});

test("a payload that came in one chunk is not copied", () => {
  const chunk = Uint8Array.of(0, 3, 1, 2, 3);
  const decoder = new SubgroupDecoder(18, false);
  decoder.push(chunk, 7);
  const object = decoder.next();
  assert.equal(object?.payload.buffer, chunk.buffer);
  assert.deepEqual([object?.firstByteAt, object?.receivedAt], [7, 7]);
});

test("what a peer may make a decoder hold is bounded", () => {
  const length = (value: bigint): Uint8Array => {
    const out = new ByteWriter(18);
    out.varint(0);
    out.varint(value);
    return out.finish();
  };
  const large = new SubgroupDecoder(18, false);
  large.push(length(BigInt(OBJECT_BYTES) + 1n), 0);
  assert.throws(() => large.next(), ProtocolError);
  const properties = new SubgroupDecoder(18, true);
  properties.push(length(BigInt(OBJECT_HEADER_BYTES)), 0);
  assert.throws(() => properties.next(), ProtocolError);
});

test("codes have one number in each draft", () => {
  const tables = [
    [SessionErrorCode, SESSION_CODES],
    [RequestErrorCode, REQUEST_CODES],
    [PublishDoneCode, PUBLISH_DONE_CODES],
    [StreamErrorCode, STREAM_CODES],
  ] as const;
  for (const version of VERSIONS) {
    for (const [codes, rules] of tables) {
      const known = Object.values(codes).filter((code) => !rules.lacks[version].includes(code));
      const wire = known.map((code) => codeToWire(rules, code, version));
      assert.equal(new Set(wire).size, known.length);
      assert.deepEqual(
        wire.map((number) => codeFromWire(rules, number, version)),
        known,
      );
      for (const code of rules.lacks[version]) assert.equal(codeToWire(rules, code, version), BigInt(rules.internal));
    }
  }
  assert.equal(codeFromWire(PUBLISH_DONE_CODES, 5n, 16), PublishDoneCode.EXPIRED);
  assert.equal(codeFromWire(STREAM_CODES, 6n, 16), StreamErrorCode.INTERNAL_ERROR, "unknown there, not draft-18's");
  assert.equal(codeFromWire(REQUEST_CODES, 2n ** 63n, 18), RequestErrorCode.INTERNAL_ERROR);
});

test("the parts of a URI are for clients on raw QUIC, and have a syntax", () => {
  const refusal = (part: "path" | "authority", text: string, from: Side, webtransport: boolean): number | undefined => {
    const options = { tokens: [], [part]: new TextEncoder().encode(text) };
    const error = refusalOf(() => validateSetup({ type: "SETUP", sender: undefined, options }, from, webtransport));
    return error instanceof ProtocolError ? error.code : undefined;
  };
  assert.equal(refusal("path", "/moq?x=1/2", "client", false), undefined);
  assert.equal(refusal("path", "/moq", "server", false), SessionErrorCode.INVALID_PATH);
  assert.equal(refusal("path", "/moq", "client", true), SessionErrorCode.INVALID_PATH);
  assert.equal(refusal("authority", "a.example", "server", false), SessionErrorCode.INVALID_AUTHORITY);
  for (const bad of ["no-slash", "/a b", "/%2", "/a#b", "/é"]) {
    assert.equal(refusal("path", bad, "client", false), SessionErrorCode.MALFORMED_PATH, bad);
  }
  for (const good of ["a", "a.example:4443", "[::1]:443", "user@host", "10.0.0.1"]) {
    assert.equal(refusal("authority", good, "client", false), undefined, good);
  }
  for (const bad of ["", ":443", "a b", "[::1", "a:b", "a/b", "a@b@"]) {
    assert.equal(refusal("authority", bad, "client", false), SessionErrorCode.MALFORMED_AUTHORITY, bad);
  }
});

test("names have one text form", () => {
  const name = fullTrackName(["live", "a.b-c"], "vidéo_1");
  assert.equal(formatName(name), "live-a.2eb.2dc--vid.c3.a9o_1");
  assert.deepEqual(parseName(formatName(name)), name);
  for (const bad of ["a--b-c", "a-", "-a--b", "a", "a--.6", "a--.2E", "a--.61", "a b--c", "---", "é--x"]) {
    assert.throws(() => parseName(bad), NameError, bad);
  }
  assert.ok(isPrefixOf(namespaceFromText(["live"]), name.namespace));
  assert.ok(!isPrefixOf(namespaceFromText(["liv"]), name.namespace));
  assert.throws(() => namespaceFromText(["x".repeat(4097)]), NameError);
  assert.throws(() => namespaceFromText([""]), NameError);
});

test("the fields of a namespace are bounded together", () => {
  const read = (second: number): unknown => {
    const out = new ByteWriter(18);
    out.varint(2);
    for (const length of [4000, second]) out.prefixed(new Uint8Array(length));
    return decodeNamespace(new ByteReader(out.finish(), 18));
  };
  assert.ok(read(96));
  assert.throws(() => read(97), ProtocolError);
});

test("versions have one name each", () => {
  for (const version of VERSIONS) assert.equal(versionFromAlpn(alpn(version)), version);
  assert.equal(versionFromAlpn("moqt-99"), undefined);
});
