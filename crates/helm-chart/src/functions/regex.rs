//! Regular expressions. Patterns are Go's (RE2); see [`super::re2`].

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use go_text_template::{FunctionError, Text, Type, Value, fmt};

use regex::bytes::Match;

use super::arguments::{Answer, bytewise, int, text};
use super::entry::Entry;
use super::re2::Pattern;
use super::texts::string_list;

const TWO: &[Type] = &[Type::String, Type::String];
const TWO_AND_COUNT: &[Type] = &[Type::String, Type::String, Type::Int];
const THREE: &[Type] = &[Type::String, Type::String, Type::String];

/// How many compiled patterns a thread keeps.
const CACHED: usize = 64;

/// Regular expression functions. Without `must`, Go panics with the pattern in the text.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "regexMatch",
        TWO,
        |_, args| {
            Ok(compile(text(args, 0)?)
                .is_ok_and(|pattern| is_match(&pattern, args))
                .into())
        },
        "Whether the pattern occurs in the text; a bad pattern does not.",
    ),
    Entry::new(
        "mustRegexMatch",
        TWO,
        |_, args| Ok(is_match(&*compile(text(args, 0)?)?, args).into()),
        "Whether the pattern occurs in the text.",
    ),
    Entry::new(
        "regexFind",
        TWO,
        |_, args| find(&*panicking(args)?, args),
        "The first match, or an empty text.",
    ),
    Entry::new(
        "mustRegexFind",
        TWO,
        |_, args| find(&*must(args)?, args),
        "Like regexFind.",
    ),
    Entry::new(
        "regexFindAll",
        TWO_AND_COUNT,
        |_, args| find_all(&*panicking(args)?, args),
        "The matches, at most so many, all if negative.",
    ),
    Entry::new(
        "mustRegexFindAll",
        TWO_AND_COUNT,
        |_, args| find_all(&*must(args)?, args),
        "Like regexFindAll.",
    ),
    Entry::new(
        "regexReplaceAll",
        THREE,
        |_, args| replace_all(&*panicking(args)?, args, true),
        "The text with matches replaced; $1 and ${name} in the replacement stand for groups.",
    ),
    Entry::new(
        "mustRegexReplaceAll",
        THREE,
        |_, args| replace_all(&*must(args)?, args, true),
        "Like regexReplaceAll.",
    ),
    Entry::new(
        "regexReplaceAllLiteral",
        THREE,
        |_, args| replace_all(&*panicking(args)?, args, false),
        "The text with matches replaced by another text as it is.",
    ),
    Entry::new(
        "mustRegexReplaceAllLiteral",
        THREE,
        |_, args| replace_all(&*must(args)?, args, false),
        "Like regexReplaceAllLiteral.",
    ),
    Entry::new(
        "regexSplit",
        TWO_AND_COUNT,
        |_, args| split(&*panicking(args)?, args),
        "The parts between matches, at most so many, all if negative.",
    ),
    Entry::new(
        "mustRegexSplit",
        TWO_AND_COUNT,
        |_, args| split(&*must(args)?, args),
        "Like regexSplit.",
    ),
    Entry::new(
        "regexQuoteMeta",
        &[Type::String],
        |_, args| Ok(bytewise(text(args, 0)?, quote_meta).into()),
        "The text with all characters escaped that mean something in a pattern.",
    ),
];

