//! Nearest neighbours among delay vectors: a k-d tree over the largest difference of a coordinate.
//!
//! Comparing all pairs costs n² and is already slower at a thousand points.

use std::ops::Range;

use super::MAX_DIMENSION;

/// Vectors nearer than this are the same up to rounding (the series has variance 1): their distance has no logarithm worth
/// taking.
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

/// Which delay vectors there are, and which may be neighbours of which.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search {
    pub(crate) delay: usize,
    pub(crate) dimension: usize,
    /// Only the first `usable` vectors take part, so that what comes after each of them is known.
    pub(crate) usable: usize,
    /// Neighbours are more than this many samples apart.
    pub(crate) theiler: usize,
    /// Neighbours are farther apart than this; negative to allow the same vector again.
    pub(crate) farther_than: f64,
}

/// The vectors of a series, in a tree of the next size that there is code for; the coordinates too many are 0 and change no
/// distance.
pub(crate) struct Neighbours {
    search: Search,
    tree: Sized,
}

enum Sized {
    Two(Tree<2>),
    Three(Tree<3>),
    Four(Tree<4>),
    Six(Tree<6>),
    Most(Tree<MAX_DIMENSION>),
}

impl Neighbours {
    pub(crate) fn new(series: &[f64], search: Search) -> Self {
        let tree = match search.dimension {
            0..=2 => Sized::Two(Tree::new(series, &search)),
            3 => Sized::Three(Tree::new(series, &search)),
            4 => Sized::Four(Tree::new(series, &search)),
            5 | 6 => Sized::Six(Tree::new(series, &search)),
            _ => Sized::Most(Tree::new(series, &search)),
        };
        Self { search, tree }
    }

    /// How many vectors take part.
    pub(crate) fn usable(&self) -> usize {
        self.search.usable
    }

    /// The nearest neighbour of each `stride`-th vector that has one. About O(n log n) for series of few dimensions, O(n²) at
    /// worst.
    pub(crate) fn nearest(&self, stride: usize) -> Vec<Pair> {
        match &self.tree {
            Sized::Two(tree) => tree.nearest(&self.search, stride),
            Sized::Three(tree) => tree.nearest(&self.search, stride),
            Sized::Four(tree) => tree.nearest(&self.search, stride),
            Sized::Six(tree) => tree.nearest(&self.search, stride),
            Sized::Most(tree) => tree.nearest(&self.search, stride),
        }
    }

    /// Calls `found` with each `stride`-th vector and those within `radius` of it, in the order of time.
    pub(crate) fn within(&self, stride: usize, radius: f64, found: impl FnMut(usize, &[u32])) {
        match &self.tree {
            Sized::Two(tree) => tree.within(&self.search, stride, radius, found),
            Sized::Three(tree) => tree.within(&self.search, stride, radius, found),
            Sized::Four(tree) => tree.within(&self.search, stride, radius, found),
            Sized::Six(tree) => tree.within(&self.search, stride, radius, found),
            Sized::Most(tree) => tree.within(&self.search, stride, radius, found),
        }
    }
}

/// Points in the order of the leaves; nodes in the order of a heap.
struct Tree<const SIZE: usize> {
    points: Vec<Point<SIZE>>,
    nodes: Vec<(Split, Time)>,
}

#[derive(Clone, Copy)]
struct Point<const SIZE: usize> {
    at: [f64; SIZE],
    index: u32,
}

/// Where the points of a node are halved, or that there is nothing to halve.
#[derive(Clone, Copy)]
enum Split {
    At {
        axis: usize,
        value: f64,
    },
    /// All points are the same. Without this, a series of few values would be compared pair by pair.
    Same,
}

/// The first and the last time of a node's points. What is near in space is often near in time only, and is then skipped as a
/// whole.
#[derive(Clone, Copy)]
struct Time(u32, u32);

impl Time {
    fn of<const SIZE: usize>(points: &[Point<SIZE>]) -> Self {
        points.iter().fold(Self(u32::MAX, 0), |Self(first, last), point| {
            Self(first.min(point.index), last.max(point.index))
        })
    }

