//! Whose turn it is: at most so many requests of `aimds/1` are inspected at the same time, and the others wait in the
//! order of their priority.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use tokio::sync::oneshot;

/// How much a request matters to its sender, the most first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Priority {
    Critical,
    High,
    #[default]
    Normal,
    Low,
}

impl Priority {
    /// What QUIC sends first where answers compete for one connection.
    pub(super) fn of_stream(self) -> i32 {
        match self {
            Self::Critical => 3,
            Self::High => 2,
            Self::Normal => 1,
            Self::Low => 0,
        }
    }
}

/// Not served: others that matter more fill every place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shed;

/// The places, and who waits for one. Priorities are strict, and among equals who came first goes first: under lasting
/// overload the lowest wait until their time is up.
pub(super) struct Turns {
    state: Mutex<State>,
    places: usize,
    queue: usize,
}

#[derive(Default)]
struct State {
    running: usize,
    arrived: u64,
    waiting: BTreeMap<(Priority, u64), oneshot::Sender<Turn>>,
}

/// A place. Whoever waits first gets it when it is dropped.
pub(super) struct Turn(Option<Arc<Turns>>);

impl Turns {
    /// `places` run at the same time and `queue` wait; both at least one.
    pub(super) fn new(places: usize, queue: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), places: places.max(1), queue: queue.max(1) })
    }

    /// Waits for a place. O(log n) in those who wait. Where too many wait, the last of the lowest priority is shed.
    pub(super) async fn wait(self: &Arc<Self>, priority: Priority) -> Result<Turn, Shed> {
        let turn = match self.enter(priority)? {
            Entered::Running(turn) => return Ok(turn),
            Entered::Waiting(turn) => turn,
        };
        turn.await.map_err(|_| Shed)
    }

    fn enter(self: &Arc<Self>, priority: Priority) -> Result<Entered, Shed> {
        let mut state = self.lock();
        if state.running < self.places {
            state.running += 1;
            return Ok(Entered::Running(Turn(Some(Arc::clone(self)))));
        }
        // Who has gone away meanwhile holds no place in the queue.
        if state.waiting.len() >= self.queue {
            state.waiting.retain(|_, waiting| !waiting.is_closed());
        }
        if state.waiting.len() >= self.queue {
            match state.waiting.last_entry() {
                Some(last) if last.key().0 > priority => drop(last.remove()),
                _ => return Err(Shed),
            }
        }
        let (give, turn) = oneshot::channel();
        let arrived = state.arrived;
        state.arrived += 1;
        state.waiting.insert((priority, arrived), give);
        Ok(Entered::Waiting(turn))
    }

    /// Gives a place that has become free to whoever is next.
    fn pass_on(self: Arc<Self>) {
        loop {
            let next = {
                let mut state = self.lock();
                let next = state.waiting.pop_first();
                if next.is_none() {
                    state.running -= 1;
                }
                next
            };
            let Some((_, next)) = next else { return };
            match next.send(Turn(Some(Arc::clone(&self)))) {
                Ok(()) => return,
                // It went away meanwhile: the place is still ours to give.
                Err(mut turn) => turn.0 = None,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Entered {
    Running(Turn),
    Waiting(oneshot::Receiver<Turn>),
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const ALL: [Priority; 4] = [Priority::Critical, Priority::High, Priority::Normal, Priority::Low];

    fn waiting(turns: &Arc<Turns>, priority: Priority) -> oneshot::Receiver<Turn> {
        match turns.enter(priority).unwrap() {
            Entered::Waiting(turn) => turn,
            Entered::Running(_) => panic!("there was a place"),
        }
    }

    proptest! {
        #[test]
        fn places_go_to_the_highest_priority_and_then_to_who_came_first(
            asked in prop::collection::vec((0_usize..4, any::<bool>()), 1..40),
        ) {
            let turns = Turns::new(1, 100);
            let first = turns.enter(Priority::Low).ok();
            let mut queue = Vec::new();
            let mut expected = Vec::new();
            for (number, (priority, stays)) in asked.into_iter().enumerate() {
                let turn = waiting(&turns, ALL[priority]);
                if stays {
                    queue.push((number, turn));
                    expected.push((priority, number));
                }
            }
            expected.sort_unstable();
            drop(first);
            for (_, number) in expected {
                let at = queue.iter().position(|(waits, _)| *waits == number).unwrap();
                let (_, mut turn) = queue.swap_remove(at);
                // Its place is free again at the end of this round.
                drop(turn.try_recv().expect("the next in order has a place"));
            }
            prop_assert_eq!(turns.lock().running, 0);
            prop_assert!(turns.lock().waiting.is_empty());
        }
    }

    #[tokio::test]
    async fn the_lowest_is_shed_for_a_higher_and_never_the_other_way_round() {
        let turns = Turns::new(1, 2);
        let held = turns.wait(Priority::Normal).await.unwrap();
        let mut low = waiting(&turns, Priority::Low);
        let mut normal = waiting(&turns, Priority::Normal);
        assert_eq!(turns.wait(Priority::Low).await.err(), Some(Shed));
        let mut high = waiting(&turns, Priority::High);
        assert!(low.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Closed));
        assert!(normal.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
        drop(held);
        let turn = high.try_recv().unwrap();
        assert!(normal.try_recv().is_err());
        drop(turn);
        assert!(normal.try_recv().is_ok());
    }

    #[tokio::test]
    async fn who_went_away_holds_no_place() {
        let turns = Turns::new(1, 1);
        let held = turns.wait(Priority::Normal).await.unwrap();
        drop(waiting(&turns, Priority::Critical));
        let next = waiting(&turns, Priority::Low);
        drop(held);
        let turn = tokio::time::timeout(Duration::from_secs(10), next).await.unwrap().unwrap();
        assert_eq!(turns.lock().running, 1);
        drop(turn);
        assert_eq!(turns.lock().running, 0);
    }
}
