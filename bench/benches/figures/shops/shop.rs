//! A server with shops, and how these figures talk to it.

use std::time::{Duration, Instant};

use bench::{Answer, Child, Crowd, Failure, Shopper, Tally, Until, request, run};
use process::Usage;
use serde_json::{Value, json};

use super::place::{Place, Whose};

/// Longest that a server may take until it listens.
const START: Duration = Duration::from_secs(20);

/// A running server and what callers need.
pub(crate) struct Shop {
    pub(crate) process: Child,
    pub(crate) port: u16,
    place: Place,
}

/// What a load did to both sides.
pub(crate) struct Loaded {
    pub(crate) tally: Tally,
    /// CPU time of the server meanwhile.
    server: Duration,
}

impl Shop {
    /// Starts on an empty folder.
    pub(crate) async fn start() -> Result<Self, Failure> {
        Self::start_in(Place::new()?, Whose::Shops).await
    }

    /// Starts the furniture shop alone, with so many products more than usual.
    pub(crate) async fn furniture(rows: u64) -> Result<Self, Failure> {
        let place = Place::new()?;
        let (settings, rows) = (place.settings(Whose::Furniture)?, rows.to_string());
        run("efir-commerce", &["--settings", &settings, "seed", "furniture", "--rows", &rows]).await?;
        Self::start_in(place, Whose::Furniture).await
    }

    async fn start_in(place: Place, whose: Whose) -> Result<Self, Failure> {
        let settings = place.settings(whose)?;
        let mut process = Child::start("efir-commerce", &["--settings", &settings, "--json"])?;
        let bound: Value = serde_json::from_str(&tokio::time::timeout(START, process.line()).await??)?;
        let port = port(&bound)?;
        Ok(Self { process, port, place })
    }

    /// Dies as by a power cut.
    pub(crate) async fn kill(mut self) -> Result<Place, Failure> {
        self.process.kill().await?;
        Ok(self.place)
    }

    /// Starts again on what another one left: the server, and how long it took until it answered.
    pub(crate) async fn again(place: Place) -> Result<(Self, Duration), Failure> {
        let begun = Instant::now();
        let shop = Self::start_in(place, Whose::Shops).await?;
        shop.get("/api/v1/furniture/products?limit=1", "").await?.json()?;
        Ok((shop, begun.elapsed()))
    }

    pub(crate) async fn token(&self, role: &str, subject: &str) -> Result<String, Failure> {
        token(self.port, role, subject).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Result<Answer, Failure> {
        Shopper::connect(self.port).await?.ask(&request("GET", path, token, "", "")).await
    }

    /// A request that must succeed.
    pub(crate) async fn post(&self, path: &str, token: &str, key: &str, body: &Value) -> Result<Value, Failure> {
        post(self.port, path, token, key, body).await
    }

    /// Lets a crowd ask, and watches both sides.
    pub(crate) async fn load<F>(&self, callers: usize, until: Until, request: F) -> Result<Loaded, Failure>
    where
        F: Fn(usize) -> Vec<u8> + Send + Sync + 'static,
    {
        let before = Usage::of(self.process.id())?.cpu;
        let tally = Crowd { port: self.port, callers, until, pause: PAUSE }.ask(request).await?;
        Ok(Loaded { tally, server: Usage::of(self.process.id())?.cpu - before })
    }
}

/// How long callers who are told to come back later wait: far less than they are told to.
const PAUSE: Duration = Duration::from_millis(50);

/// The port that a server printed.
pub(crate) fn port(bound: &Value) -> Result<u16, Failure> {
    let address = bound["http"][0].as_str().ok_or("no address")?;
    Ok(address.rsplit(':').next().ok_or("no port")?.parse()?)
}

/// A token of a role.
pub(crate) async fn token(port: u16, role: &str, subject: &str) -> Result<String, Failure> {
    let answer = post(port, "/api/v1/demo/token", "", "", &json!({ "role": role, "subject": subject })).await?;
    Ok(answer["token"].as_str().ok_or("no token")?.to_owned())
}

pub(crate) async fn post(port: u16, path: &str, token: &str, key: &str, body: &Value) -> Result<Value, Failure> {
    let request = request("POST", path, token, key, &body.to_string());
    let answer = Shopper::connect(port).await?.ask(&request).await?;
    answer.json().map_err(|error| format!("POST {path}: {error}").into())
}

/// Codes of a shop's products, at most so many.
pub(crate) async fn skus(port: u16, shop: &str, token: &str, limit: usize) -> Result<Vec<String>, Failure> {
    let mut shopper = Shopper::connect(port).await?;
    let (mut skus, mut cursor) = (Vec::new(), String::new());
    while skus.len() < limit {
        let path = format!("/api/v1/{shop}/products?limit=100{cursor}");
        let page = shopper.ask(&request("GET", &path, token, "", "")).await?.json()?;
        let items = page["items"].as_array().ok_or("no items")?;
        skus.extend(items.iter().filter_map(|item| item["sku"].as_str().map(str::to_owned)));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    skus.truncate(limit);
    if skus.is_empty() { Err("the shop is empty".into()) } else { Ok(skus) }
}

impl Loaded {
    /// One line of a table.
    pub(crate) fn print(&mut self, what: &str) -> Result<(), Failure> {
        let cores = self.cores();
        let tally = &mut self.tally;
        let (rate, p50, p99) = (tally.rate(), tally.percentile(50), tally.percentile(99));
        println!("  {what:<36} {rate:>7.0}/s  p50 {p50:>7.1?}  p99 {p99:>7.1?}  ({cores})");
        self.check()
    }

    /// Who used the processor.
    pub(crate) fn cores(&self) -> String {
        let share = |cpu: Duration| cpu.as_secs_f64() / self.tally.time.as_secs_f64() * 100.0;
        format!("server {:.0} %, callers {:.0} % of a core", share(self.server), share(self.tally.cpu))
    }

    /// Whether all answers were among those that may be.
    ///
    /// # Errors
    /// The first that was not.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match &self.tally.first_bad {
            None => Ok(()),
            Some(bad) => Err(format!("{} answers that should not be, the first: {bad}", self.tally.bad).into()),
        }
    }
}
