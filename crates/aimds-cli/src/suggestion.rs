//! "Did you mean": the nearest known name.

/// ` (did you mean "…"?)` when a known name is close to `given`, otherwise nothing.
pub(crate) fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // Names are short; a long one is no typing error and would make the distance expensive.
    if given.len() > 64 {
        return String::new();
    }
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&given.to_lowercase(), name), name))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, name)| format!(" (did you mean \"{name}\"?)"))
}

/// A name from the input, short enough and clean enough for an error message.
pub(crate) fn quoted(name: &str) -> String {
    const LONGEST: usize = 40;
    let short: String = name.chars().take(LONGEST).collect();
    let dots = if short.len() < name.len() { "…" } else { "" };
    format!("\"{}{dots}\"", short.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        assert_eq!(did_you_mean("bengin", ["attack", "benign"]), " (did you mean \"benign\"?)");
        assert_eq!(did_you_mean("zebra", ["attack", "benign"]), "");
        assert_eq!(quoted("a\u{1b}b"), "\"a\\u{1b}b\"");
    }
}
