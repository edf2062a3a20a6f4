//! How a person's approval becomes a permit. Nothing else does.
//!
//! Only an escalated decision becomes an [`Escalation`], so that what the policy blocks cannot be approved; only an
//! [`Approval`] of another party, for the same bytes, makes it a [`Permit`]. That an approval is used once is for whoever
//! keeps it.

use crate::decision::{Action, Decision, Permit};

/// Somebody who asks or decides: the tenant and the name of a key or person in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// Who it is there.
    pub name: &'a str,
}

/// Why an approval does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// Nobody decides on a request of their own.
    #[error("nobody decides on a request of their own")]
    OwnRequest,
    /// It was given for something else.
    #[error("the approval is for other bytes")]
    OtherBytes,
}

/// What one party has approved for another: bytes, told by a hash that the caller computes (keyed, over everything that
/// tells the request from another). Cannot be constructed without the two parties.
///
/// ```
/// use aimds_policy::{Approval, ApprovalError, Party};
/// let (app, ann) = (Party { tenant: "acme", name: "app" }, Party { tenant: "acme", name: "ann" });
/// assert!(Approval::new(app, ann, [7; 32]).is_ok());
/// assert_eq!(Approval::new(app, app, [7; 32]).unwrap_err(), ApprovalError::OwnRequest);
/// ```
#[derive(Clone, Debug)]
pub struct Approval {
    of: [u8; 32],
}

impl Approval {
    /// The approval of `approver` for what `requester` asks, whose hash is `of`.
    ///
    /// # Errors
    /// [`ApprovalError::OwnRequest`].
    pub fn new(requester: Party<'_>, approver: Party<'_>, of: [u8; 32]) -> Result<Self, ApprovalError> {
        if requester == approver { Err(ApprovalError::OwnRequest) } else { Ok(Self { of }) }
    }
}

/// A decision that waits for a person.
#[derive(Debug)]
pub struct Escalation(Decision);

impl Decision {
    /// The decision as one that waits for a person; `None` where it is any other: what is blocked cannot be approved, and
    /// what goes on need not be.
    #[must_use]
    pub fn into_escalation(self) -> Option<Escalation> {
        (self.action() == Action::Escalate).then_some(Escalation(self))
    }
}

impl Escalation {
    /// What is to be decided on.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        &self.0
    }

    /// The permit that the approval gives: everything that the policy wants changed in the texts is still changed.
    ///
    /// # Errors
    /// [`ApprovalError::OtherBytes`] unless the approval is for what has this hash.
    pub fn approved(self, approval: &Approval, of: &[u8; 32]) -> Result<Permit, ApprovalError> {
        if approval.of == *of { Ok(self.0.into_changed()) } else { Err(ApprovalError::OtherBytes) }
    }
}

#[cfg(test)]
mod tests {
    use aimds_analyze::{MessageRisk, Session, Timestamp, assess};
    use aimds_detect::validators::PiiKind;
    use aimds_detect::{Category, Conversation, Detector, Finding, Origin};

    use super::*;
    use crate::Policy;

    const APP: Party<'_> = Party { tenant: "acme", name: "app" };
    const ANN: Party<'_> = Party { tenant: "acme", name: "ann" };

    /// The decision on a text that one category of a finding stands in.
    fn decide(header: &str, category: Category) -> Decision {
        let policy = format!(
            "version = 1\n{header}[findings.any]\njailbreak = \"escalate\"\ntool_abuse = \"block\"\n\"pii.email\" = \"redact\"\n"
        );
        let conversation = Conversation::single(Origin::User, "0123456789");
        let risk =
            MessageRisk { message: 0, origin: Origin::User, score: 0.1, exhausted: None, degraded: None };
        let finding = |category, span| Finding {
            category,
            detector: Detector::Rule,
            rule: None,
            confidence: 1.0,
            message: 0,
            span,
            explanation: "test".into(),
        };
        let findings = vec![finding(Category::Pii(PiiKind::Email), 0..2), finding(category, 4..6)];
        let assessment = assess(vec![risk], findings, vec![], &mut Session::new(""), Timestamp(0));
        Policy::parse(&policy).unwrap().decide(&conversation, &assessment, "")
    }

    #[test]
    fn only_what_is_escalated_waits_for_a_person() {
        for (header, category, expected) in [
            ("", Category::Jailbreak, true),
            ("", Category::ToolAbuse, false),
            ("", Category::DataExfiltration, false),
            ("mode = \"monitor\"\n", Category::Jailbreak, false),
        ] {
            assert_eq!(decide(header, category).into_escalation().is_some(), expected, "{header}{category}");
        }
    }

    #[test]
    fn an_approval_is_of_another_party_and_for_the_same_bytes() {
        assert_eq!(Approval::new(APP, APP, [1; 32]).unwrap_err(), ApprovalError::OwnRequest);
        let namesake = Party { tenant: "", name: "app" };
        assert!(Approval::new(APP, namesake, [1; 32]).is_ok());
        let approval = Approval::new(APP, ANN, [1; 32]).unwrap();
        let escalation = || decide("", Category::Jailbreak).into_escalation().unwrap();
        assert_eq!(escalation().approved(&approval, &[2; 32]).unwrap_err(), ApprovalError::OtherBytes);
        let permit = escalation().approved(&approval, &[1; 32]).unwrap();
        assert_eq!(permit.redactions().len(), 1, "what is redacted is redacted all the same");
        assert_eq!(permit.action(), Action::Redact);
    }
}
