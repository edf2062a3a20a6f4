//! `aimds audit prove`, `verify-proof` and `rotate-key`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use aimds_store::{
    Filter, Head, Proof, ProofError, ProveError, PublicKey, Reader, prove_consistency, prove_inclusion,
    rotate_key,
};
use anyhow::Context as _;
use clap::{ArgGroup, Args};
use serde::Serialize;

use super::{Log, VerifyFormat, unreadable};
use crate::Status;
use crate::cli::Global;
use crate::terminal::{Paint, printable};

/// A proof is some kilobytes, and there is one for every record of a request.
const MAX_DOCUMENTS: u64 = 64 << 20;

/// Arguments of `aimds audit prove`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["record", "request_id", "from"]))]
pub struct Prove {
    /// Which log.
    #[command(flatten)]
    pub log: Log,
    /// That this record is in the log
    #[arg(long, value_name = "N")]
    pub record: Option<u64>,
    /// That every record of this request is in the log: one proof a line
    #[arg(long, value_name = "ID")]
    pub request_id: Option<String>,
    /// That the log only grew since this head, of which a signed checkpoint must exist: segment/record/hash, or the
    /// record's number alone
    #[arg(long, value_name = "HEAD")]
    pub from: Option<Place>,
    /// Up to this head; the present one unless told otherwise
    #[arg(long, value_name = "HEAD", requires = "from")]
    pub to: Option<Place>,
    /// Where to; standard output unless told otherwise
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Arguments of `aimds audit verify-proof`.
#[derive(Debug, Args)]
pub struct VerifyProof {
    /// What `prove` wrote; - is standard input
    pub file: PathBuf,
    /// A key that is trusted, with those it introduced. May be given several times. Without, a proof is only checked
    /// against itself: anyone could have signed it
    #[arg(long, value_name = "KEY")]
    pub public_key: Vec<PublicKey>,
    /// A head noted earlier (segment/record/hash): where a consistency proof must begin, or what a record's proof must
    /// lead to
    #[arg(long, value_name = "HEAD")]
    pub expected_head: Option<Head>,
    /// What is written
    #[arg(long, value_enum, default_value_t = VerifyFormat::Text)]
    pub format: VerifyFormat,
}

/// Arguments of `aimds audit rotate-key`.
#[derive(Debug, Args)]
pub struct RotateKey {
    /// Which log.
    #[command(flatten)]
    pub log: Log,
}

/// A head, or the number of its record.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    seq: u64,
    head: Option<Head>,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(seq) = text.parse() {
            return Ok(Self { seq, head: None });
        }
        let head: Head = text.parse().map_err(|error| format!("{error}, or a record's number"))?;
        Ok(Self { seq: head.seq, head: Some(head) })
    }
}

impl Place {
    /// Whether the log has this head where it was asked for.
    fn is(&self, found: Head) -> bool {
        self.head.is_none_or(|head| head == found)
    }
}

/// What became of one document.
#[derive(Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
enum Answer {
    Proved {
        claim: String,
        head: Head,
        public_key: PublicKey,
        /// Whether the key was compared with one that was given.
        trusted: bool,
    },
    Refused {
        reason: String,
    },
}

pub(super) fn prove(arguments: &Prove) -> anyhow::Result<Status> {
    let path = arguments.log.path()?;
    let proofs = match documents(arguments, &path) {
        Ok(proofs) => proofs,
        Err(error) if matches!(error.downcast_ref(), Some(ProveError::Broken(_))) => {
            writeln!(std::io::stderr().lock(), "error: {error:#}")?;
            return Ok(Status::Blocked);
        }
        Err(error) => return Err(error),
    };
    let text: String = proofs.iter().map(|proof| proof.to_json() + "\n").collect();
    match &arguments.out {
        Some(out) => fs::write(out, text).with_context(|| format!("cannot write {}", out.display()))?,
        None => std::io::stdout().lock().write_all(text.as_bytes())?,
    }
    Ok(Status::Clean)
}

fn documents(arguments: &Prove, path: &std::path::Path) -> anyhow::Result<Vec<Proof>> {
    if let Some(from) = &arguments.from {
        return Ok(vec![consistency(path, from, arguments.to.as_ref())?]);
    }
    let records = match (arguments.record, &arguments.request_id) {
        (Some(record), _) => vec![record],
        (None, Some(id)) => records_of(path, id)?,
        (None, None) => Vec::new(),
    };
    records.into_iter().map(|record| Ok(prove_inclusion(path, record)?)).collect()
}

