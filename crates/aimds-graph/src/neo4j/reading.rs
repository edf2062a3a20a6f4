//! Questions. Those that need several statements ask them all in one transaction: nodes are known by the database's own numbers,
//! which hold only as long as it lasts.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use neo4rs::{Query, Row, Txn};

use super::bolt::{Bolt, Rows};
use super::cypher;
use super::rows::{Found, count, get, hop, kind, place, signed, time};
use crate::answer::Stats;
use crate::error::Error;
use crate::graph::{Place, Portion, Step, Steps, Ties};
use crate::limits::Span;
use crate::model::{NodeId, NodeKind, Properties, Property};

/// Bytes that the driver sends at once. It leaves Nagle's algorithm on: what follows in a second piece waits until the server has
/// acknowledged the first, which it may put off for 40 ms.
const AT_ONCE: usize = 8192;
/// What a message holds beside its text and its keys, at most: parameters of a fixed size, a tenant's name.
const BESIDE: usize = 1024;
/// A key as it is sent, at most.
const KEY: usize = 9;

pub(super) struct Reader {
    bolt: Arc<Bolt>,
    /// That of the question which is being answered.
    transaction: Cell<Option<Txn>>,
}

impl Reader {
    pub(super) fn new(bolt: Arc<Bolt>) -> Self {
        Self { bolt, transaction: Cell::new(None) }
    }

    /// Ends the transaction that a question began, behind its answer.
    pub(super) fn end(&self) {
        if let Some(transaction) = self.transaction.take() {
            self.bolt.end(transaction);
        }
    }

    fn ask(&self, query: Query) -> Result<Rows, Error> {
        let (transaction, rows) = self.bolt.read(self.transaction.take(), query)?;
        self.transaction.set(Some(transaction));
        Ok(rows)
    }

