// What lib.dom does not know yet.

interface WebTransport {
  /** The sub-protocol that the server chose; empty when it chose none. */
  readonly protocol: string;
}

interface WebTransportOptions {
  /** Sub-protocols to offer, best first. */
  protocols?: string[];
}
