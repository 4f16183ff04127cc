// What the element (main thread) and the publisher's worker say to each other.

import type { SourceErrorCode } from "../source/source.ts";
import type { VideoChoice, VideoCodec } from "./choice.ts";

export interface PublishOptions {
  /** `https://host:port`. */
  server: string;
  /** Fields of the broadcast's namespace. */
  namespace: string[];
  /** In SETUP and as `?token=`; empty = none. */
  token: string;
  /** SHA-256 hashes, hex; empty = the server's HTTP edge is asked. */
  certificateHashes: string[];
  /** Base of the HTTP edge; empty = unknown. */
  httpBase: string;
  video: VideoChoice | undefined;
  audio: boolean;
}

/** Element to worker. */
export type Command =
  /** Without `videoFrames` the frames come as `frame`. */
  | {
      type: "start";
      options: PublishOptions;
      videoFrames: ReadableStream<VideoFrame> | undefined;
      audioFrames: ReadableStream<AudioData> | undefined;
    }
  /** The worker closes it and says `taken`. */
  | { type: "frame"; frame: VideoFrame }
  | { type: "stop" };

export type PublishState = "idle" | "connecting" | "live" | "failed";

/** The newest numbers, twice a second. */
export interface PublishStats {
  /** What is encoded; undefined while nobody watches. */
  codec: VideoCodec | undefined;
  width: number;
  height: number;
  /** Encoded pictures per second. */
  fps: number;
  /** Bits per second that were sent. */
  bitrate: number;
  /** Bits per second that the video encoder is told to make. */
  target: number;
  /** ms from capture until a picture was handed to the connection, mean of the last half second. */
  encodeDelay: number;
  /** How long the oldest object has been waiting to be sent, ms. */
  queue: number;
  /** Live subscriptions of the broadcast; a relay is one, however many watch there. */
  viewers: number;
  /** Frames that the encoder had no time for. */
  dropped: number;
  /** Groups that were given up because the connection was too slow. */
  lostGroups: number;
  /** Sub-protocol, e.g. `moqt-18`; empty without a connection. */
  protocol: string;
}

export type FailureCode = SourceErrorCode | "taken" | "encoder";

/** Worker to element. */
export type Notice =
  /** `code` and `message` say why it is connecting again, or why it failed. */
  | { type: "state"; state: PublishState; code: FailureCode | ""; message: string }
  | { type: "stats"; stats: PublishStats }
  | { type: "taken" }
  /** Everything is said and closed; the worker may be ended. */
  | { type: "stopped" };
