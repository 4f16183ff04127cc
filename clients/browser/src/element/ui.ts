import type { Actions, View } from "./view.ts";
import { make } from "./dom.ts";
export class Ui {
  readonly frame: HTMLElement;
  readonly elements: HTMLElement[];
  constructor(canvas: HTMLCanvasElement, _actions: Actions) {
    this.frame = make("div", { class: "frame", part: "frame", tabindex: "0" }, canvas);
    this.elements = [this.frame];
  }
  replaceCanvas(canvas: HTMLCanvasElement): void { this.frame.querySelector("canvas")?.replaceWith(canvas); }
  show(_view: View): void {}
  key(_event: KeyboardEvent): void {}
}
