// What the player shows around the picture, as plain data.

import type { Notice, PlayerState, PlayerStats } from "../player/protocol.ts";
import type { SourceKind } from "../source/source.ts";

export type StateCode = Extract<Notice, { type: "state" }>["code"];
export type CatalogTracks = Extract<Notice, { type: "catalog" }>["tracks"];

export interface View {
  state: PlayerState;
  message: string;
  code: StateCode;
  /** `live/demo`; empty while there is no address. */
  name: string;
  /** A picture of this broadcast is on the canvas. */
  hasPicture: boolean;
  /** Of all tracks, what can be chosen as picture. */
  renditions: CatalogTracks;
  hasAudio: boolean;
  /** What was asked for; empty = automatic. */
  wantedRendition: string;
  rendition: string;
  /** ms asked for. */
  latency: number;
  isMuted: boolean;
  volume: number;
  /** Sound is wanted, and the browser waits for a gesture. */
  isSoundBlocked: boolean;
  /** What keeps sound away for good; empty = nothing. */
  soundObstacle: string;
  source: SourceKind | undefined;
  /** Why it is not WebTransport. */
  sourceReason: string;
  hasStats: boolean;
  hasControls: boolean;
  canMirror: boolean;
  isMirrored: boolean;
  isFullscreen: boolean;
  stats: PlayerStats | undefined;
}

export function emptyView(): View {
  return {
    state: "idle", message: "", code: "", name: "", hasPicture: false, renditions: [], hasAudio: false, wantedRendition: "",
    rendition: "", latency: 0, isMuted: false, volume: 1, isSoundBlocked: false, soundObstacle: "", source: undefined, sourceReason: "",
    hasStats: false, hasControls: false, canMirror: false, isMirrored: false, isFullscreen: false, stats: undefined,
  };
}

/** Something the viewer wants. */
export interface Actions {
  toggle(): void;
  play(): void;
  toggleMute(): void;
  setVolume(volume: number): void;
  setLatency(milliseconds: number): void;
  setRendition(name: string): void;
  toggleStats(): void;
  toggleMirror(): void;
  toggleFullscreen(): void;
}
