//! Whether a certificate covers every run that could violate the formula. The argument is in the parent module.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::ProofError;
use super::subformulas::{Kind, Subformula, Subformulas, boolean, kind};
use crate::formula::{Binary, Formula, Unary};
use crate::model::certificate::{Certificate, CertifiedPlace, Claim};
use crate::model::{KripkeStructure, StateId};

/// How much work a certificate may ask for, and how many claims may have to be kept; an honest one needs far less.
const MAX_STEPS: usize = 300_000_000;
const MAX_KEPT: usize = 10_000_000;

/// A subformula by its number here, with whether it holds.
type Signed = (usize, bool);
/// Operators of the past that were so at the step before; of `Y` and `Z`, the operand. `None` before the first step.
type Memory = Option<BTreeSet<usize>>;

/// One way to make claims true.
#[derive(Debug, Clone, Default)]
struct Way {
    now: BTreeSet<Signed>,
    next: BTreeSet<Signed>,
    postponed: BTreeSet<Signed>,
    open: Vec<Signed>,
}

impl Way {
    fn size(&self) -> usize {
        self.now.len() + self.next.len() + self.postponed.len() + self.open.len()
    }
}

/// A way, as the number of the obligation that says just what it leaves for the next step.
struct Step {
    to: Option<u32>,
    postponed: BTreeSet<Signed>,
}

/// An alternative of a rule.
type Alternative = (Vec<Signed>, Option<Signed>, bool);

pub(super) fn verify(
    model: &KripkeStructure,
    subformulas: &Subformulas<'_>,
    certificate: &Certificate,
) -> Result<(), ProofError> {
    let mut coverage = Coverage::read(model, subformulas, certificate)?;
    coverage.start()?;
    let mut known: HashMap<(u32, u32), Rc<[Step]>> = HashMap::new();
    for (number, place) in certificate.places.iter().enumerate() {
        let wrong = |why| ProofError::new(format!("evidence.holds.places[{number}]"), why);
        let label = coverage.labels.of(place.state);
        let steps = match known.get(&(place.obligation, label)) {
            Some(steps) => Rc::clone(steps),
            None => {
                let steps: Rc<[Step]> = coverage.steps(place.obligation, label).map_err(wrong)?.into();
                known.insert((place.obligation, label), Rc::clone(&steps));
                steps
            }
        };
        for step in steps.iter() {
            for &next in model.next(StateId(place.state)) {
                coverage.covered(place, step, next).map_err(wrong)?;
            }
        }
    }
    Ok(())
}

/// What holds in each state, in numbers: states that agree on the atoms have the same.
struct Labels {
    of_state: Vec<u32>,
    /// By number, the value of each atom.
    values: Vec<Vec<Signed>>,
}

impl Labels {
    fn new(model: &KripkeStructure, subformulas: &Subformulas<'_>) -> Self {
        let mut of_state: Vec<Vec<Signed>> = vec![Vec::new(); model.state_count()];
        for (number, part) in subformulas.all().enumerate() {
            let Formula::Atom(atom) = part.formula else { continue };
            for (label, holds) in of_state.iter_mut().zip(model.where_holds(&atom.to_string())) {
                label.push((number, holds));
            }
        }
        let mut numbers: HashMap<Vec<Signed>, u32> = HashMap::new();
        let mut values = Vec::new();
        let number = |label: Vec<Signed>| {
            let next = numbers.len() as u32;
            *numbers.entry(label).or_insert_with_key(|label| {
                values.push(label.clone());
                next
            })
        };
        let of_state = of_state.into_iter().map(number).collect();
        Self { of_state, values }
    }

    fn of(&self, state: u32) -> u32 {
        self.of_state.get(state as usize).copied().unwrap_or(u32::MAX)
    }
}

struct Coverage<'a> {
    model: &'a KripkeStructure,
    subformulas: &'a Subformulas<'a>,
    certificate: &'a Certificate,
    obligations: Vec<(BTreeSet<Signed>, Memory)>,
    /// The first obligation with this content.
    exact: HashMap<(BTreeSet<Signed>, Memory), u32>,
    /// For each component, what is put off.
    put_off: Vec<Option<Signed>>,
    /// The obligations at each state in order, with the component.
    at_state: Vec<Vec<(u32, u32)>>,
    labels: Labels,
    has_past: bool,
    /// What is of the future and, but for boolean operators, directly under an operator of the past.
    guessed: Vec<usize>,
    spent: usize,
    kept: usize,
}

