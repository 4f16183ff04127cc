// Control and request messages (10): `type, u16 length, body`, and the body must fill the length exactly.

import { ByteReader, ByteWriter, EncodeError, Incomplete, hex, readWhole, violation } from "../codec.ts";
import { MESSAGE_BYTES } from "../limit.ts";
import type { RequestKind, Side } from "../request.ts";
import { checkOwner } from "../request.ts";
import type { Version } from "../version.ts";
import { type Fetch, decodeFetch, encodeFetch } from "./fetch.ts";
import { type FetchCancel, decodeFetchCancel, encodeFetchCancel } from "./fetch_cancel.ts";
import { type FetchOk, decodeFetchOk, encodeFetchOk } from "./fetch_ok.ts";
import { type GoAway, decodeGoAway, encodeGoAway, validateGoAway } from "./goaway.ts";
import { type MaxRequestId, decodeMaxRequestId, encodeMaxRequestId } from "./max_request_id.ts";
import { type NamespaceAdded, decodeNamespaceAdded, encodeNamespaceAdded } from "./namespace.ts";
import { type NamespaceRemoved, decodeNamespaceRemoved, encodeNamespaceRemoved } from "./namespace_done.ts";
import { type Publish, decodePublish, encodePublish } from "./publish.ts";
import { type PublishBlocked, decodePublishBlocked, encodePublishBlocked } from "./publish_blocked.ts";
import { type PublishDone, decodePublishDone, encodePublishDone } from "./publish_done.ts";
import { type PublishNamespace, decodePublishNamespace, encodePublishNamespace } from "./publish_namespace.ts";
import {
  type PublishNamespaceCancel,
  decodePublishNamespaceCancel,
  encodePublishNamespaceCancel,
} from "./publish_namespace_cancel.ts";
import {
  type PublishNamespaceDone,
  decodePublishNamespaceDone,
  encodePublishNamespaceDone,
} from "./publish_namespace_done.ts";
import { type RequestError, decodeRequestError, encodeRequestError } from "./request_error.ts";
import {
  type PublishOk,
  type RequestOk,
  decodePublishOk,
  decodeRequestOk,
  encodePublishOk,
  encodeRequestOk,
} from "./request_ok.ts";
import { type RequestUpdate, decodeRequestUpdate, encodeRequestUpdate } from "./request_update.ts";
import { type RequestsBlocked, decodeRequestsBlocked, encodeRequestsBlocked } from "./requests_blocked.ts";
import { SETUP_ID, type Setup, decodeSetupOptions, encodeSetupOptions } from "./setup.ts";
import { type Subscribe, decodeSubscribe, encodeSubscribe } from "./subscribe.ts";
import { type SubscribeNamespace, decodeSubscribeNamespace, encodeSubscribeNamespace } from "./subscribe_namespace.ts";
import { type SubscribeOk, decodeSubscribeOk, encodeSubscribeOk } from "./subscribe_ok.ts";
import { type SubscribeTracks, decodeSubscribeTracks, encodeSubscribeTracks } from "./subscribe_tracks.ts";
import { type TrackStatus, decodeTrackStatus, encodeTrackStatus } from "./track_status.ts";
import { type Unsubscribe, decodeUnsubscribe, encodeUnsubscribe } from "./unsubscribe.ts";

/**
 * A cancel without a body, which some draft-18 peers write on a request stream where the draft has them reset it: end
 * that request. Never sent.
 */
export interface BareCancel {
  readonly type: "BARE_CANCEL";
}

/** A message of any version. */
export type Message =
  | Setup
  | Subscribe
  | SubscribeOk
  | SubscribeNamespace
  | SubscribeTracks
  | Unsubscribe
  | Publish
  | PublishOk
  | PublishDone
  | PublishBlocked
  | PublishNamespace
  | PublishNamespaceDone
  | PublishNamespaceCancel
  | NamespaceAdded
  | NamespaceRemoved
  | Fetch
  | FetchOk
  | FetchCancel
  | TrackStatus
  | RequestOk
  | RequestError
  | RequestUpdate
  | RequestsBlocked
  | MaxRequestId
  | GoAway
  | BareCancel;

