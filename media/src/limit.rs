//! Every bound of this crate: unit and reason.

/// Largest `moov` accepted, in bytes: the tables of a ten-hour file with two tracks stay below it.
pub const MAX_MOOV_BYTES: u64 = 64 << 20;

/// Largest `moof` accepted, in bytes: a quarter of a million samples, far more than a live fragment holds.
pub const MAX_MOOF_BYTES: u64 = 4 << 20;

/// Largest `mdat` accepted, in bytes. Its samples stream through and are never held together; the bound only stops a
/// broken size from swallowing a stream.
pub const MAX_MDAT_BYTES: u64 = 1 << 40;

/// Largest box that is skipped unread, in bytes: real `free`, `sidx` and `mfra` boxes are much smaller.
pub const MAX_SKIPPED_BYTES: u64 = 64 << 20;

/// Largest coded frame, in bytes: an 8K keyframe at 1 Gbit/s is still below it.
pub const MAX_SAMPLE_BYTES: usize = 16 << 20;

/// Most samples announced by one `moof`: bounds the index of frames still to come (a `trun` may claim 2^32 in 16 bytes).
pub const MAX_FRAGMENT_SAMPLES: usize = 1 << 18;

/// Most tracks read from one `moov`: a rendition ladder with its languages fits several times.
pub const MAX_TRACKS: usize = 64;

/// Bytes read from a file at a time when it is fragmented: one system call per typical fragment.
pub const FILE_READ_BYTES: usize = 64 << 10;

/// Frames the MP4 writer may hold before it knows where time zero is or how long a frame lasts: ten seconds of 60
/// pictures and 50 audio frames a second.
pub const MAX_HELD_FRAMES: usize = 1_100;

/// Bytes the MP4 writer may hold for the same reason: two of the largest frames.
pub const MAX_HELD_BYTES: usize = 2 * MAX_SAMPLE_BYTES;

/// Largest catalog document, in bytes: 64 renditions with their initialisation segments stay below it.
pub const MAX_CATALOG_BYTES: usize = 1 << 20;

/// Most tracks in a catalog: the number of renditions hang allows for each of video and audio.
pub const MAX_CATALOG_TRACKS: usize = 128;

/// Pictures of an H.264 or H.265 track the MP4 writer looks at before it fixes the start of the file: enough to see how
/// far pictures are reordered by four levels of B pictures.
pub const REORDER_PICTURES: usize = 6;
