//! `efir-commerce`: the shops, the reseller, the warehouse and the couriers.

use std::process::ExitCode;

use clap::Parser;
use commerce::Flags;

fn main() -> ExitCode {
    let flags = Flags::parse();
    process::run("efir-commerce", |shutdown| commerce::start(flags, shutdown))
}
