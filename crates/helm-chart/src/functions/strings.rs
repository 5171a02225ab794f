//! Trimming, cutting, searching and replacing. Go strings are bytes, and so are the positions.

use go_text_template::{FunctionError, Text, Type, Value};

use crate::MAX_TEXT;

use super::arguments::{int, string, text};
use super::entry::Entry;

const ONE: &[Type] = &[Type::String];
const TWO: &[Type] = &[Type::String, Type::String];

/// Text functions.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "hello",
        &[],
        |_, _| Ok("Hello!".into()),
        "A greeting, to see that functions work.",
    ),
    Entry::new(
        "trim",
        ONE,
        |_, args| Ok(trim(text(args, 0)?).into()),
        "Removes white space around the text.",
    ),
    TRIM_ALL,
    TRIM_ALL.named("trimall"),
    Entry::new(
        "trimPrefix",
        TWO,
        |_, args| Ok(without_prefix(text(args, 0)?, text(args, 1)?).into()),
        "Removes a prefix once.",
    ),
    Entry::new(
        "trimSuffix",
        TWO,
        |_, args| Ok(without_suffix(text(args, 0)?, text(args, 1)?).into()),
        "Removes a suffix once.",
    ),
    Entry::new(
        "contains",
        TWO,
        |_, args| Ok(find(text(args, 1)?, text(args, 0)?).is_some().into()),
        "Whether the second text contains the first.",
    ),
    Entry::new(
        "hasPrefix",
        TWO,
        |_, args| {
            Ok(text(args, 1)?
                .as_bytes()
                .starts_with(text(args, 0)?.as_bytes())
                .into())
        },
        "Whether the second text starts with the first.",
    ),
    Entry::new(
        "hasSuffix",
        TWO,
        |_, args| {
            Ok(text(args, 1)?
                .as_bytes()
                .ends_with(text(args, 0)?.as_bytes())
                .into())
        },
        "Whether the second text ends with the first.",
    ),
    Entry::new(
        "replace",
        &[Type::String, Type::String, Type::String],
        |_, args| replace(text(args, 0)?, text(args, 1)?, text(args, 2)?).map(Value::from),
        "Replaces every occurrence of the first text by the second, in the third.",
    ),
    Entry::new(
        "repeat",
        &[Type::Int, Type::String],
        |_, args| repeat(int(args, 0)?, text(args, 1)?).map(Value::from),
        "The text, so many times.",
    ),
    Entry::new(
        "trunc",
        &[Type::Int, Type::String],
        |_, args| Ok(truncate(int(args, 0)?, text(args, 1)?).into()),
        "The first bytes of the text, or the last if the length is negative.",
    ),
    Entry::new(
        "substr",
        &[Type::Int, Type::Int, Type::String],
        |_, args| substring(int(args, 0)?, int(args, 1)?, text(args, 2)?).map(Value::from),
        "The bytes from start to end; a negative start is 0, a negative end the end.",
    ),
    Entry::new(
        "abbrev",
        &[Type::Int, Type::String],
        |_, args| Ok(abbreviate(0, int(args, 0)?, text(args, 1)?).into()),
        "The text cut to a width, with an ellipsis.",
    ),
    Entry::new(
        "abbrevboth",
        &[Type::Int, Type::Int, Type::String],
        |_, args| {
            let (left, width) = (int(args, 0)?, int(args, 1)?);
            let source = text(args, 2)?;
            let unchanged = left > 0 && width < 7;
            Ok(if unchanged {
                source.clone()
            } else {
                abbreviate(left, width, source)
            }
            .into())
        },
        "The text cut to a width from an offset on, with ellipses.",
    ),
    Entry::new(
        "plural",
        &[Type::String, Type::String, Type::Int],
        |_, args| Ok(text(args, usize::from(int(args, 2)? != 1))?.clone().into()),
        "The first text if the count is 1, else the second.",
    ),
];

const TRIM_ALL: Entry = Entry::new(
    "trimAll",
    TWO,
    |_, args| {
        let (cutset, source) = (string(args, 0)?, text(args, 1)?);
        Ok(trim_matches(source, |letter| cutset.contains(letter)).into())
    },
    "Removes all characters of a set around the text.",
);

