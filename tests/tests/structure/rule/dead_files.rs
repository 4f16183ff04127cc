//! Every Rust file is a target's root or is reached from one.

use crate::workspace::Workspace;

pub(super) fn every_file_is_compiled(workspace: &Workspace) -> Vec<String> {
    let dead = workspace
        .files
        .keys()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter(|path| !workspace.modules.is_reached(path))
        .map(|path| format!("{}: no `mod` leads here", path.display()));
    dead.chain(workspace.modules.missing.iter().cloned()).collect()
}

#[test]
fn dead_files_are_found() {
    let manifest = ("a/Cargo.toml", "[package]\nname = 'a'\n[[bin]]\nname = 'b'\npath = 'tool/b.rs'");
    let library = ("a/src/lib.rs", "mod one;\nmod inner { mod deep; }\n#[cfg(test)]\n#[path = \"odd.rs\"]\nmod even;");
    let alive = [
        manifest,
        library,
        ("a/src/one/mod.rs", "mod two;"),
        ("a/src/one/two.rs", "mod three;"),
        ("a/src/one/two/three.rs", ""),
        ("a/src/inner/deep.rs", ""),
        ("a/src/odd.rs", ""),
        ("a/tests/whole/main.rs", "mod part;"),
        ("a/tests/whole/part.rs", ""),
        ("a/benches/speed.rs", ""),
        ("a/tool/b.rs", ""),
    ];
    super::assert_accepts(every_file_is_compiled, &alive);
    for dead in ["a/src/even.rs", "a/src/one/three.rs", "a/tests/whole/lost.rs", "a/tool/c.rs", "stray.rs"] {
        super::assert_finds(every_file_is_compiled, &[&alive[..], &[(dead, "")]].concat(), dead);
    }
    let lost: Vec<(&str, &str)> = alive.into_iter().filter(|(path, _)| *path != "a/src/inner/deep.rs").collect();
    super::assert_finds(every_file_is_compiled, &lost, "`mod deep;` names no file");
}
