//! `aimds audit`: reads the audit log, also while the gateway writes to it; and replaces its key.

mod proof;

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aimds_store::{Entry, Filter, Format, Head, PublicKey, Reader, Report, VerifyOptions, export, verify};
use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};

use crate::cli::Global;
use crate::terminal::{Paint, printable};
use crate::{Status, data_directory, moment};

/// How often `tail --follow` looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The subcommands of `aimds audit`.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Check that nothing in the log was changed, cut off or reordered
    #[command(
        after_help = "Note the printed head outside this machine; with --expected-head it proves later that nothing \
up to it was changed, not even by replacing the whole file with an earlier state.

Exit status: 0 intact, 1 broken, 3 not readable."
    )]
    Verify(Verify),
    /// Write records for other programs
    Export(Export),
    /// Show the last records
    Tail(Tail),
    /// Prove to somebody without the log that a record is in it, or that it only grew
    #[command(
        after_help = "A proof is one line of JSON with all that is needed to check it. The proof of a record contains \
the whole record.

Exit status: 0 proved, 1 the log is broken there, 3 nothing to prove, or not readable."
    )]
    Prove(proof::Prove),
    /// Check proofs; needs no log
    #[command(after_help = "Exit status: 0 all proved, 1 at least one refused, 3 not readable.")]
    VerifyProof(proof::VerifyProof),
    /// Let a new key sign from now on; the old one introduces it and is worth nothing afterwards
    #[command(after_help = "Nothing may be writing to the log: stop the gateway first.")]
    RotateKey(proof::RotateKey),
}

/// Which log.
#[derive(Debug, Args)]
pub struct Log {
    /// The log; audit.db in the data directory unless told otherwise
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Data directory; $XDG_DATA_HOME/aimds or ~/.local/share/aimds unless told otherwise
    #[arg(long, value_name = "DIR", env = "AIMDS_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}

impl Log {
    fn path(&self) -> anyhow::Result<PathBuf> {
        let path = match &self.file {
            Some(file) => file.clone(),
            None => data_directory::find(self.data_dir.as_deref())?.join(data_directory::AUDIT_LOG),
        };
        anyhow::ensure!(path.is_file(), "no audit log at {}", path.display());
        Ok(path)
    }
}

/// Arguments of `aimds audit verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Which log.
    #[command(flatten)]
    pub log: Log,
    /// A head noted earlier (segment/record/hash): the log must contain it
    #[arg(long, value_name = "HEAD")]
    pub expected_head: Option<Head>,
    /// Begin after this head, which is taken as true
    #[arg(long, value_name = "HEAD")]
    pub since: Option<Head>,
    /// A key whose signatures count; those in FILE.pub unless told otherwise. May be given several times
    #[arg(long, value_name = "KEY")]
    pub public_key: Vec<PublicKey>,
    /// What is written
    #[arg(long, value_enum, default_value_t = VerifyFormat::Text)]
    pub format: VerifyFormat,
}

/// What `aimds audit verify` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VerifyFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Arguments of `aimds audit export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Which log.
    #[command(flatten)]
    pub log: Log,
    /// Not before: milliseconds since 1970, or UTC as 2026-11-22 or 2026-11-22T17:30:00Z
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub from: Option<u64>,
    /// Before
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub to: Option<u64>,
    /// Only of this kind
    #[arg(long)]
    pub kind: Option<String>,
    /// Only of this request
    #[arg(long, value_name = "ID")]
    pub request_id: Option<String>,
    /// Only of this tenant
    #[arg(long)]
    pub tenant: Option<String>,
    /// Only after this record number
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub after: u64,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// What is written
    #[arg(long, value_enum, default_value_t = ExportFormat::Jsonl)]
    pub format: ExportFormat,
}

/// What `aimds audit export` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One JSON object a line, with everything.
    Jsonl,
    /// One event of the Open Cybersecurity Schema Framework (1.5.0) a line.
    Ocsf,
    /// One line of the Common Event Format each.
    Cef,
}

impl From<ExportFormat> for Format {
    fn from(format: ExportFormat) -> Self {
        match format {
            ExportFormat::Jsonl => Self::Jsonl,
            ExportFormat::Ocsf => Self::Ocsf,
            ExportFormat::Cef => Self::Cef,
        }
    }
}

