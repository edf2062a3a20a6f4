//! Credentials that name their issuer by a prefix, as the issuers (and GitHub's secret scanning partners) document
//! them.

use super::checksum::crc32_base62;
use super::{Hit, Input, Kind, SecretKind, placeholder};

/// Characters of a token's body.
#[derive(Clone, Copy)]
enum Set {
    Alphanumeric,
    /// base64url: also `_` and `-`.
    Url,
    /// base64url and full stops.
    Dotted,
    Hex,
    /// Capital letters and digits.
    Upper,
}

impl Set {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Alphanumeric => byte.is_ascii_alphanumeric(),
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        }
    }
}

/// Prefix, characters and length of the body, what it is.
type Token = (&'static str, Set, usize, usize, SecretKind, f32, &'static str);

/// The longer of two prefixes stands first. Bodies are allowed some slack around the documented length: issuers change it.
const TOKENS: &[Token] = {
    use SecretKind as K;
    use Set::{Alphanumeric, Dotted, Hex, Upper, Url};
    &[
        ("AKIA", Upper, 16, 16, K::AwsKey, 0.97, "an AWS access key id"),
        ("ASIA", Upper, 16, 16, K::AwsKey, 0.95, "an AWS temporary access key id"),
        ("ABIA", Upper, 16, 16, K::AwsKey, 0.9, "an AWS bearer key id"),
        ("ACCA", Upper, 16, 16, K::AwsKey, 0.9, "an AWS context-specific key id"),
        ("ABSK", Url, 100, 160, K::AwsKey, 0.9, "an AWS Bedrock key"),
        ("AC", Hex, 32, 32, K::TwilioKey, 0.8, "a Twilio account identifier"),
        ("SK", Hex, 32, 32, K::TwilioKey, 0.92, "a Twilio key"),
        ("AGE-SECRET-KEY-1", Upper, 58, 58, K::PrivateKey, 0.99, "an age secret key"),
        ("AIza", Url, 35, 35, K::GoogleApiKey, 0.97, "a Google API key"),
        ("GOCSPX-", Url, 24, 40, K::GoogleOauth, 0.97, "a Google OAuth client secret"),
        ("ya29.", Dotted, 20, 500, K::GoogleOauth, 0.95, "a Google OAuth access token"),
        ("github_pat_", Url, 36, 120, K::GithubToken, 0.98, "a GitHub fine-grained token"),
        ("ghp_", Alphanumeric, 30, 255, K::GithubToken, 0.95, "a GitHub personal token"),
        ("gho_", Alphanumeric, 30, 255, K::GithubToken, 0.95, "a GitHub OAuth token"),
        ("ghs_", Alphanumeric, 30, 255, K::GithubToken, 0.95, "a GitHub server token"),
        ("ghu_", Alphanumeric, 30, 255, K::GithubToken, 0.95, "a GitHub user token"),
        ("ghr_", Alphanumeric, 30, 255, K::GithubToken, 0.95, "a GitHub refresh token"),
        ("glpat-", Dotted, 18, 300, K::GitlabToken, 0.97, "a GitLab personal token"),
        ("gldt-", Url, 18, 64, K::GitlabToken, 0.97, "a GitLab deploy token"),
        ("glrt-", Dotted, 18, 64, K::GitlabToken, 0.97, "a GitLab runner token"),
        ("glptt-", Url, 18, 64, K::GitlabToken, 0.97, "a GitLab trigger token"),
        ("glcbt-", Url, 18, 64, K::GitlabToken, 0.97, "a GitLab job token"),
        ("gloas-", Url, 18, 80, K::GitlabToken, 0.97, "a GitLab application secret"),
        ("glsoat-", Url, 18, 64, K::GitlabToken, 0.97, "a GitLab service token"),
        ("glft-", Url, 18, 64, K::GitlabToken, 0.97, "a GitLab feed token"),
        ("GR1348941", Url, 18, 64, K::GitlabToken, 0.97, "a GitLab runner registration token"),
        ("xoxb-", Url, 20, 255, K::SlackToken, 0.98, "a Slack bot token"),
        ("xoxp-", Url, 20, 255, K::SlackToken, 0.98, "a Slack user token"),
        ("xoxa-", Url, 20, 255, K::SlackToken, 0.97, "a Slack workspace token"),
        ("xoxe-", Url, 20, 255, K::SlackToken, 0.97, "a Slack refresh token"),
        ("xoxe.", Dotted, 20, 255, K::SlackToken, 0.97, "a Slack refresh token"),
        ("xoxo-", Url, 20, 255, K::SlackToken, 0.97, "a Slack token"),
        ("xoxr-", Url, 20, 255, K::SlackToken, 0.97, "a Slack token"),
        ("xoxs-", Url, 20, 255, K::SlackToken, 0.97, "a Slack session token"),
        ("xoxc-", Url, 20, 255, K::SlackToken, 0.97, "a Slack client token"),
        ("xoxd-", Url, 20, 255, K::SlackToken, 0.95, "a Slack cookie token"),
        ("xapp-", Url, 30, 255, K::SlackToken, 0.97, "a Slack app token"),
        ("sk_live_", Alphanumeric, 16, 255, K::StripeKey, 0.98, "a Stripe live secret key"),
        ("sk_test_", Alphanumeric, 16, 255, K::StripeKey, 0.9, "a Stripe test secret key"),
        ("rk_live_", Alphanumeric, 16, 255, K::StripeKey, 0.98, "a Stripe live restricted key"),
        ("rk_test_", Alphanumeric, 16, 255, K::StripeKey, 0.9, "a Stripe test restricted key"),
        ("whsec_", Alphanumeric, 24, 100, K::StripeKey, 0.95, "a webhook signing secret"),
        ("sk-ant-", Url, 32, 255, K::AnthropicKey, 0.98, "an Anthropic key"),
        ("sk-proj-", Url, 32, 255, K::OpenaiKey, 0.98, "an OpenAI project key"),
        ("sk-svcacct-", Url, 32, 255, K::OpenaiKey, 0.98, "an OpenAI service account key"),
        ("sk-admin-", Url, 32, 255, K::OpenaiKey, 0.98, "an OpenAI admin key"),
        ("sk-or-v1-", Hex, 48, 80, K::Generic, 0.97, "an OpenRouter key"),
        ("sk-lf-", Url, 30, 60, K::Generic, 0.95, "a Langfuse key"),
        ("sk-", Alphanumeric, 20, 128, K::OpenaiKey, 0.93, "a key in OpenAI's form"),
        ("hf_", Alphanumeric, 30, 64, K::HuggingfaceToken, 0.95, "a Hugging Face token"),
        ("api_org_", Alphanumeric, 30, 64, K::HuggingfaceToken, 0.95, "a Hugging Face organisation token"),
        ("npm_", Alphanumeric, 36, 36, K::NpmToken, 0.96, "an npm token"),
        ("pypi-", Url, 50, 512, K::PypiToken, 0.97, "a PyPI token"),
        ("dop_v1_", Hex, 64, 64, K::DigitaloceanToken, 0.99, "a DigitalOcean personal token"),
        ("doo_v1_", Hex, 64, 64, K::DigitaloceanToken, 0.99, "a DigitalOcean OAuth token"),
        ("dor_v1_", Hex, 64, 64, K::DigitaloceanToken, 0.99, "a DigitalOcean refresh token"),
        ("shpat_", Hex, 32, 32, K::ShopifyToken, 0.98, "a Shopify access token"),
        ("shpca_", Hex, 32, 32, K::ShopifyToken, 0.98, "a Shopify custom app token"),
        ("shppa_", Hex, 32, 32, K::ShopifyToken, 0.98, "a Shopify private app token"),
        ("shpss_", Hex, 32, 32, K::ShopifyToken, 0.98, "a Shopify shared secret"),
        ("dckr_pat_", Url, 20, 60, K::Generic, 0.96, "a Docker Hub token"),
        ("hvs.", Url, 20, 200, K::Generic, 0.95, "a HashiCorp Vault token"),
        ("hvb.", Url, 100, 400, K::Generic, 0.95, "a HashiCorp Vault batch token"),
        ("glsa_", Url, 32, 64, K::Generic, 0.95, "a Grafana service token"),
        ("gsk_", Alphanumeric, 40, 64, K::Generic, 0.95, "a Groq key"),
        ("xai-", Alphanumeric, 60, 100, K::Generic, 0.95, "an xAI key"),
        ("pplx-", Alphanumeric, 40, 64, K::Generic, 0.95, "a Perplexity key"),
        ("nvapi-", Url, 50, 80, K::Generic, 0.95, "an NVIDIA key"),
        ("r8_", Alphanumeric, 37, 40, K::Generic, 0.95, "a Replicate token"),
        ("lin_api_", Alphanumeric, 32, 64, K::Generic, 0.95, "a Linear key"),
        ("ntn_", Alphanumeric, 40, 60, K::Generic, 0.93, "a Notion token"),
        ("figd_", Url, 36, 60, K::Generic, 0.95, "a Figma token"),
        ("sbp_", Hex, 40, 40, K::Generic, 0.95, "a Supabase token"),
        ("PMAK-", Url, 40, 80, K::Generic, 0.95, "a Postman key"),
        ("rubygems_", Hex, 48, 48, K::Generic, 0.97, "a RubyGems key"),
        ("tskey-", Url, 20, 80, K::Generic, 0.95, "a Tailscale key"),
        ("sq0atp-", Url, 22, 40, K::Generic, 0.95, "a Square token"),
        ("sq0csp-", Url, 40, 50, K::Generic, 0.95, "a Square secret"),
        ("EAAA", Url, 56, 64, K::Generic, 0.8, "a Square token"),
        ("LTAI", Alphanumeric, 16, 26, K::Generic, 0.85, "an Alibaba Cloud key id"),
        ("sntrys_", Url, 40, 300, K::Generic, 0.95, "a Sentry token"),
        ("ATATT3", Url, 50, 250, K::Generic, 0.95, "an Atlassian token"),
        ("dapi", Hex, 32, 32, K::Generic, 0.9, "a Databricks token"),
    ]
};

