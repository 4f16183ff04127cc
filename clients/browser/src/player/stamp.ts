// The delay stamp of an object, as the delay statistics want it.

import { HopDelay, TrackMark } from "../moqt/hop_delay.ts";
import { HOP_DELAY, type Properties } from "../moqt/property.ts";
import type { Stamp } from "./delay.ts";

/** Undefined when there is none, or a malformed one. */
export function readStamp(properties: Properties): Stamp | undefined {
  const bytes = properties.getBytes(HOP_DELAY);
  const delay = bytes && HopDelay.fromBytes(bytes);
  if (delay === undefined) return undefined;
  const relays = delay.relays.map(({ difference, offset, uncertainty, dwell }) => ({
    difference: Number(difference),
    offset: Number(offset),
    uncertainty: Number(uncertainty),
    dwell: Number(dwell),
  }));
  return { captured: Number(delay.captured), origin: Number(delay.origin), relays };
}

/** The origin knows when its pictures were captured. */
export function knowsCapture(track: Properties): boolean {
  const bytes = track.getBytes(HOP_DELAY);
  return bytes !== undefined && TrackMark.fromBytes(bytes)?.captureKnown === true;
}
