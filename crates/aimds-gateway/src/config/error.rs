//! Why a configuration is refused.

/// Why a configuration is refused. A file is taken whole or not at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not TOML, or a value of the wrong type.
    #[error("invalid configuration: line {line}, column {column}: {message}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A key that does not exist.
    #[error("invalid configuration: line {line}: unknown key `{key}`{}", did_you_mean(.nearest.as_deref()))]
    UnknownKey {
        /// Line, from 1.
        line: usize,
        /// The key as written.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// A value that is not possible.
    #[error("invalid configuration: {key}: {message}")]
    Value {
        /// Where in the file.
        key: String,
        /// What is wrong with the value.
        message: String,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|key| format!("; did you mean `{key}`?")).unwrap_or_default()
}

pub(super) fn value(key: &str, message: &str) -> ConfigError {
    ConfigError::Value { key: key.to_owned(), message: message.to_owned() }
}

/// Turns the parser's message into ours: line and column, and for an unknown key the known one that looks most like it.
pub(super) fn explain(text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let mut quoted = error.message().split('`').skip(1).step_by(2);
    if error.message().starts_with("unknown field")
        && let Some(key) = quoted.next()
    {
        let nearest = quoted
            .map(|known| (strsim::damerau_levenshtein(key, known), known))
            .filter(|(distance, known)| *distance <= known.len().max(key.len()) / 2)
            .min()
            .map(|(_, known)| known.to_owned());
        return ConfigError::UnknownKey { line, key: key.to_owned(), nearest };
    }
    ConfigError::Syntax { line, column, message: error.message().to_owned() }
}
