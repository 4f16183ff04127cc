// The publisher's worker: messages of the element to the publisher, and back.

import type { Command, Notice } from "./protocol.ts";
import { Publisher } from "./publisher.ts";

const scope = self as unknown as { postMessage(message: Notice): void };
const publisher = new Publisher((notice) => scope.postMessage(notice));
self.addEventListener("message", ({ data }: MessageEvent<Command>) => publisher.handle(data));
