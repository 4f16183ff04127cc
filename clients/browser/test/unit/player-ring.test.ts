import assert from "node:assert/strict";
import { test } from "node:test";
import type { FromWorklet } from "../../src/player/worklet-protocol.ts";
import { FADE_SAMPLES, SampleRing } from "../../src/player/worklet/ring.ts";

const RATE = 48_000;
const BLOCK = 128;
/** Media time in µs of a sample. */
const time = (sample: number): number => (sample / RATE) * 1e6;
/** Samples whose value is their own index / 1e6, so that a reader can tell which it got. */
const ramp = (from: number, length: number): Float32Array[] => [Float32Array.from({ length }, (_, i) => (from + i) / 1e6)];

function read(ring: SampleRing, blocks: number, rate = 1): number[] {
  const heard: number[] = [];
  for (let i = 0; i < blocks; i += 1) {
    const block = new Float32Array(BLOCK);
    ring.read([block], rate);
    heard.push(...block);
  }
  return heard;
}

const near = (value: number | undefined, index: number): boolean => Math.abs((value ?? NaN) * 1e6 - index) < 0.02;

test("silence until told to play, then exactly the samples of that time", () => {
  const ring = new SampleRing(RATE, 1);
  ring.write(time(0), ramp(0, 4800));
  assert.ok(read(ring, 2).every((sample) => sample === 0));
  assert.equal(ring.position, undefined);
  ring.play(time(1000));
  const heard = read(ring, 4);
  assert.ok(near(heard[200], 1200) && near(heard[511], 1511));
  assert.ok(Math.abs((ring.position ?? 0) - time(1512)) < 1);
});

test("chunks with rounded times are joined without a gap", () => {
  const ring = new SampleRing(RATE, 1);
  for (let i = 0; i < 10; i += 1) ring.write(time(i * 1024) + (i % 2) * 900, ramp(i * 1024, 1024));
  ring.play(0);
  const heard = read(ring, 70);
  for (let i = FADE_SAMPLES; i < heard.length; i += 1) assert.ok(near(heard[i], i), `sample ${i}`);
});

test("a rate moves through the samples by interpolation", () => {
  const ring = new SampleRing(RATE, 1);
  ring.write(0, ramp(0, 9600));
  ring.play(0);
  const heard = read(ring, 40, 1.1);
  assert.ok(near(heard[2000], 2200), `${(heard[2000] ?? 0) * 1e6}`);
  assert.ok(Math.abs((ring.position ?? 0) - time(40 * BLOCK * 1.1)) < 1);
});

test("missing sound is silence with faded edges, media time goes on, one underrun is counted", () => {
  const ring = new SampleRing(RATE, 1);
  const loud = (length: number): Float32Array[] => [new Float32Array(length).fill(1)];
  ring.write(0, loud(1280));
  ring.play(0);
  const heard = read(ring, 20);
  ring.write(time(20 * BLOCK + 64), loud(1280));
  heard.push(...read(ring, 8));
  assert.equal(ring.underruns, 1);
  assert.equal(heard[2000], 0);
  const steps = heard.slice(1).map((sample, i) => Math.abs(sample - (heard[i] ?? 0)));
  assert.ok(Math.max(...steps) <= 2 / FADE_SAMPLES, `a click of ${Math.max(...steps)}`);
  assert.equal(heard.at(-1), 1);
});

test("a gap between chunks is silence of its length", () => {
  const ring = new SampleRing(RATE, 1);
  ring.write(0, ramp(0, 2400));
  ring.write(time(4800), ramp(4800, 2400));
  ring.play(0);
  const heard = read(ring, 50);
  assert.equal(heard[3600], 0);
  assert.ok(near(heard[5000], 5000));
});

test("sound of another time throws away what was there; too much throws away the oldest", () => {
  const ring = new SampleRing(RATE, 1);
  ring.write(0, ramp(0, 4800));
  ring.write(60e6, ramp(60 * RATE, 4800));
  ring.play(60e6);
  assert.ok(Math.abs((read(ring, 4)[300] ?? 0) * 1e6 - (60 * RATE + 300)) < 1);
  assert.ok(Math.abs(ring.buffered - (4800 - 512) / 48) < 0.1);
  for (let i = 1; i < 300; i += 1) ring.write(60e6 + time(i * 4800), ramp(0, 4800));
  assert.ok(ring.buffered <= 1000);
});

test("late and repeated samples are left out, nonsense is ignored", () => {
  const ring = new SampleRing(RATE, 1);
  ring.write(0, ramp(0, 4800));
  ring.write(time(2400), ramp(1_000_000, 2400));
  ring.write(Number.NaN, ramp(0, 10));
  ring.write(0, []);
  ring.play(0);
  const heard = read(ring, 36);
  assert.ok(near(heard[3000], 3000));
  assert.ok(ring.buffered < 10);
});

test("flush is silent at once up to the fade", () => {
  const ring = new SampleRing(RATE, 1);
  ring.write(0, [new Float32Array(4800).fill(1), new Float32Array(4800).fill(1)]);
  ring.play(0);
  read(ring, 4);
  ring.flush();
  assert.equal(ring.buffered, 0);
  assert.ok(read(ring, 2).slice(FADE_SAMPLES).every((sample) => sample === 0));
});

test("the processor plays what its port says and reports twenty times a second", async () => {
  const sent: FromWorklet[] = [];
  let registered: (new () => { port: FakePort; process(i: Float32Array[][], o: Float32Array[][]): boolean }) | undefined;
  class FakePort {
    onmessage: ((event: { data: unknown }) => void) | undefined;
    postMessage(message: FromWorklet): void {
      sent.push(message);
    }
  }
  const globals = globalThis as unknown as Record<string, unknown>;
  globals.sampleRate = RATE;
  globals.currentTime = 0;
  globals.AudioWorkletProcessor = class {
    readonly port = new FakePort();
  };
  globals.registerProcessor = (name: string, processor: typeof registered): void => {
    assert.equal(name, "efir-player");
    registered = processor;
  };
  // The name keeps the main type check, which knows no AudioWorklet, out of the file.
  const file = "processor";
  await import(`../../src/player/worklet/${file}.ts`);
  assert.ok(registered !== undefined);
  const processor = new registered();
  const port = new FakePort();
  processor.port.onmessage?.({ data: { type: "port", port } });
  port.onmessage?.({ data: { type: "samples", timestamp: 0, channels: ramp(0, RATE) } });
  port.onmessage?.({ data: { type: "play", timestamp: 0 } });
  port.onmessage?.({ data: { type: "rate", rate: 9 } });
  const output = new Float32Array(BLOCK);
  for (let block = 0; block < 100; block += 1) {
    globals.currentTime = (block * BLOCK) / RATE;
    assert.equal(processor.process([], [[output]]), true);
  }
  assert.ok(sent.length >= 4 && sent.length <= 6, `${sent.length} reports`);
  const last = sent.at(-1);
  assert.ok(last?.timestamp !== undefined);
  assert.ok(Math.abs(last.timestamp / (last.contextTime * 1e6) - 1.25) < 0.02, "the rate is bounded");
});
