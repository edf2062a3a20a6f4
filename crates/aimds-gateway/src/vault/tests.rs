//! Whatever is asked by whomever in whichever order: an answer gets back what its own session, or its own request, has
//! kept, and nothing else.

use std::collections::HashMap;
use std::sync::OnceLock;

use aimds_engine::vault::Kinds;
use aimds_engine::{Engine, Origin, Policy, Session as Watched, Timestamp};
use axum::http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let policy = Policy::parse("version = 1\n[findings.any]\n\"pii.email\" = \"redact\"\n").unwrap();
        Engine::with_policy(policy).unwrap()
    })
}

fn vaults(most: usize) -> Arc<Vaults> {
    let sessions = VaultSessions {
        header: Some("x-aimds-session".parse().unwrap()),
        field: String::new(),
        ttl: Duration::from_secs(3600),
        most,
        file: None,
        open: false,
    };
    let options = Options { kinds: Kinds::parse(["pii.*"]).unwrap(), ..Options::default() };
    Vaults::open(VaultConfig { options, sessions: Some(sessions) }).unwrap()
}

/// Sends one mail address in a session (none where the name is empty): what the model sees, and what the answer gets back.
fn send(
    vaults: &Vaults,
    (tenant, session, request): (&str, &str, &str),
    mail: &str,
) -> (String, Option<Arc<Restoration>>) {
    let conversation = Conversation::single(Origin::User, mail);
    let outcome = engine().inspect(&conversation, &mut Watched::new(""), Timestamp(0));
    let permit = outcome.decision.into_permit().unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("x-aimds-session", HeaderValue::from_str(session).unwrap());
    let document = Document::parse("{}").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let cleared = vaults.clear((tenant, request), (&headers, &document), permit, conversation);
    let (cleared, used) = runtime.block_on(cleared).unwrap();
    (cleared.conversation().messages[0].text.clone(), used.restoration)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_requests_gives_anybody_what_another_has_kept(
        requests in prop::collection::vec((0_usize..3, 0_usize..4, 0_usize..5), 1..24), most in 1_usize..4,
    ) {
        let (tenants, sessions) = (["", "acme", "other"], ["", "s", "t", "acme/s"]);
        let vaults = vaults(most);
        // Every placeholder ever seen, with whose it is and what it stands for.
        let mut seen: HashMap<String, (String, String)> = HashMap::new();
        for (number, (tenant, session, mail)) in requests.into_iter().enumerate() {
            let mail = format!("user{mail}@corp-mail.com");
            let (tenant, session) = (tenants[tenant], sessions[session]);
            let request = format!("request {number}");
            let owner = match session {
                "" => format!("{tenant}|{request}"),
                session => format!("{tenant}|session {session}"),
            };
            let (word, restoration) = send(&vaults, (tenant, session, &request), &mail);
            prop_assert!(word.starts_with("[EMAIL_"), "{}", word);
            if let Some((whose, what)) = seen.insert(word.clone(), (owner.clone(), mail.clone())) {
                prop_assert_eq!((&whose, &what), (&owner, &mail), "a placeholder was given out twice");
            }
            let restoration = restoration.unwrap();
            prop_assert_eq!(restoration.whole(&word, Vec::new(), false), Some(mail));
            for (word, (whose, what)) in &seen {
                let back = restoration.whole(word, Vec::new(), false);
                // A session that was evicted has begun anew: what it gave out before is gone.
                let own = *whose == owner && back.as_ref() == Some(what);
                prop_assert!(own || back.is_none(), "{} gave {:?} to {}", whose, back, owner);
            }
        }
        prop_assert!(vaults.sessions() <= most * tenants.len());
    }
}

#[test]
fn requests_of_one_session_at_once_share_one_vault() {
    let vaults = vaults(4);
    let words: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let vaults = &vaults;
                let request = number.to_string();
                scope.spawn(move || send(vaults, ("acme", "s", &request), "jane.roe@corp-mail.com").0)
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(words.iter().all(|word| *word == words[0]), "{words:?}");
    assert_eq!(vaults.sessions(), 1);
}

#[test]
fn a_text_without_personal_data_makes_no_session() {
    let vaults = vaults(4);
    let (text, restoration) = send(&vaults, ("acme", "s", "1"), "hello");
    assert!(text == "hello" && restoration.is_none() && vaults.sessions() == 0);
}
