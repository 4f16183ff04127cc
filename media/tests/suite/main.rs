//! Everything that is tested through the public names: against ffmpeg, against broken input, against other people's
//! catalogs.
#![expect(clippy::unwrap_used, reason = "helpers of tests, not seen as tests by the lint")]

mod catalog;
mod ffmpeg;
mod fragment;
mod input;
mod support;
