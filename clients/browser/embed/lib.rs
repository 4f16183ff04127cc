//! The browser player's built files (`dist/`), served from memory.
//!
//! [`routes`] gives the page at `/` and every file under its name. Files are compressed once, when a browser that takes gzip
//! first asks; all are revalidated by tag, so that a new build is seen at the next load.

mod asset;

pub use asset::routes;
