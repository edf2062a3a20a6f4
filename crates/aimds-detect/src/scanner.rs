//! One message in, its findings and its risk out.

use std::borrow::Cow;
use std::ops::Range;

use aimds_text::{Exhausted, Limits, Normalised, Transform, View, normalise};

use crate::encoder::{Encoder, EncoderError, Judgement, Window};
use crate::known::{CUTOFF, KnownAttack, KnownAttacks, NEAR};
use crate::lexical::{Head, LexicalModel, RuleEvidence, Scores, evidence};
use crate::names::{Tagger, beside};
use crate::orders::{Actions, MOST_ORDERS, Order, orders};
use crate::rules::{RuleHit, RuleMask, RuleSet, Severity, Status};
use crate::validators::{self, Hit, Kind};
use crate::{Category, Detector, Finding, Message, Origin};

/// What detection says about one message.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageScan {
    /// Calibrated probability in \[0, 1\] that the message manipulates the model.
    pub score: f32,
    /// Everything found.
    pub findings: Vec<Finding>,
    /// The budget that ran out before everything was looked at.
    pub exhausted: Option<ScanExhausted>,
    /// What tier 2 did.
    pub deep: Deep,
    /// The sentences of text by tools and of documents that order something.
    pub orders: Vec<Ordering>,
}

/// A sentence of a message that orders something.
#[derive(Clone, Debug, PartialEq)]
pub struct Ordering {
    /// Byte range in the original text, on character boundaries.
    pub span: Range<usize>,
    /// What it wants done.
    pub actions: Actions,
    /// Probability in \[0, 1\] that an assistant is meant.
    pub confidence: f32,
}

/// What tier 2 did for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deep {
    /// Tier 1 was sure, or nobody wanted tier 2.
    NotNeeded,
    /// It looked at everything.
    Done,
    /// No encoder is loaded.
    Missing,
    /// The deadline passed, or there were more windows than the request may use.
    Late,
    /// The encoder failed.
    Failed,
}

/// How much of tier 2 one message may use.
pub struct Effort<'a> {
    /// Tier 2 looks where the score of tier 1 lies between these; `None`: nowhere.
    pub band: Option<(f32, f32)>,
    /// Windows left; each that is looked at is taken off.
    pub windows: &'a mut usize,
    /// Whether the deadline has passed. Asked before every few windows.
    pub expired: &'a dyn Fn() -> bool,
}

/// A budget of the scan that ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScanExhausted {
    /// A budget of normalisation.
    Text(Exhausted),
    /// More findings than are reported for one message.
    Findings,
    /// More names and addresses than are reported for one message; everything else was looked at.
    Names,
}

/// Rules, validators and models, ready for use. Immutable: one instance serves every thread.
#[derive(Debug)]
pub struct Scanner {
    rules: RuleSet,
    lexical: Option<LexicalModel>,
    known: Option<KnownAttacks>,
    encoder: Option<Encoder>,
    names: Option<Tagger>,
    limits: Limits,
}

