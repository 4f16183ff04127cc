//! Every bound of the codec, with its unit and its reason.

/// Fields of a namespace (2.4.1).
pub const NAMESPACE_FIELDS: usize = 32;
/// Bytes of a namespace, and of a namespace with a track name (2.4.1).
pub const FULL_NAME_BYTES: usize = 4096;
/// Bytes of a control message body: its length field has 16 bits (10).
pub const MESSAGE_BYTES: usize = 65_535;
/// Bytes of a byte-string value in a Key-Value-Pair (1.4.3).
pub const KEY_VALUE_BYTES: usize = 65_535;
/// Bytes of a reason phrase (1.4.4).
pub const REASON_BYTES: usize = 1024;
/// Bytes of a URI in GOAWAY (10.4) and in a redirect, which reuses the rule.
pub const URI_BYTES: usize = 8192;
/// Bytes of one object's properties block. The draft has no limit; two values of the greatest
/// legal length fit, and a peer cannot make a decoder carry more than this per stream.
pub const PROPERTIES_BYTES: usize = 2 * KEY_VALUE_BYTES + 64;
/// Bytes a token costs in the alias cache beside its value (10.3.1.3).
pub const TOKEN_OVERHEAD_BYTES: u64 = 16;
/// Bytes of one object header: five integers of 9 bytes, a priority byte and the properties.
pub(crate) const OBJECT_HEADER_BYTES: usize = PROPERTIES_BYTES + 7 * 9 + 1;
/// Bytes first copied to complete an object header split over two reads; it doubles from here.
pub(crate) const CARRY_STEP_BYTES: usize = 64;
/// Bytes of one object's delay stamp: sixteen relays with their largest usual numbers.
pub const HOP_DELAY_BYTES: usize = 512;
/// Relays in one object's delay stamp: as many as a request may pass.
pub const HOP_DELAY_RELAYS: usize = 16;
/// Bytes set aside for a pair that replaces another: what one relay usually adds to a delay stamp, and its type and length.
pub(crate) const REPLACED_PAIR_BYTES: usize = 32;