impl From<&Text> for Cut<'_> {
    fn from(text: &Text) -> Self {
        Cut::Whole(text.clone())
    }
}

/// A part of a text, or all of it without a copy.
enum Cut<'a> {
    Whole(Text),
    Part(&'a [u8]),
}

impl From<Cut<'_>> for Text {
    fn from(cut: Cut<'_>) -> Self {
        match cut {
            Cut::Whole(text) => text,
            Cut::Part(bytes) => bytes.into(),
        }
    }
}

/// `part` of `whole` as a text; the very same one if nothing is missing.
fn shortened(whole: &Text, part: &str) -> Text {
    if part.len() == whole.len() {
        whole.clone()
    } else {
        part.into()
    }
}

fn trim(source: &Text) -> Text {
    trim_matches(source, char::is_whitespace)
}

/// The text without letters of a kind around it; a byte that is not UTF-8 counts as U+FFFD.
fn trim_matches(source: &Text, is_cut: impl Fn(char) -> bool) -> Text {
    if let Some(whole) = source.as_str() {
        return shortened(source, whole.trim_matches(is_cut));
    }
    let letters: Vec<(char, usize)> = source
        .as_bytes()
        .utf8_chunks()
        .flat_map(|chunk| {
            let valid = chunk.valid().chars();
            let valid = valid.map(|letter| (letter, letter.len_utf8()));
            let invalid = chunk.invalid().iter();
            valid.chain(invalid.map(|_| (char::REPLACEMENT_CHARACTER, 1)))
        })
        .collect();
    let cut = |letters: &mut dyn Iterator<Item = &(char, usize)>| -> usize {
        let cut = letters.take_while(|(letter, _)| is_cut(*letter));
        cut.map(|(_, bytes)| bytes).sum()
    };
    let start = cut(&mut letters.iter());
    if start == source.len() {
        return Text::default();
    }
    let end = source.len() - cut(&mut letters.iter().rev());
    source.as_bytes()[start..end].into()
}

fn without_prefix(prefix: &Text, source: &Text) -> Text {
    source
        .as_bytes()
        .strip_prefix(prefix.as_bytes())
        .map_or(Cut::from(source), Cut::Part)
        .into()
}

fn without_suffix(suffix: &Text, source: &Text) -> Text {
    source
        .as_bytes()
        .strip_suffix(suffix.as_bytes())
        .map_or(Cut::from(source), Cut::Part)
        .into()
}

/// Where `needle` first occurs.
fn find(haystack: &Text, needle: &Text) -> Option<usize> {
    if let (Some(haystack), Some(needle)) = (haystack.as_str(), needle.as_str()) {
        return haystack.find(needle);
    }
    position(haystack.as_bytes(), needle.as_bytes())
}

/// Where `needle` first occurs in bytes.
fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn replace(old: &Text, new: &Text, source: &Text) -> Result<Text, FunctionError> {
    if let (Some(old), Some(new), Some(whole)) = (old.as_str(), new.as_str(), source.as_str()) {
        let count = if old.is_empty() {
            whole.len() + 1
        } else {
            whole.len() / old.len()
        };
        if count.saturating_mul(new.len()).saturating_add(whole.len()) > MAX_TEXT {
            // An estimate from above; count before refusing.
            bounded(whole.len() + whole.matches(old).count().saturating_mul(new.len()))?;
        }
        return Ok(if !old.is_empty() && !whole.contains(old) {
            source.clone()
        } else {
            whole.replace(old, new).into()
        });
    }
    let parts = split(source, old, None);
    bounded(source.len() + parts.len().saturating_mul(new.len()))?;
    let parts: Vec<&[u8]> = parts.iter().map(Text::as_bytes).collect();
    Ok(parts.join(new.as_bytes()).into())
}

fn repeat(count: i64, source: &Text) -> Result<Text, FunctionError> {
    let count = usize::try_from(count).map_err(|_| "strings: negative Repeat count")?;
    bounded(source.len().saturating_mul(count))?;
    Ok(match source.as_str() {
        Some(whole) => whole.repeat(count).into(),
        None => source.as_bytes().repeat(count).into(),
    })
}

