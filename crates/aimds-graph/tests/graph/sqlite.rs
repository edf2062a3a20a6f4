use std::collections::BTreeMap;

use aimds_graph::{CampaignLimits, Error, Graph, Limits, SqliteGraph};
use rusqlite::Connection;

use crate::words::{Home, batch, id};

#[test]
fn conforms() {
    crate::conformance::all(&mut Home::new().graph, "sqlite");
}

#[test]
fn a_file_is_opened_again_by_others_and_only_if_it_is_a_graph() {
    let mut home = Home::with("acme", &["source:a triggered attack:1 @5"]);
    let path = home.folder.path().join("graph.db");
    let other = SqliteGraph::open(&path).unwrap();
    assert!(other.node("acme", &id("attack:1")).is_ok());
    home.graph.upsert(&batch("acme", &["attack:2 @6"])).unwrap();
    assert!(other.node("acme", &id("attack:2")).is_ok());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let text = home.folder.path().join("text");
    std::fs::write(&text, "not a database, but long enough to look like a file".repeat(20)).unwrap();
    assert!(matches!(SqliteGraph::open(&text), Err(Error::NotAGraph)));
    let foreign = home.folder.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    assert!(matches!(SqliteGraph::open(&foreign), Err(Error::NotAGraph)));
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(SqliteGraph::open(&path), Err(Error::NewerFormat { found: 99, known: 3 })));
    assert!(matches!(SqliteGraph::open("/nowhere/graph.db"), Err(Error::Io { .. })));
}

#[test]
fn a_file_of_an_earlier_format_is_brought_up_to_date() {
    let lines = [
        "source:a triggered attack:1 @5",
        "source:a triggered attack:2 @6",
        "attack:2 similar_to attack:3 @6 0.8",
        "attack:3 derived_from pattern:p @7",
    ];
    let second = "DROP INDEX attacks_by_time; PRAGMA user_version = 2; \
                  CREATE INDEX nodes_by_time ON nodes (tenant, kind, first_ms, id, last_ms)";
    let first = format!("{second}; ALTER TABLE nodes DROP COLUMN ties; PRAGMA user_version = 1");
    for earlier in [first.as_str(), second] {
        let home = Home::with("acme", &lines);
        let path = home.folder.path().join("graph.db");
        let campaigns = home.graph.campaigns("acme", &CampaignLimits::default()).unwrap();
        assert_eq!(campaigns.campaigns[0].attacks.len(), 3);
        let file = Connection::open(&path).unwrap();
        file.execute_batch(earlier).unwrap();
        let opened = SqliteGraph::open(&path).unwrap();
        assert_eq!(opened.campaigns("acme", &CampaignLimits::default()).unwrap(), campaigns);
        let version: i64 = file.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(version, 3);
        let old = "SELECT count(*) FROM sqlite_schema WHERE name = 'nodes_by_time'";
        assert_eq!(file.query_row(old, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    }
}

/// What is kept with an attack and what is walked are the same, also at the number of edges that is kept.
#[test]
fn ties_of_an_attack_with_many_edges_equal_the_walk() {
    let mut lines = vec!["source:a triggered attack:hub @1".to_owned()];
    lines.extend((0..40).map(|i| format!("attack:hub derived_from pattern:{i} @{}", 10 + i)));
    lines.extend((0..40).map(|i| format!("attack:hub similar_to attack:{i} @{} 0.9", 100 + i)));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let home = Home::with("acme", &lines);
    let asked = |fan_out| {
        home.graph.campaigns("acme", &CampaignLimits { fan_out, ..CampaignLimits::default() }).unwrap()
    };
    for (fan_out, sources, patterns) in [(1, 0, 1), (31, 0, 31), (32, 0, 32), (33, 0, 33), (41, 1, 40)] {
        let answer = asked(fan_out);
        let [campaign] = &answer.campaigns[..] else { panic!("{answer:?}") };
        // Each of the others has its one likeness, so that none is left out.
        assert_eq!(campaign.attacks.len(), 41, "{fan_out}");
        assert_eq!((campaign.sources.len(), campaign.patterns.len()), (sources, patterns), "{fan_out}");
        assert_eq!(answer.truncated, fan_out < 41, "{fan_out}");
    }
}

#[test]
fn nothing_of_what_was_erased_stays_in_the_files() {
    let mut home = Home::with("acme", &["source:remember-me triggered attack:and-me @5"]);
    let folder = home.folder.path().to_owned();
    let holds = |needle: &str| {
        std::fs::read_dir(&folder).unwrap().any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
        })
    };
    assert!(holds("remember-me") && holds("and-me"));
    home.graph.erase("acme", &id("source:remember-me"), 6).unwrap();
    assert!(!holds("remember-me") && !holds("and-me"));
}

/// Long-lived edges that ended before the window, or began after it, neither hide those inside nor go unsaid.
#[test]
fn long_lived_edges_of_a_hub_are_bounded() {
    let mut lines = vec!["attack:0 @1000".to_owned(), "session:s carried_by source:a @1-1000".to_owned()];
    lines.push("attack:0 carried_by session:s @1000".to_owned());
    lines.push("attack:x carried_by session:s @999-1001".to_owned());
    for i in 0..100 {
        lines.push(format!("attack:late{i} carried_by session:s @{}-{}", 2000 + i, 3000 + i));
    }
    let home = Home::with("acme", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let limits = Limits { window_ms: Some(0), fan_out: 32, ..Limits::related() };
    let near = home.graph.related("acme", &id("attack:0"), &limits).unwrap();
    assert_eq!(near.attacks.len(), 1);
    assert!(!near.truncated, "102 long edges are within the 128 that may be looked at");
    let few = home.graph.related("acme", &id("attack:0"), &Limits { fan_out: 8, ..limits }).unwrap();
    assert_eq!(few.attacks.len(), 1, "those that ended first are looked at first");
    assert!(few.truncated);
}

#[test]
fn answers_do_not_depend_on_the_order_of_writing() {
    let lines = [
        "source:a triggered attack:1 @5",
        "source:b triggered attack:1 @5",
        "source:a triggered attack:2 @5",
        "source:b triggered attack:2 @5",
    ];
    let mut seen = BTreeMap::new();
    for turn in 0..lines.len() {
        let mut turned = lines;
        turned.rotate_left(turn);
        let home = Home::with("acme", &turned);
        let related = home.graph.related("acme", &id("attack:1"), &Limits::related()).unwrap();
        *seen.entry(format!("{related:?}")).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
}
