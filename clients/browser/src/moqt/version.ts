// The drafts this codec speaks. 16: QUIC varints, one bidirectional control stream. 18: vi64 integers, one stream per
// request.

export type Version = 16 | 18;

/** Most wanted first: the order in which a client offers them. */
export const VERSIONS: readonly Version[] = [18, 16];

/** The ALPN and WebTransport sub-protocol (3.1). */
export const alpn = (version: Version): string => `moqt-${version}`;

/** The version a sub-protocol names, if it is one of ours. */
export const versionFromAlpn = (name: string): Version | undefined =>
  VERSIONS.find((version) => alpn(version) === name);
