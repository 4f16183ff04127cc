// PUBLISH (10.10).

import type { ByteReader, ByteWriter } from "../codec.ts";
import type { FullTrackName } from "../name.ts";
import { decodeName, encodeName } from "../name.ts";
import type { Parameters } from "../parameter.ts";
import { PUBLISH, decodeParameters, encodeParameters } from "../parameter.ts";
import type { Properties } from "../property.ts";
import { decodeTrackProperties, encodeTrackProperties } from "../property.ts";

/** Offers the objects of a track. */
export interface Publish {
  readonly type: "PUBLISH";
  readonly requestId: bigint;
  readonly track: FullTrackName;
  /** What data streams will call it. */
  readonly trackAlias: bigint;
  /** Expiry, largest location, forwarding. */
  readonly parameters: Parameters;
  /** The track's properties. */
  readonly properties: Properties;
}

export const decodePublish = (reader: ByteReader): Publish => ({
  type: "PUBLISH",
  requestId: reader.varint(),
  track: decodeName(reader),
  trackAlias: reader.varint(),
  parameters: decodeParameters(reader, PUBLISH),
  properties: decodeTrackProperties(reader),
});

export function encodePublish(message: Publish, out: ByteWriter): void {
  out.varint(message.requestId);
  encodeName(message.track, out);
  out.varint(message.trackAlias);
  encodeParameters(message.parameters, PUBLISH, out);
  encodeTrackProperties(message.properties, out);
}
