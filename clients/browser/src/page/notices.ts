// What is the matter with browser, server or way, and what to do. Pure.

import type { Listing } from "./listing.ts";

export interface Abilities {
  isSecure: boolean;
  hasWebTransport: boolean;
  hasWebCodecs: boolean;
}

export interface PageNotice {
  tone: "error" | "note";
  title: string;
  advice: string;
}

/** The most important thing to say above the players; undefined when all is well. `server` as people write it. */
export function noticeFor({ isSecure, hasWebTransport, hasWebCodecs }: Abilities, listing: Listing, server: string): PageNotice | undefined {
  if (!hasWebCodecs && !isSecure) {
    const advice = "It came over plain http from another machine, where browsers switch WebTransport and WebCodecs off. Open it over https, or on the server's own machine as localhost.";
    return { tone: "error", title: "Nothing can be played on this page", advice };
  }
  if (!hasWebCodecs) {
    return { tone: "error", title: "This browser has no WebCodecs", advice: "Use a current Chrome, Edge, Firefox or Safari." };
  }
  if (listing.isRefused) {
    return { tone: "note", title: "The server lists broadcasts only with a token", advice: "Add ?token=… to this page's address, or open a link to a broadcast." };
  }
  if (listing.way === "none" && listing.reason !== "") {
    return { tone: "error", title: `${server} does not answer`, advice: "Is the server running? It is asked again by itself." };
  }
  if (!hasWebTransport) {
    return { tone: "note", title: "This browser has no WebTransport", advice: "Video comes over HTTP instead, with more delay." };
  }
  if (listing.way === "http" && listing.reason !== "") {
    const advice = `UDP may be blocked on the way (firewall, VPN), or the server's certificate has expired or changed: restart the server for a new one. Video comes over HTTP meanwhile, with more delay. WebTransport is tried again by itself.`;
    return { tone: "note", title: `No WebTransport connection to ${server}`, advice };
  }
  return undefined;
}
