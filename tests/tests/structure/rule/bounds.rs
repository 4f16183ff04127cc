//! Queues have a bound.

use crate::workspace::Workspace;

const UNBOUNDED: [&str; 5] = ["unbounded_channel", "UnboundedSender", "UnboundedReceiver", "unbounded", "SegQueue"];

pub(super) fn no_unbounded_channels(workspace: &Workspace) -> Vec<String> {
    let mut violations = Vec::new();
    for source in &workspace.sources {
        let at = |line: usize| format!("{}:{line}: queue without a bound", source.path.display());
        let named = source.full.tokens.iter().filter(|token| UNBOUNDED.contains(&token.text.as_str()));
        violations.extend(named.map(|token| at(token.line)));
        // The one of std takes no size; that of tokio does.
        violations.extend(source.full.find(&["mpsc", ":", ":", "channel", "(", ")"]).map(at));
        violations.extend(
            source.full.find(&["mpsc", ":", ":", "channel", ":", ":", "<"]).filter(|_| uses_std(source)).map(at),
        );
    }
    violations
}

fn uses_std(source: &crate::workspace::Source) -> bool {
    source.full.paths.iter().any(|path| path.contains(&["std", "sync", "mpsc"]))
}

#[test]
fn unbounded_channels_are_found() {
    let manifest = ("a/Cargo.toml", "[package]\nname = 'a'");
    for text in [
        "fn f() { let x = tokio::sync::mpsc::unbounded_channel::<u8>(); }",
        "fn f() { let x: (_, std::sync::mpsc::Receiver<u8>) = std::sync::mpsc::channel(); }",
        "fn f() { std::sync::mpsc::channel::<u8>(); }",
        "struct A(futures::UnboundedSender<u8>);",
    ] {
        super::assert_finds(no_unbounded_channels, &[manifest, ("a/src/lib.rs", text)], "a/src/lib.rs:1");
    }
    let bounded = "fn f() { mpsc::channel::<u8>(LIMIT); oneshot::channel(); watch::channel(()); sync_channel(4); }";
    super::assert_accepts(no_unbounded_channels, &[manifest, ("a/src/lib.rs", bounded)]);
}
