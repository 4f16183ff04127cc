// The shops' page against made-up shops: orders that are placed once, whatever happens on the way; trouble told in words; four
// languages, keyboard, a phone.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser } from "./support/chromium.mjs";
import { faults } from "./support/faults.mjs";
import { Shops } from "./support/shops.mjs";

let browser;
before(async () => (browser = await Browser.start()));
after(() => browser?.close());

/** A test with shops and a page of its own; nothing of another visitor is left in the browser. */
const visit = (name, body) =>
  test(name, async () => {
    const shops = await Shops.start();
    const page = await browser.context.newPage();
    page.messages = [];
    page.on("console", (message) => page.messages.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => page.messages.push(`page error: ${error.message}`));
    try {
      await browser.guard(name, () => body(page, shops));
      const wrong = page.messages.filter((text) => /page error|Content Security Policy/.test(text));
      assert.deepEqual(wrong, []);
    } finally {
      await page.evaluate(() => localStorage.clear()).catch(() => {});
      await page.close();
      await shops.close();
    }
  });

const put = async (page, shop, sku) => {
  await page.click(`.tabs a[href="#/${shop}"]`);
  await page.click(`[data-sku="${sku}"] .add`);
  await page.waitForSelector(`[data-sku="${sku}"] .stepper`);
};
/** A sofa in the basket of somebody who is in, and the price known. */
const readyToOrder = async (page, shops) => {
  await page.goto(shops.address);
  await page.click("#enter");
  await put(page, "furniture", "SOF-001");
  await page.click('.bar a[href="#/basket"]');
  await page.waitForSelector("#place:not([disabled])");
};
const ordered = (page) => page.waitForSelector("#order-number", { timeout: 15_000 });

visit("a double click orders once", async (page, shops) => {
  await readyToOrder(page, shops);
  await page.$eval("#place", (button) => (button.click(), button.click()));
  await ordered(page);
  assert.deepEqual([shops.orders.length, shops.asked], [1, 1]);
  assert.equal(await page.textContent("#order-number"), shops.orders[0].id);
  await page.click('.bar a[href="#/basket"]');
  await page.waitForSelector(".basket .door");
});

visit("an answer that is lost: the same order is asked for, not another", async (page, shops) => {
  let lost = 0;
  shops.trouble = () => (lost++ === 0 ? "lose" : undefined);
  await readyToOrder(page, shops);
  await page.click("#place");
  await ordered(page);
  assert.deepEqual([shops.orders.length, shops.asked, shops.keys.size], [1, 2, 1]);
});

visit("loading the page again in the middle of an order goes on with it", async (page, shops) => {
  shops.trouble = () => "lose";
  await readyToOrder(page, shops);
  await page.click("#place");
  while (shops.asked === 0) await page.waitForTimeout(20);
  shops.trouble = () => undefined;
  await page.reload();
  await ordered(page);
  assert.deepEqual([shops.orders.length, shops.keys.size], [1, 1]);
  await page.click('.bar a[href="#/basket"]');
  await page.waitForSelector(".basket .door");
  assert.equal(await page.evaluate(() => sessionStorage.getItem("efir-shop-placing")), null);
});

visit("busy shops are asked again when they said, and not before", async (page, shops) => {
  const times = [];
  shops.trouble = () => {
    times.push(performance.now());
    return times.length === 1 ? { status: 503, kind: "overloaded", title: "Too busy", retry_after: 2 } : undefined;
  };
  await readyToOrder(page, shops);
  await page.click("#place");
  await page.waitForFunction(() => /asked for again in 2 s/.test(document.querySelector(".sums").textContent));
  await ordered(page);
  assert.ok(times[1] - times[0] >= 1900, `asked again after ${times[1] - times[0]} ms`);
  assert.equal(shops.orders.length, 1);
});

visit("what is refused is told at its line, and the basket is kept", async (page, shops) => {
  shops.trouble = () => ({ status: 409, kind: "out-of-stock", title: "Not enough in stock", errors: [{ pointer: "/lines/0/quantity", detail: "only 0 left" }] });
  await readyToOrder(page, shops);
  await page.click("#place");
  await page.waitForSelector(".sums .notice.bad");
  assert.match(await page.textContent(".sums .notice.bad"), /There is not enough of it\. Take fewer/);
  assert.equal(await page.textContent(".item .note.bad"), "only 0 left");
  shops.trouble = () => undefined;
  await page.click("#place");
  await ordered(page);
  assert.equal(shops.keys.size, 1, "a refused order's key is not used for the next");
});

visit("a medicine on prescription: none, asked for, and in the basket", async (page, shops) => {
  await page.goto(shops.address);
  await page.click('.tabs a[href="#/pharmacy"]');
  await page.click('[data-sku="900001"] .add');
  await page.click('[data-sku="900001"] .entrance');
  await page.waitForSelector("#leave");
  await page.click('[data-sku="900001"] .add');
  await page.waitForFunction(() => /You have no prescription/.test(document.querySelector('[data-sku="900001"]').textContent));
  assert.equal(shops.prescriptions.length, 0);
  await page.click('[data-sku="900001"] .note .main');
  await page.waitForSelector('[data-sku="900001"] .stepper');
  await page.click('.bar a[href="#/basket"]');
  await page.waitForSelector("#place:not([disabled])");
  await page.click("#place");
  await ordered(page);
  assert.equal(shops.orders[0].lines[0].prescription, shops.prescriptions[0].id);
  const [order] = shops.orders;
  shops.step(order, "held");
  shops.step(order, "waiting_advice");
  await page.waitForFunction(() => /Waiting for the pharmacist/.test(document.body.textContent));
});

