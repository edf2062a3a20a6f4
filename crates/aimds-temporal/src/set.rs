//! Many policies over one trace.

use std::collections::HashMap;
use std::sync::Arc;

use crate::closed::Closed;
use crate::instances::Needs;
use crate::monitor::Monitor;
use crate::policy::Policy;
use crate::trace::{Event, TimeGoesBack};
use crate::verdict::Verdict;

/// The number of an event that has been made known to a [`MonitorSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId(u32);

/// The most distinct events that a set keeps.
pub const MAX_KNOWN_EVENTS: usize = 65_536;

/// Monitors for many policies over the same trace. Which atoms an event is to which policy is worked out once for each distinct
/// event; policies without time bounds and variables, whose automaton is complete, are one look-up in a table a step.
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
    tables: Vec<Table>,
    /// The monitors that are not tables.
    others: Vec<usize>,
    known: HashMap<Event, EventId>,
    events: Vec<Event>,
    /// For each event the letter for each table, and for each other monitor without variables.
    table_letters: Vec<u8>,
    other_letters: Vec<u64>,
    /// The letters of the step that is being taken.
    letters: Vec<u8>,
    now_ms: u64,
    steps: u64,
}

/// A monitor whose state is a row of a table. The monitor itself is told of it when the verdict becomes definite.
#[derive(Debug, Clone)]
struct Table {
    monitor: usize,
    state: u32,
    atoms: u32,
    quiet: u32,
    /// As in the monitor.
    left: Option<u64>,
    cells: Arc<[u32]>,
    /// For each state.
    verdicts: Arc<[Verdict]>,
}

impl Table {
    fn new(number: usize, monitor: &Monitor) -> Option<Self> {
        let (cells, atoms, state) = monitor.table()?;
        let states = (cells.len() >> atoms) as u32;
        Some(Self {
            monitor: number,
            state,
            atoms,
            quiet: monitor.quiet_state(),
            left: None,
            cells: cells.into(),
            verdicts: (0..states).map(|state| monitor.verdict_of(state)).collect(),
        })
    }

    /// Takes a step; whether the verdict has become definite, in which case the state is still the one before.
    #[inline]
    fn step(&mut self, letter: u8, index: u64) -> bool {
        let cell = (self.state as usize) << self.atoms | usize::from(letter);
        let next = self.cells.get(cell).copied().unwrap_or(self.state);
        if next == self.state {
            return false;
        }
        if self.verdicts.get(next as usize).is_some_and(|verdict| verdict.is_definite()) {
            return true;
        }
        self.left = if next == self.quiet { None } else { self.left.or(Some(index)) };
        self.state = next;
        false
    }

    fn verdict(&self) -> Option<Verdict> {
        self.verdicts.get(self.state as usize).copied()
    }
}

impl MonitorSet {
    /// Monitors at the begin of a trace, numbered as the policies are.
    pub fn new<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> Self {
        let monitors: Vec<Monitor> = policies.into_iter().map(Policy::monitor).collect();
        let mut tables = Vec::new();
        let mut others = Vec::new();
        for (number, monitor) in monitors.iter().enumerate() {
            match Table::new(number, monitor) {
                Some(table) => tables.push(table),
                None => others.push(number),
            }
        }
        let letters = vec![0; tables.len()];
        Self {
            monitors,
            tables,
            others,
            known: HashMap::new(),
            events: Vec::new(),
            table_letters: Vec::new(),
            other_letters: Vec::new(),
            letters,
            now_ms: 0,
            steps: 0,
        }
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
        self.table_letters.extend(self.tables.iter().map(|table| letter(table.monitor) as u8));
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

    fn step_tables(&mut self, t_ms: u64, events: &[EventId]) -> Result<(), TimeGoesBack> {
        let row = |event: &EventId| {
            let start = event.0 as usize * self.tables.len();
            self.table_letters.get(start..start + self.tables.len()).unwrap_or_default()
        };
        match events {
            [one] => self.letters.copy_from_slice(row(one)),
            _ => {
                self.letters.fill(0);
                for event in events {
                    self.letters.iter_mut().zip(row(event)).for_each(|(all, letter)| *all |= letter);
                }
            }
        }
        for (table, letter) in self.tables.iter_mut().zip(&self.letters) {
            if !table.step(*letter, self.steps) {
                continue;
            }
            if let Some(monitor) = self.monitors.get_mut(table.monitor) {
                monitor.catch_up(self.steps, table.state, table.left);
                monitor.step_letter(t_ms, u64::from(*letter))?;
                let cell = (table.state as usize) << table.atoms | usize::from(*letter);
                table.state = table.cells.get(cell).copied().unwrap_or(table.state);
            }
        }
        Ok(())
    }

    /// Time has come to `now_ms`: see [`Monitor::advance`].
    ///
    /// # Errors
    ///
    /// If time would go back.
    pub fn advance(&mut self, now_ms: u64) -> Result<(), TimeGoesBack> {
        self.begin(now_ms)?;
        for number in &self.others {
            if let Some(monitor) = self.monitors.get_mut(*number) {
                monitor.advance(now_ms)?;
            }
        }
        Ok(())
    }

    /// The earliest time at which [`advance`](Self::advance) may change a verdict.
    pub fn next_deadline(&self) -> Option<u64> {
        let others = self.others.iter().filter_map(|number| self.monitors.get(*number));
        others.filter_map(Monitor::next_deadline).min()
    }

    /// How many policies there are.
    pub fn len(&self) -> usize {
        self.monitors.len()
    }

    /// Whether there is no policy.
    pub fn is_empty(&self) -> bool {
        self.monitors.is_empty()
    }

    fn table(&self, policy: usize) -> Option<&Table> {
        let place = self.tables.binary_search_by_key(&policy, |table| table.monitor);
        place.ok().and_then(|place| self.tables.get(place))
    }

    /// What is known of a policy; `None` if there is none of that number.
    pub fn verdict(&self, policy: usize) -> Option<Verdict> {
        let of_monitor = || self.monitors.get(policy).map(Monitor::verdict);
        self.table(policy).and_then(Table::verdict).or_else(of_monitor)
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
        match self.table(policy) {
            Some(table) if !monitor.verdict().is_definite() => {
                let mut monitor = monitor.clone();
                monitor.catch_up(self.steps, table.state, table.left);
                Some(monitor.close())
            }
            _ => Some(monitor.close()),
        }
    }
}
