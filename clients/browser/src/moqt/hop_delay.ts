// Where the time of a frame goes: a stamp that travels with an object as the property HOP_DELAY.
//
// The origin marks the track and stamps its objects, and every relay that knows stamps appends one hop. Integers are
// vi64 in every draft, so a stamp is the same bytes on every session. Times are µs.

import { ByteReader, ByteWriter, Incomplete } from "./codec.ts";
import { HOP_DELAY_BYTES, HOP_DELAY_RELAYS } from "./limit.ts";
import { MAX_U64 } from "./varint.ts";

/** The only form of stamps there is. */
const FORM = 1;
const CAPTURE_KNOWN = 1;

/** Says that the objects of a track are stamped: the value of the track property. */
export class TrackMark {
  /** `captured` of the stamps is the capture; else it is when the frame reached the one who stamped it. */
  readonly captureKnown: boolean;

  constructor(captureKnown: boolean) {
    this.captureKnown = captureKnown;
  }

  /** Undefined for another form, whose stamps are not to be read. Unknown flags are ignored. */
  static fromBytes([form, flags]: Uint8Array): TrackMark | undefined {
    return form === FORM && flags !== undefined ? new TrackMark((flags & CAPTURE_KNOWN) !== 0) : undefined;
  }

  toBytes(): Uint8Array {
    return Uint8Array.of(FORM, this.captureKnown ? CAPTURE_KNOWN : 0);
  }
}

/** What one relay tells about itself and the link before it. */
export interface RelayHop {
  /** Arrival by this relay's clock minus departure by the clock of the hop before. */
  readonly difference: bigint;
  /** How far this relay believes its clock to be ahead of the clock of the hop before. */
  readonly offset: bigint;
  /** Half width of that belief. */
  readonly uncertainty: bigint;
  /** How long this relay keeps a frame, as a rule. */
  readonly dwell: bigint;
}

/** The stamp of one object. */
export class HopDelay {
  /** When the frame was captured, or came to the origin: unix time by the origin's clock. */
  readonly captured: bigint;
  /** From then until it was published. */
  readonly origin: bigint;
  /** The relays it passed, in order. */
  readonly relays: readonly RelayHop[];

  constructor(captured: bigint, origin: bigint, relays: readonly RelayHop[] = []) {
    this.captured = captured;
    this.origin = origin;
    this.relays = relays;
  }

  /** Undefined when it is malformed, or above `HOP_DELAY_BYTES` or `HOP_DELAY_RELAYS`. */
  static fromBytes(value: Uint8Array): HopDelay | undefined {
    if (value.length > HOP_DELAY_BYTES) return undefined;
    try {
      return readStamp(new ByteReader(value, 18));
    } catch (error) {
      if (error instanceof Incomplete) return undefined;
      throw error;
    }
  }

  toBytes(): Uint8Array {
    const out = new ByteWriter(18);
    out.varint(this.captured);
    out.varint(this.origin);
    for (const { difference, offset, uncertainty, dwell } of this.relays) {
      for (const integer of [zigzag(difference), zigzag(offset), uncertainty, dwell]) out.varint(integer);
    }
    return out.finish();
  }

  /** When the last hop sent the object on: unix time by its clock. */
  departure(): bigint {
    const start = saturate(this.captured + this.origin);
    return this.relays.reduce((before, hop) => saturate(saturate(before + hop.difference) + hop.dwell), start);
  }
}

function readStamp(reader: ByteReader): HopDelay | undefined {
  const captured = reader.varint();
  const origin = reader.varint();
  const relays: RelayHop[] = [];
  while (reader.remaining > 0) {
    if (relays.length === HOP_DELAY_RELAYS) return undefined;
    const difference = unzigzag(reader.varint());
    const offset = unzigzag(reader.varint());
    relays.push({ difference, offset, uncertainty: reader.varint(), dwell: reader.varint() });
  }
  return new HopDelay(captured, origin, relays);
}

const saturate = (value: bigint): bigint => (value < 0n ? 0n : value > MAX_U64 ? MAX_U64 : value);

/** Small numbers of either sign as small numbers. */
const zigzag = (value: bigint): bigint => (value < 0n ? -2n * value - 1n : 2n * value);

const unzigzag = (value: bigint): bigint => (value & 1n ? -((value + 1n) >> 1n) : value >> 1n);
