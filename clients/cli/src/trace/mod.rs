//! `efir trace`: a qlog file, ours or another implementation's, as lines for people.
//!
//! | Module | What it holds |
//! |---|---|
//! | `record` | bytes to events: JSON text sequences, JSON lines, or one JSON document |
//! | `line` | an event as a line |
//! | `summary` | what was in the file |

mod line;
mod record;
mod summary;

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use self::record::{Event, Records};
use self::summary::Summary;
use crate::args::TraceArguments;
use crate::error::Failure;
use crate::report;

/// Runs the subcommand.
pub(crate) async fn run(arguments: TraceArguments, shutdown: process::Shutdown) -> Result<(), Failure> {
    // Files and pipes block: not on a thread that others need.
    let reading = tokio::task::spawn_blocking(move || read(&arguments));
    tokio::select! {
        biased;
        () = shutdown.begun() => Ok(()),
        done = reading => done.unwrap_or(Ok(())),
    }
}

fn read(arguments: &TraceArguments) -> Result<(), Failure> {
    let input: Box<dyn BufRead> = if arguments.file == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let name = || arguments.file.display().to_string();
        let file = File::open(&arguments.file);
        Box::new(BufReader::new(file.map_err(|error| Failure::Input { target: name(), error })?))
    };
    let mut output = BufWriter::new(io::stdout());
    match show(input, arguments, &mut output) {
        Ok(summary) if summary.is_empty() => {
            Err(Failure::Content(format!("{} holds no qlog events", arguments.file.display())))
        }
        Ok(summary) => {
            if arguments.json {
                report::tell(summary.text().trim_end());
            } else {
                report::print(&format!("\n{}", summary.text()));
            }
            Ok(())
        }
        Err(Stop::Input(error)) => Err(Failure::Input { target: arguments.file.display().to_string(), error }),
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(Stop::Output(error)) => Err(Failure::Output { target: "standard output".to_owned(), error }),
    }
}

/// What `efir trace` prints of a file's contents, without flags and summary.
#[must_use]
pub fn lines(contents: &[u8]) -> Vec<String> {
    let mut output = Vec::new();
    // Memory can be read to its end, and written.
    let _ = show(contents, &TraceArguments::default(), &mut output);
    String::from_utf8_lossy(&output).lines().map(str::to_owned).collect()
}

/// What ended reading before its end.
enum Stop {
    Input(io::Error),
    Output(io::Error),
}

fn show(input: impl BufRead, arguments: &TraceArguments, output: &mut impl Write) -> Result<Summary, Stop> {
    let mut summary = Summary::default();
    let mut records = Records::new(input);
    while let Some(event) = records.next().map_err(Stop::Input)? {
        let wanted = is_wanted(&event, arguments);
        summary.count(&event, wanted);
        if !wanted {
            continue;
        }
        let line = if arguments.json { event.record.to_string() } else { line::line(&event) };
        writeln!(output, "{line}").map_err(Stop::Output)?;
    }
    summary.unreadable(records.unreadable());
    output.flush().map_err(Stop::Output)?;
    Ok(summary)
}

fn is_wanted(event: &Event, arguments: &TraceArguments) -> bool {
    let TraceArguments { only, stream, connection, quic, .. } = arguments;
    // Who asks for an event by name gets it, whatever it is.
    let named = |text: &String| {
        let text = text.to_lowercase();
        event.name.to_lowercase().contains(&text) || event.message().is_some_and(|message| message.contains(&text))
    };
    let kind = if only.is_empty() { *quic || !event.is_quic() } else { only.iter().any(named) };
    kind && stream.is_none_or(|stream| event.stream() == Some(stream))
        && connection.as_ref().is_none_or(|prefix| event.connection.starts_with(prefix.as_str()))
}

#[cfg(test)]
mod tests;