    /// Is no point more than `theiler` samples away?
    fn is_all_near(self, index: u32, theiler: usize) -> bool {
        self.0.abs_diff(index).max(self.1.abs_diff(index)) as usize <= theiler
    }
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
        let dimension = search.dimension.clamp(1, SIZE);
        let count = search.usable.min(super::vectors(series.len(), search.delay, dimension));
        let points: Vec<Point<SIZE>> = (0..count)
            .map(|index| {
                let mut at = [0.0; SIZE];
                for (value, place) in at.iter_mut().zip(0..dimension) {
                    *value = series.get(index + place * search.delay).copied().unwrap_or(0.0);
                }
                Point { at, index: index as u32 }
            })
            .collect();
        let root = Node { number: 0, points: 0..points.len() };
        let mut tree = Self { points, nodes: Vec::new() };
        tree.split(root);
        tree
    }

    /// Halves the points at the median of the coordinate that spreads most, down to the leaves.
    fn split(&mut self, node: Node) {
        let (low, high) = node.halves();
        let points = self.points.get_mut(node.points).unwrap_or_default();
        let time = Time::of(points);
        let (axis, spread) = if points.len() > LEAF { widest(points) } else { (0, 0.0) };
        let split = if spread > 0.0 {
            let middle = low.points.len();
            let by_axis =
                |a: &Point<SIZE>, b: &Point<SIZE>| a.coordinate(axis).total_cmp(&b.coordinate(axis));
            let (_, at, _) = points.select_nth_unstable_by(middle, by_axis);
            Split::At { axis, value: at.coordinate(axis) }
        } else {
            Split::Same
        };
        if self.nodes.len() <= node.number {
            self.nodes.resize(node.number + 1, (Split::Same, time));
        }
        if let Some(place) = self.nodes.get_mut(node.number) {
            *place = (split, time);
        }
        if spread > 0.0 {
            self.split(low);
            self.split(high);
        }
    }

    fn under(&self, node: &Node) -> &[Point<SIZE>] {
        self.points.get(node.points.clone()).unwrap_or_default()
    }

    fn nearest(&self, search: &Search, stride: usize) -> Vec<Pair> {
        let looked_at = |point: &&Point<SIZE>| (point.index as usize).is_multiple_of(stride.max(1));
        let mut pairs: Vec<Pair> = self
            .points
            .iter()
            .filter(looked_at)
            .filter_map(|point| {
                let mut best = Pair { from: point.index as usize, to: 0, distance: f64::INFINITY };
                self.nearer(Node { number: 0, points: 0..self.points.len() }, point, search, &mut best);
                best.distance.is_finite().then_some(best)
            })
            .collect();
        pairs.sort_unstable_by_key(|pair| pair.from);
        pairs
    }

    /// Improves on `best` with the points under the node, the nearer half first.
    fn nearer(&self, node: Node, from: &Point<SIZE>, search: &Search, best: &mut Pair) {
        let Some(&(split, time)) = self.nodes.get(node.number) else { return };
        if time.is_all_near(from.index, search.theiler) {
            return;
        }
        let apart = |point: &Point<SIZE>| point.index.abs_diff(from.index) as usize > search.theiler;
        if node.points.len() <= LEAF {
            for point in self.under(&node) {
                let distance = point.distance(&from.at);
                if distance < best.distance && distance > search.farther_than && apart(point) {
                    (best.to, best.distance) = (point.index as usize, distance);
                }
            }
            return;
        }
        match split {
            Split::At { axis, value } => {
                let offset = from.coordinate(axis) - value;
                let (low, high) = node.halves();
                let (near, far) = if offset < 0.0 { (low, high) } else { (high, low) };
                self.nearer(near, from, search, best);
                if offset.abs() < best.distance {
                    self.nearer(far, from, search, best);
                }
            }
            Split::Same => {
                let points = self.under(&node);
                let distance = points.first().map_or(f64::INFINITY, |point| point.distance(&from.at));
                if distance >= best.distance || distance <= search.farther_than {
                    return;
                }
                if let Some(point) = points.iter().find(|point| apart(point)) {
                    (best.to, best.distance) = (point.index as usize, distance);
                }
            }
        }
    }

    fn within(&self, search: &Search, stride: usize, radius: f64, mut found: impl FnMut(usize, &[u32])) {
        let mut around = Vec::new();
        let mut places: Vec<&Point<SIZE>> = self.points.iter().collect();
        places.sort_unstable_by_key(|point| point.index);
        for point in places.into_iter().step_by(stride.max(1)) {
            around.clear();
            let root = Node { number: 0, points: 0..self.points.len() };
            self.collect(root, point, search, radius, &mut around);
            around.sort_unstable();
            found(point.index as usize, &around);
        }
    }

    fn collect(&self, node: Node, from: &Point<SIZE>, search: &Search, radius: f64, around: &mut Vec<u32>) {
        let Some(&(split, time)) = self.nodes.get(node.number) else { return };
        if time.is_all_near(from.index, search.theiler) {
            return;
        }
        match split {
            Split::At { axis, value } => {
                let offset = from.coordinate(axis) - value;
                let (low, high) = node.halves();
                if offset <= radius {
                    self.collect(low, from, search, radius, around);
                }
                if offset >= -radius {
                    self.collect(high, from, search, radius, around);
                }
            }
            Split::Same => {
                let near = self.under(&node).iter().filter(|point| {
                    let distance = point.distance(&from.at);
                    distance <= radius
                        && distance > search.farther_than
                        && point.index.abs_diff(from.index) as usize > search.theiler
                });
                around.extend(near.map(|point| point.index));
            }
        }
    }
}

