//! `aimds session`: what sessions of a running gateway have shown.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use crate::cli::Global;
use crate::gateway_client::{Running, escaped};
use crate::terminal::{Paint, printable};
use crate::{Status, moment};

const HELP: &str =
    "Asks the running gateway's admin routes; its answers hold scores, counts and times, never texts.

Exit status: 0 answered, 2 wrong usage, 3 not reachable, refused or not there.";

/// The subcommands of `aimds session`.
#[derive(Debug, Subcommand)]
pub enum Session {
    /// The sessions that the gateway remembers, the riskiest first
    #[command(after_help = HELP)]
    List(List),
    /// What one session has shown, in words with the numbers behind
    #[command(after_help = HELP)]
    Show(Show),
}

/// Arguments of `aimds session list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only of this tenant
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// So many
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u16,
    /// Which gateway.
    #[command(flatten)]
    pub running: Running,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Arguments of `aimds session show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Its name, as callers give it in x-aimds-session
    #[arg(value_name = "NAME", required_unless_present = "id")]
    pub name: Option<String>,
    /// Its identifier instead, as `aimds session list` and the audit log have it
    #[arg(long, value_name = "ID", conflicts_with = "name")]
    pub id: Option<String>,
    /// Whose session; the key's own tenant unless told otherwise
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// Which gateway.
    #[command(flatten)]
    pub running: Running,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Runs `aimds session`.
///
/// # Errors
/// A gateway that cannot be reached or refuses, a session that is not remembered.
pub fn run(session: &Session, global: &Global) -> anyhow::Result<Status> {
    let (answer, format, page): (Value, Format, fn(&Value, Paint) -> String) = match session {
        Session::List(List { tenant, limit, running, format }) => {
            let limit = limit.to_string();
            let query = [("tenant", tenant.as_deref()), ("limit", Some(limit.as_str()))];
            (running.get("/admin/sessions", &query)?, *format, listed)
        }
        Session::Show(Show { name, id, tenant, running, format }) => {
            let tenant = ("tenant", tenant.as_deref());
            let answer = match id {
                Some(id) => running.get(&format!("/admin/sessions/{}", escaped(id)), &[tenant])?,
                None => {
                    let mut found = running.get("/admin/sessions", &[tenant, ("name", name.as_deref())])?;
                    let first = found.pointer_mut("/sessions/0").map(Value::take);
                    first.ok_or_else(|| anyhow::anyhow!("the gateway remembers no such session"))?
                }
            };
            (answer, *format, shown)
        }
    };
    let text = match format {
        Format::Json => serde_json::to_string_pretty(&answer)? + "\n",
        Format::Text => page(&answer, Paint::for_stdout(global.color)),
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Status::Clean)
}

fn listed(answer: &Value, _: Paint) -> String {
    let sessions = list(answer, "sessions");
    let mut page = format!("{} of {} sessions\n", sessions.len(), whole(answer, "total"));
    for session in sessions {
        let tenant = word(session, "tenant");
        let line = format!(
            "{}  risk {:.2}  peak {:.2}  {:>4} looks  {}  {}  {}",
            word(session, "id"),
            number(session, "risk"),
            number(session, "peak"),
            whole(session, "looks"),
            last_seen(session),
            if tenant.is_empty() { "(default tenant)" } else { &tenant },
            word(session, "cause"),
        );
        page.push_str(line.trim_end());
        page.push('\n');
    }
    page
}

fn shown(session: &Value, paint: Paint) -> String {
    let tenant = word(session, "tenant");
    let whose = if tenant.is_empty() { "the default tenant".to_owned() } else { format!("tenant {tenant}") };
    let title = paint.strong(&format!("session {}", word(session, "id")));
    let mut page = format!("{title} of {whose}, last seen {}\n", last_seen(session));
    for sentence in list(session, "words").iter().filter_map(Value::as_str) {
        // Writing to a String does not fail.
        let _ = writeln!(page, "  {}", printable(sentence));
    }
    page += "  look  score  risk together\n";
    let looks = list(session, "trajectory");
    let first = whole(session, "looks").saturating_sub(looks.len() as u64);
    for (at, look) in looks.iter().enumerate() {
        let number_of = first + at as u64 + 1;
        let _ =
            writeln!(page, "  {number_of:>4}   {:.2}   {:.2}", number(look, "score"), number(look, "risk"));
    }
    page
}

fn word(session: &Value, key: &str) -> String {
    printable(session.get(key).and_then(Value::as_str).unwrap_or_default())
}

fn number(value: &Value, key: &str) -> f64 {
    value.get(key).and_then(Value::as_f64).unwrap_or(0.0)
}

fn whole(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn last_seen(session: &Value) -> String {
    moment::format(whole(session, "last_seen_ms"))
}
