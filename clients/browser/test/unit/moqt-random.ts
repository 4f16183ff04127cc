// Random values of every kind the codec knows, the same for the same seed.

import type { Message } from "../../src/moqt/control/mod.ts";
import { PublishDoneCode, RequestErrorCode } from "../../src/moqt/error_code.ts";
import type { Pair } from "../../src/moqt/key_value.ts";
import type { Filter, Location } from "../../src/moqt/location.ts";
import type { FullTrackName, Namespace } from "../../src/moqt/name.ts";
import type { Parameters } from "../../src/moqt/parameter.ts";
import { Properties, propertiesTo } from "../../src/moqt/property.ts";
import type { Token } from "../../src/moqt/token.ts";
import { maxVarint } from "../../src/moqt/varint.ts";
import type { Version } from "../../src/moqt/version.ts";

type Scope = (keyof Parameters)[];

const SUBSCRIPTION: Scope = ["objectDeliveryTimeout", "forward", "subscriberPriority", "filter", "newGroupRequest"];
const ONLY_18: Scope = ["subgroupDeliveryTimeout", "rendezvousTimeout", "fillTimeout", "namespacePrefix"];
const LARGEST: Scope = ["expires", "largestObject"];
const TOKENS: Scope = ["authorizationTokens"];

export class Random {
  readonly version: Version;
  private state: number;

  constructor(seed: number, version: Version) {
    this.state = seed;
    this.version = version;
  }

  /** Mulberry32: 0 up to, not including, `end`. */
  below(end: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  }

  flip(): boolean {
    return this.below(2) === 1;
  }

  /** Of every length about as often. */
  int(max: bigint = maxVarint(this.version)): bigint {
    let value = 0n;
    for (let bits = this.below(65); bits > 0; bits--) value = (value << 1n) | BigInt(this.below(2));
    return value % (max + 1n);
  }

