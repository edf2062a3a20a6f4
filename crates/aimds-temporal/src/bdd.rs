//! Binary decision diagrams (Bryant, 1986): Boolean functions in a form in which equal functions are equal numbers.

use std::collections::HashMap;

/// A function.
pub(crate) type Ref = u32;
pub(crate) const FALSE: Ref = 0;
pub(crate) const TRUE: Ref = 1;

/// The diagrams have reached their limit, or the budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Branch {
    variable: u32,
    low: Ref,
    high: Ref,
}

#[derive(Debug, Clone)]
pub(crate) struct Bdd {
    branches: Vec<Branch>,
    known: HashMap<Branch, Ref>,
    answers: HashMap<(Ref, Ref, Ref), Ref>,
    limit: usize,
    /// Steps of work that may still be done.
    budget: usize,
}

impl Bdd {
    /// At most `limit` distinct functions. Recursion is as deep as there are variables.
    pub(crate) fn new(limit: usize) -> Self {
        let end = |value| Branch { variable: u32::MAX, low: value, high: value };
        Self {
            branches: vec![end(FALSE), end(TRUE)],
            known: HashMap::new(),
            answers: HashMap::new(),
            limit,
            budget: usize::MAX,
        }
    }

    /// From now on at most so many steps of work; then everything is [`Full`].
    pub(crate) fn set_budget(&mut self, budget: usize) {
        self.budget = budget;
    }

    /// Forgets the intermediate answers, which are only there for speed.
    pub(crate) fn forget_answers(&mut self) {
        self.answers = HashMap::new();
    }

    fn branch(&self, function: Ref) -> Branch {
        let end = Branch { variable: u32::MAX, low: FALSE, high: FALSE };
        self.branches.get(function as usize).copied().unwrap_or(end)
    }

    fn make(&mut self, variable: u32, low: Ref, high: Ref) -> Result<Ref, Full> {
        if low == high {
            return Ok(low);
        }
        let branch = Branch { variable, low, high };
        if let Some(known) = self.known.get(&branch) {
            return Ok(*known);
        }
        if self.branches.len() >= self.limit {
            return Err(Full);
        }
        let new = self.branches.len() as Ref;
        self.branches.push(branch);
        self.known.insert(branch, new);
        Ok(new)
    }

    pub(crate) fn variable(&mut self, variable: u32) -> Result<Ref, Full> {
        self.make(variable, FALSE, TRUE)
    }

    /// If `test` then `yes` else `no`.
    pub(crate) fn choose(&mut self, test: Ref, yes: Ref, no: Ref) -> Result<Ref, Full> {
        if test == TRUE || yes == no {
            return Ok(yes);
        }
        if test == FALSE {
            return Ok(no);
        }
        if yes == TRUE && no == FALSE {
            return Ok(test);
        }
        let key = (test, yes, no);
        if let Some(answer) = self.answers.get(&key) {
            return Ok(*answer);
        }
        self.budget = self.budget.checked_sub(1).ok_or(Full)?;
        let (t, y, n) = (self.branch(test), self.branch(yes), self.branch(no));
        let top = t.variable.min(y.variable).min(n.variable);
        let side = |function: Ref, branch: Branch, high: bool| match (branch.variable == top, high) {
            (false, _) => function,
            (true, true) => branch.high,
            (true, false) => branch.low,
        };
        let low = self.choose(side(test, t, false), side(yes, y, false), side(no, n, false))?;
        let high = self.choose(side(test, t, true), side(yes, y, true), side(no, n, true))?;
        let answer = self.make(top, low, high)?;
        if self.answers.len() >= self.limit {
            self.forget_answers();
        }
        self.answers.insert(key, answer);
        Ok(answer)
    }

    pub(crate) fn not(&mut self, a: Ref) -> Result<Ref, Full> {
        self.choose(a, FALSE, TRUE)
    }

    pub(crate) fn and(&mut self, a: Ref, b: Ref) -> Result<Ref, Full> {
        self.choose(a, b, FALSE)
    }

    pub(crate) fn or(&mut self, a: Ref, b: Ref) -> Result<Ref, Full> {
        self.choose(a, TRUE, b)
    }

    pub(crate) fn iff(&mut self, a: Ref, b: Ref) -> Result<Ref, Full> {
        let negated = self.not(b)?;
        self.choose(a, b, negated)
    }

    /// Puts functions in the place of variables, all at once; `None` leaves a variable as it is.
    pub(crate) fn substitute(
        &mut self,
        function: Ref,
        with: &dyn Fn(u32) -> Option<Ref>,
        done: &mut HashMap<Ref, Ref>,
    ) -> Result<Ref, Full> {
        if function <= TRUE {
            return Ok(function);
        }
        if let Some(answer) = done.get(&function) {
            return Ok(*answer);
        }
        let branch = self.branch(function);
        let low = self.substitute(branch.low, with, done)?;
        let high = self.substitute(branch.high, with, done)?;
        let test = match with(branch.variable) {
            Some(test) => test,
            None => self.variable(branch.variable)?,
        };
        let answer = self.choose(test, high, low)?;
        done.insert(function, answer);
        Ok(answer)
    }

    /// Whether it can be made true by a choice for the variables that are wanted.
    pub(crate) fn exists(
        &mut self,
        function: Ref,
        wanted: &dyn Fn(u32) -> bool,
        done: &mut HashMap<Ref, Ref>,
    ) -> Result<Ref, Full> {
        if function <= TRUE {
            return Ok(function);
        }
        if let Some(answer) = done.get(&function) {
            return Ok(*answer);
        }
        let branch = self.branch(function);
        let low = self.exists(branch.low, wanted, done)?;
        let high = self.exists(branch.high, wanted, done)?;
        let answer = if wanted(branch.variable) {
            self.or(low, high)?
        } else {
            self.make(branch.variable, low, high)?
        };
        done.insert(function, answer);
        Ok(answer)
    }

    /// The value for given values of the variables.
    pub(crate) fn value(&self, mut function: Ref, of: impl Fn(u32) -> bool) -> bool {
        while function > TRUE {
            let branch = self.branch(function);
            function = if of(branch.variable) { branch.high } else { branch.low };
        }
        function == TRUE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_functions_are_equal_numbers() {
        let mut bdd = Bdd::new(100);
        let (a, b) = (bdd.variable(0).unwrap(), bdd.variable(1).unwrap());
        let (not_a, not_b) = (bdd.not(a).unwrap(), bdd.not(b).unwrap());
        let both = bdd.and(a, b).unwrap();
        let neither_missing = bdd.or(not_a, not_b).unwrap();
        assert_eq!(bdd.not(neither_missing).unwrap(), both);
        assert_eq!(bdd.exists(both, &|variable| variable == 0, &mut HashMap::new()).unwrap(), b);
        let swap = |variable| Some(if variable == 0 { not_b } else { a });
        let swapped = bdd.substitute(both, &swap, &mut HashMap::new()).unwrap();
        assert_eq!(swapped, bdd.and(not_b, a).unwrap());
        assert!(bdd.value(swapped, |variable| variable == 0));
    }

    #[test]
    fn the_limit_holds() {
        let mut bdd = Bdd::new(4);
        assert!(bdd.variable(0).is_ok() && bdd.variable(1).is_ok());
        assert_eq!(bdd.variable(2), Err(Full));
    }
}
