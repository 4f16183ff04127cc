import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeMessage } from "../../src/moqt/control/mod.ts";
import { encodeFetchHeader, FetchEncoder } from "../../src/moqt/data/mod.ts";
import { fullTrackName, namespaceFromText } from "../../src/moqt/name.ts";
import { Properties } from "../../src/moqt/property.ts";
import type { Version } from "../../src/moqt/version.ts";
import { RequestRefused } from "../../src/session/error.ts";
import { EARLY_STREAMS } from "../../src/session/limit.ts";
import { Session } from "../../src/session/session.ts";
import { MoqtSource } from "../../src/source/moqt.ts";
import { SourceError, type TrackEvent, type TrackReader } from "../../src/source/source.ts";
import { fake, type FakeServer, Talk, written } from "./session-fake.ts";

const track = fullTrackName(["live", "demo"], "video");
const OK = { parameters: {}, properties: Properties.EMPTY };
const largest = (group: bigint, object: bigint) => ({ parameters: { largestObject: { group, object } }, properties: Properties.EMPTY });

async function begin(version: Version): Promise<{ session: Session; server: FakeServer; control: Talk | undefined }> {
  const { carrier, server } = fake(version);
  const greeted = server.greet();
  const session = await Session.start(carrier, version, { token: "secret", host: "test" });
  const control = await greeted;
  return { session, server, control: control instanceof Talk ? control : undefined };
}

/** The stream of the next request: one of its own, or the control stream. */
const next = async (server: FakeServer, control: Talk | undefined): Promise<Talk> => control ?? server.talk();
const replyTo = (talk: Talk, id: bigint) => ({ requestId: talk.version === 16 ? id : undefined });

function head(server: FakeServer, id: bigint, group: bigint, objects: bigint[]): void {
  const writer = server.open(written(server.version, (out) => encodeFetchHeader(id, out)));
  const encoder = new FetchEncoder(server.version, "ascending");
  for (const object of objects) {
    const payload = new TextEncoder().encode(`head ${object}`);
    const location = { group, object };
    const header = { location, subgroup: 0n, priority: 128, properties: Properties.EMPTY, payloadLen: BigInt(payload.length) };
    const bytes = written(server.version, (out) => {
      encoder.object(header, out);
      out.bytes(payload);
    });
    writer.write(bytes).catch(() => {});
  }
  writer.close().catch(() => {});
}

function short(event: TrackEvent): string {
  switch (event.kind) {
    case "object":
      return `${event.object.group}.${event.object.object}${event.object.fetched ? "f" : ""}`;
    case "group-end":
      return `end ${event.group}`;
    case "group-lost":
      return `lost ${event.group} ${event.code}`;
    case "end":
      return `over ${event.code}`;
  }
}

async function take(reader: TrackReader, count: number): Promise<string[]> {
  const taken: string[] = [];
  while (taken.length < count) taken.push(short(await reader.next()));
  return taken;
}

/** Opens a track from a group whose objects up to `object` come by FETCH. */
async function joined(version: Version, group = 7n, object = 1n) {
  const { session, server, control } = await begin(version);
  const source = new MoqtSource(session);
  const opening = source.open(track, { priority: 10, from: "join" });
  const subscribe = await next(server, control);
  const asked = await subscribe.read();
  assert.equal(asked.type, "SUBSCRIBE");
  const fetch = await next(server, control);
  const fetched = await fetch.read();
  assert.ok(fetched.type === "FETCH" && fetched.range.kind === "relative" && fetched.range.joining === 0n);
  subscribe.send({ type: "SUBSCRIBE_OK", ...replyTo(subscribe, 0n), trackAlias: 3n, ...largest(group, object) });
  const end = { group, object: object + 1n };
  fetch.send({ type: "FETCH_OK", ...replyTo(fetch, 2n), endOfTrack: false, end, ...OK });
  return { session, server, control, source, reader: await opening, subscribe, fetch };
}

