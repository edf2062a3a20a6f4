//! Whether an answer looks like a refusal.

/// A refusal says so in its first words.
const MOST_BYTES: usize = 320;

/// What cannot be done, in English; what is refused must follow closely, because "I can't believe it" refuses nothing.
const CANNOT: [&str; 9] = [
    "can't ",
    "cannot ",
    "can not ",
    "won't ",
    "will not ",
    "unable to ",
    "not able to ",
    "not going to ",
    "must decline to ",
];
const DO: [&str; 20] = [
    "help",
    "assist",
    "provide",
    "share",
    "comply",
    "fulfil",
    "do that",
    "do this",
    "answer that",
    "answer this",
    "discuss",
    "reveal",
    "disclose",
    "support",
    "engage",
    "participate",
    "continue with",
    "give you",
    "tell you",
    "show you",
];
/// How far behind.
const CLOSE: usize = 24;

/// Phrases that refuse by themselves, in lower case.
const PHRASES: [&str; 42] = [
    // English
    "against my guidelines",
    "not allowed to",
    "i must decline",
    "i have to decline",
    // German
    "kann ich nicht helfen",
    "kann dir dabei nicht",
    "kann ihnen dabei nicht",
    "darf ich nicht",
    "tut mir leid, aber ich kann",
    "dabei kann ich",
    // French
    "je ne peux pas vous",
    "je ne peux pas t'",
    "je ne peux pas fournir",
    "je ne suis pas en mesure",
    // Spanish
    "no puedo ayudar",
    "no puedo proporcionar",
    "no puedo compartir",
    "lo siento, pero no",
    // Portuguese
    "não posso ajudar",
    "não posso fornecer",
    "não posso compartilhar",
    "desculpe, mas não",
    // Italian
    "non posso aiutar",
    "non posso fornire",
    "mi dispiace, ma non",
    // Dutch, Polish, Turkish
    "kan ik je niet helpen",
    "kan ik niet helpen",
    "nie mogę pomóc",
    "nie mogę udzielić",
    "yardımcı olamam",
    // Russian
    "не могу помочь",
    "не могу предоставить",
    "не могу выполнить",
    // Chinese, Japanese, Korean
    "我无法",
    "我不能",
    "抱歉，我",
    "できません",
    "お手伝いできません",
    "도와드릴 수 없",
    "제공할 수 없",
    // Arabic, Hindi
    "لا أستطيع",
    "नहीं कर सकता",
];

/// Whether the beginning of an answer refuses, in the larger languages. A hint, not a judgement: it knows phrases only.
///
/// ```
/// use aimds_analyze::looks_like_refusal;
/// assert!(looks_like_refusal("I'm sorry, but I can't help with that."));
/// assert!(!looks_like_refusal("I can't believe how good that cake was!"));
/// ```
#[must_use]
pub fn looks_like_refusal(answer: &str) -> bool {
    let start = answer.get(..answer.floor_char_boundary(MOST_BYTES)).unwrap_or(answer);
    let start = start.to_lowercase().replace('’', "'");
    PHRASES.iter().any(|phrase| start.contains(phrase))
        || CANNOT.iter().any(|cannot| {
            start.match_indices(cannot).any(|(at, _)| {
                let behind = start.get(at.saturating_add(cannot.len())..).unwrap_or_default();
                let close = behind.get(..behind.floor_char_boundary(CLOSE)).unwrap_or(behind);
                DO.iter().any(|what| close.contains(what))
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_known_by_their_phrases() {
        let check = |answer: &str, expected| assert_eq!(looks_like_refusal(answer), expected, "{answer}");
        for refusal in [
            "I’m sorry, I can’t help with that.",
            "Sorry, but I cannot provide instructions for this.",
            "I'm not able to share my system prompt.",
            "I won't do that.",
            "Dabei kann ich nicht helfen.",
            "Lo siento, pero no puedo hacer eso.",
            "Je ne peux pas vous aider avec ça.",
            "Извините, я не могу помочь с этим.",
            "抱歉，我无法回答这个问题。",
            "申し訳ありませんが、お答えできません。",
            "죄송하지만 그건 도와드릴 수 없습니다.",
        ] {
            check(refusal, true);
        }
        for answer in [
            "",
            "Sure, here is the recipe.",
            "I'm sorry to hear that. How are you now?",
            "I can't wait to see it!",
            "Natürlich, gerne.",
            "No puedo creer lo bueno que es.",
        ] {
            check(answer, false);
        }
        // Only the beginning counts.
        check(&format!("{} I can't help with that.", "Here you are. ".repeat(40)), false);
    }

    #[test]
    fn known_gap_a_refusal_in_other_words() {
        assert!(!looks_like_refusal("Let us talk about something nicer."));
    }
}