/// Windows that tier 2 looks at between two looks at the deadline.
const WINDOWS_AT_ONCE: usize = 4;
/// Bytes of a view that tier 2 cuts into windows at most; a text with more is late.
const LONGEST_DEEP: usize = 128 * 1024;
/// Most findings of one message; a text of a million e-mail addresses is one problem, not a million.
const MOST_FINDINGS: usize = 256;
/// Most names and addresses of one message, beside the other findings.
const MOST_NAMES: usize = 1024;
/// Below this probability the model has nothing to report.
const REPORTED: f32 = 0.35;
/// Signs that the explanation of an order names.
const MOST_SIGNS: usize = 3;
/// How much likelier an attack is where somebody hid its words.
const HIDING_ODDS: f32 = 3.0;
/// Below this probability a sentence that orders something is what documents for people hold, and lifts no score.
const ORDERED: f32 = 0.4;
/// How much likelier an order is meant for an assistant in the texts that scores are for than among the clauses of documents, on
/// which its signs were fitted: with these odds 15 of 18,284 benign documents that the fit has not seen reach a score of 0.9 by an
/// order alone (`training/orders/fit.py --odds`), and orders that the signs are sure of are enough for it.
const ORDERED_ODDS: f32 = 5.0;
/// From this probability on a text is searched for known attacks, which costs as much as everything else in tier 1: few
/// ordinary texts have it, and hardly a known attack has not.
const KNOWN_FROM: f32 = 0.05;
/// What a known attack speaks for: of dev, test_public and clean_10k together 0.4 % of the texts that hold one are benign.
const KNOWN_ATTACK: f32 = 0.97;
/// What a rule that decides speaks for; of 91,084 benign texts of the training data and dev three hold one.
const DECIDED: f32 = 0.97;
/// What readable text behind characters that are not drawn says by itself.
const HIDDEN_TEXT: f32 = 0.95;

impl Scanner {
    /// A scanner. Without a model it still finds what rules and validators know.
    #[must_use]
    pub fn new(rules: RuleSet, lexical: Option<LexicalModel>, limits: Limits) -> Self {
        Self { rules, lexical, known: None, encoder: None, names: None, limits }
    }

    /// The same with a library of known attacks.
    #[must_use]
    pub fn with_known(self, known: KnownAttacks) -> Self {
        Self { known: Some(known), ..self }
    }

    /// The same with tier 2.
    #[must_use]
    pub fn with_encoder(self, encoder: Encoder) -> Self {
        Self { encoder: Some(encoder), ..self }
    }

    /// The same with a tagger of names and addresses.
    #[must_use]
    pub fn with_names(self, names: Tagger) -> Self {
        Self { names: Some(names), ..self }
    }

