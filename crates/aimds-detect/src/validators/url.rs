//! URLs that carry credentials (RFC 3986 userinfo), webhook addresses, and — only where the text calls it one's own —
//! web pages.

use memchr::{memchr, memmem};

use super::context::Topic;
use super::{Around, Hit, Input, Kind, PiiKind, SecretKind, placeholder};

/// Bytes of an authority that are read.
const MAX_AUTHORITY: usize = 320;
const DATABASES: &[&[u8]] = &[
    b"postgres",
    b"postgresql",
    b"mysql",
    b"mariadb",
    b"mongodb",
    b"srv",
    b"redis",
    b"rediss",
    b"amqp",
    b"amqps",
    b"mssql",
    b"sqlserver",
    b"oracle",
    b"clickhouse",
    b"cockroachdb",
    b"neo4j",
    b"bolt",
    b"cassandra",
    b"couchdb",
    b"psycopg2",
    b"asyncpg",
    b"pymysql",
];

/// The URL whose `://` starts at `colon`.
pub(super) fn at_colon(input: Input<'_>, colon: usize, around: &mut Around<'_>) -> Option<Hit> {
    let scheme_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let before = input.slice(colon.saturating_sub(24), colon);
    let scheme = before.iter().rev().take_while(|&&byte| scheme_byte(byte)).count();
    if scheme < 2 {
        return None;
    }
    let start = colon - scheme;
    let from = colon + 3;
    let window = input.slice(from, (from + MAX_AUTHORITY).min(input.bytes.len()));
    let stop = window.iter().position(|byte| {
        byte.is_ascii_whitespace()
            || matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>' | b',' | b'\\' | b')' | b'|')
    });
    let url = window.get(..stop.unwrap_or(window.len()))?;
    let authority = url.get(..memchr(b'/', url).unwrap_or(url.len()))?;
    // an unescaped slash in a password is wrong but happens: the sign decides
    let at = memchr::memrchr(b'@', authority).or_else(|| memchr(b'@', url).filter(|_| scheme > 5));
    if let Some(hit) = at.and_then(|at| credentials(input, start, colon, from, url, at)) {
        return Some(hit);
    }
    webhook(start, from, url).or_else(|| page(input, start, from, url, around))
}

fn credentials(
    input: Input<'_>,
    start: usize,
    colon: usize,
    from: usize,
    url: &[u8],
    at: usize,
) -> Option<Hit> {
    let user = url.get(..at)?;
    let password = user.get(memchr(b':', user)? + 1..)?;
    let host = url.get(at + 1..)?;
    let template = |byte: &u8| matches!(byte, b'[' | b'{' | b'<' | b'$' | b'%' | b'*');
    if password.is_empty()
        || host.is_empty()
        || placeholder(password)
        || password.first().is_some_and(template)
    {
        return None;
    }
    let scheme = input.slice(start, colon).split(|&byte| byte == b'+' || byte == b'.').next_back()?;
    let first = input.slice(start, colon).split(|&byte| byte == b'+').next()?;
    let database =
        [scheme, first].iter().any(|name| DATABASES.iter().any(|known| known.eq_ignore_ascii_case(name)));
    let weak = [
        b"password".as_slice(),
        b"pass",
        b"passwd",
        b"pw",
        b"pwd",
        b"secret",
        b"postgres",
        b"root",
        b"guest",
        b"user",
        b"test",
        b"admin",
    ]
    .iter()
    .any(|word| word.eq_ignore_ascii_case(password))
        || password == user.get(..user.len() - password.len() - 1)?
        || memmem::find(password, b"pass").is_some();
    let (confidence, explanation) = match (database, weak) {
        (_, true) => (0.45, "a URL with a password that is a common word"),
        (true, false) => (0.98, "a database URL with a password"),
        (false, false) => (0.975, "a URL with a password (RFC 3986 userinfo)"),
    };
    let trimmed = url.iter().rev().take_while(|byte| matches!(byte, b'.' | b';' | b'!' | b'?')).count();
    Some(Hit {
        kind: Kind::Secret(SecretKind::DatabaseUrl),
        start,
        end: from + url.len() - trimmed,
        confidence,
        explanation,
    })
}

/// Addresses that let anyone post.
fn webhook(start: usize, from: usize, url: &[u8]) -> Option<Hit> {
    let (kind, explanation) = if url.starts_with(b"hooks.slack.com/services/T") && url.len() > 50 {
        (SecretKind::SlackToken, "a Slack webhook address")
    } else if (url.starts_with(b"discord.com/api/webhooks/")
        || url.starts_with(b"discordapp.com/api/webhooks/"))
        && url.len() > 80
    {
        (SecretKind::DiscordToken, "a Discord webhook address")
    } else {
        return None;
    };
    let trimmed = url.iter().rev().take_while(|byte| matches!(byte, b'.' | b';')).count();
    (!placeholder(url)).then_some(Hit {
        kind: Kind::Secret(kind),
        start,
        end: from + url.len() - trimmed,
        confidence: 0.95,
        explanation,
    })
}

/// A page that the text calls somebody's own.
fn page(input: Input<'_>, start: usize, from: usize, url: &[u8], around: &mut Around<'_>) -> Option<Hit> {
    let trimmed = url.iter().rev().take_while(|byte| matches!(byte, b'.' | b';' | b'!' | b'?')).count();
    let end = from + url.len() - trimmed;
    let web = input.slice(start, start + 4).eq_ignore_ascii_case(b"http");
    (web && url.contains(&b'.') && around.context(start, end).distance(Topic::Website) < 30).then_some(Hit {
        kind: Kind::Pii(PiiKind::Url),
        start,
        end,
        confidence: 0.4,
        explanation: "a web address called somebody's page",
    })
}

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, found_weak, nothing};

    #[test]
    fn hits() {
        for (text, value) in [
            (
                "DATABASE_URL=postgres://app:s3cr3tPw@db.internal:5432/app",
                "postgres://app:s3cr3tPw@db.internal:5432/app",
            ),
            (
                "mongodb+srv://u:p4ssW0rd9@cluster0.abcde.mongodb.net/x?y=z.",
                "mongodb+srv://u:p4ssW0rd9@cluster0.abcde.mongodb.net/x?y=z",
            ),
            ("redis://:h7Gq2LmZ@10.0.0.1:6379", "redis://:h7Gq2LmZ@10.0.0.1:6379"),
            ("'https://bob:Tr0ub4dor@example.com/x'", "https://bob:Tr0ub4dor@example.com/x"),
        ] {
            found(text, "secret.database_url", value);
        }
        let hook = "https://hooks.slack.com/services/T01ABCDEF/B02GHIJKL/aB3dE5fG7hI9jK1lM3nO5pQ7";
        found(hook, "secret.slack_token", hook);
        found_weak("postgres://user:password@localhost/db", "secret.database_url");
        found_weak("My website is http://MarketRepair.com/", "pii.url");
    }

    #[test]
    fn near_misses() {
        for text in [
            "https://example.com/a@b:c",
            "http://user@example.com",
            "postgres://user:<password>@host",
            "postgres://user:${PW}@host",
            "https://x.y:8080/",
            "a://:@",
        ] {
            nothing(text, "secret.database_url");
        }
        nothing("see http://example.com/", "pii.url");
    }
}
