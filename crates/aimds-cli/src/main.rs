//! The `aimds` command: reads the command line, runs one subcommand, turns the result into an exit status.

use std::io::Write as _;
use std::process::ExitCode;

use aimds_cli::{Cli, Status, is_broken_pipe, is_usage};
use clap::Parser as _;

/// Every message makes some dozens of short-lived texts and maps, at which this allocator is faster than that of libc.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match aimds_cli::run(cli) {
        Ok(status) => status.into(),
        // The reader of our output has seen enough: not an error.
        Err(error) if is_broken_pipe(&error) => Status::Clean.into(),
        Err(error) => {
            if let Some(usage) = error.downcast_ref::<clap::Error>() {
                _ = usage.print();
                return Status::Usage.into();
            }
            // A closed stderr is no reason to panic.
            _ = writeln!(std::io::stderr(), "error: {error:#}");
            if is_usage(&error) { Status::Usage.into() } else { Status::Input.into() }
        }
    }
}
