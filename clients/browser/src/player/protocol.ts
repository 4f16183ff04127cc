// What the element (main thread) and the player's worker say to each other. Everything is structured-clonable.

import type { CatalogTrack } from "../media/types.ts";
import type { SourceErrorCode, SourceKind } from "../source/source.ts";

/** What to play, from the element's attributes. */
export interface PlayOptions {
  /** `https://host:port`, without a path. */
  server: string;
  /** Path of the WebTransport request, query with a token included, e.g. `/live/demo?token=x`. */
  path: string;
  /** Fields of the broadcast's namespace. */
  namespace: string[];
  /** Sent as AUTHORIZATION_TOKEN in SETUP as well; empty = none. */
  token: string;
  /** SHA-256 hashes, hex; empty = the browser's own trust. */
  certificateHashes: string[];
  /** Base of the HTTP edge for fallback, `http(s)://host:port`; empty = the server's own. */
  httpBase: string;
  /** Which ways to try: `auto` = WebTransport, then HTTP. */
  transport: "auto" | SourceKind;
  /** Target latency in ms between capture (or arrival, when capture is unknown) and paint; 0 = as live as possible. */
  latency: number;
  /** Rendition by name; empty = chosen automatically. */
  rendition: string;
  /** Take audio at all. */
  audio: boolean;
}

/** Element to worker. */
export type Command =
  /** `canvas` once, with the first start. */
  | { type: "start"; options: PlayOptions; canvas?: OffscreenCanvas }
  /** To the AudioWorklet; its messages are of worklet-protocol.ts. Sent when the element has an AudioContext that runs; `outputLatency` in s, as it has it. */
  | { type: "audio-port"; port: MessagePort; sampleRate: number; outputLatency: number }
  | { type: "audio-gone" }
  | { type: "latency"; milliseconds: number }
  | { type: "rendition"; name: string }
  | { type: "pause" }
  | { type: "resume" }
  /** Device pixels of the element on screen. */
  | { type: "size"; width: number; height: number }
  /** Not visible: pictures are neither fetched nor decoded while hidden, sound goes on if it is heard. */
  | { type: "visible"; visible: boolean }
  /** The sound can be heard: not muted, volume above 0. */
  | { type: "audible"; audible: boolean }
  /** Frames also go to the element as `frame` messages (picture-in-picture). */
  | { type: "mirror"; on: boolean }
  | { type: "stop" };

/** One of the ways the time of a frame goes, in order from the camera to the eye. */
export interface DelayStage {
  /** `origin`, `link 1`, `relay 1`, `link 2`, …, `link n` (last relay or origin to this browser), `receive`, `buffer`, `decode`, `paint`. */
  stage: string;
  /** ms over the last 10 s. */
  p50: number;
  p99: number;
  /** ms of the newest interval, for the chart. */
  now: number;
  /** Half width in ms of what the clocks do not tell; 0 = measured on one clock. */
  uncertainty: number;
}

/** Once a second and once at the end; ms, bits per second, counts since the start. */
export interface PlayerStats {
  /** unix ms */
  at: number;
  source: SourceKind | undefined;
  protocol: string;
  rendition: string;
  audioTrack: string;
  width: number;
  height: number;
  codec: string;
  /** SUBSCRIBE sent to first frame painted. */
  tuneIn: number | undefined;
  /** Capture to paint where the origin says when it captured; else undefined. */
  glassToGlass: { p50: number; p99: number; uncertainty: number } | undefined;
  /** Whether the origin knows when pictures were captured, or only when they reached it. */
  captureKnown: boolean;
  stages: DelayStage[];
  /** Media in hand beyond what is on screen, ms. */
  buffer: number;
  targetLatency: number;
  /** Playback rate now. */
  rate: number;
  framesPainted: number;
  /** Decoded but too late to show. */
  framesDropped: number;
  fps: number;
  /** Payload bits per second in the last second. */
  bitrate: number;
  /** Groups of which something was not shown because it did not come, or came too late. */
  skippedGroups: number;
  /** Objects missing inside a group. */
  gaps: number;
  decodeErrors: number;
  /** Times the picture stood still for want of frames. */
  stalls: number;
  /** Times sound was missing. */
  audioUnderruns: number;
  /** ms; from the relay where it tells, else the shortest round trip of a request; undefined until known. */
  rtt: number | undefined;
  /** Packets the relay declared lost on the way here, of all it sent, 0…1; undefined when the relay does not tell. */
  loss: number | undefined;
  reconnects: number;
}

export type PlayerState = "idle" | "connecting" | "waiting" | "playing" | "paused" | "ended" | "failed";

/** Worker to element. */
export type Notice =
  | { type: "state"; state: PlayerState; /** For people. */ message: string; code: SourceErrorCode | "decode" | "unsupported" | "" }
  /** The way of delivery changed; `reason` says why it is not WebTransport. */
  | { type: "source"; kind: SourceKind; protocol: string; reason: string }
  | { type: "catalog"; dialect: string; tracks: Omit<CatalogTrack, "init" | "description">[] }
  | { type: "rendition"; name: string; automatic: boolean }
  | { type: "painted"; /** µs, media time */ timestamp: number; group: string; width: number; height: number }
  | { type: "frame"; frame: VideoFrame }
  | { type: "audio"; sampleRate: number; channels: number }
  | { type: "stats"; stats: PlayerStats };
