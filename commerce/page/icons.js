// Line drawings, 24 × 24.

import { drawing } from "./dom.js";

const PATHS = {
  sofa: "M5 11V8a3 3 0 0 1 3-3h8a3 3 0 0 1 3 3v3M3 13a2 2 0 0 1 4 0v2h10v-2a2 2 0 0 1 4 0v5H3zM6 18v2M18 18v2",
  chair: "M8 4v9M16 4v9M8 8h8M7 13h10v3H7zM8 16v5M16 16v5",
  table: "M3 8h18v3H3zM5 11v9M19 11v9M5 15h14",
  bed: "M3 18V6M3 14h18v4M21 14v-2a3 3 0 0 0-3-3h-7v5M7 11.5a1 1 0 1 0 0-1z",
  lamp: "M8 4h8l3 8H5zM12 12v7M8 20h8",
  shelf: "M5 3v18M19 3v18M5 7h14M5 13h14M5 19h14M9 7V4M12 13v-4h3v4",
  grocery: "M3 9h18l-2 10H5zM8 9l3-5M16 9l-3-5M9 13v3M12 13v3M15 13v3",
  cheese: "M3 12l13-7a5 5 0 0 1 5 7zM3 12h18v7H3zM8 16h.01M13 15h.01M17 16.500h.01",
  fish: "M3 12c4-6 10-6 14 0-4 6-10 6-14 0zM17 12l4-4v8zM7.500 11h.01",
  fruit: "M12 8c-3-2-7 0-7 5 0 4 3 8 5 8 1 0 1-.5 2-.5s1 .5 2 .5c2 0 5-4 5-8 0-5-4-7-7-5zM12 8c0-3 1-4 3-5",
  meat: "M14 4c4 0 7 3 6 7s-5 4-7 6-2 4-5 4-4-2-4-4c0-4 2-4 4-7s2-6 6-6zM15 9a1.500 1.500 0 1 0 .01 0z",
  sweet: "M8 8l8 8M8 8a5.500 5.500 0 0 1 8 8 5.500 5.500 0 0 1-8-8zM8 8L3 6l3-3zM16 16l5 2-3 3z",
  drink: "M10 3h4v4l2 4v10H8V11l2-4zM8 14h8",
  pharmacy: "M10 4h4v6h6v4h-6v6h-4v-6H4v-4h6z",
  pill: "M5.600 18.400a4.500 4.500 0 0 1 0-6.400L12 5.600a4.500 4.500 0 0 1 6.400 6.400L12 18.400a4.500 4.500 0 0 1-6.400 0zM9 9l6 6",
  drops: "M12 3c4 5 6 8 6 11a6 6 0 0 1-12 0c0-3 2-6 6-11zM9 15a3 3 0 0 0 3 3",
  basket: "M4 5h2l2 11h10l2-8H7M9.500 20h.01M16.500 20h.01",
  orders: "M6 3h12v18l-3-2-3 2-3-2-3 2zM9 8h6M9 12h6",
  parcel: "M4 8l8-4 8 4v8l-8 4-8-4zM4 8l8 4 8-4M12 12v8M8 6l8 4",
  rx: "M7 20V5h5a4 4 0 0 1 0 8H7M11 13l7 7M18 13l-7 7",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c1-5 4-7 8-7s7 2 8 7",
  minus: "M6 12h12",
  plus: "M6 12h12M12 6v12",
  remove: "M7 7l10 10M17 7L7 17",
  tick: "M5 12.500l5 5 9-11",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l5 5",
  theme: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
};

/** @typedef {keyof typeof PATHS} Icon */

/** @param {Icon} name */
export const icon = (name) => drawing(PATHS[name]);

/** Words in categories and forms, and what stands for them. @type {[RegExp, Icon][]} */
const SIGNS = [
  [/tab|таб|[ck]aps|капс|dragee/i, "pill"],
  [/drop|solution|syrup|liquid|cream|gel|oint|spray|inhal|inject|liuos|tipat|siirappi|voide|suihke|lösning|droppar|sirap|salva|kräm|раств|капли|сироп|мазь|крем|спрей|инъек/i, "drops"],
  [/sofa|couch|divan/i, "sofa"],
  [/chair|stool|seat/i, "chair"],
  [/table|desk/i, "table"],
  [/bed|mattress/i, "bed"],
  [/lamp|light/i, "lamp"],
  [/shel|book|storage|cabinet|wardrobe|dresser/i, "shelf"],
  [/cheese|dairy|milk/i, "cheese"],
  [/fish|sea|caviar/i, "fish"],
  [/fruit|vegetable|produce/i, "fruit"],
  [/meat|sausage|ham|deli/i, "meat"],
  [/sweet|choc|candy|snack|confection/i, "sweet"],
  [/drink|beverage|wine|coffee|tea|water/i, "drink"],
];

/**
 * The sign of goods: by what they are, or their shop's.
 * @param {{ shop: string, category: string }} goods
 */
export function sign({ shop, category }) {
  const found = SIGNS.find(([words]) => words.test(category))?.[1];
  return icon(found ?? (shop === "furniture" ? "sofa" : shop === "grocery" ? "grocery" : "pharmacy"));
}

/** A colour for a word, always the same one. @param {string} word */
export function hue(word) {
  let sum = 7;
  for (const letter of word) sum = (sum * 31 + letter.charCodeAt(0)) % 3600;
  return (sum * 137) % 360;
}
