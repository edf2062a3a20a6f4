//! Many policies over one trace.

use std::collections::HashMap;
use std::sync::Arc;

use crate::closed::Closed;
use crate::instances::Needs;
use crate::monitor::Monitor;
use crate::policy::Policy;
use crate::table::{Cell, Table};
use crate::trace::{Event, TimeGoesBack};
use crate::verdict::Verdict;

/// The number of an event that has been made known to a [`MonitorSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId(u32);

/// The most distinct events that a set keeps.
pub const MAX_KNOWN_EVENTS: usize = 65_536;

/// Monitors for many policies over the same trace. Which atoms an event is to which policy is worked out once for each distinct
/// event. A policy without variables and with few states, which has at most one open window at a time, is a look-up in a
/// table, and only at steps that may change something: where one of its atoms happens, or an `X` waits, or a window ends.
///
/// ```
/// use aimds_temporal::{MonitorSet, Policy, Verdict};
///
/// let policies = ["G !attack", "G(p -> F q)"].map(|text| Policy::parse(text).unwrap());
/// let mut set = MonitorSet::new(&policies);
/// let (p, attack) = (set.event(&"p".into()).unwrap(), set.event(&"attack".into()).unwrap());
/// set.step(0, &[p])?;
/// set.step(1, &[attack])?;
/// assert_eq!(set.verdict(0), Some(Verdict::False));
/// assert_eq!(set.verdict(1), Some(Verdict::PresumablyFalse));
/// # Ok::<(), aimds_temporal::TimeGoesBack>(())
/// ```
#[derive(Debug, Clone)]
pub struct MonitorSet {
    monitors: Vec<Monitor>,
    rows: Vec<Row>,
    /// For each row its monitor, which is told of the state when the verdict becomes definite, and its table.
    tables: Vec<(usize, Arc<Table>)>,
    /// The monitors that are not tables.
    others: Vec<usize>,
    known: HashMap<Event, EventId>,
    events: Vec<Event>,
    /// For each event the letter for each table, and for each other monitor without variables.
    table_letters: Vec<u8>,
    other_letters: Vec<u64>,
    /// For each event the tables to which it is an atom, 64 to a word.
    concerned: Vec<u64>,
    /// The tables in whose state any step may change something, those without a definite verdict, and those that have taken
    /// the step that is being taken.
    restless: Vec<u64>,
    live: Vec<u64>,
    taken: Vec<u64>,
    /// No window ends before.
    wake_ms: u64,
    now_ms: u64,
    steps: u64,
}

/// The state of a table.
#[derive(Debug, Clone)]
struct Row {
    cells: Arc<[Cell]>,
    row: u32,
    quiet: u32,
    /// As in the monitor; [`NEVER`] if there is none.
    left: u64,
    /// The open window, if the state has one.
    to: u64,
    origin: u64,
    span_ms: u64,
}

const NEVER: u64 = u64::MAX;
const WORD: usize = u64::BITS as usize;

impl Row {
    fn new(table: &Table, quiet: u32) -> Self {
        Self {
            cells: Arc::clone(&table.cells),
            row: 0,
            quiet: table.row(quiet).unwrap_or(u32::MAX),
            left: NEVER,
            to: NEVER,
            origin: 0,
            span_ms: table.span_ms,
        }
    }

    #[inline]
    fn cell(&self, letter: u8) -> Option<Cell> {
        self.cells.get(self.row as usize | usize::from(letter)).copied()
    }

    /// Takes a step from the row `before`. Without branches: what happens at a step is hard to predict.
    #[inline]
    fn step(&mut self, cell: Cell, before: u32, t_ms: u64, index: u64) {
        let next = cell.row();
        let left = if next == self.quiet { NEVER } else { self.left.min(index) };
        self.left = if next == before { self.left } else { left };
        self.row = next;
        let end = t_ms.saturating_add(self.span_ms);
        let begins = cell.opens() & !(cell.joins() & (self.to == end));
        self.to = if cell.keeps() { self.to } else { NEVER };
        self.to = if cell.opens() { end } else { self.to };
        self.origin = if begins { index } else { self.origin };
    }

