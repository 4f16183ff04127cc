//! The files of the page. `/shop/` itself is the one without a name.

const PAGE: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// Name, type and content of one file.
type File = (&'static str, &'static str, &'static [u8]);

macro_rules! files {
    ($($name:literal from $file:literal = $kind:ident,)*) => {
        /// All of them.
        pub(super) static ALL: &[File] = &[$(($name, $kind, include_bytes!(concat!("../../page/", $file)))),*];
    };
}

files! {
    "" from "index.html" = PAGE,
    "api.js" from "api.js" = SCRIPT,
    "app.js" from "app.js" = SCRIPT,
    "basket.js" from "basket.js" = SCRIPT,
    "browse.js" from "browse.js" = SCRIPT,
    "checkout.js" from "checkout.js" = SCRIPT,
    "counter.js" from "counter.js" = SCRIPT,
    "dom.js" from "dom.js" = SCRIPT,
    "favicon.svg" from "favicon.svg" = PICTURE,
    "first.js" from "first.js" = SCRIPT,
    "icons.js" from "icons.js" = SCRIPT,
    "live.js" from "live.js" = SCRIPT,
    "order.js" from "order.js" = SCRIPT,
    "parts.js" from "parts.js" = SCRIPT,
    "rx.js" from "rx.js" = SCRIPT,
    "session.js" from "session.js" = SCRIPT,
    "shapes.js" from "shapes.js" = SCRIPT,
    "style.css" from "style.css" = STYLE,
    "track.js" from "track.js" = SCRIPT,
    "words.js" from "words.js" = SCRIPT,
    "words/en.js" from "words/en.js" = SCRIPT,
    "words/fi.js" from "words/fi.js" = SCRIPT,
    "words/ru.js" from "words/ru.js" = SCRIPT,
    "words/sv.js" from "words/sv.js" = SCRIPT,
}

/// Whether comments are taken out before it is sent.
pub(super) fn is_script(kind: &str) -> bool {
    kind == SCRIPT
}
