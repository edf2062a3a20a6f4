//! What the terminal can show: colour, width, and text that cannot drive it.

use std::io::{IsTerminal as _, Write as _};

use unicode_width::UnicodeWidthChar as _;

use crate::cli::Color;

/// Wide enough for a file or a pipe.
const WIDTH_WITHOUT_TERMINAL: usize = 100;
const NARROWEST: usize = 40;

/// Colours, or their absence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// For standard output. `auto` follows the terminal, `NO_COLOR` (<https://no-color.org>) and `TERM=dumb`.
    pub(crate) fn for_stdout(color: Color) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let on = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::io::stdout().is_terminal() && !set("NO_COLOR") && !dumb,
        };
        Self { on }
    }

    /// No colour.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { on: false }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// The name of a decision.
    pub(crate) fn decision(self, name: &str) -> String {
        let code = match name {
            "block" | "escalate" => "1;31",
            "flag" | "redact" => "1;33",
            _ => "1;32",
        };
        self.wrap(code, name)
    }

    /// What is underlined.
    pub(crate) fn mark(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    /// Good news.
    pub(crate) fn good(self, text: &str) -> String {
        self.wrap("1;32", text)
    }

    /// Line numbers and bars.
    pub(crate) fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// Headings.
    pub(crate) fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }
}

/// One line on standard error. A closed stderr is no reason to stop.
pub(crate) fn tell(line: std::fmt::Arguments<'_>) {
    _ = writeln!(std::io::stderr(), "{line}");
}

/// Columns of standard output; `COLUMNS` where it is no terminal.
pub(crate) fn width() -> usize {
    let columns = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    let variable = || std::env::var("COLUMNS").ok()?.parse().ok();
    columns.or_else(variable).unwrap_or(WIDTH_WITHOUT_TERMINAL).max(NARROWEST)
}

/// How one character of somebody else's text is shown, and how many columns it takes. What a person cannot see, and
/// what a terminal would obey, is shown by its number.
pub(crate) fn visible(character: char) -> (String, usize) {
    match character {
        '\t' => ("    ".into(), 4),
        _ if is_hidden(character) => {
            let shown = format!("<U+{:04X}>", u32::from(character));
            let width = shown.len();
            (shown, width)
        }
        _ => (character.into(), character.width().unwrap_or(0)),
    }
}

/// Somebody else's text on one line, safe to print.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|character| visible(character).0).collect()
}

fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_invisible_characters_are_shown_by_number() {
        assert_eq!(printable("a\x1b[31mb\u{200b}c\u{202e}"), "a<U+001B>[31mb<U+200B>c<U+202E>");
        assert_eq!(visible('漢'), ("漢".into(), 2));
        assert_eq!(visible('\u{301}').1, 0);
    }
}
