//! Rust text as tokens, paths and syntax, so that comments and strings never count as code.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use syn::UseTree;
use syn::visit::{self, Visit};

pub(crate) struct Code {
    pub(crate) tokens: Vec<Token>,
    /// Every `a::b::c` that is written out or imported.
    pub(crate) paths: Vec<UsedPath>,
    pub(crate) syntax: syn::File,
    stream: TokenStream,
}

pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
    last_line: usize,
    /// Doc comments are tokens to the compiler and comments to a reader.
    comment: bool,
}

pub(crate) struct UsedPath {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

impl UsedPath {
    pub(crate) fn root(&self) -> &str {
        &self.segments[0]
    }

    /// Whether `wanted`, such as `["std", "env"]`, stands in the path, segment by segment.
    pub(crate) fn contains(&self, wanted: &[&str]) -> bool {
        self.segments.windows(wanted.len()).any(|window| window == wanted)
    }
}

impl Code {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{feff}');
        let stream: TokenStream = text.parse().map_err(|error| format!("not Rust: {error}"))?;
        Self::from_stream(stream).map_err(|error| format!("not Rust: {error}"))
    }

    /// The same code as a release build sees it.
    pub(crate) fn without_tests(&self) -> Self {
        Self::from_stream(strip_tests(self.stream.clone())).expect("items stay whole when others are removed")
    }

    fn from_stream(stream: TokenStream) -> syn::Result<Self> {
        let syntax: syn::File = syn::parse2(stream.clone())?;
        let mut tokens = Vec::new();
        flatten(stream.clone(), &mut tokens);
        let mut paths = written_paths(&tokens);
        let mut imports = Imports { paths: &mut paths };
        imports.visit_file(&syntax);
        Ok(Self { tokens, paths, syntax, stream })
    }

    /// How many lines hold code: neither blank nor only a comment.
    pub(crate) fn code_lines(&self) -> usize {
        self.code_lines_between(0, usize::MAX)
    }

    /// Code lines strictly between two lines.
    pub(crate) fn code_lines_between(&self, first: usize, last: usize) -> usize {
        let lines: BTreeSet<usize> = self
            .tokens
            .iter()
            .filter(|token| !token.comment)
            .flat_map(|token| token.line..=token.last_line)
            .filter(|line| *line > first && *line < last)
            .collect();
        lines.len()
    }

    /// Lines at which these tokens follow one another.
    pub(crate) fn find(&self, wanted: &[&str]) -> impl Iterator<Item = usize> {
        self.tokens
            .windows(wanted.len())
            .filter(move |window| window.iter().zip(wanted).all(|(token, wanted)| token.text == *wanted))
            .map(|window| window[0].line)
    }
}

/// Whether these attributes leave an item out of a release build.
pub(crate) fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && needs_test(list.tokens.clone()),
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::NameValue(_) => false,
    })
}

/// `test` and `all(test, ...)` need a test build; `not(test)` and `any(test, ...)` do not.
fn needs_test(condition: TokenStream) -> bool {
    let trees: Vec<TokenTree> = condition.into_iter().collect();
    trees.iter().enumerate().any(|(index, tree)| match tree {
        TokenTree::Ident(ident) if ident == "test" => true,
        TokenTree::Ident(ident) if ident == "all" => {
            matches!(trees.get(index + 1), Some(TokenTree::Group(group)) if needs_test(group.stream()))
        }
        _ => false,
    })
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                // The brackets of a doc comment's attribute are only a byte of it each.
                let comment = is_comment(group.span());
                tokens.push(Token { comment, ..token(open.to_owned(), group.span_open()) });
                flatten(group.stream(), tokens);
                tokens.push(Token { comment, ..token(close.to_owned(), group.span_close()) });
            }
            other => tokens.push(token(other.to_string(), other.span())),
        }
    }
}

fn token(text: String, span: Span) -> Token {
    Token { text, line: span.start().line, last_line: span.end().line, comment: is_comment(span) }
}

fn is_comment(span: Span) -> bool {
    span.source_text().is_some_and(|source| source.starts_with("//") || source.starts_with("/*"))
}

fn written_paths(tokens: &[Token]) -> Vec<UsedPath> {
    let is_name =
        |at: usize| tokens.get(at).is_some_and(|token| token.text.starts_with(|c: char| c.is_alphabetic() || c == '_'));
    let is_colons = |at: usize| {
        tokens.get(at).is_some_and(|token| token.text == ":")
            && tokens.get(at + 1).is_some_and(|token| token.text == ":")
    };
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !is_name(at) || !is_colons(at + 1) {
            at += 1;
            continue;
        }
        let line = tokens[at].line;
        let mut segments = vec![tokens[at].text.clone()];
        while is_colons(at + 1) && is_name(at + 3) {
            at += 3;
            segments.push(tokens[at].text.clone());
        }
        paths.push(UsedPath { segments, line });
        at += 1;
    }
    paths
}