    /// The same for `threads` texts beside each other: as many may be in tier 2, and for so many the automata of the rules
    /// are kept.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        let encoder = self.encoder.map(|encoder| encoder.with_threads(threads));
        Self { rules: self.rules.with_threads(threads), encoder, ..self }
    }

    /// The rules in use.
    #[must_use]
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Whether a model is loaded.
    #[must_use]
    pub fn has_model(&self) -> bool {
        self.lexical.is_some()
    }

    /// The known attacks that a message holds in any of its readings or comes near to ([`NEAR`]), the most similar first, at most
    /// `most`; each at its place in the original text.
    #[must_use]
    pub fn known_attacks(&self, message: &Message, most: usize) -> Vec<KnownAttack<'_>> {
        let Some(known) = &self.known else { return Vec::new() };
        let mut found: Vec<KnownAttack<'_>> = Vec::new();
        for view in normalise(&message.text, &self.limits).views {
            for mut attack in known.find(&view.canonical.text, NEAR, most) {
                if found.iter().any(|other| other.id == attack.id && other.similarity >= attack.similarity) {
                    continue;
                }
                let map = &view.canonical.map;
                attack.span = map.span(attack.span);
                attack.words = attack.words.into_iter().map(|word| map.span(word)).collect();
                found.retain(|other| other.id != attack.id);
                found.push(attack);
            }
        }
        found.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
        found.truncate(most);
        found
    }

    /// Looks at one message; `position` is its place in the conversation, `mask` the rules that are switched off.
    ///
    /// The operator's own text is searched for personal data and secrets only.
    #[must_use]
    pub fn scan(
        &self,
        position: usize,
        message: &Message,
        mask: &RuleMask,
        effort: &mut Effort<'_>,
    ) -> MessageScan {
        let normalised = normalise(&message.text, &self.limits);
        let mut exhausted = normalised.exhausted.map(ScanExhausted::Text);
        let mut report = Report { position, findings: Vec::new() };
        let mut names = data(&normalised, self.names.as_ref(), &mut report);
        let (mut score, mut deep) = (0.0, Deep::NotNeeded);
        let mut ordered = Vec::new();
        if message.origin != Origin::System {
            let rules = self.apply_rules(&normalised, message.origin, mask, &mut report);
            let Wording { score: wording, suspicion, shown } =
                self.apply_model(&normalised, message.origin, rules, &mut report);
            let known = self.apply_known(&normalised, shown, &mut report);
            let hidden = invisible(&normalised, &mut report);
            let unsure =
                |(from, to): &(f32, f32)| [wording, suspicion].iter().any(|x| (*from..=*to).contains(x));
            let wording = match effort.band.filter(unsure) {
                None => wording,
                Some(_) => {
                    let (done, joined) =
                        self.apply_encoder(&normalised, message.origin, wording, effort, &mut report);
                    deep = done;
                    joined
                }
            };
            let planted = match head(message.origin) {
                Head::Orders => self.apply_orders(&normalised, &mut ordered, &mut report),
                Head::Manipulation => 0.0,
            };
            let decided = if rules.decided { DECIDED } else { 0.0 };
            // What the models say was calibrated without the known attacks and the rules that decide.
            let wording = wording.max(known).max(decided);
            // What is hidden, what the words say and what is ordered are independent causes (noisy or).
            score = 1.0 - (1.0 - wording) * (1.0 - hidden) * (1.0 - planted);
        }
        if report.findings.len() > MOST_FINDINGS {
            report.findings.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
            report.findings.truncate(MOST_FINDINGS);
            exhausted.get_or_insert(ScanExhausted::Findings);
        }
        if names.len() > MOST_NAMES {
            names.truncate(MOST_NAMES);
            exhausted.get_or_insert(ScanExhausted::Names);
        }
        report.findings.append(&mut names);
        let score = score.clamp(0.0, 1.0);
        MessageScan { score, findings: report.findings, exhausted, deep, orders: ordered }
    }

    /// The sentences of every view that order something; the probability that the likeliest of them is meant for an assistant.
    fn apply_orders(&self, normalised: &Normalised, ordered: &mut Vec<Ordering>, report: &mut Report) -> f32 {
        let mut best: Option<(f32, &View, Range<usize>, Order)> = None;
        // What is read by spelling words anew has its clauses, names and values torn apart: records become sentences.
        let respelt = |view: &&View| view.transforms.iter().any(|transform| transform.is_spelling());
        for view in normalised.views.iter().filter(|view| !respelt(view)) {
            let mapped = view.remainder.as_ref().unwrap_or(&view.canonical);
            for order in orders(&mapped.text).found {
                let span = mapped.map.span(order.range.clone());
                let hides = view.hides(span.clone());
                let confidence = if hides { raise(order.confidence) } else { order.confidence };
                if ordered.len() < MOST_ORDERS {
                    ordered.push(Ordering { span: span.clone(), actions: order.actions, confidence });
                }
                if best.as_ref().is_none_or(|(top, ..)| confidence > *top) {
                    best = Some((confidence, view, span, order));
                }
            }
        }
        let best = best.filter(|(confidence, ..)| *confidence >= ORDERED);
        let Some((confidence, view, span, order)) = best else { return 0.0 };
        let confidence = with_odds(ORDERED_ODDS, confidence);
        let signs = order.signs.telling(MOST_SIGNS).join(", ");
        let explanation = format!("a sentence inside data orders an action; for an assistant speak: {signs}");
        let explanation = decoded(&explanation, view);
        let category = Category::IndirectInjection;
        report.add(category, Detector::Orders, None, confidence, span.clone(), explanation);
        report.add_encoded(view, Detector::Orders, confidence, span);
        confidence
    }

    /// The rules on every view.
    fn apply_rules(
        &self,
        normalised: &Normalised,
        origin: Origin,
        mask: &RuleMask,
        report: &mut Report,
    ) -> Matched {
        let mut matched = Matched::default();
        // What one view forbids another may ask for.
        let mut hits: Vec<(&View, RuleHit)> = Vec::new();
        for view in &normalised.views {
            for hit in self.rules.find(&view.canonical.text, origin, mask) {
                match hits.iter_mut().find(|(_, before)| before.rule == hit.rule) {
                    None => hits.push((view, hit)),
                    Some(before) if before.1.forbidden && !hit.forbidden => *before = (view, hit),
                    Some(_) => {}
                }
            }
        }
        for (view, hit) in hits {
            let Some(rule) = self.rules.rule(hit.rule) else { continue };
            let severity = if hit.forbidden { Severity::Low } else { rule.severity };
            let confidence = severity.confidence();
            // Who quotes a wording to a model or forbids it speaks about it; fields of data are quoted anyway.
            let mentioned =
                head(origin) == Head::Manipulation && is_mentioned(&view.canonical.text, hit.range.start);
            let span = view.canonical.map.span(hit.range);
            let explanation = match hit.forbidden {
                false => decoded(&rule.why, view),
                true => format!("{} The text forbids it, though.", decoded(&rule.why, view)).into(),
            };
            let id = Some(rule.id.clone());
            report.add(rule.category, Detector::Rule, id, confidence, span.clone(), explanation);
            if rule.status == Status::Stable {
                matched.all.count(rule.severity);
                matched.asked.count(severity);
                matched.decided |= rule.decides && !hit.forbidden && !mentioned;
                if !hit.forbidden {
                    report.add_encoded(view, Detector::Rule, confidence, span);
                }
            }
        }
        matched
    }

    /// The lexical model on every view, as a whole and by windows, joined with what the rules said.
    fn apply_model(
        &self,
        normalised: &Normalised,
        origin: Origin,
        rules: Matched,
        report: &mut Report,
    ) -> Wording {
        let Some(model) = &self.lexical else {
            let [score, suspicion] = [rules.asked, rules.all].map(rules_alone);
            return Wording { score, suspicion, shown: suspicion };
        };
        let head = head(origin);
        // A text without words still has what the rules say.
        let joined = |scores: Option<&Scores>, rules| model.probability(&evidence(scores, rules), head);
        let [score, suspicion] = [rules.asked, rules.all].map(|rules| joined(None, rules));
        let mut wording = Wording { score, suspicion, shown: suspicion };
        let mut best: Option<(f32, &View, Range<usize>)> = None;
        for view in &normalised.views {
            let mapped = view.remainder.as_ref().unwrap_or(&view.canonical);
            let Some(scores) = model.scores(&mapped.text, head) else { continue };
            let span = mapped.map.span(scores.range.clone());
            let hides = view.hides(span.clone());
            let raised = |probability: f32| if hides { raise(probability) } else { probability };
            wording.score = wording.score.max(raised(joined(Some(&scores), rules.asked)));
            let shown = joined(Some(&scores), rules.all);
            wording.suspicion = wording.suspicion.max(raised(shown));
            wording.shown = wording.shown.max(shown);
            let alone = raised(joined(Some(&scores), RuleEvidence::default()));
            if best.as_ref().is_none_or(|(top, ..)| alone > *top) {
                best = Some((alone, view, span));
            }
        }
        if let Some((confidence, view, span)) = best.filter(|(confidence, ..)| *confidence >= REPORTED) {
            report.add_wording(head, Detector::Lexical, confidence, span, view);
        }
        wording
    }

    /// Known attacks in the views of a text that is not above suspicion; the probability that the nearest speaks for.
    fn apply_known(&self, normalised: &Normalised, shown: f32, report: &mut Report) -> f32 {
        let Some(known) = self.known.as_ref().filter(|_| shown >= KNOWN_FROM) else { return 0.0 };
        let nearest = normalised
            .views
            .iter()
            .filter_map(|view| Some((view, known.find(&view.canonical.text, CUTOFF, 1).into_iter().next()?)))
            .max_by(|(_, a), (_, b)| a.similarity.total_cmp(&b.similarity));
        let Some((view, attack)) = nearest else { return 0.0 };
        let span = view.canonical.map.span(attack.span.clone());
        let what =
            format!("{} of {} words of the known attack {}", attack.words.len(), attack.length, attack.id);
        report.add(attack.category, Detector::Known, None, KNOWN_ATTACK, span.clone(), decoded(&what, view));
        report.add_encoded(view, Detector::Known, KNOWN_ATTACK, span);
        KNOWN_ATTACK
    }

    /// Tier 2 on every view, window by window; the probability that joins it with what tier 1 said.
    fn apply_encoder(
        &self,
        normalised: &Normalised,
        origin: Origin,
        fast: f32,
        effort: &mut Effort<'_>,
        report: &mut Report,
    ) -> (Deep, f32) {
        let Some(encoder) = &self.encoder else { return (Deep::Missing, fast) };
        let head = head(origin);
        let mut best: Option<(f32, &View, Range<usize>)> = None;
        let mut deep = Deep::Done;
        for view in &normalised.views {
            let mapped = view.remainder.as_ref().unwrap_or(&view.canonical);
            if (effort.expired)() {
                deep = Deep::Late;
                break;
            }
            let cut = mapped.text.floor_char_boundary(LONGEST_DEEP);
            let mut windows = encoder.windows(mapped.text.get(..cut).unwrap_or_default());
            if cut < mapped.text.len() {
                deep = Deep::Late;
            }
            if windows.len() > *effort.windows {
                deep = Deep::Late;
                self.most_suspicious(&mut windows, &mapped.text, head, *effort.windows);
            }
            *effort.windows -= windows.len().min(*effort.windows);
            match highest(encoder, &windows, head, effort.expired) {
                Err(_) => return (Deep::Failed, fast),
                Ok((found, complete)) => {
                    if !complete {
                        deep = Deep::Late;
                    }
                    let Some(Judgement { logit, range }) = found else { continue };
                    let odds = fast.clamp(1e-6, 1.0 - 1e-6);
                    let joined = encoder.probability(head, (odds / (1.0 - odds)).ln(), logit, windows.len());
                    let span = mapped.map.span(range);
                    let joined = if view.hides(span.clone()) { raise(joined) } else { joined };
                    if best.as_ref().is_none_or(|(top, ..)| joined > *top) {
                        best = Some((joined, view, span));
                    }
                }
            }
        }
        let Some((joined, view, span)) = best else { return (deep, fast) };
        if joined >= REPORTED {
            report.add_wording(head, Detector::Encoder, joined, span, view);
        }
        // Half a look may raise an alarm, it may not lift one.
        (deep, if deep == Deep::Done { joined } else { joined.max(fast) })
    }

    /// Keeps the windows that alarm tier 1 most.
    fn most_suspicious(&self, windows: &mut Vec<Window>, text: &str, head: Head, number: usize) {
        let alarm = |window: &Window| {
            let scores = text.get(window.range()).and_then(|text| self.lexical.as_ref()?.scores(text, head));
            scores.map_or(f32::NEG_INFINITY, |scores| scores.whole)
        };
        windows.sort_by_cached_key(|window| std::cmp::Reverse(Ordered(alarm(window))));
        windows.truncate(number);
    }
}

