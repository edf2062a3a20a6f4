//! Times of compiling, evaluating and monitoring.
//!
//! `cargo run --release -p aimds-temporal --example bench [-- --format json]`
//!
//! Each number is the median (and the minimum) of many runs on one thread, in microseconds of wall time. The incumbent of
//! the plan (`midstreamer-neural-solver` 0.2.1) is not run: it would bring an async runtime into the build. What it took on another
//! machine is in the README.

use std::hint::black_box;
use std::time::Instant;

use aimds_temporal::{Event, EventId, Formula, MonitorSet, Pattern, Policy, Scope, Trace, Verdict, evaluate};

const EVENTS: usize = 10_000;
const NAMES: [&str; 8] = ["threat", "mitigated", "request", "response", "login", "send", "read", "approved"];

struct Row {
    name: String,
    median: f64,
    least: f64,
    /// What one run is divided by, and the unit of the quotient.
    each: Option<(f64, &'static str)>,
}

fn measure(rows: &mut Vec<Row>, name: &str, each: Option<(f64, &'static str)>, mut run: impl FnMut()) {
    let begin = Instant::now();
    run();
    let once = begin.elapsed().as_secs_f64();
    let samples = ((0.4 / once.max(1e-7)) as usize).clamp(11, 2000);
    let mut times: Vec<f64> = (0..samples)
        .map(|_| {
            let begin = Instant::now();
            run();
            begin.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    rows.push(Row { name: name.to_owned(), median: times[samples / 2], least: times[0], each });
}

/// An event a millisecond: one in ten is a threat, mitigated four steps later; the others are of all kinds.
fn names() -> Vec<&'static str> {
    let mut seed = 9_u64;
    (0..EVENTS)
        .map(|step| match step % 10 {
            0 => "threat",
            4 => "mitigated",
            _ => {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                NAMES[2 + (seed >> 33) as usize % 6]
            }
        })
        .collect()
}

/// The numbers that a set gives to the names, which it gets in this order.
fn ids(names: &[&str]) -> Vec<EventId> {
    let mut set = MonitorSet::new([]);
    let known = NAMES.map(|name| set.event(&name.into()).expect("few events"));
    names.iter().map(|name| known[NAMES.iter().position(|known| known == name).expect("known")]).collect()
}

fn run_set(policies: &[Policy], ids: &[EventId]) -> MonitorSet {
    let mut set = MonitorSet::new(policies);
    for name in NAMES {
        set.event(&name.into()).expect("few events");
    }
    for (step, id) in ids.iter().enumerate() {
        set.step(step as u64, &[*id]).expect("in order");
    }
    set
}

/// Sixty-four policies that none of the events violate at once, so that all have work to do at each step.
fn sixty_four(timed: bool) -> Vec<Policy> {
    let mut texts = Vec::new();
    for (nth, a) in NAMES.iter().enumerate() {
        let b = NAMES[(nth + 1) % 8];
        let c = NAMES[(nth + 3) % 8];
        texts.extend([
            format!("G({a} -> F {b})"),
            format!("G({a} -> !never_seen W {b})"),
            format!("G F({a} | {c})"),
            format!("G(never_seen -> O {a})"),
            format!("G({a} -> X !({a} & {c}))"),
            format!("G(({a} S {b}) | !({a} & {b}))"),
        ]);
        if timed {
            texts.extend([format!("G({a} -> F[0,900ms] {b})"), format!("G({a} -> F[0,2s] ({b} | {c}))")]);
        } else {
            texts.extend([format!("F never_seen | G({a} -> F {c})"), format!("H !never_seen -> G F {a}")]);
        }
    }
    texts.iter().map(|text| Policy::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))).collect()
}

fn main() {
    let mut rows = Vec::new();
    let names = names();
    let ids = ids(&names);
    let trace = Trace::from_steps(names.iter().enumerate().map(|(step, name)| (step as u64, [*name])))
        .expect("in order");
    let bounded = Formula::parse("G(threat -> F[0,10ms] mitigated)").expect("a formula");
    let unbounded = Formula::parse("G(threat -> F mitigated)").expect("a formula");
    let per_event = Some((EVENTS as f64, "event"));
    measure(&mut rows, "evaluate bounded response, 10,000 events", per_event, || {
        assert!(evaluate(black_box(&bounded), &trace).expect("a verdict").holds);
    });
    measure(&mut rows, "evaluate unbounded response, 10,000 events", per_event, || {
        assert!(evaluate(black_box(&unbounded), &trace).expect("a verdict").holds);
    });
    for (name, formula) in [("bounded", &bounded), ("unbounded", &unbounded)] {
        let policy = Policy::compile(formula).expect("a policy");
        measure(&mut rows, &format!("monitor {name} response, 10,000 events"), per_event, || {
            let set = run_set(black_box(std::slice::from_ref(&policy)), &ids);
            assert_ne!(set.verdict(0), Some(Verdict::False));
        });
    }
    let per_step = Some((EVENTS as f64 * 64.0, "policy step"));
    for (name, timed) in
        [("64 policies without time bounds", false), ("64 policies, 16 with time bounds", true)]
    {
        let policies = sixty_four(timed);
        measure(&mut rows, &format!("monitor {name}, 10,000 events"), per_step, || {
            black_box(run_set(black_box(&policies), &ids));
        });
    }
    let policies = sixty_four(true);
    measure(&mut rows, "evaluate 64 policies, 16 with time bounds, 10,000 events", per_step, || {
        for policy in &policies {
            black_box(evaluate(policy.formula(), &trace).expect("a verdict"));
        }
    });
    parametric(&mut rows);
    compile(&mut rows);
    print(&rows);
}

/// A threat with its own number every fifth step, mitigated three steps later: one is open at a time.
fn parametric(rows: &mut Vec<Row>) {
    let policy = Policy::parse("G(threat(id) -> F[0,10ms] mitigated(id))").expect("a policy");
    let events: Vec<Event> = (0..EVENTS)
        .map(|step| match step % 5 {
            0 => Event::new("threat").arg((step / 5).to_string()),
            3 => Event::new("mitigated").arg((step / 5).to_string()),
            _ => Event::new("read"),
        })
        .collect();
    measure(rows, "monitor threat(id), 2,000 numbers, 10,000 events", Some((EVENTS as f64, "event")), || {
        let mut monitor = policy.monitor();
        for (step, event) in events.iter().enumerate() {
            monitor.step(step as u64, std::slice::from_ref(event)).expect("in order");
        }
        assert_ne!(monitor.verdict(), Verdict::False);
    });
}

/// The patterns of Dwyer, Avrunin and Corbett in every scope; the row is the slowest of them.
fn compile(rows: &mut Vec<Row>) {
    let atom = |name: &str| Formula::atom(name);
    let patterns = [
        Pattern::Absence(atom("p")),
        Pattern::Existence(atom("p")),
        Pattern::BoundedExistence(atom("p"), 2),
        Pattern::Universality(atom("p")),
        Pattern::Precedence(atom("s"), atom("p")),
        Pattern::Response(atom("p"), atom("s")),
    ];
    let scopes = [
        Scope::Globally,
        Scope::Before(atom("r")),
        Scope::After(atom("q")),
        Scope::Between(atom("q"), atom("r")),
        Scope::AfterUntil(atom("q"), atom("r")),
    ];
    let mut all = Vec::new();
    for formula in patterns.iter().flat_map(|pattern| scopes.iter().map(|scope| pattern.within(scope))) {
        measure(&mut all, "", None, || {
            assert!(Policy::compile(black_box(&formula)).expect("a policy").is_exact())
        });
    }
    all.sort_by(|a, b| a.median.total_cmp(&b.median));
    for (name, place) in
        [("median", all.len() / 2), ("second slowest", all.len() - 2), ("slowest", all.len() - 1)]
    {
        let (median, least) = (all[place].median, all[place].least);
        rows.push(Row { name: format!("compile the 30 patterns, {name}"), median, least, each: None });
    }
}

fn print(rows: &[Row]) {
    let json = std::env::args().any(|argument| argument == "json");
    if json {
        let rows: Vec<_> = rows
            .iter()
            .map(
                |row| serde_json::json!({ "name": row.name, "median_us": row.median, "least_us": row.least }),
            )
            .collect();
        return println!("{}", serde_json::Value::from(rows));
    }
    for row in rows {
        let each = row.each.map(|(parts, unit)| format!("{:8.2} ns/{unit}", row.median * 1e3 / parts));
        println!("{:60} {:10.1} {:10.1} {}", row.name, row.median, row.least, each.unwrap_or_default());
    }
}
