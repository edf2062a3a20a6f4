//! `aimds token`: access tokens from an issuer of one's own, whose keys are in the data directory.

mod key_ring;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aimds_gateway::Claims;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::cli::Global;
use crate::{Status, data_directory, moment, terminal};
use key_ring::KeyRing;

/// The subcommands of `aimds token`.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "The keys are in the data directory: tokens/keys.json (secret, for its owner alone) and tokens/jwks.json (public).
A gateway trusts them with this in its configuration:

  [[auth.issuers]]
  name = \"own\"
  issuer = \"aimds\"
  audiences = [\"aimds\"]
  jwks = \"/path/to/tokens/jwks.json\"
  tenant_claim = \"/tenant\"
  roles_claim = \"/roles\""
)]
pub enum Token {
    /// Make a token and print it
    Create(Create),
    /// List the keys
    Keys(Keys),
    /// Print the public keys as a key set (JWKS)
    Jwks(Jwks),
    /// Make a new key that signs from now on; the old one stays known until its last token has expired
    Rotate(Rotate),
}

/// Where the keys are.
#[derive(Debug, Args)]
pub struct Place {
    /// Data directory; $XDG_DATA_HOME/aimds or ~/.local/share/aimds unless told otherwise
    #[arg(long, value_name = "DIR", env = "AIMDS_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Arguments of `aimds token create`.
#[derive(Debug, Args)]
pub struct Create {
    /// Whose token it is; its name in logs, records and revocations is token:ISSUER:SUBJECT, by the name that the gateway gives the issuer
    #[arg(long, value_name = "NAME")]
    pub subject: String,
    /// The tenant of the bearer
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// A role of the bearer; may be given more than once
    #[arg(long = "role", value_name = "NAME")]
    pub roles: Vec<String>,
    /// How long it is good: seconds, or with a unit as in 15m, 1h; at most 24h
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = lifetime)]
    pub ttl: Duration,
    /// What it names as its issuer
    #[arg(long, value_name = "NAME", default_value = "aimds")]
    pub issuer: String,
    /// Whom it is for
    #[arg(long, value_name = "NAME", default_value = "aimds")]
    pub audience: String,
    /// Where the keys are.
    #[command(flatten)]
    pub place: Place,
}

/// Arguments of `aimds token keys`.
#[derive(Debug, Args)]
pub struct Keys {
    /// For people or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Where the keys are.
    #[command(flatten)]
    pub place: Place,
}

/// Arguments of `aimds token jwks`.
#[derive(Debug, Args)]
pub struct Jwks {
    /// Where the keys are.
    #[command(flatten)]
    pub place: Place,
}

/// Arguments of `aimds token rotate`.
#[derive(Debug, Args)]
pub struct Rotate {
    /// Forget all other keys at once: their tokens are refused as soon as gateways have read the key set again
    #[arg(long)]
    pub revoke: bool,
    /// Where the keys are.
    #[command(flatten)]
    pub place: Place,
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON value.
    Json,
}

/// Longest life of a token.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

fn lifetime(text: &str) -> Result<Duration, String> {
    let (count, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(count) => (count, text.chars().last()),
        None => (text, None),
    };
    let unit = match unit {
        Some('m') => 60,
        Some('h') => 3600,
        _ => 1,
    };
    let seconds = count.parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
    let time = seconds.map(Duration::from_secs).filter(|time| !time.is_zero() && *time <= LONGEST);
    time.ok_or_else(|| "give seconds, or a time such as 15m or 1h, of at most 24h".into())
}

/// Runs `aimds token`.
///
/// # Errors
/// Keys that cannot be read or written.
pub fn run(token: &Token, global: &Global) -> anyhow::Result<Status> {
    let (now, mut out) = (now_s(), std::io::stdout().lock());
    match token {
        Token::Create(create) => {
            let Create { subject, tenant, roles, ttl, issuer, audience, place } = create;
            let claims = Claims {
                issuer: issuer.clone(),
                audience: audience.clone(),
                subject: subject.clone(),
                tenant: tenant.clone(),
                roles: roles.clone(),
                issued_s: now,
                expires_s: now + ttl.as_secs(),
            };
            let token = open(place, now)?.sign(&claims)?;
            writeln!(out, "{token}")?;
            if !global.quiet {
                let until = moment::format(claims.expires_s * 1000);
                terminal::tell(format_args!("good until {until}; whoever has it is let in"));
            }
        }
        Token::Keys(Keys { format, place }) => {
            let ring = open(place, now)?;
            for key in ring.keys() {
                let (made, last) = (moment::format(key.created_s * 1000), key.last_expiry_s);
                let until = (last > 0).then(|| moment::format(last * 1000));
                match format {
                    Format::Text => writeln!(
                        out,
                        "{}  {}  made {made}  last token good until {}",
                        key.id(),
                        if key.signs { "signs" } else { "known" },
                        until.as_deref().unwrap_or("(none was made)")
                    )?,
                    Format::Json => {}
                }
            }
            if *format == Format::Json {
                let keys = ring.keys().iter().map(|key| {
                    json!({ "kid": key.id(), "signs": key.signs, "created_s": key.created_s, "last_expiry_s": key.last_expiry_s })
                });
                writeln!(out, "{}", json!({ "keys": keys.collect::<Vec<_>>() }))?;
            }
        }
        Token::Jwks(Jwks { place }) => {
            serde_json::to_writer_pretty(&mut out, &open(place, now)?.public())?;
            writeln!(out)?;
        }
        Token::Rotate(Rotate { revoke, place }) => {
            let mut ring = open(place, now)?;
            ring.rotate(now, *revoke)?;
            if !global.quiet {
                let (known, path) = (ring.keys().len() - 1, ring.public_path().display().to_string());
                terminal::tell(format_args!("a new key signs; {known} older in {path}"));
            }
        }
    }
    Ok(Status::Clean)
}

fn open(place: &Place, now: u64) -> anyhow::Result<KeyRing> {
    KeyRing::open(&data_directory::find(place.data_dir.as_deref())?, now)
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
