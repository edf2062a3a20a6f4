//! Secrets by the name they are given: `password = …`, `"api_key": "…"`, "my password is …", `Authorization: Bearer …`.
//! The value must look random (tokens) or chosen as a password, not like code, a type or a placeholder.

use super::{Hit, Input, Kind, SecretKind, placeholder};

/// Longest value read.
const MAX_VALUE: usize = 300;
/// Longest name read.
const MAX_NAME: usize = 48;

/// What a name promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    /// Chosen by a person.
    Password,
    /// Made by a machine.
    Token,
    /// An AWS secret access key.
    Aws,
    /// An Azure storage or bus key.
    Azure,
}

/// The assignment whose sign (`=`, `:` or `>`) is at `sign`.
pub(super) fn at_sign(input: Input<'_>, sign: usize) -> Option<Hit> {
    let mut from = sign + 1;
    let mark = input.at(sign);
    match (mark, input.at(from)) {
        // comparison, scope, URL
        (b'=', b'=' | b'~') | (b':', b':' | b'/') => return None,
        (b'=', b'>') | (b':', b'=') => from += 1,
        _ => {}
    }
    let mut before = sign;
    if matches!(input.before(before), b'=' | b'!' | b'<' | b'>' | b'+' | b'*') {
        return None;
    }
    if mark == b':' && input.before(before) == b':' {
        return None;
    }
    for _ in 0..3 {
        before -= usize::from(input.before(before) == b' ');
    }
    before -= usize::from(matches!(input.before(before), b'"' | b'\'' | b'`' | b']' | b'*'));
    before -= usize::from(matches!(input.before(before), b'"' | b'\'' | b'\\' | b'*'));
    let name = name(input, before, mark == b'>')?;
    for _ in 0..3 {
        from += usize::from(input.at(from) == b' ');
    }
    value(input, name, from, matches!(mark, b':'))
}

/// The words of a sentence: "password is …" with "password" at `start..end`.
pub(super) fn in_prose(input: Input<'_>, start: usize, end: usize) -> Option<Hit> {
    let word = input.slice(start, end);
    if [b"Bearer".as_slice(), b"bearer", b"Basic"].contains(&word) {
        let from = end + 1;
        let hit = value(input, Name::Token, from, false)?;
        return (hit.end - from >= 16).then_some(hit);
    }
    let password = [b"password".as_slice(), b"passwort", b"passcode", b"passphrase", b"pwd", b"pw"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(word));
    if !password {
        return None;
    }
    let link = [" is: ", " is ", " ist ", " es ", " = "]
        .iter()
        .find(|link| input.slice(end, end + link.len()) == link.as_bytes())?;
    value(input, Name::Password, end + link.len(), true)
}

/// What the name that ends before `end` promises.
fn name(input: Input<'_>, end: usize, element: bool) -> Option<Name> {
    let window = input.slice(end.saturating_sub(MAX_NAME), end);
    let length = window
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b' '))
        .count();
    let text = window.get(window.len() - length..)?;
    // letters only, lower case: "X-Api-Key", "apiKey" and "api key" are one
    let mut letters = [0_u8; MAX_NAME];
    let mut count = 0;
    for byte in text.iter().filter(|byte| byte.is_ascii_alphabetic()) {
        *letters.get_mut(count)? = byte.to_ascii_lowercase();
        count += 1;
    }
    if element && input.before(end - text.len()) != b'<' {
        return None;
    }
    let name = letters.get(..count)?;
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending.as_bytes()));
    if ends(&["secretaccesskey", "awssecretkey", "awssecret"]) {
        Some(Name::Aws)
    } else if ends(&["accountkey", "sharedaccesskey"]) {
        Some(Name::Azure)
    } else if ends(&[
        "password",
        "passwd",
        "passwort",
        "passcode",
        "passphrase",
        "pwd",
        "kennwort",
        "senha",
        "contrasena",
        "motdepasse",
        "userpass",
        "dbpass",
        "pgpass",
    ]) || name == b"pass"
        || name == b"pw"
    {
        Some(Name::Password)
    } else if ends(&[
        "apikey",
        "secret",
        "token",
        "accesskey",
        "secretkey",
        "privatekey",
        "authkey",
        "encryptionkey",
        "signingkey",
        "masterkey",
        "credential",
        "credentials",
        "clientsecret",
        "authorization",
        "subscriptionkey",
        "licensekey",
        "sessionid",
        "sessionkey",
        "secretid",
        "apisecret",
        "passkey",
        "accountkey",
    ]) {
        Some(Name::Token)
    } else {
        None
    }
}

