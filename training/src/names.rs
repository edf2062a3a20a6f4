//! Recipe of the tagger of names and addresses: a linear-chain conditional random field, trained by stochastic gradient
//! descent with steps of its own for each weight (AdaGrad, Duchi et al. 2011), quantised, measured, written.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use aimds_detect::names::{
    FAMILY, FEATURES, GIVEN, Gazetteer, LABELS, LEXICAL, LISTS, Label, ORDINARY, PLACE, SLOTS, Tagger,
    features, forward_backward, read, word_hash,
};
use aimds_detect::validators::{Hit, Kind, PiiKind};
use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::data::{hash, open};
use crate::random::Random;

/// Settings of the recipe; the defaults are what ships.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder that `training/names/compose.py` wrote.
    #[arg(long)]
    made: PathBuf,
    /// The tuning half that `training/names/halves.py` wrote.
    #[arg(long)]
    tuning: PathBuf,
    /// Folder that the model and its card are written to; nothing is written without it.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Passes over the data.
    #[arg(long, default_value_t = 6)]
    epochs: usize,
    /// Step size.
    #[arg(long, default_value_t = 0.12)]
    rate: f32,
    /// Share of tokens whose words, and share of tokens whose lists, are hidden.
    #[arg(long, default_value_t = 0.25)]
    dropout: f32,
    /// How often the tuning half counts.
    #[arg(long, default_value_t = 2)]
    tuned: usize,
    /// Leave out the tuning half, to see what its templates bring.
    #[arg(long)]
    without_tuning: bool,
    /// Seed of everything that is drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print wrong spans of texts that were not trained on.
    #[arg(long)]
    show: bool,
}

