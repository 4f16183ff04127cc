// LOC and `legacy` in the forms their implementations write, NAL unit forms, key frames, and our own packaging.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isAnnexB, isLengthPrefixed, splitAnnexB, toAnnexB, toLengthPrefixed } from "../../src/media/annexb.ts";
import { codecString, familyOf, isKeyFrame, opusHead, readAacConfig } from "../../src/media/codec.ts";
import type { PropertyReader } from "../../src/media/loc.ts";
import { LocPackager, type PropertyPair } from "../../src/media/package.ts";
import { microseconds } from "../../src/media/time.ts";
import { type CatalogTrack, MediaError } from "../../src/media/types.ts";
import { createUnpackager } from "../../src/media/unpack.ts";

const AVCC = Uint8Array.of(1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 2, 0x67, 0x64, 1, 0, 2, 0x68, 0xee);
const OTHER_AVCC = Uint8Array.of(1, 0x42, 0xc0, 0x0b, 0xff, 0xe1, 0, 2, 0x67, 0x42, 1, 0, 2, 0x68, 0xee);
const IDR = Uint8Array.of(0, 0, 0, 3, 0x65, 0x88, 0x84);
const DELTA = Uint8Array.of(0, 0, 0, 2, 0x41, 0x9a);
const START_CODES = Uint8Array.of(0, 0, 0, 1, 0x67, 0x64, 0, 0, 1, 0x68, 0xee, 0, 0, 0, 1, 0x65, 0x88, 0x84);

const VIDEO: CatalogTrack = { name: "v", packaging: "loc", kind: "video", codec: "avc1.64001f", timescale: 90_000 };
const AUDIO: CatalogTrack = { name: "a", packaging: "loc", kind: "audio", codec: "opus" };

function properties(...pairs: PropertyPair[]): PropertyReader {
  const value = (id: bigint) => pairs.find((pair) => pair.type === id)?.value;
  return {
    getInt: (id) => (typeof value(id) === "bigint" ? (value(id) as bigint) : undefined),
    getBytes: (id) => (value(id) instanceof Uint8Array ? (value(id) as Uint8Array) : undefined),
  };
}
const at = (timestamp: bigint, type = 0x10n) => ({ type, value: timestamp });
const none = properties();

test("timestamps under every id, in the timescale of object, track or catalog", () => {
  const time = (track: CatalogTrack, object: PropertyReader, ofTrack?: PropertyReader) =>
    createUnpackager(track, ofTrack).unpack(IDR, object, true)[0]?.timestamp;
  for (const id of [0x10n, 0x06n, 0x0an]) assert.equal(time(VIDEO, properties(at(90_000n, id))), 1_000_000);
  assert.equal(time(VIDEO, properties(at(500n), at(1000n, 0x08n))), 500_000);
  assert.equal(time(VIDEO, properties(at(500n)), properties(at(1000n, 0x08n))), 500_000);
  assert.equal(time(AUDIO, properties(at(1_790_000_000_000_000n, 0x02n))), 1_790_000_000_000_000);
  assert.throws(() => time(VIDEO, properties(at(1n), at(0n, 0x08n))), /timescale of 0/);
  const unpackager = createUnpackager({ ...VIDEO, timescale: 1 });
  unpackager.unpack(IDR, properties(at(0n), at(1000n, 0x08n)), true);
  assert.equal(unpackager.unpack(DELTA, properties(at(7n)), false)[0]?.timestamp, 7000, "the first of a group says it for all");
});

test("what stands in front of the bitstream", () => {
  // hang: seven bytes of properties: 0x09 of two bytes, then 0x10 = 1000; QUIC varints.
  const hang = Uint8Array.of(7, 0x09, 2, 0xaa, 0xbb, 0x07, 0x43, 0xe8, 0xfc, 0xff);
  const [frame] = createUnpackager(AUDIO).unpack(hang, none, true);
  assert.deepEqual([frame?.timestamp, [...(frame?.data ?? [])]], [1000, [0xfc, 0xff]]);
  // aiomoqt.
  const marked = Uint8Array.of(0x0a, 0, ...IDR);
  const unpackager = createUnpackager({ ...VIDEO, description: AVCC });
  assert.deepEqual(unpackager.unpack(marked, properties(at(1n)), true)[0]?.data, IDR);
  assert.deepEqual(unpackager.unpack(IDR, properties(at(1n)), true)[0]?.data, IDR);
  for (const bad of [[], [0, 1, 2], [9, 0x10], [2, 0x09, 9, 1], [0xc0, 1]]) {
    assert.throws(() => createUnpackager(AUDIO).unpack(Uint8Array.from(bad), none, true), MediaError);
  }
});