/// The value that starts at `from`.
fn value(input: Input<'_>, name: Name, from: usize, prose: bool) -> Option<Hit> {
    let mut from = from;
    from += usize::from(input.at(from) == b'\\');
    let quote = input.at(from);
    let quoted = matches!(quote, b'"' | b'\'' | b'`');
    from += usize::from(quoted);
    let window = input.slice(from, (from + MAX_VALUE).min(input.bytes.len()));
    let length = if quoted {
        window.iter().position(|&byte| byte == quote || byte == b'\n')?
    } else if name == Name::Password {
        window
            .iter()
            .position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'<' | b'`'))
            .unwrap_or(window.len())
    } else {
        window
            .iter()
            .position(|byte| {
                !byte.is_ascii_alphanumeric()
                    && !matches!(byte, b'_' | b'-' | b'.' | b'+' | b'/' | b'=' | b'~' | b':')
            })
            .unwrap_or(window.len())
    };
    if length == MAX_VALUE {
        return None;
    }
    let mut text = window.get(..length)?;
    text = text.strip_suffix(b"\\").unwrap_or(text);
    // a query string goes on after the value
    if !quoted && let Some(and) = memchr::memchr(b'&', text) {
        let next = text.get(and + 1..).unwrap_or(&[]);
        if next.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count() > 0
            && next.contains(&b'=')
        {
            text = text.get(..and)?;
        }
    }
    if !quoted {
        let tail = |byte: &u8| {
            matches!(byte, b',' | b';' | b'\'')
                || (prose && matches!(byte, b'.' | b'?' | b'!'))
                || *byte == b'.'
        };
        while let Some((_, rest)) = text.split_last().filter(|(last, _)| tail(last)) {
            text = rest;
        }
    }
    // where an unquoted value breaks off in the middle of code, it is code
    let next = input.at(from + text.len());
    if !quoted && matches!(next, b'(' | b'[' | b'{' | b'$') && name != Name::Password {
        return None;
    }
    if placeholder(text) || code(text) {
        return None;
    }
    let (kind, confidence, explanation) = match name {
        Name::Password => (SecretKind::Generic, password(text, quoted)?, "a value that is called a password"),
        Name::Aws if text.len() == 40 && random(text) => {
            (SecretKind::AwsKey, 0.95, "an AWS secret access key, called so")
        }
        Name::Azure if text.len() >= 40 && random(text) => {
            (SecretKind::AzureKey, 0.95, "an Azure key, called so")
        }
        _ if text.len() >= 12 && random(text) => {
            let confidence = if text.len() >= 20 && entropy(text) >= 3.5 { 0.85 } else { 0.65 };
            (SecretKind::Generic, confidence, "a random value that is called a key, token or secret")
        }
        _ => return None,
    };
    Some(Hit { kind: Kind::Secret(kind), start: from, end: from + text.len(), confidence, explanation })
}

/// How sure a password is one; `None` where it reads as a word.
fn password(text: &[u8], quoted: bool) -> Option<f32> {
    if !(6..=128).contains(&text.len()) || text.contains(&b' ') || text.contains(&b'\t') {
        return None;
    }
    let count = |test: fn(&u8) -> bool| text.iter().filter(|byte| test(byte)).count();
    let (digits, lower, upper) =
        (count(u8::is_ascii_digit), count(u8::is_ascii_lowercase), count(u8::is_ascii_uppercase));
    let symbols = text.len() - digits - lower - upper;
    let classes = [digits, lower, upper, symbols].iter().filter(|&&count| count > 0).count();
    let letters = lower + upper;
    let mixed = digits > 0 && letters > 0;
    let symbolic =
        symbols >= 2 && lower > 0 && upper > 0 && text.iter().any(|byte| b"!@#$%^&*+~?".contains(byte));
    match classes {
        4 if text.len() >= 8 && mixed => Some(0.9),
        3.. if text.len() >= 8 && (mixed || symbolic) => Some(0.8),
        3.. if mixed => Some(0.7),
        2.. if mixed && digits >= 2 => Some(0.6),
        2.. if mixed && (quoted || text.len() >= 8) => Some(0.55),
        1 if digits == text.len() && !quoted => Some(0.5),
        _ => None,
    }
}

/// Whether the value is made by a machine: letters and digits, much entropy, no words joined by marks.
fn random(text: &[u8]) -> bool {
    let has = |test: fn(&u8) -> bool| text.iter().any(test);
    let plain = text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.+/=~:".contains(byte));
    // the longest stretch of letters of one case: words have long ones
    let mut longest = 0;
    let mut stretch = 0;
    let mut previous = 0;
    for byte in text {
        let same = byte.is_ascii_lowercase() && u8::is_ascii_lowercase(&previous);
        stretch = if same { stretch + 1 } else { 0 };
        longest = longest.max(stretch);
        previous = *byte;
    }
    // names: words and numbers joined by marks
    let named = text
        .split(|byte| b"_-.:/".contains(byte))
        .all(|part| part.iter().all(u8::is_ascii_digit) || part.iter().all(u8::is_ascii_lowercase));
    plain
        && !named
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && entropy(text) >= 3.0
        && (longest < 8 || longest * 3 < text.len())
        && memchr::memmem::find(text, b"://").is_none()
}

