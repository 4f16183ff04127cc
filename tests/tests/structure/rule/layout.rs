//! Folders, crates and what a crate's root exports.

use std::path::Path;

use syn::visit::Visit;

use crate::workspace::Workspace;

pub(super) fn no_glob_exports(workspace: &Workspace) -> Vec<String> {
    let mut violations = Vec::new();
    for source in &workspace.sources {
        let mut globs = Globs { lines: Vec::new() };
        globs.visit_file(&source.full.syntax);
        violations.extend(
            globs.lines.iter().map(|line| format!("{}:{line}: names are exported one by one", source.path.display())),
        );
    }
    violations
}

struct Globs {
    lines: Vec<usize>,
}

impl<'ast> Visit<'ast> for Globs {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !matches!(item.vis, syn::Visibility::Inherited) && has_glob(&item.tree) {
            self.lines.push(item.use_token.span.start().line);
        }
    }
}

fn has_glob(tree: &syn::UseTree) -> bool {
    match tree {
        syn::UseTree::Glob(_) => true,
        syn::UseTree::Path(path) => has_glob(&path.tree),
        syn::UseTree::Group(group) => group.items.iter().any(has_glob),
        _ => false,
    }
}

pub(super) fn folders_are_crates(workspace: &Workspace) -> Vec<String> {
    let mut violations = Vec::new();
    let map = workspace.files.get(Path::new("ARCHITECTURE.md"));
    for one in workspace.crates.iter().filter(|one| !one.is_fuzz()) {
        let at = one.folder.display();
        if !one.folder.ends_with(&one.name) {
            violations.push(format!("{at}: crate `{}` is not named like its folder", one.name));
        }
        let described = one.manifest["package"].get("description").and_then(toml::Value::as_str);
        if described.is_none_or(|sentence| sentence.trim().is_empty()) {
            violations.push(format!("{at}: no description"));
        }
        let lints = one.manifest.get("lints").and_then(|lints| lints.get("workspace"));
        if lints.and_then(toml::Value::as_bool) != Some(true) {
            violations.push(format!("{at}: lints of the workspace are not used"));
        }
        if map.is_some_and(|map| !map.contains(&format!("`{at}/`"))) {
            violations.push(format!("{at}: not in the code map of ARCHITECTURE.md"));
        }
    }
    violations
}

#[test]
fn glob_exports_are_found() {
    let manifest = ("a/Cargo.toml", "[package]\nname = 'a'");
    for text in ["pub use inner::*;", "mod x { pub(crate) use super::{y, z::*}; }"] {
        super::assert_finds(no_glob_exports, &[manifest, ("a/src/lib.rs", text)], "a/src/lib.rs:1");
    }
    super::assert_accepts(no_glob_exports, &[manifest, ("a/src/lib.rs", "use inner::*;\npub use inner::{A, B};")]);
}

#[test]
fn crates_that_break_the_layout_are_found() {
    let manifest = |name: &str, rest: &str| format!("[package]\nname = '{name}'\n{rest}");
    let whole = "description = 'x'\n[lints]\nworkspace = true";
    let find = |manifest: &str, map: &str, expected: &str| {
        let files = [("clients/cli/Cargo.toml", manifest), ("ARCHITECTURE.md", map)];
        super::assert_finds(folders_are_crates, &files, expected);
    };
    let map = "| `clients/cli/` | x |";
    super::assert_accepts(
        folders_are_crates,
        &[("clients/cli/Cargo.toml", &manifest("cli", whole)), ("ARCHITECTURE.md", map)],
    );
    find(&manifest("efir", whole), map, "not named like its folder");
    find(&manifest("cli", "[lints]\nworkspace = true"), map, "no description");
    find(&manifest("cli", "description = 'x'"), map, "lints");
    find(&manifest("cli", whole), "`cli`", "not in the code map");
}
