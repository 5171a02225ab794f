//! [`mask_secrets`]: a line of a log as an error may quote it. It owns what a secret looks like in
//! running text; it refuses to judge the line otherwise.

/// What stands for what must not be read.
const MASK: &str = "***";

/// What a name ends with when its value is a secret; letters only, lower case.
const SECRET_NAMES: [&str; 10] = [
    "password",
    "passwd",
    "secret",
    "token",
    "fernetkey",
    "secretkey",
    "accountkey",
    "accesskey",
    "apikey",
    "sig",
];

/// The line with `***` for the password of every URL (`postgresql://airflow:***@db/airflow`), the
/// value after a name that speaks of a secret (`AccountKey=***`, `"password": "***"`), and what
/// follows `Bearer`.
///
/// Errors end up in records, tickets and chats; what a container wrote about its connections must
/// not go with them. A secret that nothing announces is not recognised.
///
/// ```
/// use kube_cluster::mask_secrets;
///
/// let line = "cannot connect to postgresql://airflow:hunter2@db:5432/airflow?sslmode=disable";
/// assert_eq!(
///     mask_secrets(line),
///     "cannot connect to postgresql://airflow:***@db:5432/airflow?sslmode=disable"
/// );
/// assert_eq!(mask_secrets("AccountKey=c2VjcmV0;Suffix=x"), "AccountKey=***;Suffix=x");
/// ```
pub fn mask_secrets(line: &str) -> String {
    let mut masked = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let (kept, hidden) = secret_at(rest, masked.chars().next_back());
        if hidden > 0 {
            masked.push_str(&rest[..kept]);
            masked.push_str(MASK);
            rest = &rest[kept + hidden..];
        } else {
            masked.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    masked
}

/// How many bytes announce a secret that begins here, and how many it has; no bytes of a secret
/// where there is none.
fn secret_at(text: &str, before: Option<char>) -> (usize, usize) {
    const NONE: (usize, usize) = (0, 0);
    if let Some(after) = text.strip_prefix("://") {
        let authority = until(after, |c| c.is_whitespace() || "/?#\"'".contains(c));
        return match after[..authority].rsplit_once('@').map(|(user, _)| user) {
            Some(user) => match user.find(':') {
                Some(colon) => (3 + colon + 1, user.len() - colon - 1),
                None => NONE,
            },
            None => NONE,
        };
    }
    if before.is_some_and(is_of_name) {
        return NONE;
    }
    let name = until(text, |c| !is_of_name(c));
    if text[..name].eq_ignore_ascii_case("bearer") && text[name..].starts_with(' ') {
        let value = until(&text[name + 1..], char::is_whitespace);
        return (name + 1, value);
    }
    let letters: String = text[..name]
        .chars()
        .filter(char::is_ascii_alphabetic)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    if !SECRET_NAMES.iter().any(|end| letters.ends_with(end)) {
        return NONE;
    }
    let after = text[name..].trim_start_matches(['"', '\'']);
    let after = after.trim_start_matches(' ');
    let Some(value) = after.strip_prefix(['=', ':']) else {
        return NONE;
    };
    let value = value.trim_start_matches(' ');
    let (value, length) = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let value = &value[1..];
            (value, until(value, |c| c == quote))
        }
        _ => (
            value,
            until(value, |c| c.is_whitespace() || ";,&\"')}]".contains(c)),
        ),
    };
    (text.len() - value.len(), length)
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// How many bytes there are before the first character that `ends` it.
fn until(text: &str, ends: impl Fn(char) -> bool) -> usize {
    text.find(ends).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_as_a_secret_is_masked() {
        for (line, expected) in [
            (
                "postgresql+psycopg2://u:p@ss:w@rd@h/db and more",
                "postgresql+psycopg2://u:***@h/db and more",
            ),
            ("redis://:pw@redis:6379/0", "redis://:***@redis:6379/0"),
            ("'https://u:pw@h', x", "'https://u:***@h', x"),
            (
                r#"{"password": "a b", "user": "u"}"#,
                r#"{"password": "***", "user": "u"}"#,
            ),
            (
                "AIRFLOW__CORE__FERNET_KEY=abc= x",
                "AIRFLOW__CORE__FERNET_KEY=*** x",
            ),
            ("secret_key: abc", "secret_key: ***"),
            ("?sv=1&sig=a%3D&se=2", "?sv=1&sig=***&se=2"),
            (
                "Authorization: Bearer ey.J.x end",
                "Authorization: Bearer *** end",
            ),
        ] {
            assert_eq!(mask_secrets(line), expected);
        }
    }

    #[test]
    fn everything_else_stays() {
        for line in [
            "",
            "sqlalchemy.exc.OperationalError: relation \"ab_user\" is locked",
            "FATAL: password authentication failed for user \"airflow\"",
            "see https://docs.example/a:b?c=d and mail a@b:c",
            "the token expired; größe: 3",
            "key: value",
        ] {
            assert_eq!(mask_secrets(line), line);
        }
    }
}
