// The peers of npm in Chromium: @moq/net publishes and subscribes, @moq/watch plays. Started by scripts/interop.
//
//   node test/interop.mjs publish   '{"url", "hash", "draft", "broadcast", "clip"}'    a clip (JSON file) in a loop until it is ended
//   node test/interop.mjs subscribe '{"url", "hash", "draft", "broadcast", "frames"}'  one JSON line per frame of the first video track
//   node test/interop.mjs watch     '{"url", "hash", "draft", "broadcast", "frames"}'  shows it until so many pictures came in order
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Browser, installWatch, judge } from "./browser/support/chromium.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
/** ms for all of a subscription. */
const PATIENCE = 50_000;

/** A page's script, with the packages in it. */
async function bundle(source) {
  mkdirSync(join(root, ".test"), { recursive: true });
  const folder = mkdtempSync(join(root, ".test", "interop-"));
  try {
    const entry = join(folder, "entry.js");
    writeFileSync(entry, source);
    const options = { bundle: true, format: "esm", target: "es2022", write: false, logLevel: "error" };
    const result = await build({ entryPoints: [entry], ...options });
    return result.outputFiles[0].text;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs first in the page: sessions trust this certificate, offer this draft only, and tell how their requests begin. */
const pinned = ({ hash, draft }) => `
let streams = 0;
const hex = (chunk) => Array.from(new Uint8Array(chunk.buffer ?? chunk, chunk.byteOffset, chunk.byteLength).slice(0, 96), (byte) =>
  byte.toString(16).padStart(2, "0")).join("");
const told = ({ readable, writable }) => {
  const id = streams++;
  const [getWriter, getReader] = [writable.getWriter.bind(writable), readable.getReader.bind(readable)];
  writable.getWriter = () => {
    const writer = getWriter();
    const write = writer.write.bind(writer);
    writer.write = (chunk) => (console.debug("request", id, "sent", hex(chunk)), write(chunk));
    return writer;
  };
  readable.getReader = (...options) => {
    const reader = getReader(...options);
    const read = reader.read.bind(reader);
    reader.read = async (...arguments_) => {
      const result = await read(...arguments_);
      if (result.value) console.debug("request", id, "received", hex(result.value));
      return result;
    };
    return reader;
  };
  return { readable, writable };
};
globalThis.WebTransport = class extends WebTransport {
  constructor(url) {
    const value = Uint8Array.from(${JSON.stringify(hash.match(/../g))}, (byte) => parseInt(byte, 16));
    super(url, { serverCertificateHashes: [{ algorithm: "sha-256", value }], protocols: ["moqt-${draft}"] });
  }
  async createBidirectionalStream(...options) {
    return told(await super.createBidirectionalStream(...options));
  }
  #incoming;
  get incomingBidirectionalStreams() {
    return (this.#incoming ??= super.incomingBidirectionalStreams.pipeThrough(new TransformStream({
      transform: (stream, controller) => controller.enqueue(told(stream)),
    })));
  }
};`;

/** In the page: the two ends of @moq/net. */
const NET = `
import * as Moq from "@moq/net";
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const connect = (url) => Moq.Connection.connect(new URL(url), { websocket: { enabled: false } });
const micros = (us) => Moq.Time.Timestamp.fromMicros(us);

globalThis.publish = async ({ url, broadcast }, clip) => {
  const connection = await connect(url);
  const producer = new Moq.Broadcast.Producer();
  const catalog = producer.createTrack("catalog.json");
  const video = producer.createTrack("video0", { timescale: Moq.Time.Timescale?.MICRO });
  connection.publish(Moq.Path.from(broadcast), producer);
  console.info("published over", connection.version);
  const begun = performance.now();
  let group;
  for (let round = 0; ; round++) {
    for (const frame of clip.frames) {
      const at = round * clip.seconds * 1e6 + frame.at_us;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, begun + at / 1000 - performance.now())));
      if (frame.keyframe) {
        // The package's subscriber asks for what comes after the newest object, without a FETCH: a catalog that was published once
        // would never reach it.
        catalog.writeString(JSON.stringify(clip.catalog));
        group?.close();
        group = video.appendGroup();
      }
      const time = Moq.Varint.encode(at);
      const payload = bytes(frame.payload);
      const object = new Uint8Array(time.length + payload.length);
      object.set(time);
      object.set(payload, time.length);
      group.writeFrame({ payload: object, timestamp: micros(at) });
    }
  }
};

globalThis.subscribe = async ({ url, broadcast, frames }) => {
  const connection = await connect(url);
  console.info("subscribed over", connection.version);
  const path = Moq.Path.from(broadcast);
  const announced = connection.announced(path);
  await announced.next();
  const consumer = connection.consume(path);
  const catalogs = await consumer.track("catalog.json").subscribe().nextGroup();
  const catalog = await catalogs.readJson();
  const [name, { container }] = Object.entries(catalog.video.renditions)[0];
  const video = consumer.track(name).subscribe({ ordered: true, latencyMax: 10_000 });
  const found = [];
  while (found.length < frames) {
    const group = await video.nextGroup();
    if (group === undefined) break;
    for (;;) {
      // A group whose beginning went by before the subscription is an error for this package.
      const frame = await group.readFrame().catch(() => undefined);
      if (frame === undefined || found.length === frames) break;
      // In hang's own container the time comes first.
      const chunk = container.kind === "legacy" ? Moq.Varint.decode(frame.payload)[1] : frame.payload;
      let text = "";
      for (const byte of chunk) text += String.fromCharCode(byte);
      found.push(btoa(text));
    }
  }
  return found;
};
`;

async function publish(page, options) {
  await page.addScriptTag({ type: "module", content: await bundle(NET) });
  await page.evaluate(([options, clip]) => globalThis.publish(options, clip), [options, JSON.parse(readFileSync(options.clip, "utf8"))]);
}

async function subscribe(page, options) {
  await page.addScriptTag({ type: "module", content: await bundle(NET) });
  for (const payload of await page.evaluate((options) => globalThis.subscribe(options), options)) {
    console.log(JSON.stringify({ payload }));
  }
}

async function watch(page, { url, broadcast, frames }) {
  await page.addScriptTag({ type: "module", content: await bundle('import "@moq/watch/element";') });
  await page.evaluate(installWatch);
  await page.evaluate(([url, name]) => {
    const player = document.createElement("moq-watch");
    player.setAttribute("url", url);
    player.setAttribute("name", name);
    player.setAttribute("muted", "");
    const canvas = document.createElement("canvas");
    canvas.width = 1280;
    canvas.height = 720;
    player.append(canvas);
    document.body.append(player);
    window.watched = window.watchBarcode({ shadowRoot: player });
  }, [url, broadcast]);
  const gaveUp = new Promise((_, reject) => {
    page.on("console", (message) => message.text().includes("reconnect timed out") && reject(new Error("the player gave up")));
  });
  const enough = page.waitForFunction((frames) => window.watched.seen.length >= frames, frames, { timeout: PATIENCE, polling: 100 });
  await Promise.race([enough, gaveUp]);
  // A busy machine makes it skip pictures; those it shows are frames of the clip, one after the other.
  const { garbage, next } = judge(await page.evaluate(() => window.watched.seen));
  if (garbage.length > 0 || next < frames / 2) throw new Error(`pictures: ${garbage.length} of no frame, ${next} after the one before`);
}

const [role, text] = process.argv.slice(2);
const options = JSON.parse(text);
const browser = await Browser.start();
const close = () => browser.close();
process.once("SIGTERM", () => close().then(() => process.exit(0)));
try {
  const page = await browser.page(browser.blank, pinned(options));
  page.on("console", (message) => console.error(`page: ${message.text()}`));
  page.on("pageerror", (error) => console.error(`page: ${error.message}`));
  await { publish, subscribe, watch }[role](page, options);
  await close();
} catch (error) {
  console.error(error.message);
  await close();
  process.exitCode = 1;
}
