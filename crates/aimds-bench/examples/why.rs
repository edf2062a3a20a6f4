//! Scratch.
use aimds_bench::DISGUISES;
use aimds_engine::*;
use std::io::Read;
fn main() {
    let engine = Engine::embedded().unwrap();
    let names: Vec<String> = std::env::args().skip(1).collect();
    let mut s = String::new(); std::io::stdin().read_to_string(&mut s).unwrap();
    let score = |t: &str| engine.inspect(&Conversation::single(Origin::User, t), &mut Session::new(""), Timestamp(0)).assessment.score;
    for d in DISGUISES.iter().filter(|d| names.iter().any(|n| n == d.name)) {
        let (mut n, mut lost) = (0, 0);
        for t in s.split('\u{1e}').filter(|t| !t.is_empty()) {
            let p = score(t); if p < 0.75 { continue; } n += 1;
            let h = (d.apply)(t); let q = score(&h);
            if q < 0.75 { lost += 1; if lost <= 14 {
                let v = aimds_text::normalise(&h, &Default::default());
                println!("[{}] {p:.2}->{q:.2} {:?}\n     views {:?}", d.name, t.chars().take(110).collect::<String>(), v.views.iter().skip(1).map(|v| (format!("{:?}", v.transforms), v.canonical.text.chars().take(60).collect::<String>())).collect::<Vec<_>>()); } }
        }
        println!("== {} lost {lost} of {n}", d.name);
    }
}
