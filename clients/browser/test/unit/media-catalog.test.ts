// Catalogs: golden documents as Efir's origin writes them, samples of other implementations, updates, compression, errors.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { CatalogReader, writeMsf } from "../../src/media/catalog.ts";
import { readInit } from "../../src/media/cmaf.ts";
import { MAX_CATALOG_BYTES } from "../../src/media/limit.ts";
import { type Catalog, MediaError } from "../../src/media/types.ts";
import { createUnpackager } from "../../src/media/unpack.ts";

/** Of the built-in clip, packaged as CMAF: `catalog` and `catalog.json`; as LOC: `catalog`. */
const ORIGIN_MSF =
  '{"version":"draft-01","generatedAt":1795376984043,"tracks":[{"name":"video0","packaging":"cmaf","isLive":true,"role":"video","codec":"avc1.64001f","bitrate":2858371,"width":1280,"height":720,"timescale":15360,"renderGroup":1,"initRef":"init-video0"},{"name":"audio0","packaging":"cmaf","isLive":true,"role":"audio","codec":"mp4a.40.2","bitrate":70703,"samplerate":48000,"channelConfig":"2","timescale":48000,"renderGroup":1,"initRef":"init-audio0"}],"initDataList":[{"id":"init-video0","type":"inline","data":"AAAAHGZ0eXBpc282AAAAAGlzbzZjbWZjbXA0MQAAAtRtb292AAAAeG12aGQBAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+gAAAAAAAAAAAABAAABAAAAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACAAACLHRyYWsAAABodGtoZAEAAAcAAAAAAAAAAAAAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAEAAAAAFAAAAAtAAAAAAAbxtZGlhAAAALG1kaGQBAAAAAAAAAAAAAAAAAAAAAAAAAAAAPAAAAAAAAAAAAFXEAAAAAAAmaGRscgAAAAAAAAAAdmlkZQAAAAAAAAAAAAAAAHZpZGVvAAAAAWJtaW5mAAAAFHZtaGQAAAABAAAAAAAAAAAAAAAkZGluZgAAABxkcmVmAAAAAAAAAAEAAAAMdXJsIAAAAAEAAAEic3RibAAAANZzdHNkAAAAAAAAAAEAAADGYXZjMQAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAUAAtAASAAAAEgAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABj//wAAADlhdmNDAWQAH//hAB1nZAAfrLMAoAt2AtQEBAUAAAMAAQAAAwA8DxgyaAEABWjpcyyL/fj4AAAAABNjb2xybmNseAABAAEAAQAAAAAQcGFzcAAAAAEAAAABAAAAFGJ0cnQAAAAAACudgwArnYMAAAAQc3R0cwAAAAAAAAAAAAAAEHN0c2MAAAAAAAAAAAAAABRzdHN6AAAAAAAAAAAAAAAAAAAAEHN0Y28AAAAAAAAAAAAAAChtdmV4AAAAIHRyZXgAAAAAAAAAAQAAAAEAAAAAAAAAAAAAAAA="},{"id":"init-audio0","type":"inline","data":"AAAAHGZ0eXBpc282AAAAAGlzbzZjbWZjbXA0MQAAAnhtb292AAAAeG12aGQBAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+gAAAAAAAAAAAABAAABAAAAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADAAAB0HRyYWsAAABodGtoZAEAAAcAAAAAAAAAAAAAAAAAAAAAAAAAAgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAAAAAAQAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAWBtZGlhAAAALG1kaGQBAAAAAAAAAAAAAAAAAAAAAAAAAAAAu4AAAAAAAAAAAFXEAAAAAAAmaGRscgAAAAAAAAAAc291bgAAAAAAAAAAAAAAAGF1ZGlvAAAAAQZtaW5mAAAAEHNtaGQAAAAAAAAAAAAAACRkaW5mAAAAHGRyZWYAAAAAAAAAAQAAAAx1cmwgAAAAAQAAAMpzdGJsAAAAfnN0c2QAAAAAAAAAAQAAAG5tcDRhAAAAAAAAAAEAAAAAAAAAAAACABAAAAAAu4AAAAAAADZlc2RzAAAAAAOAgIAlAAIABICAgBdAFQAAAAABFC8AARQvBYCAgAURkFblAAaAgIABAgAAABRidHJ0AAAAAAABFC8AARQvAAAAEHN0dHMAAAAAAAAAAAAAABBzdHNjAAAAAAAAAAAAAAAUc3RzegAAAAAAAAAAAAAAAAAAABBzdGNvAAAAAAAAAAAAAAAobXZleAAAACB0cmV4AAAAAAAAAAIAAAABAAAAAAAAAAAAAAAA"}]}';
