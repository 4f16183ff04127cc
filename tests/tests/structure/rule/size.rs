//! Sizes of functions and files, with a list of exceptions that may only shrink.

use std::collections::BTreeMap;
use std::path::Path;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::workspace::Workspace;

/// Code lines of a body.
const FUNCTION_LIMIT: usize = 70;
/// Code lines before the inline test module.
const FILE_LIMIT: usize = 600;
/// All lines of a `main.rs`, which must stay under it.
const MAIN_LIMIT: usize = 40;
/// Entries of the list of exceptions; more would make the limits a wish.
const EXCEPTION_LIMIT: usize = 8;
const EXCEPTIONS: &str = "tests/tests/structure/exceptions.toml";

pub(super) fn functions_are_short(workspace: &Workspace) -> Vec<String> {
    let mut sizes = BTreeMap::new();
    for source in &workspace.sources {
        let mut functions = Functions { found: Vec::new() };
        functions.visit_file(&source.full.syntax);
        for (name, first, last) in functions.found {
            let key = format!("{}#{name}", source.path.display());
            let size = sizes.entry(key).or_insert(0);
            *size = source.full.code_lines_between(first, last).max(*size);
        }
    }
    compare(workspace, "function", sizes, FUNCTION_LIMIT)
}

struct Functions {
    found: Vec<(String, usize, usize)>,
}

impl Functions {
    fn push(&mut self, name: &syn::Ident, block: &syn::Block) {
        let (open, close) = (block.span().start().line, block.span().end().line);
        self.found.push((name.to_string(), open, close));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.push(&item.sig.ident, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.push(&item.sig.ident, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.push(&item.sig.ident, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

pub(super) fn files_are_short(workspace: &Workspace) -> Vec<String> {
    let sizes = workspace
        .sources
        .iter()
        .map(|source| (source.path.display().to_string(), source.product.as_ref().unwrap_or(&source.full).code_lines()))
        .collect();
    compare(workspace, "file", sizes, FILE_LIMIT)
}

/// Holds sizes against the limit and the exceptions; an exception that is no longer true is a violation too.
fn compare(workspace: &Workspace, kind: &str, sizes: BTreeMap<String, usize>, limit: usize) -> Vec<String> {
    let exceptions = exceptions(workspace, kind);
    let mut violations = Vec::new();
    if exceptions.len() > EXCEPTION_LIMIT {
        violations
            .push(format!("{EXCEPTIONS}: {} exceptions for a {kind}, {EXCEPTION_LIMIT} allowed", exceptions.len()));
    }
    for (name, allowed) in &exceptions {
        match sizes.get(name) {
            None => violations.push(format!("{EXCEPTIONS}: {name} is gone, remove it")),
            Some(size) if *size <= limit => violations.push(format!("{EXCEPTIONS}: {name} is short now, remove it")),
            Some(size) if size < allowed => violations.push(format!("{EXCEPTIONS}: {name} shrank, write {size}")),
            Some(_) => {}
        }
    }
    for (name, size) in sizes {
        let allowed = *exceptions.get(&name).unwrap_or(&limit);
        if size > allowed {
            violations.push(format!("{name}: {size} code lines, {allowed} allowed"));
        }
    }
    violations
}

fn exceptions(workspace: &Workspace, kind: &str) -> BTreeMap<String, usize> {
    let Some(text) = workspace.files.get(Path::new(EXCEPTIONS)) else { return BTreeMap::new() };
    let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{EXCEPTIONS}: {error}"));
    let entries = table.get(kind).and_then(toml::Value::as_array).into_iter().flatten();
    entries
        .map(|entry| {
            let name = entry["name"].as_str().expect("an exception has a name");
            let lines = entry["lines"].as_integer().expect("an exception has a number of lines");
            let reason = entry["reason"].as_str().expect("an exception has a reason");
            assert!(!reason.is_empty(), "{EXCEPTIONS}: {name} has no reason");
            (name.to_owned(), usize::try_from(lines).expect("a number of lines is not negative"))
        })
        .collect()
}

pub(super) fn mains_are_tiny(workspace: &Workspace) -> Vec<String> {
    workspace
        .files
        .iter()
        .filter(|(path, text)| path.ends_with("src/main.rs") && text.lines().count() >= MAIN_LIMIT)
        .map(|(path, text)| {
            format!("{}: {} lines, fewer than {MAIN_LIMIT} allowed", path.display(), text.lines().count())
        })
        .collect()
}

#[cfg(test)]
fn lines(count: usize) -> String {
    "    // Why.\n\n    call();\n".repeat(count)
}

#[test]
fn long_functions_are_found() {
    let manifest = ("a/Cargo.toml", "[package]\nname = 'a'");
    let function = |count| format!("struct A;\nimpl A {{\n  /// Long.\n  fn f() {{\n{}  }}\n}}\n", lines(count));
    let check = |count, exception: &str, expected: Option<&str>| {
        let text = function(count);
        let files = [manifest, ("a/src/lib.rs", text.as_str()), (EXCEPTIONS, exception)];
        match expected {
            Some(expected) => super::assert_finds(functions_are_short, &files, expected),
            None => super::assert_accepts(functions_are_short, &files),
        }
    };
    let exception = "[[function]]\nname = 'a/src/lib.rs#f'\nlines = 75\nreason = 'a table'";
    check(70, "", None);
    check(71, "", Some("a/src/lib.rs#f: 71 code lines, 70 allowed"));
    check(75, exception, None);
    check(76, exception, Some("76 code lines, 75 allowed"));
    check(74, exception, Some("shrank, write 74"));
    check(70, exception, Some("is short now"));
    check(1, &exception.replace("#f", "#g"), Some("is gone"));
}

#[test]
fn long_files_are_found() {
    let manifest = ("a/Cargo.toml", "[package]\nname = 'a'");
    let file = |count: usize| {
        "// Why.\nconst A: u8 = 0;\n".repeat(count) + "#[cfg(test)]\nmod tests {\n const B: u8 = 0;\n}\n"
    };
    super::assert_accepts(files_are_short, &[manifest, ("a/src/lib.rs", &file(600))]);
    super::assert_finds(files_are_short, &[manifest, ("a/src/lib.rs", &file(601))], "601 code lines, 600 allowed");
}

#[test]
fn long_mains_are_found() {
    super::assert_accepts(mains_are_tiny, &[("src/main.rs", &"\n".repeat(39))]);
    super::assert_finds(mains_are_tiny, &[("a/src/main.rs", &"\n".repeat(40))], "40 lines");
}
