//! A binary tree of sums: draws a slot in proportion to its priority.

use serde::{Deserialize, Serialize};

/// Priorities of `capacity` slots. Inner nodes are sums of their children, the root is node 1.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SumTree {
    leaves: usize,
    nodes: Vec<f64>,
}

impl SumTree {
    pub(crate) fn new(capacity: usize) -> Self {
        let leaves = capacity.next_power_of_two();
        Self { leaves, nodes: vec![0.0; 2 * leaves] }
    }

    /// O(log n). Sums are computed anew from the children, so that rounding does not pile up.
    pub(crate) fn set(&mut self, slot: usize, priority: f64) {
        let mut node = self.leaves + slot;
        if let Some(leaf) = self.nodes.get_mut(node) {
            *leaf = priority;
        }
        while node > 1 {
            node /= 2;
            let sum = self.node(2 * node) + self.node(2 * node + 1);
            if let Some(inner) = self.nodes.get_mut(node) {
                *inner = sum;
            }
        }
    }

    pub(crate) fn get(&self, slot: usize) -> f64 {
        self.node(self.leaves + slot)
    }

    pub(crate) fn total(&self) -> f64 {
        self.node(1)
    }

    /// The slot in which the running sum of priorities passes `at`. O(log n).
    pub(crate) fn find(&self, at: f64) -> usize {
        let (mut node, mut rest) = (1, at);
        while node < self.leaves {
            let left = 2 * node;
            // Rounding may leave a rest at the very end: an empty right half is never entered.
            node = if rest < self.node(left) || self.node(left + 1) <= 0.0 {
                left
            } else {
                rest -= self.node(left);
                left + 1
            };
        }
        node - self.leaves
    }

    fn node(&self, node: usize) -> f64 {
        self.nodes.get(node).copied().unwrap_or(0.0)
    }

    pub(crate) fn is_sound(&self, capacity: usize) -> bool {
        self.leaves == capacity.next_power_of_two()
            && self.nodes.len() == 2 * self.leaves
            && self.nodes.iter().all(|node| node.is_finite() && *node >= 0.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Random;

    proptest! {
        #[test]
        fn a_place_is_found_as_by_adding_up(priorities in prop::collection::vec(0.0..10.0_f64, 1..70), at in 0.0..1.0_f64) {
            let mut tree = SumTree::new(priorities.len());
            for (slot, priority) in priorities.iter().enumerate() {
                tree.set(slot, *priority);
            }
            let total: f64 = priorities.iter().sum();
            prop_assert!((tree.total() - total).abs() <= 1e-9);
            prop_assume!(total > 0.0);
            let slot = tree.find(at * tree.total());
            let before: f64 = priorities[..slot].iter().sum();
            prop_assert!(before <= at * total + 1e-9 && at * total <= before + priorities[slot] + 1e-9);
        }
    }

    #[test]
    fn draws_follow_the_priorities() {
        let priorities = [0.0, 1.0, 4.0, 0.5, 2.5, 8.0, 0.25];
        let mut tree = SumTree::new(priorities.len());
        for (slot, priority) in priorities.iter().enumerate() {
            tree.set(slot, *priority);
        }
        let mut random = Random::new(3);
        let mut counts = [0_u32; 7];
        let draws = 100_000;
        for _ in 0..draws {
            counts[tree.find(random.unit() * tree.total())] += 1;
        }
        assert_eq!(counts[0], 0);
        let chi: f64 = priorities.iter().zip(counts).skip(1).fold(0.0, |sum, (priority, count)| {
            let expected = f64::from(draws) * priority / tree.total();
            sum + (f64::from(count) - expected).powi(2) / expected
        });
        // 99.9 % quantile for five degrees of freedom.
        assert!(chi < 20.5, "{chi}");
    }
}
