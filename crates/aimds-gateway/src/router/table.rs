//! Targets, routes, and which targets may take a request. A pure function of the request and the table: the same code
//! decides for traffic and for [`aimds router simulate`](super::Simulation).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::glob::Glob;
use super::money::Price;

/// A surface of a model provider. Requests are never translated: a target takes only requests of its own surfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Surface {
    /// OpenAI's chat completions.
    #[default]
    Chat,
    /// OpenAI's responses.
    Responses,
    /// OpenAI's embeddings.
    Embeddings,
    /// Anthropic's messages.
    Messages,
    /// Gemini's `generateContent` and `streamGenerateContent`.
    Gemini,
}

/// A model that requests may go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name in headers, records and metrics.
    pub name: String,
    /// What it understands.
    pub surfaces: Vec<Surface>,
    /// The model that it is asked for; `None` for the one that the caller named.
    pub model: Option<String>,
    /// What it asks for tokens.
    pub price: Price,
    /// It is the operator's own: private requests may go there.
    pub local: bool,
}

/// The order in which a route's targets are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// As they are listed.
    #[default]
    Listed,
    /// The cheapest for this request first.
    Cost,
}

/// One rule: which requests go to which targets. An empty list and `None` ask for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its name in headers, records and metrics.
    pub name: String,
    /// Names of models that the caller asks for.
    pub models: Vec<Glob>,
    /// Tenants.
    pub tenants: Vec<String>,
    /// Identifiers of API keys.
    pub keys: Vec<String>,
    /// Only requests that are, or are not, marked as private.
    pub private: Option<bool>,
    /// Only requests in which personal data or secrets were, or were not, found.
    pub pii: Option<bool>,
    /// The points that a request has at least ([`Score`](super::Score)).
    pub min_score: u8,
    /// The points that a request has at most.
    pub max_score: u8,
    /// Numbers of targets in [`Table::targets`].
    pub targets: Vec<usize>,
    /// In which order they are tried.
    pub order: Order,
}

/// What a decision depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// What the caller speaks.
    pub surface: Surface,
    /// The model that the caller named.
    pub model: &'a str,
    /// Whose request it is.
    pub tenant: &'a str,
    /// The identifier of the API key.
    pub key: &'a str,
    /// The caller marked it as private.
    pub private: bool,
    /// Personal data or secrets were found in it.
    pub pii: bool,
    /// Its points.
    pub score: u8,
    /// Tokens of its texts.
    pub tokens: u64,
}

/// Tokens of an answer that a comparison of costs reckons with: they are not known before.
const ANSWER_TOKENS: u64 = 256;

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The number of the route in [`Table::routes`].
    pub route: usize,
    /// Numbers of targets, in the order in which they are tried; at least one.
    pub targets: Vec<usize>,
    /// Only local targets were considered.
    pub confined: bool,
}

/// Why no target may take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unroutable {
    /// No route is meant for it, or none has a target that speaks its surface.
    NoRoute,
    /// It is private or carries personal data, and there would be a target, but no local one.
    NoLocal,
}

/// All targets and routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The targets.
    pub targets: Vec<Target>,
    /// The routes; the first that matches and has a target for the request decides.
    pub routes: Vec<Route>,
    /// Requests with personal data or secrets go to local targets only, as private ones always do.
    pub pii_stays_local: bool,
}

impl Table {
    /// Which targets may take a request, best first. Linear in the number of routes and targets.
    ///
    /// # Errors
    /// When none may.
    pub fn plan(&self, ask: &Ask<'_>) -> Result<Plan, Unroutable> {
        let confined = ask.private || ask.pii && self.pii_stays_local;
        let mut refused = Unroutable::NoRoute;
        for (number, route) in self.routes.iter().enumerate() {
            if !route.matches(ask) {
                continue;
            }
            let speaks = |&number: &usize| self.targets.get(number).is_some_and(|target| target.speaks(ask));
            let mut targets: Vec<usize> = route.targets.iter().copied().filter(speaks).collect();
            if targets.is_empty() {
                continue;
            }
            if confined {
                targets.retain(|&number| self.targets.get(number).is_some_and(|target| target.local));
            }
            if targets.is_empty() {
                refused = Unroutable::NoLocal;
                continue;
            }
            if route.order == Order::Cost {
                let cost = |number: &usize| {
                    self.targets.get(*number).map(|target| target.price.cost(ask.tokens, ANSWER_TOKENS))
                };
                targets.sort_by_key(cost);
            }
            return Ok(Plan { route: number, targets, confined });
        }
        Err(refused)
    }
}

impl Target {
    fn speaks(&self, ask: &Ask<'_>) -> bool {
        self.surfaces.contains(&ask.surface)
    }
}

