//! `efir`: list, pull, fetch and inspect broadcasts from the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
