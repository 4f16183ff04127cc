// NAMESPACE (10.16).

import type { ByteReader, ByteWriter } from "../codec.ts";
import type { Namespace } from "../name.ts";
import { decodeNamespacePart, encodeNamespacePart } from "../name.ts";

/** There is a namespace under the prefix subscribed to. */
export interface NamespaceAdded {
  readonly type: "NAMESPACE";
  /** What follows the prefix. */
  readonly suffix: Namespace;
}

export const decodeNamespaceAdded = (reader: ByteReader): NamespaceAdded => ({
  type: "NAMESPACE",
  suffix: decodeNamespacePart(reader),
});

export const encodeNamespaceAdded = (message: NamespaceAdded, out: ByteWriter): void =>
  encodeNamespacePart(message.suffix, out);
