//! The nearest of many vectors, exactly.

mod dot;

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use dot::dot;
use fearless_simd::{Level, Simd, dispatch};

/// Components that are worked on together; vectors are padded to a multiple of it.
const LANES: usize = 32;

/// Largest number of components.
const MAX_DIMENSION: usize = 1 << 16;

/// Why vectors could not be indexed or searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VectorError {
    /// A component is NaN or infinite.
    #[error("component {component} of vector {vector} is not finite")]
    NonFinite {
        /// Which vector; 0 for the query.
        vector: usize,
        /// Its first component that is not finite.
        component: usize,
    },
    /// The vectors have not all the same number of components.
    #[error("vector {vector} has {found} components instead of {expected}")]
    LengthMismatch {
        /// Which vector; 0 for the query.
        vector: usize,
        /// Components of the first vector.
        expected: usize,
        /// Components of this one.
        found: usize,
    },
    /// Vectors have no components, or more than 65,536.
    #[error("vectors have {dimension} components; 1 to 65536 are possible")]
    Dimension {
        /// Their components.
        dimension: usize,
    },
}

/// A vector that is near the query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VectorHit {
    /// Which vector, in the order of building.
    pub index: usize,
    /// The cosine of the angle between it and the query; 0 if one of both has no direction because it is zero.
    pub similarity: f32,
}

/// Vectors to search by cosine similarity.
///
/// A search reads a copy of each vector in one byte a component, which gives its similarity up to an error that is known
/// for each vector (Cauchy and Schwarz: at most the length of what rounding took away). Only those that may be among the
/// nearest by this bound are compared in full. So the result is that of comparing the query with all of them, whatever
/// the vectors are; rounding decides how long it takes, not what is found.
///
/// ```
/// use aimds_sequence::VectorIndex;
///
/// let index = VectorIndex::build(&[&[1.0, 0.0], &[0.0, 2.0], &[3.0, 3.0]])?;
/// let hits = index.top_k(&[0.0, 1.0], 2)?;
/// assert_eq!((hits[0].index, hits[0].similarity), (1, 1.0));
/// assert_eq!(hits[1].index, 2);
/// # Ok::<(), aimds_sequence::VectorError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VectorIndex {
    dimension: usize,
    /// `dimension`, padded.
    stride: usize,
    /// Vectors of length 1, padded with zeros.
    units: Vec<f32>,
    /// The same divided by `scale` and rounded.
    codes: Vec<i8>,
    rounded: Vec<Rounded>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Rounded {
    scale: f32,
    /// At least the length of the difference between the vector and `scale` times its code.
    error: f32,
}

impl VectorIndex {
    /// Indexes `vectors`. An index of none is possible and finds nothing.
    ///
    /// # Errors
    ///
    /// [`VectorError::NonFinite`], [`VectorError::LengthMismatch`], [`VectorError::Dimension`].
    pub fn build(vectors: &[&[f32]]) -> Result<Self, VectorError> {
        let Some(first) = vectors.first() else { return Ok(Self::default()) };
        let dimension = first.len();
        if dimension == 0 || dimension > MAX_DIMENSION {
            return Err(VectorError::Dimension { dimension });
        }
        let stride = dimension.next_multiple_of(LANES);
        let mut index = Self { dimension, stride, ..Self::default() };
        index.units.reserve(vectors.len().saturating_mul(stride));
        index.codes.reserve(vectors.len().saturating_mul(stride));
        for (number, vector) in vectors.iter().enumerate() {
            let unit = index.unit(number, vector)?;
            let (code, rounded) = round(&unit, 127.0);
            index.codes.extend(code.into_iter().map(|component| component as i8));
            index.rounded.push(rounded);
            index.units.extend(unit);
        }
        Ok(index)
    }

