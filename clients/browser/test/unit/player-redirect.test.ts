// Servers that send a player on.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { RequestErrorCode } from "../../src/moqt/error_code.ts";
import { fullTrackName } from "../../src/moqt/name.ts";
import type { Connector } from "../../src/player/connect.ts";
import { Player } from "../../src/player/player.ts";
import type { Notice, PlayOptions } from "../../src/player/protocol.ts";
import { Moves, placeOf, Trail } from "../../src/player/redirect.ts";
import { RequestRefused } from "../../src/session/error.ts";
import { type Source, SourceError } from "../../src/source/source.ts";

const OPTIONS: PlayOptions = {
  server: "https://a:4443",
  path: "/live/demo?token=secret",
  namespace: ["live", "demo"],
  token: "",
  certificateHashes: [],
  httpBase: "",
  transport: "webtransport",
  latency: 0,
  rendition: "",
  audio: true,
};
const SAME = { namespace: [], name: new Uint8Array() };
const isRedirect = (words: RegExp) => (error: unknown) => error instanceof SourceError && error.code === "redirect" && words.test(error.message);

test("a URI changes the server, and the path if it has one", () => {
  assert.equal(placeOf("", OPTIONS), OPTIONS);
  const { server, path } = placeOf("https://b:1/", OPTIONS);
  assert.deepEqual([server, path], ["https://b:1", OPTIONS.path]);
  assert.equal(placeOf("https://b/x?token=1", OPTIONS).path, "/x?token=1");
  for (const uri of ["http://b/", "moqt://b/?token=1", "javascript:1", "nonsense"]) {
    assert.throws(() => placeOf(uri, OPTIONS), isRedirect(/https:\/\/a:4443 sends this player to [^?]*, but a browser/));
  }
});

test("a redirect may name another broadcast, by its catalog", () => {
  const next = new Trail().follow(OPTIONS, { uri: "", track: fullTrackName(["other"], "catalog") });
  assert.deepEqual([next.server, next.namespace], [OPTIONS.server, ["other"]]);
  assert.throws(() => new Trail().follow(OPTIONS, { uri: "", track: fullTrackName(["other"], "video0") }), isRedirect(/not a catalog/));
});

test("circles and long ways end", () => {
  const trail = new Trail();
  const b = trail.follow(OPTIONS, { uri: "https://b", track: SAME });
  const back = { uri: "https://a:4443/live/demo?token=secret", track: SAME };
  assert.throws(() => trail.follow(b, back), isRedirect(/in a circle: https:\/\/a:4443\/live\/demo → https:\/\/b\/live\/demo → https:\/\/a:4443\/live\/demo$/));
  assert.throws(() => new Trail().follow(OPTIONS, { uri: "", track: SAME }), isRedirect(/circle/));
  const long = new Trail();
  let place = OPTIONS;
  for (let hop = 0; hop < 5; hop++) place = long.follow(place, { uri: `https://c${hop}/`, track: SAME });
  assert.throws(() => long.follow(place, { uri: "https://d/", track: SAME }), isRedirect(/more than 5 times/));
});

test("GOAWAYs count until a server serves for a while", () => {
  const moves = new Moves();
  for (let at = 0; at < 5; at++) {
    moves.next(at);
    moves.arrived(at);
  }
  assert.throws(() => moves.next(6), isRedirect(/more than 5 times/));
  moves.arrived(7);
  moves.next(7 + 10_000);
});

// A player looks at itself every second for as long as its worker lives, and tests are to end.
mock.timers.enable({ apis: ["setInterval"] });
// Nothing is painted here.
Object.assign(globalThis, { requestAnimationFrame: () => 0, cancelAnimationFrame: () => undefined });

/** A server that has nothing, and may know where it is. */
class Sends implements Source {
  readonly kind = "webtransport";
  readonly closed = new Promise<SourceError>(() => undefined);
  onLeave: ((uri: string) => void) | undefined;
  isClosed = false;
  readonly #to: string | undefined;
  constructor(to: string | undefined) {
    this.#to = to;
  }
  open(): Promise<never> {
    if (this.#to === undefined) return Promise.reject(new SourceError("not-found", "nothing"));
    const redirect = { uri: this.#to, track: SAME };
    return Promise.reject(new RequestRefused("SUBSCRIBE", { code: RequestErrorCode.REDIRECT, retry: undefined, reason: "", redirect }));
  }
  async *broadcasts(): AsyncIterable<never> {}
  close(): void {
    this.isClosed = true;
  }
}

/** Starts a player among these servers; resolves with where it went when it is `state`. */
async function play(servers: Record<string, string | undefined>, state: "failed" | "waiting") {
  const went: string[] = [];
  const sources: Sends[] = [];
  const webtransport: Connector = ({ server }) => {
    went.push(server);
    const source = new Sends(servers[server]);
    sources.push(source);
    return Promise.resolve(source);
  };
  let player: Player | undefined;
  const sleep = (): Promise<void> => new Promise(() => undefined);
  const notice = await new Promise<Extract<Notice, { type: "state" }>>((resolve) => {
    const post = (notice: Notice): void => {
      if (notice.type === "state" && notice.state === state) resolve(notice);
    };
    player = new Player(post, { webtransport, http: undefined, sleep, random: () => 0.5 });
    player.handle({ type: "start", options: OPTIONS });
  });
  player?.handle({ type: "stop" });
  return { went, sources, notice };
}

test("the player goes where it is sent, and leaves where it was", async () => {
  const { went, sources } = await play({ "https://a:4443": "https://b", "https://b": "https://c", "https://c": undefined }, "waiting");
  assert.deepEqual(went, ["https://a:4443", "https://b", "https://c"]);
  assert.deepEqual(sources.slice(0, 2).map(({ isClosed }) => isClosed), [true, true]);
});

test("the player says when servers send it in a circle, or to a scheme it has not", async () => {
  const circle = await play({ "https://a:4443": "https://b", "https://b": "https://a:4443" }, "failed");
  assert.equal(circle.notice.code, "redirect");
  assert.match(circle.notice.message, /in a circle/);
  assert.equal(circle.went.length, 2);
  const scheme = await play({ "https://a:4443": "http://b" }, "failed");
  assert.match(scheme.notice.message, /https:\/\/ only/);
});
