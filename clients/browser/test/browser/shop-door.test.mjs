// What the whole product is for, as a person does it: `efir-standalone` with its defaults, from the player page into the shops, a
// medicine on prescription, a promotion and a sofa in one basket, to the door, and every parcel followed by a stranger.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "./support/chromium.mjs";
import { cents, fill, order } from "./support/customer.mjs";
import { Servers } from "./support/servers.mjs";

/** From the order to the door at the demonstration's usual speed: about a minute, of which the carriers drive 40 s. */
const TO_THE_DOOR = 100_000;

/** Everything that a developer would see in red. */
const listen = (page) => {
  page.messages = [];
  page.on("console", (message) => message.type() === "error" && page.messages.push(message.text()));
  page.on("pageerror", (error) => page.messages.push(`page error: ${error.message}`));
  return page;
};

/** The numbers of an order's parcels, once there are so many. */
const parcels = async (page, count) => {
  const numbers = await page.waitForFunction(
    (count) => {
      const numbers = [...document.querySelectorAll("[data-parcel]")].map((entry) => entry.dataset.parcel);
      return numbers.length === count && numbers;
    },
    count,
    { timeout: TO_THE_DOOR },
  );
  return numbers.jsonValue();
};

test("a medicine on prescription, a promotion and a sofa in one basket, followed to the door", { timeout: 150_000 }, async () => {
  const [servers, browser, elsewhere] = [new Servers(), await Browser.start(), await Browser.start()];
  try {
    const { http } = await servers.standalone();
    const page = listen(await browser.context.newPage());
    await browser.guard("shop door", async () => {
      await page.goto(`http://localhost:${http}/`);
      await page.click('#pages a[href="/shop/"]');
      await page.click("#enter");
      await page.waitForSelector("#leave");
      await fill(page);
      const agreed = await order(page);
      // One of the pharmacy, and two of our warehouse, which sends cold goods apart.
      const numbers = await parcels(page, 3);
      const strangers = await Promise.all(
        numbers.map(async (number) => {
          const stranger = listen(await elsewhere.context.newPage());
          await stranger.goto(`http://localhost:${http}/shop/#/track`);
          await stranger.fill("#parcel-number", number);
          await stranger.press("#parcel-number", "Enter");
          await stranger.waitForSelector(".steps .now, .steps .done");
          return stranger;
        }),
      );
      await page.waitForSelector(".steps li.done:last-child", { timeout: TO_THE_DOOR });
      assert.equal(await page.textContent(".heading .badge"), "delivered");
      assert.deepEqual(await page.$$eval("[data-parcel] .badge", (badges) => badges.map(({ textContent }) => textContent)), Array(3).fill("delivered"));
      assert.deepEqual(await page.$$eval("[data-shop] .end .badge", (badges) => badges.map(({ textContent }) => textContent)), Array(3).fill("delivered"));
      assert.equal(cents(await page.textContent(".sums .whole dd")), agreed);
      assert.match(await page.textContent("blockquote"), /Demonstration, not medical advice/);
      const told = await page.textContent(".history");
      for (const step of ["Placed", "Goods held", "Advice given", "Paid", "A shop has confirmed", "In our warehouse", "Parcel"]) assert.ok(told.includes(step.toLowerCase()) || told.includes(step), `${step} is not in the history`);
      for (const stranger of strangers) {
        await stranger.waitForSelector(".steps li.done:last-child");
        assert.doesNotMatch(await stranger.textContent("main"), /Demo Customer|Esimerkkikatu/);
        assert.equal(await stranger.$("#leave"), null, "nobody is logged in there");
      }
      assert.deepEqual([page, ...strangers].flatMap(({ messages }) => messages), []);
    });
  } finally {
    await Promise.all([browser.close(), elsewhere.close()]);
    await servers.close();
  }
});