test("legacy at every length of its timestamp", () => {
  const unpackager = createUnpackager({ ...AUDIO, packaging: "legacy" });
  const read = (...object: number[]) => unpackager.unpack(Uint8Array.from(object), none, true)[0];
  assert.equal(read(0x3f, 9)?.timestamp, 63);
  assert.equal(read(0x40, 0x40, 9)?.timestamp, 64);
  assert.equal(read(0x80, 1, 0, 0, 9)?.timestamp, 65_536);
  assert.equal(read(0xc0, 0, 0, 1, 0, 0, 0, 0, 9)?.timestamp, 2 ** 32);
  assert.deepEqual([...(read(0x00, 1, 2)?.data ?? [])], [1, 2]);
  assert.throws(() => read(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), /beyond any clock/);
});

test("a configuration in an object becomes the decoder's", () => {
  const unpackager = createUnpackager(VIDEO);
  assert.equal(unpackager.config.description, undefined);
  const withConfig = (config: Uint8Array) => properties({ type: 0x0dn, value: config }, at(0n));
  unpackager.unpack(IDR, withConfig(AVCC), true);
  assert.deepEqual([unpackager.configVersion, unpackager.config.codec], [1, "avc1.64001f"]);
  assert.deepEqual(unpackager.config.description, AVCC);
  unpackager.unpack(IDR, withConfig(AVCC.slice()), true);
  assert.equal(unpackager.configVersion, 1, "repeated, not changed");
  unpackager.unpack(IDR, withConfig(OTHER_AVCC), true);
  assert.deepEqual([unpackager.configVersion, unpackager.config.codec], [2, "avc1.42c00b"]);
  const aac = createUnpackager({ ...AUDIO, codec: "mp4a.40.2", sampleRate: 48_000, channels: 2 });
  aac.unpack(IDR, properties({ type: 0x0fn, value: Uint8Array.of(0x12, 0x08) }, at(0n)), true);
  assert.deepEqual("sampleRate" in aac.config && [aac.config.sampleRate, aac.config.numberOfChannels], [44_100, 1]);
});

test("frames take the form that belongs to the configuration", () => {
  const lengths = createUnpackager({ ...VIDEO, description: AVCC });
  const expected = Uint8Array.of(0, 0, 0, 2, 0x67, 0x64, 0, 0, 0, 2, 0x68, 0xee, ...IDR);
  const [converted] = lengths.unpack(START_CODES, properties(at(0n)), false);
  assert.deepEqual([converted?.key, converted?.data], [true, expected]);
  const codes = createUnpackager(VIDEO);
  assert.deepEqual(codes.unpack(START_CODES, properties(at(0n)), true)[0]?.data, START_CODES);
  assert.deepEqual(codes.unpack(IDR, properties(at(0n)), true)[0]?.data, Uint8Array.of(0, 0, 0, 1, 0x65, 0x88, 0x84));
  // A unit of 256 to 511 bytes has a length that looks like a start code.
  const tricky = Uint8Array.of(0, 0, 1, 4, 0x41, ...new Uint8Array(259).fill(7));
  assert(isAnnexB(tricky) && isLengthPrefixed(tricky, 4));
  const [frame] = lengths.unpack(tricky, properties(at(0n)), false);
  assert.deepEqual([frame?.key, frame?.data], [false, tricky]);
});

test("start codes there and back", () => {
  assert.deepEqual(splitAnnexB(START_CODES).map((unit) => unit[0]), [0x67, 0x68, 0x65]);
  for (const length of [1, 2, 4]) assert(isLengthPrefixed(toLengthPrefixed(START_CODES, length), length));
  const lengths = toLengthPrefixed(START_CODES, 4);
  assert.deepEqual(toLengthPrefixed(toAnnexB(lengths), 4), lengths);
  assert.deepEqual(splitAnnexB(Uint8Array.of(0, 0, 1, 0, 0, 1, 5, 0, 0)), [Uint8Array.of(5)]);
  assert.throws(() => toLengthPrefixed(Uint8Array.of(0, 0, 1, ...new Uint8Array(300).fill(1)), 1), /does not fit/);
});

