// What the page says about the relay and the browser, and what to do. Pure.

import type { Status } from "./follow.ts";

export interface Words {
  title: string;
  advice: string;
}

/** The short line beside the heading. */
export function statusLine({ phase, reason, facts, broadcasts }: Status): string {
  const { host } = new URL(facts.server);
  switch (phase) {
    case "searching":
      return `Looking for the relay at ${host}`;
    case "live":
      return `${counted(broadcasts.length)} on ${host}`;
    case "http":
      return `${counted(broadcasts.length)} on ${host}, asked for over HTTP${reason === "unreachable" ? " because WebTransport does not connect" : ""}`;
    case "unreachable":
      return `No answer from ${host}. Trying again by itself`;
    case "unauthorized":
      return `${host} wants a token`;
  }
}

/** What is said in the place of the list; undefined when there is nothing to explain. */
export function explain({ phase, reason, facts }: Status, token: string): Words | undefined {
  const { host, port } = new URL(facts.server);
  switch (phase) {
    case "unreachable":
      return {
        title: "The relay does not answer",
        advice: "It may have been stopped. Start it again with cargo run --release, or efir-relay: this page finds it by itself, and players go on.",
      };
    case "unauthorized":
      return token === ""
        ? { title: "A token is needed", advice: "This relay lets only those see its broadcasts who have a token. Enter it here, or open the link you were given with ?token=… in it." }
        : { title: "The token was refused", advice: "This relay does not know the token. It may have been mistyped or replaced: enter another one." };
    case "http":
      return overHttp(reason, host, port);
    default:
      return undefined;
  }
}

function overHttp(reason: Status["reason"], host: string, port: string): Words | undefined {
  if (reason === "no-webtransport") {
    return { title: "This browser has no WebTransport", advice: "Broadcasts play over HTTP, with a little more delay. Chrome, Edge and Firefox have it." };
  }
  if (reason === "protocol") {
    return { title: "Page and relay do not understand each other", advice: "Reload the page: the relay may be newer than it. Meanwhile broadcasts play over HTTP." };
  }
  return {
    title: `WebTransport does not reach ${host}`,
    advice: `A firewall may block UDP port ${port}, or the relay's certificate has expired: restarting the relay renews one it made itself. Meanwhile broadcasts play over HTTP, with more delay.`,
  };
}

export interface Abilities {
  isSecure: boolean;
  hasWebCodecs: boolean;
  hasMediaSource: boolean;
}

/** Why this browser cannot play as it should; undefined when it can. */
export function obstacle({ isSecure, hasWebCodecs, hasMediaSource }: Abilities, page: URL): Words | undefined {
  if (hasWebCodecs) return undefined;
  if (!isSecure) {
    return {
      title: "This page came over plain http",
      advice: `Browsers switch WebTransport and WebCodecs off there. Open it over https, or as http://localhost:${page.port || "80"}/ on the relay's own machine.`,
    };
  }
  return hasMediaSource
    ? { title: "This browser has no WebCodecs", advice: "Broadcasts play with more delay. For the least, use a current Chrome, Edge or Firefox." }
    : { title: "This browser cannot play live video", advice: "It has neither WebCodecs nor Media Source Extensions. Use a current Chrome, Edge, Firefox or Safari." };
}

function counted(broadcasts: number): string {
  return `${broadcasts === 0 ? "No" : broadcasts} broadcast${broadcasts === 1 ? "" : "s"}`;
}
