// Shops made of nothing, for what the real ones do not do when asked: lose an answer, be busy for a moment, break off a stream.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const folder = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "..", "..", "commerce", "page");
const KINDS = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
/** As the real page's, so that what it forbids is forbidden here. */
const POLICY = readFileSync(join(folder, "policy.txt"), "utf8").trim();

const eur = (minor) => ({ minor, currency: "EUR" });
const goods = (sku, name, description, category, price, more = {}) => ({
  sku, name, description, category, price: eur(price), vat_rate: 2550, available: 40, weight_g: 1000, volume_ml: 1000, cold_chain: false, attributes: {}, version: 1, ...more,
});

/** What the reseller asks for it. */
const fee = ({ minor }) => eur(Math.ceil((minor * 1.12) / 5) * 5);

const FURNITURE = [
  goods("SOF-001", "Sofa Kivi, three seats, grey", "Wool, oak legs, covers that come off", "sofas", 89900, { available: 7 }),
  goods("CHA-014", "Chair Tuuli", "Birch, stackable", "chairs", 7900),
  goods("TAB-003", "Table Salmi 160 × 90", "Oiled oak for six", "tables", 34900, { was: eur(39900), available: 3 }),
  goods("SHE-101", "Shelf Metsä, five boards", "Pine, 80 × 30 × 180 cm", "shelves", 11900),
  goods("LAM-007", "Lamp Aamu", "Dims by touch", "lamps", 4950, { available: 0 }),
  goods("BED-020", "Bed Yö 160 × 200", "Slatted, with two drawers", "beds", 49900),
];
const GROCERY = [
  goods("CHE-1", "Blue cheese Kolmikulma 200 g", "Ripened twelve weeks", "cheese", 595, { cold_chain: true, restricted: true, was: eur(845), promotion: { ends_at: "2027-01-31T22:00:00Z", per_customer: 2 }, available: 6 }),
  goods("HAM-2", "Ham Sarka, air-dried 100 g", "Cut thin", "meat", 729, { cold_chain: true, restricted: true }),
  goods("CHO-3", "Chocolate Ilta 70 %", "From one plantation", "sweets", 389, { restricted: true, available: 0 }),
];
const medicine = (vnr, name, substance, form, strength, pack, status, price, more = {}) => ({
  vnr, name, substance, form, strength, pack, status, control: "ordinary", price: eur(price), vat_rate: 1350, available: 30, cold_chain: false, synthetic: true, version: 1, ...more,
});
const MEDICINES = [
  medicine("900001", "Synbetan", "synthol", "tablet", "50 mg", "100 tablets", "R", 1890),
  medicine("900002", "Demoparin", "demoparin", "solution for injection", "40 mg/ml", "10 syringes", "R", 5420, { cold_chain: true }),
  medicine("900003", "Fiktadol", "fictamol", "tablet", "500 mg", "20 tablets", "K", 412),
];

/** The page and its interface on a free port of 127.0.0.1. */
export class Shops {
  orders = [];
  prescriptions = [];
  /** Orders that came in, by key: each key makes one order. */
  keys = new Map();
  /** Requests for orders, also repeated ones. */
  asked = 0;
  /** Languages of all requests. */
  languages = new Set();
  /** `(request) => "lose" | { status, …problem } | undefined`: what happens instead of, or after, an order. */
  trouble = () => undefined;
  #streams = new Set();

