// What the shops answer, as far as the page reads it. For the type checker only.

export type Role = "customer" | "prescriber" | "pharmacist" | "operator";
export type Shop = "furniture" | "grocery" | "pharmacy";

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  errors: { pointer: string; detail: string }[];
  retry_after: number;
}

export interface Money {
  minor: number;
  currency: string;
}

/** Goods as the page shows them, of any shop. */
export interface Goods {
  shop: Shop;
  sku: string;
  name: string;
  /** One line below the name. */
  text: string;
  category: string;
  /** Name of its colour. */
  tint: string | undefined;
  price: Money | undefined;
  /** Whether a promotion holds. */
  promoted: boolean;
  /** What the shop itself asks for during a promotion. */
  own: Money | undefined;
  /** Lowest price of the 30 days before the promotion. */
  lowest: Money | undefined;
  /** When the promotion ends. */
  until: string | undefined;
  /** Most pieces for one customer at that price. */
  limit: number | undefined;
  available: number;
  restricted: boolean;
  cold: boolean;
  rx: boolean;
}

export interface BasketLine {
  shop: Shop;
  sku: string;
  name: string;
  category: string;
  tint: string | undefined;
  price: Money | undefined;
  quantity: number;
  most: number;
  rx: boolean;
  prescription?: string;
}

export interface Address {
  name: string;
  street: string;
  postcode: string;
  city: string;
  country: string;
}

export interface OrderBody {
  lines: { shop: Shop; sku: string; quantity: number; prescription?: string }[];
  deliver_to: Address;
  payment: { method: "demo-card"; token: string };
  agreed?: Money;
}

export interface Vat {
  rate: number;
  amount: Money;
}

export interface Quote {
  /** Goods and shipping of each seller. */
  parts: { seller: string; shop: string; total: Money; shipping: Money }[];
  /** By the place of the line in the basket. */
  totals: Map<number, Money>;
  /** How many are too many, by the place of the line. */
  short: Map<number, number>;
  vat: Vat[];
  total: Money;
}

export interface Entry {
  at: string;
  step: string;
  detail?: string;
}

export interface OrderSummary {
  id: string;
  state: string;
  total: Money;
  partly_refunded: boolean;
  created_at: string;
}

export interface Order extends OrderSummary {
  lines: { shop: string; name: string; quantity: number; total: Money }[];
  sub_orders: { shop: string; id?: string; state: string; total: Money; shipping: Money; seller: string; refunded?: Money }[];
  parcels: { number: string; state: string; what: string }[];
  vat: Vat[];
  paid: Money;
  refunded: Money;
  reason?: string;
  history: Entry[];
}

export interface Tracking {
  number: string;
  carrier: string;
  state: string;
  eta?: string;
  history: { at: string; state: string; place?: string }[];
  version: number;
}

export interface Prescription {
  id: string;
  vnr: string;
  name: string;
  packages: number;
  remaining: number;
  dosage: string;
  until: string;
  /** Whether an order can take from it now. */
  open: boolean;
}

/** A view's place on the page and how long it lives. */
export interface Scope {
  place: HTMLElement;
  /** Ends with the view. */
  signal: AbortSignal;
  /** What comes after the view's name in the address. */
  rest: string;
  title(text: string): void;
}
