//! Names of people, only where the text itself says that a name follows. Names elsewhere are the models' business.

use super::{Hit, Input, Kind, PiiKind};

/// Words after "Dear" and titles that are no names.
const NOBODY: &[&str] = &[
    "Sir",
    "Sirs",
    "Madam",
    "Customer",
    "Customers",
    "Team",
    "All",
    "Friend",
    "Friends",
    "Hiring",
    "Editor",
    "Colleague",
    "Colleagues",
    "Student",
    "Students",
    "Parents",
    "Reader",
    "Readers",
    "Member",
    "Members",
    "User",
    "Users",
    "Valued",
    "Diary",
    "God",
    "Lord",
    "Santa",
    "The",
    "My",
    "Our",
    "ChatGPT",
    "Assistant",
    "Everyone",
    "Human",
    "Client",
    "Recruiter",
    "Professor",
    "Manager",
    "Admin",
    "Board",
    "Committee",
];

/// The name announced by the word `start..end`.
pub(super) fn at_word(input: Input<'_>, start: usize, end: usize) -> Option<Hit> {
    let word = input.slice(start, end);
    let after = |text: &str| input.slice(end, end + text.len()) == text.as_bytes();
    let (from, most, confidence, explanation) = match word {
        b"name" | b"Name" => {
            let mine = input.slice(start.saturating_sub(3), start).eq_ignore_ascii_case(b"my ");
            let from = [" is ", "'s ", "’s ", ": "]
                .iter()
                .find(|link| mine && after(link))
                .map(|link| end + link.len())?;
            (from, 4, 0.75, "a name after words that announce one")
        }
        b"Mr" | b"Mrs" | b"Ms" | b"Miss" | b"Dr" => {
            let from = end
                + if after(". ") {
                    2
                } else if after(" ") && word != b"Dr" {
                    1
                } else {
                    return None;
                };
            (from, 3, 0.55, "a name after a title")
        }
        b"Dear" if after(" ") => (end + 1, 4, 0.55, "a name after a salutation"),
        _ => return None,
    };
    let to = name(input, from, most)?;
    Some(Hit { kind: Kind::Pii(PiiKind::Person), start: from, end: to, confidence, explanation })
}

/// End of up to `most` words that begin with a capital (or belong to a script without capitals) from `from`.
fn name(input: Input<'_>, from: usize, most: usize) -> Option<usize> {
    let window = input.text.get(from..input.text.floor_char_boundary((from + 120).min(input.text.len())))?;
    let mut end = 0;
    let mut words = 0;
    for word in window.split_inclusive(' ') {
        let offset = word.as_ptr() as usize - window.as_ptr() as usize;
        let part = |char: char| {
            char.is_alphanumeric()
                || matches!(char, '-' | '\'' | '’' | '.')
                || (!char.is_ascii()
                    && !char.is_whitespace()
                    && !matches!(char, '。' | '，' | '、' | '”' | '“'))
        };
        let length: usize = word.chars().take_while(|&char| part(char)).map(char::len_utf8).sum();
        let text = word.get(..length)?;
        let initial = text.chars().next()?;
        let proper = initial.is_alphabetic() && !initial.is_lowercase();
        let core = text.trim_end_matches(['.', '\'']);
        if !proper
            || core.chars().any(|char| char.is_ascii_digit())
            || (words == 0 && NOBODY.contains(&core))
            || (words > 0 && core == "I")
        {
            break;
        }
        let abbreviated = text.ends_with('.') && core.len() <= 4 && word.ends_with(' ');
        end = offset + if abbreviated { text.len() } else { core.len() };
        words += 1;
        if words == most || length + 1 != word.len() || (text.ends_with('.') && !abbreviated) {
            break;
        }
    }
    (words > 0 && end > 1).then_some(from + end)
}

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, nothing};

    #[test]
    fn hits() {
        for (text, value) in [
            ("My name is Nicholas Proctor and you", "Nicholas Proctor"),
            ("My name is Ираида Станиславовна Кабанова and", "Ираида Станиславовна Кабанова"),
            ("Dear Samuel Cain, your card", "Samuel Cain"),
            ("Mr. John Q. Smith said", "John Q. Smith"),
            ("Mrs. O'Neil-Jones.", "O'Neil-Jones"),
        ] {
            found(text, "pii.person", value);
        }
    }

    #[test]
    fn near_misses() {
        for text in [
            "Dear Sir or Madam",
            "Dear customer",
            "my name is not important",
            "Dear Hiring Manager",
            "The name is Bond",
            "Dr 5",
        ] {
            nothing(text, "pii.person");
        }
    }

    /// Not done today: names that nothing announces, and honorifics of other languages.
    #[test]
    fn known_gaps() {
        nothing("Samuel Cain lives here", "pii.person");
        nothing("Herr Schmidt", "pii.person");
    }
}
