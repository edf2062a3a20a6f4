//! What the scheduler promises, written down as plainly as possible: lists, searched from end to end.

use aimds_scheduler::{Discard, Order, Reason, Shed};

#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub capacity: u32,
    pub deadline: u64,
    pub order: Order,
    pub shed: Shed,
    pub ageing: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Started { id: usize, at: u64, deadline: u64, aged: bool },
    Discarded { id: usize, why: Discard },
}

#[derive(Debug, Clone)]
struct Waiting {
    id: usize,
    accepted_at: u64,
    deadline: u64,
    cost: u64,
    run: u64,
    panics: bool,
    cancelled: bool,
}

#[derive(Debug)]
struct Class {
    settings: Settings,
    waiting: Vec<Waiting>,
    /// Since when something waits and nothing has started.
    since: u64,
    counts: [u64; 10],
    wait: u64,
    latency: u64,
}

const ACCEPTED: usize = 0;
const COMPLETED: usize = 1;
const PANICKED: usize = 2;
const CANCELLED: usize = 3;
const EXPIRED: usize = 4;
const SHED: usize = 5;
const REJECTED: usize = 6;
const LATE_START: usize = 7;
const LATE_FINISH: usize = 8;
const AGED: usize = 9;

pub struct Model {
    classes: Vec<Class>,
    pub log: Vec<Event>,
}

impl Model {
    pub fn new(settings: [Settings; 4]) -> Self {
        let class = |settings| Class {
            settings,
            waiting: Vec::new(),
            since: 0,
            counts: [0; 10],
            wait: 0,
            latency: 0,
        };
        Self { classes: settings.into_iter().map(class).collect(), log: Vec::new() }
    }

    pub fn counts(&self, class: usize) -> [u64; 10] {
        self.classes[class].counts
    }

    pub fn times(&self, class: usize) -> (u64, u64) {
        (self.classes[class].wait, self.classes[class].latency)
    }

    #[allow(clippy::too_many_arguments)]
    pub fn schedule(
        &mut self,
        now: u64,
        class: usize,
        id: usize,
        deadline: Option<u64>,
        cost: u64,
        run: u64,
        panics: bool,
    ) -> Result<(), Reason> {
        let answer = self.admit(now, class, deadline, cost);
        let Ok(deadline) = answer else {
            self.classes[class].counts[REJECTED] += 1;
            return answer.map(drop);
        };
        let class = &mut self.classes[class];
        class.counts[ACCEPTED] += 1;
        class.waiting.push(Waiting { id, accepted_at: now, deadline, cost, run, panics, cancelled: false });
        Ok(())
    }

    fn admit(&mut self, now: u64, class: usize, own: Option<u64>, cost: u64) -> Result<u64, Reason> {
        let settings = self.classes[class].settings;
        if own.is_some() && settings.order == Order::Fifo {
            return Err(Reason::DeadlineFixed);
        }
        let deadline = own.unwrap_or(now + settings.deadline);
        let mut ahead = 0;
        if cost > 0 {
            let fifo = usize::from(settings.order == Order::Fifo);
            ahead =
                self.classes[..class + fifo].iter().flat_map(|class| &class.waiting).map(|w| w.cost).sum();
        }
        if now + ahead + cost > deadline {
            return Err(Reason::DeadlineInfeasible);
        }
        if self.classes[class].waiting.is_empty() {
            self.classes[class].since = now;
        } else if self.classes[class].waiting.len() == settings.capacity as usize {
            self.make_room(now, class)?;
        }
        Ok(deadline)
    }

    fn make_room(&mut self, now: u64, class: usize) -> Result<(), Reason> {
        let first = self.classes[class].first();
        let late = self.classes[class].waiting[first].deadline < now;
        let cancelled = self.classes[class].waiting[first].cancelled;
        let (gives, why) = match self.classes[class].settings.shed {
            Shed::Reject => (false, Discard::Shed),
            Shed::DropOldest => (true, Discard::Shed),
            Shed::DropPastDue => (late, Discard::Expired),
        };
        if !gives && !cancelled {
            return Err(Reason::QueueFull);
        }
        let dropped = self.classes[class].waiting.remove(first);
        self.discard(class, &dropped, why);
        Ok(())
    }

    fn discard(&mut self, class: usize, task: &Waiting, why: Discard) {
        let why = if task.cancelled { Discard::Cancelled } else { why };
        match why {
            Discard::Cancelled => self.classes[class].counts[CANCELLED] += 1,
            Discard::Expired => self.classes[class].counts[EXPIRED] += 1,
            Discard::Shed => self.classes[class].counts[SHED] += 1,
        }
        self.log.push(Event::Discarded { id: task.id, why });
    }

    pub fn cancel(&mut self, id: usize) -> bool {
        for class in &mut self.classes {
            for task in &mut class.waiting {
                if task.id == id && !task.cancelled {
                    task.cancelled = true;
                    return true;
                }
            }
        }
        false
    }

    pub fn run_one(&mut self, now: u64) -> bool {
        while let Some(highest) = self.classes.iter().position(|class| !class.waiting.is_empty()) {
            let overdue = (highest + 1..4)
                .filter(|&class| !self.classes[class].waiting.is_empty())
                .filter_map(|class| {
                    Some((self.classes[class].since + self.classes[class].settings.ageing?, class))
                })
                .filter(|&(due, _)| due <= now)
                .min();
            let class = overdue.map_or(highest, |(_, class)| class);
            let first = self.classes[class].first();
            let task = self.classes[class].waiting.remove(first);
            let late = task.deadline < now;
            if task.cancelled || late && self.classes[class].settings.shed == Shed::DropPastDue {
                self.discard(class, &task, Discard::Expired);
                continue;
            }
            self.start(class, &task, now, overdue.is_some());
            return true;
        }
        false
    }

    fn start(&mut self, class: usize, task: &Waiting, now: u64, aged: bool) {
        let class = &mut self.classes[class];
        class.since = now;
        class.wait += now - task.accepted_at;
        class.latency += now + task.run - task.accepted_at;
        class.counts[if task.panics { PANICKED } else { COMPLETED }] += 1;
        class.counts[LATE_START] += u64::from(now > task.deadline);
        class.counts[LATE_FINISH] += u64::from(now + task.run > task.deadline);
        class.counts[AGED] += u64::from(aged);
        self.log.push(Event::Started { id: task.id, at: now, deadline: task.deadline, aged });
    }
}

impl Class {
    /// Which would start next.
    fn first(&self) -> usize {
        match self.settings.order {
            Order::Fifo => 0,
            Order::EarliestDeadline => {
                (0..self.waiting.len()).min_by_key(|&at| self.waiting[at].deadline).unwrap()
            }
        }
    }
}
