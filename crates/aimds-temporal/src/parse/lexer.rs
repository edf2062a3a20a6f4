//! Text to words, quoted texts and signs.

use std::ops::Range;

use super::error::ParseError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// An identifier, operator or keyword.
    Word(String),
    Quoted(String),
    /// One of `( ) [ ] , . @ ! & | -> <->`.
    Sign(&'static str),
    End,
}

impl Token {
    pub(super) fn describe(&self) -> String {
        match self {
            Token::Word(word) => format!("`{word}`"),
            Token::Quoted(text) => format!("{text:?}"),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::End => "the end".to_owned(),
        }
    }
}

/// Signs by the text that stands for them; longer ones first.
const SIGNS: [(&str, &str); 17] = [
    ("<->", "<->"),
    ("<=>", "<->"),
    ("->", "->"),
    ("=>", "->"),
    ("&&", "&"),
    ("||", "|"),
    ("/\\", "&"),
    ("\\/", "|"),
    ("(", "("),
    (")", ")"),
    ("[", "["),
    ("]", "]"),
    (",", ","),
    (".", "."),
    ("@", "@"),
    ("&", "&"),
    ("|", "|"),
];

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn rewind(&mut self, to: usize) {
        self.at = to;
    }

    /// Whether something other than a binary operator or the end comes next.
    pub(super) fn operand_follows(&mut self) -> Result<bool, ParseError> {
        let at = self.at;
        let (token, _) = self.next()?;
        self.at = at;
        Ok(match token {
            Token::Word(word) => !matches!(word.as_str(), "U" | "R" | "V" | "W" | "S"),
            Token::Quoted(_) => true,
            Token::Sign(sign) => matches!(sign, "(" | "!" | "@"),
            Token::End => false,
        })
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next token and where it is.
    pub(super) fn next(&mut self) -> Result<(Token, Range<usize>), ParseError> {
        self.at = self.text.len() - self.rest().trim_start().len();
        let start = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok((Token::End, start..start)) };
        let token = if let Some(length) = word_length(rest) {
            self.at += length;
            Token::Word(rest.get(..length).unwrap_or_default().to_owned())
        } else if first == '"' {
            self.quoted()?
        } else if matches!(first, '!' | '¬' | '~') {
            self.at += first.len_utf8();
            Token::Sign("!")
        } else if let Some((text, sign)) = SIGNS.iter().find(|(text, _)| rest.starts_with(text)) {
            self.at += text.len();
            Token::Sign(sign)
        } else {
            return Err(ParseError {
                span: start..start + first.len_utf8(),
                expected: "an operator or an operand".into(),
                found: format!("{first:?}"),
                hint: Some("names with other characters go in quotes".into()),
            });
        };
        Ok((token, start..self.at))
    }

    /// The variable of a `forall`, which ends before a dot although identifiers may have dots inside.
    pub(super) fn next_variable(&mut self) -> Option<(String, Range<usize>)> {
        self.at = self.text.len() - self.rest().trim_start().len();
        let rest = self.rest();
        let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let name = rest.get(..length).filter(|name| is_variable(name))?;
        let span = self.at..self.at + length;
        self.at = span.end;
        Some((name.to_owned(), span))
    }

    fn quoted(&mut self) -> Result<Token, ParseError> {
        let (start, rest) = (self.at, self.rest());
        let mut content = String::new();
        let mut characters = rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.at = start + at + 1;
                    return Ok(Token::Quoted(content));
                }
                '\\' => content.extend(characters.next().map(|(_, escaped)| escaped)),
                other => content.push(other),
            }
        }
        Err(ParseError {
            span: start..self.text.len(),
            expected: "`\"` at the end of the quoted text".into(),
            found: "the end".into(),
            hint: None,
        })
    }
}

fn word_length(rest: &str) -> Option<usize> {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | ':');
    let length = rest.find(|c: char| !inner(c)).unwrap_or(rest.len());
    let word = rest.get(..length)?.trim_end_matches(['.', '-', ':']);
    word.starts_with(|c: char| c.is_alphanumeric() || c == '_').then_some(word.len())
}

/// The words that are operators or constants and can be atoms only in quotes.
pub(super) fn is_operator(word: &str) -> bool {
    matches!(word, "X" | "WX" | "F" | "G" | "Y" | "Z" | "O" | "H" | "U" | "R" | "V" | "W" | "S")
}

/// Whether an atom of this name needs no quotes.
pub(crate) fn is_identifier(name: &str) -> bool {
    word_length(name) == Some(name.len())
        && !is_operator(name)
        && !matches!(name, "true" | "false" | "forall")
        && !super::sentence::is_keyword(name)
}

/// Whether an argument of this text is a variable.
pub(crate) fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}