visit("an order's history goes on by itself, also across a lost connection", async (page, shops) => {
  await readyToOrder(page, shops);
  await page.click("#place");
  await ordered(page);
  const [order] = shops.orders;
  const entries = (count) => page.waitForFunction((count) => document.querySelectorAll(".history li").length === count, count);
  await page.waitForSelector(".live:not(.lost)");
  shops.step(order, "held", "until half past");
  await entries(2);
  shops.breakOff();
  shops.step(order, "paid");
  await entries(3);
  await page.waitForFunction(() => document.getElementById("said").textContent.trim() === "paid", undefined, { timeout: 5000 });
  shops.step(order, "delivered");
  await page.waitForSelector(".steps li.done:last-child");
  assert.equal(await page.$("#cancel"), null);
});

visit("the grocery opens for those who are in", async (page, shops) => {
  await page.goto(`${shops.address}#/grocery`);
  await page.click(".door button");
  await page.waitForSelector('[data-sku="CHE-1"]');
  assert.match(await page.textContent('[data-sku="CHE-1"]'), /Promotion.*€6\.70.*In the shop itself: €5\.95.*Lowest in 30 days before: €8\.45/s);
  assert.equal(await page.isDisabled('[data-sku="CHO-3"] .add'), true);
  await page.click("#leave");
  await page.waitForSelector(".door");
  assert.equal(await page.$('[data-sku="CHE-1"]'), null);
});

visit("four languages, in the page and in what it asks for", async (page, shops) => {
  await page.goto(shops.address);
  const heading = { fi: "Huonekalut", sv: "Möbler", ru: "Мебель", en: "Furniture" };
  for (const [code, text] of Object.entries(heading)) {
    await page.selectOption("#language", code);
    await page.waitForFunction((text) => document.querySelector("h1").textContent === text, text);
    assert.equal(await page.getAttribute("html", "lang"), code);
    assert.ok(shops.languages.has(code), `nothing was asked for in ${code}`);
  }
  await page.selectOption("#language", "ru");
  await page.waitForFunction(() => document.documentElement.lang === "ru");
  await page.reload();
  await page.waitForFunction(() => document.querySelector("h1")?.textContent === "Мебель");
});

visit("search as one types keeps what is typed and the focus", async (page, shops) => {
  await page.goto(shops.address);
  await page.waitForSelector('[data-sku="CHA-014"]');
  await page.focus("#search");
  await page.keyboard.type("kivi", { delay: 30 });
  await page.waitForFunction(() => document.querySelectorAll(".card").length === 1);
  assert.deepEqual(await page.evaluate(() => [document.activeElement.id, document.activeElement.value]), ["search", "kivi"]);
  await page.fill("#search", "nothing like it");
  await page.waitForSelector("text=Nothing was found");
});

visit("without a network the page says so, and goes on after it", async (page, shops) => {
  await page.goto(shops.address);
  await page.waitForSelector(".card");
  await page.context().setOffline(true);
  await page.waitForSelector("#offline:not([hidden])");
  await page.fill("#search", "sofa");
  await page.waitForSelector(".browse .notice.bad");
  await page.context().setOffline(false);
  await page.waitForSelector(".card");
  assert.equal(await page.isVisible("#offline"), false);
});

visit("by keyboard alone into the basket", async (page, shops) => {
  await page.goto(shops.address);
  await page.waitForSelector('[data-sku="SOF-001"]');
  const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent);
  const tabTo = async (name) => {
    for (let presses = 0; presses < 40; presses++) {
      await page.keyboard.press("Tab");
      if ((await focused()) === name) return;
    }
    assert.fail(`${name} is not reached with Tab`);
  };
  await tabTo("Add Sofa Kivi, three seats, grey");
  await page.keyboard.press("Enter");
  await page.waitForSelector('[data-sku="SOF-001"] .stepper');
  assert.equal(await focused(), "More of Sofa Kivi, three seats, grey", "the focus is not lost with the button");
});

visit("names, contrast and headings, light and dark; nothing wider than a phone", async (page, shops) => {
  await page.setViewportSize({ width: 360, height: 740 });
  await readyToOrder(page, shops);
  const places = ["furniture", "grocery", "pharmacy", "basket", "orders", "track", "prescriptions", "counter"];
  for (const place of places) {
    await page.goto(`${shops.address}#/${place}`);
    await page.waitForSelector(`.view h1`, { state: "attached" });
    await page.waitForTimeout(250);
    for (const code of ["en", "fi", "sv", "ru"]) {
      await page.selectOption("#language", code);
      await page.waitForFunction((code) => document.documentElement.lang === code, code);
      await page.waitForTimeout(60);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, `${place}, ${code}`);
    }
    await page.selectOption("#language", "en");
    await page.waitForFunction(() => document.documentElement.lang === "en");
    await page.waitForTimeout(250);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      assert.deepEqual(await page.evaluate(faults), [], `${place}, ${colorScheme}`);
    }
  }
});
