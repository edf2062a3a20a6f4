use std::path::PathBuf;

use aimds_graph::{Batch, CampaignLimits, Graph, Limits, Property, Subgraph, mermaid, svg};

use crate::words::{Home, batch, id};

const STORY: [&str; 9] = [
    "source:key_1 triggered session:s1 @900",
    "source:key_1 triggered attack:req-1 @1000",
    "attack:req-1 carried_by session:s1 @1000",
    "attack:req-1 caused finding:req-1/request/0 @1000",
    "finding:req-1/request/0 derived_from pattern:override.ignore-previous @1000",
    "attack:req-1 derived_from pattern:override.ignore-previous @1000",
    "finding:req-1/request/0 decided decision:req-1/request @1000",
    "decision:req-1/request acted action:req-1/request @1000",
    "attack:req-0 similar_to attack:req-1 @1000 0.75",
];

fn story() -> Home {
    let mut written = batch("acme", &STORY);
    for (node, name, value) in [
        ("attack:req-1", "category", "prompt_injection"),
        ("decision:req-1/request", "decision", "block"),
        ("action:req-1/request", "action", "block"),
    ] {
        let node = written.nodes.iter_mut().find(|known| known.id == id(node)).unwrap();
        node.properties.insert(name.into(), Property::from(value));
    }
    let mut home = Home::new();
    home.graph.upsert(&Batch { tenant: "acme".into(), ..written }).unwrap();
    home
}

/// Compares with the file of that name; with AIMDS_BLESS set, writes it instead.
fn snapshot(name: &str, picture: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/graph/snapshots").join(name);
    if std::env::var_os("AIMDS_BLESS").is_some() {
        std::fs::write(&path, picture).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == picture, "{} differs:\n{picture}", path.display());
}

#[test]
fn pictures_are_as_they_were() {
    let home = story();
    let chain = home.graph.chain("acme", &id("attack:req-1"), &Limits::chain()).unwrap();
    snapshot("chain.svg", &svg(&chain.subgraph));
    snapshot("chain.mmd", &mermaid(&chain.subgraph));
    let related = home.graph.related("acme", &id("attack:req-1"), &Limits::related()).unwrap();
    snapshot("related.mmd", &mermaid(&related.subgraph));
    assert_eq!(mermaid(&Subgraph::default()), "flowchart LR\n");
    assert!(svg(&Subgraph::default()).ends_with("</svg>\n"));
}

/// Names come from outside: whoever chose them must not write into the picture.
#[test]
fn names_cannot_leave_their_boxes() {
    let hostile = r#"attack:"]--><script>alert(1)</script>&#x27;;click`n0`"#;
    let line = format!("source:a triggered {hostile} @1");
    let home = Home::with("acme", &[&line]);
    let chain = home.graph.chain("acme", &id(hostile), &Limits::chain()).unwrap();
    let picture = svg(&chain.subgraph);
    assert!(!picture.contains("<script"), "{picture}");
    assert!(picture.contains("&lt;script&gt;"), "{picture}");
    let chart = mermaid(&chain.subgraph);
    assert_eq!(chart.lines().count(), 4, "{chart}");
    let box_ = chart.lines().nth(1).unwrap();
    assert_eq!(box_.matches('"').count(), 2, "{box_}");
    assert!(!box_.replace("<br/>", "").contains(['<', '>', '`', '&', ')']), "{box_}");
}

#[test]
fn sentences_say_what_it_means() {
    let mut home = story();
    let limits = Limits::related();
    let related =
        |home: &Home, name: &str| home.graph.related("acme", &id(name), &limits).unwrap().sentence();
    assert_eq!(
        related(&home, "attack:req-1"),
        "1 attack hangs together with attack:req-1; the nearest is attack:req-0, 1 step away."
    );
    let root =
        |home: &Home, name: &str| home.graph.root("acme", &id(name), &Limits::root()).unwrap().sentence();
    assert_eq!(
        root(&home, "action:req-1/request"),
        "action:req-1/request began with source:key_1, 4 steps before it."
    );
    assert_eq!(root(&home, "source:key_1"), "source:key_1 has no known cause.");
    let blast = |home: &Home, limits: &Limits| {
        home.graph.blast("acme", &id("source:key_1"), limits).unwrap().sentence()
    };
    assert_eq!(
        blast(&home, &Limits::blast()),
        "source:key_1 reached 1 session, 1 attack, 1 finding, 1 decision and 1 action."
    );
    assert_eq!(
        blast(&home, &Limits { nodes: 2, ..Limits::blast() }),
        "source:key_1 reached 1 session and 1 attack. There is more than the limits let through."
    );
    let campaigns = home.graph.campaigns("acme", &CampaignLimits::default()).unwrap();
    assert_eq!(
        campaigns.campaigns[0].sentence(),
        "2 attacks from 1 source, the first attack:req-0, by override.ignore-previous."
    );
    assert_eq!(
        home.graph.erase("acme", &id("source:key_1"), 1).unwrap().sentence(),
        "source:key_1 was erased with all that came of it: 1 source, 1 session, 1 attack, 1 finding, 1 decision and 1 action, and 9 edges."
    );
    assert_eq!(related(&home, "attack:req-0"), "No other attack hangs together with attack:req-0.");
    home.graph.upsert(&batch("acme", &["outcome:o @1"])).unwrap();
    let nothing = home.graph.blast("acme", &id("outcome:o"), &Limits::blast()).unwrap();
    assert_eq!(nothing.sentence(), "outcome:o reached nothing.");
}
