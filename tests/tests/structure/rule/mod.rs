//! The rules, one subject per file.

mod bounds;
pub(crate) mod checklist;
mod conduct;
mod dead_files;
mod edges;
mod layout;
mod links;
mod names;
mod settings;
mod size;

use crate::workspace::Workspace;

/// What a rule looks like: every violation as `path:line: what is wrong`.
type Rule = fn(&Workspace) -> Vec<String>;

pub(crate) const ALL: [(&str, Rule); 20] = [
    ("crate edges", edges::only_allowed_edges),
    ("moqt manifest", edges::moqt_needs_little),
    ("moqt is sans-IO", names::moqt_has_no_io),
    ("QUIC and TLS names", names::quic_stays_in_transport),
    ("cache names", names::moka_stays_in_the_cache),
    ("dead files", dead_files::every_file_is_compiled),
    ("glob re-exports", layout::no_glob_exports),
    ("folder = crate = sentence", layout::folders_are_crates),
    ("unbounded channels", bounds::no_unbounded_channels),
    ("functions", size::functions_are_short),
    ("files", size::files_are_short),
    ("main.rs", size::mains_are_tiny),
    ("environment", conduct::only_process_reads_the_environment),
    ("printing and exiting", conduct::libraries_are_silent),
    ("ignored tests", conduct::no_ignored_tests),
    ("machine paths", conduct::no_machine_paths),
    ("settings", settings::every_setting_is_used),
    ("links", links::links_resolve),
    ("checklist", checklist::items_have_tests_or_reasons),
    ("conformance page", checklist::page_is_current),
];

/// Fails unless a rule finds exactly one violation in a made-up workspace, and that one says `expected`.
#[track_caller]
fn assert_finds(rule: Rule, files: &[(&str, &str)], expected: &str) {
    let violations = rule(&Workspace::of(files));
    assert!(violations.len() == 1 && violations[0].contains(expected), "wanted `{expected}`, found {violations:#?}");
}

/// Fails if a rule finds anything in a made-up workspace.
#[track_caller]
fn assert_accepts(rule: Rule, files: &[(&str, &str)]) {
    let violations = rule(&Workspace::of(files));
    assert!(violations.is_empty(), "{violations:#?}");
}
