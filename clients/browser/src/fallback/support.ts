// Whether a browser can, and must, play through Media Source Extensions. Safari on phones has ManagedMediaSource alone.

import type { Catalog, CatalogTrack } from "../media/types.ts";

type Constructor = typeof MediaSource;

export function mediaSource(): Constructor | undefined {
  const managed: unknown = Reflect.get(globalThis, "ManagedMediaSource");
  if (isConstructor(managed)) return managed;
  return typeof MediaSource === "undefined" ? undefined : MediaSource;
}

function isConstructor(value: unknown): value is Constructor {
  return typeof value === "function";
}

/** WebCodecs are missing, and this way is there. */
export const needsMse = (): boolean =>
  (typeof VideoDecoder === "undefined" || typeof AudioDecoder === "undefined") && mediaSource() !== undefined;

export const mime = ({ kind, codec }: CatalogTrack): string => `${kind}/mp4; codecs="${codec}"`;

export const isPlayable = (track: CatalogTrack): boolean =>
  track.packaging === "cmaf" && mediaSource()?.isTypeSupported(mime(track)) === true;

/** Whether any of the tracks can be played this way. */
export const canPlayWithMse = ({ tracks }: Pick<Catalog, "tracks">): boolean => tracks.some(isPlayable);
