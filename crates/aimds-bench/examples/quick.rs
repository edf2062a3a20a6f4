//! Prints where the time goes.
use aimds_engine::{Engine, Origin};
use std::time::Instant;
fn main() {
    let engine = Engine::embedded().unwrap();
    let files = aimds_engine::rule_files().unwrap();
    let set = aimds_engine::rules::RuleSet::compile(&files).unwrap();
    for workload in aimds_bench::workloads() {
        let bytes = workload.texts.iter().map(String::len).max().unwrap();
        let calls = (2_000_000 / bytes.max(1)).clamp(5, 20_000);
        let l = aimds_bench::measure(&engine, &workload, calls);
        let text = &workload.texts[0];
        let t = Instant::now();
        let n = aimds_text::normalise(text, &aimds_text::Limits::default());
        let norm = t.elapsed();
        let t = Instant::now();
        for v in &n.views {
            std::hint::black_box(aimds_engine::validators::scan(&v.exact.text));
        }
        let val = t.elapsed();
        let t = Instant::now();
        for v in &n.views {
            std::hint::black_box(set.find(&v.canonical.text, Origin::User, &Default::default()));
        }
        let rules = t.elapsed();
        println!(
            "{:40} {:>6} {:>9.1} {:>9.1} {:>9.1} | views {} norm {:?} val {:?} rules {:?}",
            l.workload,
            l.calls,
            l.p50_us,
            l.p99_us,
            l.max_us,
            n.views.len(),
            norm,
            val,
            rules
        );
    }
}
