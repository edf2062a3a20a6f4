//! How the risk of one session moves: constant memory, constant time for each message.

use aimds_attractor::{LikelihoodCusum, Shift};
use aimds_detect::{Category, Finding, Origin};

use super::fingerprint::Fingerprint;
use crate::Timestamp;

/// A message from this score on is suspicious: of ordinary messages a few in a hundred, of attacks that pass as single
/// messages more than half.
pub const SUSPICIOUS: f32 = 0.1;
/// From this score on, a text that says the same again is one more attempt: less than suspicious, because that somebody does
/// not take no for an answer is evidence too.
const DOUBTFUL: f32 = 0.05;
/// The logit of the score of ordinary messages and of attacks that pass as single messages, and the deviation around both.
/// `training/session/fit.py` prints means of -4.1 and -0.7 with deviations of 0.8 and 2.2; a rise that is a little smaller shall be
/// seen too, but not the level of an application whose texts all are of one kind.
const BEFORE: f64 = -4.1;
const AFTER: f64 = -1.2;
const SHIFT: Shift = Shift::Normal { before: BEFORE, after: AFTER, deviation: 1.4 };
/// A message from here on speaks for a rise, one below against it.
const NEUTRAL: f64 = (BEFORE + AFTER) / 2.0;
/// One message is evidence of at most what a score of 0.6 is: whether a single message is an attack is what its own score
/// says, and three with some evidence are to outweigh two with much.
const MOST_LOGIT: f64 = 0.5;
const LEAST_LOGIT: f64 = -5.0;
/// Texts compared with the next one.
const REMEMBERED: usize = 4;
/// Two texts are the same in other words from this share of common words on, and nearly the same text from the second on.
const REPHRASED: f32 = 0.3;
const REPEATED: f32 = 0.6;
/// What is gathered loses this share with each message.
const FORGETTING: f32 = 0.1;
/// Weight of the newest score in the average.
const NEWEST: f32 = 0.3;
/// Requests that follow each other faster come from no person.
const FASTEST_PERSON_MS: u64 = 1_000;

/// One message as the trajectory sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// Calibrated probability in \[0, 1\] that the message alone manipulates the model. NaN counts as 1: what could not be
    /// judged is not harmless.
    pub score: f32,
    /// Where the text came from. The model's own texts and the operator's have no score.
    pub origin: Origin,
    /// The categories of manipulation found in it.
    pub categories: Categories,
    /// Whether it was found encoded or with invisible characters.
    pub obfuscated: bool,
    /// What it says.
    pub fingerprint: Fingerprint,
    /// The text is the model's and looks like a refusal.
    pub refused: bool,
    /// The text is a call of the tool whose name has this hash.
    pub tool: Option<u64>,
    /// When it came.
    pub at: Timestamp,
}

impl Event {
    /// A message of somebody with a score and nothing else known.
    #[must_use]
    pub fn new(origin: Origin, score: f32, at: Timestamp) -> Self {
        Self {
            score,
            origin,
            categories: Categories::default(),
            obfuscated: false,
            fingerprint: Fingerprint::default(),
            refused: false,
            tool: None,
            at,
        }
    }

    /// Adds what was found in it.
    pub fn note(&mut self, finding: &Finding) {
        self.categories.insert(finding.category);
        self.obfuscated |= matches!(finding.category, Category::EncodedAttack | Category::InvisibleText);
    }
}

/// A set of categories of manipulation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Categories(u16);

