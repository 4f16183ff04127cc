// The session in a worker of a real Chromium against the real server: joined tracks are whole and in order.
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Browser } from "./support/chromium.mjs";
import { Servers } from "./support/servers.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const servers = new Servers();
let browser;
let script;
let server;

before(async () => {
  const entryPoints = [join(here, "session-smoke-worker.ts")];
  const bundle = await build({ entryPoints, bundle: true, format: "iife", target: "es2022", write: false });
  script = bundle.outputFiles[0].text;
  server = await servers.standalone();
  browser = await Browser.start();
});

after(async () => {
  await browser?.close();
  await servers.close();
});

async function work(job) {
  const page = await browser.page(browser.blank);
  try {
    return await page.evaluate(
      ([source, job]) =>
        new Promise((resolve) => {
          const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = ({ message }) => resolve({ error: message });
          worker.postMessage(job);
        }),
      [script, job],
    );
  } finally {
    await page.close();
  }
}

test("a worker joins a catalog and 90 pictures, in order and from a group's first", async (context) => {
  await browser.guard("session", async () => {
    const url = `https://127.0.0.1:${server.udp}/`;
    const { result, error } = await work({ url, hashes: server.hashes, objects: 90 });
    assert.equal(error, undefined);
    assert.equal(result.protocol, "moqt-18");
    assert.deepEqual(result.gaps, []);
    assert.equal(result.objects, 90);
    assert.equal(result.distinct, 90);
    assert.match(result.firstObject, /\.0$/);
    assert.match(result.missing, /^not-found: the server refused SUBSCRIBE/);
    assert.equal(result.closed, "closed");
    context.diagnostic(JSON.stringify(result));
  });
});

test("a wrong certificate hash is unreachable, and the text says so", async () => {
  await browser.guard("session hash", async () => {
    const url = `https://127.0.0.1:${server.udp}/`;
    const { error } = await work({ url, hashes: ["00".repeat(32)], objects: 1 });
    assert.match(error, /no WebTransport connection to 127\.0\.0\.1.*certificate/);
  });
});
