//! A log of requests, replayed through the same table, cache and prices: what it would have cost, and where it would have
//! gone. Pure: the log tells the times. Failures of targets, retries and budgets are not part of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cache::{Cache, CacheLimits, Fingerprint};
use super::complexity::{Features, Score, estimate_tokens, has_code, reasoning_words};
use super::money::Money;
use super::table::{Ask, Surface, Table, Unroutable};
use crate::config::{CacheMode, RouterFile};

/// One line of a log.
///
/// What the score is given for is taken from `text` where there is one, else from `turns`, `tools`, `code` and `reasoning`.
/// Requests are the same for the cache where tenant, surface, model and `cache_key` are, or `text` where there is no
/// `cache_key`; with neither there is no cache for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Record {
    /// The model that the caller named.
    pub model: String,
    /// What the caller spoke.
    pub surface: Surface,
    /// Whose request it was.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    /// The identifier of the API key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// Tokens of the input; left out where `text` is to be estimated.
    pub input_tokens: Option<u64>,
    /// Tokens of the output.
    pub output_tokens: u64,
    /// The user's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Messages of user and assistant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
    /// Tools that the model might call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<u64>,
    /// There was source code in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<bool>,
    /// Different words that ask for reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
    /// It was marked as private.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
    /// Personal data or secrets were found in it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pii: bool,
    /// Its temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// What tells it from other requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_key: Option<String>,
    /// When it came, in milliseconds.
    pub at_ms: u64,
}

/// Why a line is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Not JSON, an unknown key, or a value of the wrong type.
    #[error("not a record: {0}")]
    Json(String),
    /// Nothing tells the tokens of the input.
    #[error("input_tokens or text is missing")]
    NoTokens,
}

impl Record {
    /// Reads one line.
    ///
    /// ```
    /// use aimds_gateway::router::Record;
    /// let line = r#"{"model":"m","input_tokens":800,"output_tokens":200,"pii":true}"#;
    /// assert!(Record::parse(line).unwrap().pii);
    /// assert!(Record::parse("{\"model\":\"m\"}").is_err());
    /// ```
    ///
    /// # Errors
    /// Anything that [`RecordError`] names.
    pub fn parse(line: &str) -> Result<Self, RecordError> {
        let record: Self = serde_json::from_str(line).map_err(|error| {
            let crate::error::Failure::Malformed(place, what) = crate::error::explain(&error) else {
                return RecordError::Json("malformed".into());
            };
            RecordError::Json(format!("{what} at column {}", place.column))
        })?;
        match (record.input_tokens, &record.text) {
            (None, None) => Err(RecordError::NoTokens),
            _ => Ok(record),
        }
    }

    fn features(&self) -> Features {
        let text = self.text.as_deref().unwrap_or_default();
        Features {
            tokens: self.input_tokens.unwrap_or_else(|| estimate_tokens(text.len() as u64)),
            turns: self.turns.unwrap_or(1),
            tools: self.tools.unwrap_or(0),
            code: self.code.unwrap_or_else(|| has_code(text)),
            reasoning: self.reasoning.unwrap_or_else(|| reasoning_words(text)),
        }
    }
}

/// What one target would have done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetReport {
    /// Its name.
    pub name: String,
    /// Requests that it would have answered.
    pub requests: u64,
    /// Their share of all that a target answered.
    pub share: f64,
    /// Tokens of their input.
    pub input_tokens: u64,
    /// Tokens of their output.
    pub output_tokens: u64,
    /// What they would have cost, in dollars.
    pub cost: String,
}

/// What a log comes to. Amounts are dollars as decimal numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Requests of the log.
    pub requests: u64,
    /// Those that no route takes.
    pub no_route: u64,
    /// Those that have to stay local and have no target.
    pub no_local_target: u64,
    /// Those that the cache answers.
    pub cache_hits: u64,
    /// Those that might have been answered by the cache.
    pub cacheable: u64,
    /// The cache's answers as a share of all that were answered.
    pub hit_rate: f64,
    /// What the targets cost.
    pub cost: String,
    /// That for a million answered requests.
    pub cost_per_million: String,
    /// That for one answered request.
    pub cost_per_request: String,
    /// What the cache's answers would have cost.
    pub saved_by_cache: String,
    /// What it would cost if the dearest target that speaks the surface answered each of them, without a cache.
    pub cost_of_the_dearest: String,
    /// The targets, as they are listed.
    pub targets: Vec<TargetReport>,
    /// Requests by route.
    pub routes: BTreeMap<String, u64>,
    /// [`Report::cost_per_request`] as an amount.
    #[serde(skip)]
    pub per_request: Money,
}

