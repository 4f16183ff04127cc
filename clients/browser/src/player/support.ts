// What this browser can decode.

import type { CatalogTrack } from "../media/types.ts";

/** Asks the browser; by codec alone, since all else may come with the stream. */
export async function canPlay({ kind, codec, sampleRate, channels }: CatalogTrack): Promise<boolean> {
  try {
    if (kind === "video") return (await VideoDecoder.isConfigSupported({ codec })).supported === true;
    const config = { codec, sampleRate: sampleRate ?? 48_000, numberOfChannels: channels ?? 2 };
    return (await AudioDecoder.isConfigSupported(config)).supported === true;
  } catch {
    return false;
  }
}
