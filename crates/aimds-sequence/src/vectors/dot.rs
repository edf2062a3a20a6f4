//! Products of one vector with many.

use fearless_simd::{Level, Simd, dispatch};

use super::LANES;

/// The products of `query` with each of `codes`, which follow each other; both are padded to a multiple of `LANES`, and
/// the sums must fit into 32 bits.
///
/// Sums of whole numbers are the same in every order, so that each machine may take its own.
pub(super) fn products(codes: &[i8], query: &[i16], products: &mut [i32]) {
    let level = Level::new();
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = level.as_avx2() {
        // Four vectors at once read the query once, and add up the parts of their sums together.
        let whole = products.len() / 4 * 4;
        let (codes, codes_left) = codes.split_at_checked(whole * query.len()).unwrap_or_default();
        let (products, products_left) = products.split_at_mut(whole);
        four_at_once(avx2, codes, query, products);
        dispatch!(level, simd => one_by_one(simd, codes_left, query, products_left));
        return;
    }
    dispatch!(level, simd => one_by_one(simd, codes, query, products));
}

#[inline(always)]
fn one_by_one<S: Simd>(_: S, codes: &[i8], query: &[i16], products: &mut [i32]) {
    for (product, code) in products.iter_mut().zip(codes.chunks_exact(query.len().max(1))) {
        *product = code.iter().zip(query).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
    }
}

// The compiler finds the instruction that multiplies pairs and adds them, but spends as much time around it.
#[cfg(target_arch = "x86_64")]
fearless_simd::kernel!(
    fn four_at_once(avx2: Avx2, codes: &[i8], query: &[i16], products: &mut [i32]) {
        use std::arch::x86_64::*;

        use fearless_simd::{i8x16, i16x16, i32x8, prelude::*};

        let len = query.len().max(1);
        let blocks = codes.chunks_exact(4 * len);
        for (products, block) in products.as_chunks_mut::<4>().0.iter_mut().zip(blocks) {
            let mut rows = block.chunks_exact(len).map(|row| row.as_chunks::<16>().0.iter());
            let (Some(a), Some(b), Some(c), Some(d)) = (rows.next(), rows.next(), rows.next(), rows.next())
            else {
                break;
            };
            let mut sums = [_mm256_setzero_si256(); 4];
            for ((((a, b), c), d), query) in a.zip(b).zip(c).zip(d).zip(query.as_chunks::<16>().0) {
                let query: i16x16<_> = (*query).simd_into(avx2);
                for (sum, code) in sums.iter_mut().zip([a, b, c, d]) {
                    let code: i8x16<_> = (*code).simd_into(avx2);
                    let product = _mm256_madd_epi16(_mm256_cvtepi8_epi16(code.into()), query.into());
                    *sum = _mm256_add_epi32(*sum, product);
                }
            }
            let [a, b, c, d] = sums;
            let sums = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
            let sums: i32x8<_> = sums.simd_into(avx2);
            let sums: [i32; 8] = sums.into();
            let (low, high) = sums.split_at(4);
            for (product, (low, high)) in products.iter_mut().zip(low.iter().zip(high)) {
                *product = low + high;
            }
        }
    }
);

/// The product of two vectors of `f32`, in a fixed order of additions, so that it is the same number on every machine.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for (sum, (&a, &b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    // Adding 0 makes -0 the 0 that it equals: similarities are compared by their bits where they tie.
    sums.iter().sum::<f32>() + 0.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn products_are_those_of_one_after_the_other(
            (rows, chunks) in (0..11_usize, 1..14_usize),
            seed: u64,
            largest: bool,
        ) {
            let len = chunks * LANES;
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 48) as i16
            };
            let codes: Vec<i8> = (0..rows * len).map(|_| if largest { 127 } else { next() as i8 }).collect();
            let query: Vec<i16> = (0..len).map(|_| if largest { i16::MAX } else { next() }).collect();
            let mut found = vec![0; rows];
            products(&codes, &query, &mut found);
            let expected: Vec<i32> = codes
                .chunks(len)
                .map(|code| code.iter().zip(&query).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum())
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
