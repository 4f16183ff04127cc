// Names of tracks: namespaces, track names, and their text form (1.5, 2.4.1).

import type { ByteReader, ByteWriter } from "./codec.ts";
import { EncodeError, violation } from "./codec.ts";
import { FULL_NAME_BYTES, NAMESPACE_FIELDS } from "./limit.ts";

/** An ordered list of 0 to 32 byte strings, each at least one byte, 4096 bytes together. */
export type Namespace = readonly Uint8Array[];

/** A namespace and a track name, 4096 bytes together. */
export interface FullTrackName {
  readonly namespace: Namespace;
  /** Any bytes, possibly none. */
  readonly name: Uint8Array;
}

/** Why something is not a name. */
export class NameError extends Error {}

const utf8 = new TextEncoder();

function byteLength(namespace: Namespace): number {
  return namespace.reduce((sum, field) => sum + field.length, 0);
}

function checkNamespace(namespace: Namespace): Namespace {
  if (namespace.length > NAMESPACE_FIELDS) throw new NameError("a namespace has at most 32 fields");
  if (namespace.some((field) => field.length === 0)) throw new NameError("a namespace field has at least one byte");
  if (byteLength(namespace) > FULL_NAME_BYTES) throw new NameError("a name has at most 4096 bytes");
  return namespace;
}

/** A namespace of these fields. Throws {@link NameError}. */
export const namespaceFromText = (fields: readonly string[]): Namespace =>
  checkNamespace(fields.map((field) => utf8.encode(field)));

/** The name of a track. Throws {@link NameError}. */
export function fullTrackName(fields: readonly string[], name: string): FullTrackName {
  return joinName(namespaceFromText(fields), utf8.encode(name));
}

/** Both parts of a name, whose bytes together are limited. Throws {@link NameError}. */
export function joinName(namespace: Namespace, name: Uint8Array): FullTrackName {
  if (byteLength(namespace) + name.length > FULL_NAME_BYTES) throw new NameError("a name has at most 4096 bytes");
  return { namespace, name };
}

const sameBytes = (a: Uint8Array, b: Uint8Array | undefined): boolean =>
  a.length === b?.length && a.every((byte, at) => byte === b[at]);

/** `namespace` begins with all fields of `prefix` (whole fields, never parts of one). */
export const isPrefixOf = (prefix: Namespace, namespace: Namespace): boolean =>
  prefix.every((field, at) => sameBytes(field, namespace[at]));

/** The fields of `prefix`, then those of `suffix`. Throws {@link NameError} when the two together break a limit. */
export const joinNamespace = (prefix: Namespace, suffix: Namespace): Namespace =>
  checkNamespace([...prefix, ...suffix]);

/** Reads a prefix or suffix: unlike a track's namespace it may be empty in every version. */
export function decodeNamespacePart(reader: ByteReader): Namespace {
  const count = reader.length(NAMESPACE_FIELDS, "a namespace has at most 32 fields");
  const fields: Uint8Array[] = [];
  let left = FULL_NAME_BYTES;
  for (let at = 0; at < count; at++) {
    const field = reader.prefixed(left, "a namespace above 4096 bytes");
    if (field.length === 0) throw violation("a namespace field has at least one byte");
    left -= field.length;
    fields.push(field);
  }
  return fields;
}

export function encodeNamespacePart(namespace: Namespace, out: ByteWriter): void {
  out.varint(namespace.length);
  for (const field of namespace) out.prefixed(field);
}

const isEmptyRefused = (namespace: Namespace, version: number): boolean => namespace.length === 0 && version === 16;

export function decodeNamespace(reader: ByteReader): Namespace {
  const namespace = decodeNamespacePart(reader);
  if (isEmptyRefused(namespace, reader.version)) throw violation("a namespace needs a field in draft-16");
  return namespace;
}

export function encodeNamespace(namespace: Namespace, out: ByteWriter): void {
  if (isEmptyRefused(namespace, out.version)) throw new EncodeError("an empty namespace");
  encodeNamespacePart(namespace, out);
}

/** Reads a name whose namespace may be empty in every version (redirects: "the same track"). */
export function decodeNamePart(reader: ByteReader): FullTrackName {
  const namespace = decodeNamespacePart(reader);
  const left = FULL_NAME_BYTES - byteLength(namespace);
  return { namespace, name: reader.prefixed(left, "a full track name above 4096 bytes") };
}

export function decodeName(reader: ByteReader): FullTrackName {
  const full = decodeNamePart(reader);
  if (isEmptyRefused(full.namespace, reader.version)) throw violation("a namespace needs a field in draft-16");
  return full;
}

export function encodeName({ namespace, name }: FullTrackName, out: ByteWriter): void {
  if (byteLength(namespace) + name.length > FULL_NAME_BYTES) throw new EncodeError("a name above 4096 bytes");
  encodeNamespace(namespace, out);
  out.prefixed(name);
}

function escape(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const literal = String.fromCharCode(byte);
    text += /\w/.test(literal) ? literal : `.${byte.toString(16).padStart(2, "0")}`;
  }
  return text;
}

function unescape(text: string): Uint8Array {
  if (!/^(\w|\.[0-9a-f]{2})*$/.test(text)) throw new NameError("a character or escape that names do not have");
  const literal = text.replace(/\.(..)/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 16)));
  const bytes = Uint8Array.from(literal, (character) => character.charCodeAt(0));
  if (escape(bytes) !== text) throw new NameError("a literal character is escaped");
  return bytes;
}

/** The text form of a namespace: the same for the same fields only. */
export const formatNamespace = (namespace: Namespace): string => namespace.map(escape).join("-");

/** A key for maps. */
export const namespaceKey = formatNamespace;

/** Throws {@link NameError}. */
export const parseNamespace = (text: string): Namespace =>
  checkNamespace(text === "" ? [] : text.split("-").map(unescape));

/** The text form of a name. */
export const formatName = ({ namespace, name }: FullTrackName): string =>
  `${formatNamespace(namespace)}--${escape(name)}`;

/** Reads a name's text form. Throws {@link NameError} unless it is the canonical one. */
export function parseName(text: string): FullTrackName {
  const at = text.indexOf("--");
  if (at < 0) throw new NameError("no double hyphen before the track name");
  return joinName(parseNamespace(text.slice(0, at)), unescape(text.slice(at + 2)));
}