    /// How many vectors there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rounded.len()
    }

    /// True for the index of no vectors.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rounded.is_empty()
    }

    /// Components of each vector; 0 for the index of none.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The `k` vectors nearest to `query`, the nearest first; equally near ones by their index. All of them if there are
    /// fewer.
    ///
    /// O(N·d) time over one byte a component, and what is compared in full on top: a few dozen vectors for embeddings,
    /// all of them at worst (all equally near).
    ///
    /// # Errors
    ///
    /// [`VectorError::NonFinite`], [`VectorError::LengthMismatch`].
    pub fn top_k(&self, query: &[f32], k: usize) -> Result<Vec<VectorHit>, VectorError> {
        if self.is_empty() || k == 0 {
            return Ok(Vec::new());
        }
        let query = self.unit(0, query)?;
        // The query may have as many bits as the sums leave room for: its own rounding then hardly counts.
        let steps = (i32::MAX as usize / (127 * self.stride)).min(i16::MAX as usize);
        let (code, rounded) = round(&query, steps as f32);
        let code: Vec<i16> = code.into_iter().map(|component| component as i16).collect();
        let mut products = vec![0; self.len()];
        dot::products(&self.codes, &code, &mut products);

        // Sums of `d` products of f32 in 32 lanes are off by this much at most.
        let rounding = (self.stride / LANES + 16) as f32 * f32::EPSILON * 2.0;
        let mut bounds = vec![(0.0, 0.0); self.len()];
        dispatch!(Level::new(), simd => bound(simd, &products, &self.rounded, (rounded, rounding), &mut bounds));
        // The k-th largest similarity is at least the k-th largest lower bound.
        let mut largest: BinaryHeap<Lowest> = BinaryHeap::with_capacity(k.min(self.len()) + 1);
        let mut threshold = f32::NEG_INFINITY;
        for &(lower, _) in &bounds {
            if lower > threshold {
                if largest.len() == k {
                    largest.pop();
                }
                largest.push(Lowest(lower));
                if largest.len() == k {
                    threshold = largest.peek().map_or(threshold, |least| least.0);
                }
            }
        }
        let mut hits: Vec<VectorHit> = Vec::new();
        dispatch!(Level::new(), simd => compare(simd, &self.units, &query, &bounds, threshold, &mut hits));
        hits.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.index.cmp(&b.index)));
        hits.truncate(k);
        Ok(hits)
    }

    /// `vector` at length 1 and padded.
    fn unit(&self, number: usize, vector: &[f32]) -> Result<Vec<f32>, VectorError> {
        if vector.len() != self.dimension {
            let (expected, found) = (self.dimension, vector.len());
            return Err(VectorError::LengthMismatch { vector: number, expected, found });
        }
        if let Some(component) = vector.iter().position(|component| !component.is_finite()) {
            return Err(VectorError::NonFinite { vector: number, component });
        }
        // Squares of f32 neither overflow nor vanish in f64.
        let norm = vector.iter().map(|&component| f64::from(component).powi(2)).sum::<f64>().sqrt();
        let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        let mut unit: Vec<f32> = vector.iter().map(|&c| (f64::from(c) * scale) as f32).collect();
        unit.resize(self.stride, 0.0);
        Ok(unit)
    }
}

/// A similarity in a heap that has the lowest on top.
struct Lowest(f32);