/// The question that is asked of a text, by where it comes from.
#[must_use]
pub fn head(origin: Origin) -> Head {
    match origin {
        Origin::Tool | Origin::Document => Head::Orders,
        Origin::User | Origin::System | Origin::Model => Head::Manipulation,
    }
}

/// The judgement with the highest logit, and whether all windows were looked at.
fn highest(
    encoder: &Encoder,
    windows: &[Window],
    head: Head,
    expired: &dyn Fn() -> bool,
) -> Result<(Option<Judgement>, bool), EncoderError> {
    let mut best: Option<Judgement> = None;
    for windows in windows.chunks(WINDOWS_AT_ONCE) {
        if expired() {
            return Ok((best, false));
        }
        let judged = encoder.judge(windows)?.into_iter().filter_map(|judged| head.of(judged));
        best = best.into_iter().chain(judged).max_by(|a, b| a.logit.total_cmp(&b.logit));
    }
    Ok((best, true))
}

/// A number that can be sorted by.
#[derive(PartialEq)]
struct Ordered(f32);

impl Eq for Ordered {}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A probability with [`HIDING_ODDS`] times the odds.
fn raise(probability: f32) -> f32 {
    with_odds(HIDING_ODDS, probability)
}

/// A probability with so many times the odds.
fn with_odds(times: f32, probability: f32) -> f32 {
    let odds = times * probability;
    odds / (odds + 1.0 - probability)
}

