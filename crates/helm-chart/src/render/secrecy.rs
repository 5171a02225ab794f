//! [`Secrets`]: which of the values that an error shows beside Helm's words are secret.
//!
//! Owns the judgement, by the names of keys and variables, by what made a value, and by its looks.
//! When in doubt it hides: a harmless text that is missing costs a look into the values, a password
//! in a log costs more. It leaves Helm's own words alone.

use data_encoding::BASE64;
use go_text_template::{Error, Glimpse, Reach, Seen};
use serde_json::{Map, Value};

use super::late::TEXT_NAME;

/// Words of names whose values are secret.
const SECRET_WORDS: [&str; 36] = [
    "apikey",
    "auth",
    "cert",
    "certificate",
    "conn",
    "connection",
    "cred",
    "credential",
    "credentials",
    "creds",
    "dsn",
    "fernet",
    "htpasswd",
    "jwt",
    "key",
    "keys",
    "license",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "passwords",
    "pin",
    "pki",
    "private",
    "pwd",
    "salt",
    "secret",
    "secrets",
    "sig",
    "signature",
    "tls",
    "token",
    "tokens",
    "uri",
    "webhook",
];

/// What such names end in when they are written as one word: `rootpassword`.
const SECRET_ENDINGS: [&str; 5] = ["passwd", "password", "passwords", "secret", "token"];

/// Words that mean little alone: `range $key, $value := …`.
const WEAK_WORDS: [&str; 2] = ["key", "keys"];

/// What functions that make, hide or uncover secrets begin with.
const SECRET_FUNCTIONS: [&str; 12] = [
    "b32",
    "b64",
    "bcrypt",
    "buildCustom",
    "decrypt",
    "derive",
    "encrypt",
    "gen",
    "htpasswd",
    "lookup",
    "rand",
    "uuid",
];

/// A text shorter than this hides only what equals it: too much would contain it by chance.
const TELLING: usize = 6;

/// So many letters and digits without a break look like a key.
const RANDOM: usize = 16;

/// More secrets than this are not collected; then every text is hidden.
const MOST: usize = 10_000;

/// The secrets among the values of a render.
#[derive(Debug)]
pub(super) struct Secrets {
    texts: Vec<String>,
}

impl Secrets {
    /// Collects every text and number below a key with a secret name.
    pub(super) fn of(values: &Map<String, Value>) -> Self {
        let mut secrets = Self { texts: Vec::new() };
        for (key, value) in values {
            secrets.collect(value, names_secret(key));
        }
        secrets.texts.sort_unstable();
        secrets.texts.dedup();
        secrets
    }

    fn collect(&mut self, value: &Value, secret: bool) {
        if self.texts.len() >= MOST {
            return;
        }
        match value {
            Value::Object(entries) => {
                for (key, value) in entries {
                    self.collect(value, secret || names_secret(key));
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item, secret)),
            Value::String(text) if secret && !text.is_empty() => {
                self.texts.push(text.clone());
                if text.len() >= TELLING {
                    self.texts.push(BASE64.encode(text.as_bytes()));
                }
            }
            Value::Number(number) if secret => self.texts.push(number.to_string()),
            _ => {}
        }
    }

    /// Hides what is secret of what an error shows beside its words: values in reach, and the text
    /// of templates that hold some.
    pub(super) fn hide(&self, error: &mut Error) {
        for frame in error.frames_mut() {
            // The files of a chart hold no values; a text that `tpl` was given may be one.
            let shown = if frame.file == TEXT_NAME {
                frame.text().map(|text| &**text)
            } else {
                frame.line_text()
            };
            if shown.is_some_and(|text| self.are_in(text) || looks_secret(text)) {
                frame.hide_text();
            }
            for seen in frame.reach.iter_mut().flat_map(Reach::iter_mut) {
                if self.are_shown_by(seen) {
                    seen.hide();
                }
                if self.are_in(&seen.pipeline) {
                    seen.pipeline.clear();
                }
            }
        }
    }

    fn are_shown_by(&self, seen: &Seen) -> bool {
        let text = match &seen.value {
            Glimpse::Text(text) => text,
            Glimpse::Scalar(text) if text != "true" && text != "false" => text,
            _ => return false,
        };
        let name = seen.name.trim_start_matches(['$', '.']);
        let set_by = seen.pipeline.split_once(":= ");
        let set_by = set_by.map_or(seen.pipeline.as_str(), |(_, set_by)| set_by);
        !WEAK_WORDS.contains(&name) && names_secret(name)
            || names_secret(set_by)
            || makes_secret(set_by)
            || self.are_in(text)
            || looks_secret(text)
    }

