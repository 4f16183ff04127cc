//! `efir-relay`: one upstream subscription per track, many viewers.

use std::process::ExitCode;

use clap::Parser;
use relay::{Flags, Relay, RelaySettings, Shared};

fn main() -> ExitCode {
    let flags = Flags::parse();
    process::run("efir-relay", |shutdown| async move {
        let Some(settings) = process::load_settings::<RelaySettings>(&flags.common, &flags)? else { return Ok(()) };
        process::init_logs(&settings.log)?;
        let metrics = process::Metrics::install()?;
        let mut relay = Relay::load(settings, Shared::new(metrics)).await?;
        if let Some(directory) = process::state_directory() {
            relay.publish_hashes(&directory)?;
        }
        relay.announce();
        relay.run(shutdown).await;
        Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    })
}
