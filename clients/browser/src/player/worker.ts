// The player's worker: messages of the element to the player, and back.

import { HttpSource } from "../source/http.ts";
import { MoqtSource } from "../source/moqt.ts";
import { sleep, type Ways } from "./connect.ts";
import { Player } from "./player.ts";
import type { Command, Notice } from "./protocol.ts";

const scope = self as unknown as { postMessage(message: Notice, transfer: Transferable[]): void };

const ways: Ways = {
  webtransport: ({ server, path, certificateHashes, token }, signal) =>
    MoqtSource.connect({ url: new URL(path, server).href, certificateHashes, token, signal }),
  http: (options, signal) => HttpSource.connect(options, signal),
  sleep,
  random: Math.random,
};

const player = new Player((notice, transfer) => scope.postMessage(notice, transfer ?? []), ways);
self.addEventListener("message", ({ data }: MessageEvent<Command>) => player.handle(data));
