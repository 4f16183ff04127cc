// Bounds on what one session keeps and how long it waits. Each says its unit and why the number is what it is.

/** ms for the QUIC and HTTP/3 handshakes. Behind a firewall that drops UDP nothing ever answers, and the viewer waits for HTTP. */
export const CONNECT_TIMEOUT = 5_000;

/** ms for the peer's SETUP once the connection is there. */
export const SETUP_TIMEOUT = 5_000;

/** ms until a request must have its answer; a relay may first have to ask its own upstream. */
export const REQUEST_TIMEOUT = 10_000;

/** ms in which a data stream must have shown its header. */
export const STREAM_HEADER_TIMEOUT = 10_000;

/** ms a data stream waits for the SUBSCRIBE_OK that explains its alias (draft-18 section 11.1). */
export const UNKNOWN_ALIAS_WAIT = 3_000;

/** ms that streams counted by PUBLISH_DONE are waited for (draft-18 section 10.11). */
export const DONE_GRACE = 2_000;

/** ms a joining FETCH of the peer waits for a SUBSCRIBE sent before it on another stream. */
export const JOINING_WAIT = 1_000;

/** Data streams whose header or alias is awaited: most of the 100 that a browser lets a server open. */
export const EARLY_STREAMS = 64;

/** Data streams and datagram objects of one subscription that wait for its reader: the 100 streams of a browser, and room. */
export const WAITING_STREAMS = 128;

/** Aliases of ended subscriptions whose late streams are dropped at once. */
export const RETIRED_ALIASES = 256;

/** Requests of the peer alive at once; more are refused with EXCESSIVE_LOAD. A page publishes a few tracks to one relay. */
export const PEER_REQUESTS = 256;

/** Requests of this side alive at once. */
export const LOCAL_REQUESTS = 1_024;

/** Messages of the peer about one request, or namespaces of one answer, that wait to be read. */
export const WAITING_MESSAGES = 4_096;

/** Bytes of one control message with its type and length (draft-18 section 10). */
export const MESSAGE_BYTES = 65_535 + 11;

/** Request ids granted to the peer in draft-16 beyond those it has finished. */
export const GRANTED_REQUESTS = BigInt(PEER_REQUESTS);

/** Objects read ahead of a track's reader, in bytes of payload: one key frame of high quality. */
export const READ_AHEAD_BYTES = 1 << 20;

/** The same in events, for tracks of small objects. */
export const READ_AHEAD_EVENTS = 64;

/** ms an object waits for one with a lower id that another stream of its group may bring, and a group for further streams. */
export const REORDER_WAIT = 100;

/** Groups that are over but remembered, so that nothing of them is delivered again. */
export const FINISHED_GROUPS = 64;

/** ms the end of a stream waits for the end of the connection that may have caused it. */
export const CLOSE_GRACE = 100;
