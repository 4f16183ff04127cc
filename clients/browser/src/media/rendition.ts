// Which rendition to play. Pure: time comes in, nothing is remembered but `RenditionState`. Down at once, up slowly and one
// step at a time, and ever more slowly towards a step that failed before, so that it never flaps.

import type { CatalogTrack } from "./types.ts";

/** What is known of the way, the decoder and the screen. */
export interface Conditions {
  /**
   * Bits per second that the path carries; `undefined` while nothing has shown its limit. A live stream that comes in time says
   * nothing about it: only pass what was measured while data had to wait.
   */
  throughput: number | undefined;
  /** Share of real time that decoding takes, 0…1. */
  decodeLoad: number;
  /** Share of the frames of the last second that came or were decoded too late, 0…1. */
  dropped: number;
  /** Device pixels of the element; 0 = not known. */
  width: number;
  height: number;
}

/** Opaque to the player. */
export interface RenditionState {
  /** Into the ladder. */
  readonly index: number;
  /** ms: when the rendition changed. */
  readonly changedAt: number;
  /** ms: since when nothing is strained. */
  readonly calmSince: number;
  /** ms: since when the element is too small for the rendition. */
  readonly oversizeSince: number | undefined;
  /** ms: the last step up. */
  readonly raisedAt: number | undefined;
  /** ms of calm before the next step up. */
  readonly patience: number;
}

/** Between a change and the next step down, ms: what is measured before that is of the rendition before. */
export const SETTLE_MS = 2_000;
/** Calm before a step up, ms; doubled with every step that failed, up to the maximum. */
export const PATIENCE_MS = 10_000;
export const MAX_PATIENCE_MS = 160_000;
/** A step up that lasts so long, ms, has not failed. */
export const PROVEN_MS = 60_000;
/** An element too small for so long, ms, stays so. */
const OVERSIZE_MS = 5_000;
/** Bits per second to begin with while nothing is known. */
const START_BITRATE = 4_000_000;
/** Throughput per bitrate that a rendition wants to be stepped up to. */
const HEADROOM = 1.4;
/** Beyond these a step down is needed, and below those nothing is strained. */
const BAD = { decodeLoad: 0.9, dropped: 0.1 };
const CALM = { decodeLoad: 0.6, dropped: 0.01 };

const pixels = (track: CatalogTrack): number => (track.width ?? 0) * (track.height ?? 0);
const bitrate = (track: CatalogTrack): number => track.bitrate ?? 0;

/**
 * The renditions one can switch between, smallest first: those of the kind, of the set (`altGroup`) that the first playable of
 * them belongs to, whose codec can be played.
 */
export function ladderOf(
  tracks: readonly CatalogTrack[],
  kind: CatalogTrack["kind"],
  canPlay: (track: CatalogTrack) => boolean,
): CatalogTrack[] {
  const playable = tracks.filter((track) => track.kind === kind && canPlay(track));
  const [first] = playable;
  if (first === undefined) return [];
  const set = first.altGroup === undefined ? [first] : playable.filter((track) => track.altGroup === first.altGroup);
  return set.sort((a, b) => pixels(a) - pixels(b) || bitrate(a) - bitrate(b));
}

/** The highest step worth having: the first that covers the element, and of that size the best. */
export function capOf(ladder: readonly CatalogTrack[], { width, height }: Conditions): number {
  const top = ladder.length - 1;
  if (width <= 0 || height <= 0) return top;
  // A picture is fitted in: it covers when it reaches the element in one dimension.
  const covers = (track: CatalogTrack): boolean => (track.width ?? Infinity) >= width || (track.height ?? Infinity) >= height;
  const first = ladder.find(covers);
  if (first === undefined) return top;
  return ladder.findLastIndex((track) => pixels(track) === pixels(first));
}