impl<'a> Coverage<'a> {
    /// Checks that every number of the certificate stands for something.
    fn read(
        model: &'a KripkeStructure,
        subformulas: &'a Subformulas<'a>,
        certificate: &'a Certificate,
    ) -> Result<Self, ProofError> {
        let numbers = read_subformulas(subformulas, &certificate.subformulas)?;
        let number = |at: &str, index: u32| {
            let missing = || ProofError::new(at, format!("there is no subformula {index}"));
            numbers.get(index as usize).copied().ok_or_else(missing)
        };
        let signed = |at: &str, claim: &Claim| Ok((number(at, claim.0)?, claim.1));
        let mut obligations = Vec::new();
        for (place, obligation) in certificate.obligations.iter().enumerate() {
            let at = format!("evidence.holds.obligations[{place}]");
            let claims =
                obligation.claims.iter().map(|claim| signed(&at, claim)).collect::<Result<_, _>>()?;
            let memory = obligation.memory.as_ref().map(|memory| {
                memory.iter().map(|&index| number(&at, index)).collect::<Result<BTreeSet<usize>, _>>()
            });
            obligations.push((claims, memory.transpose()?));
        }
        let mut put_off = Vec::new();
        for (component, claim) in certificate.components.iter().enumerate() {
            let at = format!("evidence.holds.components[{component}]");
            put_off.push(claim.as_ref().map(|claim| signed(&at, claim)).transpose()?);
        }
        let mut exact = HashMap::new();
        for (number, obligation) in (0..).zip(&obligations) {
            exact.entry(obligation.clone()).or_insert(number);
        }
        let has_past = subformulas.all().any(|part| kind(part.formula) == Kind::Past);
        let mut coverage = Self {
            model,
            subformulas,
            certificate,
            obligations,
            exact,
            put_off,
            at_state: vec![Vec::new(); model.state_count()],
            labels: Labels::new(model, subformulas),
            has_past,
            guessed: guessed(subformulas),
            spent: 0,
            kept: 0,
        };
        coverage.read_places()?;
        Ok(coverage)
    }

    fn read_places(&mut self) -> Result<(), ProofError> {
        for (number, place) in self.certificate.places.iter().enumerate() {
            let wrong = |why: &str| Err(ProofError::new(format!("evidence.holds.places[{number}]"), why));
            let Some(at_state) = self.at_state.get_mut(place.state as usize) else {
                return wrong("there is no such state");
            };
            if place.obligation as usize >= self.obligations.len() {
                return wrong("there is no such obligation");
            }
            if place.component as usize >= self.put_off.len() {
                return wrong("there is no such component");
            }
            at_state.push((place.obligation, place.component));
        }
        for (at_state, state) in self.at_state.iter_mut().zip(self.model.states()) {
            at_state.sort_unstable();
            if at_state.array_windows().any(|[one, other]| one.0 == other.0) {
                let why = format!("state `{}` has an obligation twice", self.model.name(state));
                return Err(ProofError::new("evidence.holds.places", why));
            }
        }
        Ok(())
    }

    /// The component of a place, if the certificate has it.
    fn component(&self, state: StateId, obligation: u32) -> Option<u32> {
        let there = self.at_state.get(state.index())?;
        let found = there.binary_search_by_key(&obligation, |(obligation, _)| *obligation).ok()?;
        there.get(found).map(|(_, component)| *component)
    }

    fn spend(&mut self, steps: usize) -> Result<(), String> {
        self.spent = self.spent.saturating_add(steps);
        if self.spent > MAX_STEPS || self.kept > MAX_KEPT {
            Err("takes too long to check".to_owned())
        } else {
            Ok(())
        }
    }

    /// For every initial state, a place that claims just that the formula fails.
    fn start(&self) -> Result<(), ProofError> {
        let fails: BTreeSet<Signed> = [(self.subformulas.whole(), false)].into();
        let memory = if self.has_past { None } else { Some(BTreeSet::new()) };
        let start = self.exact.get(&(fails, memory));
        for &state in self.model.initial() {
            if start.and_then(|&obligation| self.component(state, obligation)).is_none() {
                let why = format!("none for the initial state `{}`", self.model.name(state));
                return Err(ProofError::new("evidence.holds.places", why));
            }
        }
        Ok(())
    }

    /// Whether some place takes this step to this state.
    fn covered(&mut self, from: &CertifiedPlace, step: &Step, next: StateId) -> Result<(), String> {
        self.spend(1)?;
        let put_off = self.put_off.get(from.component as usize).copied().flatten();
        let stays = put_off.is_some_and(|eventuality| step.postponed.contains(&eventuality));
        let wrong = |what: &str| Err(format!("the step to state `{}` {what}", self.model.name(next)));
        match step.to.and_then(|obligation| self.component(next, obligation)) {
            None => wrong("leads to no place"),
            Some(component) if component < from.component || component == from.component && stays => Ok(()),
            Some(_) => wrong("does not lower the rank"),
        }
    }

