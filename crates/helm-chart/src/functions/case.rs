//! Upper, lower and title case, and the naming styles (camel, snake, kebab).
//!
//! `snakecase`, `kebabcase` and `camelcase` follow huandu/xstrings 1.5, the others Masterminds'
//! goutils 1.1 and Go's `strings`.

use go_text_template::Type;

use super::arguments::{string, text};
use super::entry::Entry;
use super::letters::{
    is_letter, is_lower, is_punctuation, is_title, is_upper, to_lower, to_title, to_upper,
};

const ONE: &[Type] = &[Type::String];

/// Case functions.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "upper",
        ONE,
        |_, args| {
            Ok(string(args, 0)?
                .chars()
                .map(to_upper)
                .collect::<String>()
                .into())
        },
        "The text in upper case.",
    ),
    Entry::new(
        "lower",
        ONE,
        |_, args| {
            Ok(string(args, 0)?
                .chars()
                .map(to_lower)
                .collect::<String>()
                .into())
        },
        "The text in lower case.",
    ),
    Entry::new(
        "title",
        ONE,
        |_, args| Ok(title(&string(args, 0)?).into()),
        "The text with the first letter of every word in title case.",
    ),
    Entry::new(
        "untitle",
        ONE,
        |_, args| Ok(untitle(&string(args, 0)?).into()),
        "The text with the first letter of every word in lower case.",
    ),
    Entry::new(
        "swapcase",
        ONE,
        |_, args| Ok(swap(&string(args, 0)?).into()),
        "The text with upper and lower case swapped.",
    ),
    Entry::new(
        "initials",
        ONE,
        |_, args| Ok(initials(text(args, 0)?.as_bytes()).into()),
        "The first byte of every word.",
    ),
    Entry::new(
        "nospace",
        ONE,
        |_, args| {
            let source = text(args, 0)?;
            if !source.as_bytes().iter().any(|byte| is_space(*byte)) {
                return Ok(source.clone().into());
            }
            Ok(source
                .as_bytes()
                .iter()
                .filter(|byte| !is_space(**byte))
                .copied()
                .map(latin)
                .collect::<String>()
                .into())
        },
        "The text without white space.",
    ),
    Entry::new(
        "camelcase",
        ONE,
        |_, args| Ok(pascal(&string(args, 0)?).into()),
        "snake_case and kebab-case words as PascalCase.",
    ),
    Entry::new(
        "snakecase",
        ONE,
        |_, args| Ok(connected(&string(args, 0)?, '_').into()),
        "CamelCase words as snake_case.",
    ),
    Entry::new(
        "kebabcase",
        ONE,
        |_, args| Ok(connected(&string(args, 0)?, '-').into()),
        "CamelCase words as kebab-case.",
    ),
];

/// What Go's `strings.Title` takes for the end of a word.
fn separates(letter: char) -> bool {
    if letter.is_ascii() {
        return !letter.is_ascii_alphanumeric() && letter != '_';
    }
    !is_letter(letter) && !letter.is_numeric() && letter.is_whitespace()
}

fn title(source: &str) -> String {
    let mut at_start = true;
    source
        .chars()
        .map(|letter| {
            let shown = if at_start { to_title(letter) } else { letter };
            at_start = separates(letter);
            shown
        })
        .collect()
}

fn untitle(source: &str) -> String {
    let mut at_start = true;
    source
        .chars()
        .map(|letter| {
            let shown = if at_start && !letter.is_whitespace() {
                to_lower(letter)
            } else {
                letter
            };
            at_start = letter.is_whitespace();
            shown
        })
        .collect()
}

fn swap(source: &str) -> String {
    let mut at_start = true;
    source
        .chars()
        .map(|letter| {
            let (shown, next) = if is_upper(letter) || is_title(letter) {
                (to_lower(letter), false)
            } else if is_lower(letter) {
                (
                    if at_start {
                        to_title(letter)
                    } else {
                        to_upper(letter)
                    },
                    false,
                )
            } else {
                (letter, letter.is_whitespace())
            };
            at_start = next;
            shown
        })
        .collect()
}

/// goutils looks at bytes and writes each back as a Latin-1 character.
fn latin(byte: u8) -> char {
    char::from(byte)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ' | 0x85 | 0xA0)
}

fn initials(source: &[u8]) -> String {
    let mut after_space = true;
    let mut out = String::new();
    for byte in source {
        if !is_space(*byte) && after_space {
            out.push(latin(*byte));
        }
        after_space = is_space(*byte);
    }
    out
}

fn is_connector(letter: char) -> bool {
    letter == '-' || letter == '_' || letter.is_whitespace()
}

fn pascal(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut letters = source.chars();
    let Some(first) = letters.by_ref().find(|letter| {
        // Connectors in front stay.
        let connector = is_connector(*letter);
        if connector {
            out.push(*letter);
        }
        !connector
    }) else {
        // All connectors: the last one is written twice over by xstrings' special case.
        return only_connectors(source);
    };
    let mut in_capitals = is_upper(first);
    let mut held = to_upper(first);
    for letter in letters {
        let previous = std::mem::replace(&mut held, letter);
        if is_connector(letter) && is_connector(previous) {
            out.push(previous);
        } else if is_connector(previous) {
            in_capitals = is_upper(letter);
            held = to_upper(letter);
        } else {
            if in_capitals && is_upper(letter) {
                held = to_lower(letter);
            } else if in_capitals {
                in_capitals = false;
            }
            out.push(previous);
        }
    }
    out.push(held);
    out
}

