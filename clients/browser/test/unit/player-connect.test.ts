import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff, connectSource, upgradeSource, type Connector, type Ways } from "../../src/player/connect.ts";
import type { PlayOptions } from "../../src/player/protocol.ts";
import { type Source, SourceError, type SourceKind } from "../../src/source/source.ts";

const OPTIONS: PlayOptions = {
  server: "https://host:4443",
  path: "/live/demo",
  namespace: ["live", "demo"],
  token: "",
  certificateHashes: [],
  httpBase: "",
  transport: "auto",
  latency: 0,
  rendition: "",
  audio: true,
};

class FakeSource implements Source {
  readonly kind: SourceKind;
  readonly closed = new Promise<SourceError>(() => undefined);
  onLeave: ((uri: string) => void) | undefined;
  isClosed = false;
  constructor(kind: SourceKind) {
    this.kind = kind;
  }
  open(): Promise<never> {
    return Promise.reject(new SourceError("not-found", "nothing"));
  }
  async *broadcasts(): AsyncIterable<never> {}
  close(): void {
    this.isClosed = true;
  }
}

/** Time that a test moves. */
class FakeTime {
  now = 0;
  #sleepers: { at: number; wake: () => void }[] = [];
  readonly sleep = (milliseconds: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(new SourceError("closed", "given up")), { once: true });
      this.#sleepers.push({ at: this.now + milliseconds, wake: resolve });
    });
  async advance(milliseconds: number): Promise<void> {
    this.now += milliseconds;
    for (const { wake } of this.#sleepers.filter(({ at }) => at <= this.now)) wake();
    this.#sleepers = this.#sleepers.filter(({ at }) => at > this.now);
    await settle();
  }
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 50; i += 1) await Promise.resolve();
};
const works = (kind: SourceKind): Connector => () => Promise.resolve(new FakeSource(kind));
const fails = (code: "unreachable" | "unauthorized", message: string): Connector => () => Promise.reject(new SourceError(code, message));
const hangs: Connector = () => new Promise(() => undefined);

function ways(time: FakeTime, webtransport: Connector, http: Connector | undefined): Ways {
  return { webtransport, http, sleep: time.sleep, random: () => 0.5 };
}
const never = new AbortController().signal;

test("WebTransport that works is taken and HTTP is not tried", async () => {
  let tried = 0;
  const http: Connector = () => Promise.resolve(new FakeSource("http")).finally(() => (tried += 1));
  const { source, reason } = await connectSource(OPTIONS, never, ways(new FakeTime(), works("webtransport"), http));
  assert.equal(source.kind, "webtransport");
  assert.equal(reason, "");
  assert.equal(tried, 0);
});

test("a refusal leads to HTTP at once, with the reason", async () => {
  const set = ways(new FakeTime(), fails("unreachable", "certificate expired"), works("http"));
  const { source, reason, pending } = await connectSource(OPTIONS, never, set);
  assert.deepEqual([source.kind, reason, pending], ["http", "certificate expired", undefined]);
});

test("silence leads to HTTP after 2.5 s and WebTransport goes on trying", async () => {
  const time = new FakeTime();
  let answer: (source: Source) => void = () => undefined;
  const slow: Connector = () => new Promise((resolve) => (answer = resolve));
  const set = ways(time, slow, works("http"));
  const connecting = connectSource(OPTIONS, never, set);
  await time.advance(2400);
  let done = false;
  void connecting.then(() => (done = true));
  await settle();
  assert.equal(done, false);
  await time.advance(100);
  const { source, reason, pending } = await connecting;
  assert.equal(source.kind, "http");
  assert.match(reason, /UDP/);
  const upgraded = upgradeSource(OPTIONS, pending, never, set);
  answer(new FakeSource("webtransport"));
  assert.equal((await upgraded).kind, "webtransport");
});

test("a wrong token is not carried on to HTTP", async () => {
  const set = ways(new FakeTime(), fails("unauthorized", "token refused"), works("http"));
  await assert.rejects(connectSource(OPTIONS, never, set), (error: SourceError) => error.code === "unauthorized");
});

test("when nothing works the words name both ways", async () => {
  const set = ways(new FakeTime(), fails("unreachable", "no UDP"), fails("unreachable", "no TCP"));
  await assert.rejects(connectSource(OPTIONS, never, set), /no UDP.*no TCP/);
});

test("a chosen transport is the only one", async () => {
  const time = new FakeTime();
  const only = { ...OPTIONS, transport: "webtransport" as const };
  await assert.rejects(connectSource(only, never, ways(time, fails("unreachable", "no"), works("http"))), /no/);
  const http = await connectSource({ ...OPTIONS, transport: "http" }, never, ways(time, works("webtransport"), works("http")));
  assert.equal(http.source.kind, "http");
});

test("an attempt that never answers ends, and one that answers too late is closed", async () => {
  const time = new FakeTime();
  let answer: (source: Source) => void = () => undefined;
  const slow: Connector = () => new Promise((resolve) => (answer = resolve));
  const connecting = connectSource({ ...OPTIONS, transport: "webtransport" }, never, ways(time, slow, undefined));
  const refused = assert.rejects(connecting, /got no answer/);
  await time.advance(10_000);
  await refused;
  const late = new FakeSource("webtransport");
  answer(late);
  await settle();
  assert.equal(late.isClosed, true);
});

test("the way back is tried with growing waits until it works or is given up", async () => {
  const time = new FakeTime();
  let tries = 0;
  const third: Connector = () => {
    tries += 1;
    return tries < 3 ? Promise.reject(new SourceError("unreachable", "no")) : Promise.resolve(new FakeSource("webtransport"));
  };
  const upgraded = upgradeSource(OPTIONS, undefined, never, ways(time, third, undefined));
  await settle();
  assert.equal(tries, 1);
  await time.advance(2500);
  assert.equal(tries, 2);
  await time.advance(2500);
  assert.equal(tries, 2);
  await time.advance(2500);
  assert.equal((await upgraded).kind, "webtransport");
  const given = new AbortController();
  const hopeless = upgradeSource(OPTIONS, undefined, given.signal, ways(time, hangs, undefined));
  const ended = assert.rejects(hopeless);
  given.abort();
  await ended;
});

test("waits grow, are spread and bounded", () => {
  const low = new Backoff(() => 0, 100, 1000);
  const high = new Backoff(() => 1, 100, 1000);
  assert.deepEqual(Array.from({ length: 6 }, () => low.next()), [50, 100, 200, 400, 500, 500]);
  assert.deepEqual(Array.from({ length: 6 }, () => high.next()), [100, 200, 400, 800, 1000, 1000]);
});
