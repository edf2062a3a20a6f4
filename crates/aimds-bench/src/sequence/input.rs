//! The sequences that are compared, all from a seed.

use aimds_attractor::systems::Random;

/// Two random walks.
pub(super) struct Walks {
    pub(super) len: usize,
    pub(super) a: Vec<f64>,
    pub(super) b: Vec<f64>,
}

pub(super) fn walks(seed: u64) -> [Walks; 2] {
    let mut random = Random::new(seed);
    [100, 1000].map(|len| {
        let mut walk = || {
            let mut value = 0.0;
            (0..len)
                .map(|_| {
                    value += random.normal();
                    value
                })
                .collect()
        };
        Walks { len, a: walk(), b: walk() }
    })
}

/// A text, another one, and one that has a tenth of the first changed. Of 32 symbols.
pub(super) struct Symbols {
    pub(super) len: usize,
    pub(super) a: Vec<u8>,
    pub(super) other: Vec<u8>,
    near: Vec<u8>,
}

/// Two texts whose distance is asked for, up to a cut-off.
pub(super) struct Pair<'a> {
    pub(super) case: String,
    pub(super) a: &'a [u8],
    pub(super) b: &'a [u8],
    pub(super) cutoff: Option<usize>,
}

impl Symbols {
    pub(super) fn pairs(&self) -> [Pair<'_>; 3] {
        let Self { len, a, other, near } = self;
        let cutoff = Some(len * 15 / 100);
        let pair = |what: &str, b, cutoff| Pair {
            case: format!("edit distance, {len} symbols, {what}"),
            a,
            b,
            cutoff,
        };
        [
            pair("unrelated", other, None),
            pair("a tenth changed, cut-off 15 %", near, cutoff),
            pair("unrelated, cut-off 15 %", other, cutoff),
        ]
    }
}

pub(super) fn symbols(seed: u64) -> [Symbols; 3] {
    let mut random = Random::new(seed);
    let mut symbol = move || b'@' + random.below(32) as u8;
    [64, 100, 1000].map(|len| {
        let (a, other): (Vec<u8>, Vec<u8>) = (0..len).map(|_| (symbol(), symbol())).unzip();
        let mut near = a.clone();
        near.iter_mut().skip(3).step_by(10).for_each(|changed| *changed = symbol());
        Symbols { len, a, other, near }
    })
}

/// Numbers of a vector.
const DIMENSION: usize = 384;

/// Vectors around a hundred centres, as embeddings of texts are, and one more.
pub(super) struct Nearest {
    pub(super) vectors: Vec<Vec<f32>>,
    pub(super) query: Vec<f32>,
}

pub(super) fn nearest(count: usize, seed: u64) -> Nearest {
    let mut random = Random::new(seed);
    // Three digits, so that a file of them stays short and everybody reads the same numbers.
    let mut spread =
        |around: f32, by: f64| ((f64::from(around) + by * random.normal()) * 1e3).round() as f32 / 1e3;
    let centres: Vec<Vec<f32>> =
        (0..100).map(|_| (0..DIMENSION).map(|_| spread(0.0, 1.0)).collect()).collect();
    let mut vectors: Vec<Vec<f32>> = centres
        .iter()
        .cycle()
        .take(count + 1)
        .map(|centre| centre.iter().map(|&component| spread(component, 0.5)).collect())
        .collect();
    let query = vectors.pop().unwrap_or_default();
    Nearest { vectors, query }
}

/// Tokens of a text.
pub(super) const TEXT: usize = 64;
/// How many texts there are.
const TEXTS: usize = 200;
const WORDS: usize = 5000;

/// Patterns, and texts each of which has one of them in it, but for a token.
pub(super) struct Known {
    pub(super) patterns: Vec<Vec<u32>>,
    /// Which pattern, and the text.
    pub(super) texts: Vec<(usize, Vec<u32>)>,
}

pub(super) fn known(count: usize, seed: u64) -> Known {
    let mut random = Random::new(seed);
    // As in language, the n-th commonest word is 1/n as frequent as the first.
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=WORDS)
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect();
    let word = |random: &mut Random| {
        let at = random.unit() * sum;
        sums.partition_point(|&below| below < at) as u32
    };
    let sentence = |random: &mut Random, len: usize| (0..len).map(|_| word(random)).collect::<Vec<u32>>();
    let patterns: Vec<Vec<u32>> = (0..count)
        .map(|_| {
            let len = 12 + random.below(28);
            sentence(&mut random, len)
        })
        .collect();
    let texts = (0..TEXTS)
        .map(|number| {
            let planted = number * 37 % count.max(1);
            let mut text = sentence(&mut random, TEXT);
            let pattern = patterns.get(planted).into_iter().flatten();
            text.iter_mut().skip(10).zip(pattern).for_each(|(token, known)| *token = *known);
            text.iter_mut().skip(12).take(1).for_each(|token| *token = WORDS as u32);
            (planted, text)
        })
        .collect();
    Known { patterns, texts }
}