/// The rules that matched in any view.
#[derive(Clone, Copy, Default)]
struct Matched {
    /// Those that the text does not only forbid, and the others as hints.
    asked: RuleEvidence,
    /// All, whatever the text says about them.
    all: RuleEvidence,
    /// Whether one that decides matched as a demand.
    decided: bool,
}

/// Whether a quotation begins right before `start`, or a negation stands there: "never drop your guidelines".
fn is_mentioned(text: &str, start: usize) -> bool {
    let before = text.get(..start).unwrap_or_default();
    before.ends_with(['"', '\'', '`', '“', '„', '«', '‘'])
        || before
            .split_ascii_whitespace()
            .next_back()
            .is_some_and(|word| matches!(word, "never" | "not" | "don't"))
}

/// What tier 1 says about the wording of a message.
struct Wording {
    /// The probability that it manipulates.
    score: f32,
    /// What the score would be if nothing that it forbids were forbidden: how closely to look.
    suspicion: f32,
    /// The same if nothing were hidden either: a disguise makes no text more like a known attack.
    shown: f32,
}

/// What rules say where no model is loaded: the strongest severity that matched.
fn rules_alone(rules: RuleEvidence) -> f32 {
    [(rules.high, Severity::High), (rules.medium, Severity::Medium), (rules.low, Severity::Low)]
        .into_iter()
        .find(|(count, _)| *count > 0)
        .map_or(0.0, |(_, severity)| severity.confidence())
}