/** Draft-16's PUBLISH_NAMESPACE_DONE, UNSUBSCRIBE and FETCH_CANCEL, where they no longer exist. */
const BARE_CANCELS: readonly number[] = [0x9, 0xa, 0x17];

type Decode = (reader: ByteReader) => Message;

const setup =
  (sender: Side | undefined): Decode =>
  (reader) => ({ type: "SETUP", sender, options: decodeSetupOptions(reader) });

const DECODERS: { readonly [id: number]: Decode } = {
  0x2: decodeRequestUpdate,
  0x3: decodeSubscribe,
  0x4: decodeSubscribeOk,
  0x5: decodeRequestError,
  0x6: decodePublishNamespace,
  0x7: decodeRequestOk,
  0x8: decodeNamespaceAdded,
  0xb: decodePublishDone,
  0xd: decodeTrackStatus,
  0xe: decodeNamespaceRemoved,
  0x10: decodeGoAway,
  0x16: decodeFetch,
  0x18: decodeFetchOk,
  0x1d: decodePublish,
  // Draft-18 still lists its id but has REQUEST_OK sent.
  0x1e: decodePublishOk,
};

/** What only one draft has. */
const OWN_DECODERS: { readonly [V in Version]: { readonly [id: number]: Decode } } = {
  16: {
    0x9: decodePublishNamespaceDone,
    0xa: decodeUnsubscribe,
    0xc: decodePublishNamespaceCancel,
    0x11: decodeSubscribeNamespace,
    0x15: decodeMaxRequestId,
    0x17: decodeFetchCancel,
    0x1a: decodeRequestsBlocked,
    0x20: /* @__PURE__ */ setup("client"),
    0x21: /* @__PURE__ */ setup("server"),
  },
  18: {
    0xf: decodePublishBlocked,
    0x50: decodeSubscribeNamespace,
    0x51: decodeSubscribeTracks,
    0x2f00: /* @__PURE__ */ setup(undefined),
  },
};

const isBareCancel = (id: number, version: Version): boolean => version === 18 && BARE_CANCELS.includes(id);

function decoderOf(id: bigint, version: Version): Decode {
  const number = Number(id);
  if (isBareCancel(number, version)) return () => ({ type: "BARE_CANCEL" });
  const decode = DECODERS[number] ?? OWN_DECODERS[version][number];
  if (!decode) throw violation(`unknown message type ${hex(id)}`);
  return decode;
}

/**
 * Takes one message off the reader, whose offset stays where it was on {@link Incomplete}. Never waits for more than
 * the 16-bit length announces, and not even for that once the type is known to be wrong. Throws {@link ProtocolError}
 * when the peer must be disconnected. The message's byte strings are views of the reader's bytes.
 */
export function decodeMessage(reader: ByteReader): Message {
  const start = reader.offset;
  try {
    const id = reader.varint();
    const decode = decoderOf(id, reader.version);
    const length = reader.u16();
    if (length > 0 && isBareCancel(Number(id), reader.version)) throw violation("a message of another draft");
    const broken = violation("the message's fields do not fill its length");
    return readWhole(reader.bytes(length), reader.version, decode, broken);
  } catch (error) {
    if (error instanceof Incomplete) reader.offset = start;
    throw error;
  }
}

/** The message: type, length and body. Throws {@link EncodeError} when the version has no such message or field. */
export function encodeMessage(message: Message, version: Version): Uint8Array<ArrayBuffer> {
  const body = new ByteWriter(version);
  const id = encodeBody(message, body);
  if (id === undefined) throw new EncodeError(`draft-${version} has no such ${message.type}`);
  if (body.length > MESSAGE_BYTES) throw new EncodeError(`${body.length} bytes do not fit a message`);
  const out = new ByteWriter(version);
  out.varint(id);
  out.u16(body.length);
  out.bytes(body.finish());
  return out.finish();
}

