// Who asks, what is asked, and whose numbers tell requests apart.

import { ProtocolError } from "./codec.ts";
import { SessionErrorCode } from "./error_code.ts";

/** Which end of the session; the client's Request IDs are even. */
export type Side = "client" | "server";

/** The messages that are requests (3.3.2). SUBSCRIBE_TRACKS is not in draft-16. */
export type RequestKind =
  "SUBSCRIBE" | "PUBLISH" | "FETCH" | "TRACK_STATUS" | "PUBLISH_NAMESPACE" | "SUBSCRIBE_NAMESPACE" | "SUBSCRIBE_TRACKS";

/** INVALID_REQUEST_ID when the id's parity (10.1) is not that of the side that chose it. */
export function checkOwner(id: bigint, owner: Side): void {
  if ((id % 2n === 0n) !== (owner === "client")) {
    throw new ProtocolError(SessionErrorCode.INVALID_REQUEST_ID, `request id ${id} has the wrong parity`);
  }
}
