//! How fast the learner catches a new family of attacks: a stream of labelled texts in which one appears half-way.
//!
//! Each text is judged before its label is learnt (Dawid, *Statistical theory: the prequential approach*, 1984). The
//! detector is a model of the same features that has seen the other families and then stays as it is; the learner, with the
//! settings that it has in the gateway, adds to its score, and its windows stand beside it. What
//! was learnt and both thresholds under the budget of false alarms come into force together, every few labels; the thresholds
//! rest on benign texts that are never learnt, judged by what comes into force (split conformal prediction: Papadopoulos and others,
//! *Inductive confidence machines for regression*, 2002). Recall and false alarms are measured on texts that are not in the stream.

use std::collections::VecDeque;
use std::io::BufRead as _;
use std::path::PathBuf;

use aimds_detect::lexical::ngrams;
use aimds_learn::{Hashed, LearnerConfig, Random, TextConfig, TextLane, threshold};
use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::data::{self, Row};

/// Holds out each family in turn and prints what happens as JSON.
#[derive(clap::Args)]
pub struct Arguments {
    /// Rows with `category`, `.jsonl` or `.jsonl.zst`. Use `train` only.
    #[arg(long)]
    data: PathBuf,
    /// Families (values of `category`) that appear half-way, one run each.
    #[arg(long, default_values_t = ["encoded", "jailbreak", "system_prompt_extraction", "indirect_injection"].map(String::from))]
    family: Vec<String>,
    /// Texts of the stream.
    #[arg(long, default_value_t = 10_000)]
    stream: usize,
    /// Share of the stream that gets a label.
    #[arg(long, default_value_t = 1.0)]
    labelled: f64,
    /// Permitted rate of false alarms.
    #[arg(long, default_value_t = 0.01)]
    budget: f64,
    /// Seed of the order.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Share of attacks in the stream, and of the new family among them once it is there.
const ATTACKS: f64 = 0.2;
const NEW: f64 = 0.5;
/// Texts that the detector was trained on before.
const BEFORE: usize = 12_000;
/// Texts of each kind that recall and false alarms are measured on.
const HELD_OUT: usize = 300;
const HELD_OUT_BENIGN: usize = 3000;
/// Labels between two models that come into force, each with its threshold, and between two measurements.
const EVERY: usize = 20;
/// Of so many benign labels one is for the threshold alone.
const CALIBRATES: usize = 4;
/// Texts that a rehearsal draws from, and how many it draws, as the learner does.
const KEPT: usize = 2048;
const DRAWN: usize = 5;
/// What the score may use of the budget; the windows take what it leaves.
const SCORES_SHARE: f64 = 0.5;
/// Benign scores that the threshold rests on.
const WINDOW: usize = 3000;
/// That the threshold keeps the budget; the learner's threshold proposals have the same.
const CONFIDENCE: f64 = 0.9;
const LONGEST: usize = 4000;

struct Text {
    /// Its place among all texts.
    place: usize,
    indices: Vec<u32>,
    words: Vec<u32>,
    attack: bool,
    family: String,
}

/// What happened in one run.
#[derive(Serialize)]
struct Report {
    family: String,
    /// Recall of known families when the new one appears.
    known_before: f64,
    /// Recall of the new one then: what is lost is the difference.
    new_before: f64,
    /// Labels of any kind, and of the new family alone, until 90 % of the loss was made good with false alarms in budget. The
    /// promise counts those of the family.
    labels_to_recover: Option<usize>,
    new_labels_to_recover: Option<usize>,
    /// At the end of the stream.
    new_after: f64,
    known_after: f64,
    held_out_false_alarms: f64,
    /// Of the benign texts of the stream, judged as they came.
    false_alarms: f64,
    /// The worst thousand benign texts in a row.
    worst_thousand: f64,
    budget: f64,
    /// Labels since the new family appeared, labels of it, recall of it, false alarms of held-out texts.
    curve: Vec<(usize, usize, f64, f64)>,
}

/// Runs every family.
pub fn run(arguments: &Arguments) -> Result<()> {
    let texts = read(&arguments.data)?;
    let reports: Vec<Report> = arguments
        .family
        .iter()
        .map(|family| one(&texts, family, arguments).with_context(|| format!("family {family}")))
        .collect::<Result<_>>()?;
    println!("{}", serde_json::to_string_pretty(&reports)?);
    Ok(())
}

fn read(path: &std::path::Path) -> Result<Vec<Text>> {
    let mut texts = Vec::new();
    for line in data::open(path)?.lines() {
        let row: Row = serde_json::from_str(&line?)?;
        let text = row.text[..row.text.floor_char_boundary(LONGEST)].to_lowercase();
        let (mut indices, words) = ngrams(&text);
        indices.sort_unstable();
        indices.dedup();
        if !indices.is_empty() {
            texts.push(Text {
                place: texts.len(),
                indices,
                words,
                attack: row.is_attack(),
                family: row.category,
            });
        }
    }
    Ok(texts)
}

/// Takes texts of one kind in random order, each once.
struct Deck<'a>(Vec<&'a Text>);

