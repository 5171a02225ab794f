//! Go's `unicode` package where Rust's differs: one-to-one case mapping and exact categories.

use std::sync::LazyLock;

use regex::Regex;

macro_rules! category {
    ($name:ident, $pattern:literal, $docs:literal) => {
        #[doc = $docs]
        fn $name(letter: char) -> bool {
            static CATEGORY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($pattern).ok());
            let mut buffer = [0; 4];
            CATEGORY
                .as_ref()
                .is_some_and(|regex| regex.is_match(letter.encode_utf8(&mut buffer)))
        }
    };
}

category!(in_upper, r"^\p{Lu}$", "Category Lu.");
category!(in_lower, r"^\p{Ll}$", "Category Ll.");
category!(in_title, r"^\p{Lt}$", "Category Lt.");
category!(in_punctuation, r"^\p{P}$", "Category P.");
category!(in_letters, r"^\p{L}$", "Category L.");

/// `unicode.IsUpper`.
pub(super) fn is_upper(letter: char) -> bool {
    if letter.is_ascii() {
        letter.is_ascii_uppercase()
    } else {
        in_upper(letter)
    }
}

/// `unicode.IsLower`.
pub(super) fn is_lower(letter: char) -> bool {
    if letter.is_ascii() {
        letter.is_ascii_lowercase()
    } else {
        in_lower(letter)
    }
}

/// `unicode.IsTitle`.
pub(super) fn is_title(letter: char) -> bool {
    !letter.is_ascii() && in_title(letter)
}

/// `unicode.IsLetter`.
pub(super) fn is_letter(letter: char) -> bool {
    if letter.is_ascii() {
        letter.is_ascii_alphabetic()
    } else {
        in_letters(letter)
    }
}

/// `unicode.IsPunct`: unlike Rust's ASCII punctuation, without the symbols `` $+<=>^`|~ ``.
pub(super) fn is_punctuation(letter: char) -> bool {
    if letter.is_ascii() {
        letter.is_ascii_punctuation() && !"$+<=>^`|~".contains(letter)
    } else {
        in_punctuation(letter)
    }
}

/// `unicode.ToUpper`: always one letter; those whose upper case is two letters stay.
pub(super) fn to_upper(letter: char) -> char {
    if letter.is_ascii() {
        return letter.to_ascii_uppercase();
    }
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) => upper,
        _ => greek_with_iota(letter),
    }
}

/// `unicode.ToLower`: always one letter.
pub(super) fn to_lower(letter: char) -> char {
    if letter.is_ascii() {
        letter.to_ascii_lowercase()
    } else {
        letter.to_lowercase().next().unwrap_or(letter)
    }
}

/// `unicode.ToTitle`: upper case, except for digraphs and Georgian.
pub(super) fn to_title(letter: char) -> char {
    match letter {
        'Ǆ'..='ǆ' => 'ǅ',
        'Ǉ'..='ǉ' => 'ǈ',
        'Ǌ'..='ǌ' => 'ǋ',
        'Ǳ'..='ǳ' => 'ǲ',
        'ა'..='ჺ' | 'ჽ'..='ჿ' => letter,
        _ => to_upper(letter),
    }
}

/// The capital of a Greek letter with iota subscript, which is one letter in simple case mapping.
fn greek_with_iota(letter: char) -> char {
    let shift = match letter {
        'ᾀ'..='ᾇ' | 'ᾐ'..='ᾗ' | 'ᾠ'..='ᾧ' => 8,
        'ᾳ' | 'ῃ' | 'ῳ' => 9,
        _ => 0,
    };
    char::from_u32(u32::from(letter) + shift).unwrap_or(letter)
}

#[cfg(test)]
mod tests {
    use super::{is_punctuation, to_lower, to_title, to_upper};

    #[test]
    fn case_mapping_is_one_to_one() {
        assert_eq!(
            (to_upper('ß'), to_upper('é'), to_upper('ᾳ')),
            ('ß', 'É', 'ᾼ')
        );
        assert_eq!((to_lower('İ'), to_lower('Σ')), ('i', 'σ'));
        assert_eq!((to_title('ǆ'), to_upper('ǆ')), ('ǅ', 'Ǆ'));
    }

    #[test]
    fn symbols_are_not_punctuation() {
        assert!(is_punctuation('-') && is_punctuation('_') && is_punctuation('«'));
        assert!(!is_punctuation('+') && !is_punctuation('€'));
    }
}