fn quote_meta(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    for letter in source.chars() {
        if r"\.+*?()|[]{}^$".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

thread_local! {
    /// Templates use few patterns, again and again.
    static COMPILED: RefCell<HashMap<Text, Rc<Pattern>>> = RefCell::default();
}

fn compile(pattern: &Text) -> Result<Rc<Pattern>, String> {
    if let Some(known) = COMPILED.with_borrow(|compiled| compiled.get(pattern).cloned()) {
        return Ok(known);
    }
    let source = pattern.as_str().ok_or_else(|| {
        // Go quotes the pattern from the first damaged letter on.
        let valid = pattern.as_bytes().utf8_chunks().next();
        let start = valid.map_or(0, |chunk| chunk.valid().len());
        let rest = Text::from(&pattern.as_bytes()[start..]);
        format!("error parsing regexp: invalid UTF-8: `{rest}`")
    })?;
    let fresh = Rc::new(Pattern::compile(source)?);
    COMPILED.with_borrow_mut(|compiled| {
        if compiled.len() >= CACHED {
            compiled.clear();
        }
        compiled.insert(pattern.clone(), Rc::clone(&fresh));
    });
    Ok(fresh)
}

fn must(args: &[Value]) -> Result<Rc<Pattern>, FunctionError> {
    Ok(compile(text(args, 0)?)?)
}

/// Like [`must`], with the words of Go's `regexp.MustCompile`.
fn panicking(args: &[Value]) -> Result<Rc<Pattern>, FunctionError> {
    let pattern = text(args, 0)?;
    compile(pattern).map_err(|error| {
        let plain = |letter: char| {
            !matches!(letter, '`' | '\u{7f}' | '\u{feff}') && (letter >= ' ' || letter == '\t')
        };
        let quoted = match pattern.as_str() {
            Some(source) if source.chars().all(plain) => format!("`{source}`"),
            _ => fmt::quote(pattern.as_bytes()),
        };
        FunctionError::new(format!("regexp: Compile({quoted}): {error}"))
    })
}

/// A text as patterns see it: a byte that is not UTF-8 is the letter U+FFFD.
struct Subject<'s> {
    source: &'s [u8],
    seen: Cow<'s, [u8]>,
    /// Where such letters end in what is seen.
    damaged: Vec<usize>,
}

impl<'s> Subject<'s> {
    fn of(source: &'s Text) -> Self {
        let bytes = source.as_bytes();
        if source.as_str().is_some() {
            return Self {
                source: bytes,
                seen: Cow::Borrowed(bytes),
                damaged: Vec::new(),
            };
        }
        let (mut seen, mut damaged) = (Vec::new(), Vec::new());
        for chunk in bytes.utf8_chunks() {
            seen.extend_from_slice(chunk.valid().as_bytes());
            for _ in chunk.invalid() {
                seen.extend_from_slice("\u{fffd}".as_bytes());
                damaged.push(seen.len());
            }
        }
        Self {
            source: bytes,
            seen: Cow::Owned(seen),
            damaged,
        }
    }

    /// Where in the source a position of what is seen lies.
    fn at(&self, position: usize) -> usize {
        let before = self.damaged.partition_point(|end| *end <= position);
        position - before * (char::REPLACEMENT_CHARACTER.len_utf8() - 1)
    }

    /// The source's bytes of a match.
    fn bytes(&self, found: &Match<'_>) -> &'s [u8] {
        &self.source[self.at(found.start())..self.at(found.end())]
    }

    /// All matches. Go steps by letters, so that no empty match is within one.
    fn matches<'p>(&'p self, pattern: &'p Pattern) -> impl Iterator<Item = Match<'p>> {
        let found = pattern.regex.find_iter(&self.seen);
        found.filter(|found| is_between_letters(&self.seen, found))
    }
}

fn is_match(pattern: &Pattern, args: &[Value]) -> bool {
    text(args, 1).is_ok_and(|source| pattern.regex.is_match(&Subject::of(source).seen))
}

fn find(pattern: &Pattern, args: &[Value]) -> Answer {
    let subject = Subject::of(text(args, 1)?);
    let found = subject.matches(pattern).next();
    Ok(found
        .map_or_else(Text::default, |found| subject.bytes(&found).into())
        .into())
}

/// Whether a match is not an empty one within a UTF-8 sequence. A damaged sequence is as many
/// letters as it has bytes.
fn is_between_letters(source: &[u8], found: &Match<'_>) -> bool {
    const LONGEST: usize = 4;
    let at = found.start();
    let continues = |at: usize| source.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    if !found.is_empty() || !continues(at) {
        return true;
    }
    let Some(start) = (at.saturating_sub(LONGEST - 1)..at)
        .rev()
        .find(|start| !continues(*start))
    else {
        return true;
    };
    let within = |end: usize| {
        let sequence = source.get(start..end).map(std::str::from_utf8);
        matches!(sequence, Some(Ok(letter)) if letter.chars().nth(1).is_none())
    };
    !(at + 1..=start + LONGEST).any(within)
}

/// Negative counts mean all.
fn limit(args: &[Value]) -> Result<usize, FunctionError> {
    Ok(usize::try_from(int(args, 2)?).unwrap_or(usize::MAX))
}

fn find_all(pattern: &Pattern, args: &[Value]) -> Answer {
    let subject = Subject::of(text(args, 1)?);
    let found = subject.matches(pattern).take(limit(args)?);
    let texts: Vec<Text> = found.map(|found| subject.bytes(&found).into()).collect();
    let none = texts.is_empty();
    Ok(string_list(texts, none))
}

fn split(pattern: &Pattern, args: &[Value]) -> Answer {
    let limit = limit(args)?;
    if limit == 0 {
        return Ok(string_list(Vec::new(), true));
    }
    let subject = Subject::of(text(args, 1)?);
    let source = subject.source;
    let pattern_is_empty = text(args, 0)?.is_empty();
    if source.is_empty() && !pattern_is_empty {
        return Ok(Value::strings([""]));
    }
    let (mut parts, mut begin, mut end) = (Vec::<Text>::new(), 0, 0);
    for found in subject.matches(pattern).take(limit) {
        if parts.len() + 1 >= limit {
            break;
        }
        end = subject.at(found.start());
        if found.end() != 0 {
            parts.push(source[begin..end].into());
        }
        begin = subject.at(found.end());
    }
    if end != source.len() {
        parts.push(source[begin..].into());
    }
    Ok(Value::strings(parts))
}

fn replace_all(pattern: &Pattern, args: &[Value], expand: bool) -> Answer {
    let (source, replacement) = (text(args, 1)?, text(args, 2)?);
    let subject = Subject::of(source);
    let template = replacement.as_bytes();
    let expand = expand && template.contains(&b'$');
    let mut out = Vec::with_capacity(source.len());
    let mut done = 0;
    for groups in pattern.regex.captures_iter(&subject.seen) {
        let Some(whole) = groups.get(0) else { continue };
        if !is_between_letters(&subject.seen, &whole) {
            continue;
        }
        out.extend_from_slice(&source.as_bytes()[done..subject.at(whole.start())]);
        if expand {
            expand_into(&mut out, template, |name| {
                let group = pattern.group(name).and_then(|group| groups.get(group));
                group.map_or(&b""[..], |group| subject.bytes(&group))
            });
        } else {
            out.extend_from_slice(template);
        }
        super::strings::bounded(out.len())?;
        done = subject.at(whole.end());
    }
    if done == 0 && out.is_empty() {
        return Ok(source.clone().into());
    }
    out.extend_from_slice(&source.as_bytes()[done..]);
    Ok(Text::from(out).into())
}

/// Copies a replacement with `$name`, `${name}` and `$$` resolved. A name is as long as it can be,
/// so `$1W` is the group called "1W"; what is no name stays as it is.
fn expand_into<'m>(out: &mut Vec<u8>, template: &[u8], group: impl Fn(&str) -> &'m [u8]) {
    let mut rest = template;
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        out.extend_from_slice(&rest[..at]);
        let after = &rest[at + 1..];
        let readable = after.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        if let Some(next) = after.strip_prefix(b"$") {
            out.push(b'$');
            rest = next;
        } else if let Some((name, next)) = reference(readable) {
            out.extend_from_slice(group(name));
            rest = &after[readable.len() - next.len()..];
        } else {
            out.push(b'$');
            rest = after;
        }
    }
    out.extend_from_slice(rest);
}

fn reference(text: &str) -> Option<(&str, &str)> {
    let (braced, body) = match text.strip_prefix('{') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let end = body
        .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .unwrap_or(body.len());
    let (name, rest) = body.split_at(end);
    if name.is_empty() {
        return None;
    }
    if braced {
        rest.strip_prefix('}').map(|rest| (name, rest))
    } else {
        Some((name, rest))
    }
}
