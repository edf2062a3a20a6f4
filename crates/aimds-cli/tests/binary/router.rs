use crate::command::{Folder, run, run_with};

fn example() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/router.toml").to_owned()
}

const TWO: &str = "[router]\ntargets = [\n\
    { name = \"cheap\", surfaces = [\"chat\"], base_url = \"http://x\", input_price = \"1\", output_price = \"2\" },\n\
    { name = \"strong\", surfaces = [\"chat\"], base_url = \"http://x\", input_price = \"10\", output_price = \"20\" },\n]\n\
    routes = [{ name = \"easy\", max_score = 29, targets = [\"cheap\"] }, { name = \"hard\", targets = [\"strong\"] }]\n";

#[test]
fn the_sample_has_the_mix_of_the_example_and_stays_below_its_price() {
    let log = run(&["router", "sample", "-n", "20000", "--seed", "3"]);
    assert_eq!((log.status, log.stdout.lines().count()), (0, 20_000));
    let arguments =
        ["router", "simulate", "-", "--config", &example(), "--format", "json", "--fail-above", "0.001"];
    let ran = run_with(&arguments, log.stdout.as_bytes());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let report = ran.json();
    let near = |value: &serde_json::Value, expected: f64| {
        let value = value.as_f64().unwrap();
        assert!((value - expected).abs() < 0.02, "{value} {expected}");
    };
    near(&report["hit_rate"], 0.30);
    for (number, share) in [0.70, 0.25, 0.05].into_iter().enumerate() {
        near(&report["targets"][number]["share"], share);
    }
    assert_eq!(run_with(&arguments, log.stdout.as_bytes()).stdout, ran.stdout);
}

#[test]
fn a_log_is_reported_for_people_and_bad_lines_are_told() {
    let folder = Folder::new();
    let config = folder.file("router.toml", TWO);
    let log = folder.file(
        "log.jsonl",
        "{\"model\":\"m\",\"input_tokens\":100,\"output_tokens\":50}\n\nnonsense\n\
         {\"model\":\"m\",\"input_tokens\":100,\"output_tokens\":50,\"code\":true,\"reasoning\":1}\n",
    );
    let ran = run(&["router", "simulate", &log, "--config", &config]);
    assert_eq!(ran.status, 3);
    assert!(ran.stderr.contains("log.jsonl:3: not a record: "), "{}", ran.stderr);
    for line in [
        "2 requests, 0 without a route, 0 without a local target",
        "cost: $0.0022; the cache saved $0",
        "for a million requests: $1100; for one: $0.0011",
    ] {
        assert!(ran.stdout.contains(line), "{}", ran.stdout);
    }
}

#[test]
fn a_price_that_is_too_high_fails() {
    let folder = Folder::new();
    let config = folder.file("router.toml", TWO);
    let line = b"{\"model\":\"m\",\"input_tokens\":100,\"output_tokens\":50}\n";
    let status = |limit: &str| {
        run_with(&["router", "simulate", "-", "--config", &config, "--fail-above", limit], line).status
    };
    assert_eq!([status("0.0002"), status("0.000199999"), status("cheap")], [0, 1, 2]);
}

#[test]
fn a_configuration_without_a_router_is_refused() {
    let folder = Folder::new();
    let check = |text: &str, expected: &str| {
        let config = folder.file("router.toml", text);
        let ran = run_with(&["router", "simulate", "-", "--config", &config], b"");
        assert_eq!(ran.status, 2);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    };
    check("", "there is no router in it");
    check("[router]\ntarget = []\n", "unknown key `target`; did you mean `targets`?");
    check(&TWO.replace("[\"strong\"]", "[\"weak\"]"), "router.routes[1].targets: there is no target `weak`");
}