impl PartialEq for Lowest {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Lowest {}

impl PartialOrd for Lowest {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Lowest {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.total_cmp(&self.0)
    }
}

/// Components as whole numbers from -`steps` to `steps`, and what that loses.
fn round(unit: &[f32], steps: f32) -> (Vec<f32>, Rounded) {
    let largest = unit.iter().fold(0.0_f32, |largest, component| largest.max(component.abs()));
    if largest == 0.0 {
        return (vec![0.0; unit.len()], Rounded { scale: 0.0, error: 0.0 });
    }
    let scale = largest / steps;
    let code: Vec<f32> =
        unit.iter().map(|component| (component / scale).round().clamp(-steps, steps)).collect();
    let lost = unit
        .iter()
        .zip(&code)
        .map(|(&component, &code)| f64::from(component) - f64::from(scale) * f64::from(code));
    let error = lost.map(|lost| lost * lost).sum::<f64>().sqrt() as f32;
    // One part in 4096 covers the rounding of this computation itself.
    (code, Rounded { scale, error: error * (1.0 + 1.0 / 4096.0) + f32::EPSILON })
}

/// What the similarities are at least and at most, of vectors whose codes have these products with that of the query. Apart
/// from what is done with the bounds, so that they are computed many at a time.
#[inline(always)]
fn bound<S: Simd>(
    _: S,
    products: &[i32],
    vectors: &[Rounded],
    (query, rounding): (Rounded, f32),
    bounds: &mut [(f32, f32)],
) {
    for ((bounds, &product), vector) in bounds.iter_mut().zip(products).zip(vectors) {
        let estimate = product as f32 * (query.scale * vector.scale);
        let error = vector.error + query.error * (1.0 + vector.error) + rounding;
        *bounds = (estimate - error, estimate + error);
    }
}

#[inline(always)]
fn compare<S: Simd>(
    _: S,
    units: &[f32],
    query: &[f32],
    bounds: &[(f32, f32)],
    threshold: f32,
    hits: &mut Vec<VectorHit>,
) {
    for (index, (unit, &(_, upper))) in units.chunks_exact(query.len().max(1)).zip(bounds).enumerate() {
        if upper >= threshold {
            hits.push(VectorHit { index, similarity: dot(unit, query) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reproducible numbers of about a normal distribution.
    struct Random(u64);

    impl Random {
        fn unit(&mut self) -> f32 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 40) as f32 / (1_u64 << 24) as f32
        }

        fn normal(&mut self) -> f32 {
            (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
        }

        fn vector(&mut self, dimension: usize) -> Vec<f32> {
            (0..dimension).map(|_| self.normal()).collect()
        }
    }

    fn brute(index: &VectorIndex, query: &[f32], k: usize) -> Vec<VectorHit> {
        let query = index.unit(0, query).unwrap();
        let mut hits: Vec<VectorHit> = index
            .units
            .chunks_exact(index.stride)
            .enumerate()
            .map(|(index, unit)| VectorHit { index, similarity: dot(unit, &query) })
            .collect();
        hits.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.index.cmp(&b.index)));
        hits.truncate(k);
        hits
    }

    /// Every distribution that a bound could be wrong for: spread, clustered, near duplicates, exact duplicates, few
    /// large components, small and large lengths.
    #[test]
    fn what_is_found_is_what_comparing_with_all_finds() {
        let mut random = Random(7);
        for dimension in [1, 2, 31, 32, 33, 100, 384] {
            let centers: Vec<Vec<f32>> = (0..20).map(|_| random.vector(dimension)).collect();
            type Make<'a> = Box<dyn FnMut(usize) -> Vec<f32> + 'a>;
            let random = std::cell::RefCell::new(&mut random);
            let near = |center: &[f32], noise: f32| -> Vec<f32> {
                center.iter().map(|c| c + noise * random.borrow_mut().normal()).collect()
            };
            let makes: Vec<(&str, Make<'_>)> = vec![
                ("normal", Box::new(|_| random.borrow_mut().vector(dimension))),
                ("clustered", Box::new(|i| near(&centers[i % 20], 0.3))),
                ("near duplicates", Box::new(|i| near(&centers[i % 20], 0.001))),
                ("duplicates", Box::new(|i| centers[i % 20].clone())),
                ("one direction", Box::new(|_| near(&vec![5.0; dimension], 0.05))),
                (
                    "few components",
                    Box::new(|_| random.borrow_mut().vector(dimension).iter().map(|c| c.powi(7)).collect()),
                ),
                (
                    "lengths",
                    Box::new(|i| {
                        random
                            .borrow_mut()
                            .vector(dimension)
                            .iter()
                            .map(|c| c * 10_f32.powi(i as i32 % 60 - 30))
                            .collect()
                    }),
                ),
            ];
            for (name, mut make) in makes {
                let vectors: Vec<Vec<f32>> = (0..1500).map(&mut make).collect();
                let index =
                    VectorIndex::build(&vectors.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
                let mut queries = vec![make(3), vectors[700].clone(), vec![1.0; dimension]];
                queries.push(vectors[9].iter().map(|c| -c).collect());
                for query in queries {
                    for k in [1, 10, 100, 2000] {
                        assert_eq!(
                            index.top_k(&query, k).unwrap(),
                            brute(&index, &query, k),
                            "{name} {dimension} {k}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn similarity_is_the_cosine() {
        let mut random = Random(3);
        let vectors: Vec<Vec<f32>> = (0..50).map(|_| random.vector(70)).collect();
        let index = VectorIndex::build(&vectors.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
        let query = random.vector(70);
        for hit in index.top_k(&query, 50).unwrap() {
            let dot = |a: &[f32], b: &[f32]| {
                a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>()
            };
            let vector = &vectors[hit.index];
            let cosine = dot(vector, &query) / (dot(vector, vector) * dot(&query, &query)).sqrt();
            assert!((cosine - f64::from(hit.similarity)).abs() < 1e-6);
        }
    }

    #[test]
    fn edges_are_defined() {
        let build = VectorIndex::build;
        assert_eq!(build(&[]).unwrap().top_k(&[1.0], 3), Ok(vec![]));
        assert_eq!(build(&[&[]]), Err(VectorError::Dimension { dimension: 0 }));
        assert_eq!(build(&[&[1.0], &[f32::NAN]]), Err(VectorError::NonFinite { vector: 1, component: 0 }));
        let mismatch = VectorError::LengthMismatch { vector: 1, expected: 1, found: 2 };
        assert_eq!(build(&[&[1.0], &[1.0, 2.0]]), Err(mismatch));
        let index = build(&[&[0.0, 0.0], &[1.0, 0.0], &[-1.0, 0.0], &[-0.0, 1.0], &[1.0, 0.0]]).unwrap();
        assert_eq!(
            index.top_k(&[1.0, f32::INFINITY], 1),
            Err(VectorError::NonFinite { vector: 0, component: 1 })
        );
        assert_eq!(
            index.top_k(&[1.0], 1),
            Err(VectorError::LengthMismatch { vector: 0, expected: 2, found: 1 })
        );
        let found = |query: &[f32], k| -> Vec<(usize, f32)> {
            index.top_k(query, k).unwrap().iter().map(|hit| (hit.index, hit.similarity)).collect()
        };
        assert_eq!(found(&[2.0, 0.0], 9), [(1, 1.0), (4, 1.0), (0, 0.0), (3, 0.0), (2, -1.0)]);
        assert_eq!(found(&[0.0, 0.0], 3), [(0, 0.0), (1, 0.0), (2, 0.0)]);
        assert_eq!(found(&[2.0, 0.0], 0), []);
        assert_eq!(index.len(), 5);
    }
}