impl Categories {
    /// Adds a category; personal data and secrets are none of manipulation.
    pub fn insert(&mut self, category: Category) {
        if let Some(bit) = Category::MANIPULATION.iter().position(|known| *known == category) {
            self.0 |= 1 << bit;
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What a session has shown so far, in numbers. All are 0 before the first message.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Features {
    /// Messages with a score.
    pub messages: u32,
    /// The highest score.
    pub peak: f32,
    /// Evidence in nats that the level of the scores has risen, and still is high.
    pub cusum: f32,
    /// Scores gathered, the older the less.
    pub accumulated: f32,
    /// Scores averaged, the older the less.
    pub average: f32,
    /// Messages that were suspicious, without those that have the same words as one of the four texts before.
    pub suspicious: u32,
    /// Suspicious texts of the user that say again what the model has just refused, in the same or other words; the older
    /// the less.
    pub pressed: f32,
    /// How often the user's last text has been asked again in other words with a score of 0.05 or more: at once after a refusal,
    /// or nearly word for word after a text with a score of 0.6 or more. A text unlike the four before has not been.
    pub repeated: u32,
    /// Any text of the user that says again what the model has just refused.
    pub rephrased: u32,
    /// Refusals of the model.
    pub refusals: u32,
    /// Messages with something encoded or invisible.
    pub obfuscated: u32,
    /// Categories of manipulation found in any of them.
    pub categories: u32,
    /// Requests that came within a second after the one before.
    pub hurried: u32,
    /// Calls of tools that the session had not called before. A filter of 256 bits: some are taken for known, never the
    /// other way round.
    pub new_tools: u32,
    /// Payloads that were split over several texts and put together again.
    pub joined: u32,
}

/// A text of the user.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    fingerprint: Fingerprint,
    /// Of its score, within the limits.
    logit: f32,
    /// How often it has been asked again, this time included.
    repeated: u32,
}

/// What a text says beyond those before.
enum News {
    /// Nothing: the same words. A program that sends one prompt all day is no attack.
    None,
    /// The same in other words; the highest logit of those before that said it.
    Again(f64),
    Subject,
}

/// The state of one session: a few hundred bytes, whatever the traffic.
///
/// ```
/// use aimds_analyze::{Event, Timestamp, Trajectory};
/// use aimds_detect::Origin;
/// let mut trajectory = Trajectory::default();
/// for turn in 0..6 {
///     trajectory.push(&Event::new(Origin::User, 0.1 * turn as f32, Timestamp(turn * 5_000)));
/// }
/// assert_eq!(trajectory.features().suspicious, 5);
/// assert!(trajectory.features().cusum > 3.0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Trajectory {
    /// Begins with the first message.
    cusum: Option<LikelihoodCusum>,
    features: Features,
    categories: Categories,
    /// The user's last texts, the latest first.
    recent: [Said; REMEMBERED],
    /// The model's last text was a refusal.
    refused: bool,
    tools: [u64; 4],
    last: Option<Timestamp>,
}

impl Trajectory {
    /// Takes the next message. O(1).
    ///
    /// Texts of one request come at the same time and count as one arrival.
    pub fn push(&mut self, event: &Event) {
        self.arrive(event.at);
        if let Some(tool) = event.tool {
            self.call(tool);
        }
        match event.origin {
            Origin::System => {}
            Origin::Model => {
                self.refused = event.refused;
                self.features.refusals = self.features.refusals.saturating_add(u32::from(event.refused));
            }
            Origin::User | Origin::Tool | Origin::Document => self.judge(event),
        }
    }

    /// A text completed a payload that had been split over several.
    pub fn joined(&mut self) {
        self.features.joined = self.features.joined.saturating_add(1);
    }

    /// What has been seen so far.
    #[must_use]
    pub fn features(&self) -> Features {
        self.features
    }

