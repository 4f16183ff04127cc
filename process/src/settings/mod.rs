//! Settings: defaults, overwritten by a TOML file, by environment variables, by flags.
//!
//! A settings type is any serde type whose structs carry `#[serde(default)]`, so that every layer may leave out anything. A
//! key that no layer should have is an error that names the file and line, or the variable.

mod error;
mod layers;

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
};

use serde::{Serialize, de::DeserializeOwned};

use crate::Secret;

pub use error::{Contradiction, SettingsError, SettingsOrigin, UnknownKey};
pub use layers::SettingsLayers;

/// Variables with this prefix are settings; `__` separates the levels: `EFIR_HTTP__MAX_CONNECTIONS` is `http.max_connections`.
pub(crate) const PREFIX: &str = "EFIR_";

/// The variable that names the settings file.
pub(crate) const FILE_VARIABLE: &str = "EFIR_SETTINGS";

/// The variable that holds the token of a client: no setting of a server.
const TOKEN_VARIABLE: &str = "EFIR_TOKEN";

/// The token that clients of this user show to servers, from `EFIR_TOKEN`; `None` when it is empty or not Unicode text.
pub fn token_from_environment() -> Option<Secret> {
    variable(TOKEN_VARIABLE).map(Secret::from)
}

/// A variable that is no setting of ours, as other programs' conventions have them; `None` when it is empty or not Unicode text.
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Flags that every server shares; flatten them into the server's own.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SettingsArguments {
    /// Settings file (TOML); also EFIR_SETTINGS
    #[arg(long, value_name = "FILE", global = true)]
    pub settings: Option<PathBuf>,
    /// Check the settings and exit
    #[arg(long, global = true)]
    pub check: bool,
    /// Print the settings in effect as TOML, without secrets, and exit
    #[arg(long, global = true)]
    pub print_settings: bool,
}

/// Loads the settings of this process: defaults, then the file, then the environment, then `flags`.
///
/// `flags` serializes to a partial settings table; what is `None` in it overwrites nothing. `check` looks for settings that each
/// are fine but not together. `Ok(None)` means that the
/// arguments asked for a check or for the settings on standard output, and that this is done.
///
/// # Errors
///
/// What is wrong, in which file and line, variable or flag.
pub fn load_settings<T>(
    arguments: &SettingsArguments,
    flags: &impl Serialize,
    check: impl FnOnce(&T) -> Result<(), Contradiction>,
) -> Result<Option<T>, SettingsError>
where
    T: DeserializeOwned + Serialize,
{
    load_over(SettingsLayers::new(), arguments, flags, check)
}

/// As [`load_settings`], for settings whose parts have other defaults here than by themselves: `defaults` serializes to a
/// partial settings table that everything else overwrites. A struct's own `Default` is lost once any key of that part is set.
///
/// # Errors
///
/// What is wrong, in which file and line, variable or flag.
pub fn load_settings_over<T>(
    defaults: &impl Serialize,
    arguments: &SettingsArguments,
    flags: &impl Serialize,
    check: impl FnOnce(&T) -> Result<(), Contradiction>,
) -> Result<Option<T>, SettingsError>
where
    T: DeserializeOwned + Serialize,
{
    let mut layers = SettingsLayers::new();
    layers.defaults(defaults)?;
    load_over(layers, arguments, flags, check)
}

fn load_over<T>(
    mut layers: SettingsLayers,
    arguments: &SettingsArguments,
    flags: &impl Serialize,
    check: impl FnOnce(&T) -> Result<(), Contradiction>,
) -> Result<Option<T>, SettingsError>
where
    T: DeserializeOwned + Serialize,
{
    let file = arguments.settings.clone().or_else(|| env::var_os(FILE_VARIABLE).map(PathBuf::from));
    if let Some(file) = file {
        layers.file(&file)?;
    }
    layers.environment(env::vars_os())?;
    layers.flags(flags)?;
    let settings: T = layers.load()?;
    check(&settings)?;
    if arguments.print_settings {
        let text = to_toml(&settings)?;
        io::stdout().write_all(text.as_bytes()).map_err(SettingsError::Print)?;
    }
    Ok((!arguments.check && !arguments.print_settings).then_some(settings))
}

/// Secrets come out redacted because [`Secret`](crate::Secret) serializes so.
fn to_toml(settings: &impl Serialize) -> Result<String, SettingsError> {
    toml::Table::try_from(settings)
        .and_then(|table| toml::to_string(&table))
        .map_err(|error| SettingsError::Serialize(error.to_string()))
}

#[cfg(test)]
mod tests;