for (const version of [18, 16] as const) {
  test(`draft-${version}: a joined group is whole and in order, though its live part comes first`, async () => {
    const { server, reader } = await joined(version);
    const live = server.subgroup(3n, 7n).object(2n).object(3n);
    const later = server.subgroup(3n, 8n).object(0n);
    head(server, 2n, 7n, [0n, 1n]);
    live.finish();
    const events = await take(reader, 6);
    assert.deepEqual(events.filter((event) => event.includes("7")), ["7.0f", "7.1f", "7.2", "7.3", "end 7"]);
    assert.ok(events.includes("8.0"));
    later.finish();
    assert.deepEqual(await take(reader, 1), ["end 8"]);
  });

  test(`draft-${version}: what the live stream repeats is not delivered twice`, async () => {
    const { server, reader } = await joined(version);
    head(server, 2n, 7n, [0n, 1n]);
    server.subgroup(3n, 7n).object(0n).object(1n).object(2n).finish();
    const events = await take(reader, 4);
    assert.deepEqual(events.map((event) => event.replace("f", "")), ["7.0", "7.1", "7.2", "end 7"]);
  });

  test(`draft-${version}: a reset stream loses its group, the next one plays`, async () => {
    const { server, reader } = await joined(version);
    head(server, 2n, 7n, [0n, 1n]);
    const live = server.subgroup(3n, 7n).object(2n);
    assert.deepEqual(await take(reader, 3), ["7.0f", "7.1f", "7.2"]);
    live.reset(2);
    server.subgroup(3n, 8n).object(0n).finish();
    assert.deepEqual((await take(reader, 3)).sort(), ["8.0", "end 8", "lost 7 2"]);
  });

  test(`draft-${version}: a refused head loses the group that was joined`, async () => {
    const { session, server, control } = await begin(version);
    const opening = new MoqtSource(session).open(track, { priority: 10, from: "join" });
    const subscribe = await next(server, control);
    await subscribe.read();
    const fetch = await next(server, control);
    await fetch.read();
    subscribe.send({ type: "SUBSCRIBE_OK", ...replyTo(subscribe, 0n), trackAlias: 3n, ...largest(7n, 1n) });
    const reason = "no fetch here";
    fetch.send({ type: "REQUEST_ERROR", ...replyTo(fetch, 2n), code: 3, retry: undefined, reason, redirect: undefined });
    const reader = await opening;
    server.subgroup(3n, 7n).object(2n).finish();
    server.subgroup(3n, 8n).object(0n).finish();
    const events = await take(reader, 3);
    assert.equal(events.filter((event) => event.startsWith("lost 7")).length, 1);
    assert.ok(events.includes("8.0") && !events.includes("7.2"));
  });

  test(`draft-${version}: streams before SUBSCRIBE_OK wait for it`, async () => {
    const { session, server, control } = await begin(version);
    const opening = new MoqtSource(session).open(track, { priority: 10, from: "next" });
    const talk = await next(server, control);
    const asked = await talk.read();
    assert.deepEqual(asked.type === "SUBSCRIBE" && asked.parameters.filter, { kind: "next-group" });
    server.subgroup(9n, 1n).object(0n).object(1n).finish();
    await new Promise((resolve) => setTimeout(resolve, 20));
    talk.send({ type: "SUBSCRIBE_OK", ...replyTo(talk, 0n), trackAlias: 9n, ...OK });
    const reader = await opening;
    assert.deepEqual(await take(reader, 3), ["1.0", "1.1", "end 1"]);
    talk.send({ type: "PUBLISH_DONE", ...replyTo(talk, 0n), status: 2, streamCount: 1n, reason: "over" });
    assert.deepEqual(await take(reader, 2), ["over 2", "over 2"]);
  });

  test(`draft-${version}: refusals have codes a player can act on`, async () => {
    const { session, server, control } = await begin(version);
    const cases = [[0x10, "not-found"], [0x1, "unauthorized"], [0x2, "busy"], [0x3, "protocol"]] as const;
    for (const [index, [code, expected]] of cases.entries()) {
      const opening = session.subscribe(track, { priority: 1, filter: { kind: "next-group" } });
      const talk = await next(server, control);
      await talk.read();
      const id = BigInt(2 * index);
      talk.send({ type: "REQUEST_ERROR", ...replyTo(talk, id), code, retry: undefined, reason: "because", redirect: undefined });
      await assert.rejects(opening, (error) => {
        assert.ok(error instanceof RequestRefused && error.code === expected);
        assert.match(error.message, /the server refused SUBSCRIBE of live-demo--video \([A-Z_]+\): because/);
        return true;
      });
    }
  });

  test(`draft-${version}: GOAWAY says where to go, a second one ends the session`, async () => {
    const { carrier, server } = fake(version);
    const greeted = server.greet();
    const session = await Session.start(carrier, version, { token: "", host: "test" });
    const control = await greeted;
    const writer = control instanceof Talk ? control.writer : control;
    const left = new Promise<string>((resolve) => (session.onLeave = resolve));
    const goaway = encodeMessage({ type: "GOAWAY", uri: "https://elsewhere/", timeout: undefined, requestId: undefined }, version);
    void writer.write(goaway);
    assert.equal(await left, "https://elsewhere/");
    void writer.write(goaway);
    assert.equal((await server.closed).closeCode, 3);
    assert.equal((await session.closed).code, "protocol");
  });

  test(`draft-${version}: closing a reader tells the publisher, and late streams are stopped`, async () => {
    const { server, reader, subscribe } = await joined(version);
    reader.close();
    if (version === 18) {
      assert.equal(await subscribe.reset(), 1);
    } else {
      const message = await subscribe.read();
      assert.ok(message.type === "UNSUBSCRIBE" && message.requestId === 0n);
    }
    const late = server.subgroup(3n, 9n);
    await assert.rejects(late.writer.closed, { streamErrorCode: 1 });
    assert.deepEqual(await take(reader, 1), ["over undefined"]);
  });

  test(`draft-${version}: setForward is a REQUEST_UPDATE`, async () => {
    const { reader, subscribe } = await joined(version);
    reader.setForward(false);
    const update = await subscribe.read();
    assert.ok(update.type === "REQUEST_UPDATE" && update.parameters.forward === false && update.requestId === 4n);
    assert.equal(update.existingRequestId, version === 16 ? 0n : undefined);
  });

  test(`draft-${version}: namespaces under a prefix`, async () => {
    const { session, server } = await begin(version);
    const abort = new AbortController();
    const events: string[] = [];
    const text = new TextDecoder();
    const following = (async () => {
      for await (const { kind, namespace } of session.namespaces(namespaceFromText(["live"]), abort.signal)) {
        events.push(`${kind} ${namespace.map((field) => text.decode(field)).join("/")}`);
        if (events.length === 3) abort.abort();
      }
    })();
    // On a stream of its own in both drafts.
    const talk = await server.talk();
    assert.equal((await talk.read()).type, "SUBSCRIBE_NAMESPACE");
    talk.send({ type: "REQUEST_OK", ...replyTo(talk, 0n), ...OK });
    for (const type of ["NAMESPACE", "NAMESPACE", "NAMESPACE_DONE"] as const) {
      talk.send({ type, suffix: namespaceFromText(["a"]) });
    }
    talk.send({ type: "NAMESPACE", suffix: namespaceFromText(["b"]) });
    await following;
    assert.deepEqual(events, ["added live/a", "removed live/a", "added live/b", "removed live/b"]);
  });

  test(`draft-${version}: the token goes in SETUP, and a server that refuses it is understood`, async () => {
    const { carrier, server } = fake(version);
    const starting = Session.start(carrier, version, { token: "secret", host: "test" });
    const setup =
      version === 16
        ? await (await server.talk()).read()
        : await new Talk({ readable: (await server.uni.read()).value ?? new ReadableStream(), writable: new WritableStream() }, 18).read();
    assert.ok(setup.type === "SETUP");
    const [token] = setup.options.tokens ?? [];
    assert.ok(token?.kind === "use-value" && new TextDecoder().decode(token.value) === "secret");
    server.close({ closeCode: 2, reason: "no" });
    const end = await starting.then((session) => session.closed, (error: unknown) => error);
    assert.ok(end instanceof SourceError && end.code === "unauthorized");
  });
}

