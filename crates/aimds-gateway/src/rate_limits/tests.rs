//! The script against the limits of the process, on a real server.

#[expect(dead_code, reason = "signals are for the tests of the gateway")]
#[path = "../../tests/gateway/redis_server.rs"]
mod redis_server;

use std::cell::RefCell;

use proptest::prelude::*;
use redis::Connection;
use redis_server::RedisServer;

use super::gcra::{Rate, nanoseconds};
use super::link::SCRIPT;
use super::shared::arguments;

/// Microseconds since the epoch: as large as they will be.
const BEGIN: u64 = 1_800_000_000_000_000;

struct Store {
    _server: RedisServer,
    connection: Connection,
}

impl Store {
    fn start() -> Self {
        let server = RedisServer::start(&[]);
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", server.port)).unwrap();
        Self { connection: client.get_connection().unwrap(), _server: server }
    }

    /// Asks the script, at a time of our own.
    fn ask(&mut self, limits: &[(&str, Rate)], now: u64) -> Vec<i64> {
        let mut command = redis::cmd("EVAL");
        command.arg(format!("local now = tonumber(ARGV[#ARGV])\n{SCRIPT}")).arg(limits.len());
        limits.iter().for_each(|(key, _)| {
            command.arg(key);
        });
        limits.iter().for_each(|(_, rate)| {
            command.arg(&arguments(*rate));
        });
        command.arg(now).query(&mut self.connection).unwrap()
    }

    fn forget(&mut self) {
        redis::cmd("FLUSHALL").exec(&mut self.connection).unwrap();
    }

    fn ttl_ms(&mut self, key: &str) -> i64 {
        redis::cmd("PTTL").arg(key).query(&mut self.connection).unwrap()
    }
}

fn rate(text: &str) -> Rate {
    Rate::parse(text).unwrap()
}

/// Windows are long, so that keys do not end while a test takes its time.
fn any_rate() -> impl Strategy<Value = Rate> {
    (1_u32..20, 60_u64..500).prop_map(|(quota, seconds)| rate(&format!("{quota}/{seconds}s")))
}

#[test]
#[ignore = "needs a Redis server: AIMDS_REDIS_SERVER"]
fn redis_script_decides_as_the_process_does() {
    let store = RefCell::new(Store::start());
    let steps = prop::collection::vec(0_u64..200_000_000, 1..60);
    proptest!(ProptestConfig::with_cases(64), |(rates in prop::collection::vec(any_rate(), 1..4), steps in steps)| {
        let mut store = store.borrow_mut();
        store.forget();
        let names = ["a", "b", "c"];
        let limits: Vec<_> = names.into_iter().zip(rates.iter().copied()).collect();
        let (mut states, mut now) = (vec![0; rates.len()], BEGIN);
        for step in steps {
            now += step;
            let mut expected = Vec::new();
            for (state, rate) in states.iter_mut().zip(&rates) {
                match rate.take(*state, now * 1000) {
                    Ok((next, left)) => {
                        *state = next;
                        expected.push(i64::try_from(nanoseconds(left.full_in)).unwrap());
                    }
                    Err(wait) => {
                        expected.push(-i64::try_from(nanoseconds(wait)).unwrap());
                        break;
                    }
                }
            }
            prop_assert_eq!(store.ask(&limits, now), expected);
        }
    });
}

#[test]
#[ignore = "needs a Redis server: AIMDS_REDIS_SERVER"]
fn redis_script_survives_its_clock_and_other_rates() {
    let mut store = Store::start();
    let (second, many) = (1_000_000, [("a", rate("4/400s"))]);
    let seconds =
        |answers: Vec<i64>| answers.into_iter().map(|answer| answer / 1_000_000_000).collect::<Vec<_>>();
    assert_eq!(seconds(store.ask(&many, BEGIN)), [100]);
    assert_eq!(seconds(store.ask(&many, BEGIN + 50 * second)), [150]);
    let left = store.ttl_ms("a");
    assert!((140_000..=150_000).contains(&left), "it ends when nothing is used any more: {left}");
    // An hour back: nothing is given back, and time counts on from there.
    let back = BEGIN - 3600 * second;
    assert_eq!(seconds(store.ask(&many, back)), [250]);
    assert_eq!(seconds(store.ask(&many, back + 10 * second)), [340]);
    assert_eq!(seconds(store.ask(&many, back + 10 * second)), [-40]);
    // Also for whoever is refused then.
    assert_eq!(seconds(store.ask(&many, back - 3600 * second)), [-40]);
    assert_eq!(seconds(store.ask(&many, back - 3560 * second)), [400]);
    // A smaller window than before is full, and no more than that.
    assert_eq!(seconds(store.ask(&[("a", rate("2/60s"))], back - 3560 * second)), [-30]);
    // The finest rate and the longest window: nothing is lost to rounding.
    let fine = [("b", rate("1000000000/1s")), ("c", rate("1/24h"))];
    assert_eq!(store.ask(&fine, BEGIN), [1, 86_400_000_000_000]);
    assert_eq!(store.ask(&fine, BEGIN), [2, -86_400_000_000_000]);
}
