//! Ways to hide a text from a filter, written independently of the decoders that undo them.

/// A named disguise.
#[derive(Clone, Copy, Debug)]
pub struct Disguise {
    /// Stable name.
    pub name: &'static str,
    /// Hides a text.
    pub apply: fn(&str) -> String,
}

/// Every disguise that AIMDS promises to see through, single and nested.
pub const DISGUISES: &[Disguise] = &[
    Disguise { name: "base64", apply: base64 },
    Disguise { name: "base64 in a sentence", apply: |text| format!("What does this mean? {}", base64(text)) },
    Disguise { name: "base32", apply: base32 },
    Disguise { name: "base85", apply: ascii85 },
    Disguise { name: "hex", apply: |text| each_byte(text, |byte| format!("{byte:02x}")) },
    Disguise { name: "hex pairs", apply: |text| each_byte(text, |byte| format!("{byte:02x} ")) },
    Disguise { name: "binary", apply: |text| each_byte(text, |byte| format!("{byte:08b} ")) },
    Disguise { name: "character codes", apply: |text| each_byte(text, |byte| format!("{byte} ")) },
    Disguise { name: "Morse", apply: morse },
    Disguise { name: "percent", apply: |text| each_byte(text, |byte| format!("%{byte:02X}")) },
    Disguise {
        name: "HTML entities",
        apply: |text| text.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
    },
    Disguise { name: "quoted-printable", apply: |text| each_byte(text, |byte| format!("={byte:02X}")) },
    Disguise {
        name: "backslash escapes",
        apply: |text| text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect(),
    },
    Disguise { name: "ROT13", apply: |text| rotate(text, 13) },
    Disguise { name: "Caesar 7", apply: |text| rotate(text, 7) },
    Disguise { name: "Atbash", apply: atbash },
    Disguise { name: "reversed", apply: |text| text.chars().rev().collect() },
    Disguise {
        name: "reversed words",
        apply: |text| {
            text.split(' ').map(|word| word.chars().rev().collect::<String>()).collect::<Vec<_>>().join(" ")
        },
    },
    Disguise {
        name: "spaced letters",
        apply: |text| {
            text.split_whitespace()
                .map(|word| word.chars().map(String::from).collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>()
                .join("   ")
        },
    },
    Disguise { name: "leetspeak", apply: |text| text.chars().map(leet).collect() },
    Disguise {
        name: "zero-width characters",
        apply: |text| text.chars().flat_map(|c| [c, '\u{200b}']).collect(),
    },
    Disguise {
        name: "full-width letters",
        apply: |text| text.chars().map(|c| shift(c, '!', '~', 0xff01)).collect(),
    },
    Disguise {
        name: "mathematical letters",
        apply: |text| text.chars().map(|c| shift(shift(c, 'a', 'z', 0x1d41a), 'A', 'Z', 0x1d400)).collect(),
    },
    Disguise { name: "look-alike letters", apply: |text| text.chars().map(look_alike).collect() },
    Disguise { name: "combining marks", apply: |text| text.chars().flat_map(|c| [c, '\u{336}']).collect() },
    Disguise {
        name: "Unicode tags",
        apply: |text| text.chars().map(|c| shift(c, ' ', '~', 0xe0020)).collect(),
    },
    Disguise {
        name: "variation selectors",
        apply: |text| format!("😀{}", text.bytes().map(selector).collect::<String>()),
    },
    Disguise { name: "base64 of ROT13", apply: |text| base64(&rotate(text, 13)) },
    Disguise { name: "base64 of hex", apply: |text| base64(&each_byte(text, |byte| format!("{byte:02x}"))) },
    Disguise { name: "hex of base64", apply: |text| each_byte(&base64(text), |byte| format!("{byte:02x}")) },
    Disguise { name: "base64 of base64", apply: |text| base64(&base64(text)) },
    Disguise { name: "base64 of reversed", apply: |text| base64(&text.chars().rev().collect::<String>()) },
    Disguise {
        name: "percent of base64",
        apply: |text| each_byte(&base64(text), |byte| format!("%{byte:02X}")),
    },
];

fn each_byte(text: &str, encode: impl Fn(u8) -> String) -> String {
    text.bytes().map(encode).collect()
}

fn groups(text: &str, bits: usize, alphabet: &[u8], pad_to: usize) -> String {
    let all: Vec<u8> = text.bytes().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let mut out: String = all
        .chunks(bits)
        .filter_map(|group| {
            let value =
                (0..bits).fold(0, |value, at| value << 1 | usize::from(group.get(at).copied().unwrap_or(0)));
            alphabet.get(value).copied().map(char::from)
        })
        .collect();
    while !out.len().is_multiple_of(pad_to) {
        out.push('=');
    }
    out
}

fn base64(text: &str) -> String {
    groups(text, 6, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 4)
}

fn base32(text: &str) -> String {
    groups(text, 5, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 8)
}

fn ascii85(text: &str) -> String {
    text.as_bytes()
        .chunks(4)
        .map(|chunk| {
            let mut number =
                (0..4).fold(0u32, |number, at| number << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
            let mut digits = [0u8; 5];
            for digit in digits.iter_mut().rev() {
                *digit = b'!' + (number % 85) as u8;
                number /= 85;
            }
            digits.iter().take(chunk.len() + 1).map(|&digit| char::from(digit)).collect::<String>()
        })
        .collect()
}

fn rotate(text: &str, by: u8) -> String {
    let turn = |c: char, first: u8| char::from((c as u8 - first + by) % 26 + first);
    text.chars()
        .map(|c| match c {
            'a'..='z' => turn(c, b'a'),
            'A'..='Z' => turn(c, b'A'),
            _ => c,
        })
        .collect()
}

fn atbash(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            'a'..='z' => char::from(b'z' - (c as u8 - b'a')),
            'A'..='Z' => char::from(b'Z' - (c as u8 - b'A')),
            _ => c,
        })
        .collect()
}

