//! The shops' page: plain files beside the crate's source (`page/`), served from memory below `/shop/`.
//!
//! Scripts are sent without the comments that explain them and their types; nothing else is done to them. Files are
//! revalidated by tag, so that a new build is seen at the next load.

mod asset;
mod bare;
mod files;

use axum::Router;
use axum::http::HeaderMap;
use axum::response::Redirect;
use axum::routing::get;

use asset::Asset;

/// Where the page is.
const ROOT: &str = "/shop/";

/// The page, every file under its name, and the way to it from `/shop`.
pub(crate) fn routes() -> Router {
    let router = Router::new().route("/shop", get(async || Redirect::permanent(ROOT)));
    files::ALL.iter().fold(router, |router, (name, kind, bytes)| {
        let asset = Asset::new(kind, bytes);
        let path = format!("{ROOT}{name}");
        router.route(&path, get(async move |headers: HeaderMap| asset.answer(&headers)))
    })
}

/// The way to the page from the root, for a process that shows nothing else there.
pub(crate) fn root() -> Router {
    Router::new().route("/", get(async || Redirect::temporary(ROOT)))
}

#[cfg(test)]
mod tests;
