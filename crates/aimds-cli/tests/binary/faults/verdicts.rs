//! A look that was not complete, and policies that cannot be followed.

use serde_json::{Value, json};

use super::{alarms, configuration, gateway, log, metric, records};
use crate::command::{BLOCK_EMAIL, Folder, WITH_EMAIL, run};
use crate::reload::eventually;

const AUDIT: &str = "[audit]\npath = \"audit.db\"\n";

/// "good morning to all of you, my dear friends in the village", six times in base64: two times more than is looked into.
const NESTED: &str = "Vm1wS2QxTnJOVmhWYms1cVVsWktVMWx0ZUV0alJsSlZVVzVrVGxadGVGaFhXSEJIWVZkRmVXVkZjRmRXZWxab1ZUSjRTbVF4WkhWalJuQm9UVV\
    JXUlZkclpEUmtNazVIVW01R1YySlhlRTlVVmxwaFRteFZlRlp0Y0d4U1ZGWlhXV3RXYjFadFNsbGhSMFpYVFVaYWVsbHRlR3RrUlRWV1pFZHdV\
    MkpyU2xwV1IzaHJUVWRHZEZac1dsUmliVkpoV1d4a05GSkdVbFphUldSVVVteHdXVmRyWkRCaFZsbDZZVVJhV0ZZelVuSlZha3BMWXpKT1IxTn\
    NSbGRTUlVVMQ==";

#[test]
fn a_scan_budget_that_runs_out_is_never_clean() {
    let folder = Folder::new();
    let running = gateway(&folder, "version = 1\n", AUDIT);
    let (status, verdict) = running.guard("", NESTED);
    assert_eq!((status, verdict["decision"].as_str()), (200, Some("escalate")), "{verdict}");
    assert_eq!(
        (verdict["exhausted"].as_str(), &verdict["categories"]),
        (Some("depth"), &json!([])),
        "{verdict}"
    );
    running.stop();
    let record = &records(&folder, "decision")[0]["body"];
    assert_eq!((&record["exhausted"], &record["decision"]), (&json!("depth"), &json!("escalate")));
}

#[test]
fn a_deep_path_that_is_late_is_told_and_the_policy_decides() {
    let folder = Folder::new();
    let policy =
        "version = 1\n[risk.user]\nblock = 0.999\n[deep]\nmode = \"always\"\non_degraded = \"flag\"\n";
    let running = gateway(&folder, policy, &format!("{AUDIT}[limits]\ndeep_deadline_ms = 1\n"));
    // A text of many windows takes longer than a millisecond.
    let long = "Could you tell me what the weather will be like tomorrow? ".repeat(200);
    let (status, verdict) = running.guard("", &long);
    assert_eq!((status, verdict["degraded"].as_str()), (200, Some("late")), "{verdict}");
    assert_eq!(verdict["decision"], "flag");
    running.stop();
    assert_eq!(records(&folder, "decision")[0]["body"]["degraded"], "late");
}

#[test]
fn a_policy_that_is_broken_stops_the_start_and_while_running_the_last_good_one_stays() {
    let folder = Folder::new();
    let config = folder.file("aimds.toml", configuration(""));
    folder.file("policy.toml", "version = 1\nmode = \"sometimes\"\n");
    let ran = run(&["serve", "--config", &config, "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("unknown variant `sometimes`"), "{}", ran.stderr);

    let running = gateway(&folder, BLOCK_EMAIL, AUDIT);
    assert_eq!(running.guard("", WITH_EMAIL).1["decision"], "block");
    folder.file("policy.toml", "version = ");
    running.hang_up();
    eventually("the change is refused", || metric(&running, "aimds_reload_refused") == 1.0);
    assert_eq!(running.guard("", WITH_EMAIL).1["decision"], "block");
    eventually("the log says so", || log(&folder).contains("stay as they were"));
    running.stop();
    assert_eq!(records(&folder, "config")[0]["body"]["event"], "reload_refused");
}

#[test]
fn a_monitor_that_reaches_its_limit_fails_closed_with_an_alarm() {
    let folder = Folder::new();
    let policy = "version = 1\n[[temporal]]\nname = \"flood\"\nformula = \"G (call(y) & O call(x) -> WX G !call(y))\"\n";
    let running = gateway(&folder, policy, AUDIT);
    let ask = |calls: usize| {
        let call = |number| json!({ "id": "c", "type": "function", "function": { "name": format!("tool_{number}"), "arguments": "{}" } });
        let calls: Vec<Value> = (0..calls).map(call).collect();
        running.post(
            "",
            &json!({ "messages": [
            { "role": "user", "content": "hi" }, { "role": "assistant", "content": null, "tool_calls": calls }
        ] }),
        )
    };
    let (_, verdict) = ask(3);
    assert_eq!(verdict["decision"], "allow", "{verdict}");
    assert_eq!(alarms(&running, "monitor_limit"), 0.0);
    // All pairs of a hundred names are more than are followed.
    let (status, verdict) = ask(100);
    assert_eq!((status, verdict["decision"].as_str()), (200, Some("block")), "{verdict}");
    assert_eq!(verdict["violations"][0]["verdict"], "limit_reached");
    assert_eq!(alarms(&running, "monitor_limit"), 1.0);
    running.stop();
    let alarm = &records(&folder, "alarm")[0]["body"];
    assert_eq!((&alarm["event"], &alarm["details"]["policy"]), (&json!("monitor_limit"), &json!("flood")));
}
