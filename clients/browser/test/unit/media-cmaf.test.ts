// CMAF as ffmpeg writes it, frame by frame against ffprobe; fragments built by hand; garbage.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import { boxes } from "../../src/media/bmff.ts";
import { FragmentReader, type InitSegment, readInit } from "../../src/media/cmaf.ts";
import { type CatalogTrack, type Frame, MediaError } from "../../src/media/types.ts";
import { createUnpackager } from "../../src/media/unpack.ts";

const SAMPLE = resolve("../../origin/sample/sample.mp4");
const FRAGMENTED = "frag_keyframe+empty_moov+default_base_moof";
const folder = mkdtempSync(join(tmpdir(), "efir-media-"));
after(() => rmSync(folder, { recursive: true }));

const none = { getInt: () => undefined, getBytes: () => undefined };

function ffmpeg(name: string, movflags: string, ...options: string[]): string {
  const file = join(folder, `${name}.mp4`);
  const quiet = ["-hide_banner", "-loglevel", "error", "-nostdin", "-y"];
  execFileSync("ffmpeg", [...quiet, ...options, "-movflags", movflags, file]);
  return file;
}

/** As ffprobe sees it: µs, bytes, key. */
function probe(file: string): { timestamp: number; size: number; key: boolean }[] {
  const show = ["-v", "error", "-show_entries", "packet=pts_time,size,flags", "-of", "json", file];
  const { packets } = JSON.parse(execFileSync("ffprobe", show, { encoding: "utf8", maxBuffer: 1 << 26 }));
  return packets.map((packet: { pts_time: string; size: string; flags: string }) => ({
    timestamp: Math.round(Number(packet.pts_time) * 1e6),
    size: Number(packet.size),
    key: packet.flags.startsWith("K"),
  }));
}

/** Initialization segment and fragments of a file, the latter as objects carry them. */
function split(bytes: Uint8Array): { init: Uint8Array; fragments: Uint8Array[] } {
  const list = boxes(bytes, "the file");
  const moov = list.find((box) => box.type === "moov");
  assert(moov !== undefined);
  const fragments = list.flatMap((box, index) => {
    const next = list[index + 1];
    return box.type === "moof" && next?.type === "mdat" ? [bytes.subarray(box.start, next.end)] : [];
  });
  return { init: bytes.subarray(0, moov.end), fragments };
}

function readFile(file: string): { info: InitSegment; frames: Frame[] } {
  const { init, fragments } = split(readFileSync(file));
  const info = readInit(init);
  const reader = new FragmentReader(info);
  return { info, frames: fragments.flatMap((fragment) => reader.read(fragment)) };
}

/** ffprobe moves all frames of a track with negative composition offsets, so these are compared from the first one on. */
function compare(file: string, fromFirst = false): { info: InitSegment; frames: Frame[] } {
  const { info, frames } = readFile(file);
  const expected = probe(file);
  const shift = fromFirst ? (expected[0]?.timestamp ?? 0) - (frames[0]?.timestamp ?? 0) : 0;
  assert.equal(frames.length, expected.length, "number of frames");
  frames.forEach((frame, index) => {
    const packet = expected[index];
    assert(packet !== undefined);
    assert(Math.abs(frame.timestamp + shift - packet.timestamp) <= 1, `frame ${index}: ${frame.timestamp} ${packet.timestamp}`);
    assert.deepEqual([frame.data.length, frame.key], [packet.size, packet.key], `frame ${index}`);
  });
  return { info, frames };
}

test("the built-in clip", () => {
  const video = compare(ffmpeg("clip-video", FRAGMENTED, "-i", SAMPLE, "-map", "0:v", "-c", "copy"));
  assert.equal(video.frames.length, 240);
  assert.equal(video.frames.filter((frame) => frame.key).length, 8);
  const { kind, codec, width, height, description } = video.info;
  assert.deepEqual([kind, codec, width, height, description?.[0]], ["video", "avc1.64001f", 1280, 720, 1]);
  assert.equal(video.frames[1]?.duration, 33_333);
  const audio = compare(ffmpeg("clip-audio", FRAGMENTED, "-i", SAMPLE, "-map", "0:a", "-c", "copy"));
  assert.equal(audio.frames.length, 375);
  const { codec: aac, sampleRate, channels } = audio.info;
  assert.deepEqual([aac, sampleRate, channels], ["mp4a.40.2", 48_000, 2]);
  assert.deepEqual([...(audio.info.description ?? [])].slice(0, 2), [0x11, 0x90]);
});

