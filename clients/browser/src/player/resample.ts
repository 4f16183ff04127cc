// Sound at another sampling rate, by linear interpolation across chunks. Pure.

export class Resampler {
  readonly #to: number;
  #from = 0;
  /** Position in the next chunk's samples where the next one is taken; negative = between the last chunk and it. */
  #at = 0;
  #last: number[] = [];

  /** `to`: samples per second that come out. */
  constructor(to: number) {
    this.#to = to;
  }

  /** Planar samples of one chunk; chunks follow one another. */
  convert(planes: Float32Array[], from: number): Float32Array[] {
    if (from === this.#to) return planes;
    if (from !== this.#from || this.#last.length !== planes.length) {
      this.#from = from;
      this.#at = 0;
      this.#last = planes.map(() => 0);
    }
    const length = planes[0]?.length ?? 0;
    const step = from / this.#to;
    const count = Math.max(0, Math.ceil((length - 1 - this.#at) / step));
    const start = this.#at;
    const out = planes.map((plane, channel) => {
      const before = this.#last[channel] ?? 0;
      return Float32Array.from({ length: count }, (_, i) => {
        const at = start + i * step;
        const index = Math.floor(at);
        const a = index < 0 ? before : (plane[index] ?? 0);
        return a + ((plane[index + 1] ?? 0) - a) * (at - index);
      });
    });
    this.#last = planes.map((plane) => plane[length - 1] ?? 0);
    this.#at = start + count * step - length;
    return out;
  }
}