    /// Every way to go on from an obligation in a state with this label.
    fn steps(&mut self, obligation: u32, label: u32) -> Result<Vec<Step>, String> {
        let Some((claims, before)) = self.obligations.get(obligation as usize).cloned() else {
            return Err("there is no such obligation".to_owned());
        };
        let Some(label) = self.labels.values.get(label as usize).cloned() else {
            return Err("there is no such state".to_owned());
        };
        let mut steps = Vec::new();
        if self.guessed.len() > 20 {
            return Err("takes too long to check".to_owned());
        }
        for guess in 0..1_u32 << self.guessed.len() {
            let guesses: Vec<Signed> =
                (0..).zip(&self.guessed).map(|(bit, &number)| (number, guess >> bit & 1 == 1)).collect();
            let mut values: HashMap<usize, bool> = label.iter().chain(&guesses).copied().collect();
            let memory = Some(self.evaluate(&mut values, &before));
            self.spend(self.subformulas.len())?;
            let open = claims.iter().copied().chain(guesses).collect();
            let ways = self.ways(Way { open, ..Way::default() }, &values)?;
            for Way { next, postponed, .. } in self.least(ways)? {
                let to = self.exact.get(&(next, memory.clone())).copied();
                steps.push(Step { to, postponed });
            }
        }
        Ok(steps)
    }

    /// Adds the values of all that atoms, guesses and memory determine; answers the next memory.
    fn evaluate(&self, values: &mut HashMap<usize, bool>, before: &Memory) -> BTreeSet<usize> {
        let mut memory = BTreeSet::new();
        for (number, Subformula { formula, operands: (a, b) }) in self.subformulas.all().enumerate() {
            if values.contains_key(&number) {
                continue;
            }
            let remembered = |at_first: bool| before.as_ref().map_or(at_first, |set| set.contains(&number));
            let is_constant = matches!(formula, Formula::True | Formula::False);
            let operands = if is_constant {
                Some((false, false))
            } else {
                values.get(&a).copied().zip(values.get(&b).copied())
            };
            let Some((a, b)) = operands else { continue };
            let (value, keep) = match (kind(formula), formula) {
                (Kind::Future, _) => continue,
                (Kind::Boolean, _) => (boolean(formula, a, b), false),
                (_, Formula::Unary(Unary::Yesterday, _)) => (remembered(false), a),
                (_, Formula::Unary(Unary::WeakYesterday, _)) => (remembered(true), a),
                (_, Formula::Unary(Unary::Once(_), _)) => same(a || remembered(false)),
                (_, Formula::Unary(Unary::Historically(_), _)) => same(a && remembered(true)),
                _ => same(b || a && remembered(false)),
            };
            values.insert(number, value);
            if keep {
                memory.insert(number);
            }
        }
        memory
    }

    /// The ways without those that leave all that another leaves and put off all that it puts off.
    fn least(&mut self, mut ways: Vec<Way>) -> Result<Vec<Way>, String> {
        ways.sort_by_key(|way| way.next.len() + way.postponed.len());
        let mut least: Vec<Way> = Vec::new();
        for way in ways {
            self.spend(least.len())?;
            let no_less =
                |other: &Way| other.next.is_subset(&way.next) && other.postponed.is_subset(&way.postponed);
            if !least.iter().any(no_less) {
                least.push(way);
            }
        }
        Ok(least)
    }

    /// Applies the rules until nothing is open.
    fn ways(&mut self, first: Way, values: &HashMap<usize, bool>) -> Result<Vec<Way>, String> {
        let mut complete = Vec::new();
        let mut open = vec![first];
        while let Some(mut way) = open.pop() {
            self.spend(1 + way.size())?;
            let Some((number, holds)) = way.open.pop() else {
                if !contradicts(&way.next) {
                    self.kept += 1 + way.size();
                    complete.push(way);
                }
                continue;
            };
            if way.now.contains(&(number, !holds)) {
                continue;
            }
            let Some(part) = self.subformulas.get(number).filter(|_| way.now.insert((number, holds))) else {
                open.push(way);
                continue;
            };
            let is_future = kind(part.formula) == Kind::Future;
            match values.get(&number) {
                Some(value) if !is_future => {
                    if *value == holds {
                        open.push(way);
                    }
                }
                _ => {
                    let ways = alternatives(number, holds, part);
                    let ways = ways.ok_or_else(|| format!("`{}` has no value", part.formula))?;
                    for (now, next, postponed) in ways {
                        let mut way = way.clone();
                        way.open.extend(now);
                        way.next.extend(next);
                        way.postponed.extend(postponed.then_some((number, holds)));
                        open.push(way);
                    }
                }
            }
        }
        Ok(complete)
    }
}