const SOURCE = ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=2", "-pix_fmt", "yuv420p"];
const SOUND = ["-f", "lavfi", "-i", "sine=duration=1:sample_rate=48000"];

test("VP9, AV1, H.265 and Opus", () => {
  const vp9 = compare(ffmpeg("vp9", FRAGMENTED, ...SOURCE, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-g", "25"));
  assert.match(vp9.info.codec, /^vp09\.00\.\d\d\.08$/);
  assert.deepEqual([vp9.info.description, vp9.frames.length], [undefined, 50]);
  const av1 = compare(ffmpeg("av1", `${FRAGMENTED}+delay_moov`, ...SOURCE, "-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime"));
  assert.match(av1.info.codec, /^av01\.0\.\d\dM\.08$/);
  assert.equal(av1.info.description, undefined);
  const h265 = ffmpeg("h265", FRAGMENTED, ...SOURCE, "-c:v", "libx265", "-x265-params", "log-level=none", "-tag:v", "hvc1");
  const hevc = readFile(h265);
  assert.match(hevc.info.codec, /^hvc1\.1\.6\.L\d+\./);
  assert.equal(hevc.frames.length, 50);
  const opus = compare(ffmpeg("opus", FRAGMENTED, ...SOUND, "-ac", "2", "-c:a", "libopus"));
  const { codec, sampleRate, channels, description } = opus.info;
  assert.deepEqual([codec, sampleRate, channels, description], ["opus", 48_000, 2, undefined]);
  const surround = readFile(ffmpeg("opus6", FRAGMENTED, ...SOUND, "-ac", "6", "-c:a", "libopus", "-mapping_family", "1"));
  assert.equal(Buffer.from(surround.info.description ?? []).toString("latin1", 0, 8), "OpusHead");
});

test("B pictures, in every way ffmpeg can say it", () => {
  const coded = [...SOURCE, "-c:v", "libx264", "-bf", "2", "-g", "25"];
  const negative = `${FRAGMENTED}+negative_cts_offsets`;
  const edited = "frag_keyframe+default_base_moof+delay_moov";
  for (const flags of [FRAGMENTED, negative, edited, "frag_keyframe+empty_moov", "frag_every_frame+empty_moov"]) {
    const { frames } = compare(ffmpeg("b", flags, ...coded), flags === negative);
    assert(frames.some((frame, index) => frame.timestamp < (frames[index - 1]?.timestamp ?? -Infinity)), flags);
  }
});

/** A box by hand. */
function box(type: string, ...parts: (Uint8Array | number[])[]): Uint8Array {
  const body = Buffer.concat(parts.map((part) => Uint8Array.from(part)));
  const header = Buffer.alloc(8);
  header.writeUInt32BE(8 + body.length);
  header.write(type, 4, "latin1");
  return Buffer.concat([header, body]);
}

const u32 = (...values: number[]): number[] => values.flatMap((value) => [24, 16, 8, 0].map((bits) => (value >>> bits) & 0xff));

const OPUS: InitSegment = {
  kind: "audio",
  codec: "opus",
  timescale: 1000,
  description: undefined,
  width: 0,
  height: 0,
  sampleRate: 48_000,
  channels: 2,
  shift: 0n,
  defaults: { duration: 20, size: 3, flags: 0 },
};

function fragment(tfhd: number[], tfdt: number[] | undefined, ...truns: number[][]): Uint8Array {
  const time = tfdt ? [box("tfdt", tfdt)] : [];
  return box("moof", box("mfhd", u32(0, 1)), box("traf", box("tfhd", tfhd), ...time, ...truns.map((trun) => box("trun", trun))));
}

const times = (frames: Frame[]): number[] => frames.map((frame) => frame.timestamp);

test("runs and their defaults", () => {
  const reader = new FragmentReader(OPUS);
  const data = box("mdat", [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  // 64-bit time, two runs, the first with negative offsets in version 1, the second without a place of its own.
  const tfdt64 = u32(0x01000000, 1, 0);
  const moofOf = (offset: number) =>
    fragment(u32(0x020000, 1), tfdt64, u32(0x01000801, 2, offset, -20, 20), u32(0, 1));
  const chunk = Buffer.concat([moofOf(moofOf(0).length + 8), data]);
  const frames = reader.read(chunk);
  const base = 2 ** 32 * 1000;
  assert.deepEqual(times(frames), [base - 20_000, base + 40_000, base + 40_000]);
  assert.deepEqual(frames.map((frame) => [...frame.data]), [[1, 2, 3], [4, 5, 6], [7, 8, 9]]);
  assert.equal(frames[0]?.data.buffer, chunk.buffer, "a view");
  // No time: it goes on. Defaults of the fragment; no place at all.
  const without = Buffer.concat([fragment(u32(0x020018, 1, 40, 9), undefined, u32(0, 1)), data]);
  assert.deepEqual(times(reader.read(without)), [base + 60_000]);
  assert.deepEqual(times(reader.read(Buffer.concat([without, without]))), [base + 100_000, base + 140_000]);
});

test("base-data-offset counts in the file the fragment was cut from", () => {
  for (const base of [0, 20, 123_456_789]) {
    const moofOf = (offset: number) => fragment(u32(1, 1, 0, base), u32(0, 7), u32(1, 1, offset));
    const chunk = Buffer.concat([moofOf(moofOf(0).length + 8), box("mdat", [1, 2, 3])]);
    const [frame] = new FragmentReader(OPUS).read(chunk);
    assert.deepEqual([frame?.timestamp, [...(frame?.data ?? [])]], [7000, [1, 2, 3]]);
  }
});

test("what a fragment must not say", () => {
  const read = (...parts: Uint8Array[]) => () => new FragmentReader(OPUS).read(Buffer.concat(parts));
  const moof = fragment(u32(0x020000, 1), u32(0, 0), u32(0, 1));
  assert.throws(read(moof), /without the `mdat`/);
  assert.throws(read(moof, moof), /before the data of the fragment before/);
  assert.throws(read(moof, box("mdat", [1])), /does not lie in its `mdat`/);
  assert.throws(read(fragment(u32(0x020000, 1), u32(0, 0), u32(0, 0xffff_ffff))), /more than 32768 samples/);
  assert.throws(read(fragment(u32(0x020000, 1), u32(0, 0), u32(0x100, 5, 1))), /`trun` ends inside a field/);
  assert.throws(read(Uint8Array.from(u32(7, 0x6d6f6f66))), /impossible size 7/);
});

test("an unpackager takes a new initialization segment in front of a fragment", () => {
  const one = split(readFileSync(ffmpeg("one", FRAGMENTED, ...SOURCE, "-c:v", "libx264", "-profile:v", "baseline")));
  const two = split(readFileSync(ffmpeg("two", FRAGMENTED, ...SOURCE, "-s", "320x180", "-c:v", "libx264")));
  const track: CatalogTrack = { name: "v", packaging: "cmaf", kind: "video", codec: "avc1.42c00b", init: one.init };
  const unpackager = createUnpackager(track);
  const [first, second] = [one.fragments[0], two.fragments[0]];
  assert(first !== undefined && second !== undefined);
  assert(unpackager.unpack(first, none, true).length > 0);
  unpackager.unpack(Buffer.concat([one.init, first]), none, true);
  assert.equal(unpackager.configVersion, 0, "the same again");
  assert(unpackager.unpack(Buffer.concat([two.init, second]), none, true)[0]?.key);
  assert.equal(unpackager.configVersion, 1);
  assert.deepEqual("codedWidth" in unpackager.config && unpackager.config.codedWidth, 320);
  assert.throws(() => createUnpackager({ ...track, kind: "audio" }), /is audio, its initialization segment video/);
});

test("cut and broken input only throws MediaError", () => {
  const bytes = readFileSync(ffmpeg("cut", FRAGMENTED, ...SOUND, "-c:a", "aac"));
  const { init, fragments } = split(bytes);
  const chunk = fragments[0];
  assert(chunk !== undefined);
  const attempt = (segment: Uint8Array, data: Uint8Array): void => {
    try {
      new FragmentReader(readInit(segment)).read(data);
    } catch (error) {
      if (!(error instanceof MediaError)) throw error;
    }
  };
  for (let length = 0; length < init.length; length++) attempt(init.subarray(0, length), chunk);
  for (let length = 0; length < chunk.length; length += 7) attempt(init, chunk.subarray(0, length));
  let seed = 1;
  const random = (below: number): number => (seed = (seed * 48_271) % 0x7fff_ffff) % below;
  for (let round = 0; round < 3000; round++) {
    const [segment, data] = [Uint8Array.from(init), Uint8Array.from(chunk.subarray(0, 2000))];
    for (let count = 1 + random(4); count > 0; count--) segment[random(segment.length)] = random(256);
    for (let count = 1 + random(4); count > 0; count--) data[random(600)] = random(256);
    attempt(segment, chunk);
    attempt(init, data);
  }
});
