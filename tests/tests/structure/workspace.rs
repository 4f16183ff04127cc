//! Files, crates and parsed sources of a workspace, read from disk or made up by a test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::code::Code;
use crate::modules::{self, Modules};

/// What holds what others made or what a build leaves behind.
const SKIPPED: [&str; 7] = [".git", "target", "node_modules", "corpus", "artifacts", "local", "dist"];

pub(crate) struct Workspace {
    /// Every file by its path from the root, binary ones with no text.
    pub(crate) files: BTreeMap<PathBuf, String>,
    pub(crate) crates: Vec<Crate>,
    pub(crate) sources: Vec<Source>,
    pub(crate) modules: Modules,
}

pub(crate) struct Crate {
    pub(crate) name: String,
    /// From the root of the workspace.
    pub(crate) folder: PathBuf,
    pub(crate) manifest: toml::Table,
}

pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// Name of the crate that the file belongs to.
    pub(crate) owner: String,
    /// All of the file.
    pub(crate) full: Code,
    /// What a release build may contain: nothing of a test, else the file without its `#[cfg(test)]` items.
    pub(crate) product: Option<Code>,
}

impl Workspace {
    pub(crate) fn read(root: &Path) -> Self {
        let mut files = BTreeMap::new();
        read_folder(root, Path::new(""), &mut files);
        Self::new(files)
    }

    /// A made-up workspace: pairs of path and text.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self::new(files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect())
    }

    fn new(files: BTreeMap<PathBuf, String>) -> Self {
        let crates: Vec<Crate> = files.iter().filter_map(|(path, text)| read_crate(path, text)).collect();
        let whole: BTreeMap<PathBuf, Code> = files
            .iter()
            .filter(|(path, _)| path.extension().is_some_and(|extension| extension == "rs"))
            .map(|(path, text)| {
                (path.clone(), Code::parse(text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
            })
            .collect();
        let modules = modules::trace(&crates, &whole);
        let sources = whole
            .into_iter()
            .filter_map(|(path, full)| {
                let owner = owner(&crates, &path)?.name.clone();
                let product = modules.is_product(&path).then(|| full.without_tests());
                Some(Source { path, owner, full, product })
            })
            .collect();
        Self { files, crates, sources, modules }
    }

    /// Sources of which something goes into a release build, with that part.
    pub(crate) fn products(&self) -> impl Iterator<Item = (&Source, &Code)> {
        self.sources.iter().filter_map(|source| Some((source, source.product.as_ref()?)))
    }

    /// Whether a file or folder of this path exists.
    pub(crate) fn has(&self, path: &Path) -> bool {
        path.as_os_str().is_empty() || self.files.keys().any(|file| file.starts_with(path))
    }
}

impl Crate {
    /// Fuzz crates stand outside the workspace and belong to the crate whose folder they are in.
    pub(crate) fn is_fuzz(&self) -> bool {
        self.folder.ends_with("fuzz")
    }

    /// Dependencies of every kind and platform: kind, package name, specification.
    pub(crate) fn dependencies(&self) -> Vec<(&'static str, String, &toml::Value)> {
        let mut found = Vec::new();
        collect_dependencies(&self.manifest, &mut found);
        for platform in self.manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten() {
            if let Some(table) = platform.1.as_table() {
                collect_dependencies(table, &mut found);
            }
        }
        found
    }
}

fn collect_dependencies<'a>(table: &'a toml::Table, found: &mut Vec<(&'static str, String, &'a toml::Value)>) {
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (key, value) in table.get(kind).and_then(toml::Value::as_table).into_iter().flatten() {
            let package = value.get("package").and_then(toml::Value::as_str).unwrap_or(key);
            found.push((kind, package.to_owned(), value));
        }
    }
}

/// The crate in whose folder a path lies, the innermost one of nested crates.
pub(crate) fn owner<'a>(crates: &'a [Crate], path: &Path) -> Option<&'a Crate> {
    crates
        .iter()
        .filter(|candidate| path.starts_with(&candidate.folder))
        .max_by_key(|candidate| candidate.folder.components().count())
}

/// Resolves `.` and `..` without looking at the disk.
pub(crate) fn normalize(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    clean
}

fn read_folder(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, String>) {
    let entries = fs::read_dir(root.join(folder)).expect("the repository can be read");
    for entry in entries {
        let entry = entry.expect("the repository can be read");
        let path = folder.join(entry.file_name());
        let kind = entry.file_type().expect("the repository can be read");
        // `.git` is a file in a second work tree.
        if SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
            continue;
        }
        if kind.is_dir() {
            read_folder(root, &path, files);
        } else if kind.is_file() {
            let bytes = fs::read(root.join(&path)).expect("the repository can be read");
            files.insert(path, String::from_utf8(bytes).unwrap_or_default());
        }
    }
}

fn read_crate(path: &Path, text: &str) -> Option<Crate> {
    if path.file_name()? != "Cargo.toml" {
        return None;
    }
    let manifest: toml::Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let name = manifest.get("package")?.get("name")?.as_str()?.to_owned();
    Some(Crate { name, folder: path.parent()?.to_owned(), manifest })
}
