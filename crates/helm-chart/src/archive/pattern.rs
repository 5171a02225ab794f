//! Shell patterns as Go's `filepath.Match` reads them: `*`, `?`, `[a-z]`, `\`; nothing crosses `/`.

/// A pattern that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadPattern;

/// Whether all of `path` matches `pattern`; a pattern that cannot be read matches nothing.
///
/// ```
/// assert!(helm_chart::archive::path_matches("templates/*.yaml", "templates/a.yaml"));
/// assert!(!helm_chart::archive::path_matches("templates/*.yaml", "templates/a/b.yaml"));
/// ```
pub fn path_matches(pattern: &str, path: &str) -> bool {
    matches(pattern, path).unwrap_or(false)
}

/// Whether all of `name` matches `pattern`.
pub(crate) fn matches(pattern: &str, name: &str) -> Result<bool, BadPattern> {
    let tokens = parse(pattern)?;
    let name: Vec<char> = name.chars().collect();
    // Backtracking to the last star is enough, because a later star never needs an earlier one.
    let (mut token, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (tokens.get(token), name.get(at)) {
            (Some(Token::Star), _) => {
                star = Some((token, at));
                token += 1;
                continue;
            }
            (Some(one), Some(character)) if one.takes(*character) => {
                token += 1;
                at += 1;
                continue;
            }
            (None, None) => return Ok(true),
            _ => {}
        }
        match star {
            Some((star_token, star_at))
                if name.get(star_at).is_some_and(|character| *character != '/') =>
            {
                star = Some((star_token, star_at + 1));
                token = star_token + 1;
                at = star_at + 1;
            }
            _ => return Ok(false),
        }
    }
}

enum Token {
    Star,
    Any,
    Literal(char),
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Token {
    fn takes(&self, character: char) -> bool {
        match self {
            Self::Star => false,
            Self::Any => character != '/',
            Self::Literal(literal) => *literal == character,
            Self::Class { negated, ranges } => {
                ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&character))
                    != *negated
            }
        }
    }
}

fn parse(pattern: &str) -> Result<Vec<Token>, BadPattern> {
    let mut characters = pattern.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            '*' => Token::Star,
            '?' => Token::Any,
            '\\' => Token::Literal(characters.next().ok_or(BadPattern)?),
            '[' => {
                let negated = characters.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                loop {
                    if !ranges.is_empty() && characters.next_if_eq(&']').is_some() {
                        break;
                    }
                    let low = class_character(&mut characters)?;
                    let high = if characters.next_if_eq(&'-').is_some() {
                        class_character(&mut characters)?
                    } else {
                        low
                    };
                    ranges.push((low, high));
                }
                Token::Class { negated, ranges }
            }
            literal => Token::Literal(literal),
        });
    }
    Ok(tokens)
}

fn class_character(characters: &mut impl Iterator<Item = char>) -> Result<char, BadPattern> {
    match characters.next() {
        None | Some('-' | ']') => Err(BadPattern),
        Some('\\') => characters.next().ok_or(BadPattern),
        Some(character) => Ok(character),
    }
}

#[cfg(test)]
mod tests {
    use super::{BadPattern, matches};

    #[test]
    fn patterns_match_as_in_go() {
        for (pattern, name, wanted) in [
            ("*.txt", "a.txt", true),
            ("*.txt", "b/a.txt", false),
            ("a*b*c", "axxbyyc", true),
            ("a?c", "a/c", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            (r"\*", "*", true),
            ("templates/.?*", "templates/.x", true),
            ("templates/.?*", "templates/.", false),
        ] {
            assert_eq!(matches(pattern, name), Ok(wanted), "{pattern} {name}");
        }
        assert_eq!(matches("[a", "a"), Err(BadPattern));
        assert_eq!(matches("[]a]", "]"), Err(BadPattern));
    }
}