/// Shannon entropy in bits per byte.
fn entropy(text: &[u8]) -> f32 {
    let mut counts = [0_u16; 256];
    for &byte in text {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let total = text.len() as f32;
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| f32::from(count) / total)
        .map(|share| -share * share.log2())
        .sum()
}

/// Whether the value is an expression: a call, an index, a path of names, a variable.
fn code(text: &[u8]) -> bool {
    let identifier = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.');
    if let Some(rest) = text.strip_prefix(b"$") {
        let one_case = !rest.iter().any(u8::is_ascii_lowercase) || !rest.iter().any(u8::is_ascii_uppercase);
        return rest.starts_with(b"{")
            || rest.starts_with(b"(")
            || (one_case && rest.iter().all(|byte| identifier(byte) || byte.is_ascii_digit()));
    }
    let head = text.iter().take_while(|byte| identifier(byte)).count();
    let (after, dotted) =
        (text.get(head).copied(), text.get(..head).is_some_and(|head| head.contains(&b'.')));
    let last = text.last().copied().unwrap_or(0);
    let environment = memchr::memmem::find(text, b".env.").is_some()
        || text.starts_with(b"os.")
        || text.starts_with(b"self.");
    let call = environment
        || head >= 2
            && matches!(after, Some(b'(' | b'['))
            && (matches!(last, b')' | b']' | b'(' | b'[' | b'\'' | b';') || dotted);
    call || (head == text.len() && dotted)
        || text.starts_with(b"%") && text.len() <= 3
        || text.starts_with(b"{")
        || text.starts_with(b"[")
}

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, nothing, random_text};

    #[test]
    fn hits() {
        for (text, value) in [
            ("db_password: ^QAf4NsQ&\nx", "^QAf4NsQ&"),
            ("db_password: 26@vi+4J+esD066", "26@vi+4J+esD066"),
            ("db_password: $Q7xinnTI9V\n", "$Q7xinnTI9V"),
            ("password=\"Tr0ub4dor&3\"", "Tr0ub4dor&3"),
            ("my password is hunter22.", "hunter22"),
            ("Passwort: Gehe1m!x", "Gehe1m!x"),
            ("{\"api_key\": \"9f8g7h6j5k4l3q2w1e0r\"}", "9f8g7h6j5k4l3q2w1e0r"),
            ("<password>Abc123!x</password>", "Abc123!x"),
            ("X-Api-Key: 9f8g7h6j5k4l3q2w1e0r", "9f8g7h6j5k4l3q2w1e0r"),
            ("{\\\"token\\\": \\\"9f8g7h6j5k4l3q2w1e0r\\\"}", "9f8g7h6j5k4l3q2w1e0r"),
            ("?token=9f8g7h6j5k4l3q2w1e0r&x=1", "9f8g7h6j5k4l3q2w1e0r"),
            ("Authorization: Bearer 9f8g7h6j5k4l3q2w1e0r", "9f8g7h6j5k4l3q2w1e0r"),
        ] {
            found(text, "secret.generic", value);
        }
        let key = random_text(40);
        found(&format!("aws_secret_access_key = {key}"), "secret.aws_key", &key);
        let key = format!("{}==", random_text(86));
        found(&format!("AccountName=x;AccountKey={key};EndpointSuffix=y"), "secret.azure_key", &key);
    }

    #[test]
    fn near_misses() {
        for text in [
            "password: str",
            "password = getpass.getpass()",
            "password: string;",
            "password = request.form['password']",
            "password=os.environ[\"DB_PASS\"]",
            "password: ${DB_PASSWORD}",
            "password=$PASSWORD",
            "password: changeme",
            "password: <your-password>",
            "password: ********",
            "password: xxxxxxxx1X",
            "Password: Must contain 8 characters",
            "password: Optional[str] = None",
            "api_key = YOUR_API_KEY_12345",
            "token = self.next_token()",
            "token: eos_token_id_2",
            "max_tokens=1024",
            "secret = secrets.token_hex(16)",
            "if password == \"Abc123!x\"",
            "token_url=https://auth.example.com/oauth2/v1",
            "the secret: work hard and be kind",
            "Forgot your password? Reset it",
            "password is required",
            "password is incorrect.",
        ] {
            nothing(text, "secret.generic");
        }
    }

    /// Not done today: passwords that are plain words or spaced phrases, and names on the line above.
    #[test]
    fn known_gaps() {
        nothing("my password is sunshine", "secret.generic");
        nothing("password: correct horse battery staple", "secret.generic");
        nothing("password\nTr0ub4dor&3", "secret.generic");
    }
}