    /// Asks about many keys in as few messages as can be sent at once; `see` is shown the rows, and the place of their first key.
    fn about(
        &self,
        text: &str,
        keys: &[i64],
        with: impl Fn(Query) -> Query,
        mut see: impl FnMut(usize, &Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let room = AT_ONCE.saturating_sub(text.len() + BESIDE) / KEY;
        let mut first = 0;
        for some in keys.chunks(room.max(1)) {
            for row in self.ask(with(Query::new(text.to_owned()).param("keys", some)))? {
                see(first, &row)?;
            }
            first += some.len();
        }
        Ok(())
    }

    pub(super) fn find(&self, tenant: &str, id: &NodeId) -> Result<Option<Place<i64>>, Error> {
        let query = Query::new(cypher::FIND.to_owned()).param("tenant", tenant).param("id", id.as_str());
        let rows = self.ask(query)?;
        rows.first().map(|row| place(get(row, "place")?)).transpose()
    }

    pub(super) fn step(
        &self,
        tenant: &str,
        from: &[i64],
        step: &Step<'_>,
        known: &dyn Fn(&i64) -> bool,
    ) -> Result<Steps<i64>, Error> {
        let with = |query: Query| {
            query
                .param("tenant", tenant)
                .param("from_ms", signed(step.span.from_ms))
                .param("to_ms", signed(step.span.to_ms))
                .param("limit", count(step.fan_out.saturating_add(1)))
                .param("budget", count(step.budget.saturating_add(1)))
        };
        let mut all = Vec::new();
        self.about(&cypher::step(step.sides), from, with, |first, row| {
            let side =
                usize::try_from(get::<i64>(row, "side")?).ok().and_then(|number| step.sides.get(number));
            let side = *side.ok_or(Error::Malformed { what: "answer" })?;
            for found in get::<Vec<Found>>(row, "found")? {
                all.push(hop(found, side, first)?);
            }
            Ok(())
        })?;
        // One direction after the other, and in each node after node, of which each began with its newest edge.
        let direction = |side| step.sides.iter().position(|&asked| asked == side);
        all.sort_by_key(|(hop, _)| (direction(hop.side), hop.from));
        let mut steps = Steps::default();
        let mut seen = HashSet::new();
        let (mut of, mut taken) = (None, 0);
        for (hop, place) in all {
            taken = if of == Some((hop.side, hop.from)) { taken + 1 } else { 1 };
            of = Some((hop.side, hop.from));
            if steps.hops.len() >= step.budget || taken > step.fan_out {
                steps.truncated = true;
                continue;
            }
            if !known(&hop.to) && seen.insert(hop.to) {
                steps.places.push(place);
            }
            steps.hops.push(hop);
        }
        Ok(steps)
    }

    pub(super) fn properties(&self, tenant: &str, keys: &[i64]) -> Result<Vec<Properties>, Error> {
        let mut all = vec![Properties::new(); keys.len()];
        let with = |query: Query| query.param("tenant", tenant);
        self.about(&cypher::properties(), keys, with, |first, row| {
            for (number, stored) in get::<Vec<(usize, HashMap<String, Property>)>>(row, "found")? {
                let mut properties: Properties = stored.into_iter().collect();
                for stored in ["tenant", "id", "kind", "first_ms", "last_ms"] {
                    properties.remove(stored);
                }
                if let Some(place) = all.get_mut(first + number) {
                    *place = properties;
                }
            }
            Ok(())
        })?;
        Ok(all)
    }

    pub(super) fn attacks(
        &self,
        tenant: &str,
        span: Span,
        limit: usize,
    ) -> Result<Portion<Place<i64>>, Error> {
        let query = in_span(cypher::attacks(), tenant, span).param("limit", count(limit.saturating_add(1)));
        let mut found = places(&self.ask(query)?)?;
        let truncated = found.len() > limit;
        found.truncate(limit);
        Ok(Portion { found, truncated })
    }

    /// `None` where there are more attacks, or more edges of one in one direction, than are wanted: which are the newest this does
    /// not ask.
    pub(super) fn ties(
        &self,
        tenant: &str,
        span: Span,
        limit: usize,
        fan_out: usize,
    ) -> Result<Option<Ties<i64>>, Error> {
        let Portion { found: mut attacks, truncated } = self.attacks(tenant, span, limit)?;
        if truncated {
            return Ok(None);
        }
        attacks.sort_unstable_by(|a, b| (a.first_ms, &a.id).cmp(&(b.first_ms, &b.id)));
        let numbers: HashMap<i64, usize> = attacks.iter().map(|attack| attack.key).zip(0..).collect();
        let most = attacks.len().saturating_mul(fan_out);
        let query = in_span(cypher::ties(), tenant, span).param("budget", count(most.saturating_add(1)));
        let (mut causes_of, mut likes_of) = (vec![0_usize; attacks.len()], vec![0_usize; attacks.len()]);
        let (mut caused, mut alike) = (Vec::new(), Vec::new());
        for row in self.ask(query)? {
            let are_alike: bool = get(&row, "are_alike")?;
            let (ones, others): (Vec<i64>, Vec<i64>) = (get(&row, "attacks")?, get(&row, "others")?);
            let weights: Vec<f64> = get(&row, "weights")?;
            let edges_of = if are_alike { &mut likes_of } else { &mut causes_of };
            if ones.len() > most {
                return Ok(None);
            }
            for (at, (one, other)) in ones.iter().zip(others).enumerate() {
                let Some(&attack) = numbers.get(one) else { continue };
                if let Some(edges) = edges_of.get_mut(attack) {
                    *edges += 1;
                }
                match weights.get(at) {
                    Some(&weight) => alike.extend(numbers.get(&other).map(|&other| (attack, other, weight))),
                    None => caused.push((attack, other)),
                }
            }
        }
        if causes_of.iter().chain(&likes_of).any(|&edges| edges > fan_out) {
            return Ok(None);
        }
        let mut keys: Vec<i64> = caused.iter().map(|&(_, cause)| cause).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut causes = Vec::new();
        self.about(
            &cypher::places(),
            &keys,
            |query| query.param("tenant", tenant),
            |_, row| {
                causes.extend(places(std::slice::from_ref(row))?);
                Ok(())
            },
        )?;
        causes.retain(|cause| matches!(cause.id.kind(), NodeKind::Source | NodeKind::Pattern));
        let numbers: HashMap<i64, usize> = causes.iter().map(|cause| cause.key).zip(0..).collect();
        let caused =
            caused.iter().filter_map(|(attack, cause)| Some((*attack, *numbers.get(cause)?))).collect();
        Ok(Some(Ties { attacks, causes, caused, alike, truncated }))
    }

    pub(super) fn count(&self, tenant: Option<&str>) -> Result<Stats, Error> {
        let of = |text: &str| Query::new(text.to_owned()).param("tenant", tenant.map(str::to_owned));
        let mut stats = Stats::default();
        for row in self.ask(of(cypher::COUNT_NODES))? {
            stats.counts.nodes.insert(kind(&get::<String>(&row, "kind")?)?, time(&row, "nodes")?);
            let (first, last) = (time(&row, "first_ms")?, time(&row, "last_ms")?);
            stats.first_ms = Some(stats.first_ms.map_or(first, |known| known.min(first)));
            stats.last_ms = stats.last_ms.max(Some(last));
        }
        let edges = self.ask(of(cypher::COUNT_EDGES))?;
        stats.counts.edges = edges.first().map_or(Ok(0), |row| time(row, "edges"))?;
        Ok(stats)
    }
}

fn in_span(text: String, tenant: &str, span: Span) -> Query {
    Query::new(text)
        .param("tenant", tenant)
        .param("from_ms", signed(span.from_ms))
        .param("to_ms", signed(span.to_ms))
}

fn places(rows: &[Row]) -> Result<Vec<Place<i64>>, Error> {
    let mut all = Vec::new();
    for row in rows {
        for stored in get::<Vec<_>>(row, "found")? {
            all.push(place(stored)?);
        }
    }
    Ok(all)
}