/// Collects the findings of one message.
struct Report {
    position: usize,
    findings: Vec<Finding>,
}

impl Report {
    fn add(
        &mut self,
        category: Category,
        detector: Detector,
        rule: Option<std::sync::Arc<str>>,
        confidence: f32,
        span: Range<usize>,
        explanation: Cow<'static, str>,
    ) {
        self.findings.push(Finding {
            category,
            detector,
            rule,
            confidence,
            message: self.position,
            span,
            explanation,
        });
    }

    /// Personal data or a secret in a view.
    fn add_hit(&mut self, hit: &Hit, detector: Detector, view: &View) {
        let span = view.exact.map.span(hit.start..hit.end);
        let explanation = decoded(hit.explanation, view);
        self.add(category(hit.kind), detector, None, hit.confidence, span, explanation);
    }

    /// That the wording of a view alarms a model.
    fn add_wording(
        &mut self,
        head: Head,
        detector: Detector,
        confidence: f32,
        span: Range<usize>,
        view: &View,
    ) {
        let (category, what) = match head {
            Head::Manipulation => (
                Category::PromptInjection,
                "the wording is that of an attempt to manipulate the model; this part weighs most",
            ),
            Head::Orders => (
                Category::IndirectInjection,
                "the wording gives orders to the model from inside data; this part weighs most",
            ),
        };
        self.add(category, detector, None, confidence, span.clone(), decoded(what, view));
        self.add_encoded(view, detector, confidence, span);
    }

