use super::super::Config;

const TARGET: &str = "[[router.targets]]\nname = \"a\"\nsurfaces = [\"chat\"]\nbase_url = \"http://x\"\n\
                      input_price = \"1\"\noutput_price = \"2\"\n";
const ROUTE: &str = "[[router.routes]]\nname = \"r\"\ntargets = [\"a\"]\n";

fn check(text: &str, expected: &str) {
    let error = Config::parse(text).unwrap_err().to_string();
    assert_eq!(error, format!("invalid configuration: {expected}"), "{text}");
}

#[test]
fn what_cannot_work_is_refused_with_its_place() {
    Config::parse(&format!("{TARGET}{ROUTE}")).unwrap();
    check(TARGET, "router.routes: without a route no target is ever used");
    check("[router]\ncache = \"always\"\n", "router.targets: routes, budgets and cache need targets");
    check(ROUTE, "router.routes[0].targets: there is no target `a`");
    let target = |from: &str, to: &str| format!("{}{ROUTE}", TARGET.replace(from, to));
    check(
        &target("\"a\"", "\"a b\""),
        "router.targets[0].name: must be 1 to 64 letters, digits, `.`, `-` or `_`",
    );
    check(&target("[\"chat\"]", "[]"), "router.targets[0].surfaces: must name at least one");
    check(
        &target("[\"chat\"]", "[\"chat\", \"messages\"]"),
        "router.targets[0].surfaces: must be surfaces of one provider",
    );
    check(&target("http://x", "x"), "router.targets[0].base_url: must be an http:// or https:// address");
    check(&target("http://x", ""), "router.targets[0].base_url: must be an http:// or https:// address");
    check(
        &target("\"2\"", "\"2\"\nmodel = \"a/../b\""),
        "router.targets[0].model: is not the name of a model",
    );
    check(
        &target("\"2\"", "\"2\"\ntimeout_ms = 0"),
        "router.targets[0].timeout_ms: must be at least 1 millisecond",
    );
    check(
        &target("\"2\"", "\"2,5\""),
        "router.targets[0]: prices must be dollars for a million tokens with at most six places, as \"0.15\"",
    );
    check(&format!("{TARGET}{TARGET}{ROUTE}"), "router.targets[1].name: another one has the same name");
    check(&format!("{TARGET}{ROUTE}{ROUTE}"), "router.routes[1].name: another one has the same name");
    check(
        &format!("{TARGET}{ROUTE}min_score = 7\nmax_score = 6\n"),
        "router.routes[0].max_score: must be between min_score and 100",
    );
    let budget = "[[router.budgets]]\nperiod = \"day\"\ndollars = \"1\"\n";
    check(
        &format!("{TARGET}{ROUTE}{budget}tenant = \"t\"\n"),
        "router.ledger: budgets need a file, else a restart would renew them",
    );
    let ledger = format!("[router]\nledger = \"l\"\n{TARGET}{ROUTE}{budget}");
    check(&ledger, "router.budgets[0]: must name either a tenant or a key");
    check(
        &format!("{ledger}key = \"k\"\n").replace("dollars = \"1\"", "dollars = \"-1\""),
        "router.budgets[0].dollars: must be an amount of dollars, as \"12.50\"",
    );
    check(
        &format!("[router]\nmax_attempts = 0\n{TARGET}{ROUTE}"),
        "router: max_attempts and breaker_failures must be at least 1",
    );
    check(
        &format!("[router]\nretry_percent = 101\n{TARGET}{ROUTE}"),
        "router: retry_percent and budget_warn_percent must be at most 100",
    );
}
