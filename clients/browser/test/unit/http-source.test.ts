import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { ByteWriter } from "../../src/moqt/codec.ts";
import { encodeFetchHeader, FetchEncoder } from "../../src/moqt/data/mod.ts";
import { fullTrackName, namespaceFromText } from "../../src/moqt/name.ts";
import { PRIOR_GROUP_ID_GAP, Properties } from "../../src/moqt/property.ts";
import { HttpEdge, trackPath } from "../../src/source/edge.ts";
import { HttpSource } from "../../src/source/http.ts";
import { BURST_GAP_MS, CATALOG_FAILURES, CATALOG_MS, CATALOG_QUIET_MS, LIST_MS, STALL_MS } from "../../src/source/limit.ts";
import { SourceError, type TrackEvent, type TrackReader } from "../../src/source/source.ts";

const VIDEO = fullTrackName(["live", "a/b"], "video0");
const JOIN = { priority: 1, from: "join" } as const;

interface Asked {
  method: string;
  path: string;
  token: string | null;
  signal: AbortSignal;
}

type Answer = (asked: Asked) => Response | Promise<Response>;

let asked: Asked[] = [];
let answer: Answer;
const realFetch = globalThis.fetch;

beforeEach(() => {
  asked = [];
  globalThis.fetch = (input, init) => {
    const { pathname, search } = new URL(String(input));
    const signal = init?.signal ?? new AbortController().signal;
    const token = new Headers(init?.headers).get("authorization");
    const one = { method: init?.method ?? "GET", path: pathname + search, token, signal };
    asked.push(one);
    const aborted = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    aborted.catch(() => undefined);
    return Promise.race([Promise.resolve(one).then(answer), aborted]);
  };
});

afterEach(() => {
  globalThis.fetch = realFetch;
  mock.timers.reset();
});

/** A FETCH stream as the server writes it. */
class Stream {
  readonly #encoder = new FetchEncoder(18, "ascending");
  readonly #out = new ByteWriter(18);
  constructor() {
    encodeFetchHeader(0n, this.#out);
  }
  object(group: bigint, object: bigint, payload = `${group}.${object}`, properties = Properties.EMPTY): this {
    const bytes = new TextEncoder().encode(payload);
    const location = { group, object };
    this.#encoder.object({ location, subgroup: 0n, priority: 128, properties, payloadLen: BigInt(bytes.length) }, this.#out);
    this.#out.bytes(bytes);
    return this;
  }
  range(group: bigint, object: bigint, known: boolean): this {
    this.#encoder.endOfRange({ group, object }, known, this.#out);
    return this;
  }
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#out.finish().slice();
  }
}

const body = (...chunks: Uint8Array<ArrayBuffer>[]): Response =>
  new Response(new ReadableStream({ start: (out) => (chunks.forEach((chunk) => out.enqueue(chunk)), out.close()) }));

/** A body that the test writes, which ends with an error when its request is aborted. */
function written({ signal }: Asked): { response: Response; write(bytes: Uint8Array): void; pulls(): number } {
  let out: ReadableStreamDefaultController<Uint8Array>;
  let pulls = 0;
  const start = (controller: typeof out): void => {
    out = controller;
    signal.addEventListener("abort", () => out.error(signal.reason));
  };
  const response = new Response(new ReadableStream<Uint8Array>({ start, pull: () => void (pulls += 1) }, { highWaterMark: 0 }));
  return { response, write: (bytes) => out.enqueue(bytes), pulls: () => pulls };
}

const source = (token = ""): HttpSource => new HttpSource(new HttpEdge("http://server:8080", token));

function words(event: TrackEvent): string {
  if (event.kind === "object") return `${event.object.group}.${event.object.object}`;
  if (event.kind === "end") return `end ${event.code}`;
  return event.kind === "group-end" ? `end of ${event.group}` : `lost ${event.group} (${event.code})`;
}

/** Everything up to the end. */
async function all(reader: TrackReader): Promise<string[]> {
  const told: string[] = [];
  while (!told.at(-1)?.startsWith("end ") || told.at(-1)?.startsWith("end of")) told.push(words(await reader.next()));
  return told;
}

const gone: Answer = ({ method }) => new Response(method === "HEAD" ? null : "nobody publishes this", { status: 404 });

async function refused(promise: Promise<unknown>): Promise<SourceError> {
  const error = await promise.then(() => undefined, (error: unknown) => error);
  assert.ok(error instanceof SourceError, `${error} is no SourceError`);
  return error;
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
};

