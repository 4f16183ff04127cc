//! The README's figures: `cargo build --release && cargo bench -p bench [-- NAME…]`.

#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

mod cold_start;
mod load;
mod restart;
mod scene;
mod tune_in;

use bench::Failure;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // cargo passes flags of the standard harness; names are ours.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let runs = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    if runs("cold_start") {
        cold_start::run().await?;
    }
    if runs("tune_in") {
        tune_in::run().await?;
    }
    if runs("load") {
        load::run().await?;
    }
    if runs("restart") {
        restart::run().await?;
    }
    Ok(())
}
