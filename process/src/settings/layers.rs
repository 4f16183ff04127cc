//! Layers of partial settings merged into one table that remembers where each value came from.

use std::{collections::BTreeMap, ffi::OsString, fs, path::Path};

use serde::{Serialize, de::DeserializeOwned};
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

use super::{FILE_VARIABLE, PREFIX, SettingsError, SettingsOrigin, TOKEN_VARIABLE, UnknownKey};

/// The names on the way from the top to a value.
type KeyPath = Vec<String>;

/// Merges layers; each overwrites those added before it. Tables are merged key by key, everything else is replaced.
#[derive(Clone, Debug, Default)]
pub struct SettingsLayers {
    table: Table,
    origins: BTreeMap<KeyPath, SettingsOrigin>,
}

impl SettingsLayers {
    /// No layer: everything has its default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds defaults of parts that are others than the parts' own: anything that serializes to a partial settings table.
    ///
    /// # Errors
    ///
    /// They have no form in TOML, which is a fault of the program.
    pub fn defaults(&mut self, defaults: &impl Serialize) -> Result<(), SettingsError> {
        let table = Table::try_from(defaults).map_err(|error| SettingsError::Serialize(error.to_string()))?;
        self.merge(table, |_| SettingsOrigin::Default);
        Ok(())
    }

    /// Adds a TOML file.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is not TOML.
    pub fn file(&mut self, path: &Path) -> Result<(), SettingsError> {
        let text = fs::read_to_string(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        let line_at = |offset: usize| 1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count();
        let syntax = |error: toml::de::Error| {
            let line = line_at(error.span().map_or(0, |span| span.start));
            let origin = SettingsOrigin::File(path.to_owned(), line);
            SettingsError::Syntax { origin, message: error.message().to_owned() }
        };
        let spans = DeTable::parse(&text).map_err(syntax)?;
        let table: Table = toml::from_str(&text).map_err(syntax)?;
        let mut lines = BTreeMap::new();
        collect_lines(spans.get_ref(), &mut Vec::new(), &mut |path, offset| {
            lines.insert(path, line_at(offset));
        });
        self.merge(table, |key| match lines.get(key) {
            Some(&line) => SettingsOrigin::File(path.to_owned(), line),
            None => SettingsOrigin::Default,
        });
        Ok(())
    }

    /// Adds the variables that start with `EFIR_`, except those that name the settings file and a client's token.
    ///
    /// A value is text where the setting takes text, and otherwise read as TOML: `EFIR_HOSTS='["a", "b"]'`.
    ///
    /// # Errors
    ///
    /// A value is not Unicode text.
    pub fn environment(
        &mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<(), SettingsError> {
        // Sorted, so that the outcome never depends on the order of the environment.
        let ours: BTreeMap<String, OsString> = variables
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| name.starts_with(PREFIX) && name != FILE_VARIABLE && name != TOKEN_VARIABLE)
            .collect();
        for (name, value) in ours {
            let value = value.into_string().map_err(|_| SettingsError::NotUnicode(name.clone()))?;
            let levels: KeyPath = name[PREFIX.len()..].to_ascii_lowercase().split("__").map(str::to_owned).collect();
            let nested = levels
                .into_iter()
                .rev()
                .fold(Value::String(value), |inner, level| Value::Table(Table::from_iter([(level, inner)])));
            if let Value::Table(table) = nested {
                self.merge(table, |_| SettingsOrigin::Environment(name.clone()));
            }
        }
        Ok(())
    }

    /// Adds flags: anything that serializes to a partial settings table. What is `None` overwrites nothing.
    ///
    /// # Errors
    ///
    /// The flags have no form in TOML, which is a fault of the program.
    pub fn flags(&mut self, flags: &impl Serialize) -> Result<(), SettingsError> {
        let table = Table::try_from(flags).map_err(|error| SettingsError::Serialize(error.to_string()))?;
        self.merge(table, |_| SettingsOrigin::Flag);
        Ok(())
    }

    /// Reads the merged layers as `T`.
    ///
    /// # Errors
    ///
    /// A value that does not fit, or else all keys that are not settings.
    pub fn load<T: DeserializeOwned>(mut self) -> Result<T, SettingsError> {
        loop {
            let mut unknown = Vec::new();
            let mut track = serde_path_to_error::Track::new();
            let result = serde_ignored::deserialize(
                serde_path_to_error::Deserializer::new(Value::Table(self.table.clone()), &mut track),
                |path| unknown.push(ignored_path(&path)),
            );
            match result {
                Ok(settings) if unknown.is_empty() => return Ok(settings),
                Ok(_) => {
                    let keys = unknown.into_iter().map(|path| self.unknown_key(&path)).collect();
                    return Err(SettingsError::UnknownKeys(keys));
                }
                Err(error) => {
                    let path = failed_path(&track.path());
                    // Each pass turns one variable from text into TOML, so the loop ends.
                    if !self.reread_variable(&path) {
                        return Err(self.invalid(&path, &error));
                    }
                }
            }
        }
    }

    /// Turns the text of one environment variable at or below `path` into the TOML value it spells. `false` if there is none.
    fn reread_variable(&mut self, path: &[String]) -> bool {
        for (key, origin) in &self.origins {
            if !matches!(origin, SettingsOrigin::Environment(_)) || !key.starts_with(path) {
                continue;
            }
            let Some(value) = value_at(&mut self.table, key) else {
                continue;
            };
            let parsed = value.as_str().and_then(|text| toml::from_str::<Table>(&format!("value = {text}")).ok());
            // More than one key means that the text had line breaks and went on after the value.
            match parsed.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value")) {
                Some(Value::String(_)) | None => {}
                Some(parsed) => {
                    *value = parsed;
                    return true;
                }
            }
        }
        false
    }

