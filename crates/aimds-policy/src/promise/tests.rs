use crate::{Policy, PolicyError};

const POLICY: &str = r#"
version = 1
[risk.user]
flag = 0.5
block = 0.9
[risk.tool]
flag = 0.4
[[playbook]]
name = "planted orders"
origin = ["tool"]
risk = { from = 0.4, to = 0.9 }
category = ["indirect_injection"]
actions = ["sandwich"]
[[playbook]]
name = "caught"
decision = ["block"]
actions = ["quarantine", "notify"]
[[playbook]]
name = "stolen key"
tenant = ["acme"]
category = ["canary_leak"]
actions = ["revoke_key"]
"#;

fn examine(formula: &str) -> Result<bool, String> {
    let promise = format!("{POLICY}\n[[promise]]\nname = \"p\"\nformula = '''{formula}'''\n");
    let file = toml::from_str(&promise).unwrap();
    Policy::examine(file).map(|(_, promises)| promises[0].holds()).map_err(|error| error.to_string())
}

#[test]
fn promises_are_checked_on_what_the_policy_decides() {
    let check = |formula: &str, expected: bool| assert_eq!(examine(formula), Ok(expected), "{formula}");
    check("G (user & risk_block -> refused)", true);
    check("G (tool & risk_flag -> refused)", false);
    check("G (tool & risk_flag & category(\"indirect_injection\") -> sandwich | refused)", false);
    check("G (sandwich -> forwarded & tool & category(\"indirect_injection\"))", true);
    // What another playbook blocks is not what the policy itself has decided.
    check("G (block -> quarantine & notify)", false);
    check("G (block & !revoke_key -> quarantine & notify)", true);
    check("G (quarantine & !revoke_key -> X (refused W (released | timed_out)))", true);
    check("G (quarantine -> X X watch)", false);
    check("G (revoke_key -> X (refused W reinstated))", true);
    check("G (revoke_key -> tenant(\"acme\") & category(\"canary_leak\"))", true);
    check("G (playbook(\"stolen key\") -> !tenant(\"\"))", true);
    check("G (budget -> !forwarded)", true);
    check("G F watch", false);
    check("G (request -> forwarded | refused)", true);
}

#[test]
fn a_promise_that_cannot_be_checked_says_why() {
    let check = |formula: &str, expected: &str| {
        let error = examine(formula).unwrap_err();
        assert!(error.starts_with("invalid policy: promise[0] (p): ") && error.contains(expected), "{error}");
    };
    check("G (quarantin -> refused)", "did you mean `quarantine`?");
    check("G (", "expected");
    check("F[0,5s] watch", "time bound");
}

#[test]
fn a_broken_promise_refuses_the_policy_unless_it_is_waived() {
    let promise = "[[promise]]\nname = \"nothing passes\"\nformula = \"G !forwarded\"\n";
    let error = Policy::parse(&format!("{POLICY}{promise}")).unwrap_err();
    let PolicyError::Broken { name, run } = &error else { panic!("{error}") };
    assert_eq!(name, "nothing passes");
    assert!(run.contains("forwarded"), "{run}");
    let policy = Policy::parse(&format!("{POLICY}{promise}waived = \"a trial\"\n")).unwrap();
    assert_eq!(policy.waived().len(), 1);
    assert_eq!(policy.waived()[0].waived.as_deref(), Some("a trial"));
    let kept = "[[promise]]\nname = \"k\"\nformula = \"G (block -> refused)\"\nwaived = \"needless\"\n";
    assert!(Policy::parse(&format!("{POLICY}{kept}")).unwrap().waived().is_empty());
}

#[test]
fn the_examples_keep_their_promises_and_the_embedded_policy_makes_none() {
    for (example, count) in [
        (include_str!("../../../../policies/mitigations.toml"), 5),
        (include_str!("../../../../policies/review.toml"), 1),
    ] {
        let (_, promises) = Policy::examine(crate::PolicyFile::parse(example).unwrap()).unwrap();
        assert_eq!(promises.len(), count);
        for promise in promises {
            assert_eq!(promise.broken_by, None, "{}", promise.name);
        }
    }
    let embedded = crate::PolicyFile::parse(include_str!("../../../../policies/default.toml")).unwrap();
    assert!(embedded.playbook.is_empty() && embedded.promise.is_empty());
}
