// Runs in a dedicated worker of a real browser: the same tracks over plain HTTP.

import { fullTrackName } from "../../src/moqt/name.ts";
import { HttpSource } from "../../src/source/http.ts";
import { SourceError, type TrackReader } from "../../src/source/source.ts";

interface Job {
  base: string;
  objects: number;
  /** Sources that hold their places meanwhile. */
  others: number;
  token: string;
}

const text = new TextDecoder();

async function nextObject(reader: TrackReader) {
  for (;;) {
    const event = await reader.next();
    if (event.kind === "object") return event.object;
    if (event.kind === "end") throw new Error(`the track ended: ${event.reason}`);
  }
}

const words = (error: unknown): string => (error instanceof SourceError ? `${error.code}: ${error.message}` : String(error));

async function run({ base, objects, others, token }: Job) {
  const options = { server: "https://127.0.0.1:1", path: "/", token, httpBase: base };
  const held: HttpSource[] = [];
  for (let other = 0; other < others; other += 1) held.push(await HttpSource.connect(options));
  const source = await HttpSource.connect(options);
  let namespace: string[] = [];
  for await (const event of source.broadcasts([])) {
    namespace = event.namespace.map((field) => text.decode(field));
    break;
  }
  const catalogReader = await source.open(fullTrackName(namespace, "catalog"), { priority: 0, from: "join" });
  const catalog = JSON.parse(text.decode((await nextObject(catalogReader)).payload));
  const name: string = catalog.tracks.find((track: { role?: string }) => track.role === "video").name;
  const asked = performance.now();
  const video = await source.open(fullTrackName(namespace, name), { priority: 2, from: "join" });
  const ids: string[] = [];
  const gaps: string[] = [];
  const flags: boolean[] = [];
  let previous: { group: bigint; object: bigint } | undefined;
  let firstAt = 0;
  while (ids.length < objects) {
    const { group, object, fetched, receivedAt } = await nextObject(video);
    firstAt ||= receivedAt;
    const follows =
      previous === undefined ? object === 0n : group === previous.group ? object === previous.object + 1n : group === previous.group + 1n && object === 0n;
    if (!follows) gaps.push(`${previous?.group}.${previous?.object} -> ${group}.${object}`);
    ids.push(`${group}.${object}`);
    flags.push(fetched);
    previous = { group, object };
  }
  const took = performance.now() - firstAt;
  video.setForward(false);
  await new Promise((resolve) => setTimeout(resolve, 300));
  video.setForward(true);
  const resumed = await nextObject(video);
  const missing = await source.open(fullTrackName(namespace, "no such track"), { priority: 2, from: "join" }).then(() => "opened", words);
  source.close();
  for (const other of held) other.close();
  const { code } = await source.closed;
  return {
    ...{ protocol: source.protocol, namespace, name, gaps, missing, code, took, objects: ids.length, distinct: new Set(ids).size },
    ...{ fetched: flags.filter((flag) => flag).length, fetchedFirst: flags.lastIndexOf(true) < flags.indexOf(false) },
    ...{ first: firstAt - asked, resumed: previous !== undefined && (resumed.group > previous.group || resumed.object > previous.object) },
  };
}

self.onmessage = ({ data }: MessageEvent<Job>) => {
  run(data).then((result) => self.postMessage({ result }), (error: unknown) => self.postMessage({ error: words(error) }));
};