impl Route {
    fn matches(&self, ask: &Ask<'_>) -> bool {
        let listed = |list: &[String], name: &str| list.is_empty() || list.iter().any(|item| item == name);
        (self.models.is_empty() || self.models.iter().any(|model| model.matches(ask.model)))
            && listed(&self.tenants, ask.tenant)
            && listed(&self.keys, ask.key)
            && self.private.is_none_or(|private| private == ask.private)
            && self.pii.is_none_or(|pii| pii == ask.pii)
            && (self.min_score..=self.max_score).contains(&ask.score)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ASK: Ask<'_> = Ask {
        surface: Surface::Chat,
        model: "gpt-4o",
        tenant: "acme",
        key: "ci",
        private: false,
        pii: false,
        score: 20,
        tokens: 100,
    };

    fn target(name: &str, dollars: &str, local: bool) -> Target {
        let price = Price::parse(dollars, dollars).unwrap();
        Target { name: name.into(), surfaces: vec![Surface::Chat], model: None, price, local }
    }

    fn route(name: &str, targets: &[usize]) -> Route {
        Route {
            name: name.into(),
            models: vec![],
            tenants: vec![],
            keys: vec![],
            private: None,
            pii: None,
            min_score: 0,
            max_score: 100,
            targets: targets.to_vec(),
            order: Order::Listed,
        }
    }

    /// Targets: 0 cheap, 1 strong, 2 local.
    fn table(routes: Vec<Route>) -> Table {
        let targets =
            vec![target("cheap", "1", false), target("strong", "9", false), target("local", "0", true)];
        Table { targets, routes, pii_stays_local: true }
    }

    #[test]
    fn every_rule_of_a_route_must_hold() {
        let check = |change: fn(&mut Route), ask: Ask<'_>, expected: &str| {
            let mut first = route("first", &[0]);
            change(&mut first);
            let table = table(vec![first, route("rest", &[1])]);
            let plan = table.plan(&ask).unwrap();
            assert_eq!(table.routes[plan.route].name, expected, "{ask:?}");
        };
        check(|_| {}, ASK, "first");
        check(|route| route.models = vec![Glob::new("gpt-*")], ASK, "first");
        check(|route| route.models = vec![Glob::new("o1"), Glob::new("*mini")], ASK, "rest");
        check(|route| route.tenants = vec!["acme".into()], ASK, "first");
        check(|route| route.tenants = vec!["other".into()], ASK, "rest");
        check(|route| route.keys = vec!["ci".into(), "x".into()], ASK, "first");
        check(|route| route.keys = vec!["x".into()], ASK, "rest");
        check(|route| route.private = Some(false), ASK, "first");
        check(|route| route.private = Some(true), ASK, "rest");
        check(|route| route.pii = Some(true), ASK, "rest");
        check(|route| route.max_score = 20, ASK, "first");
        check(|route| route.max_score = 19, ASK, "rest");
        check(|route| route.min_score = 21, ASK, "rest");
        check(|route| route.targets = vec![], ASK, "rest");
    }

    #[test]
    fn confined_requests_go_on_to_the_next_route_or_nowhere() {
        let private = Ask { private: true, ..ASK };
        let pii = Ask { pii: true, ..ASK };
        let with_local = table(vec![route("a", &[0, 1]), route("b", &[1, 2])]);
        for ask in [private, pii] {
            let plan = Plan { route: 1, targets: vec![2], confined: true };
            assert_eq!(with_local.plan(&ask), Ok(plan));
            assert_eq!(table(vec![route("a", &[0, 1])]).plan(&ask), Err(Unroutable::NoLocal));
        }
        let trusting = Table { pii_stays_local: false, ..table(vec![route("a", &[0])]) };
        assert_eq!(trusting.plan(&pii).unwrap().targets, [0]);
        assert_eq!(trusting.plan(&private), Err(Unroutable::NoLocal));
    }

    #[test]
    fn surfaces_are_never_translated() {
        let embeddings = Ask { surface: Surface::Embeddings, ..ASK };
        assert_eq!(table(vec![route("a", &[0, 1, 2])]).plan(&embeddings), Err(Unroutable::NoRoute));
    }

    #[test]
    fn by_cost_the_cheapest_is_first() {
        let mut by_cost = route("a", &[1, 0, 2]);
        by_cost.order = Order::Cost;
        assert_eq!(table(vec![by_cost]).plan(&ASK).unwrap().targets, [2, 0, 1]);
    }

    proptest! {
        #[test]
        fn nothing_confined_ever_leaves(
            private: bool,
            pii: bool,
            score in 0_u8..=100,
            routes in prop::collection::vec((0_u8..=100, 0_u8..=100, prop::collection::vec(0_usize..3, 0..4)), 0..5),
        ) {
            let routes = routes.into_iter().map(|(min_score, max_score, targets)| {
                Route { min_score, max_score, ..route("r", &targets) }
            });
            let table = table(routes.collect());
            let ask = Ask { private, pii, score, ..ASK };
            if let Ok(plan) = table.plan(&ask) {
                prop_assert!(!plan.targets.is_empty());
                prop_assert!(!(private || pii) || plan.targets.iter().all(|&number| table.targets[number].local));
            }
        }
    }
}