/// The coordinate that spreads most, and how far.
fn widest<const SIZE: usize>(points: &[Point<SIZE>]) -> (usize, f64) {
    let mut low = [f64::INFINITY; SIZE];
    let mut high = [f64::NEG_INFINITY; SIZE];
    for point in points {
        for ((low, high), &value) in low.iter_mut().zip(&mut high).zip(&point.at) {
            *low = low.min(value);
            *high = high.max(value);
        }
    }
    let spreads = low.iter().zip(&high).map(|(low, high)| high - low).enumerate();
    spreads.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(series: &[f64], search: &Search, stride: usize) -> Vec<(usize, f64)> {
        let distance = |i: usize, j: usize| {
            (0..search.dimension)
                .map(|d| (series[i + d * search.delay] - series[j + d * search.delay]).abs())
                .fold(0.0, f64::max)
        };
        let pair = |from: usize| {
            let others = (0..search.usable).filter(|&to| from.abs_diff(to) > search.theiler);
            let distances =
                others.map(|to| distance(from, to)).filter(|&distance| distance > search.farther_than);
            Some((from, distances.min_by(f64::total_cmp)?))
        };
        (0..search.usable).step_by(stride).filter_map(pair).collect()
    }

    proptest! {
        #[test]
        fn nearest_is_the_nearest_of_all(
            series in prop::collection::vec(prop_oneof![-1.0..1.0, (0_i32..4).prop_map(f64::from)], 30..150),
            delay in 1_usize..4,
            dimension in 1_usize..6,
            theiler in 0_usize..9,
            stride in 1_usize..4,
            farther_than in prop_oneof![Just(SAME), Just(-1.0)],
        ) {
            let usable = series.len() - (dimension - 1) * delay;
            let search = Search { delay, dimension, usable, theiler, farther_than };
            let found = Neighbours::new(&series, search).nearest(stride);
            for pair in &found {
                prop_assert!(pair.from.abs_diff(pair.to) > theiler);
            }
            let found: Vec<_> = found.into_iter().map(|pair| (pair.from, pair.distance)).collect();
            prop_assert_eq!(found, naive(&series, &search, stride));
        }

        #[test]
        fn within_finds_all_and_no_other(
            series in prop::collection::vec(-1.0..1.0_f64, 30..150),
            radius in 0.0..0.6_f64,
            dimension in 1_usize..4,
        ) {
            let usable = series.len() + 1 - dimension;
            let search = Search { delay: 1, dimension, usable, theiler: 2, farther_than: SAME };
            Neighbours::new(&series, search).within(1, radius, |from, around| {
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
