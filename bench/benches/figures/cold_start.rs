//! From process start of `efir-standalone` to the first video frame in a client.

use std::time::Instant;

use bench::{Child, Failure, Viewer, demo_track, percentile};
use transport::{ClientEndpoint, ClientSettings};

const ROUNDS: usize = 10;

pub(crate) async fn run() -> Result<(), Failure> {
    let track = demo_track("video0")?;
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let client = ClientEndpoint::new(ClientSettings::default())?;
        let begun = Instant::now();
        let mut server = Child::start("efir-standalone", &["--port", "0", "--http-port", "0", "--json"])?;
        let bound: serde_json::Value = serde_json::from_str(&server.line().await?)?;
        let address = bound["relay"][0].as_str().ok_or("no relay address")?;
        let viewer = Viewer::dial(&client, &format!("https://{address}/").parse()?).await?;
        viewer.tune_in(&track).await?;
        times.push(begun.elapsed());
        server.kill().await?;
    }
    let (p50, worst) = (percentile(&mut times, 50), percentile(&mut times, 100));
    println!("cold start to first frame       p50 {p50:>9.1?}  max {worst:>9.1?}  ({ROUNDS} starts, WebTransport)");
    Ok(())
}