test("key frames from their bits", () => {
  assert.equal(isKeyFrame("h264", Uint8Array.of(0, 0, 0, 1, 9, 0, 0, 0, 2, 0x65, 0x88), 4), true);
  assert.equal(isKeyFrame("h264", Uint8Array.of(0, 0, 0, 9, 6, 0x9a), 4), undefined);
  for (const [type, key] of [[19, true], [21, true], [1, false], [32, undefined]] as const) {
    assert.equal(isKeyFrame("h265", Uint8Array.of(0, 0, 0, 2, type << 1, 1), 4), key);
  }
  assert.deepEqual([0x82, 0x86, 0x88, 0].map((byte) => isKeyFrame("vp9", Uint8Array.of(byte), 0)), [true, false, false, undefined]);
  const av1 = (...bytes: number[]) => isKeyFrame("av1", Uint8Array.from(bytes), 0);
  assert.deepEqual([av1(0x0a, 1, 0, 0x32, 1, 0x10), av1(0x0a, 1, 0, 0x32, 1, 0), av1(0x32, 1, 0x10)], [true, false, false]);
  assert.deepEqual([av1(0x0a, 0x85), av1()], [undefined, undefined]);
});

test("codec strings and configurations", () => {
  const hvcc = Uint8Array.from({ length: 23, 0: 1, 1: 1, 2: 0x60, 6: 0x90, 12: 93 }, (value?: number) => value ?? 0);
  assert.equal(codecString("hvc1", hvcc), "hvc1.1.6.L93.90");
  assert.equal(codecString("av01", Uint8Array.of(0x81, 4, 0x0c, 0)), "av01.0.04M.08");
  assert.equal(codecString("vp09", Uint8Array.of(1, 0, 0, 0, 0, 10, 0x82, 2, 2, 2, 0, 0)), "vp09.00.10.08");
  assert.equal(codecString("avc1", Uint8Array.of(1, 2)), undefined);
  assert.deepEqual(readAacConfig(Uint8Array.of(0x12, 0x10)), { objectType: 2, sampleRate: 44_100, channels: 2 });
  const head = opusHead(Uint8Array.of(0, 2, 1, 56, 0, 0, 0xbb, 0x80, 0, 0, 0));
  assert.deepEqual([...head.subarray(8)], [1, 2, 56, 1, 0x80, 0xbb, 0, 0, 0, 0, 0]);
  assert.deepEqual(["Opus", "constructor", "avc3.1", ""].map(familyOf), ["opus", "other", "h264", "other"]);
});

test("ticks are rounded down, also those of long ago", () => {
  assert.equal(microseconds(1n, 3), 333_333);
  assert.equal(microseconds(-1n, 3), -333_334);
  assert.equal(microseconds(1_790_000_000n * 90_000n + 1n, 90_000), 1_790_000_000_000_011);
  assert.throws(() => microseconds(2n ** 64n - 1n, 1), /beyond any clock/);
});

test("what the publisher packages, the player unpacks", () => {
  const chunk = (type: "key" | "delta", timestamp: number, data: Uint8Array) => ({
    type,
    timestamp,
    byteLength: data.length,
    copyTo: (out: Uint8Array) => out.set(data),
  });
  const packager = new LocPackager("video", { name: "camera", bitrate: 1e6, framerate: 30 });
  assert.throws(() => packager.catalogTrack(), /has not begun/);
  const config = { codec: "avc1.64001f", codedWidth: 640, codedHeight: 360, description: AVCC.buffer };
  assert.deepEqual([packager.setConfig(config), packager.setConfig(config)], [true, false]);
  const track = packager.catalogTrack();
  assert.deepEqual([track.name, track.packaging, track.width, track.bitrate, track.framerate], ["camera", "loc", 640, 1e6, 30]);
  const unpackager = createUnpackager(track);
  const first = packager.package(chunk("key", 40_000, IDR), true);
  assert.deepEqual(first.properties.map((pair) => pair.type), [0x08n, 0x0dn, 0x10n]);
  const frames = unpackager.unpack(first.payload, properties(...first.properties), true);
  assert.deepEqual(frames, [{ timestamp: 40_000, duration: 0, key: true, data: IDR }]);
  const second = packager.package(chunk("delta", 73_333, DELTA), false);
  assert.deepEqual(second.properties, [{ type: 0x10n, value: 73_333n }]);
  assert.equal(unpackager.unpack(second.payload, properties(...second.properties), false)[0]?.key, false);
  assert.equal(unpackager.configVersion, 0);
  assert(packager.setConfig({ ...config, description: OTHER_AVCC }));
  assert.throws(() => packager.package(chunk("delta", 1, DELTA), true), /begin with a key frame/);
});
