//! The process: hands the command line to the app.

use std::process::ExitCode;

fn main() -> ExitCode {
    accrual::cli::main(&accrual::app::App)
}
