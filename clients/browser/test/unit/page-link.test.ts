import assert from "node:assert/strict";
import { test } from "node:test";
import { formatLink, parseLink, parseNamespace, type Shown, titleOf } from "../../src/page/link.ts";
import { LATENCY_MS, PLAYERS } from "../../src/page/limit.ts";

test("one broadcast with everything that a link can say", () => {
  const shown = [{ namespace: ["live", "demo"], latency: 500, stats: true, rendition: "video0" }];
  assert.deepEqual(parseLink("#live/demo?latency=500&stats=1&rendition=video0"), shown);
  assert.equal(formatLink(shown), "#live/demo?latency=500&stats=1&rendition=video0");
});

test("several side by side, in order, each once", () => {
  const shown = parseLink("#live/a+live/b?latency=0+live/a?stats=1+other");
  assert.deepEqual(shown, [{ namespace: ["live", "a"] }, { namespace: ["live", "b"], latency: 0 }, { namespace: ["other"] }]);
  assert.equal(formatLink(shown), "#live/a+live/b?latency=0+other");
});

test("no broadcast is no hash", () => {
  for (const hash of ["", "#", "#+", "#/", "#?latency=1", "#//?stats=1+"]) assert.deepEqual(parseLink(hash), [], hash);
  assert.equal(formatLink([]), "");
});

test("names with separators of the grammar survive the way through an address", () => {
  const fields = ["a+b", "c/d", "e?f", "g&h=i", "j#k", "50 %", "ü 🎥", "%2B", ".."];
  const shown: Shown[] = fields.map((field) => ({ namespace: ["live", field], rendition: field }));
  assert.deepEqual(parseLink(new URL(formatLink(shown), "http://localhost/").hash), shown);
  assert.doesNotMatch(formatLink(shown).slice(1), /#| |"/);
});

test("what is not understood is left out", () => {
  assert.deepEqual(parseLink("#live/demo?latency=soon&stats=0&colour=red&rendition="), [{ namespace: ["live", "demo"] }]);
  assert.deepEqual(parseLink("#live/demo?latency=-5&latency=1e3"), [{ namespace: ["live", "demo"] }]);
  assert.deepEqual(parseLink("#live/demo?latency=live"), [{ namespace: ["live", "demo"], latency: 0 }]);
  assert.deepEqual(parseLink("#100%/x?rendition=%zz"), [{ namespace: ["100%", "x"], rendition: "%zz" }]);
});

test("a hostile link is bounded", () => {
  const many = Array.from({ length: 1000 }, (_, index) => `live/${index}`).join("+");
  assert.equal(parseLink(many).length, PLAYERS);
  assert.equal(parseLink("#a?latency=999999")[0]?.latency, LATENCY_MS);
});

test("a lone surrogate does not stop the page", () => {
  assert.equal(formatLink([{ namespace: ["\ud800"] }]), "#%EF%BF%BD");
});

test("a namespace as a person types it", () => {
  assert.deepEqual(parseNamespace("/live//demo/"), ["live", "demo"]);
  assert.equal(titleOf(["live", "demo"]), "live/demo");
});
