//! Scripts without their comments.

/// The script without lines that are comments: `//` lines, and blocks that begin and end with a line. Comments behind code
/// stay, so that no string is ever taken for one.
pub(super) fn bare(script: &str) -> String {
    let mut kept = String::with_capacity(script.len());
    let mut inside = false;
    for line in script.lines() {
        let text = line.trim();
        let begins = !inside && text.starts_with("/**");
        if begins || inside {
            inside = !text.ends_with("*/");
            continue;
        }
        if !text.is_empty() && !text.starts_with("//") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::bare;

    #[test]
    fn comments_go_and_code_stays() {
        let script = "// a file\n\n/**\n * @param {string} a\n */\nfunction f(a) {\n  // why\n  return /** @type {any} */ (a); // here\n}\n/** @type {string} */\nconst url = \"https://x\";\n";
        let code = "function f(a) {\n  return /** @type {any} */ (a); // here\n}\nconst url = \"https://x\";\n";
        assert_eq!(bare(script), code);
    }
}