const ORIGIN_HANG =
  '{"video":{"renditions":{"video0":{"codec":"avc1.64001f","codedWidth":1280,"codedHeight":720,"bitrate":2858371,"container":{"kind":"cmaf","init":"AAAAHGZ0eXBpc282AAAAAGlzbzZjbWZjbXA0MQAAAtRtb292AAAAeG12aGQBAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+gAAAAAAAAAAAABAAABAAAAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACAAACLHRyYWsAAABodGtoZAEAAAcAAAAAAAAAAAAAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAEAAAAAFAAAAAtAAAAAAAbxtZGlhAAAALG1kaGQBAAAAAAAAAAAAAAAAAAAAAAAAAAAAPAAAAAAAAAAAAFXEAAAAAAAmaGRscgAAAAAAAAAAdmlkZQAAAAAAAAAAAAAAAHZpZGVvAAAAAWJtaW5mAAAAFHZtaGQAAAABAAAAAAAAAAAAAAAkZGluZgAAABxkcmVmAAAAAAAAAAEAAAAMdXJsIAAAAAEAAAEic3RibAAAANZzdHNkAAAAAAAAAAEAAADGYXZjMQAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAUAAtAASAAAAEgAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABj//wAAADlhdmNDAWQAH//hAB1nZAAfrLMAoAt2AtQEBAUAAAMAAQAAAwA8DxgyaAEABWjpcyyL/fj4AAAAABNjb2xybmNseAABAAEAAQAAAAAQcGFzcAAAAAEAAAABAAAAFGJ0cnQAAAAAACudgwArnYMAAAAQc3R0cwAAAAAAAAAAAAAAEHN0c2MAAAAAAAAAAAAAABRzdHN6AAAAAAAAAAAAAAAAAAAAEHN0Y28AAAAAAAAAAAAAAChtdmV4AAAAIHRyZXgAAAAAAAAAAQAAAAEAAAAAAAAAAAAAAAA=","timescale":15360}}}},"audio":{"renditions":{"audio0":{"codec":"mp4a.40.2","sampleRate":48000,"numberOfChannels":2,"bitrate":70703,"container":{"kind":"cmaf","init":"AAAAHGZ0eXBpc282AAAAAGlzbzZjbWZjbXA0MQAAAnhtb292AAAAeG12aGQBAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+gAAAAAAAAAAAABAAABAAAAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADAAAB0HRyYWsAAABodGtoZAEAAAcAAAAAAAAAAAAAAAAAAAAAAAAAAgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAAAAAAQAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAWBtZGlhAAAALG1kaGQBAAAAAAAAAAAAAAAAAAAAAAAAAAAAu4AAAAAAAAAAAFXEAAAAAAAmaGRscgAAAAAAAAAAc291bgAAAAAAAAAAAAAAAGF1ZGlvAAAAAQZtaW5mAAAAEHNtaGQAAAAAAAAAAAAAACRkaW5mAAAAHGRyZWYAAAAAAAAAAQAAAAx1cmwgAAAAAQAAAMpzdGJsAAAAfnN0c2QAAAAAAAAAAQAAAG5tcDRhAAAAAAAAAAEAAAAAAAAAAAACABAAAAAAu4AAAAAAADZlc2RzAAAAAAOAgIAlAAIABICAgBdAFQAAAAABFC8AARQvBYCAgAURkFblAAaAgIABAgAAABRidHJ0AAAAAAABFC8AARQvAAAAEHN0dHMAAAAAAAAAAAAAABBzdHNjAAAAAAAAAAAAAAAUc3RzegAAAAAAAAAAAAAAAAAAABBzdGNvAAAAAAAAAAAAAAAobXZleAAAACB0cmV4AAAAAAAAAAIAAAABAAAAAAAAAAAAAAAA","timescale":48000}}}}}';
