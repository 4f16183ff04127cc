// SUBSCRIBE_NAMESPACE (10.18).

import type { ByteReader, ByteWriter } from "../codec.ts";
import { EncodeError, violation } from "../codec.ts";
import type { Namespace } from "../name.ts";
import { decodeNamespacePart, encodeNamespacePart } from "../name.ts";
import type { Parameters } from "../parameter.ts";
import { ONLY_TOKENS, SUBSCRIBE_TRACKS, decodeParameters, encodeParameters } from "../parameter.ts";
import type { Version } from "../version.ts";

/** Asks which namespaces there are under a prefix. */
export interface SubscribeNamespace {
  readonly type: "SUBSCRIBE_NAMESPACE";
  readonly requestId: bigint;
  /** Empty for everything. */
  readonly prefix: Namespace;
  /** What to be told of; draft-18 always means namespaces. */
  readonly options: SubscribeOptions;
  readonly parameters: Parameters;
}

/** Tracks by PUBLISH, namespaces by NAMESPACE and NAMESPACE_DONE. */
export type SubscribeOptions = (typeof OPTIONS)[number];

const OPTIONS = ["tracks", "namespaces", "both"] as const;

const scope = (version: Version): readonly number[] => (version === 18 ? ONLY_TOKENS : SUBSCRIBE_TRACKS);

export const decodeSubscribeNamespace = (reader: ByteReader): SubscribeNamespace => ({
  type: "SUBSCRIBE_NAMESPACE",
  requestId: reader.varint(),
  prefix: decodeNamespacePart(reader),
  options: decodeOptions(reader),
  parameters: decodeParameters(reader, scope(reader.version)),
});

function decodeOptions(reader: ByteReader): SubscribeOptions {
  const options = reader.version === 18 ? "namespaces" : OPTIONS[Number(reader.varint())];
  if (!options) throw violation("unknown subscribe options");
  return options;
}

export function encodeSubscribeNamespace(message: SubscribeNamespace, out: ByteWriter): void {
  out.varint(message.requestId);
  encodeNamespacePart(message.prefix, out);
  if (out.version === 16) out.varint(OPTIONS.indexOf(message.options));
  else if (message.options !== "namespaces") throw new EncodeError("SUBSCRIBE_NAMESPACE for tracks");
  encodeParameters(message.parameters, scope(out.version), out);
}