  static async start() {
    const shops = new Shops();
    shops.server = createServer((request, response) => shops.#answer(request, response));
    await new Promise((resolve) => shops.server.listen(0, "127.0.0.1", resolve));
    shops.address = `http://localhost:${shops.server.address().port}/shop/`;
    return shops;
  }

  /** Breaks off all live streams. */
  breakOff() {
    for (const { response } of this.#streams) response.destroy();
    this.#streams.clear();
  }

  /** Something happens to an order. */
  step(order, state, detail = "") {
    order.state = state;
    order.version += 1;
    order.history.push({ at: new Date().toISOString(), step: state, detail });
    for (const stream of this.#streams) if (stream.order === order) this.#tell(stream);
  }

  #tell(stream) {
    for (; stream.told < stream.order.history.length; stream.told++) {
      stream.response.write(`id: ${stream.told + 1}\nevent: ${stream.order.state}\ndata: ${JSON.stringify(stream.order.history[stream.told])}\n\n`);
    }
  }

  async #answer(request, response) {
    const url = new URL(request.url, "http://localhost");
    if (!url.pathname.startsWith("/api/v1")) return this.#file(url.pathname, response);
    this.languages.add(request.headers["accept-language"]);
    let text = "";
    for await (const chunk of request) text += chunk;
    const path = url.pathname.slice("/api/v1".length);
    const answer = this.#api(request, `${request.method} ${path}`, url.searchParams, text === "" ? undefined : JSON.parse(text), response);
    if (answer === undefined) return;
    const [status, body] = answer;
    const bad = status >= 400;
    const headers = { "content-type": bad ? "application/problem+json" : "application/json" };
    if (body?.retry_after) headers["retry-after"] = String(body.retry_after);
    if (!response.destroyed) response.writeHead(status, headers).end(JSON.stringify(body));
  }

  #file(path, response) {
    if (path === "/shop") return response.writeHead(308, { location: "/shop/" }).end();
    const name = normalize(path.replace(/^\/shop\//, "") || "index.html");
    try {
      const body = readFileSync(join(folder, name));
      response.writeHead(200, { "content-type": `${KINDS[extname(name)]}; charset=utf-8`, "content-security-policy": POLICY }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  }

  #api(request, call, search, body, response) {
    const who = request.headers.authorization?.match(/^Bearer (.+)\.(.+)$/);
    const problem = (status, kind, title, more = {}) => [status, { type: `urn:efir:problem:${kind}`, title, status, ...more }];
    const found = (list) => {
      const wanted = (search.get("q") ?? "").toLowerCase();
      return [200, { items: list.filter((entry) => JSON.stringify(entry).toLowerCase().includes(wanted)), next: null }];
    };
    if (call === "POST /demo/token") {
      const subject = body.subject ?? `demo-${randomUUID().slice(0, 8)}`;
      return [201, { token: `${subject}.${body.role}`, subject, expires_in: 43200, scope: "" }];
    }
    if (call === "GET /reseller/offers") {
      const shop = search.get("shop");
      const offers = (shop === "furniture" ? FURNITURE : who ? GROCERY : []).map((entry) => ({ ...entry, shop, restricted: shop === "grocery", description: undefined, was: undefined, price: fee(entry.price) }));
      return found(offers);
    }
    if (call === "GET /furniture/products") return found(FURNITURE);
    if (call === "GET /pharmacy/medicines") return found(MEDICINES);
    if (call === "GET /pharmacy/availability") return [200, [{ pharmacies: [{ name: "Demo Apteekki Aalto", available: 12 }, { name: "Demo Apteekki Saari", available: 0 }] }]];
    if (call.startsWith("GET /courier/routes/")) return problem(404, "not-found", "There is no such thing");
    if (who === null || who === undefined) return problem(401, "unauthenticated", "A valid token is needed");
    if (call === "GET /grocery/promotions") return [200, { items: [{ name: { en: "Cheese days", fi: "Juustopäivät" }, sku: "CHE-1" }], next: null }];
    if (call === "GET /grocery/products") return found(GROCERY);
    if (call === "GET /pharmacy/prescriptions") return [200, { items: this.prescriptions.filter(({ patient }) => patient === who[1]), next: null }];
    if (call === "POST /pharmacy/prescriptions") {
      const { name } = MEDICINES.find(({ vnr }) => vnr === body.vnr);
      const now = new Date().toISOString();
      const valid_until = new Date(Date.now() + 6e10).toISOString();
      const written = { id: randomUUID(), ...body, medicine: name, remaining: body.packages, state: "undispensed", valid_from: now, valid_until, version: 1 };
      this.prescriptions.push(written);
      return [201, written];
    }
    if (call === "POST /reseller/quotes") return [200, this.#priced(body.lines)];
    if (call === "POST /reseller/orders") return this.#order(request, body, who[1], response, problem);
    if (call === "GET /reseller/orders") return [200, { items: this.orders.filter(({ customer }) => customer === who[1]).toReversed(), next: null }];
    const [, id, rest] = call.match(/^GET \/reseller\/orders\/([^/]+)(\/events)?$/) ?? [];
    const order = this.orders.find((order) => order.id === id && order.customer === who[1]);
    if (order === undefined) return problem(404, "not-found", "There is no such thing");
    if (rest === undefined) return [200, order];
    response.writeHead(200, { "content-type": "text/event-stream" }).write("retry: 100\n\n");
    const stream = { order, response, told: Number(request.headers["last-event-id"] ?? 0) };
    this.#streams.add(stream);
    response.on("close", () => this.#streams.delete(stream));
    this.#tell(stream);
    return undefined;
  }

  #priced(lines) {
    const all = { furniture: FURNITURE, grocery: GROCERY, pharmacy: MEDICINES };
    const priced = lines.map((line, place) => {
      const { name, price, vat_rate } = all[line.shop].find(({ sku, vnr }) => line.sku === (sku ?? vnr));
      const unit_price = line.shop === "pharmacy" ? price : fee(price);
      return { ...line, line: place, name, unit_price, vat_rate, total: eur(unit_price.minor * line.quantity) };
    });
    const shipping = [...new Set(priced.map(({ shop }) => shop))].map((shop) => ({ shop, seller: `Demo ${shop} Oy`, amount: eur(shop === "furniture" ? 1990 : 490) }));
    const total = [...priced.map(({ total }) => total), ...shipping.map(({ amount }) => amount)].reduce((sum, { minor }) => sum + minor, 0);
    return { lines: priced, shipping, short: [], total: eur(total), vat: [{ rate: 2550, amount: eur(Math.round((total * 255) / 1255)) }], method: "forced" };
  }

  #order(request, body, customer, response, problem) {
    this.asked += 1;
    const key = request.headers["idempotency-key"];
    const trouble = this.trouble(request);
    if (typeof trouble === "object") return problem(trouble.status, trouble.kind, trouble.title, trouble);
    if (!this.keys.has(key)) {
      const { lines, shipping, total, vat } = this.#priced(body.lines);
      const now = new Date().toISOString();
      const order = {
        id: randomUUID(), customer, state: "placed", lines, total, vat, paid: eur(0), refunded: eur(0), partly_refunded: false, version: 1, created_at: now,
        sub_orders: shipping.map(({ shop, seller, amount }) => ({ shop, id: randomUUID(), state: "held", seller, shipping: amount, total: eur(lines.filter((line) => line.shop === shop).reduce((sum, { total }) => sum + total.minor, amount.minor)) })),
        parcels: [], history: [{ at: now, step: "placed", detail: "" }],
      };
      this.keys.set(key, order);
      this.orders.push(order);
    }
    if (trouble === "lose") {
      response.destroy();
      return undefined;
    }
    return [201, this.keys.get(key)];
  }

  async close() {
    this.breakOff();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
