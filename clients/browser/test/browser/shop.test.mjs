// The shops' page of the real efir-commerce, which moves by itself as in a demonstration: what is refused, staff, languages. The
// whole way of an order is in shop-door.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser } from "./support/chromium.mjs";
import { Servers } from "./support/servers.mjs";

let browser;
before(async () => (browser = await Browser.start()));
after(() => browser?.close());

/** A test with a server of its own, whose shops take `more` settings, and a page on which nothing may go wrong unseen. */
const shopping = (name, more, body) =>
  test(name, async () => {
    const servers = new Servers();
    const page = await browser.context.newPage();
    page.messages = [];
    page.on("console", (message) => page.messages.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => page.messages.push(`page error: ${error.message}`));
    try {
      const shops = await servers.commerce(more);
      await browser.guard(name, () => body(page, shops, servers));
      const wrong = page.messages.filter((text) => /page error|Content Security Policy/.test(text));
      assert.deepEqual(wrong, []);
    } finally {
      await page.evaluate(() => localStorage.clear()).catch(() => {});
      await page.close();
      await servers.close();
    }
  });

const tab = async (page, shop) => {
  await page.click(`.tabs a[href="#/${shop}"]`);
  await page.waitForSelector(`.tabs a[href="#/${shop}"][aria-current]`);
  await page.waitForSelector(".cards[aria-busy=false]");
};
const search = async (page, text) => {
  const answered = page.waitForResponse((answer) => answer.url().includes(`q=${text}`));
  await page.fill("#search", text);
  await answered;
  await page.waitForSelector(".cards[aria-busy=false]");
};
/** Finds goods by their code and puts one in. */
const put = async (page, sku) => {
  await search(page, sku);
  await page.click(`[data-sku="${sku}"] .add`);
};
const stands = (page, sku) => page.waitForSelector(`[data-sku="${sku}"] .stepper`);
const enter = async (page) => {
  await page.click("#enter");
  await page.waitForSelector("#leave");
};
const toBasket = async (page) => {
  await page.click('.bar a[href="#/basket"]');
  await page.waitForSelector("#place:not([disabled])");
};
/** A medicine that is on sale: on prescription, or not. */
const medicine = async (page, words) => {
  await tab(page, "pharmacy");
  await search(page, words);
  await page.waitForSelector(".card .add:enabled");
  return page.$eval(".card:has(.add:enabled)", (card) => card.dataset.sku);
};
const ON_PRESCRIPTION = "amoxicillin";
const SELF_CARE = "paracetamol";

shopping("a card that is refused: nothing is sold, and the page says why", {}, async (page, shops) => {
  await page.goto(shops.page);
  await enter(page);
  const remedy = await medicine(page, SELF_CARE);
  await page.click(`[data-sku="${remedy}"] .add`);
  await toBasket(page);
  await page.click('input[value="demo-refused"]');
  await page.click("#place");
  await page.waitForFunction(() => document.querySelector(".heading .badge")?.textContent === "cancelled", undefined, { timeout: 30_000 });
  assert.match(await page.textContent(".history"), /Payment refused/);
  assert.match(await page.textContent(".view"), /Why:/);
});

shopping("medicines: availability by pharmacy, and none on prescription without one", {}, async (page, shops) => {
  await page.goto(shops.page);
  const remedy = await medicine(page, ON_PRESCRIPTION);
  await page.click(`[data-sku="${remedy}"] .small`);
  await page.waitForSelector(`[data-sku="${remedy}"] .places li`);
  await page.click(`[data-sku="${remedy}"] .add`);
  await page.click(`[data-sku="${remedy}"] .entrance`);
  await page.waitForSelector("#leave");
  await page.click(`[data-sku="${remedy}"] .add`);
  await page.waitForFunction((sku) => /You have no prescription/.test(document.querySelector(`[data-sku="${sku}"]`).textContent), remedy);
  assert.equal(await page.$(`[data-sku="${remedy}"] .stepper`), null);
});

shopping("the pharmacist's advice is waited for, given behind the counter, and shown", { EFIR_PHARMACY__AUTO_ADVICE_MS: "600000" }, async (page, shops) => {
  await page.goto(shops.page);
  await enter(page);
  const remedy = await medicine(page, ON_PRESCRIPTION);
  await page.click(`[data-sku="${remedy}"] .add`);
  await page.click(`[data-sku="${remedy}"] .note .main`);
  await stands(page, remedy);
  await toBasket(page);
  await page.click("#place");
  await page.waitForFunction(() => /Waiting for the pharmacist/.test(document.body.textContent), undefined, { timeout: 30_000 });
  const counter = await browser.context.newPage();
  await counter.goto(`${shops.page}#/counter`);
  await counter.fill("form input", "With water, in the morning.");
  await counter.click("form button");
  await page.waitForFunction(() => /With water, in the morning\./.test(document.querySelector("blockquote")?.textContent ?? ""), undefined, { timeout: 30_000 });
  await counter.close();
});

shopping("the grocery is shut for strangers, and a quick double click orders once", {}, async (page, shops) => {
  await page.goto(`${shops.page}#/grocery`);
  await page.click(".door button");
  await page.waitForSelector(".card");
  await page.click(".card .add:enabled");
  await toBasket(page);
  await page.$eval("#place", (button) => (button.click(), button.click()));
  await page.waitForSelector("#order-number");
  const id = await page.textContent("#order-number");
  await page.reload();
  await page.waitForFunction((id) => document.querySelector("#order-number")?.textContent === id, id);
  await page.click('.bar a[href="#/orders"]');
  await page.waitForSelector(".rows li");
  assert.equal(await page.$$eval(".orders .rows li", (rows) => rows.length), 1);
});

shopping("names in the visitor's language", {}, async (page, shops) => {
  await page.goto(shops.page);
  await page.waitForSelector(".card");
  const names = new Set();
  for (const code of ["en", "fi", "sv", "ru"]) {
    await page.selectOption("#language", code);
    await page.waitForFunction((code) => document.documentElement.lang === code && document.querySelector(".cards[aria-busy=false] .card"), code);
    names.add(await page.textContent(".card h2"));
  }
  assert.equal(names.size, 4, [...names].join());
});