const ORIGIN_LOC =
  '{"version":"draft-01","generatedAt":1795377010542,"tracks":[{"name":"video0","packaging":"loc","isLive":true,"role":"video","codec":"avc1.64001f","bitrate":2858371,"width":1280,"height":720,"timescale":15360,"renderGroup":1,"initRef":"init-video0"},{"name":"audio0","packaging":"loc","isLive":true,"role":"audio","codec":"mp4a.40.2","bitrate":70703,"samplerate":48000,"channelConfig":"2","timescale":48000,"renderGroup":1,"initRef":"init-audio0"}],"initDataList":[{"id":"init-video0","type":"inline","data":"AWQAH//hAB1nZAAfrLMAoAt2AtQEBAUAAAMAAQAAAwA8DxgyaAEABWjpcyyL/fj4AA=="},{"id":"init-audio0","type":"inline","data":"EZBW5QA="}]}';

const none = { getInt: () => undefined, getBytes: () => undefined };
const gzip = { getInt: (id: bigint) => (id === 0x78n ? 1n : undefined), getBytes: () => undefined };
const bytes = (json: unknown): Uint8Array =>
  new TextEncoder().encode(typeof json === "string" ? json : JSON.stringify(json));
const msf = (json: unknown): Promise<Catalog> => new CatalogReader("msf", ["live", "demo"]).read(bytes(json), none, true);
const hang = (json: unknown): Promise<Catalog> => new CatalogReader("hang", ["live", "demo"]).read(bytes(json), none, true);
const names = (catalog: Catalog): string[] => catalog.tracks.map((track) => track.name);

test("both documents of the origin say the same", async () => {
  const [one, other] = [await msf(ORIGIN_MSF), await hang(ORIGIN_HANG)];
  for (const catalog of [one, other]) {
    assert.deepEqual(names(catalog), ["video0", "audio0"]);
    const [video, audio] = catalog.tracks;
    assert(video?.init !== undefined && audio?.init !== undefined);
    assert.deepEqual([video.codec, video.width, video.height, video.bitrate], ["avc1.64001f", 1280, 720, 2_858_371]);
    assert.deepEqual([audio.codec, audio.sampleRate, audio.channels, audio.timescale], ["mp4a.40.2", 48_000, 2, 48_000]);
    const init = readInit(video.init);
    assert.deepEqual([init.codec, init.timescale, init.width], [video.codec, video.timescale, video.width]);
    const { config } = createUnpackager(audio);
    assert.deepEqual("sampleRate" in config && [config.sampleRate, config.numberOfChannels], [48_000, 2]);
  }
  assert.deepEqual(one.tracks[0]?.init, other.tracks[0]?.init);
});

test("LOC of the origin: the configuration is the decoder's", async () => {
  const [video, audio] = (await msf(ORIGIN_LOC)).tracks;
  assert(video !== undefined && audio !== undefined);
  assert.deepEqual([video.packaging, video.init, video.description?.[0]], ["loc", undefined, 1]);
  assert.equal(createUnpackager(video).config.description, video.description);
  assert.deepEqual(createUnpackager(audio).config.codec, "mp4a.40.2");
});

