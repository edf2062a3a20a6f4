//! Exit statuses and the errors that map to them.

use std::io;
use std::process::ExitCode;

/// How the process ends.
///
/// When several apply: wrong usage stops before anything is read; otherwise `Blocked` goes before `Input`, which goes
/// before `Clean`. A pipeline that must not miss an unreadable line looks at the lines with `error`, or uses
/// `--exit-zero`, which drops `Blocked` and keeps `Input`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing was blocked.
    Clean,
    /// At least one text was blocked or needs a person (`escalate`); or the audit log is broken.
    Blocked,
    /// The command line, the policy or the configuration is wrong.
    Usage,
    /// Something could not be read and nothing was blocked.
    Input,
}

impl Status {
    /// The status of a finished run.
    ///
    /// ```
    /// use aimds_cli::Status;
    /// assert_eq!(Status::of_run(2, 1, false), Status::Blocked);
    /// assert_eq!(Status::of_run(2, 1, true), Status::Input);
    /// assert_eq!(Status::of_run(0, 0, false), Status::Clean);
    /// ```
    #[must_use]
    pub fn of_run(blocked: u64, unreadable: u64, exit_zero: bool) -> Self {
        if blocked > 0 && !exit_zero {
            Self::Blocked
        } else if unreadable > 0 {
            Self::Input
        } else {
            Self::Clean
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Clean => 0,
            Status::Blocked => 1,
            Status::Usage => 2,
            Status::Input => 3,
        })
    }
}

/// Marks an error as the operator's to mend: a policy or configuration that is refused.
#[derive(Debug)]
pub(crate) struct Misconfigured;

impl std::fmt::Display for Misconfigured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the configuration is refused")
    }
}

/// Whether the error is about usage or configuration (status 2) and not about input (status 3).
#[must_use]
pub fn is_usage(error: &anyhow::Error) -> bool {
    error.is::<clap::Error>() || error.is::<Misconfigured>()
}

/// Whether the error is that nobody reads our output any more.
#[must_use]
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
            || cause
                .downcast_ref::<serde_json::Error>()
                .is_some_and(|error| error.io_error_kind() == Some(io::ErrorKind::BrokenPipe))
    })
}
