// Pictures onto the canvas.

export class Painter {
  readonly #canvas: OffscreenCanvas;
  readonly #context: OffscreenCanvasRenderingContext2D | null;

  constructor(canvas: OffscreenCanvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false, desynchronized: true });
  }

  /** Draws; the canvas takes the picture's size, the page scales it. */
  paint(frame: VideoFrame): void {
    const { displayWidth: width, displayHeight: height } = frame;
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    this.#context?.drawImage(frame, 0, 0, width, height);
  }
}

/** Calls at every chance to paint, and where there is none (a hidden page) about ten times a second. */
export function onFrames(callback: (now: number) => void): { stop(): void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let request = 0;
  let isStopped = false;
  const run = (): void => {
    cancelAnimationFrame(request);
    clearTimeout(timer);
    if (isStopped) return;
    callback(performance.now());
    request = requestAnimationFrame(run);
    timer = setTimeout(run, 100);
  };
  run();
  return {
    stop: () => {
      isStopped = true;
      cancelAnimationFrame(request);
      clearTimeout(timer);
    },
  };
}
