//! `efir-standalone`: origin, relay and HTTP in one process.

use std::process::ExitCode;

use clap::Parser;
use standalone::Flags;

fn main() -> ExitCode {
    let flags = Flags::parse();
    process::run("efir-standalone", |shutdown| standalone::start(flags, shutdown))
}