    fn judge(&mut self, event: &Event) {
        let score = if event.score.is_nan() { 1.0 } else { event.score.clamp(0.0, 1.0) };
        self.categories.0 |= event.categories.0;
        let first = self.features.messages == 0;
        let features = &mut self.features;
        features.messages = features.messages.saturating_add(1);
        features.peak = features.peak.max(score);
        features.average = if first { score } else { features.average + NEWEST * (score - features.average) };
        features.obfuscated = features.obfuscated.saturating_add(u32::from(event.obfuscated));
        features.categories = self.categories.len();
        for gathered in [&mut features.accumulated, &mut features.pressed] {
            *gathered *= 1.0 - FORGETTING;
        }
        let logit = (f64::from(score) / (1.0 - f64::from(score))).ln().clamp(LEAST_LOGIT, MOST_LOGIT);
        let news =
            if event.origin == Origin::User { self.compare(event, score, logit) } else { News::Subject };
        let value = match news {
            News::None => return,
            // Asked five times, a question is as suspicious as when it was asked best, and not five times so.
            News::Again(before) => NEUTRAL + (logit - before.max(NEUTRAL)).max(0.0),
            News::Subject => {
                self.features.accumulated += score;
                logit
            }
        };
        self.features.suspicious = self.features.suspicious.saturating_add(u32::from(score >= SUSPICIOUS));
        self.gather(value);
    }

    /// The threshold is never passed, so that the sum is never started again: how high it is, is what counts.
    fn gather(&mut self, value: f64) {
        let cusum = match &mut self.cusum {
            Some(cusum) => cusum,
            none => match LikelihoodCusum::new(SHIFT, f64::MAX) {
                Ok(cusum) => none.insert(cusum),
                Err(_) => return,
            },
        };
        if cusum.push(value).is_ok() {
            self.features.cusum = cusum.sum() as f32;
        }
    }

    /// Compares a text of the user with those before.
    fn compare(&mut self, event: &Event, score: f32, logit: f64) -> News {
        let fingerprint = event.fingerprint;
        let alike = self.recent.map(|before| fingerprint.similarity(&before.fingerprint));
        let refused = std::mem::take(&mut self.refused);
        let again = refused && alike.first().is_some_and(|latest| *latest >= REPHRASED);
        let known = self.recent.iter().any(|before| fingerprint.has_same_words(&before.fingerprint));
        // What was not refused is the same only nearly word for word: an attacker may begin every message alike.
        let same = || {
            let before = self.recent.iter().zip(alike).enumerate();
            before
                .filter(|(at, (_, alike))| *alike >= REPEATED || again && *at == 0)
                .map(|(_, (said, _))| said)
        };
        let highest = same().map(|said| said.logit).reduce(f32::max);
        let times = same().map(|said| said.repeated).max().unwrap_or(0);
        // A program that fills in one form all day asks nearly the same as well: without a refusal or a text that is as good as
        // an attack, nobody is known to insist.
        let insists = again || highest.is_some_and(|highest| f64::from(highest) >= MOST_LOGIT);
        let attempt = !known && insists && score >= DOUBTFUL;
        let repeated = times.saturating_add(u32::from(attempt));
        let features = &mut self.features;
        features.rephrased = features.rephrased.saturating_add(u32::from(again));
        features.pressed += f32::from(u8::from(again && score >= SUSPICIOUS));
        features.repeated = repeated;
        self.recent.rotate_right(1);
        if let Some(latest) = self.recent.first_mut() {
            *latest = Said { fingerprint, logit: logit as f32, repeated };
        }
        match highest {
            _ if known => News::None,
            Some(highest) => News::Again(highest.into()),
            None => News::Subject,
        }
    }

    fn arrive(&mut self, at: Timestamp) {
        let gap = self.last.map_or(0, |last| at.0.saturating_sub(last.0));
        let hurried = (1..FASTEST_PERSON_MS).contains(&gap);
        self.features.hurried = self.features.hurried.saturating_add(u32::from(hurried));
        self.last = self.last.max(Some(at));
    }

    /// A Bloom filter (Bloom 1970) of 256 bits and two hashes.
    fn call(&mut self, tool: u64) {
        let mut known = true;
        for bit in [tool & 255, (tool >> 8) & 255] {
            if let Some(word) = self.tools.get_mut((bit >> 6) as usize) {
                known &= *word >> (bit & 63) & 1 == 1;
                *word |= 1 << (bit & 63);
            }
        }
        self.features.new_tools = self.features.new_tools.saturating_add(u32::from(!known));
    }
}