#[derive(Clone, Copy, Default)]
struct Sum {
    requests: u64,
    input: u64,
    output: u64,
    cost: Money,
}

/// A replay.
pub struct Simulation {
    table: Table,
    mode: CacheMode,
    private: bool,
    cache: Cache<()>,
    requests: u64,
    no_route: u64,
    no_local: u64,
    hits: u64,
    cacheable: u64,
    saved: Money,
    dearest: Money,
    targets: Vec<Sum>,
    routes: BTreeMap<usize, u64>,
}

/// Bytes of an answer for each token of output and around them, to reckon with what the cache can hold.
const ANSWER_BYTES: (u64, u64) = (4, 600);

impl Simulation {
    /// A replay through the router of a configuration. Reads no environment.
    ///
    /// # Errors
    /// The router is not configured properly.
    pub fn new(file: &RouterFile) -> Result<Self, crate::config::ConfigError> {
        let table = file.table()?;
        let CacheLimits { bytes, ttl_ms } = file.cache_limits();
        Ok(Self {
            mode: file.cache,
            private: file.cache_private,
            cache: Cache::new(CacheLimits { bytes, ttl_ms }),
            requests: 0,
            no_route: 0,
            no_local: 0,
            hits: 0,
            cacheable: 0,
            saved: Money::ZERO,
            dearest: Money::ZERO,
            targets: vec![Sum::default(); table.targets.len()],
            routes: BTreeMap::new(),
            table,
        })
    }

    /// Replays one request. Linear in its text.
    pub fn replay(&mut self, record: &Record) {
        self.requests += 1;
        let features = record.features();
        let ask = Ask {
            surface: record.surface,
            model: &record.model,
            tenant: &record.tenant,
            key: &record.key,
            private: record.private,
            pii: record.pii,
            score: Score::of(&features).total(),
            tokens: features.tokens,
        };
        let plan = match self.table.plan(&ask) {
            Ok(plan) => plan,
            Err(Unroutable::NoRoute) => return self.no_route += 1,
            Err(Unroutable::NoLocal) => return self.no_local += 1,
        };
        *self.routes.entry(plan.route).or_default() += 1;
        let (input, output) = (features.tokens, record.output_tokens);
        let speaking = self.table.targets.iter().filter(|target| target.surfaces.contains(&record.surface));
        self.dearest += speaking.map(|target| target.price.cost(input, output)).max().unwrap_or_default();
        let Some(number) = plan.targets.first().copied() else { return };
        let Some(target) = self.table.targets.get(number) else { return };
        let cost = target.price.cost(input, output);
        let key = self.fingerprint(record, &plan.targets);
        if let Some(key) = key {
            self.cacheable += 1;
            if self.cache.get(&key, record.at_ms).is_some() {
                self.hits += 1;
                self.saved += cost;
                return;
            }
        }
        if let Some(sum) = self.targets.get_mut(number) {
            sum.requests += 1;
            sum.input = sum.input.saturating_add(input);
            sum.output = sum.output.saturating_add(output);
            sum.cost += cost;
        }
        if let Some(key) = key {
            let bytes = output.saturating_mul(ANSWER_BYTES.0).saturating_add(ANSWER_BYTES.1);
            self.cache.put(key, (), usize::try_from(bytes).unwrap_or(usize::MAX), record.at_ms);
        }
    }

    /// Which request it is for the cache, if its answer may be kept.
    fn fingerprint(&self, record: &Record, targets: &[usize]) -> Option<Fingerprint> {
        let embeds = record.surface == Surface::Embeddings;
        let kept = match self.mode {
            CacheMode::Off => false,
            CacheMode::Deterministic => embeds || record.temperature == Some(0.0),
            CacheMode::Always => true,
        };
        if !kept || (record.private || record.pii) && !self.private {
            return None;
        }
        let what = record.cache_key.as_deref().or(record.text.as_deref())?;
        // The hash need not be secret here: nobody else sees it.
        let mut hasher = super::fingerprint::Hasher::new(&[0; 32]);
        hasher.part(record.tenant.as_bytes()).part(record.model.as_bytes()).part(&[record.surface as u8]);
        hasher.part(what.as_bytes());
        for number in targets {
            hasher.part(&(*number as u64).to_le_bytes());
        }
        Some(hasher.finish())
    }

