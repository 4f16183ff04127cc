// NAMESPACE_DONE (10.17).

import type { ByteReader, ByteWriter } from "../codec.ts";
import type { Namespace } from "../name.ts";
import { decodeNamespacePart, encodeNamespacePart } from "../name.ts";

/** A namespace under the prefix subscribed to is gone. */
export interface NamespaceRemoved {
  readonly type: "NAMESPACE_DONE";
  /** What follows the prefix. */
  readonly suffix: Namespace;
}

export const decodeNamespaceRemoved = (reader: ByteReader): NamespaceRemoved => ({
  type: "NAMESPACE_DONE",
  suffix: decodeNamespacePart(reader),
});

export const encodeNamespaceRemoved = (message: NamespaceRemoved, out: ByteWriter): void =>
  encodeNamespacePart(message.suffix, out);
