// PUBLISH_NAMESPACE (10.15).

import type { ByteReader, ByteWriter } from "../codec.ts";
import type { Namespace } from "../name.ts";
import { decodeNamespace, encodeNamespace } from "../name.ts";
import type { Parameters } from "../parameter.ts";
import { ONLY_TOKENS, decodeParameters, encodeParameters } from "../parameter.ts";

/** Says that tracks of a namespace can be asked for here. */
export interface PublishNamespace {
  readonly type: "PUBLISH_NAMESPACE";
  readonly requestId: bigint;
  readonly namespace: Namespace;
  readonly parameters: Parameters;
}

export const decodePublishNamespace = (reader: ByteReader): PublishNamespace => ({
  type: "PUBLISH_NAMESPACE",
  requestId: reader.varint(),
  namespace: decodeNamespace(reader),
  parameters: decodeParameters(reader, ONLY_TOKENS),
});

export function encodePublishNamespace(message: PublishNamespace, out: ByteWriter): void {
  out.varint(message.requestId);
  encodeNamespace(message.namespace, out);
  encodeParameters(message.parameters, ONLY_TOKENS, out);
}
