//! Clears a conversation and keeps what was redacted in a vault.

use aimds_detect::{Category, Conversation};
use aimds_policy::{Permit, Redaction};

use crate::redact::{carry_out, place, placeholder};
use crate::vault::{Vault, VaultError};
use crate::{Cleared, Edit};

/// How often new placeholders are drawn because a text already says one. Nobody but a text of a million guesses gets there
/// once, and it has one chance in a million.
const DRAWS: usize = 4;

/// What became of the places that were redacted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Behind a placeholder that the vault can undo.
    pub kept: usize,
    /// Redacted for good: the policy's choice, or the vault had no room.
    pub gone: usize,
}

impl Cleared {
    /// Spends the permit and carries out its redactions, as [`Cleared::new`] does, but with placeholders of the vault for the
    /// kinds that it keeps. What it has no room for is redacted for good.
    ///
    /// No text of the conversation holds a placeholder that is new: what is already there cannot mean what is vaulted now.
    ///
    /// # Errors
    /// A [`VaultError`] other than those of single values. The vault is then as it was.
    pub fn kept(
        permit: Permit,
        mut conversation: Conversation,
        vault: &mut Vault,
    ) -> Result<(Self, Kept), VaultError> {
        let first = vault.len();
        let redactions = spared(permit.redactions(), &conversation, vault)?;
        for _ in 0..DRAWS {
            let edits: Vec<Edit> =
                redactions.iter().filter_map(|redaction| edit(redaction, &conversation, vault)).collect();
            let texts = conversation.messages.iter().map(|message| message.text.as_str());
            let collides = vault.collides(first, texts).inspect_err(|_| vault.forget(first))?;
            if collides {
                vault.forget(first);
                continue;
            }
            let gone = edits.iter().filter(|edit| edit.replacement.starts_with("[REDACTED:")).count();
            let kept = Kept { kept: edits.len() - gone, gone };
            carry_out(&mut conversation, &edits);
            return Ok((Self::of(&permit, conversation, edits), kept));
        }
        let cleared = Self::new(permit, conversation);
        let kept = Kept { kept: 0, gone: cleared.edits().len() };
        Ok((cleared, kept))
    }
}

/// The redactions without those that only touch placeholders of the vault: an earlier answer may have left one in a tool
/// call, which the conversation now repeats.
fn spared(
    redactions: &[Redaction],
    conversation: &Conversation,
    vault: &mut Vault,
) -> Result<Vec<Redaction>, VaultError> {
    let mut left = redactions.to_vec();
    let Some(restoration) = vault.restoration()?.filter(|_| !left.is_empty()) else { return Ok(left) };
    let places: Vec<_> =
        conversation.messages.iter().map(|message| restoration.places(&message.text)).collect();
    left.retain(|redaction| {
        let mut places = places.get(redaction.message).into_iter().flatten();
        !places.any(|place| place.start <= redaction.span.start && redaction.span.end <= place.end)
    });
    Ok(left)
}

fn edit(redaction: &Redaction, conversation: &Conversation, vault: &mut Vault) -> Option<Edit> {
    let text = &conversation.messages.get(redaction.message)?.text;
    let span = place(redaction, text);
    let kept = match redaction.category {
        Category::Pii(kind) if vault.keeps(kind) => {
            crate::vault::read_value(text, &span).and_then(|value| vault.keep(kind, &value).ok())
        }
        _ => None,
    };
    let replacement = kept.unwrap_or_else(|| placeholder(redaction.category));
    Some(Edit { message: redaction.message, span, replacement })
}
