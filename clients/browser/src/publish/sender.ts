// One group on its way to one subscriber: a stream, and the objects that wait for it.

import { HopDelay } from "../moqt/hop_delay.ts";
import type { Pair } from "../moqt/key_value.ts";
import { HOP_DELAY, Properties } from "../moqt/property.ts";
import type { Publication, SentObject, SubgroupOutput } from "../session/publishing.ts";
import { unixMicroseconds } from "./clock.ts";

/** An object of a track. Its properties are made when it leaves for the first time, because its stamp says when that was. */
export class TrackObject {
  readonly object: bigint;
  readonly payload: Uint8Array;
  /** `performance.now()` when it was published. */
  readonly at = performance.now();
  readonly #pairs: readonly Pair[];
  readonly #captured: number | undefined;
  #sent: SentObject | undefined;

  /** `captured` in unix µs asks for a stamp. */
  constructor(object: bigint, pairs: readonly Pair[], payload: Uint8Array, captured: number | undefined) {
    this.object = object;
    this.payload = payload;
    this.#pairs = pairs;
    this.#captured = captured;
  }

  sealed(): SentObject {
    if (this.#sent === undefined) {
      const properties = Properties.fromPairs([...this.#pairs, ...this.#stamp()]);
      this.#sent = { object: this.object, properties, payload: this.payload };
    }
    return this.#sent;
  }

  #stamp(): Pair[] {
    if (this.#captured === undefined) return [];
    const origin = Math.max(0, Math.round(unixMicroseconds() - this.#captured));
    return [{ type: HOP_DELAY, value: new HopDelay(BigInt(this.#captured), BigInt(origin)).toBytes() }];
  }
}

export class GroupSender {
  readonly group: bigint;
  readonly #waiting: TrackObject[] = [];
  readonly #sent: (bytes: number) => void;
  #output: SubgroupOutput | undefined;
  #wake: (() => void) | undefined;
  #isFinished = false;
  #resetCode: number | undefined;
  /** Resolves when nothing more will be sent. */
  readonly over: Promise<void>;

  /** `isHead` = it begins with the group's first object; `sent` is told each payload that left. */
  constructor(publication: Publication, group: bigint, priority: number, isHead: boolean, sent: (bytes: number) => void) {
    this.group = group;
    this.#sent = sent;
    this.over = this.#run(publication, priority, isHead).catch(() => {
      // The peer stopped the stream or is gone: what waits is of no use.
      this.reset(0);
    });
  }

  /** `performance.now()` from which the oldest object waits. */
  get waitingSince(): number | undefined {
    return this.#waiting[0]?.at;
  }

  push(object: TrackObject): void {
    if (this.#isFinished || this.#resetCode !== undefined) return;
    this.#waiting.push(object);
    this.#wake?.();
  }

  /** Nothing more comes; what waits is sent. */
  finish(): void {
    this.#isFinished = true;
    this.#wake?.();
  }

  /** Drops what waits. */
  reset(code: number): void {
    if (this.#resetCode !== undefined) return;
    this.#resetCode = code;
    this.#waiting.length = 0;
    this.#output?.reset(code);
    this.#wake?.();
  }

  async #run(publication: Publication, priority: number, isHead: boolean): Promise<void> {
    const header = { group: this.group, subgroup: 0n, priority, endOfGroup: true, firstObject: isHead };
    const output = await publication.openSubgroup(header);
    this.#output = output;
    if (this.#resetCode !== undefined) return output.reset(this.#resetCode);
    while (this.#resetCode === undefined) {
      const next = this.#waiting[0];
      if (next !== undefined) {
        await output.write(next.sealed());
        this.#sent(next.payload.length);
        this.#waiting.shift();
      } else if (this.#isFinished) {
        return output.finish();
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
  }
}