test("a broken stream ends the session with its code", async () => {
  const { session, server } = await begin(18);
  server.open(Uint8Array.of(0x3f));
  assert.equal((await server.closed).closeCode, 3);
  const end = await session.closed;
  assert.equal(end.code, "protocol");
  assert.match(end.message, /the server broke the protocol: .*stream/);
});

test("only so many streams wait for an alias", async () => {
  const { server } = await begin(18);
  const streams = Array.from({ length: EARLY_STREAMS }, () => server.subgroup(99n, 1n));
  await new Promise((resolve) => setTimeout(resolve, 20));
  const further = server.subgroup(99n, 1n);
  await assert.rejects(further.writer.closed, { streamErrorCode: 1 });
  const first = await Promise.race([streams[0]?.writer.closed, Promise.resolve("open")]);
  assert.equal(first, "open");
});

test("nothing is read far ahead of the reader", async () => {
  const { server, reader } = await joined(18, 7n, 0n);
  head(server, 2n, 7n, [0n]);
  const live = server.subgroup(3n, 7n);
  let read = 0;
  for (let object = 1n; object <= 30n; object++) live.object(object, "x".repeat(400_000), () => (read += 1));
  await new Promise((resolve) => setTimeout(resolve, 50));
  // Three fill the bytes of read-ahead, and one is on its way.
  assert.ok(read <= 4, `${read} objects were read though nobody asked`);
  const events = await take(reader, 31);
  assert.deepEqual(events.slice(-1), ["7.30"]);
});

