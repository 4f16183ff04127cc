//! Metrics: the recorder behind the `metrics` macros, rendered for Prometheus on demand.

use std::convert::Infallible;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tokio::time::{MissedTickBehavior, interval};

use crate::{SECONDS_BUCKETS, UPKEEP_INTERVAL};

/// Metrics cannot be set up: a fault of the program.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The recorder refuses its parameters.
    #[error("cannot build the metrics recorder: {0}")]
    Build(String),
    /// A recorder is in place already.
    #[error("metrics are set up already")]
    AlreadySet,
}

/// Everything this process has counted. Cheap to clone; has no HTTP server of its own.
#[derive(Clone, Debug)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Collects what the `metrics` macros record in this process from now on.
    ///
    /// # Errors
    ///
    /// This is the second call.
    pub fn install() -> Result<Self, MetricsError> {
        let (metrics, recorder) = Self::build()?;
        metrics::set_global_recorder(recorder).map_err(|_| MetricsError::AlreadySet)?;
        Ok(metrics)
    }

    fn build() -> Result<(Self, PrometheusRecorder), MetricsError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
            .map_err(|error| MetricsError::Build(error.to_string()))?
            .build_recorder();
        Ok((Self { handle: recorder.handle() }, recorder))
    }

    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Keeps histograms small between scrapes; to be driven as long as the process runs. Cancel safe.
    pub async fn run_upkeep(self) -> Infallible {
        let mut ticks = interval(UPKEEP_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.handle.run_upkeep();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rendered_in_buckets_and_counters_as_counts() {
        let (metrics, recorder) = Metrics::build().unwrap();
        metrics::with_local_recorder(&recorder, || {
            metrics::counter!("frames_total").increment(3);
            metrics::histogram!("tune_in_seconds").record(0.003);
        });
        let text = metrics.render();
        assert!(text.contains("frames_total 3"), "{text}");
        assert!(text.contains(r#"tune_in_seconds_bucket{le="0.002"} 0"#), "{text}");
        assert!(text.contains(r#"tune_in_seconds_bucket{le="0.004"} 1"#), "{text}");
    }

    #[test]
    fn installs_once() {
        let metrics = Metrics::install().unwrap();
        metrics::counter!("installed_total").increment(1);
        assert!(metrics.render().contains("installed_total 1"));
        assert!(matches!(Metrics::install(), Err(MetricsError::AlreadySet)));
    }

    #[tokio::test(start_paused = true)]
    async fn upkeep_never_ends_by_itself() {
        let (metrics, _recorder) = Metrics::build().unwrap();
        assert!(tokio::time::timeout(10 * UPKEEP_INTERVAL, metrics.run_upkeep()).await.is_err());
    }
}
