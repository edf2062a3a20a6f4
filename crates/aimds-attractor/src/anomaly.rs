//! Half-space trees: which combinations of several measures are rare, learnt while they come in.

use crate::error::{Error, setting};
use crate::random::Random;

/// Settings of [`HalfSpaceTrees`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HalfSpaceConfig {
    /// Trees. Default 25.
    pub trees: usize,
    /// Levels of each. Default 8.
    pub height: usize,
    /// Points whose mass the next ones are judged by. Default 250.
    pub window: usize,
    /// Where all randomness comes from.
    pub seed: u64,
}

impl Default for HalfSpaceConfig {
    fn default() -> Self {
        Self { trees: 25, height: 8, window: 250, seed: 1 }
    }
}

/// Where a node is halved, and how many points of the last and of the current window fell into it.
#[derive(Debug, Clone, Copy)]
struct Node {
    axis: usize,
    value: f64,
    mass: u32,
    growing: u32,
}

/// Streaming anomaly detection for points of several measures. O(trees · height) a point, constant memory.
///
/// Tan, Ting and Liu, *Fast anomaly detection for streaming data*, 2011. Measures are clamped to their ranges.
///
/// ```
/// use aimds_attractor::{HalfSpaceConfig, HalfSpaceTrees};
///
/// let mut trees = HalfSpaceTrees::new(&[(0.0, 1.0), (0.0, 1.0)], HalfSpaceConfig::default())?;
/// for i in 0..500 {
///     let wiggle = f64::from(i % 17) / 170.0;
///     trees.push(&[0.4 + wiggle, 0.5 - wiggle])?;
/// }
/// assert!(trees.score(&[0.95, 0.05])?.unwrap() > trees.score(&[0.45, 0.45])?.unwrap());
/// # Ok::<(), aimds_attractor::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct HalfSpaceTrees {
    config: HalfSpaceConfig,
    ranges: Vec<(f64, f64)>,
    /// Each tree as a heap of `2^(height + 1) - 1` nodes.
    trees: Vec<Vec<Node>>,
    seen: usize,
    learnt: bool,
}

impl HalfSpaceTrees {
    /// `ranges` are the lowest and the highest value of each measure.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for measures outside 1 to 64, a range that is empty or not finite, trees outside 1 to 100, a
    /// height outside 1 to 12, or a window outside 1 to 1,000,000: some 26 MB at most.
    pub fn new(ranges: &[(f64, f64)], config: HalfSpaceConfig) -> Result<Self, Error> {
        let HalfSpaceConfig { trees, height, window, seed } = config;
        setting("measures", ranges.len() as f64, "from 1 to 64", (1..=64).contains(&ranges.len()))?;
        for &(low, high) in ranges {
            let width = high - low;
            setting("range", width, "above 0 and finite", width > 0.0 && width.is_finite())?;
        }
        setting("trees", trees as f64, "from 1 to 100", (1..=100).contains(&trees))?;
        setting("height", height as f64, "from 1 to 12", (1..=12).contains(&height))?;
        setting("window", window as f64, "from 1 to 1000000", (1..=1_000_000).contains(&window))?;
        let mut random = Random::new(seed);
        let trees = (0..trees).map(|_| grown(ranges.len(), height, &mut random)).collect();
        Ok(Self { config, ranges: ranges.to_vec(), trees, seen: 0, learnt: false })
    }

    /// How unusual a point is: 1 where nothing was in the last window, towards 0 where all of it was. Only the order
    /// means something; `None` before the first window is full.
    ///
    /// # Errors
    ///
    /// [`Error::Measures`] if the point has not as many values as there are ranges, [`Error::NonFinite`].
    pub fn score(&self, point: &[f64]) -> Result<Option<f64>, Error> {
        let unit = self.unit(point)?;
        if !self.learnt {
            return Ok(None);
        }
        // Below this mass a node is as good as empty.
        let least = self.config.window as f64 / 10.0;
        let mass: f64 = self.trees.iter().map(|tree| density(tree, &unit, least)).sum();
        let most = self.trees.len() as f64 * self.config.window as f64 * (self.config.height as f64).exp2();
        Ok(Some(1.0 - mass / most))
    }

    /// Learns from a point, and says how unusual it was before.
    ///
    /// # Errors
    ///
    /// As for [`HalfSpaceTrees::score`].
    pub fn push(&mut self, point: &[f64]) -> Result<Option<f64>, Error> {
        let score = self.score(point)?;
        let unit = self.unit(point)?;
        for tree in &mut self.trees {
            let mut at = Some(0);
            while let Some(node) = at.and_then(|at| tree.get_mut(at)) {
                node.growing += 1;
                at = at.map(|at| child(at, node, &unit));
            }
        }
        self.seen += 1;
        if self.seen == self.config.window {
            for node in self.trees.iter_mut().flatten() {
                node.mass = std::mem::take(&mut node.growing);
            }
            (self.seen, self.learnt) = (0, true);
        }
        Ok(score)
    }

    /// The point with every measure from 0 to 1.
    fn unit(&self, point: &[f64]) -> Result<Vec<f64>, Error> {
        if point.len() != self.ranges.len() {
            return Err(Error::Measures { expected: self.ranges.len(), found: point.len() });
        }
        crate::error::finite(point)?;
        let unit = |(value, (low, high)): (&f64, &(f64, f64))| ((value - low) / (high - low)).clamp(0.0, 1.0);
        Ok(point.iter().zip(&self.ranges).map(unit).collect())
    }
}

fn child(at: usize, node: &Node, unit: &[f64]) -> usize {
    let low = unit.get(node.axis).is_some_and(|&value| value < node.value);
    if low { 2 * at + 1 } else { 2 * at + 2 }
}

/// The mass where the point ends, as if all space were as dense.
fn density(tree: &[Node], unit: &[f64], least: f64) -> f64 {
    let (mut at, mut depth) = (0, 0.0_f64);
    let mut mass = 0.0;
    while let Some(node) = tree.get(at) {
        mass = f64::from(node.mass) * depth.exp2();
        if f64::from(node.mass) < least {
            break;
        }
        at = child(at, node, unit);
        depth += 1.0;
    }
    mass
}

/// A tree over a working range around the unit cube that is larger on a random side, each node halved in a random measure.
fn grown(measures: usize, height: usize, random: &mut Random) -> Vec<Node> {
    let range = |random: &mut Random| {
        let middle = random.unit();
        let reach = 2.0 * middle.max(1.0 - middle);
        (middle - reach, middle + reach)
    };
    let whole: Vec<(f64, f64)> = (0..measures).map(|_| range(random)).collect();
    let mut boxes = vec![whole];
    let mut nodes = Vec::with_capacity((1 << (height + 1)) - 1);
    for _ in 0..=height {
        let mut below = Vec::with_capacity(2 * boxes.len());
        for region in boxes {
            let axis = random.below(measures);
            let (low, high) = region.get(axis).copied().unwrap_or((0.0, 1.0));
            let value = (low + high) / 2.0;
            nodes.push(Node { axis, value, mass: 0, growing: 0 });
            for half in [(low, value), (value, high)] {
                let mut part = region.clone();
                if let Some(side) = part.get_mut(axis) {
                    *side = half;
                }
                below.push(part);
            }
        }
        boxes = below;
    }
    nodes
}
