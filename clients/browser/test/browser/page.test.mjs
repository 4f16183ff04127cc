// The relay's own page: what is on the air, players side by side, links, tokens, keyboard, a phone.
import assert from "node:assert/strict";
import { faults } from "./support/faults.mjs";
import { crash } from "./support/servers.mjs";
import { suite } from "./support/suite.mjs";
import { watch } from "./support/watch.mjs";

const { live, browser } = suite();

const open = (relay, rest = "") => browser().page(`http://localhost:${relay.http}/${rest}`);
const publish = (servers, relay, name) => servers.origin("--namespace", name, "--publish", `moqt://127.0.0.1:${relay.udp}/`);
const entry = (name) => `#list [data-path="${name}"]`;
const playing = (page, count) =>
  page.waitForFunction(
    (count) => {
      const players = [...document.querySelectorAll("efir-player")];
      return players.length === count && players.every(({ state }) => state === "playing");
    },
    count,
    { timeout: 30_000 },
  );
const muted = (page) => page.$$eval("efir-player", (players) => players.map((player) => player.hasAttribute("muted")));

live("nothing on the air: the page says how to change that", async (servers) => {
  const relay = await servers.relay();
  const page = await open(relay);
  await page.waitForSelector("#empty:not([hidden])");
  const commands = await page.$$eval("#empty code", (all) => all.map(({ textContent }) => textContent));
  assert.equal(commands[0], "cargo run --release");
  assert.match(commands[1], new RegExp(`efir-origin - .*--publish https://localhost:${relay.udp}/$`));
  assert.equal(await page.$("efir-player"), null);
  await page.click("#publish-here");
  await page.waitForSelector("#publish efir-publisher");
  assert.match(await page.getAttribute("efir-publisher", "namespace"), /^live\/\w+$/);
});

live("broadcasts come and go by themselves, and the only one plays at once", async (servers) => {
  const relay = await servers.relay();
  const page = await open(relay);
  await page.waitForSelector("#empty:not([hidden])");
  await publish(servers, relay, "live/one");
  await page.waitForSelector(`${entry("live/one")}[aria-pressed="true"]`);
  await playing(page, 1);
  assert.equal(new URL(page.url()).hash, "#live/one");
  assert.equal(await page.isVisible("#empty"), false);
  const second = await publish(servers, relay, "live/two");
  await page.waitForSelector(`${entry("live/two")}[aria-pressed="false"]`);
  await crash(second.child);
  await page.waitForSelector(entry("live/two"), { state: "detached" });
  assert.notEqual(await page.$(entry("live/one")), null);
});

live("two side by side show pictures, and one is heard", async (servers) => {
  const relay = await servers.relay();
  await publish(servers, relay, "live/one");
  await publish(servers, relay, "live/two");
  const page = await open(relay);
  await page.click(entry("live/one"));
  await page.click(entry("live/two"));
  await playing(page, 2);
  await watch(page, 20);
  assert.equal(new URL(page.url()).hash, "#live/one+live/two");
  assert.deepEqual(await muted(page), [true, false]);
  await page.$eval("efir-player", (player) => player.removeAttribute("muted"));
  await page.waitForFunction(() => document.querySelectorAll("efir-player")[1].hasAttribute("muted"));
  await page.check("#all-sound");
  assert.deepEqual(await muted(page), [false, false]);
  const [left, right] = await page.$$eval("efir-player", (players) => players.map((player) => player.getBoundingClientRect().toJSON()));
  assert.ok(right.left >= left.right && right.top === left.top, "not side by side");
});

live("a link opens the same, and follows what is changed", async (servers) => {
  const relay = await servers.relay();
  await publish(servers, relay, "live/one");
  const page = await open(relay, "#live/one?latency=700&stats=1+live/missing");
  await page.waitForFunction(() => document.querySelectorAll("efir-player").length === 2);
  const [first] = await page.$$("efir-player");
  assert.equal(await first.getAttribute("latency"), "700");
  assert.equal(await first.getAttribute("stats"), "");
  await first.evaluate((player) => player.removeAttribute("stats"));
  await page.waitForFunction(() => location.hash === "#live/one?latency=700+live/missing");
  await page.evaluate(() => (location.hash = "#live/one?latency=300"));
  await page.waitForFunction(() => document.querySelectorAll("efir-player").length === 1);
  assert.equal(await first.getAttribute("latency"), "300");
  await page.reload();
  await playing(page, 1);
  assert.equal(await page.getAttribute("efir-player", "latency"), "300");
});

