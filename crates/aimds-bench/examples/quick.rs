//! Prints the latency table.
use aimds_engine::Engine;
fn main() {
    let engine = Engine::embedded().unwrap();
    for workload in aimds_bench::workloads() {
        let bytes = workload.texts.iter().map(String::len).max().unwrap();
        let calls = (20_000_000 / bytes.max(1)).clamp(30, 20_000);
        let l = aimds_bench::measure(&engine, &workload, calls);
        println!("{:40} {:>7} {:>9.1} {:>9.1} {:>9.1}", l.workload, l.calls, l.p50_us, l.p99_us, l.max_us);
    }
}
