//! Sentences that stand for the formulas most policies are.

use super::lexer::Token;
use super::parser::{Parsed, Parser};
use crate::formula::{Binary, Formula, Interval, Unary};

/// The words that begin a sentence. As the names of atoms they are printed in quotes.
pub(super) fn is_keyword(word: &str) -> bool {
    matches!(word, "always" | "never" | "every" | "after" | "at")
}

fn globally(formula: Formula) -> Formula {
    Formula::unary(Unary::Globally(None), formula)
}

fn whenever(cause: Formula, effect: Formula) -> Formula {
    globally(Formula::binary(Binary::Implies, cause, effect))
}

fn eventually(bound: Option<Interval>, formula: Formula) -> Formula {
    Formula::unary(Unary::Finally(bound), formula)
}

fn weak_until(holds: Formula, end: Formula) -> Formula {
    Formula::binary(Binary::WeakUntil, holds, end)
}

impl Parser<'_> {
    /// The sentence that begins here; `None` if it is a formula.
    pub(super) fn sentence(&mut self) -> Parsed<Option<Formula>> {
        let Token::Word(first) = self.token.clone() else { return Ok(None) };
        if !is_keyword(&first) || !self.an_operand_follows()? {
            return Ok(None);
        }
        self.advance()?;
        let formula = match first.as_str() {
            "always" => self.always()?,
            "never" => self.never()?,
            "every" => self.every()?,
            "after" => self.after()?,
            _ => self.at_most()?,
        };
        if self.token != Token::End {
            return Err(self.expected("the end of the sentence"));
        }
        Ok(Some(formula))
    }

    fn always(&mut self) -> Parsed<Formula> {
        let holds = self.operand()?;
        let Some(bound) = self.within()? else { return Ok(globally(holds)) };
        self.keyword("of")?;
        let cause = self.operand()?;
        Ok(whenever(cause, eventually(Some(bound), holds)))
    }

    fn never(&mut self) -> Parsed<Formula> {
        let event = self.operand()?;
        if self.take_word("unless")? || self.take_word("before")? {
            return Ok(weak_until(!event, self.operand()?));
        }
        if self.take_word("without")? {
            let condition = self.operand()?;
            let bound = self.within()?;
            return Ok(whenever(event, Formula::unary(Unary::Once(bound), condition)));
        }
        let Some(bound) = self.within()? else { return Ok(globally(!event)) };
        self.keyword("after")?;
        let cause = self.operand()?;
        Ok(whenever(cause, Formula::unary(Unary::Globally(Some(bound)), !event)))
    }

    fn every(&mut self) -> Parsed<Formula> {
        let cause = self.operand()?;
        for word in ["is", "followed", "by"] {
            self.keyword(word)?;
        }
        let effect = self.operand()?;
        let bound = self.within()?;
        Ok(whenever(cause, eventually(bound, effect)))
    }

    fn after(&mut self) -> Parsed<Formula> {
        let cause = self.operand()?;
        self.sign(",")?;
        if self.take_word("never")? {
            let event = self.operand()?;
            let effect = if self.take_word("unless")? {
                weak_until(!event, self.operand()?)
            } else {
                globally(!event)
            };
            return Ok(whenever(cause, effect));
        }
        if self.take_word("always")? {
            return Ok(whenever(cause, globally(self.operand()?)));
        }
        if !self.take_word("eventually")? {
            return Err(self.expected("`never`, `always` or `eventually`"));
        }
        let effect = self.operand()?;
        let bound = self.within()?;
        Ok(whenever(cause, eventually(bound, effect)))
    }

    fn at_most(&mut self) -> Parsed<Formula> {
        self.keyword("most")?;
        let times = self.occurrences()?;
        let event = self.operand()?;
        let none = globally(!event.clone());
        Ok((0..times).fold(none, |rest, _| whenever(event.clone(), Formula::unary(Unary::WeakNext, rest))))
    }

    fn within(&mut self) -> Parsed<Option<Interval>> {
        Ok(if self.take_word("within")? { Interval::new(0, self.duration()?) } else { None })
    }

    fn keyword(&mut self, word: &str) -> Parsed<()> {
        if self.take_word(word)? { Ok(()) } else { Err(self.expected(&format!("`{word}`"))) }
    }
}
