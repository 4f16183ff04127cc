// Every bound of this folder: unit and reason.

/** Largest catalog document, bytes: 64 renditions with their initialization segments stay below it. */
export const MAX_CATALOG_BYTES = 1 << 20;

/** Bytes of a catalog and all updates since: after so many a publisher has to begin a new group. */
export const MAX_CATALOG_GROUP_BYTES = 4 * MAX_CATALOG_BYTES;

/** Most tracks in a catalog: what hang allows for video and audio together. */
export const MAX_CATALOG_TRACKS = 128;

/** Depth of a catalog's JSON that is merged: what is deeper belongs to fields nobody here reads. */
export const MAX_CATALOG_DEPTH = 16;

/** Largest initialization segment, bytes: real ones have 1 or 2 kB. */
export const MAX_INIT_BYTES = 256 << 10;

/** Boxes looked at in one container: a hostile one is nothing but empty boxes of 8 bytes. */
export const MAX_BOXES = 4096;

/** Samples in one object: ten minutes of AAC in a single fragment (a `trun` may claim 2^32 in 16 bytes). */
export const MAX_FRAGMENT_SAMPLES = 1 << 15;

/** Decoder configuration, bytes: parameter sets of H.265 with all their extensions fit several times. */
export const MAX_DESCRIPTION_BYTES = 16 << 10;
