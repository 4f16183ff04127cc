// Words and numbers that viewers read, and the chart's arithmetic.
import assert from "node:assert/strict";
import { test } from "node:test";
import { axisTop, DelayHistory, total } from "../../src/element/chart.ts";
import { bitrate, duration, milliseconds, percent, uncertainty } from "../../src/element/format.ts";
import { CHART_SECONDS } from "../../src/element/limit.ts";
import { describeStages } from "../../src/element/stages.ts";
import { obstacle, sourceNote, type StateNotice, wordsFor } from "../../src/element/words.ts";
import type { DelayStage } from "../../src/player/protocol.ts";

function notice(state: StateNotice["state"], code: StateNotice["code"] = "", message = "said so."): StateNotice {
  return { type: "state", state, code, message };
}

test("a playing picture has no words over it", () => {
  assert.equal(wordsFor(notice("playing"), "live/demo").title, "");
});

test("every failure says what to do, and keeps what the player said", () => {
  for (const code of ["unauthorized", "no-webtransport", "unsupported", "decode", "protocol", "unreachable", ""] as const) {
    const words = wordsFor(notice("failed", code), "live/demo");
    assert.equal(words.tone, "error", code);
    assert.ok(words.title !== "" && words.advice !== "", code);
  }
  assert.match(wordsFor(notice("failed", "unauthorized"), "live/demo").advice, /token/);
});

test("a server that does not answer: why is said, and that it is tried again", () => {
  const { advice, tone } = wordsFor(notice("connecting", "unreachable", "nobody listens there, or UDP is blocked"), "live/demo");
  assert.equal(tone, "busy");
  assert.equal(advice, "Nobody listens there, or UDP is blocked. Trying again by itself.");
});

test("a player without an address has no play button", () => {
  assert.equal(wordsFor(notice("idle"), "", true).action, "Play");
  assert.equal(wordsFor(notice("idle"), "", false).action, "");
});

test("a broadcast that is not there is named, and waited for", () => {
  assert.match(wordsFor(notice("waiting", "not-found"), "live/demo").title, /live\/demo/);
});

test("a browser without WebCodecs is told whether the page or the browser is at fault", () => {
  assert.equal(obstacle({ isSecure: true, canPlay: true }), undefined);
  assert.match(obstacle({ isSecure: false, canPlay: false })?.message ?? "", /https/);
  assert.match(obstacle({ isSecure: true, canPlay: false })?.message ?? "", /WebCodecs/);
});

test("HTTP is explained unless it was asked for", () => {
  assert.equal(sourceNote("webtransport", ""), "");
  assert.equal(sourceNote("http", "asked for"), "");
  assert.match(sourceNote("http", "WebTransport does not answer: UDP may be blocked on the way"), /UDP seems blocked/);
  assert.match(sourceNote("http", "This browser has no WebTransport."), /has no WebTransport/);
  assert.match(sourceNote("http", "this browser has no WebCodecs"), /has no WebCodecs\.$/);
});

test("stages are named by where they are", () => {
  const way = ["origin", "link 1", "relay 1", "link 2", "receive", "buffer", "decode", "paint"];
  const words = describeStages(way.map((stage) => ({ stage })));
  assert.deepEqual(
    words.map(({ name }) => name),
    ["origin", "network to relay 1", "inside relay 1", "network to you", "receiving", "waiting", "decoding", "painting"],
  );
  assert.ok(words.every(({ meaning }) => meaning.endsWith(".")));
  assert.equal(describeStages([{ stage: "link 1" }])[0]?.name, "network to you");
});

test("numbers have their units", () => {
  assert.deepEqual([0, 12.4, 999.6, 1500].map(duration), ["0 ms", "12 ms", "1.0 s", "1.5 s"]);
  assert.deepEqual([0.04, 9.96, 120.4, NaN].map(milliseconds), ["0.0", "10", "120", "?"]);
  assert.deepEqual([0, 1.5].map(uncertainty), ["", "±1.5"]);
  assert.deepEqual([96_000, 2_830_000].map(bitrate), ["96 kb/s", "2.8 Mb/s"]);
  assert.deepEqual([0, 0.0004, 0.012, 0.5].map(percent), ["0 %", "< 0.1 %", "1.2 %", "50 %"]);
});

function stage(name: string, now: number): DelayStage {
  return { stage: name, now, p50: now, p99: now, uncertainty: 0 };
}

test("the chart remembers a minute and no more", () => {
  const history = new DelayHistory();
  for (let second = 0; second < 200; second++) history.push(second * 1000, [stage("buffer", second), stage("paint", 1)]);
  assert.equal(history.columns.length, CHART_SECONDS);
  assert.equal(history.columns.at(-1)?.at, 199_000);
  assert.equal(history.peak, 200);
  history.push(300_000, [stage("buffer", 5), stage("paint", NaN)]);
  assert.equal(history.columns.length, 1, "what is older than a minute is gone");
  const [column] = history.columns;
  assert.ok(column !== undefined);
  assert.equal(total(column), 5);
});

test("the axis ends at a round number", () => {
  assert.deepEqual([0, 9, 25, 70, 105, 205, 401, 999].map(axisTop), [10, 10, 30, 80, 200, 300, 600, 1000]);
});
