// The commands and snippets that the page offers to copy. Pure.

import { formatLink, pathOf, type Shown } from "./link.ts";
import { isLoopback } from "./relay.ts";

/** Where this page's relay is. */
export interface Place {
  /** `https://host:port` for WebTransport. */
  server: string;
  /** `http://host:port` of the page. */
  origin: string;
}

/** The address that shows these broadcasts; with the token only if the viewer asked for that. */
export function linkTo(page: string, shown: readonly Shown[], token: string): string {
  const url = new URL(page);
  url.search = token === "" ? "" : `?token=${encodeURIComponent(token)}`;
  url.hash = formatLink(shown);
  return url.href;
}

/** What another site puts into its page to show one broadcast. */
export function embedCode({ server, origin }: Place, { namespace, latency, rendition }: Shown): string {
  const attributes = [`src="${server}/${quoted(pathOf(namespace))}"`, `http="${origin}"`, "controls", "autoplay", "muted"];
  if (latency !== undefined) attributes.push(`latency="${latency}"`);
  if (rendition) attributes.push(`rendition="${quoted(rendition)}"`);
  return `<script type="module" src="${origin}/efir-player.js"></script>\n<efir-player ${attributes.join(" ")}></efir-player>`;
}

export interface Snippet {
  id: string;
  text: string;
}

/** For the footer: the same broadcast without a browser. */
export function developerCommands({ server, origin }: Place, namespace: readonly string[]): Snippet[] {
  const path = pathOf(namespace);
  // A certificate made by the relay itself is known to no trust store.
  const curl = origin.startsWith("https:") && isLoopback(new URL(origin).hostname) ? "curl -k" : "curl";
  return [
    { id: "pull", text: `efir pull ${shellWord(`${server}/${path}`)} -o out.mp4` },
    { id: "live", text: `${curl} -N ${shellWord(`${origin}/tracks/${path}/video0/live`)} | ffplay -` },
    { id: "latest", text: `${curl} ${shellWord(`${origin}/tracks/${path}/video0/latest`)} -o group.bin` },
  ];
}

/** How to put a video of one's own on the air, through an origin that announces it to this relay. */
export function sendCommand({ server }: Place): string {
  const encoder = "ffmpeg -re -i film.mkv -c copy -movflags frag_keyframe+empty_moov+default_base_moof -f mp4 -";
  return `${encoder} | efir-origin - --namespace live/film --publish ${shellWord(`${server}/`)}`;
}

function shellWord(text: string): string {
  return /^[\w./:@%+=,[\]-]+$/.test(text) && !text.includes("[") ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function quoted(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}
