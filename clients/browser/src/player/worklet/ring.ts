// Bounded store of sound with its media times, read at any rate. Pure; runs in the AudioWorklet.

/** Samples over which sound is faded at a gap; 3 ms, enough to hear no click. */
export const FADE_SAMPLES = 128;
/** Chunks that begin this near to the end of the one before follow it directly, s: timestamps are rounded. */
const JOIN_SECONDS = 0.005;

/** Positions are absolute sample indices: media time × sample rate. */
export class SampleRing {
  /** Times samples were missing while playing. */
  underruns = 0;

  readonly #rate: number;
  readonly #capacity: number;
  #channels: Float32Array[] = [];
  /** Indices that are stored: from `start` up to `end`. */
  #start = 0;
  #end = 0;
  #playhead: number | undefined;
  #hasSounded = false;
  #gain = 0;
  #last: number[] = [];

  /** `rate` in samples per second, `seconds` to keep at most. */
  constructor(rate: number, seconds: number) {
    this.#rate = rate;
    this.#capacity = Math.ceil(rate * seconds);
  }

  /** Media time, µs, that is read next; undefined while silent. */
  get position(): number | undefined {
    return this.#playhead === undefined ? undefined : (this.#playhead / this.#rate) * 1e6;
  }

  /** Sound in hand after the position, ms. */
  get buffered(): number {
    const from = Math.max(this.#start, this.#playhead ?? this.#start);
    return (Math.max(0, this.#end - from) / this.#rate) * 1000;
  }

  /** Adds planar samples; `timestamp` in µs. What is played already, or was there before, is left out. */
  write(timestamp: number, channels: readonly Float32Array[]): void {
    const length = channels[0]?.length ?? 0;
    if (length === 0 || !Number.isFinite(timestamp)) return;
    this.#shape(channels.length);
    let index = Math.round((timestamp * this.#rate) / 1e6);
    const isEmpty = this.#end === this.#start;
    if (!isEmpty && Math.abs(index - this.#end) <= JOIN_SECONDS * this.#rate) index = this.#end;
    const isApart = isEmpty || Math.abs(index - this.#end) >= this.#capacity;
    const isGap = !isApart && index > this.#end;
    if (isApart) {
      this.#start = index;
      this.#end = index;
    } else if (isGap) {
      this.#fadeOut();
      this.#fill(index);
    }
    const skip = this.#end - index;
    for (const [c, ring] of this.#channels.entries()) {
      const samples = channels[c];
      if (samples !== undefined) this.#copy(ring, samples, skip, index, isApart || isGap);
    }
    this.#end = Math.max(this.#end, index + length);
    this.#start = Math.max(this.#start, this.#end - this.#capacity);
  }

  /** Begins to play at a media time, µs. */
  play(timestamp: number): void {
    this.#playhead = (timestamp * this.#rate) / 1e6;
    this.#start = Math.min(this.#end, Math.max(this.#start, Math.floor(this.#playhead)));
    this.#gain = 0;
    this.#hasSounded = false;
  }

  /** Silence; forgets all. */
  flush(): void {
    this.#playhead = undefined;
    this.#start = 0;
    this.#end = 0;
    this.#hasSounded = false;
  }

  /** Fills one block and moves on by its length × `rate`, also where nothing is in hand: media time goes on. */
  read(outputs: readonly Float32Array[], rate: number): void {
    const frames = outputs[0]?.length ?? 0;
    const playhead = this.#playhead;
    for (let i = 0; i < frames; i += 1) {
      const at = playhead === undefined ? -1 : playhead + i * rate;
      const has = playhead !== undefined && at >= this.#start && at < this.#end - 1;
      if (has) this.#hasSounded = true;
      else if (this.#hasSounded) {
        this.#hasSounded = false;
        this.underruns += 1;
      }
      this.#gain = has ? Math.min(1, this.#gain + 1 / FADE_SAMPLES) : Math.max(0, this.#gain - 1 / FADE_SAMPLES);
      for (const [c, output] of outputs.entries()) {
        const sample = has ? this.#interpolate(c, at) : (this.#last[c] ?? 0);
        if (has) this.#last[c] = sample;
        output[i] = sample * this.#gain;
      }
    }
    if (playhead === undefined) return;
    this.#playhead = playhead + frames * rate;
    this.#start = Math.min(this.#end, Math.max(this.#start, Math.floor(this.#playhead)));
  }

  #interpolate(channel: number, at: number): number {
    const ring = this.#channels[Math.min(channel, this.#channels.length - 1)];
    const index = Math.floor(at);
    const a = ring?.[this.#slot(index)] ?? 0;
    const b = ring?.[this.#slot(index + 1)] ?? 0;
    return a + (b - a) * (at - index);
  }

  #slot(index: number): number {
    return ((index % this.#capacity) + this.#capacity) % this.#capacity;
  }

  #shape(count: number): void {
    if (this.#channels.length === count) return;
    this.#channels = Array.from({ length: count }, () => new Float32Array(this.#capacity));
    this.#last = this.#channels.map(() => 0);
    this.#start = 0;
    this.#end = 0;
  }

  #copy(ring: Float32Array, samples: Float32Array, skip: number, index: number, fadeIn: boolean): void {
    for (let i = skip; i < samples.length; i += 1) {
      const gain = fadeIn && i < FADE_SAMPLES ? i / FADE_SAMPLES : 1;
      ring[this.#slot(index + i)] = (samples[i] ?? 0) * gain;
    }
  }

  /** Silence from the end up to `index`. */
  #fill(index: number): void {
    for (const ring of this.#channels) {
      for (let i = this.#end; i < index; i += 1) ring[this.#slot(i)] = 0;
    }
    this.#end = index;
    this.#start = Math.max(this.#start, this.#end - this.#capacity);
  }

  #fadeOut(): void {
    const count = Math.min(FADE_SAMPLES, this.#end - this.#start);
    for (const ring of this.#channels) {
      for (let i = 0; i < count; i += 1) {
        const slot = this.#slot(this.#end - 1 - i);
        ring[slot] = (ring[slot] ?? 0) * (i / FADE_SAMPLES);
      }
    }
  }
}
