// The developer's panel: tiles, the delay chart and the same numbers as a table.

import type { PlayerStats } from "../player/protocol.ts";
import { type Column, DelayChart, DelayHistory, stageColour, total } from "./chart.ts";
import { make } from "./dom.ts";
import { bitrate, duration, milliseconds, percent, uncertainty } from "./format.ts";
import { describeStages } from "./stages.ts";

type Tile = [name: string, value: string, note: string];

export class StatsPanel {
  readonly element: HTMLElement;
  readonly #history = new DelayHistory();
  readonly #chart: DelayChart;
  readonly #tiles = make("dl", { part: "tiles", class: "tiles" });
  readonly #rows = make("tbody");
  readonly #sum = make("tfoot");
  readonly #nowHeader = make("th", { scope: "col" }, "now");
  readonly #line = make("p", { class: "line" });
  readonly #empty = make("p", { class: "empty" }, "No delay of the hops is known: the broadcast carries no times, or none came this way yet.");
  #stats: PlayerStats | undefined;
  #marked: Column | undefined;

  constructor() {
    const label = "Delay by stage over the last minute; the table has the same numbers";
    const canvas = make("canvas", { part: "chart", role: "img", "aria-label": label });
    this.#chart = new DelayChart(canvas, this.#history);
    const heads = ["p50", "p99", "±"].map((text) => make("th", { scope: "col" }, text));
    const caption = make("caption", {}, "Delay by stage, ms");
    const head = make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "stage"), this.#nowHeader, ...heads));
    const table = make("table", { part: "table" }, caption, head, this.#rows, this.#sum);
    const delays = make("div", { class: "delays" }, make("div", { class: "plot" }, canvas, this.#empty), table);
    const attributes = { part: "panel", class: "panel", "aria-label": "Delay and delivery", tabindex: "0" };
    this.element = make("section", attributes, delays, this.#tiles, this.#line);
    canvas.addEventListener("pointermove", (event) => this.#mark(event.offsetX));
    canvas.addEventListener("pointerleave", () => this.#mark(undefined));
    new ResizeObserver(() => this.#draw()).observe(canvas);
  }

  /** Every second, also while nobody looks: the chart shows the past minute when it is opened. */
  take(stats: PlayerStats): void {
    this.#stats = stats;
    this.#history.push(stats.at, stats.stages);
    if (this.element.isConnected) this.show();
  }

  clear(): void {
    this.#history.clear();
    this.#stats = undefined;
  }

  show(): void {
    const stats = this.#stats;
    if (stats === undefined) return;
    this.#tiles.replaceChildren(...tilesOf(stats).map(([name, value, note]) =>
      make("div", { part: "tile" }, make("dt", {}, name), make("dd", {}, value, make("small", {}, note)))));
    this.#line.textContent = lineOf(stats);
    this.#empty.hidden = stats.stages.length > 0;
    this.#table(stats);
    this.#draw();
  }

  #mark(x: number | undefined): void {
    this.#marked = this.#chart.mark(x);
    if (this.#stats !== undefined) this.#table(this.#stats);
    this.#draw();
  }

  /** The first column is of the second under the pointer, or of the newest. */
  #table({ stages, at, glassToGlass, captureKnown }: PlayerStats): void {
    const marked = this.#marked;
    this.#nowHeader.textContent = marked === undefined ? "now" : `−${Math.round((at - marked.at) / 1000)} s`;
    const cells = (...texts: string[]): HTMLElement[] => texts.map((text) => make("td", {}, text));
    const words = describeStages(stages);
    this.#rows.replaceChildren(...stages.map((stage, index) => {
      const swatch = make("i", { "aria-hidden": "true" });
      swatch.style.background = stageColour(stage.stage);
      const now = marked === undefined ? stage.now : (marked.delays.get(stage.stage) ?? NaN);
      const numbers = cells(milliseconds(now), milliseconds(stage.p50), milliseconds(stage.p99), uncertainty(stage.uncertainty));
      const { name, meaning } = words[index] ?? { name: stage.stage, meaning: "" };
      return make("tr", { title: meaning }, make("th", { scope: "row" }, swatch, name), ...numbers);
    }));
    const sum = marked === undefined ? stages.reduce((all, { now }) => all + now, 0) : total(marked);
    const whole = glassToGlass === undefined
      ? cells(milliseconds(sum), "", "", "")
      : cells(milliseconds(sum), milliseconds(glassToGlass.p50), milliseconds(glassToGlass.p99), uncertainty(glassToGlass.uncertainty));
    const name = captureKnown ? "capture to paint" : "origin to paint";
    this.#sum.replaceChildren(...(stages.length > 0 ? [make("tr", {}, make("th", { scope: "row" }, name), ...whole)] : []));
  }

  #draw(): void {
    if (!this.element.isConnected) return;
    // Of the canvas itself: custom properties would come unresolved.
    const { color, borderTopColor, backgroundColor } = getComputedStyle(this.#chart.canvas);
    this.#chart.draw({ text: color, grid: borderTopColor, ground: backgroundColor });
  }
}

function tilesOf(stats: PlayerStats): Tile[] {
  const { glassToGlass, stages } = stats;
  const sum = stages.reduce((all, { p50 }) => all + p50, 0);
  const delay: Tile = glassToGlass !== undefined
    ? ["Glass to glass", duration(glassToGlass.p50), `${uncertainty(glassToGlass.uncertainty)} p99 ${duration(glassToGlass.p99)}`.trim()]
    : ["Since the origin", stages.length > 0 ? duration(sum) : "–", "capture time unknown"];
  return [
    delay,
    ["Buffer", duration(stats.buffer), stats.targetLatency === 0 ? "as live as possible" : `target ${duration(stats.targetLatency)}`],
    ["Frame rate", `${stats.fps.toFixed(stats.fps < 9.95 ? 1 : 0)} fps`, stats.rate === 1 ? "" : `rate ${stats.rate.toFixed(2)}`],
    ["Bitrate", bitrate(stats.bitrate), ""],
    ["Round trip", stats.rtt === undefined ? "–" : duration(stats.rtt), ""],
    ["Loss", stats.loss === undefined ? "–" : percent(stats.loss), stats.loss === undefined ? "the relay does not tell" : ""],
    ["Skipped groups", String(stats.skippedGroups), stats.gaps > 0 ? `${stats.gaps} gaps` : ""],
    ["Dropped frames", String(stats.framesDropped), `of ${stats.framesPainted + stats.framesDropped}`],
    ["Tune-in", stats.tuneIn === undefined ? "–" : duration(stats.tuneIn), "request to first picture"],
    ["Transport", stats.source === "http" ? "HTTP" : stats.source === "webtransport" ? "WebTransport" : "–", stats.protocol],
    ["Picture", stats.width > 0 ? `${stats.width} × ${stats.height}` : "–", stats.codec],
  ];
}

function lineOf(stats: PlayerStats): string {
  const parts = [
    stats.rendition === "" ? "" : `rendition ${stats.rendition}`,
    stats.audioTrack === "" ? "no sound is received" : `sound ${stats.audioTrack}`,
    stats.reconnects > 0 ? `${stats.reconnects} reconnects` : "",
    stats.stalls > 0 ? `${stats.stalls} stalls` : "",
    stats.audioUnderruns > 0 ? `sound missing ${stats.audioUnderruns} times` : "",
  ];
  return parts.filter((part) => part !== "").join(" · ");
}
