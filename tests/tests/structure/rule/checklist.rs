//! The conformance checklist: every item has tests or a reason, and `docs/conformance.md` says which.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use syn::visit::{self, Visit};

use crate::workspace::Workspace;

const ITEMS: &str = "tests/tests/conformance/items.toml";
const PAGE: &str = "docs/conformance.md";
/// How to write the page anew.
const COMMAND: &str = "WRITE_CONFORMANCE=1 cargo test -p tests --test structure";

struct Section {
    number: String,
    title: String,
    complete: bool,
    items: Vec<Item>,
}

struct Item {
    id: String,
    level: String,
    draft: String,
    rule: String,
    /// Why it is not done.
    deliberately: Option<String>,
}

/// Tests by item: name and file.
type Proofs = BTreeMap<String, Vec<(String, String)>>;

pub(super) fn items_have_tests_or_reasons(workspace: &Workspace) -> Vec<String> {
    let sections = sections(workspace);
    let (proofs, mut violations) = proofs(workspace);
    let mut known = BTreeSet::new();
    for section in &sections {
        for item in &section.items {
            let id = &item.id;
            if !known.insert(id.clone()) {
                violations.push(format!("{ITEMS}: {id} is there twice"));
            }
            match (proofs.contains_key(id), &item.deliberately) {
                (true, Some(_)) => violations.push(format!("{ITEMS}: {id} has a test and a reason to have none")),
                (false, None) if section.complete => violations.push(format!("{ITEMS}: {id} has no test")),
                _ => {}
            }
        }
    }
    let unknown = proofs.iter().filter(|(id, _)| !known.contains(*id));
    violations.extend(
        unknown.flat_map(|(id, tests)| tests.iter().map(move |(name, file)| format!("{file}: {name}: no item {id}"))),
    );
    violations
}

pub(super) fn page_is_current(workspace: &Workspace) -> Vec<String> {
    let current = workspace.files.get(Path::new(PAGE)).map(String::as_str).unwrap_or_default();
    if current == page(workspace) { Vec::new() } else { vec![format!("{PAGE}: out of date: {COMMAND}")] }
}

/// Writes the page, if there are items.
pub(crate) fn write_page(root: &Path, workspace: &mut Workspace) {
    let text = page(workspace);
    std::fs::write(root.join(PAGE), &text).expect("the page can be written");
    workspace.files.insert(PAGE.into(), text);
}

fn sections(workspace: &Workspace) -> Vec<Section> {
    let Some(text) = workspace.files.get(Path::new(ITEMS)) else { return Vec::new() };
    let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{ITEMS}: {error}"));
    let text = |value: &toml::Value, key: &str| {
        let text = value.get(key).and_then(toml::Value::as_str).filter(|text| !text.is_empty());
        text.unwrap_or_else(|| panic!("{ITEMS}: no `{key}` in {value}")).to_owned()
    };
    let list = |value: &toml::Value, key: &str| value.get(key).and_then(toml::Value::as_array).cloned();
    let item = |value: &toml::Value| Item {
        id: text(value, "id"),
        level: text(value, "level"),
        draft: text(value, "draft"),
        rule: text(value, "rule"),
        deliberately: value.get("deliberately").map(|_| text(value, "deliberately")),
    };
    let sections = list(&toml::Value::Table(table), "section").unwrap_or_default();
    sections
        .iter()
        .map(|value| Section {
            number: text(value, "number"),
            title: text(value, "title"),
            complete: value["complete"].as_bool().unwrap_or_default(),
            items: list(value, "item").unwrap_or_default().iter().map(item).collect(),
        })
        .collect()
}

/// The tests that carry numbers in front of their names, and the names that are wrong.
fn proofs(workspace: &Workspace) -> (Proofs, Vec<String>) {
    let (mut proofs, mut violations) = (Proofs::new(), Vec::new());
    for source in &workspace.sources {
        let mut tests = Tests(Vec::new());
        tests.visit_file(&source.full.syntax);
        let file = source.path.display().to_string();
        for name in tests.0 {
            match numbers(&name) {
                Ok(ids) => {
                    for id in ids {
                        proofs.entry(id).or_default().push((name.clone(), file.clone()));
                    }
                }
                Err(wrong) => {
                    violations.push(format!("{file}: {name}: `{wrong}` is not a number like c007, p07 or s07"))
                }
            }
        }
    }
    (proofs, violations)
}

/// Names of functions that are tests.
struct Tests(Vec<String>);

impl<'ast> Visit<'ast> for Tests {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let is_test = |attribute: &syn::Attribute| {
            attribute.path().segments.last().is_some_and(|segment| segment.ident == "test")
        };
        if item.attrs.iter().any(is_test) {
            self.0.push(item.sig.ident.to_string());
        }
        visit::visit_item_fn(self, item);
    }
}

/// The items that a test's name begins with: `c002_c011_…`, or `c016_to_c022_…` for all between.
fn numbers(name: &str) -> Result<Vec<String>, String> {
    let mut found: Vec<String> = Vec::new();
    let mut through = false;
    for word in name.split('_') {
        let is_number =
            word.len() > 1 && word.starts_with(['c', 'p', 's']) && word[1..].bytes().all(|byte| byte.is_ascii_digit());
        if word == "to" && !found.is_empty() && !through {
            through = true;
            continue;
        }
        if !is_number {
            break;
        }
        let digits = if word.starts_with('c') { 3 } else { 2 };
        let Some(number) = word[1..].parse::<u32>().ok().filter(|_| word.len() == digits + 1) else {
            return Err(word.to_owned());
        };
        let first = match found.last().filter(|_| through) {
            Some(last) => last[1..].parse::<u32>().expect("it was a number before") + 1,
            None => number,
        };
        found.extend((first..=number).map(|number| format!("{}{number:0digits$}", &word[..1])));
        through = false;
    }
    Ok(found)
}

