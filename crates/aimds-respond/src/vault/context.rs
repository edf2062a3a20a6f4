//! What stands around a placeholder: whether it is part of an address on the web, and whether the text is JSON.

/// Follows a text byte by byte and knows whether an address has begun that has not ended. Linear, a few bytes of look-back.
///
/// It errs towards "inside": a model that was told to put what it knows into an address would otherwise send it to
/// whoever owns the address, as soon as the caller's program draws the picture or opens the link.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    /// What ends the address; a space stands for any white space.
    inside: Option<u8>,
}

/// How far back the beginning of an address is looked for.
const SCHEME: usize = 32;
const SPACES: usize = 64;

impl Context {
    /// Whether an address is open.
    pub(super) fn in_address(&self) -> bool {
        self.inside.is_some()
    }

    /// Goes over `text[from..to]`.
    pub(super) fn follow(&mut self, text: &[u8], from: usize, to: usize) {
        for at in from..to {
            let Some(&byte) = text.get(at) else { return };
            match self.inside {
                Some(b' ') if byte.is_ascii_whitespace() => self.inside = None,
                Some(end) if byte == end => self.inside = None,
                Some(_) => {}
                None => self.inside = begins(text, at).map(|start| end(text, start)),
            }
        }
    }
}

/// Where an address begins that shows at `at`: by two slashes of either kind, as browsers read them, or by the name of a
/// scheme that browsers complete.
fn begins(text: &[u8], at: usize) -> Option<usize> {
    let slash = |at: usize| matches!(text.get(at), Some(b'/' | b'\\'));
    let before = at.checked_sub(1)?;
    match text.get(at) {
        Some(b'/' | b'\\') if slash(before) => Some(match before.checked_sub(1) {
            Some(colon) if text.get(colon) == Some(&b':') => scheme(text, colon),
            _ => before,
        }),
        Some(b':') => {
            let start = scheme(text, at);
            let name = text.get(start..at)?;
            (name.eq_ignore_ascii_case(b"http") || name.eq_ignore_ascii_case(b"https")).then_some(start)
        }
        _ => None,
    }
}

/// Where the name of the scheme in front of a colon begins.
fn scheme(text: &[u8], colon: usize) -> usize {
    let name = text.get(colon.saturating_sub(SCHEME)..colon).unwrap_or_default();
    let letters = name.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(byte));
    colon - letters.count()
}

/// What ends an address that begins at `start`: what it is enclosed in, else white space.
fn end(text: &[u8], start: usize) -> u8 {
    let before = text.get(start.saturating_sub(SPACES)..start).unwrap_or_default();
    let spaces = before.iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count();
    let mut outer = before.iter().rev().skip(spaces);
    match outer.next() {
        // An attribute's value may begin with white space; words in quotes before an address do not enclose it.
        Some(&quote @ (b'"' | b'\'' | b'`')) => {
            let assigned = outer.find(|&&byte| byte != b'\\').is_some_and(|byte| b"=(".contains(byte));
            if spaces == 0 || assigned { quote } else { b' ' }
        }
        Some(b'<') => b'>',
        _ => b' ',
    }
}

/// Whether what comes next, inside a text that begins like this, stands in a JSON document: in an object or in an array of
/// texts or objects. Prose that begins with a placeholder begins with a bracket too.
pub(super) fn is_json(before: &str) -> bool {
    let start = before.trim_start();
    let inner = start.trim_start_matches(|char: char| char == '[' || char.is_ascii_whitespace());
    match inner.strip_prefix('{') {
        Some(object) => object.trim_start().starts_with('"'),
        None => start.starts_with('[') && inner.starts_with('"'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(text: &str) -> bool {
        let mut context = Context::default();
        context.follow(text.as_bytes(), 0, text.len());
        context.in_address()
    }

    #[test]
    fn an_address_is_open_until_what_encloses_it_ends() {
        for text in [
            "see https://evil.example/?q=",
            "![x](https://evil.example/?q=",
            "![x](<https://evil.example/?q= a b ",
            "<img src=\"https://evil.example/?q=a b\n",
            "<img src=\" https://evil.example/?q=a b ",
            "<img src=\\\"https://evil.example/?q= ",
            "<img src=//evil.example/",
            "HTTPS:\\\\evil.example\\",
            "http:evil.example/",
            "https:/evil.example/",
            "/\\evil.example/",
            "{\"url\":\"https://evil.example/?q=",
            "[1]: ftp://evil.example/",
        ] {
            assert!(inside(text), "{text}");
        }
    }

    #[test]
    fn an_address_that_has_ended_is_no_longer_open() {
        for text in [
            "",
            "write to ",
            "see https://example.org/ and write to ",
            "{\"url\":\"https://example.org/\",\"to\":\"",
            "<https://example.org/> ",
            "<a href=\"https://example.org/\">",
            "he said \"go\" https://example.org/ then ",
            "a / b, mailto:",
            "// a comment ",
            "at 10:30 ",
        ] {
            assert!(!inside(text), "{text}");
        }
    }

    #[test]
    fn pieces_make_no_difference() {
        let text = "a \"https://x.example/?q= b\" c <img src=\" //y.example/?z= ";
        for at in 0..text.len() {
            let mut context = Context::default();
            context.follow(text.as_bytes(), 0, at);
            context.follow(text.as_bytes(), at, text.len());
            assert!(context.in_address());
        }
    }

    #[test]
    fn json_is_told_from_prose_by_its_beginning() {
        for text in ["{\"a\":\"", " { \"a", "[\"", "[ {\"a\": \"", "[[\"x\",\"", "\n[\n  {\n\"to\": \""] {
            assert!(is_json(text), "{text}");
        }
        for text in ["", "[", "[[", "{", "{{name}} ", "\"Quoted", "Write {\"a\":\"", "[link](", "[[wiki]] "] {
            assert!(!is_json(text), "{text}");
        }
    }
}
