// PUBLISH_BLOCKED (10.20), draft-18 only.

import type { ByteReader, ByteWriter } from "../codec.ts";
import type { Namespace } from "../name.ts";
import { decodeNamePart, encodeNamespacePart } from "../name.ts";

/** A track under the prefix was not offered for want of streams, and will not be. */
export interface PublishBlocked {
  readonly type: "PUBLISH_BLOCKED";
  /** What follows the prefix. */
  readonly suffix: Namespace;
  /** The track. */
  readonly name: Uint8Array;
}

export function decodePublishBlocked(reader: ByteReader): PublishBlocked {
  const { namespace, name } = decodeNamePart(reader);
  return { type: "PUBLISH_BLOCKED", suffix: namespace, name };
}

export function encodePublishBlocked(message: PublishBlocked, out: ByteWriter): void {
  encodeNamespacePart(message.suffix, out);
  out.prefixed(message.name);
}