test("objects and ends of groups come the same however the body is cut", async () => {
  const { bytes } = new Stream().object(7n, 0n).object(7n, 1n, "").object(8n, 0n, "x".repeat(300)).object(9n, 0n);
  const expected = ["7.0", "7.1", "end of 7", "8.0", "end of 8", "9.0", "end of 9", "end 2"];
  for (let at = 0; at <= bytes.length; at += 1) {
    answer = (one) => (one.method === "HEAD" ? gone(one) : body(bytes.slice(0, at), bytes.slice(at)));
    assert.deepEqual(await all(await source().open(VIDEO, JOIN)), expected, `cut at ${at}`);
  }
  answer = (one) => (one.method === "HEAD" ? gone(one) : body(...Array.from(bytes, (byte) => Uint8Array.of(byte))));
  const reader = await source().open(VIDEO, JOIN);
  const first = await reader.next();
  assert.ok(first.kind === "object" && new TextDecoder().decode(first.object.payload) === "7.0");
  assert.ok(first.object.firstByteAt <= first.object.receivedAt);
  assert.deepEqual(await all(reader), expected.slice(1));
  assert.equal(asked[0]?.path, "/tracks/live/a%2Fb/video0/objects");
});

test("what is missing is told: inside a group, between groups, and not what the publisher left out", async () => {
  const gap = Properties.fromPairs([{ type: PRIOR_GROUP_ID_GAP, value: 9n }]);
  const { bytes } = new Stream()
    .object(1n, 0n).range(1n, 2n, false).object(1n, 3n)
    .object(2n, 0n).range(2n, 4n, true).object(2n, 5n)
    .range(4n, 1n << 61n, false).object(5n, 0n)
    .object(15n, 0n, "gap", gap)
    .object(1000n, 0n);
  answer = (one) => (one.method === "HEAD" ? gone(one) : body(bytes));
  const told = await all(await source().open(VIDEO, JOIN));
  const inside = ["1.0", "1.3", "lost 1 (6)", "2.0", "2.5", "end of 2"];
  const between = ["lost 3 (5)", "lost 4 (5)", "5.0", "end of 5", "15.0", "end of 15", "1000.0", "end of 1000", "end 2"];
  assert.deepEqual(told, [...inside, ...between]);
});

test("`next` begins with the group after the one that is there", async () => {
  const { bytes } = new Stream().object(1n, 0n).object(1n, 1n).object(2n, 0n);
  answer = (one) => (one.method === "HEAD" ? gone(one) : body(bytes));
  assert.deepEqual(await all(await source().open(VIDEO, { priority: 1, from: "next" })), ["2.0", "end of 2", "end 2"]);
});

test("a clean end is the track's when nobody publishes it, else its publisher's or the server's", async () => {
  const { bytes } = new Stream().object(1n, 0n);
  for (const [status, code] of [[404, 2], [200, 0], [503, undefined]] as const) {
    answer = ({ method }) => (method === "HEAD" ? new Response(null, { status }) : body(bytes));
    assert.deepEqual(await all(await source().open(VIDEO, JOIN)), ["1.0", "end of 1", `end ${code}`]);
  }
});

test("a broken, cut off or foreign body ends the track without a code", async () => {
  const { bytes } = new Stream().object(1n, 0n).object(1n, 1n);
  answer = () => body(bytes.slice(0, -1));
  assert.deepEqual(await all(await source().open(VIDEO, JOIN)), ["1.0", "lost 1 (3)", "end undefined"]);
  for (const wrong of [new TextEncoder().encode("<!doctype html>"), new Uint8Array(0), new Uint8Array([5])]) {
    answer = () => body(wrong);
    assert.deepEqual(await all(await source().open(VIDEO, JOIN)), ["end undefined"]);
  }
});

test("fetched is what was there when it was asked for", async () => {
  let live: ReturnType<typeof written> | undefined;
  answer = (one) => (live = written(one)).response;
  const reader = await source().open(VIDEO, JOIN);
  const stream = new Stream();
  let sent = 0;
  const send = (group: bigint, object: bigint): void => {
    const { bytes } = stream.object(group, object);
    live?.write(bytes.slice(sent));
    sent = bytes.length;
  };
  const flags: string[] = [];
  const take = async (): Promise<void> => {
    let event = await reader.next();
    while (event.kind !== "object") event = await reader.next();
    flags.push(`${words(event)} ${event.object.fetched}`);
  };
  const first = take();
  await new Promise((resolve) => setTimeout(resolve, 4 * BURST_GAP_MS));
  send(3n, 0n);
  send(3n, 1n);
  await first;
  await take();
  const later = take();
  await new Promise((resolve) => setTimeout(resolve, 4 * BURST_GAP_MS));
  send(3n, 2n);
  await later;
  send(3n, 3n);
  await take();
  send(4n, 0n);
  await take();
  assert.deepEqual(flags, ["3.0 true", "3.1 true", "3.2 false", "3.3 false", "4.0 false"]);
});