fn only_connectors(source: &str) -> String {
    let mut out = source.to_owned();
    out.extend(source.chars().next_back());
    out
}

/// What a run of letters is to xstrings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    End,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punctuation,
    Other,
}

/// Letters of scripts with case or alphabet; Chinese characters are none.
fn is_alphabet(letter: char) -> bool {
    is_letter(letter)
        && !matches!(letter, '\u{4E00}'..='\u{9FCC}' | '\u{3400}'..='\u{4D85}' | '\u{20000}'..='\u{2B81D}')
}

/// The first run of letters of one kind, and the rest.
fn next_word(source: &str) -> (Word, &str, &str) {
    let Some(first) = source.chars().next() else {
        return (Word::End, "", "");
    };
    let run = |matches: &dyn Fn(char) -> bool| {
        source
            .char_indices()
            .skip(1)
            .find(|(_, letter)| !matches(*letter))
            .map_or(source.len(), |(at, _)| at)
    };
    let small = |letter: char| is_alphabet(letter) && !is_upper(letter);
    let (word, end) = if is_connector(first) {
        (Word::Connector, run(&is_connector))
    } else if is_punctuation(first) {
        (Word::Punctuation, run(&is_punctuation))
    } else if is_upper(first) {
        (Word::Upper, capitals(source, first, &run, &small))
    } else if is_alphabet(first) {
        (Word::Alphabet, run(&small))
    } else if first.is_numeric() {
        (Word::Number, run(&char::is_numeric))
    } else {
        let other = |letter: char| {
            !is_connector(letter)
                && !is_alphabet(letter)
                && !letter.is_numeric()
                && !is_punctuation(letter)
        };
        (Word::Other, run(&other))
    };
    (word, &source[..end], &source[end..])
}

/// Whether a letter belongs to a run.
type Matches<'m> = &'m dyn Fn(char) -> bool;

/// `HTTPStatus` ends before its `S`, `Status` after its last letter, `HTTP` is whole.
fn capitals(
    source: &str,
    first: char,
    run: &dyn Fn(Matches<'_>) -> usize,
    small: &dyn Fn(char) -> bool,
) -> usize {
    match source[first.len_utf8()..].chars().next() {
        Some(second) if is_upper(second) => {
            let end = run(&is_upper);
            let next = source[end..].chars().next();
            let last = source[..end].chars().next_back().map_or(0, char::len_utf8);
            if next.is_some_and(is_alphabet) {
                end - last
            } else {
                end
            }
        }
        Some(second) if is_alphabet(second) => run(small),
        _ => first.len_utf8(),
    }
}

fn push_word(out: &mut String, word: Word, run: &str, connector: char) {
    if word == Word::Upper || word == Word::Connector {
        out.extend(run.chars().map(|letter| {
            if is_connector(letter) {
                connector
            } else {
                to_lower(letter)
            }
        }));
    } else {
        out.push_str(run);
    }
}

fn connected(source: &str, connector: char) -> String {
    let mut out = String::with_capacity(source.len() + 8);
    let (mut word, mut run, mut rest) = next_word(source);
    let joins = |word: Word| word != Word::Connector && word != Word::Punctuation;
    while !rest.is_empty() {
        if word != Word::Connector {
            push_word(&mut out, word, run, connector);
        }
        let (previous, last) = (word, run);
        (word, run, rest) = next_word(rest);
        match previous {
            Word::Number => {
                (word, run, rest) = swallow(&mut out, word, run, rest, connector);
                if word != Word::End && joins(word) {
                    out.push(connector);
                }
            }
            Word::Connector => push_word(&mut out, previous, last, connector),
            Word::Punctuation => {}
            _ if word != Word::Number => {
                if joins(word) {
                    out.push(connector);
                }
            }
            _ if rest.is_empty() => {}
            _ => {
                let number = run;
                (word, run, rest) = next_word(rest);
                if word == Word::Alphabet {
                    out.push(connector);
                    push_word(&mut out, Word::Number, number, connector);
                    (word, run, rest) = swallow(&mut out, word, run, rest, connector);
                    if word != Word::End && joins(word) {
                        out.push(connector);
                    }
                } else {
                    // A number followed by no small letter belongs to the word before it.
                    push_word(&mut out, Word::Number, number, connector);
                    if joins(word) {
                        out.push(connector);
                    }
                }
            }
        }
    }
    push_word(&mut out, word, run, connector);
    out
}

/// Copies small letters and digits that follow a number, up to the next other run.
fn swallow<'a>(
    out: &mut String,
    mut word: Word,
    mut run: &'a str,
    mut rest: &'a str,
    connector: char,
) -> (Word, &'a str, &'a str) {
    while word == Word::Alphabet || word == Word::Number {
        push_word(out, word, run, connector);
        (word, run, rest) = next_word(rest);
    }
    (word, run, rest)
}
