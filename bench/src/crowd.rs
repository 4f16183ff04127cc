//! Many callers at once, and what they saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use process::Usage;

use crate::{Failure, Shopper, percentile};

/// Connections that each ask one thing after the other.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    /// Of the server, on this machine.
    pub port: u16,
    /// How many connections.
    pub callers: usize,
    /// When they stop.
    pub until: Until,
    /// How long a caller who was told to come back later (429, 503) waits before it asks the same again.
    pub pause: Duration,
}

/// When callers stop.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// After this time.
    Time(Duration),
    /// After so many different requests of all callers together.
    Requests(usize),
}

/// What many callers saw.
#[derive(Debug, Default)]
pub struct Tally {
    /// How long each good answer (2xx) took.
    pub good: Vec<Duration>,
    /// Answers that say come back later: 429, 503.
    pub busy: usize,
    /// Answers that say it is too late: 409.
    pub late: usize,
    /// Other answers, and broken connections.
    pub bad: usize,
    /// The first bad answer, to tell what went wrong.
    pub first_bad: Option<String>,
    /// From the first request to the last answer.
    pub time: Duration,
    /// CPU time of this process meanwhile.
    pub cpu: Duration,
}

impl Tally {
    /// Good answers per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.good.len() as f64 / self.time.as_secs_f64()
    }

    /// All answers per second.
    #[must_use]
    pub fn asked(&self) -> f64 {
        (self.good.len() + self.busy + self.late + self.bad) as f64 / self.time.as_secs_f64()
    }

    /// The time that `percent` of the good answers did not exceed.
    #[must_use]
    pub fn percentile(&mut self, percent: u32) -> Duration {
        percentile(&mut self.good, percent)
    }

    fn bad(&mut self, what: impl FnOnce() -> String) {
        self.bad += 1;
        self.first_bad.get_or_insert_with(what);
    }

    fn merge(&mut self, other: Self) {
        self.good.extend(other.good);
        self.busy += other.busy;
        self.late += other.late;
        self.bad += other.bad;
        self.first_bad = self.first_bad.take().or(other.first_bad);
    }
}

impl Crowd {
    /// Lets them ask; the n-th request of all is `request(n)`. They have one thread of their own: more would only take the
    /// server's cores for waking each other.
    ///
    /// # Errors
    /// The server does not accept the connections.
    pub async fn ask<F>(self, request: F) -> Result<Tally, Failure>
    where
        F: Fn(usize) -> Vec<u8> + Send + Sync + 'static,
    {
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(self.run(Arc::new(request)))
        };
        tokio::task::spawn_blocking(work).await?
    }

    async fn run<F>(self, request: Arc<F>) -> Result<Tally, Failure>
    where
        F: Fn(usize) -> Vec<u8> + Send + Sync + 'static,
    {
        let mut shoppers = Vec::with_capacity(self.callers);
        for _ in 0..self.callers {
            shoppers.push(Shopper::connect(self.port).await?);
        }
        let (begun, next) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
        let Usage { cpu, .. } = Usage::of(std::process::id())?;
        let mut tasks = Vec::with_capacity(self.callers);
        for shopper in shoppers {
            let (next, request) = (Arc::clone(&next), Arc::clone(&request));
            tasks.push(tokio::spawn(async move { self.shop(shopper, begun, &next, &*request).await }));
        }
        let mut tally = Tally::default();
        for task in tasks {
            tally.merge(task.await?);
        }
        tally.time = begun.elapsed();
        tally.cpu = Usage::of(std::process::id())?.cpu - cpu;
        Ok(tally)
    }

    async fn shop<F>(&self, mut shopper: Shopper, begun: Instant, next: &AtomicUsize, request: &F) -> Tally
    where
        F: Fn(usize) -> Vec<u8> + Send + Sync,
    {
        let mut tally = Tally::default();
        let mut again = None;
        loop {
            let bytes = match again.take() {
                Some(bytes) => bytes,
                None => match next.fetch_add(1, Ordering::Relaxed) {
                    number if matches!(self.until, Until::Requests(requests) if number >= requests) => return tally,
                    number => request(number),
                },
            };
            if matches!(self.until, Until::Time(time) if begun.elapsed() >= time) {
                return tally;
            }
            let asked = Instant::now();
            match shopper.exchange(&bytes).await {
                Ok(reply) => match reply.status {
                    200..300 => tally.good.push(asked.elapsed()),
                    409 => tally.late += 1,
                    429 | 503 => {
                        tally.busy += 1;
                        again = Some(bytes);
                        tokio::time::sleep(self.pause).await;
                    }
                    status => tally.bad(|| format!("{status}: {}", String::from_utf8_lossy(reply.body))),
                },
                Err(error) => {
                    tally.bad(|| error.to_string());
                    return tally;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::{Crowd, Until};
    use crate::request;

    /// Answers the first request of a connection with 503, the second with 201, the third with 409, all further with 500.
    async fn server(listener: TcpListener) {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                for status in [503, 201, 409].into_iter().chain(std::iter::repeat(500)) {
                    match stream.read(&mut [0; 1024]).await {
                        Ok(0) | Err(_) => return,
                        Ok(_) => {}
                    }
                    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\n\r\n{{}}");
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    }

    #[tokio::test]
    async fn every_answer_is_counted_and_busy_ones_are_asked_again() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(server(listener));
        let crowd = Crowd { port, callers: 1, until: Until::Requests(3), pause: Duration::ZERO };
        let tally = crowd.ask(|_| request("GET", "/", "", "", "")).await.unwrap();
        assert_eq!((tally.good.len(), tally.busy, tally.late, tally.bad), (1, 1, 1, 1));
        assert!(tally.first_bad.unwrap().starts_with("500"));
        serving.abort();
    }
}
