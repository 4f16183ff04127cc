import assert from "node:assert/strict";
import { test } from "node:test";
import { developerCommands, embedCode, linkTo, sendCommand } from "../../src/page/commands.ts";
import { fetchBroadcasts, fetchFacts, readBroadcasts, readFacts } from "../../src/page/relay.ts";
import type { Phase, Status } from "../../src/page/follow.ts";
import { explain, obstacle, statusLine } from "../../src/page/words.ts";

const page = new URL("http://localhost:8080/#live/demo");
const place = { server: "https://localhost:4443", origin: "http://localhost:8080" };
const hash = "ab".repeat(32);

test("the relay is where /server.json says, and where it usually is without", () => {
  const pages = [{ name: "Shops", path: "/shop/" }];
  const facts = { server: "https://localhost:5000", hashes: [hash], pages };
  assert.deepEqual(readFacts({ port: 5000, certificateHashes: [hash], pages: [...pages, { name: "x", path: "//evil.example/" }, 7] }, page), facts);
  const usual = { server: "https://localhost:4443", hashes: [], pages: [] };
  for (const answer of [null, 7, {}, { port: "5000" }, { port: 0 }, { port: 70_000 }, { certificateHashes: ["no", 3] }]) {
    assert.deepEqual(readFacts(answer, page), usual, JSON.stringify(answer));
  }
  assert.equal(readFacts({ port: 1 }, new URL("https://[::1]:4443/")).server, "https://[::1]:1");
});

test("a page on another web server takes the usual port, a dead relay is told from it", async () => {
  const notFound = await fetchFacts(page, async () => new Response("", { status: 404 }));
  assert.equal(notFound?.server, "https://localhost:4443");
  const html = await fetchFacts(page, async () => new Response("<!doctype html>"));
  assert.equal(html?.server, "https://localhost:4443");
  assert.equal(await fetchFacts(page, async () => { throw new TypeError("Failed to fetch"); }), undefined);
});

test("the list over HTTP carries the token and tells refused from dead", async () => {
  let sent: string | null = "";
  const ask = (status: number, body: unknown) =>
    fetchBroadcasts(place.origin, "secret", async (_, init) => {
      sent = new Headers(init?.headers).get("authorization");
      return new Response(JSON.stringify(body), { status });
    });
  assert.deepEqual(await ask(200, { broadcasts: [{ namespace: ["live", "demo"] }] }), { kind: "list", namespaces: [["live", "demo"]] });
  assert.equal(sent, "Bearer secret");
  assert.deepEqual(await ask(401, {}), { kind: "unauthorized" });
  assert.deepEqual(await ask(502, {}), { kind: "unreachable" });
  const dead = await fetchBroadcasts(place.origin, "", async () => { throw new TypeError("Failed to fetch"); });
  assert.deepEqual(dead, { kind: "unreachable" });
});

test("entries that are no namespaces are left out of the list", () => {
  const broadcasts = [{ namespace: ["a"] }, { namespace: [] }, { namespace: ["", "b"] }, { namespace: "c" }, null, {}, { namespace: [1] }];
  assert.deepEqual(readBroadcasts({ broadcasts }), [["a"]]);
  assert.deepEqual(readBroadcasts({ broadcasts: "none" }), []);
  assert.deepEqual(readBroadcasts(undefined), []);
});

test("a copied link has the token only if that was asked for", () => {
  const shown = [{ namespace: ["live", "demo"], latency: 300 }];
  assert.equal(linkTo("http://localhost:8080/?x=1#old", shown, ""), "http://localhost:8080/#live/demo?latency=300");
  assert.equal(linkTo("http://localhost:8080/", shown, "a b&c"), "http://localhost:8080/?token=a%20b%26c#live/demo?latency=300");
});

test("embed code is safe to paste", () => {
  const code = embedCode(place, { namespace: ["live", '"><script>'], rendition: '"x' });
  assert.match(code, /^<script type="module" src="http:\/\/localhost:8080\/efir-player\.js"><\/script>\n<efir-player src="https:\/\/localhost:4443\/live\/%22%3E%3Cscript%3E"/);
  assert.match(code, /rendition="&quot;x"/);
});

test("commands are whole and quoted for a shell", () => {
  assert.deepEqual(developerCommands(place, ["live", "demo"]).map(({ text }) => text), [
    "efir pull https://localhost:4443/live/demo -o out.mp4",
    "curl -N http://localhost:8080/tracks/live/demo/video0/live | ffplay -",
    "curl http://localhost:8080/tracks/live/demo/video0/latest -o group.bin",
  ]);
  const [pull, live] = developerCommands({ server: "https://[::1]:4443", origin: "https://[::1]:4443" }, ["it's; rm -rf"]);
  assert.equal(pull?.text, "efir pull 'https://[::1]:4443/it'\\''s%3B%20rm%20-rf' -o out.mp4");
  assert.match(live?.text ?? "", /^curl -k -N '/);
  assert.match(sendCommand(place), /\| efir-origin - .* --publish https:\/\/localhost:4443\/$/);
});

function status(phase: Phase, more: Partial<Status> = {}): Status {
  return { phase, reason: "", facts: { server: "https://localhost:4443", hashes: [], pages: [] }, broadcasts: [], ...more };
}

test("every trouble has words that say what to do", () => {
  assert.match(explain(status("unreachable"), "")?.advice ?? "", /cargo run --release/);
  assert.match(explain(status("unauthorized"), "")?.title ?? "", /needed/);
  assert.match(explain(status("unauthorized"), "x")?.title ?? "", /refused/);
  assert.match(explain(status("http", { reason: "unreachable" }), "")?.advice ?? "", /UDP port 4443.*certificate.*HTTP/);
  assert.match(explain(status("http", { reason: "no-webtransport" }), "")?.title ?? "", /no WebTransport/);
  assert.match(explain(status("http", { reason: "protocol" }), "")?.advice ?? "", /Reload/);
  assert.equal(explain(status("live"), ""), undefined);
  assert.equal(explain(status("searching"), ""), undefined);
});

test("the line by the heading counts", () => {
  assert.equal(statusLine(status("live")), "No broadcasts on localhost:4443");
  assert.equal(statusLine(status("live", { broadcasts: [["a"]] })), "1 broadcast on localhost:4443");
  assert.match(statusLine(status("http", { broadcasts: [["a"], ["b"]], reason: "unreachable" })), /^2 broadcasts .* HTTP because/);
});

test("browsers that cannot play are told why", () => {
  const able = { isSecure: true, hasWebCodecs: true, hasMediaSource: true };
  assert.equal(obstacle(able, page), undefined);
  const far = new URL("http://192.0.2.1:8080/");
  assert.match(obstacle({ ...able, isSecure: false, hasWebCodecs: false }, far)?.advice ?? "", /http:\/\/localhost:8080\//);
  assert.match(obstacle({ ...able, hasWebCodecs: false }, page)?.advice ?? "", /more delay/);
  assert.match(obstacle({ isSecure: true, hasWebCodecs: false, hasMediaSource: false }, page)?.title ?? "", /cannot play/);
});
