//! Just enough of Rust's syntax to look at code without its comments, strings and tests. What is left out becomes blanks,
//! so that lines stay where they are.

/// The code of a file without comments and the contents of strings.
pub(super) fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        let length = match byte {
            b'/' if rest.starts_with(b"//") => until(rest, b"\n"),
            b'/' if rest.starts_with(b"/*") => block_comment(rest),
            b'"' => quoted(rest),
            b'r' | b'b' | b'c' if at == 0 || !is_word(bytes[at - 1]) => match raw_string(rest) {
                Some(length) => length,
                None => {
                    at += 1;
                    continue;
                }
            },
            b'\'' => match character(rest) {
                Some(length) => length,
                None => {
                    at += 1;
                    continue;
                }
            },
            _ => {
                at += 1;
                continue;
            }
        };
        blank(&mut out[at..at + length]);
        at += length;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Blanks every item that is compiled for tests only, in code that [`code`] has made.
pub(super) fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    let mut from = 0;
    while let Some(found) = code.get(from..).and_then(|rest| rest.find("#[cfg(test)]")) {
        let start = from + found;
        let end = start + item(&code.as_bytes()[start..]);
        blank(&mut out[start..end]);
        from = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The length of an item with its attributes: up to the first `;` or through the first block outside brackets.
fn item(code: &[u8]) -> usize {
    let (mut round, mut curly) = (0_usize, 0_usize);
    for (at, byte) in code.iter().enumerate() {
        match byte {
            b'(' | b'[' => round += 1,
            b')' | b']' => round = round.saturating_sub(1),
            b'{' => curly += 1,
            b'}' => {
                curly = curly.saturating_sub(1);
                if curly == 0 && round == 0 {
                    return at + 1;
                }
            }
            b';' if curly == 0 && round == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Every path below `std` or `core` that the code names, with its line: `std::{fs, time::Instant}` is two of them.
pub(super) fn std_paths(code: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("std::") {
        if at > 0 && is_word(code.as_bytes()[at - 1]) {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        let mut rest = &code[at + "std::".len()..];
        let mut found = Vec::new();
        tree(&mut rest, "std", &mut found);
        paths.extend(found.into_iter().map(|path| (line, path)));
    }
    paths
}

/// Reads one branch of a tree of paths.
fn tree(rest: &mut &str, parent: &str, found: &mut Vec<String>) {
    *rest = rest.trim_start();
    if let Some(inside) = rest.strip_prefix('{') {
        *rest = inside;
        loop {
            *rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            if rest.is_empty() || rest.starts_with('}') {
                *rest = rest.strip_prefix('}').unwrap_or(rest);
                return;
            }
            let before = rest.len();
            tree(rest, parent, found);
            if rest.len() == before {
                return;
            }
        }
    }
    let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*').unwrap_or(rest.len());
    let (word, after) = rest.split_at(length);
    let path = format!("{parent}::{word}");
    *rest = after.trim_start();
    if let Some(deeper) = rest.strip_prefix("::") {
        *rest = deeper;
        return tree(rest, &path, found);
    }
    if let Some(renamed) = rest.strip_prefix("as ") {
        *rest = renamed.trim_start().trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
    }
    found.push(path);
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

fn until(bytes: &[u8], end: &[u8]) -> usize {
    bytes.windows(end.len()).position(|window| window == end).unwrap_or(bytes.len())
}

fn block_comment(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        let rest = &bytes[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn quoted(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r"…"`, `r#"…"#`, `br"…"`, `cr"…"`.
fn raw_string(bytes: &[u8]) -> Option<usize> {
    let mut at = usize::from(bytes[0] != b'r');
    if bytes.get(at) != Some(&b'r') {
        return None;
    }
    at += 1;
    let hashes = bytes[at..].iter().take_while(|byte| **byte == b'#').count();
    at += hashes;
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let end: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    Some((at + 1 + until(&bytes[at + 1..], &end) + end.len()).min(bytes.len()))
}

/// A character, not a lifetime.
fn character(bytes: &[u8]) -> Option<usize> {
    if bytes.get(1) == Some(&b'\\') {
        let end = bytes.iter().skip(3).position(|byte| *byte == b'\'')?;
        return Some(end + 4);
    }
    let text = std::str::from_utf8(bytes.get(1..bytes.len().min(5))?);
    let text = text.or_else(|error| std::str::from_utf8(&bytes[1..1 + error.valid_up_to()])).ok()?;
    let length = 1 + text.chars().next()?.len_utf8();
    (bytes.get(length) == Some(&b'\'')).then_some(length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_not_code() {
        for (text, expected) in [
            ("a // std::fs\nb", "a b"),
            ("a /* x /* y */ z */ b", "a b"),
            ("a \"x \\\" y\" b", "a b"),
            ("a r#\"x \" y\"# b", "a b"),
            ("a br\"\\\" b", "a b"),
            ("for x in y { r }", "for x in y { r }"),
            ("'a: loop {}", "'a: loop {}"),
            ("x == '\"' || y", "x == || y"),
            ("x == '\\'' || y", "x == || y"),
            ("x == '\\\\' || y", "x == || y"),
            ("x == 'ü' || y", "x == || y"),
            ("&'static str", "&'static str"),
            ("\"open", ""),
        ] {
            let found = code(text);
            assert_eq!(found.len(), text.len(), "{text}");
            assert_eq!(found.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{text}");
        }
    }

    #[test]
    fn items_for_tests_are_blanked_and_the_rest_stays() {
        for (text, expected) in [
            ("a();\n#[cfg(test)]\nmod tests {\n  fn b() { {} }\n}\nc();", "a();c();"),
            ("#[cfg(test)]\nuse std::fs;\nc();", "c();"),
            ("#[cfg(test)]\n#[path = 1]\nmod tests;\nc();", "c();"),
            ("#[cfg(test)] fn f([a; 3]: [u8; 3]) -> u8 { 1 }\nc();", "c();"),
            ("#[cfg(not(test))]\nfn f() {}", "#[cfg(not(test))]fnf(){}"),
        ] {
            let blanked = without_tests(text);
            assert_eq!(blanked.len(), text.len());
            assert_eq!(blanked.split_whitespace().collect::<String>(), expected, "{text}");
        }
    }

    #[test]
    fn trees_of_paths_are_read_to_their_leaves() {
        for (text, expected) in [
            ("use std::fs;", vec!["std::fs"]),
            ("let x = std::time::Instant::now();", vec!["std::time::Instant::now"]),
            (
                "use std::{fs, env as e, time::{Duration, Instant}};",
                vec!["std::fs", "std::env", "std::time::Duration", "std::time::Instant"],
            ),
            ("use std::{\n  io::{self, Write as _},\n};", vec!["std::io::self", "std::io::Write"]),
            ("use my_std::fs;", vec![]),
            ("use std::collections::*;", vec!["std::collections::*"]),
            ("use std::{", vec![]),
        ] {
            let found: Vec<_> = std_paths(text).into_iter().map(|(_, path)| path).collect();
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(std_paths("\n\nuse std::fs;")[0].0, 3);
    }
}
