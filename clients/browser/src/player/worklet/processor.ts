// The AudioWorklet: plays what the player's worker sends, at the rate it says, and reports where it is.

import { RING_SECONDS } from "../limit.ts";
import type { FromWorklet, ToWorklet } from "../worklet-protocol.ts";
import { SampleRing } from "./ring.ts";

/** The worker's end of a channel of its own, sent by the element over the node's port. */
type Handover = { type: "port"; port: MessagePort };

/** Between two reports, s. */
const REPORT_EVERY = 0.05;
const SLOWEST = 0.9;
const FASTEST = 1.25;

class PlayerProcessor extends AudioWorkletProcessor {
  readonly #ring = new SampleRing(sampleRate, RING_SECONDS);
  #rate = 1;
  #out: MessagePort = this.port;
  #reportedAt = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<ToWorklet | Handover>): void => this.#receive(data);
  }

  process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const output = outputs[0];
    if (output !== undefined) this.#ring.read(output, this.#rate);
    if (currentTime - this.#reportedAt >= REPORT_EVERY) this.#report();
    return true;
  }

  #receive(message: ToWorklet | Handover): void {
    switch (message.type) {
      case "port":
        this.#out = message.port;
        this.#out.onmessage = ({ data }: MessageEvent<ToWorklet>): void => this.#receive(data);
        return;
      case "samples":
        this.#ring.write(message.timestamp, message.channels);
        return;
      case "play":
        this.#ring.play(message.timestamp);
        return;
      case "rate":
        this.#rate = Math.min(FASTEST, Math.max(SLOWEST, message.rate));
        return;
      case "flush":
        this.#ring.flush();
    }
  }

  #report(): void {
    this.#reportedAt = currentTime;
    const { position, buffered, underruns } = this.#ring;
    const report: FromWorklet = { type: "position", timestamp: position, contextTime: currentTime, buffered, underruns };
    this.#out.postMessage(report);
  }
}

registerProcessor("efir-player", PlayerProcessor);
