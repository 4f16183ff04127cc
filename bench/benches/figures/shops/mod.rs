//! The shops under load, over real HTTP on real processes: reads, orders, overload, a sell-out, a crash, exports, plans, and
//! video beside them.

mod export;
mod goal;
mod orders;
mod place;
mod plans;
mod reads;
mod recovery;
mod sellout;
mod shop;
mod video;

use std::time::Duration;

use bench::Failure;

use goal::Goals;
use place::fsyncs_per_second;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Effort {
    /// Of each kind of load.
    time: Duration,
    /// Whether callers who were refused ask again and again. What is left for orders then depends on what the callers leave of the
    /// cores: no gate on a machine that others use too.
    storm: bool,
    /// In the sell-out.
    buyers: usize,
    /// In the export.
    rows: u64,
    /// Baskets to plan.
    baskets: u32,
}

/// What the README tells.
const FULL: Effort =
    Effort { time: Duration::from_secs(10), storm: true, buyers: 100_000, rows: 1_000_000, baskets: 1000 };

/// What shows within a minute that something has become much slower.
const GATE: Effort = Effort { time: Duration::from_secs(3), storm: false, buyers: 10_000, rows: 50_000, baskets: 1000 };

/// The parts, each a name of its own on the command line.
pub(crate) const PARTS: [&str; 7] = ["reads", "orders", "sellout", "recovery", "export", "plans", "video"];

/// Prints the figures of these parts. With `gate` it takes less time, and a figure that is below a quarter of its goal is a
/// failure; the part that has no goals is left out.
pub(crate) async fn run(parts: &[&str], gate: bool) -> Result<(), Failure> {
    let effort = if gate { GATE } else { FULL };
    let mut goals = Goals::new(gate);
    println!("disk: {:.0} fsyncs of 4 KiB a second, one after the other", fsyncs_per_second()?);
    for part in parts {
        match *part {
            "reads" => reads::run(effort, &mut goals).await?,
            "orders" => orders::run(effort, &mut goals).await?,
            "sellout" => sellout::run(effort, &mut goals).await?,
            "recovery" => recovery::run(effort, &mut goals).await?,
            "export" => export::run(effort, &mut goals).await?,
            "plans" => plans::run(effort, &mut goals).await?,
            "video" if !gate => video::run(effort).await?,
            _ => {}
        }
    }
    goals.finish()
}