test("nothing is read that nobody asks for", async () => {
  let live: ReturnType<typeof written> | undefined;
  answer = (one) => (live = written(one)).response;
  const reader = await source().open(VIDEO, JOIN);
  await settle();
  assert.equal(live?.pulls(), 0);
  const next = reader.next();
  await settle();
  assert.equal(live?.pulls(), 1);
  live?.write(new Stream().object(1n, 0n).object(1n, 1n).bytes);
  await next;
  await reader.next();
  await settle();
  assert.equal(live?.pulls(), 1);
});

test("not forwarded means no request; forwarded again, it goes on where it was or at the live edge", async () => {
  const lives: ReturnType<typeof written>[] = [];
  answer = (one) => (lives.push(written(one)), lives.at(-1)?.response ?? Response.error());
  const reader = await source().open(VIDEO, JOIN);
  lives[0]?.write(new Stream().object(1n, 0n).bytes);
  assert.equal(words(await reader.next()), "1.0");
  const next = reader.next();
  reader.setForward(false);
  assert.ok(asked[0]?.signal.aborted);
  await settle();
  assert.equal(asked.length, 1);
  reader.setForward(true);
  await settle();
  lives[1]?.write(new Stream().object(1n, 0n).object(1n, 1n).bytes);
  assert.equal(words(await next), "1.1");
  reader.setForward(false);
  reader.setForward(true);
  await settle();
  lives[2]?.write(new Stream().object(9n, 0n).bytes);
  assert.deepEqual([words(await reader.next()), words(await reader.next())], ["lost 1 (1)", "9.0"]);
  reader.close();
  assert.ok(asked[2]?.signal.aborted);
  assert.deepEqual([words(await reader.next()), words(await reader.next())], ["end undefined", "end undefined"]);
});

test("refusals are told apart, with the server's words", async () => {
  const cases = [[401, "unauthorized"], [404, "not-found"], [503, "busy"], [502, "busy"], [400, "protocol"]] as const;
  for (const [status, code] of cases) {
    answer = () => new Response("the reason\n", { status, headers: status === 503 ? { "retry-after": "5" } : {} });
    const error = await refused(source("secret").open(VIDEO, JOIN));
    assert.equal(error.code, code);
    assert.match(error.message, /the reason/);
    assert.equal(error.message.includes("again in 5 s"), status === 503);
    assert.doesNotMatch(error.message, /secret/);
  }
  assert.equal(asked[0]?.token, "Bearer secret");
  answer = () => Promise.reject(new TypeError("Failed to fetch"));
  assert.equal((await refused(source().open(VIDEO, JOIN))).code, "unreachable");
});

test("a token of the path, an abort, and a server that does not answer", async () => {
  const options = { server: "https://server:4443", path: "/live/demo?token=t", token: "", httpBase: "" };
  answer = () => Response.json({ broadcasts: [] });
  (await HttpSource.connect(options)).close();
  assert.equal(asked[0]?.token, "Bearer t");
  answer = () => new Promise(() => undefined);
  const abort = new AbortController();
  const opening = source().open(VIDEO, { ...JOIN, signal: abort.signal });
  abort.abort();
  assert.equal((await refused(opening)).code, "closed");
  assert.ok(asked[1]?.signal.aborted);
  mock.timers.enable({ apis: ["setTimeout"] });
  for (const [base, code] of [["http://server", "busy"], ["https://server", "unreachable"]] as const) {
    const waiting = refused(new HttpSource(new HttpEdge(base, "")).open(VIDEO, JOIN));
    await settle();
    mock.timers.tick(6000);
    assert.equal((await waiting).code, code);
  }
});

test("a body that is silent for long ends", async () => {
  answer = (one) => written(one).response;
  const reader = await source().open(VIDEO, JOIN);
  mock.timers.enable({ apis: ["setTimeout"] });
  const next = reader.next();
  await settle();
  mock.timers.tick(STALL_MS);
  const event = await next;
  assert.ok(event.kind === "end" && event.code === undefined && event.reason.includes("nothing came"), words(event));
});