  bytes(most: number): Uint8Array {
    return Uint8Array.from({ length: this.below(most + 1) }, () => this.below(256));
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.below(choices.length)] ?? choices[0];
  }

  times<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.below(most + 1) }, make);
  }

  text(): string {
    return this.times(12, () => this.pick(["a", "Z", "-", "я", "€", "🎥"])).join("");
  }

  /** A prefix or suffix, possibly empty. */
  prefix(): Namespace {
    return this.times(4, () => Uint8Array.of(this.below(256), ...this.bytes(8)));
  }

  namespace(): Namespace {
    return [Uint8Array.of(this.below(256)), ...this.prefix()];
  }

  track(): FullTrackName {
    return { namespace: this.namespace(), name: this.bytes(8) };
  }

  location(): Location {
    return { group: this.int(), object: this.int() };
  }

  /** In ascending order, as they are read back. */
  pairs(): Pair[] {
    const types = this.times(4, () => 0x8000n + BigInt(this.below(2000)));
    types.sort((a, b) => Number(a - b));
    return types.map((type) => ({ type, value: type % 2n === 0n ? this.int() : this.bytes(20) }));
  }

  properties(): Properties {
    return new Properties(propertiesTo(Properties.fromPairs(this.pairs()), this.version), this.version);
  }

  /** As they are read where none need no block. */
  optionalProperties(): Properties {
    const properties = this.properties();
    return properties.isEmpty ? Properties.EMPTY : properties;
  }

  token(): Token {
    const [alias, tokenType, value] = [this.int(), this.int(), this.bytes(20)];
    return this.pick<Token>([
      { kind: "delete", alias },
      { kind: "register", alias, tokenType, value },
      { kind: "use-alias", alias },
      { kind: "use-value", tokenType, value },
    ]);
  }

  filter(): Filter {
    const start = this.location();
    const endGroup = start.group + this.int(maxVarint(this.version) - start.group);
    return this.pick<Filter>([
      { kind: "next-group" },
      { kind: "largest-object" },
      { kind: "absolute-start", start },
      { kind: "absolute-range", start, endGroup },
    ]);
  }

  parameters(scope: Scope): Parameters {
    const all: Required<Parameters> = {
      objectDeliveryTimeout: 1n + this.int(maxVarint(this.version) - 1n),
      subgroupDeliveryTimeout: this.int(),
      rendezvousTimeout: this.int(),
      expires: this.int(),
      fillTimeout: this.int(),
      newGroupRequest: this.int(),
      authorizationTokens: [this.token(), ...this.times(2, () => this.token())],
      largestObject: this.location(),
      forward: this.flip(),
      subscriberPriority: this.below(256),
      filter: this.filter(),
      groupOrder: this.flip() ? "ascending" : "descending",
      namespacePrefix: this.prefix(),
      ignored: [],
    };
    const chosen = scope.filter((name) => this.flip() && (this.version === 18 || !ONLY_18.includes(name)));
    return Object.fromEntries(chosen.map((name) => [name, all[name]]));
  }

  messages(): Message[] {
    const [requestId, track, properties] = [this.int(), this.track(), this.properties()];
    const reply = this.version === 16 ? this.int() : undefined;
    const [prefix, suffix, reason] = [this.prefix(), this.prefix(), this.text()];
    const parameters = this.parameters(TOKENS);
    const joining = this.int();
    const update: Scope = [...SUBSCRIPTION, ...TOKENS, "subgroupDeliveryTimeout", "namespacePrefix"];
    const both: Message[] = [
      {
        type: "SUBSCRIBE",
        requestId,
        track,
        parameters: this.parameters([...update.slice(0, -1), "rendezvousTimeout", "groupOrder"]),
      },
      {
        type: "SUBSCRIBE_OK",
        requestId: reply,
        trackAlias: this.int(),
        parameters: this.parameters(LARGEST),
        properties,
      },
      {
        type: "PUBLISH",
        requestId,
        track,
        trackAlias: this.int(),
        parameters: this.parameters([...LARGEST, "forward", ...TOKENS]),
        properties,
      },
      { type: "PUBLISH_OK", requestId: reply, parameters: this.parameters([...SUBSCRIPTION, "groupOrder", "expires"]) },
      { type: "TRACK_STATUS", requestId, track, parameters },
      {
        type: "REQUEST_OK",
        requestId: reply,
        parameters: this.parameters(LARGEST),
        properties: this.version === 18 ? properties : Properties.EMPTY,
      },
      {
        type: "REQUEST_ERROR",
        requestId: reply,
        reason,
        retry: this.flip() ? undefined : this.int(maxVarint(this.version) - 1n),
        ...this.refusal(),
      },
      { type: "REQUEST_UPDATE", requestId, existingRequestId: reply, parameters: this.parameters(update) },
      {
        type: "PUBLISH_DONE",
        requestId: reply,
        status: this.pick([PublishDoneCode.TOO_FAR_BEHIND, PublishDoneCode.EXPIRED, PublishDoneCode.TRACK_ENDED]),
        streamCount: this.flip() ? undefined : this.int(1n << 40n),
        reason,
      },
      {
        type: "FETCH",
        requestId,
        range: { kind: "standalone", track, start: this.location(), end: this.location() },
        parameters,
      },
      {
        type: "FETCH",
        requestId,
        range: { kind: "relative", joining, groups: this.int() },
        parameters: this.parameters(["fillTimeout", "subscriberPriority", "groupOrder"]),
      },
      { type: "FETCH", requestId, range: { kind: "absolute", joining, group: this.int() }, parameters },
      { type: "FETCH_OK", requestId: reply, endOfTrack: this.flip(), end: this.location(), parameters: {}, properties },
      { type: "PUBLISH_NAMESPACE", requestId, namespace: this.namespace(), parameters },
      { type: "NAMESPACE", suffix },
      { type: "NAMESPACE_DONE", suffix },
      {
        type: "SUBSCRIBE_NAMESPACE",
        requestId,
        prefix,
        options: this.version === 18 ? "namespaces" : this.pick(["tracks", "namespaces", "both"]),
        parameters,
      },
    ];
    return [...both, this.setup(), ...(this.version === 18 ? this.messages18(parameters) : this.messages16())];
  }

  private refusal(): { code: number; redirect: { uri: string; track: FullTrackName } | undefined } {
    if (this.version === 16 || this.flip()) return { code: RequestErrorCode.DOES_NOT_EXIST, redirect: undefined };
    return { code: RequestErrorCode.REDIRECT, redirect: { uri: this.text(), track: this.track() } };
  }

  private setup(): Message {
    const options = {
      path: this.bytes(10),
      authority: this.bytes(10),
      tokens: [this.token()],
      maxAuthTokenCacheSize: this.int(),
      implementation: this.text(),
      unknown: [{ type: 0x9dn, value: this.bytes(9) }, ...this.pairs()],
      ...(this.version === 16 ? { maxRequestId: this.int() } : {}),
    };
    return { type: "SETUP", sender: this.version === 16 ? this.pick(["client", "server"]) : undefined, options };
  }

  private messages18(parameters: Parameters): Message[] {
    const uri = this.text();
    return [
      { type: "SUBSCRIBE_TRACKS", requestId: this.int(), prefix: this.prefix(), parameters },
      { type: "PUBLISH_BLOCKED", suffix: this.prefix(), name: this.bytes(8) },
      { type: "GOAWAY", uri, timeout: 1n + this.int(1n << 40n), requestId: this.flip() ? this.int() : undefined },
    ];
  }

  private messages16(): Message[] {
    const requestId = this.int();
    return [
      { type: "UNSUBSCRIBE", requestId },
      { type: "FETCH_CANCEL", requestId },
      { type: "PUBLISH_NAMESPACE_DONE", requestId },
      { type: "PUBLISH_NAMESPACE_CANCEL", requestId, code: RequestErrorCode.UNINTERESTED, reason: this.text() },
      { type: "MAX_REQUEST_ID", maxRequestId: requestId },
      { type: "REQUESTS_BLOCKED", maxRequestId: requestId },
      { type: "GOAWAY", uri: this.text(), timeout: undefined, requestId: undefined },
    ];
  }
}