/// Arguments of `aimds audit tail`.
#[derive(Debug, Args)]
pub struct Tail {
    /// Which log.
    #[command(flatten)]
    pub log: Log,
    /// How many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub records: u64,
    /// Go on with what is added
    #[arg(short, long)]
    pub follow: bool,
    /// What is written
    #[arg(long, value_enum, default_value_t = TailFormat::Text)]
    pub format: TailFormat,
}

/// What `aimds audit tail` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TailFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Jsonl,
}

/// Runs `aimds audit`.
///
/// # Errors
/// The log cannot be read.
pub fn run(audit: &Audit, global: &Global) -> anyhow::Result<Status> {
    match audit {
        Audit::Verify(verify) => run_verify(verify, global),
        Audit::Export(export) => run_export(export),
        Audit::Tail(tail) => run_tail(tail),
        Audit::Prove(arguments) => proof::prove(arguments),
        Audit::VerifyProof(arguments) => proof::verify_proof(arguments, global),
        Audit::RotateKey(arguments) => proof::rotate(arguments),
    }
}

fn run_verify(arguments: &Verify, global: &Global) -> anyhow::Result<Status> {
    let path = arguments.log.path()?;
    let options = VerifyOptions {
        public_keys: arguments.public_key.clone(),
        expected_head: arguments.expected_head,
        since: arguments.since,
    };
    let report = verify(&path, &options).with_context(|| unreadable(&path))?;
    let mut out = std::io::stdout().lock();
    match arguments.format {
        VerifyFormat::Text => out.write_all(page(&report, Paint::for_stdout(global.color)).as_bytes())?,
        VerifyFormat::Json => {
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        }
    }
    Ok(if report.is_intact() { Status::Clean } else { Status::Blocked })
}

fn page(report: &Report, paint: Paint) -> String {
    let Report { records, segments, checkpoints, .. } = report;
    let read = format!("{records} records in {segments} segments, {checkpoints} signed checkpoints\n");
    let verdict = match &report.first_bad {
        None => format!("{}  {read}", paint.good("intact")),
        Some(bad) => {
            let proven = report.proven;
            format!("{}  {read}first bad: {bad}\nproven: up to record {proven}\n", paint.mark("broken"))
        }
    };
    match &report.head {
        Some(head) => format!("{verdict}head: {head}\n"),
        None => verdict,
    }
}

fn run_export(arguments: &Export) -> anyhow::Result<Status> {
    let path = arguments.log.path()?;
    let filter = Filter {
        from_ms: arguments.from,
        to_ms: arguments.to,
        kind: arguments.kind.clone(),
        request_id: arguments.request_id.clone(),
        tenant: arguments.tenant.clone(),
        after_seq: arguments.after,
        limit: arguments.limit,
    };
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    export(&path, &filter, arguments.format.into(), &mut out).with_context(|| unreadable(&path))?;
    Ok(Status::Clean)
}

fn run_tail(arguments: &Tail) -> anyhow::Result<Status> {
    let path = arguments.log.path()?;
    let reader = Reader::open(&path).with_context(|| unreadable(&path))?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let write = |entry: &Entry, out: &mut BufWriter<_>| -> std::io::Result<()> {
        match arguments.format {
            TailFormat::Text => out.write_all(line(entry).as_bytes()),
            TailFormat::Jsonl => entry.write_jsonl(out),
        }
    };
    // With no record asked for, the last one still tells where to go on.
    let entries = reader.tail(arguments.records.max(1)).with_context(|| unreadable(&path))?;
    let last = entries.last().map_or(0, |entry| entry.seq);
    if arguments.records > 0 {
        for entry in &entries {
            write(entry, &mut out)?;
        }
    }
    out.flush()?;
    if !arguments.follow {
        return Ok(Status::Clean);
    }
    let mut follow = reader.follow(last, LOOK_EVERY);
    loop {
        match follow.poll().with_context(|| unreadable(&path))? {
            Some(entry) => write(&entry, &mut out)?,
            None => {
                out.flush()?;
                std::thread::sleep(LOOK_EVERY);
            }
        }
    }
}

fn line(entry: &Entry) -> String {
    let or_dash = |text: &str| if text.is_empty() { "-".into() } else { printable(text) };
    format!(
        "{} {:>6}  {}  {}  {}  {}\n",
        moment::format(entry.at_ms),
        entry.seq,
        printable(&entry.kind),
        or_dash(&entry.tenant),
        or_dash(&entry.request_id),
        printable(&entry.body)
    )
}

fn unreadable(path: &Path) -> String {
    format!("cannot read the audit log {}", path.display())
}