    fn are_in(&self, text: &str) -> bool {
        self.texts.len() >= MOST
            || self.texts.iter().any(|secret| {
                secret == text || secret.len() >= TELLING && text.contains(secret.as_str())
            })
    }
}

/// Whether a word of this name, in camel case or with separators, is one of secrets.
fn names_secret(name: &str) -> bool {
    words(name).any(|word| {
        let word = word.to_ascii_lowercase();
        let word = word.trim_end_matches(|letter: char| letter.is_ascii_digit());
        SECRET_WORDS.contains(&word) || SECRET_ENDINGS.iter().any(|end| word.ends_with(end))
    })
}

/// The words of names: `apiKey` and `API_KEY` are both `api` and `key`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric())
        .flat_map(|part| {
            let bytes = part.as_bytes();
            let begins = move |at: &usize| {
                let upper = bytes[*at].is_ascii_uppercase();
                let after_lower = *at > 0 && !bytes[*at - 1].is_ascii_uppercase();
                let before_lower = bytes.get(*at + 1).is_some_and(u8::is_ascii_lowercase);
                upper && (after_lower || before_lower)
            };
            let starts = (1..bytes.len()).filter(begins);
            let ends = starts.clone().chain(std::iter::once(bytes.len()));
            std::iter::once(0)
                .chain(starts)
                .zip(ends)
                .map(move |(start, end)| &part[start..end])
        })
        .filter(|word| !word.is_empty())
}

/// Whether a pipeline calls a function whose result is likely secret.
fn makes_secret(pipeline: &str) -> bool {
    let names = pipeline.split(|letter: char| !letter.is_ascii_alphanumeric());
    let mut names = names.filter(|name| !name.is_empty());
    names.any(|name| SECRET_FUNCTIONS.iter().any(|start| name.starts_with(start)))
}

/// Whether a text looks like a key, or like an address with a password in it.
fn looks_secret(text: &str) -> bool {
    let address = text.split_once("://").is_some_and(|(_, rest)| {
        let authority = rest.split('/').next().unwrap_or_default();
        authority.contains('@')
    });
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'=');
    let random = |run: &[u8]| {
        run.len() >= RANDOM
            && run.iter().any(u8::is_ascii_digit)
            && run.iter().any(u8::is_ascii_alphabetic)
    };
    let mut runs = text.as_bytes().split(|byte| !is_part(byte));
    address || text.contains("-----BEGIN") || runs.any(random)
}

#[cfg(test)]
mod tests {
    use super::{looks_secret, makes_secret, names_secret, words};

    #[test]
    fn names_are_taken_apart_into_words() {
        let all = |text| words(text).collect::<Vec<_>>();
        assert_eq!(all("apiKey"), ["api", "Key"]);
        assert_eq!(all("API_KEY"), ["API", "KEY"]);
        assert_eq!(
            all("HTTPServer.dbPassword2"),
            ["HTTP", "Server", "db", "Password2"]
        );
        assert_eq!(all(""), [""; 0]);
    }

    #[test]
    fn secrets_are_known_by_their_names_and_their_makers() {
        for name in [
            "dbPassword",
            "API_TOKEN",
            "tls.key",
            ".Values.auth.user",
            "fernetKey",
        ] {
            assert!(names_secret(name), "{name}");
        }
        for name in [
            "name",
            "replicas",
            ".Values.image.tag",
            "monkey",
            "keyboard",
        ] {
            assert!(!names_secret(name), "{name}");
        }
        assert!(makes_secret("randAlphaNum 10"));
        assert!(makes_secret("printf \"%s\" (.x | b64enc)"));
        assert!(!makes_secret(".Values.image.tag | quote"));
    }

    #[test]
    fn secrets_are_known_by_their_looks() {
        for text in [
            "postgresql://user:pw@db/airflow",
            "AbCdEf0123456789xyz=",
            "-----BEGIN PRIVATE KEY-----",
        ] {
            assert!(looks_secret(text), "{text}");
        }
        for text in [
            "https://example.com/a",
            "release-airflow-scheduler",
            "1.15.0",
            "LongWordWithoutADigit",
        ] {
            assert!(!looks_secret(text), "{text}");
        }
    }
}