impl<'a> Deck<'a> {
    fn new(texts: &'a [Text], random: &mut Random, wanted: impl Fn(&Text) -> bool) -> Self {
        let mut deck: Vec<&Text> = texts.iter().filter(|text| wanted(text)).collect();
        for last in (1..deck.len()).rev() {
            deck.swap(last, random.below(last + 1));
        }
        Self(deck)
    }

    fn take(&mut self, n: usize) -> Vec<&'a Text> {
        self.0.split_off(self.0.len().saturating_sub(n))
    }
}

struct Stream<'a> {
    before: Vec<&'a Text>,
    texts: Vec<&'a Text>,
    known: Vec<&'a Text>,
    new: Vec<&'a Text>,
    benign: Vec<&'a Text>,
    calibration: Vec<&'a Text>,
}

fn stream<'a>(texts: &'a [Text], family: &str, length: usize, random: &mut Random) -> Result<Stream<'a>> {
    let mut known = Deck::new(texts, random, |text| text.attack && text.family != family);
    let mut new = Deck::new(texts, random, |text| text.attack && text.family == family);
    let mut benign = Deck::new(texts, random, |text| !text.attack);
    anyhow::ensure!(new.0.len() >= 2 * HELD_OUT, "only {} attacks", new.0.len());
    let held_out = [known.take(HELD_OUT), new.take(HELD_OUT), benign.take(HELD_OUT_BENIGN)];
    let calibration = benign.take(WINDOW);
    let mut mixed = |length: usize, new_share: f64, random: &mut Random| {
        let mut mix = Vec::new();
        while mix.len() < length {
            let deck = match random.unit() < ATTACKS {
                true if random.unit() < new_share && !new.0.is_empty() => &mut new,
                true => &mut known,
                false => &mut benign,
            };
            mix.push(deck.0.pop()?);
        }
        Some(mix)
    };
    let before = mixed(BEFORE, 0.0, random).context("too few rows")?;
    let mut texts = mixed(length / 2, 0.0, random).context("too few rows")?;
    texts.extend(mixed(length - length / 2, NEW, random).context("too few rows")?);
    let [known, new, benign] = held_out;
    Ok(Stream { before, texts, known, new, benign, calibration })
}

impl Text {
    fn hashed(&self) -> Hashed<'_> {
        Hashed { indices: &self.indices, words: &self.words }
    }
}

/// The detector that stays as it is, and what is in force: a model on top of it, and the threshold.
struct Judge<'a> {
    /// What the detector says of each text.
    detector: Vec<f64>,
    lane: TextLane,
    threshold: f64,
    /// Benign texts that no model has learnt.
    calibration: VecDeque<&'a Text>,
}

impl<'a> Judge<'a> {
    fn calibrate(&mut self, text: &'a Text) {
        if self.calibration.len() == WINDOW {
            self.calibration.pop_front();
        }
        self.calibration.push_back(text);
    }

    /// Puts what was learnt in force, with its thresholds.
    fn publish(&mut self, learnt: &TextLane, budget: f64) -> Result<()> {
        let mut lane = learnt.clone();
        let known = self.calibration.iter().map(|text| (self.base(text), text.hashed()));
        let benign: Vec<f64> =
            known.clone().map(|(base, text)| base + lane.adjustment(text.indices)).collect();
        let threshold = threshold(&benign, SCORES_SHARE * budget, CONFIDENCE)?.score;
        lane.calibrate(known, threshold, budget, CONFIDENCE)?;
        (self.lane, self.threshold) = (lane, threshold);
        Ok(())
    }