#[derive(Deserialize)]
struct Row {
    text: String,
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Span {
    start: usize,
    end: usize,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    skip: bool,
}

/// A text with the byte ranges of what is labelled in it.
struct Labelled {
    text: String,
    spans: Vec<(Range<usize>, Label)>,
    /// What nobody is sure of.
    skipped: Vec<Range<usize>>,
}

/// A part of a text: the facts about each token and what it is.
struct Example {
    facts: Vec<[u32; FEATURES]>,
    labels: Vec<Label>,
}

/// Runs the recipe.
///
/// # Errors
/// Says which file could not be read or written.
pub fn run(arguments: &Arguments) -> Result<()> {
    let gazetteer = lists(&arguments.made.join("lists.json"))?;
    let composed = rows(&arguments.made.join("composed.jsonl"))?;
    let ordinary = rows(&arguments.made.join("ordinary.jsonl"))?;
    let tuning = rows(&arguments.tuning)?;
    let (held, composed) = parted(composed);
    let (held_ordinary, ordinary) = parted(ordinary);
    let mut examples = Vec::new();
    for row in composed.iter().chain(&ordinary) {
        cut(row, &gazetteer, &mut examples);
    }
    for _ in 0..if arguments.without_tuning { 0 } else { arguments.tuned } {
        for row in &tuning {
            cut(row, &gazetteer, &mut examples);
        }
    }
    println!("{} parts of texts", examples.len());
    let weights = train(&examples, arguments);
    let tagger = weights.quantised(gazetteer)?;
    let mut measured = BTreeMap::new();
    for (name, rows) in [("composed", &held), ("ordinary", &held_ordinary), ("tuning", &tuning)] {
        measured.insert(name, measure(name, &tagger, rows, arguments.show && name != "tuning"));
    }
    if let Some(out) = &arguments.out {
        let bytes = tagger.bytes();
        let card = json!({
            "recipe": "cargo xtask train names",
            "settings": {
                "epochs": arguments.epochs, "rate": arguments.rate, "dropout": arguments.dropout,
                "tuned": arguments.tuned, "seed": arguments.seed,
            },
            "rows": {"composed": composed.len(), "ordinary": ordinary.len(), "tuning": tuning.len()},
            "parts": examples.len(),
            "measured": measured,
            "sha256": hex(&Sha256::digest(&bytes)),
        });
        write(&out.join("names.bin"), &bytes)?;
        write(&out.join("names.json"), format!("{}\n", serde_json::to_string_pretty(&card)?).as_bytes())?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("failed to write {}", path.display()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lists(path: &Path) -> Result<Gazetteer> {
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let lists: BTreeMap<String, Vec<String>> = serde_json::from_str(&text)?;
    let mut gazetteer = Gazetteer::new();
    for (name, list) in [("ordinary", ORDINARY), ("given", GIVEN), ("family", FAMILY), ("place", PLACE)] {
        for word in lists.get(name).with_context(|| format!("no list {name:?} in {}", path.display()))? {
            gazetteer.insert(word_hash(word), list);
        }
    }
    Ok(gazetteer)
}

fn rows(path: &Path) -> Result<Vec<Labelled>> {
    let mut rows = Vec::new();
    for (number, line) in open(path)?.lines().enumerate() {
        let row: Row = serde_json::from_str(&line?)
            .with_context(|| format!("failed to parse line {} of {}", number + 1, path.display()))?;
        rows.push(labelled(row));
    }
    Ok(rows)
}

/// Byte ranges for code points; parts of one address that stand beside each other become one.
fn labelled(row: Row) -> Labelled {
    let mut places: Vec<usize> = row.text.char_indices().map(|(at, _)| at).collect();
    places.push(row.text.len());
    let byte = |at: usize| places[at.min(places.len() - 1)];
    let mut found: Vec<(Range<usize>, &str, bool)> = row
        .spans
        .iter()
        .map(|span| (byte(span.start)..byte(span.end), span.kind.as_str(), span.skip))
        .collect();
    found.sort_by_key(|(range, ..)| range.start);
    let beside = |one: &Range<usize>, two: &Range<usize>| {
        two.start >= one.end
            && two.start - one.end <= 4
            && !row.text[one.end..two.start].contains(char::is_alphanumeric)
    };
    for _ in 0..2 {
        for at in 0..found.len() {
            let near = |other: Option<&(Range<usize>, &str, bool)>, range: &Range<usize>| {
                other.is_some_and(|(other, kind, _)| {
                    *kind == "ADDRESS" && (beside(other, range) || beside(range, other))
                })
            };
            let range = found[at].0.clone();
            if found[at].1 == "LOCATION"
                && (near(at.checked_sub(1).and_then(|at| found.get(at)), &range)
                    || near(found.get(at + 1), &range))
            {
                found[at].1 = "ADDRESS";
            }
        }
    }
    let mut spans: Vec<(Range<usize>, Label)> = Vec::new();
    for (range, kind, _) in found.iter().filter(|(.., skip)| !skip) {
        match (*kind, spans.last_mut()) {
            ("ADDRESS", Some((last, Label::Address))) if beside(last, range) => last.end = range.end,
            ("ADDRESS", _) => spans.push((range.clone(), Label::Address)),
            ("PERSON", _) => spans.push((range.clone(), Label::Person)),
            _ => {}
        }
    }
    let skipped = found.iter().filter(|(.., skip)| *skip).map(|(range, ..)| range.clone()).collect();
    Labelled { text: row.text, spans, skipped }
}

/// A twentieth of the rows, by their text, and the rest.
fn parted(rows: Vec<Labelled>) -> (Vec<Labelled>, Vec<Labelled>) {
    rows.into_iter().partition(|row| hash(&row.text) % 20 == 0)
}

/// What the model has to label in a row.
fn cut(row: &Labelled, gazetteer: &Gazetteer, examples: &mut Vec<Example>) {
    let (tokens, segments) = read(&row.text, gazetteer);
    for segment in segments {
        let part = &tokens[segment.clone()];
        let doubtful = |range: &Range<usize>| {
            part.iter().any(|token| token.range().start < range.end && range.start < token.range().end)
        };
        if row.skipped.iter().any(doubtful) {
            continue;
        }
        let label = |range: Range<usize>| {
            let within = |span: &Range<usize>| span.start <= range.start && range.start < span.end;
            row.spans.iter().find(|(span, _)| within(span)).map_or(Label::Other, |(_, label)| *label)
        };
        examples.push(Example {
            facts: segment.map(|at| features(&row.text, &tokens, at)).collect(),
            labels: part.iter().map(|token| label(token.range())).collect(),
        });
    }
}

/// Weights and, for each, the sum of the squares of its gradients.
struct Weights {
    table: Vec<[f32; LABELS]>,
    squares: Vec<[f32; LABELS]>,
    transitions: [[f32; LABELS]; LABELS],
    transition_squares: [[f32; LABELS]; LABELS],
}

fn train(examples: &[Example], arguments: &Arguments) -> Weights {
    let mut weights = Weights {
        table: vec![[0.0; LABELS]; SLOTS],
        squares: vec![[0.0; LABELS]; SLOTS],
        transitions: [[0.0; LABELS]; LABELS],
        transition_squares: [[0.0; LABELS]; LABELS],
    };
    let mut random = Random::new(arguments.seed);
    let mut order: Vec<usize> = (0..examples.len()).collect();
    for epoch in 0..arguments.epochs {
        for last in (1..order.len()).rev() {
            order.swap(last, random.below(last + 1));
        }
        let mut loss = 0.0;
        for &at in &order {
            loss += f64::from(weights.step(&examples[at], arguments, &mut random));
        }
        println!("pass {}: loss {:.4} a part", epoch + 1, loss / examples.len() as f64);
    }
    weights
}

impl Weights {
    /// One step towards one example. Returns its loss, without that of the steps between labels.
    fn step(&mut self, example: &Example, arguments: &Arguments, random: &mut Random) -> f32 {
        let mut facts = example.facts.clone();
        for facts in &mut facts {
            // A slot that is hidden is slot 0 of nothing: it is left out of sums and steps.
            if random.signed().abs() < arguments.dropout {
                facts[LEXICAL].fill(u32::MAX);
            }
            if random.signed().abs() < arguments.dropout {
                facts[LISTS].fill(u32::MAX);
            }
        }
        let likelihoods: Vec<[f32; LABELS]> = facts.iter().map(|facts| self.likelihoods(facts)).collect();
        let factors = self.transitions.map(|row| row.map(f32::exp));
        let mut marginals = Vec::new();
        forward_backward(likelihoods.iter().copied(), &factors, &mut Vec::new(), &mut marginals);
        let mut loss = 0.0;
        for ((facts, marginal), gold) in facts.iter().zip(&marginals).zip(&example.labels) {
            loss -= gold.of(marginal).max(1e-9).ln();
            let mut gradient = *marginal;
            gradient[*gold as usize] -= 1.0;
            if gradient.iter().all(|part| part.abs() < 1e-3) {
                continue;
            }
            for &slot in facts.iter().filter(|&&slot| slot != u32::MAX) {
                let (row, squares) = (&mut self.table[slot as usize], &mut self.squares[slot as usize]);
                for label in 0..LABELS {
                    adagrad(&mut row[label], &mut squares[label], gradient[label], arguments.rate);
                }
            }
        }
        self.step_between(example, &likelihoods, &marginals, &factors, arguments.rate);
        loss
    }

    fn likelihoods(&self, facts: &[u32; FEATURES]) -> [f32; LABELS] {
        let mut sums = [0.0; LABELS];
        for &slot in facts.iter().filter(|&&slot| slot != u32::MAX) {
            for (sum, weight) in sums.iter_mut().zip(self.table[slot as usize]) {
                *sum += weight;
            }
        }
        let most = sums.into_iter().fold(f32::MIN, f32::max);
        sums.map(|sum| (sum - most).exp())
    }

    /// The step of the transitions: expected less observed pairs. The probability of a pair follows from the marginals of
    /// both ends, since what is before a pair and what is after it meet in it alone.
    fn step_between(
        &mut self,
        example: &Example,
        likelihoods: &[[f32; LABELS]],
        marginals: &[[f32; LABELS]],
        factors: &[[f32; LABELS]; LABELS],
        rate: f32,
    ) {
        let mut gradient = [[0.0_f32; LABELS]; LABELS];
        let forward = prefixes(likelihoods, factors);
        for at in 1..marginals.len() {
            // P(a, b) = P(b) · forward(a) · factor(a, b) / Σ forward(a') · factor(a', b)
            for next in 0..LABELS {
                let sum: f32 = (0..LABELS).map(|label| forward[at - 1][label] * factors[label][next]).sum();
                for label in 0..LABELS {
                    gradient[label][next] +=
                        marginals[at][next] * forward[at - 1][label] * factors[label][next] / sum.max(1e-30);
                }
            }
            gradient[example.labels[at - 1] as usize][example.labels[at] as usize] -= 1.0;
        }
        for label in 0..LABELS {
            for next in 0..LABELS {
                adagrad(
                    &mut self.transitions[label][next],
                    &mut self.transition_squares[label][next],
                    gradient[label][next],
                    rate,
                );
            }
        }
    }

    fn quantised(&self, gazetteer: Gazetteer) -> Result<Tagger> {
        let most = self.table.as_flattened().iter().fold(0.0_f32, |most, weight| most.max(weight.abs()));
        let step = most.max(1e-6) / 127.0;
        let weights = self.table.iter().map(|row| {
            let [a, b, c] = row.map(|weight| (weight / step).round() as i8);
            [a, b, c, 0]
        });
        Ok(Tagger::new(step, self.transitions, weights.collect(), gazetteer)?)
    }
}

fn adagrad(weight: &mut f32, squares: &mut f32, gradient: f32, rate: f32) {
    *squares += gradient * gradient;
    *weight -= rate * gradient / (1.0 + *squares).sqrt();
}

/// The probability of each label given all tokens up to its own.
fn prefixes(likelihoods: &[[f32; LABELS]], factors: &[[f32; LABELS]; LABELS]) -> Vec<[f32; LABELS]> {
    let mut states: Vec<[f32; LABELS]> = Vec::with_capacity(likelihoods.len());
    for likelihood in likelihoods {
        let mut state = [0.0; LABELS];
        for (next, slot) in state.iter_mut().enumerate() {
            let before = states
                .last()
                .map_or(1.0, |before| (0..LABELS).map(|label| before[label] * factors[label][next]).sum());
            *slot = before * likelihood[next];
        }
        let sum: f32 = state.iter().sum();
        states.push(state.map(|part| part / sum.max(1e-30)));
    }
    states
}

/// Recall and precision of spans (half of what both cover), by kind and least confidence.
fn measure(name: &str, tagger: &Tagger, rows: &[Labelled], show: bool) -> BTreeMap<String, [f64; 2]> {
    let mut rates = BTreeMap::new();
    for (label, kind) in [(Label::Person, PiiKind::Person), (Label::Address, PiiKind::Address)] {
        for least in [0.5, 0.6, 0.7, 0.8, 0.9] {
            let (mut spans, mut found, mut right) = (0, 0, 0);
            for row in rows {
                let hits: Vec<Hit> = tagger.tag(&row.text);
                let hits: Vec<&Hit> = hits
                    .iter()
                    .filter(|hit| hit.kind == Kind::Pii(kind) && hit.confidence >= least)
                    .filter(|hit| {
                        !row.skipped.iter().any(|span| span.start < hit.end && hit.start < span.end)
                    })
                    .collect();
                let wanted: Vec<_> =
                    row.spans.iter().filter(|(_, of)| *of == label).map(|(span, _)| span).collect();
                let matched = wanted.iter().filter(|span| hits.iter().any(|hit| is_same(span, hit))).count();
                (spans, found, right) = (spans + wanted.len(), found + hits.len(), right + matched);
                for hit in hits
                    .iter()
                    .filter(|hit| show && least == 0.7 && !wanted.iter().any(|span| is_same(span, hit)))
                {
                    let around = row.text.floor_char_boundary(hit.start.saturating_sub(30));
                    println!(
                        "  wrong {:?} {:.2} in {:?}",
                        &row.text[hit.start..hit.end],
                        hit.confidence,
                        row.text[around..].chars().take(100).collect::<String>()
                    );
                }
            }
            let share = |of: usize| if of == 0 { 0.0 } else { right as f64 / of as f64 };
            println!(
                "{name} {} from {least}: recall {:.3} of {spans}, precision {:.3} of {found}",
                kind.id(),
                share(spans),
                share(found)
            );
            rates.insert(format!("{} from {least}", kind.id()), [share(spans), share(found)]);
        }
    }
    rates
}

fn is_same(span: &Range<usize>, hit: &Hit) -> bool {
    let both = span.end.min(hit.end).saturating_sub(span.start.max(hit.start));
    2 * both >= span.end.max(hit.end) - span.start.min(hit.start)
}
