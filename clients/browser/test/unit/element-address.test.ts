// What attributes say, and where certificate hashes are asked for.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress, parseHashes, parseLatency, parseTransport, parseVolume } from "../../src/element/address.ts";
import { findServer } from "../../src/element/server.ts";

const HASH = "0123456789abcdef".repeat(4);
const OTHER = "f".repeat(64);

test("src is server, path, namespace and token", () => {
  assert.deepEqual(parseAddress("https://host:4443/live/de%20mo%2F1?token=x", null), {
    server: "https://host:4443",
    path: "/live/de%20mo%2F1?token=x",
    namespace: ["live", "de mo/1"],
    token: "x",
  });
});

test("the token attribute goes before the one in src", () => {
  const { path, token } = parseAddress("https://host/a?token=x", "y z");
  assert.deepEqual({ path, token }, { path: "/a?token=y+z", token: "y z" });
});

test("a percent sign that begins no character stands for itself", () => {
  assert.deepEqual(parseAddress("https://host/100%/a", null).namespace, ["100%", "a"]);
});

for (const [src, complaint] of [
  ["live/demo", /not whole/],
  ["http://host/live", /https/],
  ["https://host:4443/", /no broadcast/],
] as const) {
  test(`the address ${src} is refused with words that help`, () => {
    assert.throws(() => parseAddress(src, null), complaint);
  });
}

test("latency is ms, and everything else is live", () => {
  assert.deepEqual(["live", null, "", "500", "1e9", "-3", "soon"].map(parseLatency), [0, 0, 0, 500, 30_000, 0, 0]);
});

test("volume is between 0 and 1, and full when it is no number", () => {
  assert.deepEqual([null, "", "0", "0.3", "7", "-1", "loud"].map(parseVolume), [1, 1, 0, 0.3, 1, 0, 1]);
});

test("hashes are found in tools' output, once each", () => {
  const colons = HASH.toUpperCase().match(/../g)?.join(":") ?? "";
  assert.deepEqual(parseHashes(`SHA-256: ${colons}\n${OTHER} ${HASH} 1234`), [HASH, OTHER]);
  assert.deepEqual(parseHashes(null), []);
});

test("transport is one of three", () => {
  assert.deepEqual([null, "http", "webtransport", "pigeon"].map(parseTransport), ["auto", "http", "webtransport", "auto"]);
});

/** A web of known pages, which notes what is asked for. */
function web(pages: Record<string, string>): { get: typeof fetch; asked: string[] } {
  const asked: string[] = [];
  const get = (url: RequestInfo | URL): Promise<Response> => {
    asked.push(String(url));
    const page = pages[String(url)];
    return page === undefined ? Promise.reject(new TypeError("refused")) : Promise.resolve(new Response(page));
  };
  return { get, asked };
}

test("the page's word about the HTTP edge is asked for server.json", async () => {
  const { get } = web({ "http://edge:80/server.json": JSON.stringify({ port: 1, certificateHashes: [HASH, OTHER] }) });
  assert.deepEqual(await findServer("https://host:4443", "http://edge:80/", "", get), {
    httpBase: "http://edge:80",
    hashes: [HASH, OTHER],
  });
});

test("an older server tells its fingerprint only", async () => {
  const { get } = web({ "http://localhost:8080/certificate.sha256": `${HASH}\n` });
  const script = "http://localhost:8080/efir-player.js";
  assert.deepEqual(await findServer("https://localhost:4443", "", script, get), {
    httpBase: "http://localhost:8080",
    hashes: [HASH],
  });
});

test("a server elsewhere that says nothing has a certificate that browsers trust", async () => {
  const { get, asked } = web({});
  assert.deepEqual(await findServer("https://relay.example", "", "https://page.example/efir-player.js", get), { httpBase: "", hashes: [] });
  assert.deepEqual(asked, []);
});

test("what is no list of hashes is not believed", async () => {
  const { get } = web({ "http://edge/server.json": '{"certificateHashes":"all"}', "http://edge/certificate.sha256": "<html>" });
  assert.deepEqual(await findServer("https://host", "http://edge", "", get), { httpBase: "http://edge", hashes: [] });
});
