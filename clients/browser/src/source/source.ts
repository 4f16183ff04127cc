// Where a player's objects come from: MOQT over WebTransport, or plain HTTP where that is missing. The player does not know which.

import type { FullTrackName, Namespace } from "../moqt/name.ts";
import type { Properties } from "../moqt/property.ts";

/** How the bytes come. */
export type SourceKind = "webtransport" | "http";

/** One object, whole. Times are `performance.now()` of the thread that reads, in ms, plus `performance.timeOrigin` = unix time. */
export interface MediaObject {
  group: bigint;
  object: bigint;
  properties: Properties;
  payload: Uint8Array;
  /** When the first byte of the object was read. */
  firstByteAt: number;
  /** When its last byte was read. */
  receivedAt: number;
  /** Came by FETCH (the head of the group that was joined): its hop delays are not those of live delivery. */
  fetched: boolean;
}

/**
 * What a track brings. Objects of one group come in order; groups may overlap (a new group's stream begins before the old
 * one's has ended), so `group-end` or a later group's objects say when one is over.
 */
export type TrackEvent =
  | { kind: "object"; object: MediaObject }
  /** Nothing more of this group will come, and nothing is missing at its end. */
  | { kind: "group-end"; group: bigint }
  /** The rest of this group will not come (the publisher or a relay gave it up). */
  | { kind: "group-lost"; group: bigint; code: number }
  /** The track is over. `code` is PUBLISH_DONE's, or undefined when the connection ended. */
  | { kind: "end"; code: number | undefined; reason: string };

/** Reads one track. Objects wait in the transport until they are asked for. */
export interface TrackReader {
  /** Of the track, from SUBSCRIBE_OK; empty over HTTP. */
  readonly properties: Properties;
  /** When the request was sent and when it was answered, `performance.now()` ms. */
  readonly requestedAt: number;
  readonly answeredAt: number;
  /** The next event; after `end` always `end` again. Never rejects. */
  next(): Promise<TrackEvent>;
  /** Stops or resumes delivery without giving up the subscription (FORWARD 0 or 1). */
  setForward(forward: boolean): void;
  /** Unsubscribes. */
  close(): void;
}

export interface OpenOptions {
  /** 0 first … 255 last. */
  priority: number;
  /**
   * `join`: the current group from its first object on (SUBSCRIBE from the largest object and a joining FETCH), `next`: from the
   * next group on.
   */
  from: "join" | "next";
  /** Gives up the request. */
  signal?: AbortSignal;
}

/** Why a source could not do what was asked, in words for a viewer and a code for a program. */
export class SourceError extends Error {
  readonly code: SourceErrorCode;
  constructor(code: SourceErrorCode, message: string) {
    super(message);
    this.name = "SourceError";
    this.code = code;
  }
}

export type SourceErrorCode =
  /** This browser has no WebTransport. */
  | "no-webtransport"
  /** The connection was not made: UDP blocked, wrong certificate, nobody listening. */
  | "unreachable"
  /** The server does not take this token, or wants one. */
  | "unauthorized"
  /** Nobody publishes this track or broadcast now. */
  | "not-found"
  /** The peer broke the protocol. */
  | "protocol"
  /** The connection is gone. */
  | "closed"
  /** The server asked to try later. */
  | "busy"
  /** Servers send this client in a circle, or to where it cannot go. */
  | "redirect";

export type BroadcastEvent = { kind: "added" | "removed"; namespace: Namespace };

/** A connection to one server. */
export interface Source {
  readonly kind: SourceKind;
  /** Resolves when the connection ends, with why; never rejects. */
  readonly closed: Promise<SourceError>;
  /** Opens a track. Rejects with {@link SourceError}. */
  open(track: FullTrackName, options: OpenOptions): Promise<TrackReader>;
  /** Follows the broadcasts under a prefix. Ends with the source. */
  broadcasts(prefix: Namespace, signal?: AbortSignal): AsyncIterable<BroadcastEvent>;
  /** Called once when the server wants this client to leave (GOAWAY): `uri` is where to go, empty = the same server. */
  onLeave: ((uri: string) => void) | undefined;
  close(): void;
}
