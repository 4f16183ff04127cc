// What catalogs and containers give the player. Pure data.

export type Packaging = "cmaf" | "loc" | "legacy";

/** One rendition of a broadcast, from an MSF or hang catalog. */
export interface CatalogTrack {
  name: string;
  /** Fields of the namespace it is published in, where that is not the catalog's own. */
  namespace?: string[];
  packaging: Packaging;
  kind: "video" | "audio";
  /** RFC 6381, as WebCodecs takes it. */
  codec: string;
  width?: number;
  height?: number;
  framerate?: number;
  sampleRate?: number;
  channels?: number;
  /** Bits per second. */
  bitrate?: number;
  /** Units per second of the timestamps of `loc`. */
  timescale?: number;
  /** `cmaf`: the initialization segment. */
  init?: Uint8Array;
  /** `loc` and `legacy`: the decoder's configuration, if it has one. */
  description?: Uint8Array;
  /** Tracks with the same number are renditions of one content; their groups begin together. */
  altGroup?: number;
  label?: string;
  language?: string;
  /** What the publisher suggests, ms. */
  targetLatency?: number;
}

export interface Catalog {
  dialect: "msf" | "hang";
  tracks: CatalogTrack[];
  /** The broadcast is over. */
  isComplete: boolean;
}

/** One encoded picture or audio access unit. */
export interface Frame {
  /** Presentation time, µs. */
  timestamp: number;
  /** µs; 0 when unknown. */
  duration: number;
  key: boolean;
  data: Uint8Array;
}

/** The catalog, a container or a stream of it cannot be used. */
export class MediaError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "MediaError";
  }
}