test("streams of one object each come in the order of their ids", async () => {
  const { server, reader } = await joined(18, 7n, 0n);
  head(server, 2n, 7n, [0n]);
  assert.deepEqual(await take(reader, 1), ["7.0f"]);
  for (const object of [1n, 3n, 2n]) server.subgroup(3n, 7n, false).object(object).finish();
  assert.deepEqual(await take(reader, 3), ["7.1", "7.2", "7.3"]);
  server.subgroup(3n, 8n).object(0n).finish();
  assert.deepEqual((await take(reader, 3)).filter((event) => event === "end 7"), ["end 7"]);
});

test("draft-16: requests wait until their ids are granted", async () => {
  const { carrier, server } = fake(16);
  const greeted = server.greet(0n);
  const session = await Session.start(carrier, 16, { token: "", host: "test" });
  const control = await greeted;
  assert.ok(control instanceof Talk);
  const opening = session.subscribe(track, { priority: 1, filter: { kind: "next-group" } });
  assert.equal((await control.read()).type, "REQUESTS_BLOCKED");
  control.send({ type: "MAX_REQUEST_ID", maxRequestId: 1n });
  assert.equal((await control.read()).type, "SUBSCRIBE");
  control.send({ type: "SUBSCRIBE_OK", requestId: 0n, trackAlias: 1n, ...OK });
  assert.equal((await opening).largest, undefined);
});

test("a page publishes: SUBSCRIBE, a joining FETCH, streams, updates and the end", async () => {
  const { session, server } = await begin(18);
  session.publisher.onSubscribe = async (request) => {
    const publication = request.accept({ group: 4n, object: 1n });
    const stream = await publication.openSubgroup({ group: 4n, subgroup: 0n, priority: 1, endOfGroup: true });
    await stream.write({ object: 2n, properties: Properties.EMPTY, payload: Uint8Array.of(1, 2, 3) });
    stream.finish();
    publication.onUpdate = () => {
      assert.equal(publication.newGroup, 9n);
      void setTimeout(() => publication.done(2, "over"));
    };
  };
  session.publisher.onFetch = async (request) => {
    assert.deepEqual([request.start, request.end], [{ group: 4n, object: 0n }, { group: 4n, object: 2n }]);
    const output = await request.accept();
    output.finish();
  };
  const fetch = server.request({ type: "FETCH", requestId: 3n, range: { kind: "relative", joining: 1n, groups: 0n }, parameters: {} });
  const talk = server.request({ type: "SUBSCRIBE", requestId: 1n, track, parameters: {} });
  const ok = await talk.read();
  assert.ok(ok.type === "SUBSCRIBE_OK" && ok.parameters.largestObject?.object === 1n);
  assert.equal((await fetch.read()).type, "FETCH_OK");
  talk.send({ type: "REQUEST_UPDATE", requestId: 5n, existingRequestId: undefined, parameters: { forward: false, newGroupRequest: 9n } });
  const answers = [await talk.read(), await talk.read()];
  const done = answers.find((message) => message.type === "PUBLISH_DONE");
  assert.ok(done?.type === "PUBLISH_DONE" && done.streamCount === 1n && done.status === 2);
});
