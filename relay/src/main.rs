//! `efir-relay`: one upstream subscription per track, many viewers.

use std::process::ExitCode;

use clap::Parser;
use relay::{Flags, Relay, RelaySettings, Shared};

fn main() -> ExitCode {
    let flags = Flags::parse();
    process::run("efir-relay", |shutdown| async move {
        let loaded = process::load_settings(&flags.common, &flags, RelaySettings::check)?;
        let Some(settings) = loaded else { return Ok(()) };
        process::init_logs(&settings.log)?;
        let metrics = process::Metrics::install()?;
        let shared = Shared { state_directory: process::state_directory(), ..Shared::new(metrics) };
        let relay = Relay::load(settings, shared).await?;
        relay.announce();
        relay.run(shutdown).await;
        Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    })
}
