// What plays: the worker with its canvas, or a video element where WebCodecs are missing. Both speak the worker's language.

import { needsMse } from "../fallback/support.ts";
import workerSource from "../player/worker.ts?bundle";
import type { Command, Notice } from "../player/protocol.ts";
import { make } from "./dom.ts";

export interface BackendEvents {
  notice(notice: Notice): void;
  /** It cannot go on; in words. */
  broken(message: string): void;
}

export interface Backend {
  readonly picture: HTMLCanvasElement | HTMLVideoElement;
  /** The first command is `start`. */
  send(command: Command, transfer?: Transferable[]): void;
  close(): void;
}

const PICTURE = { part: "picture", class: "picture" };

let workerUrl = "";

/** WebCodecs are here, or there is a way without them. */
export function canPlayHere(): boolean {
  return typeof VideoDecoder !== "undefined" || needsMse();
}

export function createBackend(events: BackendEvents): Backend {
  return needsMse() ? new VideoBackend(events) : new WorkerBackend(events);
}

class WorkerBackend implements Backend {
  readonly picture = make("canvas", { ...PICTURE, width: "1", height: "1", "aria-hidden": "true" });
  readonly #worker: Worker;
  #hasCanvas = false;

  constructor(events: BackendEvents) {
    workerUrl ||= URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }));
    this.#worker = new Worker(workerUrl, { name: "efir-player" });
    this.#worker.addEventListener("message", ({ data }: MessageEvent<Notice>) => events.notice(data));
    this.#worker.addEventListener("error", ({ message }) => {
      events.broken(`The player's worker stopped: ${message || "it was not loaded"}`);
    });
  }

  send(command: Command, transfer: Transferable[] = []): void {
    if (command.type !== "start" || this.#hasCanvas) return this.#worker.postMessage(command, transfer);
    this.#hasCanvas = true;
    const canvas = this.picture.transferControlToOffscreen();
    this.#worker.postMessage({ ...command, canvas }, [canvas]);
  }

  close(): void {
    this.#worker.terminate();
  }
}

interface Handler {
  handle(command: Command): void;
}

/** The code for it is a script of its own beside the player's: few browsers need it. */
class VideoBackend implements Backend {
  readonly picture = make("video", { ...PICTURE, playsinline: true });
  #player: Handler | undefined;
  #waiting: Command[] = [];
  #isClosed = false;

  constructor(events: BackendEvents) {
    void this.#load(events);
  }

  send(command: Command): void {
    if (this.#player === undefined) this.#waiting.push(command);
    else this.#player.handle(command);
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting = [];
    this.#player?.handle({ type: "stop" });
  }

  async #load(events: BackendEvents): Promise<void> {
    try {
      const url = new URL("efir-fallback.js", import.meta.url).href;
      const { MsePlayer }: typeof import("../fallback/mse.ts") = await import(url);
      if (this.#isClosed) return;
      this.#player = new MsePlayer(this.picture, (notice) => this.#isClosed || events.notice(notice));
      for (const command of this.#waiting.splice(0)) this.#player.handle(command);
    } catch (error) {
      events.broken(`The part for browsers without WebCodecs was not loaded: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
