//! Days of the year that a text names: an order says "from the 1st to the 5th of May", the call that obeys it `2024-05-01`.

/// A month and a day of it.
pub(super) type Day = (u8, u8);

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Words that may stand between the days of one month.
const BETWEEN: [&str; 11] = ["to", "the", "of", "and", "until", "till", "through", "from", "or", "-", "–"];
/// Words before and after a month that are looked at.
const REACH: usize = 8;

/// The day that a value begins with, as machines write it: `2024-05-01`, `2024-05-01 10:00`.
pub(super) fn written_by_machine(value: &str) -> Option<Day> {
    let bytes = value.as_bytes().get(..10)?;
    let digits = |from: usize, to: usize| {
        let digits = bytes.get(from..to)?;
        digits
            .iter()
            .all(u8::is_ascii_digit)
            .then(|| digits.iter().fold(0u16, |n, d| n * 10 + u16::from(d - b'0')))
    };
    digits(0, 4).filter(|_| bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-'))?;
    let ends = value.as_bytes().get(10).is_none_or(|next| !next.is_ascii_digit());
    let (month, day) = (u8::try_from(digits(5, 7)?).ok()?, u8::try_from(digits(8, 10)?).ok()?);
    ((1..=12).contains(&month) && (1..=31).contains(&day) && ends).then_some((month, day))
}

/// Whether a lower-case text names a day, as people or machines write it. Linear.
pub(super) fn names(text: &str, day: Day) -> bool {
    let trimmed = |word| str::trim_matches(word, |c: char| c.is_ascii_punctuation() && c != '-');
    let words: Vec<&str> = text.split_whitespace().map(trimmed).collect();
    words.iter().enumerate().any(|(at, word)| {
        let (before, after) = words.split_at(at);
        let in_month =
            || in_run(after.iter().skip(1).copied(), day.1) || in_run(before.iter().rev().copied(), day.1);
        written_by_machine(word) == Some(day) || month(word) == Some(day.0) && in_month()
    })
}

/// Whether a day stands in the run of days and of words between them that the words begin with.
fn in_run<'a>(words: impl Iterator<Item = &'a str>, day: u8) -> bool {
    words
        .take(REACH)
        .map(|word| (BETWEEN.contains(&word), day_of_month(word)))
        .take_while(|(between, found)| *between || found.is_some())
        .any(|(_, found)| found == Some(day))
}

/// The month that a word names, whole or by its first letters.
fn month(word: &str) -> Option<u8> {
    let at = MONTHS
        .iter()
        .position(|month| *month == word || word.len() >= 3 && word.len() <= 4 && month.starts_with(word))?;
    u8::try_from(at + 1).ok()
}

/// `5`, `05`, `5th`.
fn day_of_month(word: &str) -> Option<u8> {
    let digits = ["st", "nd", "rd", "th"].iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(word);
    digits.parse().ok().filter(|day| (1..=31).contains(day) && digits.len() <= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_found_as_people_and_machines_write_them() {
        let check = |text: &str, value: &str, expected: bool| {
            let day = written_by_machine(value).unwrap();
            assert_eq!(names(text, day), expected, "{text} | {value}");
        };
        check("reserve it from the 1st to the 5th of may 2024.", "2024-05-01", true);
        check("reserve it from the 1st to the 5th of may 2024.", "2024-05-05 12:00", true);
        check("reserve it from the 1st to the 5th of may 2024.", "2024-05-04", false);
        check("from january 11th to january 15th 2025", "2025-01-15", true);
        check("from january 11th to january 15th 2025", "2025-01-14", false);
        check("on may 3 and 4, for 5 people", "2024-05-04", true);
        check("on may 3 and 4, for 5 people", "2024-05-05", false);
        check("am 7 dec.", "2024-12-07", true);
        check("due 2024-06-30.", "2025-06-30", true);
        check("it may 7 times be right", "2024-05-07", true);
        check("marching 7", "2024-03-07", false);
    }

    #[test]
    fn only_dates_are_dates() {
        for value in [
            "",
            "2024-5-1",
            "2024-13-01",
            "2024-01-32",
            "2024-01-011",
            "20240501",
            "12024-05-01",
            "é024-05-01",
        ] {
            assert_eq!(written_by_machine(value), None, "{value}");
        }
        assert_eq!(written_by_machine("2024-05-01T10:00"), Some((5, 1)));
    }
}
