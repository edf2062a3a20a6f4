//! Formulas as text. What is printed parses to the same formula.

use std::fmt::{self, Display, Formatter, Write};

use crate::formula::{Atom, Binary, Formula, Interval, Term, Unary};
use crate::parse::{is_identifier, is_variable};

/// How strongly the outermost operator binds; operands that bind less need parentheses.
const UNARY: u8 = 6;
const LEAF: u8 = 7;

impl Binary {
    /// 1 (`<->`) to 5 (`U`).
    pub(crate) fn strength(self) -> u8 {
        match self {
            Binary::Iff => 1,
            Binary::Implies => 2,
            Binary::Or => 3,
            Binary::And => 4,
            Binary::Until(_) | Binary::Release | Binary::WeakUntil | Binary::Since(_) => 5,
        }
    }

    /// Whether `a ∘ b ∘ c` is `a ∘ (b ∘ c)`.
    pub(crate) fn groups_right(self) -> bool {
        !matches!(self, Binary::And | Binary::Or)
    }
}

fn strength(formula: &Formula) -> u8 {
    match formula {
        Formula::True | Formula::False | Formula::Atom(_) => LEAF,
        Formula::Unary(..) => UNARY,
        Formula::Binary(operator, ..) => operator.strength(),
    }
}

impl Display for Formula {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Formula::True => out.write_str("true"),
            Formula::False => out.write_str("false"),
            Formula::Atom(atom) => atom.fmt(out),
            Formula::Unary(operator, operand) => {
                operator.fmt(out)?;
                let parentheses = strength(operand) < UNARY;
                if !parentheses && *operator != Unary::Not {
                    out.write_char(' ')?;
                }
                operand_text(operand, parentheses, out)
            }
            Formula::Binary(operator, left, right) => {
                let (own, right_first) = (operator.strength(), operator.groups_right());
                let needs = |side: &Formula, groups: bool| match strength(side).cmp(&own) {
                    std::cmp::Ordering::Less => true,
                    std::cmp::Ordering::Equal => !groups,
                    std::cmp::Ordering::Greater => false,
                };
                operand_text(left, needs(left, !right_first), out)?;
                write!(out, " {operator} ")?;
                operand_text(right, needs(right, right_first), out)
            }
        }
    }
}

fn operand_text(operand: &Formula, parentheses: bool, out: &mut Formatter<'_>) -> fmt::Result {
    if parentheses { write!(out, "({operand})") } else { operand.fmt(out) }
}

impl Display for Unary {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let (name, bound) = match self {
            Unary::Not => ("!", &None),
            Unary::Next => ("X", &None),
            Unary::WeakNext => ("WX", &None),
            Unary::Finally(bound) => ("F", bound),
            Unary::Globally(bound) => ("G", bound),
            Unary::Yesterday => ("Y", &None),
            Unary::WeakYesterday => ("Z", &None),
            Unary::Once(bound) => ("O", bound),
            Unary::Historically(bound) => ("H", bound),
        };
        with_bound(name, *bound, out)
    }
}

impl Display for Binary {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Binary::And => out.write_str("&"),
            Binary::Or => out.write_str("|"),
            Binary::Implies => out.write_str("->"),
            Binary::Iff => out.write_str("<->"),
            Binary::Until(bound) => with_bound("U", *bound, out),
            Binary::Release => out.write_str("R"),
            Binary::WeakUntil => out.write_str("W"),
            Binary::Since(bound) => with_bound("S", *bound, out),
        }
    }
}

fn with_bound(name: &str, bound: Option<Interval>, out: &mut Formatter<'_>) -> fmt::Result {
    out.write_str(name)?;
    bound.map_or(Ok(()), |bound| bound.fmt(out))
}

impl Display for Interval {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "[{},{}ms]", self.lo_ms(), self.hi_ms())
    }
}

impl Display for Atom {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        if is_identifier(&self.name) {
            out.write_str(&self.name)?
        } else {
            quoted(&self.name, out)?
        }
        for (nth, term) in self.args.iter().enumerate() {
            out.write_str(if nth == 0 { "(" } else { ", " })?;
            term.fmt(out)?;
        }
        out.write_str(if self.args.is_empty() { "" } else { ")" })
    }
}

impl Display for Term {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Term::Variable(name) if is_variable(name) => out.write_str(name),
            // No text is a variable of such a name: it was not parsed, and is printed as what it cannot be mistaken for.
            Term::Variable(name) => write!(out, "?{name:?}"),
            Term::Constant(value) => quoted(value, out),
        }
    }
}

fn quoted(text: &str, out: &mut Formatter<'_>) -> fmt::Result {
    out.write_char('"')?;
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.write_char('\\')?;
        }
        out.write_char(character)?;
    }
    out.write_char('"')
}
