//! The README's figures: `cargo build --release && cargo bench -p bench [-- NAME…] [--gate]`.

#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

mod capacity;
mod cold_start;
mod load;
mod restart;
mod scene;
mod shops;
mod tune_in;

use bench::Failure;

/// The figures, each a name on the command line. `shops` stands for all of [`shops::PARTS`].
const FIGURES: [&str; 6] = ["cold_start", "tune_in", "load", "restart", "capacity", "shops"];

/// The flag that makes figures of the shops gates.
const GATE: &str = "--gate";

/// What cargo passes to a program of benchmarks.
const CARGO: &str = "--bench";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != CARGO).collect();
    let all = arguments.len();
    arguments.retain(|argument| argument != GATE);
    let gate = arguments.len() < all;
    let known = || FIGURES.into_iter().chain(shops::PARTS);
    if let Some(unknown) = arguments.iter().find(|argument| known().all(|name| name != *argument)) {
        return Err(format!("{unknown:?} is no figure; there are {}", known().collect::<Vec<_>>().join(", ")).into());
    }
    let runs = |name: &str| arguments.is_empty() || arguments.iter().any(|wanted| wanted == name);
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
    if runs("capacity") {
        capacity::run().await?;
    }
    let parts: Vec<&str> = shops::PARTS.into_iter().filter(|part| runs("shops") || runs(part)).collect();
    if !parts.is_empty() {
        shops::run(&parts, gate).await?;
    }
    Ok(())
}
