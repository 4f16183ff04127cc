//! The rules of `ARCHITECTURE.md` and of the style that a machine can check.
//!
//! Each rule is a function from the files of a workspace to the violations it finds. It is run over this
//! repository by `repository_keeps_every_rule`, and over a small bad workspace beside its definition, so that a
//! rule that has gone blind fails too.

mod code;
mod modules;
mod rule;
mod workspace;

use std::path::Path;

use workspace::Workspace;

#[test]
fn repository_keeps_every_rule() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut workspace = Workspace::read(&root);
    if std::env::var_os("WRITE_CONFORMANCE").is_some() {
        rule::checklist::write_page(&root, &mut workspace);
    }
    // A rule that is shown nothing finds nothing.
    let (all, product) = (workspace.sources.len(), workspace.products().count());
    assert!(all > 150 && product > 100, "{all} Rust files, {product} of them in a release build, is too few");
    let violations: Vec<String> = rule::ALL
        .iter()
        .flat_map(|(name, check)| check(&workspace).into_iter().map(move |violation| format!("{name}: {violation}")))
        .collect();
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}