    fn base(&self, text: &Text) -> f64 {
        self.detector.get(text.place).copied().unwrap_or_default()
    }

    fn score(&self, text: &Text) -> f64 {
        self.base(text) + self.lane.adjustment(&text.indices)
    }

    fn detects(&self, text: &Text) -> bool {
        self.score(text) > self.threshold || self.lane.alarms(&text.words)
    }

    fn rate(&self, texts: &[&Text]) -> f64 {
        let above = texts.iter().filter(|text| self.detects(text)).count();
        above as f64 / texts.len().max(1) as f64
    }
}

fn one(texts: &[Text], family: &str, arguments: &Arguments) -> Result<Report> {
    let mut random = Random::new(arguments.seed);
    // Apart, so that the order of the stream does not depend on what is rehearsed.
    let mut rehearsal = Random::new(!arguments.seed);
    let stream = stream(texts, family, arguments.stream, &mut random)?;
    let mut lane = TextLane::new(LearnerConfig::new(1, 2).text)?;
    let mut detector = TextLane::new(TextConfig { bits: 20, alpha: 2.0, ..TextConfig::default() })?;
    for text in &stream.before {
        // No windows: only the learner has them.
        detector.learn(Hashed { words: &[], ..text.hashed() }, 0.0, text.attack, 1.0)?;
    }
    let detector = texts.iter().map(|text| detector.logit(&text.indices)).collect();
    let calibration = stream.calibration.into();
    let mut judge = Judge { detector, lane: lane.clone(), threshold: f64::INFINITY, calibration };
    let mut remembered: VecDeque<&Text> = VecDeque::new();
    judge.publish(&lane, arguments.budget)?;
    let appears = arguments.stream / 2;
    let (mut learnt, mut benign, mut labels, mut of_new) = (0, 0, 0, 0);
    let (mut alarms, mut curve, mut before) = (Vec::new(), Vec::new(), None);
    let mut recovered = None;
    for (at, text) in stream.texts.iter().enumerate() {
        if at == appears {
            before = Some((judge.rate(&stream.known), judge.rate(&stream.new)));
        }
        if !text.attack {
            alarms.push(judge.detects(text));
        }
        if random.unit() >= arguments.labelled {
            continue;
        }
        benign += usize::from(!text.attack);
        if !text.attack && benign % CALIBRATES == 0 {
            judge.calibrate(text);
        } else {
            lane.learn(text.hashed(), judge.base(text), text.attack, 1.0)?;
            let drawn = [(); DRAWN].map(|()| rehearsal.below(remembered.len()));
            let drawn = drawn.into_iter().filter_map(|place| remembered.get(place));
            lane.rehearse(drawn.filter(|text| !text.attack).map(|text| text.words.as_slice()));
            if remembered.len() == KEPT {
                remembered.pop_front();
            }
            remembered.push_back(text);
        }
        learnt += 1;
        if learnt % EVERY == 0 {
            judge.publish(&lane, arguments.budget)?;
        }
        let Some((known_before, new_before)) = before else { continue };
        labels += 1;
        of_new += usize::from(text.attack && text.family == family);
        if learnt % EVERY == 0 {
            let (recall, false_alarms) = (judge.rate(&stream.new), judge.rate(&stream.benign));
            curve.push((labels, of_new, recall, false_alarms));
            let goal = new_before + 0.9 * (known_before - new_before);
            let reached = recall >= goal && false_alarms <= arguments.budget;
            recovered = recovered.or(reached.then_some((labels, of_new)));
        }
    }
    let (known_before, new_before) = before.context("the stream is too short")?;
    let share =
        |alarms: &[bool]| alarms.iter().filter(|alarm| **alarm).count() as f64 / alarms.len().max(1) as f64;
    Ok(Report {
        family: family.to_owned(),
        known_before,
        new_before,
        labels_to_recover: recovered.map(|(labels, _)| labels),
        new_labels_to_recover: recovered.map(|(_, of_new)| of_new),
        new_after: judge.rate(&stream.new),
        known_after: judge.rate(&stream.known),
        held_out_false_alarms: judge.rate(&stream.benign),
        false_alarms: share(&alarms),
        worst_thousand: alarms.windows(alarms.len().clamp(1, 1000)).map(share).fold(0.0, f64::max),
        budget: arguments.budget,
        curve,
    })
}
