//! What the vault costs a request: keeping values, and going over an answer.
//!
//! ```sh
//! cargo run --release -p aimds-respond --example vault_rate
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use aimds_detect::validators::PiiKind;
use aimds_respond::vault::{Key, Kinds, Options, Restorer, Vault, VaultError};

const ROUNDS: u32 = 200;

/// The middle one of many times.
fn median(mut once: impl FnMut() -> Result<Duration, VaultError>) -> Result<Duration, VaultError> {
    let mut times = (0..ROUNDS).map(|_| once()).collect::<Result<Vec<_>, _>>()?;
    times.sort();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options { kinds: Kinds::parse(["pii.*"])?, ..Options::default() };
    for values in [1_usize, 10, 100, 1000] {
        let mails: Vec<_> = (0..values).map(|number| format!("user{number}@corp-mail.com")).collect();
        let filled = || -> Result<(Vault, Vec<String>), VaultError> {
            let mut vault = Vault::new(&Key::new([1; 32]), &[b"owner"], [2; 32], options);
            let words =
                mails.iter().map(|mail| vault.keep(PiiKind::Email, mail)).collect::<Result<_, _>>()?;
            Ok((vault, words))
        };
        let keep = median(|| {
            let started = Instant::now();
            filled()?;
            Ok(started.elapsed())
        })?;
        let build = median(|| {
            let (mut vault, _) = filled()?;
            let started = Instant::now();
            vault.restoration()?;
            Ok(started.elapsed())
        })?;
        let (mut vault, words) = filled()?;
        let restoration = Arc::new(vault.restoration()?.ok_or(VaultError::Full)?);
        let mut answer = String::new();
        for word in words.iter().cycle().take(100) {
            answer += &format!("{}I have written to {word}. ", "A quiet sentence about nothing. ".repeat(4));
        }
        let whole = median(|| {
            let started = Instant::now();
            let _ = restoration.whole(&answer, Vec::new(), false);
            Ok(started.elapsed())
        })?;
        let pieces = median(|| {
            let started = Instant::now();
            let mut restorer = Restorer::new(Arc::clone(&restoration), false);
            for end in (0..answer.len()).step_by(64) {
                restorer.advance(answer.get(..end).unwrap_or_default(), end, false);
            }
            Ok(started.elapsed())
        })?;
        println!(
            "{values:>5} values: keep {keep:?}, index {build:?}; answer of {} bytes: whole {whole:?}, in pieces {pieces:?}",
            answer.len()
        );
    }
    Ok(())
}
