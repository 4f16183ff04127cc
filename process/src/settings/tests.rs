//! Precedence and blame, with an environment made of a list.

use std::{collections::BTreeMap, ffi::OsString, fs};

use serde::Deserialize;

use super::*;
use crate::Secret;

#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(default)]
struct Sample {
    name: String,
    count: u32,
    quiet: bool,
    hosts: Vec<String>,
    password: Option<Secret>,
    limits: Limits,
    strict: Strict,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(default)]
struct Limits {
    bytes: u64,
    ratio: f64,
    label: Option<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Strict {
    level: u8,
}

impl Default for Sample {
    fn default() -> Self {
        let (limits, strict) = (Limits::default(), Strict::default());
        Self { name: "default".into(), count: 1, quiet: false, hosts: vec![], password: None, limits, strict }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 1, ratio: 0.5, label: None }
    }
}

#[derive(Default, Serialize)]
struct Flags {
    name: Option<String>,
    quiet: Option<bool>,
    limits: LimitFlags,
}

#[derive(Default, Serialize)]
struct LimitFlags {
    bytes: Option<u64>,
}

fn load(file: &str, variables: &[(&str, &str)], flags: &Flags) -> Result<Sample, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("efir.toml");
    fs::write(&path, file).unwrap();
    let mut layers = SettingsLayers::new();
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let result = layers
        .file(&path)
        .and_then(|()| layers.environment(variables))
        .and_then(|()| layers.flags(flags))
        .and_then(|()| layers.load());
    result.map_err(|error| error.to_string().replace(path.parent().unwrap().to_str().unwrap(), "DIR"))
}

fn refusal(file: &str, variables: &[(&str, &str)]) -> String {
    load(file, variables, &Flags::default()).unwrap_err()
}

#[test]
fn nothing_set_means_defaults() {
    assert_eq!(load("", &[], &Flags::default()).unwrap(), Sample::default());
}

#[test]
fn each_layer_overwrites_the_one_below_it() {
    let file = "name = 'file'\ncount = 2\n[limits]\nbytes = 2\nratio = 0.25\n";
    let environment = [("EFIR_NAME", "environment"), ("EFIR_LIMITS__BYTES", "3"), ("PATH", "/bin"), ("EFIRX", "no")];
    let flags = Flags { name: Some("flag".into()), ..Flags::default() };

    let from_file = load(file, &[], &Flags::default()).unwrap();
    assert_eq!((from_file.name.as_str(), from_file.count, from_file.limits.bytes), ("file", 2, 2));
    let from_environment = load(file, &environment, &Flags::default()).unwrap();
    assert_eq!(
        (from_environment.name.as_str(), from_environment.count, from_environment.limits.bytes),
        ("environment", 2, 3)
    );
    assert_eq!(from_environment.limits.ratio, 0.25, "neighbours of an overwritten key stay");
    let from_flags = load(file, &environment, &flags).unwrap();
    assert_eq!((from_flags.name.as_str(), from_flags.count, from_flags.limits.bytes), ("flag", 2, 3));
}

#[test]
fn a_default_of_a_part_outlives_its_neighbours_and_is_overwritten() {
    let over = |file: &str| {
        let mut layers = SettingsLayers::new();
        let defaults = Flags { limits: LimitFlags { bytes: Some(7) }, ..Flags::default() };
        layers.defaults(&defaults).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        fs::write(&path, file).unwrap();
        layers.file(&path).unwrap();
        layers.load::<Sample>().unwrap().limits
    };
    assert_eq!((over("").bytes, over("[limits]\nratio = 2.0").bytes, over("[limits]\nbytes = 8").bytes), (7, 7, 8));
}

#[test]
fn an_absent_flag_never_overwrites() {
    assert!(load("quiet = true", &[], &Flags::default()).unwrap().quiet);
    assert!(!load("quiet = true", &[], &Flags { quiet: Some(false), ..Flags::default() }).unwrap().quiet);
    let limits = LimitFlags { bytes: Some(9) };
    let settings = load("[limits]\nratio = 2.0", &[], &Flags { limits, ..Flags::default() }).unwrap();
    assert_eq!((settings.limits.bytes, settings.limits.ratio), (9, 2.0));
}

