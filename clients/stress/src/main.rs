//! `efir-stress`: loads any MOQT relay and tells what it carries.

use std::process::ExitCode;

fn main() -> ExitCode {
    stress::main()
}
