//! The bounded table: who is pushed out, and what a flood cannot do.

use std::collections::HashMap;

use aimds_analyze::{MessageRisk, NoRoom, Session, SessionKey, SessionLimits, Sessions, Timestamp, assess};
use aimds_detect::Origin;
use proptest::prelude::*;

fn limits(capacity: usize, per_tenant: usize, per_source: usize) -> SessionLimits {
    SessionLimits { capacity, per_tenant, per_source, idle_ms: 1_000 }
}

fn key<'a>(tenant: &'a str, source: u64, id: &'a str) -> SessionKey<'a> {
    SessionKey { tenant, source, id }
}

/// One request of this score.
fn request(sessions: &mut Sessions, key: &SessionKey<'_>, score: f32, now: u64) {
    let mut session = sessions.open(key, Timestamp(now));
    asked(&mut session, score, now);
    sessions.store(key, session, Timestamp(now));
}

fn asked(session: &mut Session, score: f32, now: u64) {
    let risk = MessageRisk { message: 0, origin: Origin::User, score, exhausted: None, degraded: None };
    let _ = assess(vec![risk], vec![], vec![], session, Timestamp(now));
}

fn remembered(sessions: &Sessions, tenant: &str, id: &str, now: u64) -> Option<u64> {
    sessions.get(tenant, id, Timestamp(now)).map(Session::turns)
}

#[test]
fn sessions_are_remembered_until_they_end() {
    let mut sessions = Sessions::new(limits(10, 10, 10)).unwrap();
    assert!(sessions.is_empty());
    request(&mut sessions, &key("acme", 1, "a"), 0.1, 0);
    request(&mut sessions, &key("acme", 1, "a"), 0.1, 900);
    assert_eq!(remembered(&sessions, "acme", "a", 1_900), Some(2));
    assert_eq!(remembered(&sessions, "acme", "a", 1_901), None);
    assert_eq!(remembered(&sessions, "other", "a", 900), None);
    // It begins anew, and the ended one is gone.
    request(&mut sessions, &key("acme", 1, "a"), 0.1, 5_000);
    assert_eq!((remembered(&sessions, "acme", "a", 5_000), sessions.len()), (Some(1), 1));
    request(&mut sessions, &key("acme", 1, "b"), 0.1, 9_000);
    assert_eq!(sessions.len(), 1);
}

#[test]
fn limits_of_nothing_are_refused() {
    let refused = |limits| Sessions::new(limits).unwrap_err();
    assert_eq!(refused(limits(0, 1, 1)), NoRoom { limit: "capacity" });
    assert_eq!(refused(limits(1, 0, 1)).to_string(), "invalid session limits: per_tenant must be at least 1");
    assert_eq!(refused(limits(1, 1, 0)), NoRoom { limit: "per_source" });
}

#[test]
fn calm_sessions_go_before_suspicious_and_these_before_risky_ones() {
    let mut sessions = Sessions::new(limits(3, 3, 3)).unwrap();
    for (now, (id, score)) in [("risky", 0.99), ("suspicious", 0.3), ("calm", 0.01)].into_iter().enumerate() {
        request(&mut sessions, &key("", 1, id), score, now as u64);
    }
    let mut check = |id, score, expected: [bool; 3]| {
        request(&mut sessions, &key("", 1, id), score, 10);
        let there = ["risky", "suspicious", "calm"].map(|id| sessions.get("", id, Timestamp(10)).is_some());
        assert_eq!(there, expected, "{id}");
    };
    check("1", 0.95, [true, true, false]);
    check("2", 0.95, [true, false, false]);
    check("3", 0.95, [false, false, false]);
}

#[test]
fn the_riskiest_are_listed_first_and_each_tenant_has_its_own() {
    let mut sessions = Sessions::new(limits(9, 9, 9)).unwrap();
    let long = "x".repeat(65);
    for (now, (tenant, id, score)) in
        [("a", "calm", 0.0), ("a", "risky", 0.9), ("b", "newer", 0.9), ("b", &long, 0.3)]
            .into_iter()
            .enumerate()
    {
        request(&mut sessions, &key(tenant, 1, id), score, now as u64);
    }
    let check = |tenant, now, most, expected: &[(&str, &str)], total| {
        let (known, counted) = sessions.known(tenant, Timestamp(now), most);
        let named: Vec<_> = known.iter().map(|known| (known.tenant, known.id)).collect();
        assert_eq!((named.as_slice(), counted), (expected, total));
    };
    check(None, 3, 9, &[("b", "newer"), ("a", "risky"), ("b", ""), ("a", "calm")], 4);
    check(None, 3, 2, &[("b", "newer"), ("a", "risky")], 4);
    check(None, 3, 0, &[], 4);
    check(Some("a"), 3, 9, &[("a", "risky"), ("a", "calm")], 2);
    check(Some("a"), 1_001, 9, &[("a", "risky")], 1);
    check(Some("c"), 3, 9, &[], 0);
    assert!(sessions.tenants().eq(["a", "b"]));
}

