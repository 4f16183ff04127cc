//! A command that writes fragmented MP4, run only while somebody watches.

use std::{
    convert::Infallible,
    process::Stdio,
    time::{Duration, SystemTime},
};

use media::MediaEvent;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    process::{Child, ChildStdout, Command},
    sync::watch,
    time::{Instant, sleep, timeout},
};

use process::Backoff;

use super::{IngestError, PipeSource, Source, pump};
use crate::{
    limit::{COMMAND_STOP_GRACE, HEALTHY_AFTER, RESTART_DELAY, RESTART_DELAY_MAX},
    metric,
    publish::Publisher,
};

/// A running command and what it writes. Dropping it kills the command's whole process group, so a
/// shell's children go with the shell.
#[derive(Debug)]
pub(crate) struct CommandSource {
    pipe: PipeSource<ChildStdout>,
    group: ProcessGroup,
}

impl CommandSource {
    /// Starts `command` with `sh -c` in a process group of its own. Its errors go where ours go.
    pub(crate) fn start(command: &str, paced: bool) -> Result<Self, IngestError> {
        let failed = |reason| IngestError::Open { name: command.to_owned(), reason };
        let mut child = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let output = child.stdout.take();
        let (Some(group), Some(output)) = (group, output) else {
            return Err(failed(std::io::ErrorKind::BrokenPipe.into()));
        };
        Ok(Self { pipe: PipeSource::new(output, paced), group: ProcessGroup { child, group } })
    }

    /// Asks the command to end, and ends it if it does not.
    pub(crate) async fn stop(mut self) {
        self.group.signal(Signal::TERM);
        // Late or failed makes no difference: dropping the group kills what is left of it.
        let _ = timeout(COMMAND_STOP_GRACE, self.group.child.wait()).await;
    }
}

impl Source for CommandSource {
    async fn next(&mut self) -> Result<Option<MediaEvent>, IngestError> {
        let end = match self.pipe.next().await {
            Ok(None) => Ok(None),
            Err(error) => Err(error),
            event => return event,
        };
        if !self.pipe.has_ended() {
            return end;
        }
        // It closed its output. How it ended says more than that the output is cut.
        match timeout(COMMAND_STOP_GRACE, self.group.child.wait()).await {
            Ok(status) => match status? {
                status if end.is_ok() || !status.success() => Err(IngestError::Exited(status)),
                _ => end,
            },
            Err(_) => end,
        }
    }

    fn captured(&self) -> SystemTime {
        self.pipe.captured()
    }
}

#[derive(Debug)]
struct ProcessGroup {
    child: Child,
    group: Pid,
}

impl ProcessGroup {
    fn signal(&self, signal: Signal) {
        // Fails when the whole group is gone, which is what a signal here is for.
        let _ = kill_process_group(self.group, signal);
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Runs `command` from the first viewer until `linger` after the last, again and again; started anew
/// with a growing wait when it ends while somebody watches.
pub(crate) async fn on_demand(command: &str, paced: bool, linger: Duration, publisher: &mut Publisher) -> Infallible {
    let mut viewers = publisher.viewers();
    let mut backoff = Backoff::new(RESTART_DELAY, RESTART_DELAY_MAX);
    loop {
        watched(&mut viewers).await;
        let started = Instant::now();
        tracing::info!(command, "starting the command: somebody watches");
        publisher.restart();
        let outcome = match CommandSource::start(command, paced) {
            Ok(mut source) => {
                metric::command_started();
                let outcome = tokio::select! {
                    outcome = pump(&mut source, publisher) => Some(outcome),
                    () = abandoned(&mut viewers, linger) => None,
                };
                source.stop().await;
                outcome
            }
            Err(error) => Some(Err(error)),
        };
        match outcome {
            None => {
                tracing::info!(command, "stopped the command: nobody watches");
                backoff.reset();
            }
            Some(Ok(())) => tracing::warn!(command, "the command closed its output"),
            Some(Err(error)) => {
                metric::source_failed();
                tracing::warn!(command, %error, "the command failed");
            }
        }
        if started.elapsed() >= HEALTHY_AFTER {
            backoff.reset();
        }
        if *viewers.borrow() == 0 {
            publisher.pause();
        } else {
            sleep(backoff.next_wait()).await;
        }
    }
}

/// Waits for a viewer. The count lives as long as its broadcast, which outlives its publisher.
async fn watched(viewers: &mut watch::Receiver<usize>) {
    if viewers.wait_for(|viewers| *viewers > 0).await.is_err() {
        std::future::pending().await
    }
}

/// Waits until nobody has watched for `linger`.
async fn abandoned(viewers: &mut watch::Receiver<usize>, linger: Duration) {
    loop {
        if viewers.wait_for(|viewers| *viewers == 0).await.is_err() {
            std::future::pending().await
        }
        if timeout(linger, watched(viewers)).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_viewer_who_returns_within_the_linger_keeps_the_command() {
        let (count, mut viewers) = watch::channel(1);
        let start = Instant::now();
        let waiting = tokio::spawn(async move { abandoned(&mut viewers, Duration::from_secs(10)).await });
        count.send_replace(0);
        sleep(Duration::from_secs(9)).await;
        count.send_replace(1);
        sleep(Duration::from_secs(100)).await;
        count.send_replace(0);
        waiting.await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 119);
    }

    #[tokio::test]
    async fn dropping_a_command_kills_the_children_of_its_shell() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("child");
        let command = format!("sleep 600 & echo $! > {}; wait", file.display());
        let source = CommandSource::start(&command, false).unwrap();
        let child = loop {
            if let Ok(text) = std::fs::read_to_string(&file)
                && let Ok(id) = text.trim().parse()
            {
                break Pid::from_raw(id).unwrap();
            }
            sleep(Duration::from_millis(5)).await;
        };
        drop(source);
        let gone = async {
            while running(child) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(5), gone).await.expect("the grandchild was killed");
    }

    /// A killed orphan may stay a zombie where nobody reaps; it no longer runs.
    fn running(process: Pid) -> bool {
        std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()))
            .is_ok_and(|stat| !stat.contains(") Z"))
    }

    #[tokio::test]
    async fn a_command_that_fails_says_how() {
        let mut source = CommandSource::start("exit 3", false).unwrap();
        match source.next().await {
            Err(IngestError::Exited(status)) => assert_eq!(status.code(), Some(3)),
            other => panic!("{other:?}"),
        }
    }
}