fn page(workspace: &Workspace) -> String {
    let (sections, (proofs, _)) = (sections(workspace), proofs(workspace));
    let mut text = format!(
        "# Conformance\n\n\
         What draft-ietf-moq-transport-18 asks of relays, publishers and subscribers, item by item, and the tests that show that Efir does\n\
         it. C.1 to C.9 are tests of the relay: sessions over real QUIC or WebTransport, among them peers that write any bytes. D.1 is our\n\
         origin, D.2 our client. An item passes when every test named here passes, and `scripts/test` runs them all.\n\n\
         This page is written from the [list of items](../{ITEMS}) and the names of the tests; a test holds it to that:\n\n\
         ```sh\n{COMMAND}\n```\n\n\
         | Section | Items | Passes | Deliberately not | No test yet |\n|---|---|---|---|---|\n"
    );
    let mut sum = [0; 4];
    for section in &sections {
        let passes = section.items.iter().filter(|item| proofs.contains_key(&item.id)).count();
        let not = section.items.iter().filter(|item| item.deliberately.is_some()).count();
        let all = section.items.len();
        let row = [all, passes, not, all - passes - not];
        sum = std::array::from_fn(|at| sum[at] + row[at]);
        let [all, passes, not, open] = row;
        let _ = writeln!(text, "| {} {} | {all} | {passes} | {not} | {open} |", section.number, section.title);
    }
    let [all, passes, not, open] = sum;
    let _ = writeln!(text, "| **all** | {all} | {passes} | {not} | {open} |");
    for section in &sections {
        let _ = write!(
            text,
            "\n## {} {}\n\n| | Level | Draft-18 | Rule | Result | Tests |\n|---|---|---|---|---|---|\n",
            section.number, section.title
        );
        for item in &section.items {
            let tests = proofs.get(&item.id).map(Vec::as_slice).unwrap_or_default();
            let result = match &item.deliberately {
                Some(reason) => format!("deliberately not: {reason}"),
                None if tests.is_empty() => "no test yet".to_owned(),
                None => "passes".to_owned(),
            };
            let tests: Vec<String> = tests.iter().map(|(name, file)| format!("[{name}](../{file})")).collect();
            let Item { id, level, draft, rule, .. } = item;
            let _ = writeln!(text, "| {id} | {level} | {draft} | {rule} | {result} | {} |", tests.join("<br>"));
        }
    }
    text
}

#[cfg(test)]
fn workspace_of(list: &'static str, tests: &'static str, page: &'static str) -> [(&'static str, &'static str); 4] {
    [("a/Cargo.toml", "[package]\nname = 'a'"), ("a/tests/a.rs", tests), (ITEMS, list), (PAGE, page)]
}

#[test]
fn gaps_in_the_checklist_are_found() {
    const LIST: &str = "[[section]]\nnumber = 'C.1'\ntitle = 'Start'\ncomplete = true\nitem = [\n\
        { id = 'c001', level = 'MUST', draft = '1', rule = 'A' },\n\
        { id = 'c002', level = 'MUST', draft = '1', rule = 'B', deliberately = 'C' },\n]";
    const OPEN: &str = "[[section]]\nnumber = 'C.1'\ntitle = 'Start'\ncomplete = false\nitem = [\n\
        { id = 'c001', level = 'MUST', draft = '1', rule = 'A' },\n]";
    let check = |list, tests, expected: &str| {
        super::assert_finds(items_have_tests_or_reasons, &workspace_of(list, tests, ""), expected);
    };
    check(LIST, "", "c001 has no test");
    check(LIST, "fn c001_helper() {}", "c001 has no test");
    check(LIST, "#[test]\nfn c001_to_c002_both() {}", "c002 has a test and a reason");
    check(LIST, "#[tokio::test]\nasync fn c001_c003_more() {}", "a/tests/a.rs: c001_c003_more: no item c003");
    check(OPEN, "#[test]\nfn c1_short() {}", "`c1` is not a number");
    let accepts = |list, tests| {
        super::assert_accepts(items_have_tests_or_reasons, &workspace_of(list, tests, ""));
    };
    accepts(LIST, "mod inner {\n#[tokio::test(flavor = \"x\")]\nasync fn c001_one() {}\n}\n#[test]\nfn c() {}");
    accepts(OPEN, "#[test]\nfn calls_come_in_order() {}");
}

#[test]
fn an_old_page_is_found() {
    const LIST: &str = "[[section]]\nnumber = 'C.1'\ntitle = 'Start'\ncomplete = true\nitem = [\n\
        { id = 'c001', level = 'MUST', draft = '1', rule = 'A' },\n]";
    let files = workspace_of(LIST, "#[test]\nfn c001_one() {}", "# Conformance\n");
    super::assert_finds(page_is_current, &files, "out of date");
    let text = page(&Workspace::of(&files));
    assert!(text.contains("| c001 | MUST | 1 | A | passes | [c001_one](../a/tests/a.rs) |"), "{text}");
    assert!(text.contains("| C.1 Start | 1 | 1 | 0 | 0 |"), "{text}");
    let files: Vec<(&str, &str)> = files[..3].iter().copied().chain([(PAGE, text.as_str())]).collect();
    super::assert_accepts(page_is_current, &files);
}