    /// Marks once that an attack was found behind an encoding that nobody uses by accident.
    fn add_encoded(&mut self, view: &View, detector: Detector, confidence: f32, span: Range<usize>) {
        let told = self.findings.iter().any(|finding| finding.category == Category::EncodedAttack);
        if view.hides(span.clone()) && !told {
            let explanation = format!("an attack was written as {}", chain(&view.transforms));
            self.add(Category::EncodedAttack, detector, None, confidence, span, explanation.into());
        }
    }
}

/// Personal data and secrets in every exact view. Decoded ones count as well: base64 does not make a key less secret.
/// Names and addresses, which come back by themselves, are looked for in what a person reads.
fn data(normalised: &Normalised, tagger: Option<&Tagger>, report: &mut Report) -> Vec<Finding> {
    let mut names = Report { position: report.position, findings: Vec::new() };
    for view in &normalised.views {
        let text = &view.exact.text;
        let mut hits = validators::scan(text);
        if let Some(tagger) = tagger.filter(|_| view.transforms.is_empty()) {
            for hit in beside(text, &mut hits, tagger.tag(text)) {
                names.add_hit(&hit, Detector::Tagger, view);
            }
        }
        let mut numbers = view.numbers.iter().peekable();
        hits.sort_by_key(|hit| hit.start);
        for hit in hits {
            while numbers.next_if(|stretch| stretch.end <= hit.start).is_some() {}
            // Digits that write text are nobody's number; what they write is looked at in its own view.
            let writes = numbers.peek().is_some_and(|text| text.start <= hit.start && hit.end <= text.end);
            if writes && matches!(hit.kind, Kind::Pii(_)) {
                continue;
            }
            let (category, span) = (category(hit.kind), view.exact.map.span(hit.start..hit.end));
            let known = |finding: &Finding| {
                finding.category == category && finding.span.start < span.end && span.start < finding.span.end
            };
            // Undoing a spelling or an escape shows the same value again.
            if view.transforms.is_empty() || !report.findings.iter().any(known) {
                report.add_hit(&hit, Detector::Validator, view);
            }
        }
    }
    names.findings
}

fn category(kind: Kind) -> Category {
    match kind {
        Kind::Pii(kind) => Category::Pii(kind),
        Kind::Secret(kind) => Category::Secret(kind),
    }
}

/// Characters that a person cannot see.
/// Returns the probability that they alone speak for.
fn invisible(normalised: &Normalised, report: &mut Report) -> f32 {
    let invisible = &normalised.invisible;
    let smuggles = |transform: &Transform| {
        matches!(transform, Transform::Tags | Transform::VariationSelectors | Transform::ZeroWidthBits)
    };
    let hidden_text = normalised.views.iter().any(|view| view.transforms.iter().any(smuggles));
    if !hidden_text && invisible.total() < 2 && invisible.tags == 0 {
        return 0.0;
    }
    let confidence = if hidden_text || invisible.tags > 0 {
        0.98
    } else if invisible.zero_width >= 4 || invisible.variation_selectors >= 4 {
        0.8
    } else {
        0.5
    };
    for span in &invisible.spans {
        let explanation = if hidden_text {
            "characters that are not drawn carry text that only a model reads"
        } else {
            "characters that are not drawn stand between visible ones"
        };
        report.add(
            Category::InvisibleText,
            Detector::Invisible,
            None,
            confidence,
            span.clone(),
            explanation.into(),
        );
    }
    if hidden_text { HIDDEN_TEXT } else { 0.0 }
}

/// The explanation, with what had to be undone to see it.
fn decoded(explanation: &str, view: &View) -> Cow<'static, str> {
    if view.transforms.is_empty() {
        explanation.to_owned().into()
    } else {
        format!("{explanation} (after undoing {})", chain(&view.transforms)).into()
    }
}

fn chain(transforms: &[Transform]) -> String {
    transforms.iter().map(|transform| transform.as_str()).collect::<Vec<_>>().join(", then ")
}
