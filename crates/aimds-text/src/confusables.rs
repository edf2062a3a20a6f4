//! Letters that look like ASCII letters (after UTS #39, section 4), already lower-cased.

use std::sync::LazyLock;

/// What [`lookup`] says of the scripts that most look-alikes are taken from; 0 for nothing.
static COMMON: LazyLock<[u8; 0x600]> = LazyLock::new(|| {
    std::array::from_fn(|c| {
        u32::try_from(c).ok().and_then(char::from_u32).and_then(lookup).map_or(0, |plain| plain as u8)
    })
});

/// The ASCII letter that `c` is drawn like.
pub(crate) fn latin(c: char) -> Option<char> {
    match COMMON.get(u32::from(c) as usize) {
        Some(0) => None,
        Some(&plain) => Some(char::from(plain)),
        None => lookup(c),
    }
}

/// The ASCII letters that `c` is drawn like. Letters of living scripts are listed only where they are drawn alike in
/// common fonts; letter-like symbols that no language writes with are listed in full.
fn lookup(c: char) -> Option<char> {
    Some(match c {
        'а' | 'α' | 'ɑ' | '⍺' | 'ᴀ' | 'ꭺ' | 'ₐ' => 'a',
        'ь' | 'в' | 'ʙ' | 'ᏼ' | 'ɓ' | 'Ƅ' | 'β' | 'ც' => 'b',
        'с' | 'ϲ' | 'ᴄ' | 'ⅽ' | '𐐽' | 'ꮯ' => 'c',
        'ԁ' | 'ɗ' | 'ᴅ' | 'ⅾ' | 'ꓒ' | 'ժ' => 'd',
        'е' | 'ҽ' | 'ε' | 'є' | 'ᴇ' | '℮' | 'ə' | 'ɘ' | 'ǝ' | 'ꬲ' => 'e',
        'ғ' | 'ƒ' | 'ꜰ' | 'ք' | 'ϝ' => 'f',
        'ɡ' | 'ց' | 'ɢ' | 'ƍ' | 'ɠ' => 'g',
        'һ' | 'н' | 'ʜ' | 'հ' | 'Ꮒ' | 'ɦ' | 'ɥ' => 'h',
        'і' | 'ι' | 'ı' | 'ɪ' | 'ɩ' | 'ӏ' | 'ᛁ' | '⍳' | 'ᴉ' | 'ꙇ' => 'i',
        'ј' | 'ϳ' | 'ᴊ' | 'յ' | 'ɾ' => 'j',
        'к' | 'κ' | 'ᴋ' | 'ĸ' | 'ⲕ' | 'ʞ' => 'k',
        'ʟ' | 'ⅼ' | 'ꓡ' | 'ɭ' | '∣' | 'ǀ' | 'ɫ' => 'l',
        'м' | 'ᴍ' | 'ⅿ' | 'ʍ' | 'ɯ' | 'ꓟ' | 'ɱ' => 'm',
        'п' | 'η' | 'ո' | 'ɴ' | 'ռ' | 'ɲ' | 'ŋ' => 'n',
        'о' | 'ο' | 'σ' | 'օ' | 'ᴏ' | '०' | '௦' | 'ჿ' | 'ഠ' | 'ဝ' | '〇' | 'ە' | 'ہ' | 'ه' => {
            'o'
        }
        'р' | 'ρ' | 'ᴘ' | 'ƿ' | 'ⲣ' | '⍴' => 'p',
        'ԛ' | 'գ' | 'զ' | 'ʠ' => 'q',
        'г' | 'ʀ' | 'я' | 'ᴦ' | 'ɼ' | 'ɹ' | 'ꭇ' | 'ꮁ' => 'r',
        'ѕ' | 'ꜱ' | 'ƽ' | 'ʂ' | 'ꮪ' => 's',
        'т' | 'τ' | 'ᴛ' | 'ƭ' | 'ʇ' => 't',
        'υ' | 'ս' | 'ᴜ' | 'ʋ' | 'ц' | 'ꞟ' => 'u',
        'ѵ' | 'ν' | 'ᴠ' | '∨' | '⋁' | 'ⅴ' | 'ʌ' | 'ט' => 'v',
        'ԝ' | 'ω' | 'ᴡ' | 'ա' | 'ш' | 'щ' => 'w',
        'х' | 'χ' | '×' | '⤫' | 'ⅹ' | '᙮' | 'ӽ' => 'x',
        'у' | 'γ' | 'ү' | 'ʏ' | 'ყ' | 'ɏ' | 'ʎ' => 'y',
        'ᴢ' | 'ʐ' | 'ⴭ' | 'ꮓ' | 'ƶ' => 'z',
        _ => return None,
    })
}

/// Letter-like symbols that stand for a letter wherever they occur.
pub(crate) fn symbol(c: char) -> Option<char> {
    let base = match c {
        '\u{1f170}'..='\u{1f189}' => 0x1f170, // negative squared
        '\u{1f150}'..='\u{1f169}' => 0x1f150, // negative circled
        '\u{1f130}'..='\u{1f149}' => 0x1f130, // squared
        '\u{1f1e6}'..='\u{1f1ff}' => 0x1f1e6, // regional indicators
        _ => {
            // Small capitals and turned letters: IPA and phonetic alphabets, which no one mixes into plain words.
            return matches!(c, '\u{1d00}'..='\u{1d22}' | '\u{250}'..='\u{2af}' | 'ꜰ' | 'ꜱ')
                .then(|| latin(c))
                .flatten();
        }
    };
    char::from_u32(u32::from('a') + (u32::from(c) - base))
}
