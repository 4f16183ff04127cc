//! The shape of every `main`: a runtime, signals, a deadline, an exit code.

use std::{error::Error, fmt::Write, future::Future, process::ExitCode};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{runtime::Builder, time::sleep};

use crate::{CLOSE_MARGIN, DEFAULT_GRACE, SettingsError, Shutdown};

/// Exit code for settings that cannot be used, the same as for bad flags.
const EXIT_USAGE: u8 = 2;

type BoxError = Box<dyn Error + Send + Sync>;

/// The process was ended before its work was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// Something was still running when the time allowed for shutdown, and a second more, had passed.
    #[error("did not stop in time; what was under way is lost")]
    Deadline,
    /// A second signal asked for an immediate end.
    #[error("stopped at once; what was under way is lost")]
    Aborted,
}

/// Runs `main` on a multi-threaded tokio runtime to its end.
///
/// SIGTERM and Ctrl-C begin the [`Shutdown`] handed to `main`, which has [`DEFAULT_GRACE`] unless it sets another. A future
/// that outlives the deadline by [`CLOSE_MARGIN`], or meets a second signal, is dropped. The process may open as many
/// files as its hard limit allows. An error is printed once on standard error with its causes, after `name`; the exit code is
/// then 2 for settings and 1 for everything else.
pub fn run<F, E>(name: &str, main: impl FnOnce(Shutdown) -> F) -> ExitCode
where
    F: Future<Output = Result<(), E>>,
    E: Into<BoxError>,
{
    allow_files();
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(name, &error),
    };
    let shutdown = Shutdown::new(DEFAULT_GRACE);
    let result = runtime.block_on(supervise(Box::pin(main(shutdown.clone())), &shutdown));
    // A thread blocked in a read of standard input must not hold up the end.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(name, error.as_ref()),
    }
}

/// As many open files as the operator's hard limit allows: shells and service managers leave the soft limit at 1024 for programs
/// that use `select`, and every connection over TCP is a file. What the system does not grant shows when files run out.
fn allow_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

async fn supervise<E: Into<BoxError>>(
    main: impl Future<Output = Result<(), E>>,
    shutdown: &Shutdown,
) -> Result<(), BoxError> {
    let overdue = async {
        shutdown.expired().await;
        tokio::select! {
            () = sleep(CLOSE_MARGIN) => StopError::Deadline,
            () = shutdown.aborted() => StopError::Aborted,
        }
    };
    tokio::select! {
        biased;
        result = main => result.map_err(Into::into),
        failed = shutdown.signals() => match failed {
            Ok(never) => match never {},
            Err(error) => Err(error.into()),
        },
        error = overdue => Err(error.into()),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the one place that tells the user why a process ended; logs may not be set up"
)]
fn fail(name: &str, error: &(dyn Error + 'static)) -> ExitCode {
    eprintln!("{name}: {}", describe(error));
    let mut chain = std::iter::successors(Some(error), |&error| error.source());
    let usage = chain.any(|error| error.is::<SettingsError>());
    if usage { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
}

/// The error and its causes on one line; a cause that its effect already tells is not repeated.
fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.ends_with(&part) {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {part}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io, time::Duration};
    use tokio::time::Instant;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Self>>,
    }

    #[test]
    fn as_many_files_as_the_hard_limit_allows() {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let fewer = current.map(|files| files - 1);
        setrlimit(Resource::Nofile, Rlimit { current: fewer, maximum }).unwrap();
        allow_files();
        assert_eq!(getrlimit(Resource::Nofile), Rlimit { current: maximum, maximum });
    }

    fn chain(texts: &[&'static str]) -> Layer {
        let (text, rest) = texts.split_first().unwrap();
        Layer { text, source: (!rest.is_empty()).then(|| Box::new(chain(rest))) }
    }

    #[test]
    fn causes_are_told_once() {
        assert_eq!(describe(&chain(&["cannot start", "cannot bind", "in use"])), "cannot start: cannot bind: in use");
        assert_eq!(describe(&chain(&["cannot start: in use", "in use"])), "cannot start: in use");
    }

    #[test]
    fn settings_errors_have_their_own_exit_code_however_deep() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot start")]
        struct Outer(#[source] SettingsError);
        let settings = || SettingsError::NotUnicode("EFIR_X".to_owned());
        let code = |code| format!("{:?}", ExitCode::from(code));
        assert_eq!(format!("{:?}", fail("test", &settings())), code(2));
        assert_eq!(format!("{:?}", fail("test", &Outer(settings()))), code(2));
        assert_eq!(format!("{:?}", fail("test", &io::Error::other("disk"))), code(1));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_ignores_the_deadline_is_dropped_a_margin_after_it() {
        let grace = Duration::from_secs(3);
        let shutdown = Shutdown::new(grace);
        let start = Instant::now();
        shutdown.begin();
        let error = supervise(std::future::pending::<Result<(), io::Error>>(), &shutdown).await.unwrap_err();
        assert_eq!(error.downcast_ref::<StopError>(), Some(&StopError::Deadline));
        assert!((grace + CLOSE_MARGIN..grace + 2 * CLOSE_MARGIN).contains(&start.elapsed()), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_ends_at_the_deadline_ends_well() {
        let shutdown = Shutdown::new(Duration::from_secs(3));
        shutdown.begin();
        let work = async {
            shutdown.expired().await;
            Ok::<(), io::Error>(())
        };
        supervise(work, &shutdown).await.unwrap();
    }
}
