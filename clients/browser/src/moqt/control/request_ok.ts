// REQUEST_OK (10.5), and PUBLISH_OK of draft-16.

import type { ByteReader, ByteWriter } from "../codec.ts";
import { violation } from "../codec.ts";
import type { Parameters } from "../parameter.ts";
import {
  LARGEST,
  NO_PARAMETERS,
  PUBLISH_OK,
  anyOkScope,
  checkParameters,
  decodeParameters,
  encodeParameters,
} from "../parameter.ts";
import { Properties, decodeTrackProperties, encodeTrackProperties } from "../property.ts";
import type { RequestKind } from "../request.ts";
import type { Version } from "../version.ts";
import { decodeReplyId, encodeReplyId } from "./reply.ts";

/** A request is accepted. */
export interface RequestOk {
  readonly type: "REQUEST_OK";
  /** The request it answers; only in draft-16. */
  readonly requestId: bigint | undefined;
  /** What they may be depends on the request. */
  readonly parameters: Parameters;
  /** The track's properties; only in answer to TRACK_STATUS. */
  readonly properties: Properties;
}

/** What a REQUEST_OK answers. */
export type Answered = RequestKind | "REQUEST_UPDATE";

/**
 * PROTOCOL_VIOLATION for properties anywhere but in the answer to TRACK_STATUS, and in draft-18 for parameters that do
 * not belong to the answer.
 */
export function validateRequestOk(message: RequestOk, answered: Answered, version: Version): void {
  const isStatus = answered === "TRACK_STATUS";
  if (!isStatus && !message.properties.isEmpty) throw violation("track properties outside TRACK_STATUS_OK");
  const scope =
    isStatus || answered === "REQUEST_UPDATE" ? LARGEST : answered === "PUBLISH" ? PUBLISH_OK : NO_PARAMETERS;
  checkParameters(message.parameters, scope, version);
}

export const decodeRequestOk = (reader: ByteReader): RequestOk => ({
  type: "REQUEST_OK",
  requestId: decodeReplyId(reader),
  parameters: decodeParameters(reader, anyOkScope(reader.version)),
  properties: reader.version === 18 ? decodeTrackProperties(reader) : Properties.EMPTY,
});

export function encodeRequestOk(message: RequestOk, out: ByteWriter): void {
  encodeReplyId(message.requestId, out);
  encodeParameters(message.parameters, anyOkScope(out.version), out);
  if (out.version === 18) encodeTrackProperties(message.properties, out);
}

/** A PUBLISH is accepted, in draft-16. Some draft-18 peers send it too, without its id. */
export interface PublishOk {
  readonly type: "PUBLISH_OK";
  readonly requestId: bigint | undefined;
  /** What to send of the track, and how. */
  readonly parameters: Parameters;
}

export const decodePublishOk = (reader: ByteReader): PublishOk => ({
  type: "PUBLISH_OK",
  requestId: decodeReplyId(reader),
  parameters: decodeParameters(reader, PUBLISH_OK),
});

export function encodePublishOk(message: PublishOk, out: ByteWriter): void {
  encodeReplyId(message.requestId, out);
  encodeParameters(message.parameters, PUBLISH_OK, out);
}