/** Writes the body and tells the id, which is undefined for a message that the version lacks. */
function encodeBody(message: Message, out: ByteWriter): number | undefined {
  const only = (version: Version, id: number): number | undefined => (out.version === version ? id : undefined);
  switch (message.type) {
    case "SETUP":
      encodeSetupOptions(message.options, out);
      if (out.version === 18) return SETUP_ID;
      return message.sender && (message.sender === "client" ? 0x20 : 0x21);
    case "REQUEST_UPDATE":
      return (encodeRequestUpdate(message, out), 0x2);
    case "SUBSCRIBE":
      return (encodeSubscribe(message, out), 0x3);
    case "SUBSCRIBE_OK":
      return (encodeSubscribeOk(message, out), 0x4);
    case "REQUEST_ERROR":
      return (encodeRequestError(message, out), 0x5);
    case "PUBLISH_NAMESPACE":
      return (encodePublishNamespace(message, out), 0x6);
    case "REQUEST_OK":
      return (encodeRequestOk(message, out), 0x7);
    case "NAMESPACE":
      return (encodeNamespaceAdded(message, out), 0x8);
    case "PUBLISH_NAMESPACE_DONE":
      return (encodePublishNamespaceDone(message, out), only(16, 0x9));
    case "UNSUBSCRIBE":
      return (encodeUnsubscribe(message, out), only(16, 0xa));
    case "PUBLISH_DONE":
      return (encodePublishDone(message, out), 0xb);
    case "PUBLISH_NAMESPACE_CANCEL":
      return (encodePublishNamespaceCancel(message, out), only(16, 0xc));
    case "TRACK_STATUS":
      return (encodeTrackStatus(message, out), 0xd);
    case "NAMESPACE_DONE":
      return (encodeNamespaceRemoved(message, out), 0xe);
    case "PUBLISH_BLOCKED":
      return (encodePublishBlocked(message, out), only(18, 0xf));
    case "GOAWAY":
      return (encodeGoAway(message, out), 0x10);
    case "MAX_REQUEST_ID":
      return (encodeMaxRequestId(message, out), only(16, 0x15));
    case "FETCH":
      return (encodeFetch(message, out), 0x16);
    case "FETCH_CANCEL":
      return (encodeFetchCancel(message, out), only(16, 0x17));
    case "FETCH_OK":
      return (encodeFetchOk(message, out), 0x18);
    case "REQUESTS_BLOCKED":
      return (encodeRequestsBlocked(message, out), only(16, 0x1a));
    case "PUBLISH":
      return (encodePublish(message, out), 0x1d);
    case "PUBLISH_OK":
      return (encodePublishOk(message, out), 0x1e);
    case "SUBSCRIBE_NAMESPACE":
      return (encodeSubscribeNamespace(message, out), out.version === 18 ? 0x50 : 0x11);
    case "SUBSCRIBE_TRACKS":
      return (encodeSubscribeTracks(message, out), only(18, 0x51));
    case "BARE_CANCEL":
      return undefined;
  }
}

/** The kind of request this message makes, if it makes one. */
export function requestKind(message: Message): RequestKind | undefined {
  switch (message.type) {
    case "SUBSCRIBE":
    case "PUBLISH":
    case "FETCH":
    case "TRACK_STATUS":
    case "PUBLISH_NAMESPACE":
    case "SUBSCRIBE_NAMESPACE":
    case "SUBSCRIBE_TRACKS":
      return message.type;
    default:
      return undefined;
  }
}

/** The id this message takes from its sender's Request IDs, if it takes one. */
export const newRequestId = (message: Message): bigint | undefined =>
  "requestId" in message && (message.type === "REQUEST_UPDATE" || requestKind(message)) ? message.requestId : undefined;

/** PROTOCOL_VIOLATION unless the message may open a request stream (3.3.2). */
export function checkOpensStream(message: Message, version: Version): RequestKind {
  const kind = requestKind(message);
  if (!kind || (version === 16 && kind !== "SUBSCRIBE_NAMESPACE")) {
    throw violation(`${message.type} may not open a stream`);
  }
  return kind;
}

/** Checks all that follows from who sent the message, apart from SETUP's transport. */
export function validateSender(message: Message, from: Side): void {
  if (message.type === "GOAWAY") return validateGoAway(message, from);
  const id = newRequestId(message);
  if (id !== undefined) checkOwner(id, from);
}
