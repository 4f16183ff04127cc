//! Where this user's processes leave small files for each other.

use std::{env, ffi::OsString, path::PathBuf};

/// Directory for state of this user that outlives a process: `$XDG_STATE_HOME/efir`, or `~/.local/state/efir`.
///
/// `None` without a home. A shared temporary directory is no substitute: another user could leave a certificate hash there.
pub fn state_directory() -> Option<PathBuf> {
    state_directory_in(|name| env::var_os(name))
}

fn state_directory_in(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // The XDG specification has relative paths ignored.
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(base.join("efir"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn prefers_the_xdg_directory_and_ignores_relative_ones() {
        let in_environment = |variables: &[(&str, &str)]| {
            let map: HashMap<_, _> = variables.iter().copied().collect();
            state_directory_in(|name| map.get(name).map(OsString::from))
        };
        assert_eq!(in_environment(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")]), Some("/s/efir".into()));
        assert_eq!(in_environment(&[("XDG_STATE_HOME", "s"), ("HOME", "/h")]), Some("/h/.local/state/efir".into()));
        assert_eq!(in_environment(&[("HOME", "")]), None);
        assert_eq!(in_environment(&[]), None);
    }
}
