// The page around the players: finds its relay, lists what is on the air, plays what is chosen, and keeps the address to it.

import { Access } from "./access.ts";
import { developerCommands, type Place, sendCommand } from "./commands.ts";
import { copyable, make, part, setText } from "./dom.ts";
import { Follower, type Status } from "./follow.ts";
import { Grid } from "./grid.ts";
import { List } from "./list.ts";
import { isLoopback, type OtherPage } from "./relay.ts";
import { Publish } from "./publish.ts";
import { offerTheme } from "./theme.ts";
import { explain, obstacle, statusLine, type Words } from "./words.ts";

const page = new URL(location.href);
const access = new Access();
const follower = new Follower(page, access.token);
const place = (): Place => ({ server: follower.status.facts.server, origin: page.origin });
const grid = new Grid(part("grid", HTMLElement), {
  place: place(),
  token: access.token,
  linkToken: () => access.linkToken,
});
const list = new List(part("list", HTMLElement), (namespace) => grid.add({ namespace }));
const publish = new Publish(() => ({ place: place(), token: access.token }));
const commands = new Map([...document.querySelectorAll<HTMLElement>("[data-copy]")].map((element) => {
  const name = element.previousElementSibling?.textContent ?? "";
  return [element.id, copyable(element, name)];
}));
const blocked = obstacle(
  { isSecure: isSecureContext, hasWebCodecs: "VideoDecoder" in window, hasMediaSource: "MediaSource" in window || "ManagedMediaSource" in window },
  page,
);
/** A page opened without a link starts the only broadcast there is; once, so that closing it stays closed. */
let isFirstLook = location.hash === "";

function show(status: Status): void {
  const isKnown = status.phase === "live" || status.phase === "http";
  setText(part("status", HTMLElement), statusLine(status));
  showPages(status.facts.pages);
  showNotice(explain(status, access.token) ?? blocked);
  part("empty", HTMLElement).hidden = !isKnown || status.broadcasts.length > 0;
  showCommands(status.broadcasts[0] ?? ["live", "demo"]);
  const [only, ...others] = status.broadcasts;
  if (isFirstLook && isKnown && only !== undefined) {
    isFirstLook = false;
    if (others.length === 0 && grid.count === 0) grid.add({ namespace: only });
  }
  showList();
}

function showPages(pages: readonly OtherPage[]): void {
  const place = part("pages", HTMLElement);
  if (place.childElementCount === pages.length) return;
  place.replaceChildren(...pages.map(({ name, path }) => make("a", { href: path }, name)));
}

function showList(): void {
  list.show(follower.status.broadcasts, (path) => grid.has(path));
  part("all-sound-label", HTMLElement).hidden = grid.count < 2;
}

function showNotice(words: Words | undefined): void {
  const notice = part("notice", HTMLElement);
  notice.hidden = words === undefined;
  setText(notice.querySelector("h2"), words?.title ?? "");
  setText(notice.querySelector("p"), words?.advice ?? "");
}

function showCommands(namespace: readonly string[]): void {
  commands.get("send")?.(sendCommand(place()));
  for (const { id, text } of developerCommands(place(), namespace)) commands.get(id)?.(text);
}

function setAccess(): void {
  grid.setAccess(place(), access.token);
  publish.setAccess();
}

let server = "";
follower.onChange = (status) => {
  // Players find out about a new certificate by themselves, not about another port.
  if (status.facts.server !== server) {
    server = status.facts.server;
    setAccess();
    if (!isFirstLook && grid.count === 0) grid.follow(location.hash);
  }
  if (status.phase === "unauthorized") access.show(true);
  show(status);
};
access.onChange = (token) => {
  setAccess();
  follower.setToken(token);
};
grid.onChange = showList;
addEventListener("hashchange", () => {
  // The skip link is the one address of this page that names no broadcast.
  if (location.hash !== "#main") grid.follow(location.hash);
});
part("skip", HTMLElement).addEventListener("click", (event) => {
  event.preventDefault();
  part("main", HTMLElement).focus();
});
part("all-sound", HTMLInputElement).addEventListener("change", ({ currentTarget }) => {
  if (currentTarget instanceof HTMLInputElement) grid.setAllSound(currentTarget.checked);
});
part("metrics", HTMLElement).hidden = !isLoopback(page.hostname);

offerTheme();
show(follower.status);
void follower.run();
