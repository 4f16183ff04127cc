// A vector's situation: who sent it, where, in answer to what, and how it may be refused.

import { Incomplete, ProtocolError } from "../../src/moqt/codec.ts";
import { validateFetchOk } from "../../src/moqt/control/fetch_ok.ts";
import { validateGoAwayStream } from "../../src/moqt/control/goaway.ts";
import { type Message, checkOpensStream, validateSender } from "../../src/moqt/control/mod.ts";
import { validateRequestError } from "../../src/moqt/control/request_error.ts";
import { type Answered, validateRequestOk } from "../../src/moqt/control/request_ok.ts";
import { validateRequestUpdate } from "../../src/moqt/control/request_update.ts";
import { validateSetup } from "../../src/moqt/control/setup.ts";
import type { Location } from "../../src/moqt/location.ts";
import { NameError } from "../../src/moqt/name.ts";
import { MalformedTrack } from "../../src/moqt/property.ts";
import type { RequestKind, Side } from "../../src/moqt/request.ts";
import type { Version } from "../../src/moqt/version.ts";
import { type Fields, type Json, field, text } from "./moqt-values.ts";

export interface Vector {
  readonly all: Fields;
  readonly version: Version;
  readonly bytes: Uint8Array;
}

export const expectedOf = ({ all }: Vector): Json => all["value"] ?? null;

export const isBad = ({ all }: Vector): boolean => all["expect"] === "error";

/** The refusal is the one that a bad vector asks for; incomplete bytes are a violation in a bounded block or at FIN. */
export function isWanted(refusal: unknown, vector: Vector): boolean {
  const error = field(expectedOf(vector), "error");
  const [scope, name, code] = [text(field(error, "scope")), text(field(error, "name")), field(error, "code")];
  if (refusal instanceof Incomplete) return name === "INCOMPLETE" || (scope === "session" && code === 3);
  if (refusal instanceof ProtocolError) return scope === "session" && Number(code) === refusal.code;
  if (refusal instanceof NameError) return scope === "application" && name === "INVALID_NAME";
  return refusal instanceof MalformedTrack && name === "MALFORMED_TRACK";
}

/** What the vector says in words about its situation. */
function wordsOf({ all }: Vector): string {
  return `${text(all["name"])} ${text(field(all["value"], "why"))} ${text(all["note"])}`.toLowerCase();
}

/**
 * Applies the checks that need to know who sent the message, where, and in answer to what: for a bad vector in every
 * situation its words allow, for a good one in at least one.
 */
export function checkSituation(vector: Vector, message: Message): void {
  const refusals: unknown[] = [];
  let accepted = false;
  for (const from of senders(vector)) {
    for (const answered of answers(vector)) {
      try {
        checkOne(vector, message, from, answered);
        accepted = true;
      } catch (error) {
        refusals.push(error);
      }
    }
  }
  if (!isBad(vector) && accepted) return;
  const refusal = refusals.find((error) => isWanted(error, vector)) ?? refusals.pop();
  if (refusal !== undefined) throw refusal;
}

function checkOne(vector: Vector, message: Message, from: Side, answered: Answered): void {
  const { version, all } = vector;
  const words = wordsOf(vector);
  const request = answered === "REQUEST_UPDATE" ? "SUBSCRIBE" : answered;
  validateSender(message, from);
  switch (message.type) {
    case "SETUP":
      validateSetup(message, from, words.includes("webtransport") || words.includes("-wt"));
      break;
    case "GOAWAY":
      validateGoAwayStream(message, all["stream"] === "control");
      break;
    case "REQUEST_ERROR":
      validateRequestError(message, from, request);
      break;
    case "REQUEST_OK":
      validateRequestOk(message, answered, version);
      break;
    case "REQUEST_UPDATE":
      if (isBad(vector)) validateRequestUpdate(message, request, version);
      break;
    case "FETCH_OK": {
      const start = namedLocation(vector);
      if (start) validateFetchOk(message, start);
    }
  }
  if (isBad(vector) && ["bidi", "opening", "opens"].some((word) => words.includes(word))) {
    checkOpensStream(message, version);
  }
}

/** The first `{group, object}` in the words of a bad vector: where its request started. */
function namedLocation(vector: Vector): Location | undefined {
  const [, group, object] = /\{\s*(\d+)\s*,\s*(\d+)\s*\}/.exec(isBad(vector) ? wordsOf(vector) : "") ?? [];
  return group && object ? { group: BigInt(group), object: BigInt(object) } : undefined;
}

function senders(vector: Vector): Side[] {
  const words = wordsOf(vector);
  const has = (...phrases: string[]): boolean => phrases.some((phrase) => words.includes(phrase));
  if (has("server sends", "from-server", "from a server", "server to client", "client receive")) return ["server"];
  if (has("client sends", "from-client", "from a client", "client to server", "server receive")) return ["client"];
  return ["client", "server"];
}

const NAMED: readonly (readonly [string, RequestKind])[] = [
  ["publish-namespace", "PUBLISH_NAMESPACE"],
  ["subscribe-namespace", "SUBSCRIBE_NAMESPACE"],
  ["subscribe-tracks", "SUBSCRIBE_TRACKS"],
  ["track-status", "TRACK_STATUS"],
  ["publish", "PUBLISH"],
];

function answers(vector: Vector): Answered[] {
  for (const source of [text(field(expectedOf(vector), "as")), text(vector.all["name"]), wordsOf(vector)]) {
    const words = source.toLowerCase().replace(/[_ ]/g, "-");
    if (words.includes("request-update-ok")) return ["REQUEST_UPDATE"];
    const named = NAMED.find(([name]) => words.includes(`${name}-ok`));
    if (named) return [named[1]];
  }
  return ["SUBSCRIBE", "FETCH", ...NAMED.map(([, kind]) => kind), "REQUEST_UPDATE"];
}
