// SUBSCRIBE_OK (10.8).

import type { ByteReader, ByteWriter } from "../codec.ts";
import type { Parameters } from "../parameter.ts";
import { LARGEST, decodeParameters, encodeParameters } from "../parameter.ts";
import type { Properties } from "../property.ts";
import { decodeTrackProperties, encodeTrackProperties } from "../property.ts";
import { decodeReplyId, encodeReplyId } from "./reply.ts";

/** A subscription is established. */
export interface SubscribeOk {
  readonly type: "SUBSCRIBE_OK";
  /** The request it answers; only in draft-16. */
  readonly requestId: bigint | undefined;
  /** What data streams will call the track. */
  readonly trackAlias: bigint;
  /** Expiry and largest location. */
  readonly parameters: Parameters;
  /** The track's properties. */
  readonly properties: Properties;
}

export const decodeSubscribeOk = (reader: ByteReader): SubscribeOk => ({
  type: "SUBSCRIBE_OK",
  requestId: decodeReplyId(reader),
  trackAlias: reader.varint(),
  parameters: decodeParameters(reader, LARGEST),
  properties: decodeTrackProperties(reader),
});

export function encodeSubscribeOk(message: SubscribeOk, out: ByteWriter): void {
  encodeReplyId(message.requestId, out);
  out.varint(message.trackAlias);
  encodeParameters(message.parameters, LARGEST, out);
  encodeTrackProperties(message.properties, out);
}
