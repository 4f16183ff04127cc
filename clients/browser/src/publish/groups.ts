// Where groups begin, and their ids.

import { AUDIO_GROUP_MS, GROUP_MS, NEW_GROUP_MS } from "./limit.ts";

/** Ids from the wall clock on: groups are longer than 1 ms, so a publisher that is started again never uses one twice. */
export class GroupIds {
  #next: bigint;

  constructor(unixMilliseconds: number) {
    this.#next = BigInt(Math.max(0, Math.floor(unixMilliseconds)));
  }

  take(): bigint {
    return this.#next++;
  }
}

/** Whether a picture begins a group that is `age` µs after the beginning of the last one; `isWanted` = somebody asked for one. */
export function beginsGroup(age: number, framerate: number, isWanted: boolean): boolean {
  const least = isWanted ? NEW_GROUP_MS : GROUP_MS;
  // A frame that comes a little early for its group begins it all the same.
  return age >= least * 1000 - 500_000 / framerate;
}

/** Cuts both tracks: pictures at key frames, sound with the pictures and the same ids. Times are µs. */
export class Cutter {
  readonly #ids: GroupIds;
  readonly #patience: number;
  #video: bigint | undefined;
  #audio: bigint | undefined;
  #audioFrom = 0;

  constructor(ids: GroupIds, hasVideo: boolean) {
    this.#ids = ids;
    this.#patience = (hasVideo ? AUDIO_GROUP_MS : GROUP_MS) * 1000;
  }

  /** The group that a key frame begins. */
  keyFrame(): bigint {
    return (this.#video = this.#ids.take());
  }

  /** The group that this frame of sound begins; undefined = it belongs to the one that is open. `anew` begins one in any case. */
  sound(time: number, anew = false): bigint | undefined {
    const follows = this.#video !== undefined && (this.#audio === undefined || this.#video > this.#audio);
    const isOver = anew || this.#audio === undefined || time - this.#audioFrom >= this.#patience;
    if (!follows && !isOver) return undefined;
    this.#audioFrom = time;
    return (this.#audio = follows ? this.#video : this.#ids.take());
  }
}
