//! Nearest neighbours among delay vectors: a k-d tree over the largest difference of a coordinate.
//!
//! Comparing all pairs costs n² and is already slower at a thousand points.

use std::ops::Range;

use super::MAX_DIMENSION;

/// Vectors nearer than this are the same up to rounding (the series has variance 1) and not neighbours: their distance has
/// no logarithm worth taking.
pub(crate) const SAME: f64 = 1e-9;

/// As many points as are compared one by one.
const LEAF: usize = 12;

/// A vector and its nearest neighbour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pair {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) distance: f64,
}

/// Which delay vectors there are, which may be neighbours of which, and for how many to look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search {
    pub(crate) delay: usize,
    pub(crate) dimension: usize,
    /// Only the first `usable` vectors take part, so that what comes after each of them is known.
    pub(crate) usable: usize,
    /// Neighbours are more than this many samples apart.
    pub(crate) theiler: usize,
    /// Looks for the neighbours of each `stride`-th vector.
    pub(crate) stride: usize,
}

macro_rules! by_dimension {
    ($dimension:expr, $size:ident => $body:expr) => {
        match $dimension {
            0 | 1 => { const $size: usize = 1; $body }
            2 => { const $size: usize = 2; $body }
            3 => { const $size: usize = 3; $body }
            4 => { const $size: usize = 4; $body }
            5 => { const $size: usize = 5; $body }
            6 => { const $size: usize = 6; $body }
            7 => { const $size: usize = 7; $body }
            8 => { const $size: usize = 8; $body }
            9 => { const $size: usize = 9; $body }
            _ => { const $size: usize = MAX_DIMENSION; $body }
        }
    };
}

impl Search {
    /// The nearest neighbour of each vector looked at that has one. About O(n log n) for series of few dimensions, O(n²) at
    /// worst.
    pub(crate) fn nearest(&self, series: &[f64]) -> Vec<Pair> {
        by_dimension!(self.dimension, SIZE => Tree::<SIZE>::new(series, self).nearest(self))
    }

    /// Calls `found` with each vector looked at and those within `radius` of it. The number of distances computed is
    /// bounded by `budget`: what is left when it is spent is not looked at.
    pub(crate) fn within(&self, series: &[f64], radius: f64, budget: usize, found: impl FnMut(usize, &[u32])) {
        by_dimension!(self.dimension, SIZE => Tree::<SIZE>::new(series, self).within(self, radius, budget, found));
    }
}

/// Points in the order of the leaves; inner nodes in the order of a heap.
struct Tree<const SIZE: usize> {
    points: Vec<Point<SIZE>>,
    splits: Vec<Split>,
}

#[derive(Clone, Copy)]
struct Point<const SIZE: usize> {
    at: [f64; SIZE],
    index: u32,
}

#[derive(Clone, Copy, Default)]
struct Split {
    axis: usize,
    value: f64,
}

/// A node: its number in the heap and the points under it.
#[derive(Clone)]
struct Node {
    number: usize,
    points: Range<usize>,
}

impl Node {
    fn halves(&self) -> (Self, Self) {
        let middle = self.points.start + self.points.len() / 2;
        let low = Self { number: 2 * self.number + 1, points: self.points.start..middle };
        (low, Self { number: 2 * self.number + 2, points: middle..self.points.end })
    }
}

impl<const SIZE: usize> Point<SIZE> {
    fn distance(&self, other: &[f64; SIZE]) -> f64 {
        let mut largest = 0.0_f64;
        for (a, b) in self.at.iter().zip(other) {
            let difference = (a - b).abs();
            largest = if difference > largest { difference } else { largest };
        }
        largest
    }

    fn coordinate(&self, axis: usize) -> f64 {
        self.at.get(axis).copied().unwrap_or(0.0)
    }
}

impl<const SIZE: usize> Tree<SIZE> {
    fn new(series: &[f64], search: &Search) -> Self {
        let count = search.usable.min(super::vectors(series.len(), search.delay, SIZE));
        let points: Vec<Point<SIZE>> = (0..count)
            .map(|index| {
                let mut at = [0.0; SIZE];
                for (value, place) in at.iter_mut().zip(0..) {
                    *value = series.get(index + place * search.delay).copied().unwrap_or(0.0);
                }
                Point { at, index: index as u32 }
            })
            .collect();
        let root = Node { number: 0, points: 0..points.len() };
        let mut tree = Self { points, splits: Vec::new() };
        tree.split(root);
        tree
    }

    /// Halves the points at the median of the coordinate that spreads most, down to the leaves.
    fn split(&mut self, node: Node) {
        if node.points.len() <= LEAF {
            return;
        }
        let (low, high) = node.halves();
        let points = self.points.get_mut(node.points).unwrap_or_default();
        let axis = widest(points);
        let middle = low.points.len();
        let (_, at, _) =
            points.select_nth_unstable_by(middle, |a, b| a.coordinate(axis).total_cmp(&b.coordinate(axis)));
        let split = Split { axis, value: at.coordinate(axis) };
        if self.splits.len() <= node.number {
            self.splits.resize(node.number + 1, Split::default());
        }
        if let Some(place) = self.splits.get_mut(node.number) {
            *place = split;
        }
        self.split(low);
        self.split(high);
    }

    fn nearest(&self, search: &Search) -> Vec<Pair> {
        let looked_at = |point: &&Point<SIZE>| point.index as usize % search.stride.max(1) == 0;
        let mut pairs: Vec<Pair> = self
            .points
            .iter()
            .filter(looked_at)
            .filter_map(|point| {
                let mut best = Pair { from: point.index as usize, to: 0, distance: f64::INFINITY };
                self.nearer(Node { number: 0, points: 0..self.points.len() }, point, search.theiler, &mut best);
                best.distance.is_finite().then_some(best)
            })
            .collect();
        pairs.sort_unstable_by_key(|pair| pair.from);
        pairs
    }