test("what we write is what the origin writes", async () => {
  for (const document of [ORIGIN_MSF, ORIGIN_LOC]) {
    const { generatedAt } = JSON.parse(document);
    assert.deepEqual(JSON.parse(writeMsf(await msf(document), generatedAt)), JSON.parse(document));
  }
  const over = writeMsf({ dialect: "msf", tracks: [], isComplete: true }, 1);
  assert.deepEqual(await msf(over), { dialect: "msf", tracks: [], isComplete: true });
});

test("older and other MSF", async () => {
  const catalog = await msf({
    version: 1,
    tracks: [
      { name: "v", packaging: "chunk-per-object", codec: "av01.0.04M.08", bitrate: 2.5e6, initData: "AAAA", future: [1] },
      { name: "a", namespace: "live-caf.c3.a9", packaging: "loc", codec: "opus", samplerate: 48_000, channelConfig: 2 },
      { name: "t", packaging: "timeline", depends: ["v"] },
      { name: "log", packaging: "loc", role: "log" },
    ],
  });
  assert.deepEqual(names(catalog), ["v", "a"]);
  const [video, audio] = catalog.tracks;
  assert.deepEqual([video?.packaging, video?.bitrate, [...(video?.init ?? [])]], ["cmaf", 2_500_000, [0, 0, 0]]);
  assert.deepEqual([audio?.kind, audio?.channels, audio?.namespace], ["audio", 2, ["live", "café"]]);
  assert(video !== undefined);
  assert.throws(() => createUnpackager(video), MediaError);
});

test("MSF: hang's container, as moq-dev lists it", async () => {
  const track = { name: "0.avc1", packaging: "legacy", isLive: true, role: "video", codec: "avc1.64001f", initRef: "init0" };
  const catalog = await msf({ version: "draft-01", initDataList: [{ id: "init0", type: "inline", data: "AWQAHw==" }], tracks: [track] });
  const [video] = catalog.tracks;
  assert.deepEqual([video?.packaging, [...(video?.description ?? [])]], ["legacy", [1, 0x64, 0, 0x1f]]);
});

test("hang: containers, defaults, other broadcasts", async () => {
  const catalog = await hang({
    video: {
      renditions: {
        v: { codec: "avc1.640028", description: "01640028", codedWidth: 1920, container: { kind: "legacy" }, jitter: 33 },
        h: { codec: "avc1.64001f", container: { kind: "hologram", depth: 3 } },
        w: { codec: "vp09.00.31.08", broadcast: "../other/cam", optimizeForLatency: true },
      },
      display: { width: 1 },
    },
    audio: { renditions: { a: { codec: "opus", sampleRate: 48_000, numberOfChannels: 2 } } },
    clock: { track: "clock" },
  });
  assert.deepEqual(names(catalog), ["v", "w", "a"], "the unknown container is left out");
  const [v, w] = catalog.tracks;
  assert.deepEqual([[...(v?.description ?? [])], v?.packaging, v?.targetLatency], [[1, 0x64, 0, 0x28], "legacy", 33]);
  assert.deepEqual([w?.packaging, w?.namespace, w?.altGroup], ["legacy", ["live", "other", "cam"], v?.altGroup]);
});

test("delta updates of MSF", async () => {
  const reader = new CatalogReader("msf", []);
  await reader.read(bytes({ tracks: [{ name: "a", packaging: "loc", codec: "opus" }] }), none, true);
  const update = (...deltaUpdate: unknown[]) => reader.read(bytes({ deltaUpdate }), none, false);
  const added = await update({ op: "add", tracks: [{ name: "v", packaging: "loc", codec: "vp8", width: 640, height: 360 }] });
  assert.deepEqual(names(added), ["a", "v"]);
  const cloned = await update({ op: "clone", tracks: [{ parentName: "v", name: "w", width: 320 }] });
  assert.deepEqual([cloned.tracks[2]?.name, cloned.tracks[2]?.width, cloned.tracks[2]?.height], ["w", 320, 360]);
  const changed = await update({ op: "update", tracks: [{ name: "w", bitrate: 7 }] }, { op: "remove", tracks: [{ name: "v" }] });
  assert.deepEqual([names(changed), changed.tracks[1]?.bitrate, changed.tracks[1]?.width], [["a", "w"], 7, 320]);
  await assert.rejects(update({ op: "update", tracks: [{ name: "x" }] }), /no track "x" to update/);
  await assert.rejects(update({ op: "remove", tracks: [{ name: "a" }] }), /without the catalog it changes/);
});

