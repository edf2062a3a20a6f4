use super::*;

#[test]
fn deep_settings_are_checked_and_overridden() {
    let policy = Policy::parse(
        "version = 1\n[deep.user]\nfrom = 0.1\nto = 0.5\n[tenant.patient.deep]\nmode = \"always\"\nwindows = 3\n",
    )
    .unwrap();
    assert_eq!(policy.deep_band("", Origin::User), Some(DeepBand { from: 0.1, to: 0.5 }));
    assert_eq!(policy.deep_band("patient", Origin::Tool), None);
    assert_eq!((policy.deep_windows(""), policy.deep_windows("patient")), (64, 3));
    assert_eq!(policy.deep_mode("patient"), DeepMode::Always);
    assert_eq!(policy.with_deep_mode(DeepMode::Never).deep_mode("patient"), DeepMode::Never);
    let refused = |text: &str| Policy::parse(&format!("version = 1\n{text}")).unwrap_err().to_string();
    assert!(refused("[deep.user]\nfrom = 0.6\nto = 0.5").contains("deep.user: from (0.6) is above to (0.5)"));
    assert!(refused("[deep.tool]\nfrom = -1.0\nto = 0.5").contains("deep.tool: -1 is not between 0 and 1"));
    assert!(refused("[deep]\non_degraded = \"redact\"").contains("deep.on_degraded"));
}

#[test]
fn a_bad_file_is_refused_with_the_place() {
    fn refused(text: &str, expected: &str) {
        let error = Policy::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
    refused("version = 2", "version 2 is not supported");
    refused("version = 1\nmoed = \"monitor\"", "unknown field `moed`");
    refused("version = 1\n[risk.user]\nblock = 1.5", "risk.user: 1.5 is not between 0 and 1");
    refused("version = 1\n[risk.user]\nblock = nan", "risk.user: NaN is not between 0 and 1");
    refused(
        "version = 1\n[tenant.a.risk.user]\nflag = 0.9\nblock = 0.5",
        "tenant.a.risk.user: flag (0.9) is above",
    );
    refused("version = 1\n[findings.any]\njailbrake = \"block\"", "unknown category \"jailbrake\"");
    refused("version = 1\n[findings.any]\njailbreak = \"redact\"", "cannot be redacted");
    refused(
        "version = 1\n[canaries]\ncrm = \"short\"",
        "canaries.\"crm\": a canary has 8 characters at least",
    );
    let many: String = (0..101).map(|number| format!("c{number} = \"canary-{number}\"\n")).collect();
    refused(&format!("version = 1\n[canaries]\n{many}"), "canaries: 101 canaries are too many (at most 100)");
    refused("version = 1\n[tenant.a.canaries]\ncrm = \"short\"", "tenant.a.canaries.\"crm\"");
    refused("version = 1\n[[allow]]\nreason = \"x\"", "allow[0]: give exactly one");
}
