//! From the command line to a running origin.

use process::{LogError, Metrics, MetricsError, SettingsError, Shutdown, init_logs, load_settings};

use crate::{Arguments, Origin, OriginError, Settings, describe_metrics};

/// Why the command does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings cannot be used. Named as the cause too: it decides the exit code.
    #[error("{0}")]
    Settings(#[from] SettingsError),
    /// Logs cannot be set up.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Metrics cannot be set up.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The origin does not start.
    #[error("{0}")]
    Origin(#[from] OriginError),
}

/// What `efir-origin` does with its arguments: loads the settings, sets up logs and metrics and runs until
/// shutdown. Returns at once if the arguments only ask for a check.
///
/// # Errors
///
/// See [`StartError`].
pub async fn start(arguments: Arguments, shutdown: Shutdown) -> Result<(), StartError> {
    let Some(settings) = load_settings(&arguments.settings, &arguments.flags(), Settings::check)? else {
        return Ok(());
    };
    init_logs(&settings.log)?;
    let metrics = Metrics::install()?;
    describe_metrics();
    let origin = Origin::load(settings).await?.with_metrics(metrics);
    origin.run(shutdown).await;
    Ok(())
}
