// FETCH_OK (10.13).

import type { ByteReader, ByteWriter } from "../codec.ts";
import { violation } from "../codec.ts";
import type { Location } from "../location.ts";
import { compareLocations, decodeLocation, encodeLocation } from "../location.ts";
import type { Parameters } from "../parameter.ts";
import { NO_PARAMETERS, decodeParameters, encodeParameters } from "../parameter.ts";
import type { Properties } from "../property.ts";
import { decodeTrackProperties, encodeTrackProperties } from "../property.ts";
import { decodeReplyId, encodeReplyId } from "./reply.ts";

/** A FETCH is accepted, and its end is known. */
export interface FetchOk {
  readonly type: "FETCH_OK";
  /** The request it answers; only in draft-16. */
  readonly requestId: bigint | undefined;
  /** Nothing will ever be published after `end`. */
  readonly endOfTrack: boolean;
  /** The last object plus one; object 0 stands for the whole group. */
  readonly end: Location;
  /** None are defined. */
  readonly parameters: Parameters;
  /** The track's properties. */
  readonly properties: Properties;
}

/** PROTOCOL_VIOLATION when the end is before `start`, the start of the range that was asked for. */
export function validateFetchOk({ end }: FetchOk, start: Location): void {
  const isWholeGroup = end.object === 0n && end.group >= start.group;
  if (!isWholeGroup && compareLocations(end, start) < 0) throw violation("a FETCH_OK that ends before its start");
}

export function decodeFetchOk(reader: ByteReader): FetchOk {
  const requestId = decodeReplyId(reader);
  const endOfTrack = reader.u8();
  if (endOfTrack > 1) throw violation("End Of Track is neither 0 nor 1");
  return {
    type: "FETCH_OK",
    requestId,
    endOfTrack: endOfTrack === 1,
    end: decodeLocation(reader),
    parameters: decodeParameters(reader, NO_PARAMETERS),
    properties: decodeTrackProperties(reader),
  };
}

export function encodeFetchOk(message: FetchOk, out: ByteWriter): void {
  encodeReplyId(message.requestId, out);
  out.u8(message.endOfTrack ? 1 : 0);
  encodeLocation(message.end, out);
  encodeParameters(message.parameters, NO_PARAMETERS, out);
  encodeTrackProperties(message.properties, out);
}