/** Where to begin. The ladder must not be empty. */
export function begin(ladder: readonly CatalogTrack[], conditions: Conditions, now: number): RenditionState {
  const limit = conditions.throughput === undefined ? START_BITRATE : conditions.throughput / HEADROOM;
  const cap = capOf(ladder, conditions);
  const index = Math.max(0, ladder.findLastIndex((track, at) => at <= cap && bitrate(track) <= limit));
  const never = { oversizeSince: undefined, raisedAt: undefined };
  return { index, changedAt: now, calmSince: now, patience: PATIENCE_MS, ...never };
}

/** To be asked about once a second; the same ladder every time. `now` in ms. */
export function decide(
  ladder: readonly CatalogTrack[],
  state: RenditionState,
  conditions: Conditions,
  now: number,
): RenditionState {
  const current = ladder[state.index];
  if (current === undefined) return begin(ladder, conditions, now);
  const cap = capOf(ladder, conditions);
  const next: RenditionState = {
    ...state,
    calmSince: isCalm(current, conditions) ? state.calmSince : now,
    oversizeSince: state.index > cap ? (state.oversizeSince ?? now) : undefined,
  };
  if (now - state.changedAt < SETTLE_MS) return next;
  if (state.index > 0 && isBad(current, conditions)) return stepDown(ladder, next, conditions, now);
  if (next.oversizeSince !== undefined) {
    return now - next.oversizeSince >= OVERSIZE_MS ? { ...moved(next, cap, now), raisedAt: undefined } : next;
  }
  return stepUp(ladder, forgiven(next, now), conditions, cap, now);
}

function moved(state: RenditionState, index: number, now: number): RenditionState {
  return { ...state, index, changedAt: now, calmSince: now, oversizeSince: undefined };
}

function isBad(track: CatalogTrack, { throughput, decodeLoad, dropped }: Conditions): boolean {
  const starved = throughput !== undefined && bitrate(track) > throughput;
  return starved || decodeLoad > BAD.decodeLoad || dropped > BAD.dropped;
}

function isCalm(track: CatalogTrack, { throughput, decodeLoad, dropped }: Conditions): boolean {
  const starved = throughput !== undefined && bitrate(track) > throughput;
  return !starved && decodeLoad <= CALM.decodeLoad && dropped <= CALM.dropped;
}

/** To the highest step below that the path carries, or to the next one where the path is not the reason. */
function stepDown(
  ladder: readonly CatalogTrack[],
  state: RenditionState,
  { throughput }: Conditions,
  now: number,
): RenditionState {
  const carries = (track: CatalogTrack): boolean => throughput === undefined || bitrate(track) <= throughput;
  const index = Math.max(0, ladder.findLastIndex((track, at) => at < state.index && carries(track)));
  const failed = state.raisedAt !== undefined && now - state.raisedAt < PROVEN_MS;
  const patience = failed ? Math.min(2 * state.patience, MAX_PATIENCE_MS) : state.patience;
  return { ...moved(state, index, now), patience, raisedAt: undefined };
}

/** A step that has lasted shows that conditions have changed for the better. */
function forgiven(state: RenditionState, now: number): RenditionState {
  const proven = state.raisedAt !== undefined && now - state.raisedAt >= PROVEN_MS;
  return proven ? { ...state, raisedAt: undefined, patience: PATIENCE_MS } : state;
}

function stepUp(
  ladder: readonly CatalogTrack[],
  state: RenditionState,
  { throughput, decodeLoad }: Conditions,
  cap: number,
  now: number,
): RenditionState {
  const [current, wanted] = [ladder[state.index], ladder[state.index + 1]];
  if (current === undefined || wanted === undefined || state.index >= cap) return state;
  if (now - state.calmSince < state.patience) return state;
  if (throughput !== undefined && bitrate(wanted) * HEADROOM > throughput) return state;
  const growth = pixels(current) > 0 ? pixels(wanted) / pixels(current) : 1;
  if (decodeLoad * growth > BAD.decodeLoad) return state;
  return { ...moved(state, state.index + 1, now), raisedAt: now };
}
