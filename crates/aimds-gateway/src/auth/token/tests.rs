//! Tokens that others have signed, and what must not get past them.

use std::time::Duration;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::*;
use crate::auth::{Credential, Scope};
use crate::config::{KeyPlace, TenantOf};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use key_set::KeySet;

/// RFC 7515 appendix A.2 and A.3: the same claims, signed with RSA and with ECDSA.
const PAYLOAD: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const RS256: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const ES256: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const RSA: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

fn set(keys: Value) -> Result<KeySet, KeySetError> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

fn rsa() -> Value {
    json!({ "kty": "RSA", "kid": "r", "n": RSA, "e": "AQAB" })
}

fn p256() -> Value {
    json!({
        "kty": "EC", "kid": "e", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    })
}

fn token(header: &Value, payload: &str, signature: &str) -> String {
    format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

/// What a key set says about a token.
fn verified(keys: &KeySet, token: &str) -> Result<(), Refusal> {
    let token = Unverified::read(token)?;
    let (key, algorithm) = token.algorithm()?;
    keys.verify(key, algorithm, &token)
}

#[test]
fn the_signatures_of_the_rfc_are_right_and_changed_ones_are_not() {
    let keys = set(json!([rsa(), p256()])).unwrap();
    for (algorithm, signature) in [("RS256", RS256), ("ES256", ES256)] {
        // The header of the RFC, byte for byte: {"alg":"RS256"}.
        let good = token(&json!({ "alg": algorithm }), PAYLOAD, signature);
        assert_eq!(verified(&keys, &good), Ok(()), "{algorithm}");
        let other = PAYLOAD.replacen("eyJpc3MiOiJqb2Ui", "eyJpc3MiOiJqb2Ii", 1);
        assert_eq!(
            verified(&keys, &token(&json!({ "alg": algorithm }), &other, signature)),
            Err(Refusal::Signature)
        );
        for cut in ["", &signature[..signature.len() - signature.len() % 4 - 4]] {
            assert_eq!(
                verified(&keys, &token(&json!({ "alg": algorithm }), PAYLOAD, cut)),
                Err(Refusal::Signature)
            );
        }
    }
}

proptest::proptest! {
    /// No change of a good token is good: neither of what it says, nor of its signature, nor of how they are written.
    #[test]
    fn a_changed_token_is_not_good(at in 0_usize..1000, with in "[A-Za-z0-9_.=-]{0,3}") {
        let key = SigningKey::generate().unwrap();
        let claims = Claims {
            issuer: "i".into(), audience: "a".into(), subject: "s".into(), tenant: None, roles: vec![], issued_s: 1, expires_s: 2,
        };
        let good = key.issue(&claims).unwrap();
        let keys = set(json!([key.jwk()])).unwrap();
        proptest::prop_assert_eq!(verified(&keys, &good), Ok(()));
        let at = at % good.len();
        let changed = format!("{}{with}{}", &good[..at], &good[at + 1..]);
        proptest::prop_assert_eq!(verified(&keys, &changed).is_ok(), changed == good);
    }
}

#[test]
fn a_token_cannot_choose_how_it_is_verified() {
    let keys = set(json!([rsa(), p256()])).unwrap();
    let check = |header: Value, expected: Refusal| {
        for signature in ["", RS256, ES256] {
            assert_eq!(verified(&keys, &token(&header, PAYLOAD, signature)), Err(expected), "{header}");
        }
    };
    for algorithm in
        ["none", "None", "nOnE", "HS256", "RS384", "RS512", "PS256", "ES384", "rs256", "EdDSA ", ""]
    {
        check(json!({ "alg": algorithm }), Refusal::Algorithm);
    }
    for algorithm in [json!(null), json!(["RS256"]), json!(1)] {
        check(json!({ "alg": algorithm }), Refusal::Algorithm);
    }
    check(json!({ "typ": "JWT" }), Refusal::Algorithm);
    // The key of another algorithm, whatever its name.
    check(json!({ "alg": "RS256", "kid": "e" }), Refusal::UnknownKey);
    check(json!({ "alg": "ES256", "kid": "r" }), Refusal::UnknownKey);
    check(json!({ "alg": "EdDSA" }), Refusal::UnknownKey);
    check(json!({ "alg": "ES256", "kid": "other" }), Refusal::UnknownKey);
    check(json!({ "alg": "ES256", "kid": 1 }), Refusal::Header);
    check(json!({ "alg": "ES256", "crit": ["exp"] }), Refusal::Header);
    check(json!({ "alg": "ES256", "b64": false }), Refusal::Header);
    check(json!({ "alg": "ES256", "zip": "DEF" }), Refusal::Header);
    for kind in [json!("logout+jwt"), json!("dpop+jwt"), json!("secevent+jwt"), json!(1)] {
        check(json!({ "alg": "ES256", "typ": kind }), Refusal::Header);
    }
    // Keys that the token brings along are not looked at.
    check(
        json!({ "alg": "EdDSA", "jwk": { "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" } }),
        Refusal::UnknownKey,
    );
}

#[test]
fn what_is_no_token_is_taken_for_none() {
    let long = token(&json!({ "alg": "RS256" }), &"A".repeat(9000), RS256);
    let deep =
        URL_SAFE_NO_PAD.encode(format!("{{\"iss\":\"i\",\"a\":{}{}}}", "[".repeat(20), "]".repeat(20)));
    let header = || token(&json!({ "alg": "RS256" }), "", "");
    let with = |payload: &str| token(&json!({ "alg": "RS256" }), payload, RS256);
    for (text, expected) in [
        (long, Refusal::TooLong),
        (String::new(), Refusal::Shape),
        ("a.b".into(), Refusal::Shape),
        (header(), Refusal::Shape),
        (with("e30="), Refusal::Shape),
        (with("e3 0"), Refusal::Shape),
        (with(&URL_SAFE_NO_PAD.encode("[]")), Refusal::Shape),
        (with(&URL_SAFE_NO_PAD.encode("{\"iss\":\"a\",\"iss\":\"b\"}")), Refusal::Shape),
        (with(&URL_SAFE_NO_PAD.encode("{\"iss\":\"a\",\"\\u0069ss\":\"b\"}")), Refusal::Shape),
        (with(&URL_SAFE_NO_PAD.encode(b"{\"iss\":\"\xff\"}")), Refusal::Shape),
        (with(&deep), Refusal::Shape),
        (
            format!("{}.{PAYLOAD}.{ES256}", URL_SAFE_NO_PAD.encode("{\"alg\":\"none\",\"alg\":\"ES256\"}")),
            Refusal::Shape,
        ),
        (format!("{}.x", with("e30")), Refusal::Shape),
    ] {
        assert_eq!(Unverified::read(&text).err(), Some(expected), "{}", &text[..text.len().min(80)]);
    }
}

#[test]
fn a_key_set_has_keys_for_signatures_and_no_other_ones() {
    let check = |keys: Value, expected: Result<usize, KeySetError>| {
        assert_eq!(set(keys.clone()).map(|set| set.len()), expected, "{keys}");
    };
    let with = |mut key: Value, name: &str, value: Value| {
        key[name] = value;
        key
    };
    check(json!([rsa(), p256()]), Ok(2));
    check(json!([rsa(), { "kty": "oct", "k": "c2VjcmV0" }, { "kty": "later" }, 5]), Ok(1));
    check(json!([with(rsa(), "use", json!("enc")), p256()]), Ok(1));
    check(
        json!([with(rsa(), "key_ops", json!(["encrypt"])), with(p256(), "key_ops", json!(["verify"]))]),
        Ok(1),
    );
    check(json!([with(rsa(), "alg", json!("RS512")), with(p256(), "alg", json!("ES256"))]), Ok(1));
    // 1024 and 8192 bits, a modulus with a leading zero, a curve that is not taken, coordinates of a wrong length.
    for weak in [
        with(rsa(), "n", json!(URL_SAFE_NO_PAD.encode([0xc5_u8; 128]))),
        with(rsa(), "n", json!(URL_SAFE_NO_PAD.encode([0xc5_u8; 1024]))),
        with(rsa(), "n", json!(URL_SAFE_NO_PAD.encode([&[0_u8][..], &[0xc5; 256]].concat()))),
        with(rsa(), "e", json!("")),
        with(p256(), "crv", json!("P-384")),
        with(p256(), "x", json!("AQAB")),
        with(p256(), "y", Value::Null),
    ] {
        check(json!([weak]), Err(KeySetError::NoKey));
    }
    check(json!([]), Err(KeySetError::NoKey));
    check(json!([rsa(), rsa()]), Err(KeySetError::Ambiguous));
    check(json!([rsa(), with(p256(), "kid", json!("r"))]), Ok(2));
    check(json!(vec![rsa(); 65]), Err(KeySetError::TooLarge));
    assert_eq!(KeySet::parse(&vec![b' '; 300 << 10]).err(), Some(KeySetError::TooLarge));
    assert_eq!(KeySet::parse(b"<html>").err(), Some(KeySetError::Shape));
    assert_eq!(KeySet::parse(b"{}").err(), Some(KeySetError::Shape));
}

fn issuer() -> IssuerConfig {
    IssuerConfig {
        name: "corp".into(),
        issuer: "https://id.example".into(),
        audiences: vec!["aimds".into(), "other".into()],
        keys: KeyPlace::File("unused".into()),
        algorithms: Algorithm::ALL.into(),
        tenant: TenantOf::Claim("/org/id".into()),
        scopes: [Scope::Guard].into_iter().collect(),
        roles_claim: Some("/groups".into()),
        leeway: Duration::from_secs(60),
        refresh: Duration::from_secs(300),
    }
}

#[test]
fn claims_say_who_it_is_for_how_long_and_with_which_roles() {
    let mut roles = Roles::default();
    roles.add("app", &[Scope::Proxy]);
    roles.add("boss", &[Scope::Admin]);
    let base = json!({ "iss": "https://id.example", "aud": "aimds", "sub": "s", "exp": 1000, "org": { "id": "acme" } });
    let check = |change: Value, now: f64, expected: Result<&[&str], Refusal>| {
        let mut claims = base.clone();
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let found = claims::bearer(&claims, &issuer(), &roles, now);
        if let Ok(found) = &found {
            assert_eq!((found.id(), found.tenant(), found.by()), ("token:corp:s", "acme", Credential::Token));
        }
        let found = found.map(|found| found.scopes().names());
        assert_eq!(found, expected.map(<[&str]>::to_vec), "{change} at {now}");
    };
    let guard = Ok(&["guard"][..]);
    // Expiry, with a minute of leeway.
    check(json!({}), 500.0, guard);
    check(json!({}), 1059.9, guard);
    check(json!({}), 1060.0, Err(Refusal::Expired));
    check(json!({ "exp": 1000.5 }), 1060.2, guard);
    for exp in [json!(null), json!("1000"), json!([1000])] {
        check(json!({ "exp": exp }), 500.0, Err(Refusal::Claim("exp")));
    }
    check(json!({ "exp": -5 }), 0.0, guard);
    check(json!({ "exp": -61 }), 0.0, Err(Refusal::Expired));
    // Not before, and a clock that is behind the issuer's.
    for claim in ["nbf", "iat"] {
        check(json!({ claim: 600 }), 540.0, guard);
        check(json!({ claim: 600 }), 539.9, Err(Refusal::Early));
        check(
            json!({ claim: "600" }),
            700.0,
            Err(Refusal::Claim(if claim == "nbf" { "nbf" } else { "iat" })),
        );
    }
    // Audiences.
    check(json!({ "aud": ["x", "other"] }), 500.0, guard);
    for aud in
        [json!(null), json!("x"), json!([]), json!(["AIMDS"]), json!({ "aimds": 1 }), json!([["aimds"]])]
    {
        check(json!({ "aud": aud }), 500.0, Err(Refusal::Audience));
    }
    // Tenants: never the default one, never a name that spoils a record.
    for org in [json!(null), json!({ "id": "" }), json!({ "id": 5 }), json!({ "id": "a\nb" }), json!("acme")]
    {
        check(json!({ "org": org }), 500.0, Err(Refusal::Claim("the tenant")));
    }
    for sub in [json!(null), json!(""), json!(7), json!("a\u{0}")] {
        check(json!({ "sub": sub }), 500.0, Err(Refusal::Claim("sub")));
    }
    check(json!({ "sub": "x".repeat(250) }), 500.0, Err(Refusal::Claim("sub or the tenant")));
    // Roles: what the configuration does not know allows nothing.
    check(json!({ "groups": ["app", "unknown", 5] }), 500.0, Ok(&["guard", "proxy"]));
    check(json!({ "groups": "boss app" }), 500.0, Ok(&["guard", "proxy", "admin"]));
    check(json!({ "groups": "admin" }), 500.0, guard);
    check(json!({ "groups": { "app": true } }), 500.0, guard);
    let many: Vec<_> = (0..300).map(|n| n.to_string()).chain(["boss".to_owned()]).collect();
    check(json!({ "groups": many }), 500.0, guard);
}

#[test]
fn es256_signatures_of_ring_and_a_point_that_is_not_on_the_curve() {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
    let point = pair.public_key().as_ref();
    let jwk = |x: &[u8]| json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(&point[33..]) });
    let signed = token(&json!({ "alg": "ES256" }), PAYLOAD, "");
    let signed = signed.trim_end_matches('.');
    let signature = pair.sign(&random, signed.as_bytes()).unwrap();
    let signed = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert_eq!(verified(&set(json!([jwk(&point[1..33])])).unwrap(), &signed), Ok(()));
    assert_eq!(verified(&set(json!([jwk(&[7; 32])])).unwrap(), &signed), Err(Refusal::Signature));
}
