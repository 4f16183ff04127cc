//! A setting that is parsed is used.

use std::collections::BTreeSet;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::code::Code;
use crate::workspace::Workspace;

/// Methods that look at a field without obeying it.
const CHECKS: [&str; 2] = ["validate", "check"];

/// Each field of a `...Settings` struct is taken out by a pattern, read outside the struct's own `impl` blocks, or
/// read by one of its methods that somebody else calls.
pub(super) fn every_setting_is_used(workspace: &Workspace) -> Vec<String> {
    let mut taken = Patterns::default();
    let mut files = Vec::new();
    for (source, product) in workspace.products() {
        taken.visit_file(&product.syntax);
        files.push((&source.path, behind_a_dot(product)));
    }
    let mut violations = Vec::new();
    for (source, product) in workspace.products() {
        let mut defined = Definitions::default();
        defined.visit_file(&product.syntax);
        let own = behind_a_dot(product);
        let elsewhere = |wanted: &str, call: bool| {
            let mut others = files.iter().filter(|(path, _)| **path != source.path);
            others.any(|(_, words)| words.iter().any(|word| word.text == wanted && word.call == call))
        };
        for Field { owner, name, line } in &defined.fields {
            let methods: Vec<&Method> = defined.methods.iter().filter(|method| method.owner == *owner).collect();
            let used_here = own.iter().filter(|word| word.text == *name && !word.call).any(|word| {
                let method = methods.iter().find(|method| (method.first..=method.last).contains(&word.line));
                method.is_none_or(|method| {
                    !CHECKS.contains(&method.name.as_str()) && !method.of_trait && elsewhere(&method.name, true)
                })
            });
            let used = used_here || elsewhere(name, false) || taken.fields.contains(&(owner.clone(), name.clone()));
            if !used {
                violations.push(format!("{}:{line}: `{owner}::{name}` is not used", source.path.display()));
            }
        }
    }
    violations
}

/// A name that is read or called through a dot.
struct Word {
    text: String,
    line: usize,
    call: bool,
}

/// Found among tokens rather than expressions, so that arguments of macros count.
fn behind_a_dot(code: &Code) -> Vec<Word> {
    let is = |at: usize, text: &str| code.tokens.get(at).is_some_and(|token| token.text == text);
    (1..code.tokens.len())
        .filter(|at| is(at - 1, ".") && !(*at > 1 && is(at - 2, ".")))
        .map(|at| Word { text: code.tokens[at].text.clone(), line: code.tokens[at].line, call: is(at + 1, "(") })
        .collect()
}

#[derive(Default)]
struct Definitions {
    fields: Vec<Field>,
    methods: Vec<Method>,
}

struct Field {
    owner: String,
    name: String,
    line: usize,
}

struct Method {
    owner: String,
    name: String,
    /// Called by way of a trait, such as `Default`, that does not tell whether the result matters.
    of_trait: bool,
    first: usize,
    last: usize,
}

impl<'ast> Visit<'ast> for Definitions {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        let owner = item.ident.to_string();
        if owner.ends_with("Settings") {
            for ident in item.fields.iter().filter_map(|field| field.ident.as_ref()) {
                let line = ident.span().start().line;
                self.fields.push(Field { owner: owner.clone(), name: ident.to_string(), line });
            }
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let Some(owner) = implemented(item) else { return };
        for function in &item.items {
            let syn::ImplItem::Fn(function) = function else { continue };
            let span = function.block.span();
            self.methods.push(Method {
                owner: owner.clone(),
                name: function.sig.ident.to_string(),
                of_trait: item.trait_.is_some(),
                first: span.start().line,
                last: span.end().line,
            });
        }
    }
}

fn implemented(item: &syn::ItemImpl) -> Option<String> {
    let syn::Type::Path(path) = &*item.self_ty else { return None };
    path.path.segments.last().map(|segment| segment.ident.to_string())
}

#[derive(Default)]
struct Patterns {
    implemented: Option<String>,
    fields: BTreeSet<(String, String)>,
}

impl<'ast> Visit<'ast> for Patterns {
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let outer = std::mem::replace(&mut self.implemented, implemented(item));
        visit::visit_item_impl(self, item);
        self.implemented = outer;
    }

    fn visit_pat_struct(&mut self, pattern: &'ast syn::PatStruct) {
        let written = pattern.path.segments.last().map(|segment| segment.ident.to_string());
        let name = if written.as_deref() == Some("Self") { self.implemented.clone() } else { written };
        for field in &pattern.fields {
            // `field: _` and `field: _field` look at nothing.
            let dropped = match &*field.pat {
                syn::Pat::Wild(_) => true,
                syn::Pat::Ident(bound) => bound.ident.to_string().starts_with('_'),
                _ => false,
            };
            if let (Some(name), syn::Member::Named(ident), false) = (&name, &field.member, dropped) {
                self.fields.insert((name.clone(), ident.to_string()));
            }
        }
        visit::visit_pat_struct(self, pattern);
    }
}

#[test]
fn unused_settings_are_found() {
    let manifest = ("a/Cargo.toml", "[package]\nname = 'a'");
    let library = ("a/src/lib.rs", "mod settings;\nmod other;");
    let settings = "pub struct CacheSettings { size: u8 }\nimpl CacheSettings { fn bytes(&self) -> u8 { self.size } }";
    let check = |settings: &str, other: &str, expected: Option<&str>| {
        let files = [manifest, library, ("a/src/settings.rs", settings), ("a/src/other.rs", other)];
        match expected {
            Some(expected) => super::assert_finds(every_setting_is_used, &files, expected),
            None => super::assert_accepts(every_setting_is_used, &files),
        }
    };
    let unused = Some("`CacheSettings::size` is not used");
    check(settings, "", unused);
    check(settings, "fn f(a: &A) { a.size() }", unused);
    check(settings, "#[test]\nfn f(a: &CacheSettings) { a.size; }", unused);
    check(settings, "fn f(CacheSettings { size: _ }: CacheSettings) {}", unused);
    check(&settings.replace("bytes", "validate"), "fn f(a: &A) { a.validate() }", unused);
    check(&settings.replace("impl", "impl Clone for"), "fn f(a: &A) { a.bytes() }", unused);
    check(settings, "fn f(a: &CacheSettings) { a.bytes() }", None);
    check(&format!("{settings}\nfn f(a: &CacheSettings) {{ a.size; }}"), "", None);
    check(settings, "fn f(a: &CacheSettings) { info!(a.size); }", None);
    check(settings, "fn f(CacheSettings { size }: CacheSettings) {}", None);
    check(&settings.replace("self.size", "let Self { size } = self; *size"), "", None);
}