fn leet(c: char) -> char {
    match c.to_ascii_lowercase() {
        'a' => '4',
        'e' => '3',
        'i' => '1',
        'o' => '0',
        's' => '5',
        't' => '7',
        _ => c,
    }
}

fn look_alike(c: char) -> char {
    match c {
        'a' => 'а',
        'c' => 'с',
        'e' => 'е',
        'i' => 'і',
        'o' => 'о',
        'p' => 'р',
        's' => 'ѕ',
        'x' => 'х',
        'y' => 'у',
        _ => c,
    }
}

fn shift(c: char, first: char, last: char, to: u32) -> char {
    if (first..=last).contains(&c) {
        char::from_u32(to + (u32::from(c) - u32::from(first))).unwrap_or(c)
    } else {
        c
    }
}

fn selector(byte: u8) -> char {
    let base = if byte < 16 { 0xfe00 } else { 0xe0100 - 16 };
    char::from_u32(base + u32::from(byte)).unwrap_or('?')
}

fn morse(text: &str) -> String {
    const CODES: [&str; 36] = [
        ".-", "-...", "-.-.", "-..", ".", "..-.", "--.", "....", "..", ".---", "-.-", ".-..", "--", "-.",
        "---", ".--.", "--.-", ".-.", "...", "-", "..-", "...-", ".--", "-..-", "-.--", "--..", "-----",
        ".----", "..---", "...--", "....-", ".....", "-....", "--...", "---..", "----.",
    ];
    let code = |c: char| match c.to_ascii_lowercase() {
        c @ 'a'..='z' => CODES.get(c as usize - 'a' as usize).copied(),
        c @ '0'..='9' => CODES.get(26 + c as usize - '0' as usize).copied(),
        '.' => Some(".-.-.-"),
        ',' => Some("--..--"),
        '?' => Some("..--.."),
        '!' => Some("-.-.--"),
        '\'' => Some(".----."),
        '"' => Some(".-..-."),
        ':' => Some("---..."),
        ';' => Some("-.-.-."),
        '-' => Some("-....-"),
        '/' => Some("-..-."),
        '(' => Some("-.--."),
        ')' => Some("-.--.-"),
        '_' => Some("..--.-"),
        '@' => Some(".--.-."),
        '=' => Some("-...-"),
        '+' => Some(".-.-."),
        _ => None,
    };
    text.split_whitespace()
        .map(|word| word.chars().filter_map(code).collect::<Vec<_>>().join(" "))
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" / ")
}
