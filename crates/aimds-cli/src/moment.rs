//! Times on the command line and on the page, in UTC: milliseconds since the Unix epoch, or `2026-11-22T17:30:00Z`.

use std::time::Duration;

const DAY_MS: u64 = 86_400_000;

/// Reads milliseconds, a day (`2026-11-22`: its beginning) or a moment (`2026-11-22T17:30:00Z`), not before 1970.
///
/// # Errors
/// What is expected.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map_err(|_| "too many milliseconds".into());
    }
    moment(text)
        .ok_or_else(|| "give milliseconds since 1970, or UTC as 2026-11-22 or 2026-11-22T17:30:00Z".into())
}

fn moment(text: &str) -> Option<u64> {
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let [year, month, day] = numbers(day, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let length = match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1970..10_000).contains(&year) || day == 0 || day > length || hour > 23 || minute > 59 || second > 59
    {
        return None;
    }
    Some(days_since_1970(year, month, day) * DAY_MS + (hour * 3600 + minute * 60 + second) * 1000)
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let mut parts = text.split(separator);
    let mut next = || parts.next()?.parse().ok();
    let three = [next()?, next()?, next()?];
    parts.next().is_none().then_some(three)
}

/// With years that begin in March, so that the leap day is the last of a year.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let until_year = 365 * year + year / 4 - year / 100 + year / 400;
    until_year + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// `2026-11-22T17:30:00.123Z`.
pub(crate) fn format(at_ms: u64) -> String {
    let days = at_ms / DAY_MS + 719_468;
    // 400 years have 146 097 days.
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + later;
    let rest = Duration::from_millis(at_ms % DAY_MS);
    let seconds = rest.as_secs();
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        rest.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_and_written() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T12:30:59.000Z", 951_827_459_000),
            ("2026-11-22T17:30:00.000Z", 1_795_368_600_000),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
        ] {
            assert_eq!(format(ms), text);
            assert_eq!(parse(&text.replace(".000", "")), Ok(ms));
        }
        assert_eq!(parse("2026-11-22"), parse("2026-11-22T00:00:00Z"));
        assert_eq!(parse("1795368600123"), Ok(1_795_368_600_123));
        assert_eq!(format(1_795_368_600_123), "2026-11-22T17:30:00.123Z");
        for day in 0..200_000 {
            let text = format(day * DAY_MS);
            assert_eq!(parse(&text.replace(".000", "")), Ok(day * DAY_MS));
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-02-29",
            "2026-13-01",
            "2026-1",
            "2026-11-22T25:00:00Z",
            "1969-12-31",
            "-5",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
