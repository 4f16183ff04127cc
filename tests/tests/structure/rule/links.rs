//! Links in Markdown lead somewhere.

use std::path::Path;

use crate::workspace::{Workspace, normalize};

pub(super) fn links_resolve(workspace: &Workspace) -> Vec<String> {
    let mut violations = Vec::new();
    let pages = workspace.files.iter().filter(|(path, _)| path.extension().is_some_and(|extension| extension == "md"));
    for (page, text) in pages {
        for (line, target) in links(text) {
            if let Some(why) = problem(workspace, page, target) {
                violations.push(format!("{}:{line}: `{target}` {why}", page.display()));
            }
        }
    }
    violations
}

fn problem(workspace: &Workspace, page: &Path, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { page.to_owned() } else { normalize(&page.with_file_name(path)) };
    if !workspace.has(&path) {
        return Some("does not exist");
    }
    let text = workspace.files.get(&path).filter(|_| !anchor.is_empty())?;
    let found = prose(text).any(|(_, line)| line.starts_with('#') && slug(line) == anchor);
    (!found).then_some("has no such heading")
}

/// Targets of `[text](target)` and of `[name]: target`, with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let inline = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        found.extend(inline.map(|(target, _)| (number, target.split_whitespace().next().unwrap_or(""))));
        if let Some((_, target)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            found.push((number, target.trim()));
        }
    }
    found
}

/// Numbered lines outside fenced code.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// The anchor that a heading gets on the usual Git hosts.
fn slug(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    words.replace(' ', "-").chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}

#[test]
fn broken_links_are_found() {
    let target = ("docs/a.md", "# A `b`, c!\n");
    for (link, expected) in [
        ("[x](docs/b.md)", "does not exist"),
        ("see [x](docs/a.md) and [y](gone)", "does not exist"),
        ("[x]: docs/b.md", "does not exist"),
        ("[x](docs/a.md#d)", "no such heading"),
        ("[x](#here)", "no such heading"),
    ] {
        super::assert_finds(links_resolve, &[target, ("README.md", link)], expected);
    }
    let fine = "# Here\n[x](docs/a.md#a-b-c) [y](https://example.org/z) [z](docs) [w](#here)\n```\n[x](gone)\n```\n";
    super::assert_accepts(
        links_resolve,
        &[target, ("README.md", fine), ("docs/b.md", "[x](../README.md) [y](./a.md)")],
    );
}
