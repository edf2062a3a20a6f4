//! Tokens to formulas, by recursive descent to a limited depth.

use std::ops::Range;

use super::error::{ParseError, nearest_operator};
use super::lexer::{Lexer, Token, is_operator, is_variable};
use super::{MAX_DEPTH, MAX_NODES, MAX_TEXT};
use crate::formula::{Atom, Binary, Formula, Interval, Term, Unary};
use crate::patterns::{MAX_OCCURRENCES, Pattern, Scope};

pub(super) type Parsed<T> = Result<T, ParseError>;

pub(super) struct Parser<'a> {
    lexer: Lexer<'a>,
    pub(super) token: Token,
    pub(super) span: Range<usize>,
    /// The word before `token`, which may have been meant as an operator.
    previous_word: Option<String>,
    length: usize,
    depth: usize,
    nodes: usize,
    /// What `forall` names, if there is one.
    declared: Option<Vec<String>>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Parsed<Self> {
        if text.len() > MAX_TEXT {
            return Err(ParseError {
                span: MAX_TEXT..text.len(),
                expected: format!("a text of at most {MAX_TEXT} bytes"),
                found: format!("{} bytes", text.len()),
                hint: None,
            });
        }
        let mut lexer = Lexer::new(text);
        let (token, span) = lexer.next()?;
        let length = text.len();
        Ok(Self { lexer, token, span, previous_word: None, length, depth: 0, nodes: 0, declared: None })
    }

    pub(super) fn policy(mut self) -> Parsed<Formula> {
        if self.is_word("forall") {
            self.forall()?;
        }
        let formula = match self.sentence()? {
            Some(formula) => formula,
            None => self.formula()?,
        };
        if self.token != Token::End {
            return Err(self.expected("an operator or the end"));
        }
        let limits = [("nodes", formula.nodes(), MAX_NODES), ("levels", formula.depth(), MAX_DEPTH)];
        match limits.into_iter().find(|(_, size, limit)| size > limit) {
            Some((what, size, limit)) => Err(self.too_large(what, size, limit)),
            None => Ok(formula),
        }
    }

    fn too_large(&self, what: &str, size: usize, limit: usize) -> ParseError {
        ParseError {
            span: 0..self.length,
            expected: format!("a formula of at most {limit} {what}"),
            found: format!("{size}"),
            hint: None,
        }
    }

    // Tokens.

    pub(super) fn advance(&mut self) -> Parsed<()> {
        let (token, span) = self.lexer.next()?;
        self.previous_word = match std::mem::replace(&mut self.token, token) {
            Token::Word(word) => Some(word),
            _ => None,
        };
        self.span = span;
        Ok(())
    }

    pub(super) fn is_word(&self, wanted: &str) -> bool {
        matches!(&self.token, Token::Word(word) if word == wanted)
    }

    pub(super) fn is_sign(&self, wanted: &str) -> bool {
        matches!(self.token, Token::Sign(sign) if sign == wanted)
    }

    /// Whether an operand comes after the current token. A word directly before a parenthesis is an atom with arguments.
    pub(super) fn an_operand_follows(&mut self) -> Parsed<bool> {
        self.lexer.operand_follows()
    }

    pub(super) fn take_word(&mut self, wanted: &str) -> Parsed<bool> {
        let found = self.is_word(wanted);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn take_sign(&mut self, wanted: &str) -> Parsed<bool> {
        let found = self.is_sign(wanted);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn sign(&mut self, wanted: &str) -> Parsed<()> {
        if self.take_sign(wanted)? { Ok(()) } else { Err(self.expected(&format!("`{wanted}`"))) }
    }

    pub(super) fn expected(&self, expected: &str) -> ParseError {
        let own = if let Token::Word(word) = &self.token { nearest_operator(word) } else { None };
        let before = || self.previous_word.as_deref().and_then(nearest_operator);
        ParseError {
            span: self.span.clone(),
            expected: expected.to_owned(),
            found: self.token.describe(),
            hint: own.or_else(before),
        }
    }

    // Formulas.

    fn forall(&mut self) -> Parsed<()> {
        let mut names = Vec::new();
        loop {
            // The token after `forall` or the comma has been read as an identifier, perhaps with the dot: read it again.
            self.lexer.rewind(if names.is_empty() { self.span.end } else { self.span.start });
            let Some((name, span)) = self.lexer.next_variable() else {
                self.advance()?;
                return Err(self.expected("the name of a variable"));
            };
            if names.contains(&name) {
                self.span = span;
                self.token = Token::Word(name);
                return Err(self.expected("each variable once"));
            }
            names.push(name);
            self.advance()?;
            if self.take_sign(".")? {
                self.declared = Some(names);
                return Ok(());
            }
            if !self.take_sign(",")? {
                return Err(self.expected("`,` or `.`"));
            }
        }
    }

    pub(super) fn formula(&mut self) -> Parsed<Formula> {
        self.operators(0)
    }

    /// Operands joined by operators that bind more strongly than `weakest`.
    fn operators(&mut self, weakest: u8) -> Parsed<Formula> {
        self.enter()?;
        let mut left = self.operand()?;
        while let Some(operator) = self.binary() {
            let strength = operator.strength();
            if strength <= weakest {
                break;
            }
            self.advance()?;
            let operator = match operator {
                Binary::Until(_) => Binary::Until(self.bound()?),
                Binary::Since(_) => Binary::Since(self.bound()?),
                other => other,
            };
            let right = self.operators(if operator.groups_right() { strength - 1 } else { strength })?;
            self.count(1)?;
            left = Formula::binary(operator, left, right);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn enter(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.too_large("levels", self.depth, MAX_DEPTH)) } else { Ok(()) }
    }

    fn count(&mut self, nodes: usize) -> Parsed<()> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES { Err(self.too_large("nodes", self.nodes, MAX_NODES)) } else { Ok(()) }
    }

    fn binary(&self) -> Option<Binary> {
        let name = match &self.token {
            Token::Word(word) => word.as_str(),
            Token::Sign(sign) => sign,
            _ => return None,
        };
        Some(match name {
            "<->" => Binary::Iff,
            "->" => Binary::Implies,
            "|" => Binary::Or,
            "&" => Binary::And,
            "U" => Binary::Until(None),
            "R" | "V" => Binary::Release,
            "W" => Binary::WeakUntil,
            "S" => Binary::Since(None),
            _ => return None,
        })
    }

    /// The operator that the current word names, still without its bound.
    fn unary(&self) -> Option<Unary> {
        let name = match &self.token {
            Token::Word(word) => word.as_str(),
            Token::Sign(sign) => sign,
            _ => return None,
        };
        Some(match name {
            "!" => Unary::Not,
            "X" => Unary::Next,
            "WX" => Unary::WeakNext,
            "F" => Unary::Finally(None),
            "G" => Unary::Globally(None),
            "Y" => Unary::Yesterday,
            "Z" => Unary::WeakYesterday,
            "O" => Unary::Once(None),
            "H" => Unary::Historically(None),
            _ => return None,
        })
    }

    pub(super) fn operand(&mut self) -> Parsed<Formula> {
        if let Some(operator) = self.unary() {
            self.enter()?;
            self.advance()?;
            let operator = match operator {
                Unary::Finally(_) => Unary::Finally(self.bound()?),
                Unary::Globally(_) => Unary::Globally(self.bound()?),
                Unary::Once(_) => Unary::Once(self.bound()?),
                Unary::Historically(_) => Unary::Historically(self.bound()?),
                other => other,
            };
            let operand = self.operand()?;
            self.depth -= 1;
            self.count(1)?;
            return Ok(Formula::unary(operator, operand));
        }
        if self.take_sign("(")? {
            let formula = self.formula()?;
            self.sign(")")?;
            return Ok(formula);
        }
        if self.take_sign("@")? {
            return self.pattern();
        }
        self.count(1)?;
        if self.take_word("true")? {
            return Ok(Formula::True);
        }
        if self.take_word("false")? {
            return Ok(Formula::False);
        }
        self.atom()
    }

    fn atom(&mut self) -> Parsed<Formula> {
        let name = match &self.token {
            Token::Word(word) if !is_operator(word) => word.clone(),
            Token::Quoted(text) => text.clone(),
            _ => return Err(self.expected("an operand")),
        };
        self.advance()?;
        let mut args = Vec::new();
        if self.take_sign("(")? {
            args.push(self.argument()?);
            while self.take_sign(",")? {
                args.push(self.argument()?);
            }
            self.sign(")")?;
        }
        Ok(Formula::Atom(Atom { name, args }))
    }

    fn argument(&mut self) -> Parsed<Term> {
        let term = match &self.token {
            Token::Quoted(text) => Term::Constant(text.clone()),
            Token::Word(word) if is_variable(word) => {
                if self.declared.as_ref().is_some_and(|names| !names.contains(word)) {
                    return Err(ParseError {
                        hint: Some("a constant is written in quotes".into()),
                        ..self.expected("a variable that `forall` names")
                    });
                }
                Term::Variable(word.clone())
            }
            Token::Word(word) if word.starts_with(|c: char| c.is_numeric()) => Term::Constant(word.clone()),
            Token::Word(_) => {
                return Err(ParseError {
                    hint: Some("a constant is written in quotes".into()),
                    ..self.expected("a variable of letters, digits and `_`")
                });
            }
            _ => return Err(self.expected("a variable or a quoted constant")),
        };
        self.advance()?;
        Ok(term)
    }

    // Bounds.

    fn bound(&mut self) -> Parsed<Option<Interval>> {
        let start = self.span.start;
        if !self.take_sign("[")? {
            return Ok(None);
        }
        let (lo, lo_unit) = self.number_and_unit()?;
        self.sign(",")?;
        let (hi, hi_unit) = self.number_and_unit()?;
        let Some(hi_unit) = hi_unit else {
            return Err(self.expected("a unit after the upper bound: ms, s, m, h or d"));
        };
        let end = self.span.end;
        self.sign("]")?;
        let interval = match (lo.checked_mul(lo_unit.unwrap_or(hi_unit)), hi.checked_mul(hi_unit)) {
            (Some(lo), Some(hi)) => Interval::new(lo, hi),
            _ => None,
        };
        interval.map(Some).ok_or_else(|| ParseError {
            span: start..end,
            expected: "a lower bound that is not above the upper one, and fewer than 2^64 ms".into(),
            found: format!("[{lo},{hi}]"),
            hint: None,
        })
    }

    /// A span of time in milliseconds.
    pub(super) fn duration(&mut self) -> Parsed<u64> {
        match self.number_and_unit()? {
            (number, Some(unit)) => {
                number.checked_mul(unit).ok_or_else(|| self.expected("fewer than 2^64 ms"))
            }
            (_, None) => Err(self.expected("a unit: ms, s, m, h or d")),
        }
    }

    /// A number, and how many milliseconds the unit after it has. They may stand together (`10ms`) or apart.
    fn number_and_unit(&mut self) -> Parsed<(u64, Option<u64>)> {
        let Token::Word(word) = &self.token else { return Err(self.expected("a time such as 10ms")) };
        let digits = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
        let (number, unit) = word.split_at(digits);
        let Ok(number) = number.parse() else { return Err(self.expected("a time such as 10ms")) };
        let attached = !unit.is_empty();
        let unit = unit_ms(unit);
        if attached && unit.is_none() {
            return Err(self.expected("a whole number and one of the units ms, s, m, h, d"));
        }
        self.advance()?;
        if attached {
            return Ok((number, unit));
        }
        let unit = if let Token::Word(word) = &self.token { unit_ms(word) } else { None };
        if unit.is_some() {
            self.advance()?;
        }
        Ok((number, unit))
    }

    /// A plain number, as the macros and `at most` need.
    pub(super) fn occurrences(&mut self) -> Parsed<usize> {
        let number = if let Token::Word(word) = &self.token { word.parse().ok() } else { None };
        match number {
            Some(number) if number <= MAX_OCCURRENCES => {
                self.advance()?;
                Ok(number)
            }
            _ => Err(self.expected(&format!("a number of at most {MAX_OCCURRENCES}"))),
        }
    }

    // Macros.

    fn pattern(&mut self) -> Parsed<Formula> {
        self.enter()?;
        let Token::Word(name) = self.token.clone() else { return Err(self.expected(PATTERNS)) };
        let make = match name.as_str() {
            "absence" => Made::One(Pattern::Absence),
            "existence" => Made::One(Pattern::Existence),
            "universality" => Made::One(Pattern::Universality),
            "precedence" => Made::Two(Pattern::Precedence),
            "response" => Made::Two(Pattern::Response),
            "bounded_existence" => Made::Counted(Pattern::BoundedExistence),
            _ => return Err(self.expected(PATTERNS)),
        };
        self.advance()?;
        self.sign("(")?;
        let first = self.formula()?;
        if !matches!(make, Made::One(_)) {
            self.sign(",")?;
        }
        let pattern = match make {
            Made::One(make) => make(first),
            Made::Two(make) => make(first, self.formula()?),
            Made::Counted(make) => make(first, self.occurrences()?),
        };
        self.sign(")")?;
        let scope = self.scope()?;
        let formula = pattern.within(&scope);
        self.depth -= 1;
        self.count(formula.nodes())?;
        Ok(formula)
    }

    fn scope(&mut self) -> Parsed<Scope> {
        if self.take_word("before")? {
            return Ok(Scope::Before(self.operand()?));
        }
        if self.take_word("between")? {
            let start = self.operand()?;
            return if self.take_word("and")? {
                Ok(Scope::Between(start, self.operand()?))
            } else {
                Err(self.expected("`and`"))
            };
        }
        if self.take_word("after")? {
            let start = self.operand()?;
            return if self.take_word("until")? {
                Ok(Scope::AfterUntil(start, self.operand()?))
            } else {
                Ok(Scope::After(start))
            };
        }
        self.take_word("globally")?;
        Ok(Scope::Globally)
    }
}

/// How a pattern is made from its operands.
enum Made {
    One(fn(Formula) -> Pattern),
    Two(fn(Formula, Formula) -> Pattern),
    Counted(fn(Formula, usize) -> Pattern),
}

const PATTERNS: &str = "one of absence, existence, bounded_existence, universality, precedence, response";

fn unit_ms(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    })
}
