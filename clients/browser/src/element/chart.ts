// Delay by stage over the last minute, as stacked areas.

import type { DelayStage } from "../player/protocol.ts";
import { duration } from "./format.ts";
import { CHART_SECONDS } from "./limit.ts";

export interface Column {
  /** unix ms */
  at: number;
  /** ms by stage. */
  delays: Map<string, number>;
}

/** Stages in order from the camera to the eye, and what each took in every second of the last minute. */
export class DelayHistory {
  readonly columns: Column[] = [];
  stages: string[] = [];

  push(at: number, stages: readonly DelayStage[]): void {
    if (stages.length === 0) return;
    this.stages = stages.map(({ stage }) => stage);
    this.columns.push({ at, delays: new Map(stages.map(({ stage, now }) => [stage, Math.max(0, finite(now))])) });
    const oldest = at - CHART_SECONDS * 1000;
    while (this.columns.length > CHART_SECONDS || (this.columns[0] !== undefined && this.columns[0].at < oldest)) this.columns.shift();
  }

  clear(): void {
    this.columns.length = 0;
  }

  /** The largest sum of a column, ms. */
  get peak(): number {
    return Math.max(0, ...this.columns.map(total));
  }
}

export function total({ delays }: Column): number {
  let sum = 0;
  for (const delay of delays.values()) sum += delay;
  return sum;
}

/** A round number at or above `value` that divides into the steps of an axis. */
export function axisTop(value: number): number {
  const decade = 10 ** Math.floor(Math.log10(Math.max(10, value)));
  return ([1, 2, 3, 4, 6, 8, 10].find((step) => step * decade >= value) ?? 10) * decade;
}

/** Colour of a stage; of mid brightness so that it shows on light and dark. */
export function stageColour(stage: string): string {
  const [kind, count] = stage.split(" ");
  const isOdd = Number(count ?? 1) % 2 === 1;
  switch (kind) {
    case "origin":
      return "#8d72d8";
    case "link":
      return isOdd ? "#3d8bd4" : "#74b3ec";
    case "relay":
      return isOdd ? "#dd8435" : "#efb06c";
    case "receive":
      return "#22a094";
    case "buffer":
      return "#8b959f";
    case "decode":
      return "#5ca646";
    default:
      return "#d2578f";
  }
}

export interface ChartColours {
  text: string;
  grid: string;
  ground: string;
}

const LEFT = 52;
const BOTTOM = 20;
const TOP = 8;

export class DelayChart {
  readonly canvas: HTMLCanvasElement;
  readonly #history: DelayHistory;
  #marked: number | undefined;

  constructor(canvas: HTMLCanvasElement, history: DelayHistory) {
    this.canvas = canvas;
    this.#history = history;
  }

  /** The column under the pointer, `x` in CSS pixels from the canvas' left; undefined where there is none. */
  mark(x: number | undefined): Column | undefined {
    const { columns } = this.#history;
    const newest = columns.at(-1);
    this.#marked = undefined;
    if (x === undefined || newest === undefined) return undefined;
    const at = newest.at - (1 - (x - LEFT) / this.#plotWidth) * CHART_SECONDS * 1000;
    const nearest = columns.reduce((best, column) => (Math.abs(column.at - at) < Math.abs(best.at - at) ? column : best), newest);
    this.#marked = nearest.at;
    return nearest;
  }

  draw(colours: ChartColours): void {
    const { canvas } = this;
    const ratio = devicePixelRatio;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const context = canvas.getContext("2d");
    if (context === null || width === 0) return;
    const [deviceWidth, deviceHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== deviceWidth || canvas.height !== deviceHeight) {
      canvas.width = deviceWidth;
      canvas.height = deviceHeight;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    if (this.#history.columns.length === 0) return;
    const top = axisTop(this.#history.peak * 1.05);
    const plot = height - BOTTOM - TOP;
    const y = (value: number): number => TOP + plot * (1 - value / top);
    this.#axes(context, colours, top, y);
    this.#areas(context, colours, y);
    this.#marker(context, colours, y);
  }

  get #plotWidth(): number {
    return Math.max(1, this.canvas.clientWidth - LEFT - 2);
  }

  #x(at: number): number {
    const newest = this.#history.columns.at(-1)?.at ?? at;
    return LEFT + this.#plotWidth * (1 - (newest - at) / (CHART_SECONDS * 1000));
  }

  #axes(context: CanvasRenderingContext2D, colours: ChartColours, top: number, y: (value: number) => number): void {
    context.font = `11px ${getComputedStyle(this.canvas).fontFamily}`;
    context.lineWidth = 1;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const part of [0, 0.5, 1]) {
      const line = Math.round(y(top * part)) + 0.5;
      context.strokeStyle = colours.grid;
      context.beginPath();
      context.moveTo(LEFT, line);
      context.lineTo(LEFT + this.#plotWidth, line);
      context.stroke();
      context.fillStyle = colours.text;
      context.fillText(part === 0 ? "0" : duration(top * part), LEFT - 8, line);
    }
    const base = y(0) + 13;
    for (const [part, text, align] of [[0, `${CHART_SECONDS} s ago`, "left"], [1, "now", "right"]] as const) {
      context.textAlign = align;
      context.fillText(text, LEFT + this.#plotWidth * part, base);
    }
  }

  #areas(context: CanvasRenderingContext2D, colours: ChartColours, y: (value: number) => number): void {
    const { columns, stages } = this.#history;
    const below = columns.map(() => 0);
    for (const stage of stages) {
      const above = columns.map(({ delays }, index) => (below[index] ?? 0) + (delays.get(stage) ?? 0));
      context.beginPath();
      columns.forEach(({ at }, index) => context.lineTo(this.#x(at), y(above[index] ?? 0)));
      for (let index = columns.length - 1; index >= 0; index--) context.lineTo(this.#x(columns[index]?.at ?? 0), y(below[index] ?? 0));
      context.closePath();
      context.fillStyle = stageColour(stage);
      context.fill();
      // A thin line of the ground between neighbours, so that colours need not tell them apart alone.
      context.strokeStyle = colours.ground;
      context.lineWidth = 0.75;
      context.stroke();
      above.forEach((value, index) => (below[index] = value));
    }
  }

  #marker(context: CanvasRenderingContext2D, colours: ChartColours, y: (value: number) => number): void {
    const marked = this.#history.columns.find(({ at }) => at === this.#marked);
    if (marked === undefined) return;
    const x = Math.round(this.#x(marked.at)) + 0.5;
    context.strokeStyle = colours.text;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x, TOP);
    context.lineTo(x, y(0));
    context.stroke();
  }
}

function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}