struct Imports<'a> {
    paths: &'a mut Vec<UsedPath>,
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        collect_imports(&item.tree, &mut Vec::new(), self.paths);
        visit::visit_item_use(self, item);
    }
}

fn collect_imports(tree: &UseTree, prefix: &mut Vec<String>, paths: &mut Vec<UsedPath>) {
    let mut end = |ident: &syn::Ident| {
        let mut segments = prefix.clone();
        segments.push(ident.to_string());
        paths.push(UsedPath { segments, line: ident.span().start().line });
    };
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            collect_imports(&path.tree, prefix, paths);
            prefix.pop();
        }
        UseTree::Name(name) => end(&name.ident),
        UseTree::Rename(rename) => end(&rename.ident),
        UseTree::Group(group) => group.items.iter().for_each(|item| collect_imports(item, prefix, paths)),
        _ => {}
    }
}

fn strip_tests(stream: TokenStream) -> TokenStream {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut kept = Vec::new();
    let mut at = 0;
    while at < trees.len() {
        if is_test_attribute(&trees[at..]) {
            // Its comments and other attributes stand before that one.
            while matches!(kept.as_slice(), [.., TokenTree::Punct(hash), TokenTree::Group(attribute)]
                if hash.as_char() == '#' && attribute.delimiter() == Delimiter::Bracket)
            {
                kept.truncate(kept.len() - 2);
            }
            at = end_of_item(&trees, at);
            continue;
        }
        kept.push(match &trees[at] {
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), strip_tests(group.stream()));
                inner.set_span(group.span());
                TokenTree::Group(inner)
            }
            other => other.clone(),
        });
        at += 1;
    }
    kept.into_iter().collect()
}

fn is_test_attribute(trees: &[TokenTree]) -> bool {
    let [TokenTree::Punct(hash), TokenTree::Group(group), ..] = trees else { return false };
    if hash.as_char() != '#' || group.delimiter() != Delimiter::Bracket {
        return false;
    }
    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
    match inner.as_slice() {
        [TokenTree::Ident(name)] => name == "test",
        [TokenTree::Ident(name), TokenTree::Group(condition)] => name == "cfg" && needs_test(condition.stream()),
        _ => false,
    }
}

/// The index behind the item (or field, or statement) whose attributes start at `at`.
fn end_of_item(trees: &[TokenTree], mut at: usize) -> usize {
    while matches!(&trees[at..], [TokenTree::Punct(hash), TokenTree::Group(_), ..] if hash.as_char() == '#') {
        at += 2;
    }
    let word = |tree: Option<&TokenTree>| tree.map(ToString::to_string).unwrap_or_default();
    if word(trees.get(at)) == "pub" {
        at += 1;
        if matches!(trees.get(at), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis) {
            at += 1;
        }
    }
    let first = word(trees.get(at));
    let constant_function = first == "const" && word(trees.get(at + 1)) == "fn";
    let until_semicolon = ["use", "static", "let", "type", "const"].contains(&first.as_str()) && !constant_function;
    let item = ["mod", "fn", "impl", "struct", "enum", "trait", "async", "unsafe", "extern", "macro_rules", "const"];
    for (index, tree) in trees.iter().enumerate().skip(at) {
        match tree {
            TokenTree::Punct(punct) if punct.as_char() == ';' => return index + 1,
            TokenTree::Punct(punct)
                if punct.as_char() == ',' && !until_semicolon && !item.contains(&first.as_str()) =>
            {
                return index + 1;
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !until_semicolon => return index + 1,
            _ => {}
        }
    }
    trees.len()
}

#[test]
fn comments_strings_and_tests_are_not_product_code() {
    let text = "//! quinn::a\nfn kept() { let _ = \"quinn::b\"; }\n#[cfg(test)]\npub(crate) use quinn::c;\n\
                #[cfg(test)]\nmod tests { use quinn::d; }\n#[cfg(not(test))]\nuse std::{env, fs as disk};\n";
    let code = Code::parse(text).unwrap();
    assert!(code.paths.iter().any(|path| path.contains(&["quinn", "c"])));
    let last = Code::parse("impl A {\n/// For tests.\n#[cfg(test)]\nfn a() {}\n}").unwrap();
    assert_eq!(last.without_tests().code_lines(), 2);
    let product = code.without_tests();
    let paths: Vec<String> = product.paths.iter().map(|path| path.segments.join("::")).collect();
    assert_eq!(paths, ["std", "std::env", "std::fs"]);
    assert_eq!(product.code_lines(), 3);
}
