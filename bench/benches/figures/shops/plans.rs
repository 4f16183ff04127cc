//! Plans: from which shop each line of a basket comes, and which van goes where. The program times itself on made-up problems:
//! no basket here has five shops to choose from.

use bench::{Failure, run as run_program};
use serde_json::Value;

use super::Effort;
use super::goal::Goals;

pub(crate) async fn run(effort: Effort, goals: &mut Goals) -> Result<(), Failure> {
    let baskets = effort.baskets.to_string();
    let sourcing = measure(&["sourcing", "--lines", "20", "--shops", "5", "--baskets", &baskets]).await?;
    let number = |figures: &Value, name: &str| figures[name].as_f64().ok_or_else(|| format!("no {name} in {figures}"));
    let ms = |name: &str| number(&sourcing, name).map(|us| us / 1000.0);
    let saved = 100.0 - number(&sourcing, "total")? / number(&sourcing, "greedy_total")? * 100.0;
    println!(
        "sourcing 20 lines over 5 shops: p50 {:.1} ms  p99 {:.1} ms  max {:.1} ms; {} of {} plans proven the cheapest, {saved:.1} % cheaper than the greedy ones",
        ms("p50_us")?,
        ms("p99_us")?,
        ms("max_us")?,
        sourcing["optimal"],
        sourcing["baskets"]
    );
    goals.at_most("ms at p50", ms("p50_us")?, 20.0);
    goals.at_most("ms at p99", ms("p99_us")?, 20.0);
    let routes = measure(&["routes", "--stops", "200", "--vans", "10"]).await?;
    let shorter = 100.0 - number(&routes, "metres")? / number(&routes, "simple_metres")? * 100.0;
    println!(
        "routes of 200 stops for 10 vans: {:.1} s, {:.0} km, {} stops left out; {shorter:.0} % shorter than by rules of thumb ({} ms)",
        number(&routes, "ms")? / 1000.0,
        number(&routes, "metres")? / 1000.0,
        routes["left_out"],
        routes["simple_ms"]
    );
    // The budget is for the search; reading the problem and checking the plan come on top.
    goals.at_most("seconds", number(&routes, "ms")? / 1000.0, 2.2);
    let fits = routes["whole"] == true && routes["left_out"] == 0;
    if fits { Ok(()) } else { Err(format!("the routes break a rule: {routes}").into()) }
}

async fn measure(arguments: &[&str]) -> Result<Value, Failure> {
    let line = run_program("efir-commerce", &[&["measure"], arguments].concat()).await?;
    Ok(serde_json::from_str(&line)?)
}