#[test]
fn the_riskier_of_two_requests_at_the_same_time_is_kept() {
    let mut sessions = Sessions::new(limits(3, 3, 3)).unwrap();
    let key = key("", 1, "a");
    let (mut one, mut two) = (sessions.open(&key, Timestamp(0)), sessions.open(&key, Timestamp(0)));
    asked(&mut one, 0.9, 0);
    asked(&mut two, 0.1, 0);
    sessions.store(&key, one, Timestamp(0));
    sessions.store(&key, two, Timestamp(0));
    assert_eq!(sessions.get("", "a", Timestamp(0)).unwrap().peak(), 0.9);
}

#[test]
fn a_flood_of_one_source_or_tenant_washes_nothing_risky_of_others_out() {
    let mut sessions = Sessions::new(limits(100, 60, 20)).unwrap();
    request(&mut sessions, &key("acme", 1, "victim"), 0.99, 0);
    for number in 0..500_u64 {
        let id = number.to_string();
        // One source whose sessions are all risky, many sources with calm ones, and another tenant with risky ones.
        request(&mut sessions, &key("acme", 2, &format!("r{id}")), 0.99, 1);
        request(&mut sessions, &key("acme", 1_000 + number, &format!("c{id}")), 0.0, 1);
        request(&mut sessions, &key("evil", number, &format!("e{id}")), 0.99, 1);
        assert!(sessions.len() <= 100);
    }
    assert_eq!(remembered(&sessions, "acme", "victim", 1), Some(1));
}

#[test]
fn known_gap_many_sources_with_risky_sessions_push_out_older_risky_ones_of_the_same_tenant() {
    let mut sessions = Sessions::new(limits(100, 60, 20)).unwrap();
    request(&mut sessions, &key("acme", 1, "victim"), 0.99, 0);
    for number in 0..100_u64 {
        request(&mut sessions, &key("acme", 10 + number, &number.to_string()), 0.99, 1);
    }
    assert_eq!(remembered(&sessions, "acme", "victim", 1), None);
}

proptest! {
    /// Whatever comes: the limits hold, and a risky session outlives every flood of calm ones.
    #[test]
    fn the_limits_hold(
        requests in prop::collection::vec((0_u8..3, 0_u64..6, 0_u8..40, 0.0_f32..0.09, 0_u64..20), 1..300),
    ) {
        let mut sessions = Sessions::new(limits(20, 12, 5)).unwrap();
        request(&mut sessions, &key("0", 99, "risky"), 0.99, 0);
        let mut now = 0;
        for (tenant, source, id, score, gap) in requests {
            now += gap / 10;
            let (tenant, id) = (tenant.to_string(), id.to_string());
            request(&mut sessions, &key(&tenant, source, &id), score, now);
            prop_assert!(sessions.len() <= 20);
            prop_assert!(sessions.get(&tenant, &id, Timestamp(now)).is_some() || sessions.len() >= 5);
        }
        prop_assert!(remembered(&sessions, "0", "risky", now).is_some());
    }

    /// While there is room, the table is a map.
    #[test]
    fn with_room_it_is_a_map(requests in prop::collection::vec((0_u8..3, 0_u64..9, 0_u8..9), 1..200)) {
        let mut sessions = Sessions::new(limits(1_000, 1_000, 1_000)).unwrap();
        let mut naive: HashMap<(String, String), u64> = HashMap::new();
        for (tenant, source, id) in requests {
            let (tenant, id) = (tenant.to_string(), id.to_string());
            request(&mut sessions, &key(&tenant, source, &id), 0.5, 0);
            *naive.entry((tenant, id)).or_default() += 1;
        }
        prop_assert_eq!(sessions.len(), naive.len());
        for ((tenant, id), turns) in naive {
            prop_assert_eq!(remembered(&sessions, &tenant, &id, 0), Some(turns));
        }
    }
}