    /// Improves on `best` with the points under the node, the nearer half first.
    fn nearer(&self, node: Node, from: &Point<SIZE>, theiler: usize, best: &mut Pair) {
        if node.points.len() <= LEAF {
            for point in self.points.get(node.points).unwrap_or_default() {
                let distance = point.distance(&from.at);
                // Of two equally near the earlier, so that the result does not depend on the tree.
                let nearer = distance < best.distance
                    || (distance == best.distance && (point.index as usize) < best.to);
                if nearer && distance > SAME && point.index.abs_diff(from.index) as usize > theiler {
                    (best.to, best.distance) = (point.index as usize, distance);
                }
            }
            return;
        }
        let split = self.splits.get(node.number).copied().unwrap_or_default();
        let offset = from.coordinate(split.axis) - split.value;
        let (low, high) = node.halves();
        let (near, far) = if offset < 0.0 { (low, high) } else { (high, low) };
        self.nearer(near, from, theiler, best);
        if offset.abs() <= best.distance {
            self.nearer(far, from, theiler, best);
        }
    }

    fn within(&self, search: &Search, radius: f64, budget: usize, mut found: impl FnMut(usize, &[u32])) {
        let mut around = Vec::new();
        let mut left = budget;
        let mut places: Vec<&Point<SIZE>> = self.points.iter().collect();
        places.sort_unstable_by_key(|point| point.index);
        for point in places.into_iter().step_by(search.stride.max(1)) {
            around.clear();
            self.collect(Node { number: 0, points: 0..self.points.len() }, point, search.theiler, radius, &mut around);
            around.sort_unstable();
            found(point.index as usize, &around);
            left = left.saturating_sub(around.len() + LEAF);
            if left == 0 {
                return;
            }
        }
    }

    fn collect(&self, node: Node, from: &Point<SIZE>, theiler: usize, radius: f64, around: &mut Vec<u32>) {
        if node.points.len() <= LEAF {
            let points = self.points.get(node.points).unwrap_or_default().iter();
            let near = points.filter(|point| {
                let distance = point.distance(&from.at);
                distance <= radius && distance > SAME && point.index.abs_diff(from.index) as usize > theiler
            });
            around.extend(near.map(|point| point.index));
            return;
        }
        let split = self.splits.get(node.number).copied().unwrap_or_default();
        let offset = from.coordinate(split.axis) - split.value;
        let (low, high) = node.halves();
        if offset <= radius {
            self.collect(low, from, theiler, radius, around);
        }
        if offset >= -radius {
            self.collect(high, from, theiler, radius, around);
        }
    }
}

fn widest<const SIZE: usize>(points: &[Point<SIZE>]) -> usize {
    let mut low = [f64::INFINITY; SIZE];
    let mut high = [f64::NEG_INFINITY; SIZE];
    for point in points {
        for ((low, high), &value) in low.iter_mut().zip(&mut high).zip(&point.at) {
            *low = low.min(value);
            *high = high.max(value);
        }
    }
    let spread = |axis: &usize| high.get(*axis).unwrap_or(&0.0) - low.get(*axis).unwrap_or(&0.0);
    (0..SIZE).max_by(|a, b| spread(a).total_cmp(&spread(b))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(series: &[f64], search: &Search) -> Vec<Pair> {
        let distance = |i: usize, j: usize| {
            (0..search.dimension)
                .map(|d| (series[i + d * search.delay] - series[j + d * search.delay]).abs())
                .fold(0.0, f64::max)
        };
        let pair = |from: usize| {
            let others = (0..search.usable).filter(|&to| from.abs_diff(to) > search.theiler);
            let (distance, to) = others
                .map(|to| (distance(from, to), to))
                .filter(|(distance, _)| *distance > SAME)
                .min_by(|a, b| a.0.total_cmp(&b.0))?;
            Some(Pair { from, to, distance })
        };
        (0..search.usable).step_by(search.stride).filter_map(pair).collect()
    }

    proptest! {
        #[test]
        fn nearest_is_the_nearest_of_all(
            series in prop::collection::vec(prop_oneof![-1.0..1.0, (0_i32..4).prop_map(f64::from)], 30..150),
            delay in 1_usize..4,
            dimension in 1_usize..6,
            theiler in 0_usize..9,
            stride in 1_usize..4,
        ) {
            let usable = series.len() - (dimension - 1) * delay;
            let search = Search { delay, dimension, usable, theiler, stride };
            prop_assert_eq!(search.nearest(&series), naive(&series, &search));
        }

        #[test]
        fn within_finds_all_and_no_other(
            series in prop::collection::vec(-1.0..1.0_f64, 30..150),
            radius in 0.0..0.6_f64,
            dimension in 1_usize..4,
        ) {
            let search =
                Search { delay: 1, dimension, usable: series.len() + 1 - dimension, theiler: 2, stride: 1 };
            search.within(&series, radius, usize::MAX, |from, around| {
                let expected: Vec<u32> = (0..search.usable)
                    .filter(|&to| from.abs_diff(to) > 2)
                    .filter(|&to| (0..dimension).all(|d| (series[from + d] - series[to + d]).abs() <= radius))
                    .map(|to| to as u32)
                    .collect();
                assert_eq!(around, expected);
            });
        }
    }
}
