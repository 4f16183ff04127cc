// hang (moq-dev): renditions by track name, configuration in hexadecimal.

import { compact, JsonFields, type JsonObject } from "./json.ts";
import { MAX_CATALOG_TRACKS } from "./limit.ts";
import { MICROSECONDS } from "./time.ts";
import { type Catalog, type CatalogTrack, MediaError, type Packaging } from "./types.ts";

const PACKAGINGS: readonly string[] = ["cmaf", "loc", "legacy"] satisfies Packaging[];

/** hang has no numbers for sets of alternatives: all pictures are one, all sounds another. */
const ALT_GROUPS = { video: 1, audio: 2 };

/** `namespace` is the catalog's own: renditions may lie in another, named by a relative path. */
export function readHang(document: JsonObject, namespace: readonly string[]): Catalog {
  const root = new JsonFields(document, "catalog");
  const tracks: CatalogTrack[] = [];
  for (const kind of ["video", "audio"] as const) {
    const renditions = root.object(kind)?.raw("renditions") ?? {};
    if (typeof renditions !== "object" || Array.isArray(renditions)) throw root.fail(`\`${kind}.renditions\` is not an object`);
    for (const [name, rendition] of Object.entries(renditions)) {
      const track = readRendition(name, rendition, kind, namespace);
      if (track !== undefined) tracks.push(track);
      if (tracks.length > MAX_CATALOG_TRACKS) throw root.fail(`more than ${MAX_CATALOG_TRACKS} tracks`);
    }
  }
  return { dialect: "hang", tracks, isComplete: false };
}

/** `undefined` for a container not known here. */
function readRendition(
  name: string,
  item: unknown,
  kind: "video" | "audio",
  namespace: readonly string[],
): CatalogTrack | undefined {
  const rendition = new JsonFields(item, `catalog track \`${name}\``);
  const container = rendition.object("container");
  const packaging = container?.needString("kind") ?? "legacy";
  if (!isPackaging(packaging)) return undefined;
  const video = kind === "video";
  const cmaf = packaging === "cmaf";
  const broadcast = rendition.string("broadcast");
  return {
    name,
    packaging,
    kind,
    codec: rendition.needString("codec"),
    ...compact<Omit<CatalogTrack, "name" | "packaging" | "kind" | "codec">>({
      namespace: broadcast ? resolve(namespace, broadcast, rendition) : undefined,
      width: video ? rendition.number("codedWidth") || undefined : undefined,
      height: video ? rendition.number("codedHeight") || undefined : undefined,
      framerate: video ? rendition.number("framerate") || undefined : undefined,
      sampleRate: video ? undefined : rendition.number("sampleRate") || undefined,
      channels: video ? undefined : rendition.number("numberOfChannels") || undefined,
      bitrate: rendition.number("bitrate"),
      timescale: cmaf ? container?.number("timescale") || undefined : MICROSECONDS,
      init: cmaf ? container?.base64("init") : undefined,
      description: cmaf ? undefined : rendition.hex("description"),
      altGroup: ALT_GROUPS[kind],
      label: rendition.string("label"),
      language: undefined,
      targetLatency: rendition.number("jitter"),
    }),
  };
}

function isPackaging(text: string): text is Packaging {
  return PACKAGINGS.includes(text);
}

function resolve(base: readonly string[], path: string, at: JsonFields): string[] {
  const resolved = [...base];
  for (const step of path.split("/")) {
    if (step === "..") {
      if (resolved.pop() === undefined) throw at.fail(`\`broadcast\` "${path}" leads out of every namespace`);
    } else if (step !== "" && step !== ".") {
      resolved.push(step);
    }
  }
  if (resolved.length === 0) throw new MediaError(`\`broadcast\` "${path}" names no namespace`);
  return resolved;
}
