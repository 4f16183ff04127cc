// JSON of catalogs: typed fields with errors that name them, and merging.

import { MAX_CATALOG_BYTES, MAX_CATALOG_DEPTH } from "./limit.ts";
import { MediaError } from "./types.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function parseJson(bytes: Uint8Array): JsonObject {
  if (bytes.length > MAX_CATALOG_BYTES) throw new MediaError(`catalog of ${bytes.length} bytes is too large`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new MediaError(`catalog: ${error instanceof Error ? error.message : "not JSON"}`);
  }
  if (!isObject(value)) throw new MediaError("catalog: not a JSON object");
  return value;
}

/** RFC 7396. */
export function mergePatch(target: unknown, patch: unknown, depth = 0): unknown {
  if (!isObject(patch)) return patch;
  if (depth > MAX_CATALOG_DEPTH) throw new MediaError("catalog: update nested too deep");
  const merged = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, mergePatch(merged.get(key), value, depth + 1));
  }
  return Object.fromEntries(merged);
}

/** Fields of one object of a catalog. Absent and `null` are the same; a wrong type is an error that names the field. */
export class JsonFields {
  readonly #object: JsonObject;
  readonly #where: string;

  constructor(object: unknown, where: string) {
    if (!isObject(object)) throw new MediaError(`${where} is not an object`);
    this.#object = object;
    this.#where = where;
  }

  fail(reason: string): MediaError {
    return new MediaError(`${this.#where}: ${reason}`);
  }

  has(key: string): boolean {
    return this.raw(key) !== undefined;
  }

  raw(key: string): unknown {
    return Object.hasOwn(this.#object, key) ? (this.#object[key] ?? undefined) : undefined;
  }

  string(key: string): string | undefined {
    const value = this.raw(key);
    if (value !== undefined && typeof value !== "string") throw this.fail(`\`${key}\` is not a string`);
    return value;
  }

  needString(key: string): string {
    const value = this.string(key);
    if (value === undefined) throw this.fail(`\`${key}\` is missing`);
    return value;
  }

  /** Finite and not negative. */
  number(key: string): number | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !(value >= 0 && value < Infinity)) throw this.fail(`\`${key}\` is not a number`);
    return value;
  }

  /** Above 0 and no more than 32 bits, as rates and sizes are. */
  positive(key: string): number | undefined {
    const value = this.number(key);
    if (value === 0 || (value !== undefined && value > 0xffff_ffff)) throw this.fail(`\`${key}\` is ${value}`);
    return value === undefined ? undefined : Math.round(value);
  }

  boolean(key: string): boolean {
    const value = this.raw(key);
    if (value !== undefined && typeof value !== "boolean") throw this.fail(`\`${key}\` is not true or false`);
    return value ?? false;
  }

  list(key: string): readonly unknown[] {
    const value = this.raw(key);
    if (value !== undefined && !Array.isArray(value)) throw this.fail(`\`${key}\` is not a list`);
    return value ?? [];
  }

  object(key: string): JsonFields | undefined {
    const value = this.raw(key);
    return value === undefined ? undefined : new JsonFields(value, `${this.#where}: \`${key}\``);
  }

  base64(key: string): Uint8Array | undefined {
    const text = this.string(key);
    if (text === undefined) return undefined;
    try {
      return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    } catch {
      throw this.fail(`\`${key}\` is not base64`);
    }
  }

  hex(key: string): Uint8Array | undefined {
    const text = this.string(key);
    if (text === undefined) return undefined;
    if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) throw this.fail(`\`${key}\` is not hexadecimal`);
    return Uint8Array.from({ length: text.length / 2 }, (_, index) => parseInt(text.slice(2 * index, 2 * index + 2), 16));
  }
}

/** Without the keys that have no value, which `exactOptionalPropertyTypes` does not let through. */
export function compact<T extends object>(object: { [K in keyof T]: T[K] | undefined }): Partial<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Partial<T>;
}
