//! What the vector test needs beside the vectors.

pub(crate) mod json;
pub(crate) mod situation;
