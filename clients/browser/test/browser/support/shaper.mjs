// A UDP proxy that makes a link slow, long or lossy. Seeded: the same seed loses the same packets.
import dgram from "node:dgram";
import { once } from "node:events";

/** Bytes that wait for the link at most; what does not fit is lost, as at a router. */
const QUEUE_BYTES = 256 * 1024;

export class Shaper {
  /** Bits per second towards the client; 0 = no limit. */
  rate = 0;
  /** One way, ms, both directions. */
  delay = 0;
  /** Share of packets lost towards the client, 0…1. */
  loss = 0;
  /** Nothing passes. */
  blocked = false;
  passed = 0;
  lost = 0;
  #queued = 0;
  #freeAt = 0;
  #state;
  #clients = new Map();
  #timers = new Set();

  /** Listens on a free port of 127.0.0.1 and passes on to `server`. */
  static async start(server, { seed = 1 } = {}) {
    const shaper = new Shaper();
    shaper.server = server;
    shaper.#state = seed;
    shaper.socket = dgram.createSocket({ type: "udp4", recvBufferSize: 1 << 20, sendBufferSize: 1 << 20 });
    shaper.socket.bind(0, "127.0.0.1");
    await once(shaper.socket, "listening");
    shaper.port = shaper.socket.address().port;
    shaper.socket.on("message", (packet, from) => shaper.#up(packet, from));
    return shaper;
  }

  #up(packet, from) {
    if (this.blocked) return;
    let link = this.#clients.get(from.port);
    if (!link) {
      link = dgram.createSocket({ type: "udp4", recvBufferSize: 1 << 20, sendBufferSize: 1 << 20 });
      link.on("message", (answer) => this.#down(answer, from.port));
      link.on("error", () => {});
      this.#clients.set(from.port, link);
    }
    this.#later(this.delay, () => link.send(packet, this.server, "127.0.0.1"));
  }

  #down(packet, port) {
    if (this.blocked) return;
    if (this.loss > 0 && this.#random() < this.loss) {
      this.lost += 1;
      return;
    }
    const now = performance.now();
    let wait = this.delay;
    if (this.rate > 0) {
      if (this.#queued + packet.length > QUEUE_BYTES) {
        this.lost += 1;
        return;
      }
      this.#queued += packet.length;
      this.#freeAt = Math.max(this.#freeAt, now) + (packet.length * 8000) / this.rate;
      wait += this.#freeAt - now;
    }
    this.#later(wait, () => {
      if (this.rate > 0) this.#queued = Math.max(0, this.#queued - packet.length);
      this.passed += 1;
      this.socket.send(packet, port, "127.0.0.1");
    });
  }

  #later(wait, action) {
    if (wait < 1) return action();
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, wait);
    this.#timers.add(timer);
  }

  /** mulberry32 */
  #random() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let value = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  }

  close() {
    for (const timer of this.#timers) clearTimeout(timer);
    for (const link of this.#clients.values()) link.close();
    this.socket.close();
  }
}
