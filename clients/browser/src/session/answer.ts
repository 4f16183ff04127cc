// Waiting for the answer to a request, in bounded time and only as long as it is wanted.

import type { Message } from "../moqt/control/mod.ts";
import { StreamErrorCode } from "../moqt/error_code.ts";
import { SourceError } from "../source/source.ts";
import { StreamReset } from "./carrier.ts";
import { type Exchange, violationOf } from "./channel.ts";
import { RequestRefused, Violation } from "./error.ts";
import { REQUEST_TIMEOUT } from "./limit.ts";

/** What a request's waiting may be ended by. */
export interface Surroundings {
  /** Resolves when the session ends. */
  readonly closed: Promise<SourceError>;
  fail(error: unknown): void;
}

/** Resolves with what ends first; `cleanup` of the waiting is done in every case. */
export async function within<T>(
  work: Promise<T>,
  limits: { closed: Promise<SourceError>; milliseconds: number; late: SourceError; signal: AbortSignal | undefined },
): Promise<T> {
  const { closed, milliseconds, late, signal } = limits;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let aborted: (() => void) | undefined;
  const ended = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late), milliseconds);
    aborted = () => reject(new SourceError("closed", "given up by the player"));
    signal?.addEventListener("abort", aborted);
    if (signal?.aborted) aborted();
    void closed.then(reject);
  });
  try {
    return await Promise.race([work, ended]);
  } finally {
    clearTimeout(timer);
    if (aborted) signal?.removeEventListener("abort", aborted);
  }
}

/** The answer of type `type` to the request `what`; every other outcome is an error, and then the request is cancelled. */
export async function answer<T extends Message["type"]>(
  exchange: Exchange,
  type: T,
  what: string,
  { closed, fail }: Surroundings,
  signal: AbortSignal | undefined,
): Promise<Extract<Message, { type: T }>> {
  const late = new SourceError("busy", `the server did not answer ${what} in ${REQUEST_TIMEOUT / 1000} s`);
  try {
    const message = await within(first(exchange, what), { closed, milliseconds: REQUEST_TIMEOUT, late, signal });
    if (isA(message, type)) return message;
    if (message.type === "REQUEST_ERROR") {
      const { code, retry, reason, redirect } = message;
      throw new RequestRefused(what, { code, retry: retry === undefined ? undefined : Number(retry), reason, redirect });
    }
    throw new Violation(`${message.type} in answer to ${what}`);
  } catch (error) {
    if (error instanceof RequestRefused) exchange.finish();
    else exchange.cancel(StreamErrorCode.CANCELLED);
    const violation = violationOf(error);
    if (violation) fail(violation);
    if (error instanceof StreamReset) throw await resetDuring(what, error, closed);
    throw violation ?? error;
  }
}

/** A GOAWAY of the request may come before its answer: the answer still counts. */
async function first(exchange: Exchange, what: string): Promise<Message> {
  for (let message = await exchange.next(); message; message = await exchange.next()) {
    if (message.type !== "GOAWAY") return message;
  }
  throw new SourceError("closed", `the server ended ${what} without an answer`);
}

function resetDuring(what: string, reset: StreamReset, closed: Promise<SourceError>): Promise<SourceError> | SourceError {
  return reset.code === undefined ? closed : new SourceError("busy", `the server gave up ${what}: ${reset.message}`);
}

function isA<T extends Message["type"]>(message: Message, type: T): message is Extract<Message, { type: T }> {
  return message.type === type;
}
