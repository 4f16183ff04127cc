//! The furniture shop's catalogue as one download: how fast, and what it costs the server's memory.

use std::time::{Duration, Instant};

use bench::{Failure, Shopper};
use process::Usage;
use serde_json::{Value, json};

use super::Effort;
use super::goal::Goals;
use super::shop::Shop;

/// Between two looks at the server's memory.
const LOOK: Duration = Duration::from_millis(20);

/// The end of every Arrow IPC stream.
const ARROW_END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

pub(crate) async fn run(effort: Effort, goals: &mut Goals) -> Result<(), Failure> {
    let begun = Instant::now();
    let shop = Shop::furniture(effort.rows).await?;
    println!("export of {} products and more (made and started in {:.0?})", effort.rows, begun.elapsed());
    let mut most = 0;
    for format in ["ndjson", "csv", "arrow"] {
        most = most.max(stream(&shop, format, effort.rows).await?);
    }
    most = most.max(file(&shop, effort.rows).await?);
    // What holds for any number of rows.
    goals.at_most("MiB of memory more", mebibytes(most), 64.0);
    Ok(())
}

/// Streams the catalogue: by how much the server grew.
async fn stream(shop: &Shop, format: &str, rows: u64) -> Result<u64, Failure> {
    let token = shop.token("operator", "demo-staff").await?;
    let shopper = Shopper::connect(shop.port).await?;
    let before = Usage::of(shop.process.id())?;
    let begun = Instant::now();
    let path = format!("/api/v1/furniture/export?format={format}");
    let mut download = tokio::spawn(async move { shopper.download(&path, &token).await });
    let mut most = before.rss;
    let download = loop {
        tokio::select! {
            done = &mut download => break done??,
            () = tokio::time::sleep(LOOK) => most = most.max(Usage::of(shop.process.id())?.rss),
        }
    };
    let (time, after) = (begun.elapsed().as_secs_f64(), Usage::of(shop.process.id())?);
    let megabytes = download.bytes as f64 / 1e6;
    let cpu = (after.cpu - before.cpu).as_secs_f64() / time * 100.0;
    println!(
        "  {format:<10} {megabytes:>6.0} MB  {:>5.0} MB/s  {:>8.0} rows/s  RSS {:.0} MiB before, {:.0} at most  (server {cpu:.0} % of a core)",
        megabytes / time,
        rows as f64 / time,
        mebibytes(before.rss),
        mebibytes(most)
    );
    let whole = if format == "arrow" { download.tail == ARROW_END } else { download.lines >= rows };
    if whole { Ok(most - before.rss) } else { Err(format!("the {format} export is not whole: {download:?}").into()) }
}

/// Has a file made: by how much the server grew.
async fn file(shop: &Shop, rows: u64) -> Result<u64, Failure> {
    let token = shop.token("operator", "demo-staff").await?;
    let before = Usage::of(shop.process.id())?;
    let begun = Instant::now();
    let asked = shop.post("/api/v1/furniture/exports", &token, "export", &json!({ "format": "ndjson" })).await?;
    let path = format!("/api/v1/furniture/exports/{}", asked["id"].as_str().ok_or("no export")?);
    let mut most = before.rss;
    let ready: Value = loop {
        tokio::time::sleep(LOOK).await;
        most = most.max(Usage::of(shop.process.id())?.rss);
        let export = shop.get(&path, &token).await?.json()?;
        match export["state"].as_str() {
            Some("ready") => break export,
            Some("failed") => return Err(format!("the export failed: {export}").into()),
            _ => {}
        }
    };
    let time = begun.elapsed().as_secs_f64();
    println!(
        "  {:<10} {:>16.1} s from the request to the file with its SHA-256  RSS {:.0} MiB before, {:.0} at most",
        "job",
        time,
        mebibytes(before.rss),
        mebibytes(most)
    );
    let whole = ready["rows_done"].as_u64().is_some_and(|done| done >= rows);
    if whole { Ok(most - before.rss) } else { Err(format!("the export's file is not whole: {ready}").into()) }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
