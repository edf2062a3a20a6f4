//! Text to formulas.

mod error;
mod lexer;
mod parser;
mod sentence;

pub use error::ParseError;
pub(crate) use lexer::{is_identifier, is_variable};

use crate::formula::Formula;

/// The longest text that is parsed, in bytes.
pub const MAX_TEXT: usize = 64 * 1024;

/// The most nodes of a formula. Macros count with what they stand for.
pub const MAX_NODES: usize = 4096;

/// The deepest nesting of operators and parentheses.
pub const MAX_DEPTH: usize = 256;

impl Formula {
    /// Parses a formula, a formula with macros ([`Pattern`](crate::Pattern)), or one of the sentences below.
    ///
    /// ```text
    /// policy    = [ "forall" name { "," name } "." ] ( sentence | formula )
    /// formula   = operand { operator operand }
    ///             operators from weak to strong:  <->   ->   | or ||   & or &&   U R V W S
    ///             & and | group to the left, the others to the right
    /// operand   = ( "!" | "X" | "WX" | "F" | "G" | "Y" | "Z" | "O" | "H" ) operand
    ///           | "true" | "false" | atom | macro | "(" formula ")"
    /// atom      = ( identifier | quoted ) [ "(" argument { "," argument } ")" ]
    /// argument  = variable | quoted | a word that begins with a digit
    /// macro     = "@" pattern "(" formula { "," formula } [ "," number ] ")" [ scope ]
    /// bound     = "[" number [ unit ] "," number unit "]"     after F, G, O, H, U, S;  unit = ms | s | m | h | d
    /// ```
    ///
    /// An identifier is made of letters, digits, `_`, `.`, `-`, `:` and ends with none of the last three. The words that name
    /// operators, `true` and `false` are atoms only in quotes: `"G"`. Letters without a gap are one identifier: `GFp` is an
    /// atom, `G F p` is not. `V` is another name of `R`. An argument without quotes is a variable, made of letters, digits and
    /// `_`; if there is a `forall`, it must name every variable.
    ///
    /// | sentence | stands for |
    /// |---|---|
    /// | `always A` | `G A` |
    /// | `never A` | `G !A` |
    /// | `never A unless B` | `!A W B` |
    /// | `never A before B` | `!A W B` |
    /// | `never A within T after B` | `G(B -> G[0,T] !A)` |
    /// | `never A without B` | `G(A -> O B)` |
    /// | `never A without B within T` | `G(A -> O[0,T] B)` |
    /// | `always A within T of B` | `G(B -> F[0,T] A)` |
    /// | `every A is followed by B` | `G(A -> F B)` |
    /// | `every A is followed by B within T` | `G(A -> F[0,T] B)` |
    /// | `after A, never B` | `G(A -> G !B)` |
    /// | `after A, never B unless C` | `G(A -> !B W C)` |
    /// | `after A, eventually B` | `G(A -> F B)` |
    /// | `after A, eventually B within T` | `G(A -> F[0,T] B)` |
    /// | `after A, always B` | `G(A -> G B)` |
    /// | `at most N A` | at most N separate occurrences of A |
    ///
    /// A, B and C are operands (an atom, or a formula in parentheses), T is a number and a unit. "After" includes the step
    /// itself. `always answer within …` is the sentence; the first word is an atom's name if an operator follows.
    ///
    /// # Errors
    ///
    /// Where the text does not follow the grammar, or a limit is exceeded.
    ///
    /// ```
    /// use aimds_temporal::Formula;
    ///
    /// let formula = Formula::parse("after untrusted_read, never send_external unless approved")?;
    /// assert_eq!(formula.to_string(), "G(untrusted_read -> !send_external W approved)");
    ///
    /// let error = Formula::parse("G(p until q)").unwrap_err();
    /// assert_eq!(error.span, 4..9);
    /// assert_eq!(error.hint.as_deref(), Some("write U for until"));
    /// # Ok::<(), aimds_temporal::ParseError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Formula, ParseError> {
        parser::Parser::new(text)?.policy()
    }
}

impl std::str::FromStr for Formula {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Formula, ParseError> {
        Formula::parse(text)
    }
}
