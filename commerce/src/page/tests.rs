use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderName, Request, StatusCode, header};
use bytes::Bytes;

use super::asset::Asset;
use super::{ROOT, files, routes};

/// Bytes after gzip that a visit may load: all files, in one language.
const BUDGET: usize = 40 * 1024;

async fn ask(path: &str, fields: &[(HeaderName, &str)]) -> (StatusCode, HeaderMap, Bytes) {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    request.headers_mut().extend(fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())));
    let answer = tower::ServiceExt::oneshot(routes(), request).await.unwrap();
    let (parts, body) = answer.into_parts();
    (parts.status, parts.headers, to_bytes(body, 1 << 20).await.unwrap())
}

/// Files below `folder` that belong to the page.
fn on_disk(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            on_disk(&entry.path(), &format!("{name}/"), found);
        } else if [".js", ".css", ".svg"].iter().any(|kind| name.ends_with(kind)) {
            found.insert(name);
        }
    }
}

#[test]
fn every_file_of_the_folder_is_served() {
    let mut found = BTreeSet::from([String::new()]);
    on_disk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("page"), "", &mut found);
    let served = files::ALL.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(found, served);
}

#[tokio::test]
async fn a_file_is_the_same_plain_and_compressed_and_sent_once() {
    for (name, kind, bytes) in files::ALL {
        let path = format!("{ROOT}{name}");
        let (status, headers, plain) = ask(&path, &[]).await;
        assert_eq!((status, headers[header::CONTENT_TYPE].to_str().unwrap()), (StatusCode::OK, *kind), "{name}");
        assert!(files::is_script(kind) || plain == bytes, "{name}");
        let (_, compressed, body) = ask(&path, &[(header::ACCEPT_ENCODING, "br, gzip;q=0.5")]).await;
        assert_eq!(compressed[header::CONTENT_ENCODING], "gzip");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain, "{name}");
        assert_ne!(compressed[header::ETAG], headers[header::ETAG]);
        let tag = compressed[header::ETAG].to_str().unwrap();
        let known = [(header::ACCEPT_ENCODING, "gzip"), (header::IF_NONE_MATCH, tag)];
        let (status, _, again) = ask(&path, &known).await;
        assert_eq!((status, again.len()), (StatusCode::NOT_MODIFIED, 0), "{name}");
    }
}

#[tokio::test]
async fn the_page_may_load_nothing_foreign_and_run_nothing_inline() {
    let (_, headers, page) = ask(ROOT, &[]).await;
    let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert!(!policy.contains('*') && policy.contains("connect-src 'self';"), "{policy}");
    assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    let text = std::str::from_utf8(&page).unwrap();
    assert!(!text.contains("style=") && !text.contains("onclick=") && !text.contains("<style"), "{text}");
}

#[tokio::test]
async fn the_way_without_the_slash_leads_there() {
    let (status, headers, _) = ask("/shop", &[]).await;
    assert_eq!((status, headers[header::LOCATION].to_str().unwrap()), (StatusCode::PERMANENT_REDIRECT, ROOT));
}

#[test]
fn a_visit_stays_within_its_budget() {
    let sizes = files::ALL.iter().map(|(name, kind, bytes)| (*name, Asset::new(kind, bytes).compressed_len()));
    let (words, others): (Vec<_>, Vec<_>) = sizes.partition(|(name, _)| name.starts_with("words/"));
    let most = words.iter().map(|(_, size)| size).max().unwrap();
    let visit = others.iter().map(|(_, size)| size).sum::<usize>() + most;
    println!("a visit loads at most {visit} bytes");
    assert!(visit < BUDGET, "{visit} bytes of {BUDGET}: {others:?} {words:?}");
}