/// Refuses a text of more than [`MAX_TEXT`] bytes.
pub(super) fn bounded(length: usize) -> Result<(), FunctionError> {
    if length > MAX_TEXT {
        return Err(FunctionError::new(format!(
            "a text of {length} bytes exceeds the limit of {MAX_TEXT}"
        )));
    }
    Ok(())
}

fn truncate(length: i64, source: &Text) -> Text {
    let bytes = source.as_bytes();
    let size = bytes.len() as i64;
    if length < 0 && size.saturating_add(length) > 0 {
        bytes[(size + length) as usize..].into()
    } else if length >= 0 && size > length {
        bytes[..length as usize].into()
    } else {
        source.clone()
    }
}

fn substring(start: i64, end: i64, source: &Text) -> Result<Text, FunctionError> {
    let bytes = source.as_bytes();
    let size = bytes.len() as i64;
    let out_of_range = |range: String| {
        FunctionError::new(format!("runtime error: slice bounds out of range {range}"))
    };
    if start < 0 {
        return match end {
            ..0 => Err(out_of_range(format!("[:{end}]"))),
            _ if end > size => Err(out_of_range(format!("[:{end}] with length {size}"))),
            _ => Ok(bytes[..end as usize].into()),
        };
    }
    let end = if end < 0 || end > size { size } else { end };
    if start > end {
        return Err(out_of_range(format!("[{start}:{end}]")));
    }
    Ok(bytes[start as usize..end as usize].into())
}

/// `source` cut to `width` bytes from `offset` on; widths below 4 leave it as it is.
fn abbreviate(offset: i64, width: i64, source: &Text) -> Text {
    const DOTS: &[u8] = b"...";
    let bytes = source.as_bytes();
    let size = bytes.len() as i64;
    if width < 4 || size <= width {
        return source.clone();
    }
    let inner = width - 3;
    let offset = offset.min(size);
    let offset = if size - offset < inner {
        size - inner
    } else {
        offset
    };
    if offset <= 4 {
        return [&bytes[..inner as usize], DOTS].concat().into();
    }
    if offset + inner < size {
        let rest = abbreviate(0, inner, &bytes[offset as usize..].into());
        return [DOTS, rest.as_bytes()].concat().into();
    }
    [DOTS, &bytes[(size - inner) as usize..]].concat().into()
}

/// `strings.Split`, or `SplitN` with a limit: an empty separator splits into characters.
pub(super) fn split(source: &Text, separator: &Text, limit: Option<usize>) -> Vec<Text> {
    let limit = limit.unwrap_or(usize::MAX);
    if let (Some(whole), Some(separator)) = (source.as_str(), separator.as_str()) {
        if !separator.is_empty() {
            return whole.splitn(limit, separator).map(Text::from).collect();
        }
        let mut rest = whole;
        let mut parts = Vec::new();
        while let Some(letter) = rest.chars().next() {
            let end = if parts.len() + 1 >= limit {
                rest.len()
            } else {
                letter.len_utf8()
            };
            parts.push(rest[..end].into());
            rest = &rest[end..];
        }
        return parts;
    }
    split_bytes(source.as_bytes(), separator.as_bytes(), limit)
}

fn split_bytes(mut rest: &[u8], separator: &[u8], limit: usize) -> Vec<Text> {
    let mut parts = Vec::new();
    if separator.is_empty() {
        let chunks = rest.utf8_chunks().flat_map(|chunk| {
            let valid = chunk
                .valid()
                .chars()
                .map(|letter| letter.to_string().into_bytes());
            valid
                .chain(chunk.invalid().iter().map(|byte| vec![*byte]))
                .collect::<Vec<_>>()
        });
        let letters: Vec<Vec<u8>> = chunks.collect();
        let single = letters.len().min(limit.saturating_sub(1));
        parts.extend(
            letters[..single]
                .iter()
                .map(|letter| Text::from(&letter[..])),
        );
        if single < letters.len() {
            parts.push(letters[single..].concat().into());
        }
        return parts;
    }
    while parts.len() + 1 < limit
        && let Some(at) = position(rest, separator)
    {
        parts.push(rest[..at].into());
        rest = &rest[at + separator.len()..];
    }
    parts.push(rest.into());
    parts
}