    /// What it came to.
    #[must_use]
    pub fn report(&self) -> Report {
        let called: u64 = self.targets.iter().map(|sum| sum.requests).sum();
        let answered = called + self.hits;
        let cost = self.targets.iter().fold(Money::ZERO, |cost, sum| cost + sum.cost);
        let target = |(target, sum): (&super::table::Target, &Sum)| TargetReport {
            name: target.name.clone(),
            requests: sum.requests,
            share: share(sum.requests, called),
            input_tokens: sum.input,
            output_tokens: sum.output,
            cost: sum.cost.to_string(),
        };
        let route =
            |(number, count): (&usize, &u64)| Some((self.table.routes.get(*number)?.name.clone(), *count));
        Report {
            requests: self.requests,
            no_route: self.no_route,
            no_local_target: self.no_local,
            cache_hits: self.hits,
            cacheable: self.cacheable,
            hit_rate: share(self.hits, answered),
            cost: cost.to_string(),
            cost_per_million: cost.share(1_000_000, answered).to_string(),
            cost_per_request: cost.share(1, answered).to_string(),
            saved_by_cache: self.saved.to_string(),
            cost_of_the_dearest: self.dearest.to_string(),
            targets: self.table.targets.iter().zip(&self.targets).map(target).collect(),
            routes: self.routes.iter().filter_map(route).collect(),
            per_request: cost.share(1, answered),
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GatewayConfig;

    const CONFIG: &str = r#"
        [router]
        cache = "deterministic"
        cache_ttl_ms = 1000
        targets = [
          { name = "cheap", surfaces = ["chat"], base_url = "http://x", api_key_env = "NOT_SET_ANYWHERE", input_price = "1", output_price = "2" },
          { name = "strong", surfaces = ["chat"], base_url = "http://x", input_price = "10", output_price = "20" },
          { name = "local", surfaces = ["chat"], base_url = "http://x", input_price = "0", output_price = "0", local = true },
        ]
        routes = [
          { name = "private", private = true, targets = ["local"] },
          { name = "easy", max_score = 29, targets = ["cheap"] },
          { name = "hard", targets = ["strong"] },
        ]"#;

    #[test]
    fn a_log_comes_to_what_one_adds_up_by_hand() {
        let mut simulation = Simulation::new(&GatewayConfig::parse(CONFIG).unwrap().router).unwrap();
        let easy =
            r#"{"model":"m","input_tokens":100,"output_tokens":50,"text":"hello","temperature":0,"at_ms":"#;
        for line in [
            format!("{easy}0}}").as_str(),
            &format!("{easy}999}}"),
            &format!("{easy}1000}}"),
            &format!("{easy}1001,\"tenant\":\"other\"}}"),
            r#"{"model":"m","input_tokens":100,"output_tokens":50,"reasoning":2,"tools":1,"at_ms":5}"#,
            r#"{"model":"m","input_tokens":9,"output_tokens":9,"private":true}"#,
            r#"{"model":"m","input_tokens":9,"output_tokens":9,"pii":true}"#,
            r#"{"model":"m","input_tokens":9,"output_tokens":9,"surface":"messages"}"#,
        ] {
            simulation.replay(&Record::parse(line).unwrap());
        }
        let report = simulation.report();
        // Cheap: 100 + 2 * 50 millionths of a dollar, three times; strong: ten times one of them.
        assert_eq!(report.cost, "0.0026");
        assert_eq!((report.requests, report.no_route, report.no_local_target), (8, 1, 1));
        assert_eq!((report.cache_hits, report.cacheable), (1, 4));
        assert_eq!(report.saved_by_cache, "0.0002");
        let requests: Vec<_> = report.targets.iter().map(|target| target.requests).collect();
        assert_eq!(requests, [3, 1, 1]);
        // Six were answered.
        assert_eq!(
            (report.cost_per_million.as_str(), report.cost_per_request.as_str()),
            ("433.333333333", "0.000433333")
        );
        assert_eq!(report.cost_of_the_dearest, "0.01027");
        assert_eq!(
            report.routes.into_iter().collect::<Vec<_>>(),
            [("easy".into(), 4), ("hard".into(), 1), ("private".into(), 1)]
        );
    }

    #[test]
    fn a_bad_line_says_what_is_wrong_and_quotes_nothing() {
        let check = |line: &str, expected: &str| {
            assert_eq!(Record::parse(line).unwrap_err().to_string(), expected);
        };
        check("{", "not a record: the text ends too early at column 1");
        let unknown = Record::parse(r#"{"secretive":true}"#).unwrap_err().to_string();
        assert!(unknown.starts_with("not a record: expected one of `model`, `surface`, "), "{unknown}");
        assert!(unknown.ends_with(" at column 12") && !unknown.contains("secretive"), "{unknown}");
        check(r#"{"model":"m","output_tokens":1}"#, "input_tokens or text is missing");
    }
}
