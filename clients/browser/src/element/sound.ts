// Sound of one player: a worklet of its own on the page's one AudioContext.

import worklet from "../player/worklet/processor.ts?bundle";

interface Shared {
  context: AudioContext;
  ready: Promise<void>;
  users: number;
}

let shared: Shared | undefined;

function open(): Shared {
  if (shared === undefined) {
    const context = new AudioContext({ latencyHint: "interactive" });
    const url = URL.createObjectURL(new Blob([worklet], { type: "text/javascript" }));
    shared = { context, ready: context.audioWorklet.addModule(url), users: 0 };
  }
  return shared;
}

export interface SoundEvents {
  /** Samples can be played: to the worker. */
  opened(port: MessagePort, sampleRate: number, outputLatency: number): void;
  gone(): void;
  /** Whether the browser lets sound be heard changed. */
  changed(): void;
}

export class Sound {
  /** What keeps sound away for good; empty = nothing. */
  obstacle = "";
  readonly #events: SoundEvents;
  #isWanted = false;
  #isReady = false;
  #volume = 1;
  #context: AudioContext | undefined;
  #node: AudioWorkletNode | undefined;
  #gain: GainNode | undefined;
  readonly #update = (): void => this.#follow();
  readonly #gesture = (): void => void this.#context?.resume().catch(() => undefined);

  constructor(events: SoundEvents) {
    this.#events = events;
  }

  get isRunning(): boolean {
    return this.#node !== undefined;
  }

  /** The browser waits for a touch or a key first. */
  get isBlocked(): boolean {
    return this.#isWanted && this.#isReady && this.#context?.state === "suspended";
  }

  /** Wants sound: at once where the browser allows, else from the next touch or key on. */
  async start(): Promise<void> {
    if (this.#isWanted || this.obstacle !== "") return;
    this.#isWanted = true;
    try {
      const { context, ready } = open();
      this.#context = context;
      context.addEventListener("statechange", this.#update);
      for (const type of ["pointerup", "keydown"]) document.addEventListener(type, this.#gesture, { capture: true, passive: true });
      this.#gesture();
      await ready;
      this.#isReady = true;
      this.#follow();
    } catch (error) {
      this.obstacle = error instanceof Error ? error.message : String(error);
      this.stop();
    }
  }

  stop(): void {
    if (!this.#isWanted) return;
    this.#isWanted = false;
    this.#context?.removeEventListener("statechange", this.#update);
    for (const type of ["pointerup", "keydown"]) document.removeEventListener(type, this.#gesture, { capture: true });
    this.#release();
  }

  /** 0…1. */
  set volume(volume: number) {
    this.#volume = volume;
    // A short slope: a step would click.
    this.#gain?.gain.setTargetAtTime(volume, this.#gain.context.currentTime, 0.015);
  }

  #follow(): void {
    const isRunning = this.#context?.state === "running";
    if (isRunning && this.#isWanted && this.#isReady && this.#node === undefined) this.#connect();
    else if (!isRunning && this.#node !== undefined) this.#release();
    this.#events.changed();
  }

  #connect(): void {
    const context = this.#context;
    if (context === undefined || shared === undefined) return;
    const node = new AudioWorkletNode(context, "efir-player", { numberOfInputs: 0, outputChannelCount: [2] });
    const gain = new GainNode(context, { gain: this.#volume });
    node.connect(gain);
    gain.connect(context.destination);
    const { port1, port2 } = new MessageChannel();
    node.port.postMessage({ type: "port", port: port1 }, [port1]);
    [this.#node, this.#gain] = [node, gain];
    shared.users += 1;
    this.#events.opened(port2, context.sampleRate, context.outputLatency || context.baseLatency || 0);
  }

  #release(): void {
    if (this.#node === undefined) return;
    this.#node.disconnect();
    this.#gain?.disconnect();
    this.#node = this.#gain = undefined;
    this.#events.gone();
    if (shared === undefined) return;
    shared.users -= 1;
    if (shared.users === 0 && this.#context?.state === "running") void this.#context.suspend().catch(() => undefined);
  }
}
