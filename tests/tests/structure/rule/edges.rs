//! Who may depend on whom, read from the manifests.

use crate::workspace::{Crate, Workspace};

/// Allowed edges between our crates. Changing this table is a change of architecture.
const ALLOWED: [(&str, &[&str]); 16] = [
    ("moqt", &[]),
    ("media", &[]),
    ("certs", &[]),
    ("process", &[]),
    ("transport", &["moqt", "certs"]),
    ("access", &["moqt", "transport", "process"]),
    ("fanout", &["moqt", "transport"]),
    ("origin", &["media", "fanout", "access", "transport", "moqt", "certs", "process"]),
    ("relay", &["fanout", "access", "transport", "moqt", "certs", "process", "browser"]),
    ("browser", &[]),
    ("commerce", &["process"]),
    ("cli", &["media", "access", "transport", "moqt", "process"]),
    ("stress", &["fanout", "transport", "moqt", "certs", "process"]),
    ("bench", &["transport", "moqt", "process"]),
    ("standalone", &["origin", "relay", "commerce", "certs", "process"]),
    (
        "tests",
        &[
            "moqt",
            "media",
            "certs",
            "process",
            "transport",
            "access",
            "fanout",
            "origin",
            "relay",
            "commerce",
            "browser",
            "cli",
            "stress",
            "bench",
            "standalone",
        ],
    ),
];

/// Further edges of tests alone: a test publisher is a server and needs a certificate.
const ALLOWED_IN_TESTS: [(&str, &str); 1] = [("cli", "certs")];

/// All that the rules of the wire may need.
const MOQT_NEEDS: [&str; 2] = ["bytes", "thiserror"];

pub(super) fn only_allowed_edges(workspace: &Workspace) -> Vec<String> {
    let is_ours = |name: &str| workspace.crates.iter().any(|one| one.name == name);
    let mut violations = Vec::new();
    for one in &workspace.crates {
        let Some(allowed) = allowed(workspace, one) else {
            violations.push(format!("{}: crate is not in the table of allowed edges", one.folder.display()));
            continue;
        };
        for (kind, package, specification) in one.dependencies() {
            let ours = is_ours(&package) || specification.get("path").is_some();
            let in_tests = kind == "dev-dependencies" && ALLOWED_IN_TESTS.contains(&(&one.name, &package));
            if ours && !allowed.contains(&package) && !in_tests {
                violations.push(format!("{}/Cargo.toml: {kind}: `{package}` is not allowed", one.folder.display()));
            }
        }
    }
    violations
}

fn allowed(workspace: &Workspace, one: &Crate) -> Option<Vec<String>> {
    if one.is_fuzz() {
        let parent = workspace.crates.iter().find(|other| Some(other.folder.as_path()) == one.folder.parent());
        return Some(parent.map(|parent| parent.name.clone()).into_iter().collect());
    }
    let (_, allowed) = ALLOWED.iter().find(|(name, _)| *name == one.name)?;
    Some(allowed.iter().map(|name| (*name).to_owned()).collect())
}

pub(super) fn moqt_needs_little(workspace: &Workspace) -> Vec<String> {
    let Some(moqt) = workspace.crates.iter().find(|one| one.name == "moqt") else {
        return vec!["there is no crate `moqt`".to_owned()];
    };
    moqt.dependencies()
        .into_iter()
        .filter(|(kind, package, _)| *kind != "dev-dependencies" && !MOQT_NEEDS.contains(&package.as_str()))
        .map(|(kind, package, _)| format!("moqt/Cargo.toml: {kind}: `{package}` is not one of {MOQT_NEEDS:?}"))
        .collect()
}

#[test]
fn a_relay_that_knows_media_is_found() {
    let media = ("media/Cargo.toml", "[package]\nname = 'media'");
    let relay = "[package]\nname = 'relay'\n[target.'cfg(unix)'.dev-dependencies]\nx = { package = 'media', path = '../media' }";
    super::assert_finds(only_allowed_edges, &[media, ("relay/Cargo.toml", relay)], "dev-dependencies: `media`");
    let origin = "[package]\nname = 'origin'\n[dependencies]\nmedia.workspace = true";
    super::assert_accepts(only_allowed_edges, &[media, ("origin/Cargo.toml", origin)]);
}

#[test]
fn crates_outside_the_table_are_found() {
    super::assert_finds(only_allowed_edges, &[("extra/Cargo.toml", "[package]\nname = 'extra'")], "not in the table");
}

#[test]
fn a_moqt_with_a_runtime_is_found() {
    let manifest =
        "[package]\nname = 'moqt'\n[dependencies]\nbytes = '1'\ntokio = '1'\n[dev-dependencies]\nserde = '1'";
    super::assert_finds(moqt_needs_little, &[("moqt/Cargo.toml", manifest)], "`tokio` is not one of");
}