/// The first letters of prefixes, a bit each: most words are turned away here.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would refuse to build")]
const FIRST: u128 = {
    let (mut mask, mut index) = (0, 0);
    while index < TOKENS.len() {
        mask |= 1 << (TOKENS[index].0.as_bytes()[0] & 0x7f);
        index += 1;
    }
    mask
};

/// Longest first segment of a prefix; a longer word that ends in `-`, `_` or `.` is no token.
const MAX_HEAD: usize = 10;

/// The token whose first word is `start..end`.
pub(super) fn at_word(input: Input<'_>, start: usize, end: usize) -> Option<Hit> {
    let mark = matches!(input.at(end), b'_' | b'-' | b'.');
    if matches!(input.before(start), b'_' | b'-') || (mark && end - start < 2) {
        return None;
    }
    if (mark && end - start <= MAX_HEAD) || end - start >= 16 || input.slice(start, start + 4) == b"AIza" {
        let first = input.at(start);
        // a full stop ends sentences; few prefixes hold one
        let sentence = input.at(end) == b'.'
            && end - start < 16
            && !matches!(input.slice(start, end), b"ya29" | b"hvs" | b"hvb" | b"xoxe");
        let candidates = if sentence || FIRST >> (first & 0x7f) & 1 == 0 { &[] } else { TOKENS };
        for &(prefix, set, shortest, longest, kind, confidence, explanation) in candidates {
            if prefix.as_bytes().first() != Some(&first)
                || input.slice(start, start + prefix.len()) != prefix.as_bytes()
            {
                continue;
            }
            let from = start + prefix.len();
            let body = input.slice(from, from + longest + 1);
            let mut length = body.iter().take_while(|&&byte| set.has(byte)).count();
            // the sentence's own punctuation
            while length > 0 && matches!(body.get(length - 1), Some(b'.' | b'-')) {
                length -= 1;
            }
            let text = input.slice(from, from + length);
            if length < shortest || length > longest || input.at(from + length).is_ascii_alphanumeric() {
                continue;
            }
            let sealed = matches!(kind, SecretKind::GithubToken | SecretKind::NpmToken) && crc32_base62(text);
            let (confidence, explanation) = if sealed {
                (0.99, "a token with its issuer's prefix and CRC-32 checksum")
            } else if kind == SecretKind::AwsKey && text.ends_with(b"EXAMPLE") {
                (0.5, "an AWS access key id used in documentation")
            } else if placeholder(text) {
                return None;
            } else {
                (confidence, explanation)
            };
            return Some(Hit {
                kind: Kind::Secret(kind),
                start,
                end: from + length,
                confidence,
                explanation,
            });
        }
    }
    structured(input, start, end)
}

