//! Variables: which values they take, and what an event means for one choice of values.

use std::collections::BTreeSet;

use crate::formula::{Atom, Term};
use crate::program::CompileError;
use crate::trace::{Event, Trace};

/// A value for each variable in alphabetical order; `None` is any value that does not occur.
pub(crate) type Binding = Vec<Option<String>>;

/// The most combinations of values, for monitors and for complete traces.
pub const MAX_INSTANCES: usize = 4096;

/// What a variable must be for an event to be an atom: numbers of variables and values.
pub(crate) type Needs<'a> = Vec<(usize, &'a str)>;

/// Whether an event is an atom, and for which values.
pub(crate) fn unify<'a>(atom: &Atom, variables: &[&str], event: &'a Event) -> Option<Needs<'a>> {
    if atom.name != event.name || atom.args.len() != event.args.len() {
        return None;
    }
    let mut needs: Needs<'a> = Vec::new();
    for (term, value) in atom.args.iter().zip(&event.args) {
        match term {
            Term::Constant(constant) if constant == value => {}
            Term::Constant(_) => return None,
            Term::Variable(name) => {
                let variable = variables.iter().position(|known| known == name)?;
                match needs.iter().find(|(known, _)| *known == variable) {
                    Some((_, earlier)) if *earlier != value => return None,
                    Some(_) => {}
                    None => needs.push((variable, value)),
                }
            }
        }
    }
    Some(needs)
}

/// The atoms that an event is under a binding, as bits.
pub(crate) fn letter(atoms: &[Atom], variables: &[&str], binding: &Binding, event: &Event) -> u64 {
    atoms.iter().enumerate().fold(0, |letter, (bit, atom)| {
        let bound = unify(atom, variables, event).is_some_and(|needs| {
            needs
                .iter()
                .all(|(variable, value)| binding.get(*variable).and_then(Option::as_deref) == Some(*value))
        });
        letter | u64::from(bound) << bit
    })
}

/// Every combination of the values that occur in a trace and of one that does not.
pub(crate) fn bindings(
    atoms: &[Atom],
    variables: &[&str],
    trace: &Trace,
) -> Result<Vec<Binding>, CompileError> {
    let mut values: Vec<BTreeSet<&str>> = vec![BTreeSet::new(); variables.len()];
    for event in trace.distinct_events() {
        for (variable, value) in atoms.iter().filter_map(|atom| unify(atom, variables, event)).flatten() {
            if let Some(values) = values.get_mut(variable) {
                values.insert(value);
            }
        }
    }
    let size = values.iter().fold(1_usize, |product, values| product.saturating_mul(values.len() + 1));
    if size > MAX_INSTANCES {
        return Err(CompileError::TooLarge { what: "combinations of values", size, limit: MAX_INSTANCES });
    }
    let mut bindings = vec![Vec::new()];
    for values in &values {
        let choices: Vec<Option<String>> =
            values.iter().map(|value| Some((*value).to_owned())).chain([None]).collect();
        bindings = bindings
            .iter()
            .flat_map(|start: &Binding| {
                choices.iter().map(move |choice| {
                    let mut binding = start.clone();
                    binding.push(choice.clone());
                    binding
                })
            })
            .collect();
    }
    Ok(bindings)
}
