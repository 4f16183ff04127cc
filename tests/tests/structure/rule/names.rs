//! Which crate may name which library.

use std::path::Path;

use crate::code::UsedPath;
use crate::workspace::{Source, Workspace};

const QUIC_AND_TLS: [&str; 4] = ["quinn", "h3", "wtransport", "rustls"];
const CLOCKS_AND_SOCKETS: [&str; 8] =
    ["Instant", "SystemTime", "UdpSocket", "TcpStream", "TcpListener", "UnixStream", "tokio", "quinn"];
const SYSTEM: [&str; 4] = ["thread", "fs", "env", "process"];

pub(super) fn quic_stays_in_transport(workspace: &Workspace) -> Vec<String> {
    let is_kept = |name: &str| {
        let name = name.replace('-', "_");
        // Reads the system's roots and speaks nothing.
        name != "rustls_native_certs"
            && QUIC_AND_TLS.iter().any(|kept| name == *kept || name.starts_with(&format!("{kept}_")))
    };
    stays(workspace, is_kept, |owner, _| ["transport", "certs"].contains(&owner))
}

pub(super) fn moka_stays_in_the_cache(workspace: &Workspace) -> Vec<String> {
    stays(
        workspace,
        |name| name == "moka",
        |owner, path| {
            let cache = match owner {
                "relay" => "relay/src/cache",
                "access" => "access/src/access",
                _ => return owner == "commerce",
            };
            path.is_none_or(|path| path.starts_with(cache))
        },
    )
}

/// Reports manifests and code that name a library where it is not allowed; manifests have no path.
fn stays(
    workspace: &Workspace,
    is_kept: impl Fn(&str) -> bool,
    is_allowed: impl Fn(&str, Option<&Path>) -> bool,
) -> Vec<String> {
    let mut violations = Vec::new();
    for one in workspace.crates.iter().filter(|one| !is_allowed(&one.name, None)) {
        for (kind, package, _) in one.dependencies().iter().filter(|(_, package, _)| is_kept(package)) {
            violations.push(format!("{}/Cargo.toml: {kind}: `{package}`", one.folder.display()));
        }
    }
    for source in workspace.sources.iter().filter(|source| !is_allowed(&source.owner, Some(&source.path))) {
        violations.extend(uses(source, &source.full.paths, |path| is_kept(path.root())));
    }
    violations
}

pub(super) fn moqt_has_no_io(workspace: &Workspace) -> Vec<String> {
    let is_io = |path: &UsedPath| {
        path.segments.iter().any(|segment| CLOCKS_AND_SOCKETS.contains(&segment.as_str()))
            || SYSTEM.iter().any(|module| path.contains(&["std", module]))
    };
    workspace
        .products()
        .filter(|(source, _)| source.owner == "moqt")
        .flat_map(|(source, product)| uses(source, &product.paths, is_io))
        .collect()
}

/// One violation per line, though a path is often seen both as written and as imported.
fn uses(source: &Source, paths: &[UsedPath], is_wrong: impl Fn(&UsedPath) -> bool) -> Vec<String> {
    let mut violations: Vec<(usize, String)> = paths
        .iter()
        .filter(|path| is_wrong(path))
        .map(|path| (path.line, format!("{}:{}: `{}`", source.path.display(), path.line, path.segments.join("::"))))
        .collect();
    violations.sort();
    violations.dedup_by_key(|(line, _)| *line);
    violations.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn quic_outside_transport_is_found() {
    let relay = ("relay/Cargo.toml", "[package]\nname = 'relay'");
    for text in
        ["use quinn::Endpoint;", "fn f(_: rustls::Error) {}", "use {h3_quinn as h};", "use wtransport_proto::ids;"]
    {
        super::assert_finds(quic_stays_in_transport, &[relay, ("relay/src/lib.rs", text)], "relay/src/lib.rs:1:");
    }
    let depends = ("relay/Cargo.toml", "[package]\nname = 'relay'\n[dev-dependencies]\nh3-quinn = '0.0.10'");
    super::assert_finds(quic_stays_in_transport, &[depends], "dev-dependencies: `h3-quinn`");
    super::assert_accepts(
        quic_stays_in_transport,
        &[relay, ("relay/src/lib.rs", "mod quic;\n// quinn::X\n"), ("relay/src/quic.rs", "")],
    );
    let transport = ("transport/Cargo.toml", "[package]\nname = 'transport'\n[dependencies]\nquinn = '0.11'");
    super::assert_accepts(quic_stays_in_transport, &[transport, ("transport/src/lib.rs", "use quinn::Endpoint;")]);
}

#[test]
fn moka_outside_the_cache_is_found() {
    let relay = ("relay/Cargo.toml", "[package]\nname = 'relay'\n[dependencies]\nmoka = '0.12'");
    let library = ("relay/src/lib.rs", "mod cache;\nmod track;");
    let cache = ("relay/src/cache/mod.rs", "use moka::future::Cache;");
    super::assert_accepts(moka_stays_in_the_cache, &[relay, library, cache, ("relay/src/track.rs", "")]);
    let track = ("relay/src/track.rs", "use moka::future::Cache;");
    super::assert_finds(moka_stays_in_the_cache, &[relay, library, cache, track], "relay/src/track.rs:1");
    let origin = ("origin/Cargo.toml", "[package]\nname = 'origin'\n[dependencies]\nmoka = '0.12'");
    super::assert_finds(moka_stays_in_the_cache, &[origin], "`moka`");
}

#[test]
fn io_in_moqt_is_found() {
    let moqt = ("moqt/Cargo.toml", "[package]\nname = 'moqt'");
    for text in [
        "use std::{fmt, time::{Duration, Instant}};",
        "fn f() { std::thread::yield_now() }",
        "use std::net::UdpSocket;",
    ] {
        super::assert_finds(moqt_has_no_io, &[moqt, ("moqt/src/lib.rs", text)], "moqt/src/lib.rs:1");
    }
    let test = "use std::time::Duration;\n#[cfg(test)]\nmod tests { use std::time::Instant; }";
    super::assert_accepts(moqt_has_no_io, &[moqt, ("moqt/src/lib.rs", test)]);
}
