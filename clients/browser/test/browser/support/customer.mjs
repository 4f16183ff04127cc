// A customer at the shops' page: what a person does, step by step.
import assert from "node:assert/strict";

const choose = async (page, shop, words) => {
  await page.click(`.tabs a[href="#/${shop}"]`);
  await page.waitForSelector(`.tabs a[href="#/${shop}"][aria-current]`);
  const answered = page.waitForResponse((answer) => answer.url().includes(`q=${words}`));
  await page.fill("#search", words);
  await answered;
  await page.waitForSelector(".cards[aria-busy=false] .card .add:enabled");
};

/** Puts the first goods in that can be had; their code. */
const put = async (page) => {
  const sku = await page.$eval(".card:has(.add:enabled)", (card) => card.dataset.sku);
  await page.click(`[data-sku="${sku}"] .add`);
  return sku;
};

const stands = (page, sku) => page.waitForSelector(`[data-sku="${sku}"] .stepper`);

/** Money as the page writes it, in cents. */
export const cents = (text) => Number(text.replaceAll(/[^0-9.]/g, "").replace(".", ""));

/** One of each shop into the basket: a sofa, what is at a special price, a medicine with the prescription it needs. */
export const fill = async (page) => {
  await choose(page, "furniture", "sofa");
  await stands(page, await put(page));
  await page.click('.tabs a[href="#/grocery"]');
  await page.click(".chip");
  await page.waitForFunction(() => {
    const cards = document.querySelectorAll(".cards[aria-busy=false] .card");
    return cards.length === 1 && /Promotion/.test(cards[0].textContent);
  });
  await stands(page, await put(page));
  await choose(page, "pharmacy", "amoxicillin");
  const remedy = await put(page);
  await page.waitForFunction((sku) => /You have no prescription/.test(document.querySelector(`[data-sku="${sku}"]`).textContent), remedy);
  await page.click(`[data-sku="${remedy}"] .note .main`);
  await stands(page, remedy);
};

/** Orders what is in the basket; what its button said it costs, in cents. */
export const order = async (page) => {
  await page.click('.bar a[href="#/basket"]');
  await page.waitForSelector("#place:not([disabled])");
  assert.equal(await page.$$eval(".item", (items) => items.length), 3);
  const agreed = cents(await page.textContent("#place"));
  await page.click("#place");
  await page.waitForSelector("#order-number");
  return agreed;
};
