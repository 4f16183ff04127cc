//! The `efir-origin` command.

use std::process::ExitCode;

use clap::Parser;
use origin::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    process::run("efir-origin", |shutdown| origin::start(arguments, shutdown))
}
