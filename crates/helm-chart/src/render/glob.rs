//! Globs over chart files: `*` stops at `/`, `**` does not, `?`, `[a-z]`, `[!a]`, `{a,b}`, `\`.
//!
//! Source of the rules: the gobwas/glob syntax Helm uses for `.Files.Glob`.

use regex::Regex;

/// A compiled glob.
pub(super) struct Glob {
    /// None where the pattern is broken.
    expression: Option<Regex>,
    /// How many bytes a path must have, if the pattern has a fixed number of characters: Helm does
    /// not tell the two apart.
    length: Option<usize>,
}

/// Compiles a pattern; a broken one matches everything, as Helm falls back to `**`.
pub(super) fn compile(pattern: &str) -> Glob {
    Glob {
        expression: translate(pattern).and_then(|expression| Regex::new(&expression).ok()),
        length: fixed_length(pattern),
    }
}

impl Glob {
    /// Whether the whole path matches.
    pub(super) fn is_match(&self, path: &str) -> bool {
        self.expression.as_ref().is_none_or(|expression| {
            self.length.is_none_or(|length| length == path.len()) && expression.is_match(path)
        })
    }
}

/// The number of characters of a pattern of single ones, at least one of which may vary.
fn fixed_length(pattern: &str) -> Option<usize> {
    if !pattern.contains(['?', '[']) || pattern.contains(['*', '{', '\\']) {
        return None;
    }
    let (mut length, mut is_in_class) = (0, false);
    for character in pattern.chars() {
        match character {
            '[' => is_in_class = true,
            ']' => is_in_class = false,
            _ if is_in_class => continue,
            _ => {}
        }
        length += usize::from(character != '[');
    }
    Some(length)
}

fn translate(pattern: &str) -> Option<String> {
    let mut out = String::from("(?s)^");
    let mut characters = pattern.chars().peekable();
    let mut braces = 0_u32;
    while let Some(character) = characters.next() {
        match character {
            '*' if characters.next_if_eq(&'*').is_some() => out.push_str(".*"),
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '{' => {
                braces += 1;
                out.push_str("(?:");
            }
            '}' if braces > 0 => {
                braces -= 1;
                out.push(')');
            }
            ',' if braces > 0 => out.push('|'),
            '[' => out.push_str(&class(&mut characters)?),
            '\\' => out.push_str(&regex::escape(&characters.next()?.to_string())),
            other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push('$');
    (braces == 0).then_some(out)
}

/// A character class, after its `[`.
fn class(characters: &mut impl Iterator<Item = char>) -> Option<String> {
    let mut out = String::from("[");
    let mut first = true;
    loop {
        match characters.next()? {
            '!' if first => out.push('^'),
            ']' => break,
            '-' => out.push('-'),
            '\\' => out.push_str(&regex::escape(&characters.next()?.to_string())),
            other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
        first = false;
    }
    out.push(']');
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::compile;

    fn matching(pattern: &str) -> Vec<&'static str> {
        let glob = compile(pattern);
        ["a.txt", "b.md", "a/b.txt", "a/c/d.txt"]
            .into_iter()
            .filter(|path| glob.is_match(path))
            .collect()
    }

    #[test]
    fn a_star_stops_at_a_slash_and_two_do_not() {
        assert_eq!(matching("*"), ["a.txt", "b.md"]);
        assert_eq!(matching("a/*"), ["a/b.txt"]);
        assert_eq!(matching("**.txt"), ["a.txt", "a/b.txt", "a/c/d.txt"]);
    }

    #[test]
    fn classes_and_alternatives_are_understood() {
        assert_eq!(matching("[ab].{txt,md}"), ["a.txt", "b.md"]);
        assert_eq!(matching("[!a].md"), ["b.md"]);
        assert_eq!(matching("?.txt"), ["a.txt"]);
        assert!(!compile("?.txt").is_match("é.txt"));
        assert!(!compile("[!b].txt").is_match("é.txt"));
        assert!(compile("*?.txt").is_match("é.txt"));
    }

    #[test]
    fn a_broken_pattern_matches_everything() {
        assert_eq!(matching("[a").len(), 4);
        assert_eq!(matching("{a").len(), 4);
    }
}
