#[path = "../tests/systems/mod.rs"]
mod systems;
use aimds_attractor::*;
use std::time::Instant;
fn main() {
    let n: usize = std::env::args().nth(1).map_or(1000, |a| a.parse().unwrap());
    let s: usize = std::env::args().nth(2).map_or(19, |a| a.parse().unwrap());
    for (name, series, interval) in systems::all(n) {
        let c = Config { sampling_interval: interval, surrogates: s, ..Config::default() };
        let t = Instant::now();
        let r = analyze(&series, &c).unwrap();
        let ms = t.elapsed().as_secs_f64() * 1e3;
        println!("{name:14} {ms:7.2}ms {:?} τ{:?} λ={:?} kantz={:?} K={:?}\n      {}", r.class, r.embedding.map(|e| (e.delay, e.dimension, e.theiler)),
            r.lyapunov.as_ref().map(|e| (e.value, e.low, e.high, e.r2, e.region.clone())), r.kantz.map(|e| (e.value,e.region)), r.zero_one_k, r.reason);
    }
}