test("merge patches of hang", async () => {
  const reader = new CatalogReader("hang", []);
  const rendition = { codec: "opus", sampleRate: 48_000, numberOfChannels: 2 };
  await reader.read(bytes({ audio: { renditions: { a: rendition, b: rendition } } }), none, true);
  const patch = bytes({ audio: { renditions: { a: null, b: { bitrate: 5 }, c: rendition } } });
  const catalog = await reader.read(patch, none, false);
  assert.deepEqual(names(catalog), ["b", "c"]);
  assert.deepEqual([catalog.tracks[0]?.bitrate, catalog.tracks[0]?.sampleRate], [5, 48_000]);
});

test("gzip, on the object or the track; not too much of it", async () => {
  const packed = gzipSync(ORIGIN_MSF);
  assert.equal((await new CatalogReader("msf", []).read(packed, gzip, true)).tracks.length, 2);
  assert.equal((await new CatalogReader("msf", [], gzip).read(packed, none, true)).tracks.length, 2);
  const bomb = new CatalogReader("msf", []).read(gzipSync(Buffer.alloc(20 * MAX_CATALOG_BYTES)), gzip, true);
  await assert.rejects(bomb, /too large/);
  await assert.rejects(new CatalogReader("msf", []).read(packed.subarray(0, 99), gzip, true), /not the gzip/);
});

test("errors name the track and the field", async () => {
  const track = (fields: object): unknown => ({ tracks: [{ name: "v", packaging: "cmaf", role: "video", ...fields }] });
  const refused: [unknown, RegExp][] = [
    ["{", /^catalog: /],
    ["[]", /not a JSON object/],
    [{ deltaUpdate: [] }, /is a delta update, not a whole catalog/],
    [{ tracks: {} }, /`tracks` is not a list/],
    [{ tracks: [{}] }, /`name` is missing/],
    [track({}), /^catalog track `v`: `codec` is missing$/],
    [track({ codec: 7 }), /`codec` is not a string/],
    [track({ codec: "x", width: "wide" }), /`width` is not a number/],
    [track({ codec: "x", timescale: 0 }), /`timescale` is 0/],
    [track({ codec: "x", initRef: "9" }), /`initRef` "9" is not in `initDataList`/],
    [track({ codec: "x", initData: "*" }), /`initData` is not base64/],
    [{ tracks: Array(129).fill({ name: "v" }) }, /129 tracks/],
    [" ".repeat(MAX_CATALOG_BYTES + 1), /too large/],
  ];
  for (const [json, message] of refused) await assert.rejects(msf(json), { name: "MediaError", message });
  const video = (rendition: unknown): unknown => ({ video: { renditions: { v: rendition } } });
  await assert.rejects(hang(video({ codec: "x", description: "0g" })), /`v`: `description` is not hexadecimal/);
  await assert.rejects(hang(video({ codec: "x", broadcast: "../../.." })), /leads out of every namespace/);
});

test("deep and endless updates end", async () => {
  const reader = new CatalogReader("hang", []);
  await reader.read(bytes({}), none, true);
  await assert.rejects(reader.read(bytes(`${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`), none, false), MediaError);
  await reader.read(bytes({}), none, true);
  const grow = async (): Promise<void> => {
    for (let index = 0; index < 100; index++) await reader.read(bytes({ [`k${index}`]: "x".repeat(100_000) }), none, false);
  };
  await assert.rejects(grow(), /too many updates/);
});
