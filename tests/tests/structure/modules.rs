//! Which files the compiler reads: follows `mod` declarations from each crate's target roots.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

use crate::code::{Code, is_test_only};
use crate::workspace::{Crate, normalize};

#[derive(Default)]
pub(crate) struct Modules {
    /// Files of a release build.
    product: BTreeSet<PathBuf>,
    /// Files of tests, benches, examples, fuzz targets and build scripts.
    support: BTreeSet<PathBuf>,
    /// Declarations that lead to no file: where, and which module.
    pub(crate) missing: Vec<String>,
}

impl Modules {
    pub(crate) fn is_product(&self, path: &Path) -> bool {
        self.product.contains(path)
    }

    pub(crate) fn is_reached(&self, path: &Path) -> bool {
        self.is_product(path) || self.support.contains(path)
    }
}

pub(crate) fn trace(crates: &[Crate], files: &BTreeMap<PathBuf, Code>) -> Modules {
    let mut modules = Modules::default();
    for one in crates {
        let mut product = roots(one, files, true);
        let mut support = roots(one, files, false);
        if one.is_fuzz() {
            support.append(&mut product);
        }
        for root in product {
            follow(&root, true, true, files, &mut modules);
        }
        for root in support {
            follow(&root, true, false, files, &mut modules);
        }
    }
    modules
}

/// Roots that Cargo finds by itself, and those that the manifest names.
fn roots(one: &Crate, files: &BTreeMap<PathBuf, Code>, product: bool) -> Vec<PathBuf> {
    let kinds: &[&str] = if product { &["lib", "bin"] } else { &["test", "bench", "example"] };
    let named = kinds.iter().filter_map(|kind| one.manifest.get(*kind)).flat_map(|targets| match targets {
        toml::Value::Array(many) => many.clone(),
        single => vec![single.clone()],
    });
    let mut roots: Vec<PathBuf> =
        named.filter_map(|target| Some(one.folder.join(target.get("path")?.as_str()?))).collect();
    let fixed: &[&str] = if product { &["src/lib.rs", "src/main.rs"] } else { &["build.rs"] };
    roots.extend(fixed.iter().map(|path| one.folder.join(path)));
    let folders: &[&str] = if product { &["src/bin"] } else { &["tests", "benches", "examples"] };
    for folder in folders.iter().map(|folder| one.folder.join(folder)) {
        roots.extend(
            files
                .keys()
                .filter(|path| {
                    let inside = path.strip_prefix(&folder).map(|inside| inside.components().count()).unwrap_or(0);
                    inside == 1 || (inside == 2 && path.ends_with("main.rs"))
                })
                .cloned(),
        );
    }
    roots.retain(|root| files.contains_key(root));
    roots
}

fn follow(path: &Path, root: bool, product: bool, files: &BTreeMap<PathBuf, Code>, modules: &mut Modules) {
    let reached = if product { &mut modules.product } else { &mut modules.support };
    if !reached.insert(path.to_owned()) {
        return;
    }
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let owns_folder = root || path.file_name().is_some_and(|name| name == "mod.rs");
    let children = if owns_folder { folder.clone() } else { path.with_extension("") };
    let mut declarations = Declarations { folder, children, product, inline: 0, found: Vec::new() };
    declarations.visit_file(&files[path].syntax);
    for Declaration { name, line, candidates, product } in declarations.found {
        match candidates.iter().find(|candidate| files.contains_key(*candidate)) {
            Some(file) => follow(file, false, product, files, modules),
            None => modules.missing.push(format!("{}:{line}: `mod {name};` names no file", path.display())),
        }
    }
}

struct Declaration {
    name: String,
    line: usize,
    candidates: Vec<PathBuf>,
    product: bool,
}

struct Declarations {
    folder: PathBuf,
    children: PathBuf,
    product: bool,
    inline: usize,
    found: Vec<Declaration>,
}

impl<'ast> Visit<'ast> for Declarations {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let name = item.ident.to_string();
        let outer = (self.children.clone(), self.product);
        self.product &= !is_test_only(&item.attrs);
        if item.content.is_some() {
            self.children.push(&name);
            self.inline += 1;
            visit::visit_item_mod(self, item);
            self.inline -= 1;
        } else {
            let candidates = match explicit_path(&item.attrs) {
                Some(path) if self.inline == 0 => vec![normalize(&self.folder.join(path))],
                Some(path) => vec![normalize(&self.children.join(path))],
                None => vec![self.children.join(format!("{name}.rs")), self.children.join(&name).join("mod.rs")],
            };
            let line = item.ident.span().start().line;
            self.found.push(Declaration { name, line, candidates, product: self.product });
        }
        (self.children, self.product) = outer;
    }
}

fn explicit_path(attributes: &[syn::Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| {
        let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &pair.value else { return None };
        pair.path.is_ident("path").then(|| text.value())
    })
}