live("a relay that wants a token: none, wrong, right", async (servers) => {
  servers.environment = { EFIR_ACCESS__SUBSCRIBE_TOKEN: "secret" };
  const relay = await servers.relay();
  servers.environment = {};
  await publish(servers, relay, "live/one");
  const page = await open(relay);
  const titled = (title) => page.waitForFunction((title) => document.querySelector("#notice h2").textContent === title, title);
  await titled("A token is needed");
  await page.fill("#token", "wrong");
  await page.press("#token", "Enter");
  await titled("The token was refused");
  await page.fill("#token", "secret");
  await page.press("#token", "Enter");
  await playing(page, 1);
  assert.equal(await page.isVisible("#notice"), false);
  assert.doesNotMatch(page.url(), /secret/);
  const linked = await open(relay, "?token=secret#live/one");
  await playing(linked, 1);
  assert.doesNotMatch(linked.url(), /secret/);
});

live("a relay that stops is told from an empty one, and found again", async (servers) => {
  const relay = await servers.relay();
  const page = await open(relay);
  await page.waitForSelector("#empty:not([hidden])");
  await crash(relay.child);
  await page.waitForFunction(() => document.querySelector("#notice h2").textContent === "The relay does not answer", undefined, { timeout: 20_000 });
  assert.equal(await page.isVisible("#empty"), false);
  await servers.relay(undefined, { udp: relay.udp, http: relay.http });
  await page.waitForSelector("#empty:not([hidden])", { timeout: 20_000 });
  assert.equal(await page.isVisible("#notice"), false);
});

live("without WebTransport the list is asked for over HTTP", async (servers) => {
  const relay = await servers.relay();
  await publish(servers, relay, "live/one");
  const page = await browser().context.newPage();
  await page.addInitScript(() => delete window.WebTransport);
  await page.goto(`http://localhost:${relay.http}/#live/none`);
  await page.waitForSelector(entry("live/one"));
  assert.match(await page.textContent("#notice h2"), /no WebTransport/);
  const second = await publish(servers, relay, "live/two");
  await page.waitForSelector(entry("live/two"));
  await crash(second.child);
  await page.waitForSelector(entry("live/two"), { state: "detached" });
});

live("by keyboard alone: open, close, and the focus is kept", async (servers) => {
  const relay = await servers.relay();
  await publish(servers, relay, "live/one");
  await publish(servers, relay, "live/two");
  const page = await open(relay);
  await page.waitForSelector(entry("live/two"));
  const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent);
  const tabTo = async (name) => {
    for (let presses = 0; presses < 40; presses++) {
      await page.keyboard.press("Tab");
      if ((await focused()) === name) return;
    }
    assert.fail(`${name} is not reached with Tab`);
  };
  await tabTo("live/two");
  await page.keyboard.press("Enter");
  await playing(page, 1);
  await tabTo("Close live/two");
  await page.keyboard.press("Enter");
  await page.waitForSelector("efir-player", { state: "detached" });
  assert.equal(await focused(), "live/two");
});

live("at 360 px nothing is wider than the screen; colours are kept", async (servers) => {
  const relay = await servers.relay();
  await publish(servers, relay, "live/one");
  const page = await browser().context.newPage();
  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto(`http://localhost:${relay.http}/#live/one?stats=1`);
  await playing(page, 1);
  await page.click("summary");
  await page.click("#access-open");
  await page.click("#publish-open");
  await page.waitForSelector("efir-publisher");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const before = await ground();
  await page.click("#theme");
  const chosen = await ground();
  assert.notEqual(chosen, before);
  await page.reload();
  assert.equal(await ground(), chosen);
});

live("names, contrast, headings and landmarks, light and dark", async (servers) => {
  const relay = await servers.relay();
  const page = await open(relay);
  await page.waitForSelector("#empty:not([hidden])");
  await page.click("summary");
  await page.click("#access-open");
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    assert.deepEqual(await page.evaluate(faults), [], `empty, ${colorScheme}`);
  }
  await publish(servers, relay, "live/one");
  await playing(page, 1);
  await page.$eval("efir-player", (player) => player.setAttribute("stats", ""));
  await page.click("#publish-open");
  await page.waitForSelector("efir-publisher");
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    assert.deepEqual(await page.evaluate(faults), [], `playing, ${colorScheme}`);
  }
  const panel = () => page.$eval("efir-player", (player) => getComputedStyle(player.shadowRoot.querySelector(".panel")).backgroundColor);
  const before = await panel();
  await page.click("#theme");
  assert.notEqual(await panel(), before, "the player follows the page's colours");
});
