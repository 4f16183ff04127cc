// Runs in a dedicated worker of a real browser: connects, lists, fetches the catalog, takes a stretch of video, closes.

import { fullTrackName } from "../../src/moqt/name.ts";
import { MoqtSource } from "../../src/source/moqt.ts";
import { SourceError, type TrackReader } from "../../src/source/source.ts";

interface Job {
  url: string;
  hashes: string[];
  protocols?: string[];
  objects: number;
}

const text = new TextDecoder();

async function nextObject(reader: TrackReader) {
  for (;;) {
    const event = await reader.next();
    if (event.kind === "object") return event.object;
    if (event.kind === "end") throw new Error(`the track ended: ${event.reason}`);
  }
}

async function run({ url, hashes, protocols, objects }: Job) {
  const began = performance.now();
  const source = await MoqtSource.connect({ url, certificateHashes: hashes, token: "", ...(protocols ? { protocols } : {}) });
  const connected = performance.now();
  const abort = new AbortController();
  let namespace: string[] = [];
  for await (const event of source.broadcasts([], abort.signal)) {
    namespace = event.namespace.map((field) => text.decode(field));
    break;
  }
  const listed = performance.now();
  const catalogReader = await source.open(fullTrackName(namespace, "catalog"), { priority: 0, from: "join" });
  const catalog = JSON.parse(text.decode((await nextObject(catalogReader)).payload));
  const catalogAt = performance.now();
  const name: string = catalog.tracks.find((track: { role?: string }) => track.role === "video").name;
  const video = await source.open(fullTrackName(namespace, name), { priority: 2, from: "join" });
  const first = await nextObject(video);
  const firstAt = performance.now();
  const ids = [`${first.group}.${first.object}`];
  const gaps: string[] = [];
  let previous = first;
  let fetched = first.fetched ? 1 : 0;
  while (ids.length < objects) {
    const object = await nextObject(video);
    const follows =
      object.group === previous.group ? object.object === previous.object + 1n : object.group > previous.group && object.object === 0n;
    if (!follows) gaps.push(`${previous.group}.${previous.object} -> ${object.group}.${object.object}`);
    if (object.fetched) fetched += 1;
    ids.push(`${object.group}.${object.object}`);
    previous = object;
  }
  video.close();
  catalogReader.close();
  const missing = await source
    .open(fullTrackName(namespace, "no such track"), { priority: 2, from: "join" })
    .then(() => "opened", (error: unknown) => (error instanceof SourceError ? `${error.code}: ${error.message}` : String(error)));
  source.close();
  const closed = await source.closed;
  return {
    ...{ protocol: source.protocol, namespace, name, objects: ids.length, distinct: new Set(ids).size, firstObject: ids[0] },
    ...{ fetched, gaps, missing, closed: closed.code, groups: new Set(ids.map((id) => id.split(".")[0])).size },
    times: {
      connect: connected - began,
      namespaces: listed - connected,
      catalog: catalogAt - listed,
      subscribeOk: video.answeredAt - video.requestedAt,
      firstObject: firstAt - catalogAt,
      connectToFirstObject: firstAt - began,
    },
  };
}

self.onmessage = ({ data }: MessageEvent<Job>) => {
  run(data).then(
    (result) => self.postMessage({ result }),
    (error: unknown) => self.postMessage({ error: error instanceof Error ? `${error.message}\n${error.stack}` : String(error) }),
  );
};
