//! Signed tokens in their compact form (RFC 7515, RFC 7519): taken apart strictly, before anything in them is believed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Refusal;
use crate::json;

/// Largest token, in bytes. Larger ones are refused before they are looked at.
const TOKEN_BYTES: usize = 8 << 10;
/// Deepest nesting of a header or of claims.
const DEPTH: usize = 16;

/// The signature algorithms that are taken (RFC 7518 §3.1, RFC 8037 §3.1). Symmetric ones and `none` are not among
/// them: a token that names one cannot even be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA over P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// The name in headers of tokens and in key sets.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

/// A token that has been taken apart. Nobody has looked at its signature yet.
#[derive(Debug)]
pub(super) struct Unverified<'a> {
    header: Value,
    pub(super) claims: Value,
    /// What the signature is over.
    pub(super) signed: &'a [u8],
    pub(super) signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    /// Takes a token apart: three parts in base64url without padding, of which two are JSON objects that name no
    /// member twice. Linear in its length, which is bounded.
    pub(super) fn read(token: &'a str) -> Result<Self, Refusal> {
        if token.len() > TOKEN_BYTES {
            return Err(Refusal::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Shape)?;
        let (header, claims) = signed.split_once('.').ok_or(Refusal::Shape)?;
        Ok(Self {
            header: object(header)?,
            claims: object(claims)?,
            signed: signed.as_bytes(),
            signature: bytes(signature)?,
        })
    }

    /// The issuer that the token names.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }

    /// The key and the algorithm that the token names, if its header asks for nothing that is not understood here.
    pub(super) fn algorithm(&self) -> Result<(Option<&str>, Algorithm), Refusal> {
        // Whoever does not understand an extension that is critical must refuse (RFC 7515 §4.1.11), and nested or
        // detached content is not a token of claims.
        if ["crit", "b64", "zip", "enc", "cty"].iter().any(|name| self.header.get(*name).is_some()) {
            return Err(Refusal::Header);
        }
        // A token made for another purpose, a logout for instance, is no access token (RFC 8725 §3.11).
        if let Some(kind) = self.header.get("typ") {
            let kind = kind.as_str().ok_or(Refusal::Header)?.to_ascii_lowercase();
            if !matches!(kind.strip_prefix("application/").unwrap_or(&kind), "jwt" | "at+jwt") {
                return Err(Refusal::Header);
            }
        }
        let algorithm = self.header.get("alg").and_then(Value::as_str).and_then(Algorithm::named);
        let key = match self.header.get("kid") {
            None => None,
            Some(key) => Some(key.as_str().ok_or(Refusal::Header)?),
        };
        Ok((key, algorithm.ok_or(Refusal::Algorithm)?))
    }
}

fn bytes(part: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Shape)
}

fn object(part: &str) -> Result<Value, Refusal> {
    let bytes = bytes(part)?;
    let text = json::check(&bytes, DEPTH).map_err(|_| Refusal::Shape)?;
    json::Document::parse(text).map_err(|_| Refusal::Shape)?;
    let value: Value = serde_json::from_str(text).map_err(|_| Refusal::Shape)?;
    if value.is_object() { Ok(value) } else { Err(Refusal::Shape) }
}