    fn left(&self) -> Option<u64> {
        Some(self.left).filter(|left| *left != NEVER)
    }
}

fn bit(place: usize) -> u64 {
    1 << (place % WORD)
}

fn set_bit(words: &mut [u64], place: usize, value: bool) {
    if let Some(word) = words.get_mut(place / WORD) {
        *word = *word & !bit(place) | u64::from(value) << (place % WORD);
    }
}

fn has_bit(words: &[u64], place: usize) -> bool {
    words.get(place / WORD).is_some_and(|word| word & bit(place) != 0)
}

impl MonitorSet {
    /// Monitors at the begin of a trace, numbered as the policies are.
    pub fn new<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> Self {
        let monitors: Vec<Monitor> = policies.into_iter().map(Policy::monitor).collect();
        let (mut rows, mut tables, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (number, monitor) in monitors.iter().enumerate() {
            let compiled = &monitor.policy().compiled;
            match &compiled.table {
                Some(table) => {
                    rows.push(Row::new(table, compiled.quiet));
                    tables.push((number, Arc::clone(table)));
                }
                None => others.push(number),
            }
        }
        let words = vec![0; rows.len().div_ceil(WORD)];
        let mut set = Self {
            restless: words.clone(),
            live: words.clone(),
            taken: words,
            monitors,
            rows,
            tables,
            others,
            known: HashMap::new(),
            events: Vec::new(),
            table_letters: Vec::new(),
            other_letters: Vec::new(),
            concerned: Vec::new(),
            wake_ms: NEVER,
            now_ms: 0,
            steps: 0,
        };
        for (place, (number, table)) in set.tables.iter().enumerate() {
            let live = set.monitors.get(*number).is_some_and(|monitor| !monitor.is_final());
            set_bit(&mut set.live, place, live);
            set_bit(&mut set.restless, place, table.starts_restless());
        }
        set
    }

    /// The number of an event, for [`step`](Self::step); `None` if [`MAX_KNOWN_EVENTS`] others are known. Events that no
    /// policy knows may be left out of steps.
    pub fn event(&mut self, event: &Event) -> Option<EventId> {
        if let Some(known) = self.known.get(event) {
            return Some(*known);
        }
        if self.events.len() >= MAX_KNOWN_EVENTS {
            return None;
        }
        let id = EventId(self.events.len() as u32);
        self.known.insert(event.clone(), id);
        self.events.push(event.clone());
        let letter = |number: usize| {
            self.monitors.get(number).map_or(0, |monitor| monitor.policy().compiled.letter(event))
        };
        let letters: Vec<u8> = self.tables.iter().map(|(number, _)| letter(*number) as u8).collect();
        self.concerned.extend(letters.chunks(WORD).map(|letters| {
            letters
                .iter()
                .enumerate()
                .fold(0, |word, (place, letter)| word | u64::from(*letter != 0) << place)
        }));
        self.table_letters.extend(letters);
        self.other_letters.extend(self.others.iter().map(|number| letter(*number)));
        Some(id)
    }

    /// The events of the next step.
    ///
    /// # Errors
    ///
    /// If its time lies before the last one; the step is not taken.
    pub fn step(&mut self, t_ms: u64, events: &[EventId]) -> Result<(), TimeGoesBack> {
        self.begin(t_ms)?;
        self.step_tables(t_ms, events)?;
        for (place, number) in self.others.iter().enumerate() {
            let Some(monitor) = self.monitors.get_mut(*number) else { continue };
            if monitor.policy().compiled.variables.is_empty() {
                let letters = events
                    .iter()
                    .filter_map(|event| self.other_letters.get(event.0 as usize * self.others.len() + place));
                let letter = letters.fold(0, |all, letter| all | letter);
                monitor.step_letter(t_ms, letter)?;
                continue;
            }
            let compiled = Arc::clone(&monitor.policy().compiled);
            let events = events.iter().filter_map(|event| self.events.get(event.0 as usize));
            let matches: Vec<(u64, Needs<'_>)> = events.flat_map(|event| compiled.matches(event)).collect();
            monitor.step_matches(t_ms, &matches)?;
        }
        self.steps += 1;
        Ok(())
    }

    fn begin(&mut self, t_ms: u64) -> Result<(), TimeGoesBack> {
        if t_ms < self.now_ms {
            return Err(TimeGoesBack { index: self.steps as usize, t_ms, last_ms: self.now_ms });
        }
        self.now_ms = t_ms;
        Ok(())
    }

    /// The letter that the events are to a table.
    #[inline]
    fn letter(&self, place: usize, events: &[EventId]) -> u8 {
        let letter = |event: &EventId| self.table_letters.get(event.0 as usize * self.rows.len() + place);
        events.iter().filter_map(letter).fold(0, |all, letter| all | letter)
    }

    fn step_tables(&mut self, t_ms: u64, events: &[EventId]) -> Result<(), TimeGoesBack> {
        if t_ms > self.wake_ms {
            self.step_expired(t_ms, events)?;
        }
        let words = self.live.len();
        for word in 0..words {
            let at = |words: &[u64]| words.get(word).copied().unwrap_or(0);
            let concerned = |event: &EventId| self.concerned.get(event.0 as usize * words + word);
            let concerned = events.iter().filter_map(concerned).fold(0, |all, concerned| all | concerned);
            let mut waiting = (at(&self.restless) | concerned) & at(&self.live) & !at(&self.taken);
            let mut restless = at(&self.restless);
            while waiting != 0 {
                let place = word * WORD + waiting.trailing_zeros() as usize;
                let only = waiting & waiting.wrapping_neg();
                waiting ^= only;
                let letter = self.letter(place, events);
                let Some(row) = self.rows.get_mut(place) else { break };
                let Some(cell) = row.cell(letter) else { continue };
                if cell.is_definite() {
                    self.decide(place, |monitor| monitor.step_letter(t_ms, u64::from(letter)))?;
                    continue;
                }
                row.step(cell, row.row, t_ms, self.steps);
                self.wake_ms = self.wake_ms.min(row.to);
                restless = restless & !only | if cell.is_restless() { only } else { 0 };
            }
            if let Some(all) = self.restless.get_mut(word) {
                *all = restless;
            }
        }
        self.taken.fill(0);
        Ok(())
    }

    /// The tables of which a window has ended take the step after that has been noticed.
    fn step_expired(&mut self, t_ms: u64, events: &[EventId]) -> Result<(), TimeGoesBack> {
        for place in self.expired(t_ms) {
            let letter = self.letter(place, events);
            let Some((row, (_, table))) = self.rows.get_mut(place).zip(self.tables.get(place)) else {
                continue;
            };
            let before = row.row;
            let Some(over) = table.expired(before) else { continue };
            let after = row.cells.get(over.row() as usize | usize::from(letter)).copied();
            let Some(cell) = after.filter(|after| !over.is_definite() && !after.is_definite()) else {
                self.decide(place, |monitor| monitor.step_letter(t_ms, u64::from(letter)))?;
                continue;
            };
            row.step(cell, before, t_ms, self.steps);
            set_bit(&mut self.restless, place, cell.is_restless());
            set_bit(&mut self.taken, place, true);
        }
        self.sleep();
        Ok(())
    }

    /// The tables of which a window has ended before.
    fn expired(&self, t_ms: u64) -> Vec<usize> {
        let ended = |(place, row): &(usize, &Row)| row.to < t_ms && has_bit(&self.live, *place);
        self.rows.iter().enumerate().filter(ended).map(|(place, _)| place).collect()
    }

    /// Works out when the next window ends.
    fn sleep(&mut self) {
        let open = self.rows.iter().enumerate().filter(|(place, _)| has_bit(&self.live, *place));
        self.wake_ms = open.map(|(_, row)| row.to).min().unwrap_or(NEVER);
    }

    /// The verdict of a table becomes definite by what its monitor does next.
    fn decide(
        &mut self,
        place: usize,
        by: impl FnOnce(&mut Monitor) -> Result<Verdict, TimeGoesBack>,
    ) -> Result<(), TimeGoesBack> {
        if let Some((row, (number, table))) = self.rows.get(place).zip(self.tables.get(place))
            && let Some(remains) = table.remains(row.row, row.to, row.origin)
            && let Some(monitor) = self.monitors.get_mut(*number)
        {
            monitor.catch_up(self.steps, remains, row.left());
            by(monitor)?;
        }
        set_bit(&mut self.live, place, false);
        Ok(())
    }

    /// Time has come to `now_ms`: see [`Monitor::advance`].
    ///
    /// # Errors
    ///
    /// If time would go back.
    pub fn advance(&mut self, now_ms: u64) -> Result<(), TimeGoesBack> {
        self.begin(now_ms)?;
        if now_ms > self.wake_ms {
            self.advance_expired(now_ms)?;
        }
        for number in &self.others {
            if let Some(monitor) = self.monitors.get_mut(*number) {
                monitor.advance(now_ms)?;
            }
        }
        Ok(())
    }

    fn advance_expired(&mut self, now_ms: u64) -> Result<(), TimeGoesBack> {
        for place in self.expired(now_ms) {
            let Some((row, (_, table))) = self.rows.get_mut(place).zip(self.tables.get(place)) else {
                continue;
            };
            let Some(over) = table.expired(row.row) else { continue };
            if over.is_definite() {
                self.decide(place, |monitor| monitor.advance(now_ms))?;
                continue;
            }
            (row.row, row.to) = (over.row(), NEVER);
            set_bit(&mut self.restless, place, over.is_restless());
        }
        self.sleep();
        Ok(())
    }

    /// The earliest time at which [`advance`](Self::advance) may change a verdict.
    pub fn next_deadline(&self) -> Option<u64> {
        let others = self.others.iter().filter_map(|number| self.monitors.get(*number));
        let live = self.rows.iter().enumerate().filter(|(place, _)| has_bit(&self.live, *place));
        let tables = live.filter_map(|(_, row)| row.to.checked_add(1));
        others.filter_map(Monitor::next_deadline).chain(tables).min()
    }

    /// How many policies there are.
    pub fn len(&self) -> usize {
        self.monitors.len()
    }

    /// Whether there is no policy.
    pub fn is_empty(&self) -> bool {
        self.monitors.is_empty()
    }

    /// The table of a policy, while its verdict is not definite, and where it stands.
    fn table(&self, policy: usize) -> Option<(&Row, &Table)> {
        let place = self.tables.binary_search_by_key(&policy, |(number, _)| *number).ok()?;
        let (_, table) = self.tables.get(place).filter(|_| has_bit(&self.live, place))?;
        Some((self.rows.get(place)?, table))
    }

    /// What is known of a policy; `None` if there is none of that number.
    pub fn verdict(&self, policy: usize) -> Option<Verdict> {
        let of_monitor = || self.monitors.get(policy).map(Monitor::verdict);
        self.table(policy).and_then(|(row, table)| table.verdict(row.row)).or_else(of_monitor)
    }

    /// See [`Monitor::witness`].
    pub fn witness(&self, policy: usize) -> &[usize] {
        self.monitors.get(policy).map(Monitor::witness).unwrap_or_default()
    }

    /// See [`Monitor::binding`].
    pub fn binding(&self, policy: usize) -> &[(String, Option<String>)] {
        self.monitors.get(policy).map(Monitor::binding).unwrap_or_default()
    }

    /// See [`Monitor::close`].
    pub fn close(&self, policy: usize) -> Option<Closed> {
        let monitor = self.monitors.get(policy)?;
        let Some((row, table)) = self.table(policy) else { return Some(monitor.close()) };
        let mut monitor = monitor.clone();
        monitor.catch_up(self.steps, table.remains(row.row, row.to, row.origin)?, row.left());
        Some(monitor.close())
    }
}