fn consistency(path: &std::path::Path, from: &Place, to: Option<&Place>) -> anyhow::Result<Proof> {
    let proof = prove_consistency(path, from.seq, to.map(|to| to.seq))?;
    let Proof::Consistency(parts) = &proof else { return Ok(proof) };
    let as_asked = from.is(parts.from.head()) && to.is_none_or(|to| to.is(parts.to.head()));
    // It was noted from this log and is not in it: the log is not what it was.
    if as_asked { Ok(proof) } else { Err(ProveError::Broken(ProofError::OtherHead).into()) }
}

fn records_of(path: &std::path::Path, request_id: &str) -> anyhow::Result<Vec<u64>> {
    let mut records = Vec::new();
    let filter = Filter { request_id: Some(request_id.to_owned()), ..Filter::default() };
    let reader = Reader::open(path).with_context(|| unreadable(path))?;
    reader
        .read(&filter, |entry| {
            records.push(entry.seq);
            Ok(())
        })
        .with_context(|| unreadable(path))?;
    anyhow::ensure!(!records.is_empty(), "there is no record of request {}", printable(request_id));
    Ok(records)
}

pub(super) fn verify_proof(arguments: &VerifyProof, global: &Global) -> anyhow::Result<Status> {
    let name = arguments.file.display();
    let mut bytes = Vec::new();
    let source: Box<dyn std::io::Read> = if arguments.file.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(fs::File::open(&arguments.file).with_context(|| format!("cannot read {name}"))?)
    };
    source.take(MAX_DOCUMENTS).read_to_end(&mut bytes).with_context(|| format!("cannot read {name}"))?;
    // Nothing that is not text was written by `prove`, and neither was an empty line.
    let text = String::from_utf8_lossy(&bytes);
    let answers: Vec<_> = match text.strip_suffix('\n').unwrap_or(&text) {
        "" => vec![Answer::Refused { reason: "there is no proof in it".to_owned() }],
        lines => lines.split('\n').map(|line| answer(line, arguments)).collect(),
    };
    let mut out = std::io::stdout().lock();
    let paint = Paint::for_stdout(global.color);
    for answer in &answers {
        match arguments.format {
            VerifyFormat::Text => out.write_all(page(answer, paint).as_bytes())?,
            VerifyFormat::Json => writeln!(out, "{}", serde_json::to_string(answer)?)?,
        }
    }
    let refused = answers.iter().any(|answer| matches!(answer, Answer::Refused { .. }));
    Ok(if refused { Status::Blocked } else { Status::Clean })
}

fn answer(line: &str, arguments: &VerifyProof) -> Answer {
    let checked = Proof::from_json(line).and_then(|proof| {
        let proven = proof.verify(&arguments.public_key, arguments.expected_head.as_ref())?;
        Ok((proof, proven))
    });
    match checked {
        Ok((proof, proven)) => Answer::Proved {
            claim: claim(&proof),
            head: proven.head,
            public_key: proven.public_key,
            trusted: !arguments.public_key.is_empty(),
        },
        Err(error) => Answer::Refused { reason: error.to_string() },
    }
}

/// What is proved, in words.
fn claim(proof: &Proof) -> String {
    match proof {
        Proof::Inclusion(proof) => {
            let record = &proof.record;
            let of = match record.request_id.as_str() {
                "" => String::new(),
                id => format!(" of request {}", printable(id)),
            };
            format!("record {} ({}){of} is in the log", record.seq, printable(&record.kind))
        }
        Proof::Consistency(proof) => format!("the log only grew since {}", proof.from.head()),
        _ => "what it says".to_owned(),
    }
}

fn page(answer: &Answer, paint: Paint) -> String {
    match answer {
        Answer::Refused { reason } => format!("{}  {}\n", paint.mark("refused"), printable(reason)),
        Answer::Proved { claim, head, public_key, trusted } => {
            let note = if *trusted { "" } else { "  (compared with no key: see --public-key)" };
            let proved = paint.good("proved");
            format!("{proved}  {claim}\nhead: {head}\nsigned by: {public_key}{note}\n")
        }
    }
}

pub(super) fn rotate(arguments: &RotateKey) -> anyhow::Result<Status> {
    let path = arguments.log.path()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let rotated =
        rotate_key(&path, now).with_context(|| format!("cannot replace the key of {}", path.display()))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "signed until now: {}", rotated.previous)?;
    writeln!(out, "signs from now on: {}", rotated.public_key)?;
    writeln!(out, "head: {}", rotated.head)?;
    Ok(Status::Clean)
}
