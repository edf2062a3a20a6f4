//! The four classes, and one value for each of them.

/// The class of a task. A ready task of a higher class starts before any of a lower one, except where
/// [ageing](crate::Class::ageing) says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// Served first.
    Critical,
    /// Served when nothing critical waits.
    High,
    /// Served when nothing critical or high waits.
    Medium,
    /// Served when nothing else waits.
    Low,
}

impl Priority {
    /// All classes, the highest first; `Ord` has the same order.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// Its name in lower case, for metrics and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// One value for each class.
#[derive(Debug, Clone, Default)]
pub(crate) struct PerClass<V>([V; 4]);

impl<V> PerClass<V> {
    pub(crate) fn new(value: impl FnMut(Priority) -> V) -> Self {
        Self(Priority::ALL.map(value))
    }

    pub(crate) fn get(&self, priority: Priority) -> &V {
        let [critical, high, medium, low] = &self.0;
        match priority {
            Priority::Critical => critical,
            Priority::High => high,
            Priority::Medium => medium,
            Priority::Low => low,
        }
    }

    pub(crate) fn get_mut(&mut self, priority: Priority) -> &mut V {
        let [critical, high, medium, low] = &mut self.0;
        match priority {
            Priority::Critical => critical,
            Priority::High => high,
            Priority::Medium => medium,
            Priority::Low => low,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Priority, &V)> {
        Priority::ALL.into_iter().zip(&self.0)
    }
}