fn same(value: bool) -> (bool, bool) {
    (value, value)
}

fn contradicts(claims: &BTreeSet<Signed>) -> bool {
    claims.iter().any(|&(number, holds)| holds && claims.contains(&(number, false)))
}

/// The subformula behind each text.
fn read_subformulas(subformulas: &Subformulas<'_>, texts: &[String]) -> Result<Vec<usize>, ProofError> {
    let find = |(number, text): (usize, &String)| {
        let at = || format!("evidence.holds.subformulas[{number}]");
        let unknown = || ProofError::new(at(), format!("`{text}` is no subformula of the formula"));
        subformulas.by_text(text).ok_or_else(unknown)
    };
    texts.iter().enumerate().map(find).collect()
}

fn guessed(subformulas: &Subformulas<'_>) -> Vec<usize> {
    let mut under_past: BTreeSet<usize> = BTreeSet::new();
    // Operators come after their operands, so one pass from the end sees every operator before its operands.
    for (number, part) in subformulas.all().enumerate().rev() {
        let (a, b) = part.operands;
        let leaf = matches!(part.formula, Formula::True | Formula::False | Formula::Atom(_));
        let hands_down = match kind(part.formula) {
            Kind::Past => true,
            Kind::Boolean => !leaf && under_past.contains(&number),
            Kind::Future => false,
        };
        if hands_down {
            under_past.extend([a, b]);
        }
    }
    let is_future =
        |number: &usize| subformulas.get(*number).is_some_and(|part| kind(part.formula) == Kind::Future);
    under_past.into_iter().filter(is_future).collect()
}

/// What makes a claim true: claims of now, and perhaps one of the next step; last, whether that puts an eventuality off.
/// `None` for what is computed and never claimed.
fn alternatives(number: usize, holds: bool, part: Subformula<'_>) -> Option<Vec<Alternative>> {
    let (a, b) = part.operands;
    let again = Some((number, holds));
    let ways = match part.formula {
        Formula::True | Formula::False | Formula::Atom(_) => return None,
        Formula::Unary(operator, _) => match (operator, holds) {
            (Unary::Not, _) => vec![(vec![(a, !holds)], None, false)],
            (Unary::Next | Unary::WeakNext, _) => vec![(vec![], Some((a, holds)), false)],
            (Unary::Finally(_), true) | (Unary::Globally(_), false) => {
                vec![(vec![(a, holds)], None, false), (vec![], again, true)]
            }
            (Unary::Finally(_), false) | (Unary::Globally(_), true) => vec![(vec![(a, holds)], again, false)],
            (Unary::Yesterday | Unary::WeakYesterday | Unary::Once(_) | Unary::Historically(_), _) => {
                return None;
            }
        },
        Formula::Binary(operator, ..) => match operator {
            Binary::And => all_or_any(holds, (a, holds), (b, holds)),
            Binary::Or => all_or_any(!holds, (a, holds), (b, holds)),
            Binary::Implies => all_or_any(!holds, (a, !holds), (b, holds)),
            Binary::Iff => {
                [true, false].map(|left| (vec![(a, left), (b, left == holds)], None, false)).to_vec()
            }
            // φ U ψ is ψ ∨ φ ∧ X(φ U ψ), its negation ¬ψ ∧ (¬φ ∨ X¬(φ U ψ)); W only differs in what may go on for ever.
            Binary::Until(_) | Binary::WeakUntil => {
                let postpones = matches!(operator, Binary::Until(_)) == holds;
                if holds {
                    vec![(vec![(b, true)], None, false), (vec![(a, true)], again, postpones)]
                } else {
                    vec![(vec![(b, false), (a, false)], None, false), (vec![(b, false)], again, postpones)]
                }
            }
            // φ R ψ is ψ ∧ (φ ∨ X(φ R ψ)), its negation ¬ψ ∨ ¬φ ∧ X¬(φ R ψ).
            Binary::Release if holds => {
                vec![(vec![(b, true), (a, true)], None, false), (vec![(b, true)], again, false)]
            }
            Binary::Release => vec![(vec![(b, false)], None, false), (vec![(a, false)], again, true)],
            Binary::Since(_) => return None,
        },
    };
    Some(ways)
}

/// Both claims, or one of them.
fn all_or_any(all: bool, left: Signed, right: Signed) -> Vec<Alternative> {
    if all {
        vec![(vec![left, right], None, false)]
    } else {
        vec![(vec![left], None, false), (vec![right], None, false)]
    }
}
