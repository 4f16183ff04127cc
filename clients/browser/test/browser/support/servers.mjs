// Real servers for the browser tests: each a process of its own on loopback and a port of its own, ended with the test.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "..", "..");

/** Folder of the server binaries: SERVER_BIN, or the release build. */
export const bin = process.env.SERVER_BIN ?? join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "release");

/** Milliseconds between the steps of an order that nobody moves by hand. */
const QUICK_SHOPS = {
  EFIR_SHOP__DISPATCH_AFTER_MS: "300",
  EFIR_PHARMACY__AUTO_ADVICE_MS: "1500",
  EFIR_WAREHOUSE__AUTO_MS: "300",
  EFIR_CARRIER__SPEED: "3600",
};

/** How long a server may take to say where it listens, or to end, in ms. */
const PATIENCE = 15_000;

export const clip = join(root, "origin", "sample", "sample.mp4");

/** The servers of one test; `close` ends what is left. */
export class Servers {
  #children = new Set();
  /** Where certificates and hashes of these servers are kept. */
  state = mkdtempSync(join(tmpdir(), "efir-browser-"));
  /** For every program started from now on. */
  environment = {};

  /** Starts a program; resolves with its process, whose `log` grows. */
  start(name, args, { input } = {}) {
    const program = name.includes("/") ? name : join(bin, name);
    if (name.startsWith("efir") && !existsSync(program)) {
      throw new Error(`${program} is missing: cargo build --release -p standalone -p origin -p relay -p cli -p commerce`);
    }
    const child = spawn(program, args, {
      stdio: [input ? "pipe" : "ignore", "pipe", "pipe"],
      env: { ...process.env, XDG_STATE_HOME: this.state, RUST_BACKTRACE: "1", ...this.environment },
    });
    child.log = "";
    child.out = "";
    child.stdout.on("data", (data) => (child.out += data));
    child.stderr.on("data", (data) => (child.log = (child.log + data).slice(-200_000)));
    if (input) input.pipe(child.stdin).on("error", () => {});
    child.ended = once(child, "exit").then(([code, signal]) => {
      this.#children.delete(child);
      return { code, signal };
    });
    this.#children.add(child);
    return child;
  }

  /** Origin, relay and page in one process. */
  async standalone(...args) {
    const child = this.start("efir-standalone", ["--json", ...(args.includes("--port") ? [] : ["--port", "0", "--http-port", "0"]), ...args]);
    const line = await awaited(child, () => child.out.match(/^{.*}$/m)?.[0]);
    const bound = JSON.parse(line);
    return { child, udp: port(bound.relay[0]), http: port(bound.http[0]), hashes: bound.certificate_hashes };
  }

  /** Origin, relay and HTTP in one process, HTTP on the TCP port with the number of the UDP port. */
  async samePorts() {
    const first = await this.standalone();
    await crash(first.child);
    // Its ports are free again, and a port that a server just had is not given out soon.
    return this.standalone("--port", String(first.udp), "--http-port", String(first.udp));
  }

  /** The shops with demo tokens, in which everything moves by itself and quickly; `more` settings as environment. */
  async commerce(more = {}) {
    const state = mkdtempSync(join(this.state, "shops-"));
    const before = this.environment;
    this.environment = { ...before, ...QUICK_SHOPS, XDG_STATE_HOME: state, ...more };
    const child = this.start("efir-commerce", ["--demo", "--json", "--listen", "127.0.0.1:0"]);
    this.environment = before;
    const bound = JSON.parse(await awaited(child, () => child.out.match(/^{.*}$/m)?.[0]));
    return { child, page: `http://127.0.0.1:${port(bound.http[0])}/shop/` };
  }

  /** An origin of its own; `args` may begin with a source. */
  async origin(...args) {
    return this.originAt(0, ...args);
  }

  async originAt(udp, ...args) {
    const child = this.start("efir-origin", [...args, "--listen", `127.0.0.1:${udp}`, "--http", "127.0.0.1:0"]);
    const found = await awaited(child, () => child.log.match(/127\.0\.0\.1:([1-9]\d*)/)?.[1]);
    return { child, udp: Number(found) };
  }

  /** A relay that pulls from the server on UDP port `upstream` of this machine. */
  async relay(upstream, { udp = 0, http = 0, args = [] } = {}) {
    const from = upstream === undefined ? [] : ["--upstream", `moqt://127.0.0.1:${upstream}`];
    // Chromium takes `localhost` for ::1 first, and does not try the other address after it.
    const listen = ["--listen", `127.0.0.1:${udp}`, "--listen", `[::1]:${udp}`, "--http-port", String(http)];
    const child = this.start("efir-relay", [...listen, ...from, ...args]);
    const found = await awaited(child, () => child.log.match(/relay is up.*/)?.[0]);
    const port = (name) => Number(found.match(new RegExp(`${name}=\\[127\\.0\\.0\\.1:(\\d+)`))[1]);
    return { child, udp: port("udp"), http: port("http") };
  }

  /** Ends every server, hard after a while. */
  async close() {
    const children = [...this.#children];
    for (const child of children) child.kill("SIGTERM");
    const timer = setTimeout(() => children.forEach((child) => child.kill("SIGKILL")), 3_000);
    await Promise.all(children.map((child) => child.ended));
    clearTimeout(timer);
    rmSync(this.state, { recursive: true, force: true });
  }
}

/** Ends a server at once, as a crash does. */
export async function crash(child) {
  child.kill("SIGKILL");
  await child.ended;
}

function port(address) {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}

async function awaited(child, look) {
  const deadline = Date.now() + PATIENCE;
  while (Date.now() < deadline) {
    const found = look();
    if (found) return found;
    if (child.exitCode !== null || child.signalCode !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${child.spawnfile} did not start:\n${child.log}${child.out}`);
}
