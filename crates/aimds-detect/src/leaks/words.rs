//! The words with which operators tell a model to keep something for itself, in the languages that system prompts are written in.
//!
//! Stems in lower case, searched for inside words: one line for each language, its name and a list.

/// The stems of all languages.
pub(super) fn stems(list: &str) -> impl Iterator<Item = &str> {
    list.lines().filter_map(|line| line.split_once(": ")).flat_map(|(_, stems)| stems.split(", "))
}

/// Things that are kept secret.
pub(super) const SECRETS: &str = "
English: password, passphrase, passcode, pass phrase, pass code, secret, api key, api-key, api_key, access key, private key
English: access code, access token, security code, the key, the code, the pin, codeword, code word, the flag, credential, magic word
German: passwort, kennwort, geheim, zugangscode, schlüssel
French: mot de passe, code d'accès, clé secr
Spanish: contraseña, secreto, secreta, clave
Portuguese: senha, segredo, chave secret, palavra-passe
Italian: parola d'ordine, segreto, segreta
Dutch: wachtwoord
Swedish: lösenord
Danish: adgangskode
Norwegian: passord
Finnish: salasana
Polish: hasło, hasła
Czech: heslo
Romanian: parola
Hungarian: jelszó
Russian: парол, секрет, ключ
Greek: κωδικ
Turkish: şifre, gizli
Arabic: كلمة المرور, كلمة السر, السر, رمز عبور
Hebrew: סיסמ
Hindi: पासवर्ड, गुप्त
Bengali: পাসওয়ার্ড
Chinese: 密码, 密碼, 口令, 暗号, 秘密, 密钥
Japanese: パスワード, 合言葉
Korean: 비밀번호, 암호
Vietnamese: mật khẩu, bí mật
Indonesian: kata sandi, rahasia
Thai: รหัสผ่าน, รหัส
Tagalog: lihim
";

/// What must not be done with them.
pub(super) const REVEAL: &str = "
English: reveal, disclos, divulg, do not share, don't share, never share, not be shared, do not tell, don't tell, never tell
English: not to tell, give out, give away, do not give, don't give, never give, leak, do not mention, don't mention, never mention
English: do not output, never output, never repeat, do not repeat, don't repeat, do not say, don't say, never say, keep it secret
English: keep this secret, keep secret, confidential
German: verrat, preisgeb, preis geben, offenleg, weitergeb, geben sie nicht, gib nicht, vertraulich
French: révél, divulg, dévoil, confidentiel
Spanish: revel, compart, digas, confidencial
Portuguese: revel, partilh, compartilh
Italian: rivel, confidenzial
Dutch: onthul, vertel
Swedish: avslöja
Danish: afslør
Polish: ujawni, zdradz
Czech: prozra
Romanian: dezvăl
Russian: раскрыв, разглаш, сообщ, не говори
Ukrainian: розкрив
Turkish: açıkla, ifşa, paylaşma, söyleme
Arabic: تكشف, تفصح
Persian: فاش نکن
Hindi: प्रकट, न बताएं, मत बता, खुलासा
Bengali: প্রকাশ
Chinese: 透露, 泄露, 洩露, 告诉, 告訴, 公开
Japanese: 明かさ, 教えな, 漏らさ
Korean: 공개, 누설, 밝히지, 드러내지, 알려주지
Vietnamese: tiết lộ, chia sẻ
Indonesian: ungkap, beritahu
Thai: เปิดเผย
Tagalog: isiniwalat, ibunyag, ibahagi
";

/// That the instructions themselves are meant.
pub(super) const INSTRUCTIONS: &str = "
English: instruction, system prompt, system message, this prompt, your prompt, these rules, your rules, guideline
German: anweisung
Spanish: instrucci
Portuguese: instruç
Italian: istruzion
Russian: инструкц
Chinese: 指令, 指示, 提示词
Hindi: निर्देश
";

/// How an operator speaks to a model. What is said to the users of a product ("you can return items within thirty days") is no
/// such sentence: a model may repeat it.
pub(super) const ADDRESSED: &str = "
English: you are a, you are an, you are the, your task, your role, your goal, your job, your purpose, your response, your answer
English: your replies, your instruction, if the user, when the user, if a user, when a user, the user's, the user asks, respond
English: reply, reveal, disclos, do not mention, never mention, system prompt, assistant, act as, always answer, do not answer
English: never answer, refuse, these instructions, this prompt
";
