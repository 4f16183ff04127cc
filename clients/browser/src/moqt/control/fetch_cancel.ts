// FETCH_CANCEL (9.18), draft-16 only.

import type { ByteReader, ByteWriter } from "../codec.ts";

/** Ends a FETCH. */
export interface FetchCancel {
  readonly type: "FETCH_CANCEL";
  /** The FETCH. */
  readonly requestId: bigint;
}

export const decodeFetchCancel = (reader: ByteReader): FetchCancel => ({
  type: "FETCH_CANCEL",
  requestId: reader.varint(),
});

export const encodeFetchCancel = (message: FetchCancel, out: ByteWriter): void => out.varint(message.requestId);