/// Tokens of several parts without a fixed prefix.
fn structured(input: Input<'_>, start: usize, end: usize) -> Option<Hit> {
    let run = |from: usize, most: usize| {
        input.slice(from, from + most + 1).iter().take_while(|&&byte| Set::Url.has(byte)).count()
    };
    let hit = |end: usize, kind, confidence, explanation| {
        (!input.at(end).is_ascii_alphanumeric() && !placeholder(input.slice(start, end))).then_some(Hit {
            kind: Kind::Secret(kind),
            start,
            end,
            confidence,
            explanation,
        })
    };
    match (input.slice(start, end), input.at(end)) {
        // SG.<22>.<43>
        (b"SG", b'.') => {
            let first = run(end + 1, 30);
            let second = run(end + 2 + first, 60);
            ((16..=30).contains(&first) && input.at(end + 1 + first) == b'.' && (32..=60).contains(&second))
                .then(|| hit(end + 2 + first + second, SecretKind::SendgridKey, 0.98, "a SendGrid key"))?
        }
        // user id in base64, time, signature
        (head, _)
            if matches!(head.first(), Some(b'M' | b'N' | b'O'))
                && (head.len() >= 18 || matches!(input.at(end), b'-' | b'_')) =>
        {
            let first = run(start, 30);
            if !(23..=28).contains(&first)
                || input.at(start + first) != b'.'
                || run(start + first + 1, 8) != 6
            {
                return None;
            }
            let third = start + first + 8;
            let last = run(third, 45);
            let digits = super::jwt::decode(input.slice(start, start + first))
                .is_some_and(|id| id.iter().all(u8::is_ascii_digit));
            (input.at(third - 1) == b'.' && (25..=45).contains(&last) && digits)
                .then(|| hit(third + last, SecretKind::DiscordToken, 0.97, "a Discord bot token"))?
        }
        _ => None,
    }
}

