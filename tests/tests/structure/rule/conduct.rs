//! What code must not do: read the environment, print, exit, skip tests, know this or that machine.

use std::path::Path;

use crate::workspace::{Source, Workspace};

const PRINTS: [&str; 5] = ["println", "eprintln", "print", "eprint", "dbg"];

/// Files of libraries that may print, and why.
const MAY_PRINT: [(&str, &str); 1] =
    [("process/src/run.rs", "the error that ends a binary, when there may be no log yet")];

/// Files that may end the process, and why.
const MAY_END: [(&str, &str); 1] =
    [("commerce/src/fault.rs", "a fault on purpose: tests have the process die at a named step")];

/// Folders of one machine, written in two parts so that this file does not break the rule.
const MACHINE_PATHS: [&str; 6] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/tmp/", "efir/"),
    concat!("/mn", "t/"),
];

pub(super) fn only_process_reads_the_environment(workspace: &Workspace) -> Vec<String> {
    let mut violations = Vec::new();
    for (source, product) in workspace.products().filter(|(source, _)| source.owner != "process") {
        let read = product.paths.iter().filter(|path| path.contains(&["std", "env"])).map(|path| path.line);
        // Clap reads a variable for each argument that names one.
        let by_clap = product.find(&["env", "="]).chain(product.find(&[",", "env", ")"]));
        let mut lines: Vec<usize> = read.chain(by_clap).collect();
        lines.sort_unstable();
        lines.dedup();
        violations.extend(lines.iter().map(|line| format!("{}:{line}: reads the environment", source.path.display())));
    }
    violations
}

pub(super) fn libraries_are_silent(workspace: &Workspace) -> Vec<String> {
    let mut violations = Vec::new();
    for (source, product) in workspace.products() {
        let at = |line: usize, what: &str| format!("{}:{line}: {what}", source.path.display());
        for print in PRINTS.iter().filter(|_| !may_print(source)) {
            violations.extend(product.find(&[print, "!"]).map(|line| at(line, print)));
        }
        let may_end = MAY_END.iter().any(|(path, _)| source.path == Path::new(path));
        for end in ["exit", "abort"].into_iter().filter(|_| !may_end) {
            violations.extend(
                product.paths.iter().filter(|path| path.contains(&["process", end])).map(|path| at(path.line, end)),
            );
        }
    }
    violations
}

fn may_print(source: &Source) -> bool {
    MAY_PRINT.iter().any(|(path, _)| source.path == Path::new(path))
        || source.path.ends_with("src/main.rs")
        || source.path.parent().is_some_and(|folder| folder.ends_with("src/bin"))
}

pub(super) fn no_ignored_tests(workspace: &Workspace) -> Vec<String> {
    let mut violations = Vec::new();
    for source in &workspace.sources {
        let at = |line: usize| format!("{}:{line}: a test that is not run", source.path.display());
        violations.extend(source.full.find(&["#", "[", "ignore"]).map(at));
        violations.extend(source.full.find(&[",", "ignore", ")"]).map(at));
        let text = &workspace.files[&source.path];
        let fences = text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("//"));
        let ignored = fences.filter(|(_, line)| line.contains("```ignore") || line.contains("```rust,ignore"));
        violations.extend(ignored.map(|(index, _)| at(index + 1)));
    }
    violations
}

pub(super) fn no_machine_paths(workspace: &Workspace) -> Vec<String> {
    let mut violations = Vec::new();
    for (path, text) in &workspace.files {
        for (index, line) in text.lines().enumerate() {
            for found in MACHINE_PATHS.iter().filter(|wanted| names_path(line, wanted)) {
                violations.push(format!("{}:{}: names {found}", path.display(), index + 1));
            }
        }
    }
    violations
}

/// Whether an absolute path starts here, rather than a folder of that name in some other path or URL.
fn names_path(line: &str, wanted: &str) -> bool {
    line.match_indices(wanted)
        .any(|(at, _)| !line[..at].ends_with(|before: char| before.is_alphanumeric() || "_-.})>*]/".contains(before)))
}

#[test]
fn readers_of_the_environment_are_found() {
    let relay = ("relay/Cargo.toml", "[package]\nname = 'relay'");
    for text in [
        "use std::{env, fs};",
        "fn f() { std::env::var(\"X\"); }",
        "struct A { #[arg(long, env = \"X\")] a: u8 }",
        "struct A { #[arg(long, env)] a: u8 }",
    ] {
        super::assert_finds(
            only_process_reads_the_environment,
            &[relay, ("relay/src/lib.rs", text)],
            "relay/src/lib.rs:1",
        );
    }
    let fine = "const A: &str = env!(\"A\");\n#[cfg(test)]\nmod tests { use std::env; }";
    super::assert_accepts(only_process_reads_the_environment, &[relay, ("relay/src/lib.rs", fine)]);
    let process = ("process/Cargo.toml", "[package]\nname = 'process'");
    super::assert_accepts(only_process_reads_the_environment, &[process, ("process/src/lib.rs", "use std::env;")]);
}

#[test]
fn loud_libraries_are_found() {
    let manifest = ("a/Cargo.toml", "[package]\nname = 'a'");
    for text in ["fn f() { println!(\"x\"); }", "fn f() { std::process::exit(1) }", "fn f() { dbg!(1); }"] {
        super::assert_finds(libraries_are_silent, &[manifest, ("a/src/lib.rs", text)], "a/src/lib.rs:1");
    }
    let main = ("a/src/main.rs", "fn main() { eprintln!(\"x\"); }");
    super::assert_accepts(
        libraries_are_silent,
        &[manifest, main, ("a/src/lib.rs", "/// println!(1)\nfn f() { panic!(\"x\") }")],
    );
}

#[test]
fn ignored_tests_are_found() {
    let manifest = ("a/Cargo.toml", "[package]\nname = 'a'");
    for text in [
        "#[test]\n#[ignore]\nfn a() {}",
        "\n#[cfg_attr(miri, ignore)]\nfn a() {}",
        "\n/// ```ignore\n/// ```\nfn a() {}",
    ] {
        super::assert_finds(no_ignored_tests, &[manifest, ("a/tests/a.rs", text)], "a/tests/a.rs:2");
    }
    super::assert_accepts(no_ignored_tests, &[manifest, ("a/tests/a.rs", "#[test]\nfn ignore() { f(1, ignored) }")]);
}

#[test]
fn machine_paths_are_found() {
    for path in MACHINE_PATHS {
        let text = format!("first\ncp \"{path}x\" .");
        super::assert_finds(no_machine_paths, &[("scripts/x", text.as_str())], "scripts/x:2");
        super::assert_accepts(no_machine_paths, &[("x.md", format!("https://example.org{path}x").as_str())]);
    }
}