#[test]
fn variables_take_the_type_of_their_setting() {
    let environment = [
        ("EFIR_NAME", "42"),
        ("EFIR_COUNT", "42"),
        ("EFIR_QUIET", "true"),
        ("EFIR_HOSTS", r#"["a", "1"]"#),
        ("EFIR_LIMITS__RATIO", "1.5"),
        ("EFIR_LIMITS__LABEL", "true"),
    ];
    let settings = load("", &environment, &Flags::default()).unwrap();
    assert_eq!((settings.name.as_str(), settings.count, settings.quiet), ("42", 42, true));
    assert_eq!(settings.hosts, ["a", "1"]);
    assert_eq!((settings.limits.ratio, settings.limits.label.as_deref()), (1.5, Some("true")));
}

#[test]
fn the_variable_for_the_file_is_not_a_setting() {
    let others = [("EFIR_SETTINGS", "/etc/efir.toml"), ("EFIR_TOKEN", "a client's")];
    assert!(load("", &others, &Flags::default()).is_ok());
}

#[test]
fn unknown_keys_are_all_named_with_their_place() {
    let text = refusal(
        "count = 1\ncolour = 'red'\n\n[limits]\nbytes = 1\nbites = 2\n[new]\nx = 1",
        &[("EFIR_LIMITS__TYPO", "1")],
    );
    for expected in [
        "DIR/efir.toml:2: unknown setting `colour`",
        "DIR/efir.toml:6: unknown setting `limits.bites`",
        "DIR/efir.toml:7: unknown setting `new`",
        "environment variable EFIR_LIMITS__TYPO: unknown setting `limits.typo`",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in {text:?}");
    }
}

#[test]
fn unknown_keys_in_strict_structs_are_named_too() {
    let text = refusal("\n[strict]\nlevel = 1\nlevle = 2", &[]);
    assert!(text.contains("DIR/efir.toml:4: `strict.levle`: unknown field `levle`"), "{text}");
}

#[test]
fn values_that_do_not_fit_are_named_with_their_place() {
    let text = refusal("\n\ncount = 'many'", &[]);
    assert!(text.starts_with("DIR/efir.toml:3: `count`: invalid type: string \"many\""), "{text}");
    let text = refusal("", &[("EFIR_LIMITS__BYTES", "lots")]);
    assert!(text.starts_with("environment variable EFIR_LIMITS__BYTES: `limits.bytes`: invalid type"), "{text}");
    let text = refusal("", &[("EFIR_COUNT", "-1")]);
    assert!(text.starts_with("environment variable EFIR_COUNT: `count`: invalid value"), "{text}");
    let text = refusal("hosts = ['a', 1]", &[]);
    assert!(text.starts_with("DIR/efir.toml:1: `hosts.1`: invalid type"), "{text}");
}

#[test]
fn a_variable_cannot_smuggle_in_more_than_its_value() {
    let text = refusal("", &[("EFIR_COUNT", "5\nname = 'x'")]);
    assert!(text.contains("EFIR_COUNT: `count`: invalid type"), "{text}");
}

#[test]
fn broken_toml_is_named_with_its_line() {
    let text = refusal("count = 1\nname = \n", &[]);
    assert!(text.starts_with("DIR/efir.toml:2: "), "{text}");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_unicode_is_named() {
    use std::os::unix::ffi::OsStringExt;
    let variable = ("EFIR_NAME".into(), OsString::from_vec(vec![0xff]));
    let error = SettingsLayers::new().environment([variable]).unwrap_err();
    assert_eq!(error.to_string(), "environment variable EFIR_NAME is not Unicode text");
}

#[test]
fn printed_settings_are_complete_load_again_and_hide_secrets() {
    let settings = load("password = 'hunter2'\n[limits]\nbytes = 7", &[], &Flags::default()).unwrap();
    assert_eq!(settings.password.as_ref().unwrap().expose(), "hunter2");
    let text = to_toml(&settings).unwrap();
    assert!(!text.contains("hunter2") && !format!("{settings:?}").contains("hunter2"), "{text}");
    assert!(refusal(&text, &[]).contains("`password`"), "what stands for a secret is no secret");
    let again = load(&text.replace("[redacted]", "hunter2"), &[], &Flags::default()).unwrap();
    assert_eq!(again, settings);
    let keys: BTreeMap<String, toml::Value> = toml::from_str(&text).unwrap();
    assert!(
        ["name", "count", "quiet", "hosts", "limits", "strict"].iter().all(|key| keys.contains_key(*key)),
        "{text}"
    );
}
