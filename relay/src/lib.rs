//! One upstream subscription per track, many viewers, a bounded frame cache
