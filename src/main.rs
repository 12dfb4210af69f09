//! The process: hands the command line to the app.

use std::process::ExitCode;

/// Decisions are made of many small values: a third of the time went to the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    accrual::cli::main(&accrual::app::App)
}