    fn merge(&mut self, layer: Table, origin: impl Fn(&[String]) -> SettingsOrigin) {
        merge_tables(&mut self.table, layer, &mut Vec::new(), &mut self.origins, &origin);
    }

    /// Where the value at `path` was set; for a table, where its first value was.
    fn origin(&self, path: &[String]) -> SettingsOrigin {
        let inside = self.origins.iter().find(|(key, _)| key.starts_with(path));
        let around = || self.origins.iter().find(|(key, _)| path.starts_with(key));
        inside.or_else(around).map_or(SettingsOrigin::Default, |(_, origin)| origin.clone())
    }

    fn unknown_key(&self, path: &[String]) -> UnknownKey {
        UnknownKey { key: path.join("."), origin: self.origin(path) }
    }

    fn invalid(&self, path: &[String], error: &toml::de::Error) -> SettingsError {
        let message = error.message().to_owned();
        SettingsError::Invalid { key: path.join("."), origin: self.origin(path), message }
    }
}

fn merge_tables(
    into: &mut Table,
    layer: Table,
    path: &mut KeyPath,
    origins: &mut BTreeMap<KeyPath, SettingsOrigin>,
    origin: &impl Fn(&[String]) -> SettingsOrigin,
) {
    for (key, value) in layer {
        path.push(key.clone());
        match (into.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge_tables(old, new, path, origins, origin),
            (_, Value::Table(new)) => {
                origins.retain(|known, _| !known.starts_with(path));
                origins.insert(path.clone(), origin(path));
                let mut fresh = Table::new();
                merge_tables(&mut fresh, new, path, origins, origin);
                into.insert(key, Value::Table(fresh));
            }
            (_, value) => {
                origins.retain(|known, _| !known.starts_with(path));
                origins.insert(path.clone(), origin(path));
                into.insert(key, value);
            }
        }
        path.pop();
    }
}

/// Reports the path and byte offset of every key of a parsed file.
fn collect_lines(table: &DeTable<'_>, path: &mut KeyPath, found: &mut impl FnMut(KeyPath, usize)) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        found(path.clone(), key.span().start);
        if let DeValue::Table(inner) = Spanned::get_ref(value) {
            collect_lines(inner, path, found);
        }
        path.pop();
    }
}

fn value_at<'a>(table: &'a mut Table, path: &[String]) -> Option<&'a mut Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(table.get_mut(first)?, |value, key| value.get_mut(key))
}

fn failed_path(path: &serde_path_to_error::Path) -> KeyPath {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(key.clone()),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

fn ignored_path(path: &serde_ignored::Path<'_>) -> KeyPath {
    use serde_ignored::Path;
    let (parent, last) = match path {
        Path::Root => return Vec::new(),
        Path::Seq { parent, index } => (parent, Some(index.to_string())),
        Path::Map { parent, key } => (parent, Some(key.clone())),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => (parent, None),
    };
    let mut keys = ignored_path(parent);
    keys.extend(last);
    keys
}
