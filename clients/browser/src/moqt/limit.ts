// Every bound of the codec, with its unit and its reason.

/** Fields of a namespace (2.4.1). */
export const NAMESPACE_FIELDS = 32;
/** Bytes of a namespace, and of a namespace with a track name (2.4.1). */
export const FULL_NAME_BYTES = 4096;
/** Bytes of a control message body: its length field has 16 bits (10). */
export const MESSAGE_BYTES = 65_535;
/** Bytes of a byte-string value in a Key-Value-Pair (1.4.3). */
export const KEY_VALUE_BYTES = 65_535;
/** Bytes of a reason phrase (1.4.4). */
export const REASON_BYTES = 1024;
/** Bytes of a URI in GOAWAY (10.4) and in a redirect, which reuses the rule. */
export const URI_BYTES = 8192;
/** Bytes a token costs in the alias cache beside its value (10.3.1.3). */
export const TOKEN_OVERHEAD_BYTES = 16;
/** Bytes of one object's properties block; the draft has no limit, two values of the greatest legal length fit. */
export const PROPERTIES_BYTES = 2 * KEY_VALUE_BYTES + 64;
/** Bytes of one object header: integers of 9 bytes, a priority byte and the properties. */
export const OBJECT_HEADER_BYTES = PROPERTIES_BYTES + 7 * 9 + 1;
/** Bytes first copied to complete an object header split over two reads; it doubles from here. */
export const CARRY_STEP_BYTES = 64;
/**
 * Bytes of one object's payload: a ten-second segment of 50 Mbit/s fits, a peer cannot fill the memory with one object.
 */
export const OBJECT_BYTES = 64 * 1024 * 1024;
/** Relays in one hop delay stamp; a longer stamp is not looked at. */
export const HOP_DELAY_RELAYS = 16;
/** Bytes of one hop delay stamp; a longer stamp is not looked at. */
export const HOP_DELAY_BYTES = 512;