test("a closed source ends its tracks and its lists", async () => {
  answer = (one) => (one.path.startsWith("/broadcasts") ? Response.json({ broadcasts: [] }) : written(one).response);
  const closing = source();
  const reader = await closing.open(VIDEO, JOIN);
  const next = reader.next();
  const list = closing.broadcasts([])[Symbol.asyncIterator]().next();
  closing.close();
  assert.equal(words(await next), "end undefined");
  assert.equal((await list).done, true);
  assert.equal((await closing.closed).code, "closed");
});

test("broadcasts are told as they come and go, and an outage hides none", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let list: string[][] = [["live", "a"], ["live", "b"]];
  let isDown = false;
  const broadcasts = (): unknown => ({ broadcasts: list.map((namespace) => ({ namespace })) });
  answer = () => (isDown ? new Response("down", { status: 503 }) : Response.json(broadcasts()));
  const lister = source();
  const events: string[] = [];
  const reading = (async () => {
    for await (const { kind, namespace } of lister.broadcasts(namespaceFromText(["live"]))) {
      events.push(`${kind} ${namespace.map((field) => new TextDecoder().decode(field)).join("/")}`);
    }
  })();
  await settle();
  assert.deepEqual(events.splice(0), ["added live/a", "added live/b"]);
  isDown = true;
  mock.timers.tick(LIST_MS);
  await settle();
  isDown = false;
  list = [["live", "b"], ["live", "c"], ["other", "d"]];
  mock.timers.tick(LIST_MS);
  await settle();
  assert.equal(asked.length, 2, "waits longer after a failure");
  mock.timers.tick(LIST_MS);
  await settle();
  assert.deepEqual(events, ["removed live/a", "added live/c"]);
  assert.equal(asked[0]?.path, "/broadcasts?prefix=live");
  lister.close();
  await reading;
});

test("a catalog holds no connection and is read again when it changes", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let group = 4n;
  let tag: string | null = '"4-0"';
  answer = (one) => {
    if (one.method === "HEAD") return new Response(null, { headers: tag === null ? {} : { etag: tag } });
    const live = written(one);
    live.write(new Stream().object(group, 0n).bytes);
    return live.response;
  };
  const catalog = await source().open(fullTrackName(["live"], "catalog"), JOIN);
  assert.equal(words(await catalog.next()), "4.0");
  let next = catalog.next();
  await settle();
  mock.timers.tick(CATALOG_QUIET_MS);
  await settle();
  assert.ok(asked[0]?.signal.aborted, "the connection is given back");
  mock.timers.tick(CATALOG_MS);
  await settle();
  assert.deepEqual(asked.map(({ method }) => method), ["GET", "HEAD"], "nothing new is not read");
  assert.equal(asked[1]?.path, "/tracks/live/catalog/latest");
  [group, tag] = [5n, '"5-0"'];
  mock.timers.tick(CATALOG_MS);
  assert.equal(words(await next), "5.0");
  next = catalog.next();
  // A group that goes on has no tag: only reading it tells.
  [group, tag] = [5n, null];
  for (const milliseconds of [CATALOG_QUIET_MS, CATALOG_MS]) {
    await settle();
    mock.timers.tick(milliseconds);
  }
  await settle();
  assert.equal(asked.filter(({ method }) => method === "GET").length, 3);
  catalog.close();
  assert.equal(words(await next), "end undefined");
});

test("a catalog that is gone ends; a server that is gone ends the source", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  for (const [status, code] of [[404, 2], [0, undefined]] as const) {
    answer = (one) => {
      if (one.method === "GET") return body(new Stream().object(1n, 0n).bytes);
      if (status === 0) throw new TypeError("Failed to fetch");
      return new Response(null, { status });
    };
    const lost = source();
    const catalog = await lost.open(fullTrackName(["live"], "catalog.json"), JOIN);
    assert.equal(words(await catalog.next()), "1.0");
    const next = catalog.next();
    for (let look = 0; look <= CATALOG_FAILURES; look += 1) {
      await settle();
      mock.timers.tick(CATALOG_MS);
    }
    assert.equal(words(await next), `end ${code}`);
    if (status === 0) assert.equal((await lost.closed).code, "unreachable");
  }
});

test("paths keep slashes of names apart", () => {
  assert.equal(trackPath(fullTrackName(["a/b", "ü"], "x y"), "live"), "/tracks/a%2Fb/%C3%BC/x%20y/live");
});