/// `<bot id>:<35 characters>`, where the digits are the word before the colon at `colon`.
pub(super) fn telegram(input: Input<'_>, colon: usize) -> Option<Hit> {
    let digits = input
        .slice(colon.saturating_sub(11), colon)
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let start = colon - digits;
    let body = input.slice(colon + 1, colon + 37);
    let length = body.iter().take_while(|&&byte| Set::Url.has(byte)).count();
    let text = input.slice(colon + 1, colon + 1 + length);
    let mixed = text.iter().any(u8::is_ascii_uppercase) && text.iter().any(u8::is_ascii_lowercase);
    let before = input.before(start);
    // the API puts "bot" before the token
    let begins =
        !before.is_ascii_alphanumeric() || input.slice(start.saturating_sub(4), start).ends_with(b"/bot");
    ((8..=10).contains(&digits) && length == 35 && begins && mixed && !placeholder(text)).then_some(Hit {
        kind: Kind::Secret(SecretKind::TelegramToken),
        start,
        end: colon + 1 + length,
        confidence: if text.starts_with(b"AA") { 0.98 } else { 0.85 },
        explanation: "a Telegram bot token",
    })
}

/// Microsoft Entra client secrets carry `Q~` after three or four characters.
pub(super) fn entra(input: Input<'_>, tilde: usize) -> Option<Hit> {
    let start = tilde.checked_sub(5)?;
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'~');
    if input.before(tilde) != b'Q' || !input.at(tilde - 2).is_ascii_digit() || inside(input.before(start)) {
        return None;
    }
    let length = input.slice(start, start + 48).iter().take_while(|&&byte| inside(byte)).count();
    (length == 40 && !placeholder(input.slice(start, start + length))).then_some(Hit {
        kind: Kind::Secret(SecretKind::AzureKey),
        start,
        end: start + length,
        confidence: 0.95,
        explanation: "a Microsoft Entra client secret",
    })
}

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, nothing, random_text as random};

    #[test]
    fn hits() {
        for (prefix, length, id) in [
            ("ghp_", 36, "secret.github_token"),
            ("github_pat_", 82, "secret.github_token"),
            ("glpat-", 20, "secret.gitlab_token"),
            ("xoxb-123456789012-123456789012-", 24, "secret.slack_token"),
            ("sk_live_", 24, "secret.stripe_key"),
            ("sk-", 48, "secret.openai_key"),
            ("sk-proj-", 60, "secret.openai_key"),
            ("sk-ant-api03-", 95, "secret.anthropic_key"),
            ("AIza", 35, "secret.google_api_key"),
            ("GOCSPX-", 28, "secret.google_oauth"),
            ("ya29.", 60, "secret.google_oauth"),
            ("hf_", 34, "secret.huggingface_token"),
            ("npm_", 36, "secret.npm_token"),
            ("pypi-AgEIcHlwaS5vcmc", 70, "secret.pypi_token"),
            ("123456789:AA", 33, "secret.telegram_token"),
            ("glsa_", 41, "secret.generic"),
        ] {
            let value = format!("{prefix}{}", random(length));
            for text in [
                value.clone(),
                format!("key={value};"),
                format!("curl -H 'Authorization: Bearer {value}' x"),
                format!("Use {value}."),
            ] {
                found(&text, id, &value);
            }
        }
        let hex = "0123456789abcdef9876543210fedcba";
        found(&format!("SK{hex}"), "secret.twilio_key", &format!("SK{hex}"));
        found(&format!("shpat_{hex}"), "secret.shopify_token", &format!("shpat_{hex}"));
        found(&format!("dop_v1_{hex}{hex}"), "secret.digitalocean_token", &format!("dop_v1_{hex}{hex}"));
        found("id AKIAZC1WW7WWLEKEET51.", "secret.aws_key", "AKIAZC1WW7WWLEKEET51");
        found("AKIAIOSFODNN7EXAMPLE", "secret.aws_key", "AKIAIOSFODNN7EXAMPLE");
        let grid = format!("SG.{}.{}", random(22), random(43));
        found(&grid, "secret.sendgrid_key", &grid);
        let discord = format!("MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcdX.{}", random(38));
        found(&discord, "secret.discord_token", &discord);
        let entra = format!("abc8Q~{}", random(34));
        found(&entra, "secret.azure_key", &entra);
        let sealed = "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";
        assert!(crate::validators::scan(sealed)[0].confidence > 0.98);
    }

    #[test]
    fn near_misses() {
        for text in [
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "sk-your-api-key-goes-here-please-now",
            "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "AKIAIOSFODNN7",
            "sk-learn and scikit-learn",
            "hf_hub_download",
            "npm_config_registry",
            "pypi-publish",
            "SG. Singapore",
            "AIzaSy",
            "task-force-1234567890abcdefghijklmnop",
            "desk-0123456789abcdef0123456789",
            "12:34567890",
        ] {
            for id in [
                "secret.github_token",
                "secret.openai_key",
                "secret.aws_key",
                "secret.huggingface_token",
                "secret.npm_token",
                "secret.pypi_token",
                "secret.sendgrid_key",
                "secret.google_api_key",
                "secret.telegram_token",
            ] {
                nothing(text, id);
            }
        }
    }

    /// Not done today: tokens cut by line breaks or split by quotes.
    #[test]
    fn known_gaps() {
        nothing(&format!("ghp_{}\n{}", random(18), random(18)), "secret.github_token");
        nothing(&format!("\"ghp_\" + \"{}\"", random(36)), "secret.github_token");
    }
}
