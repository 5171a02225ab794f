//! Regular expressions. Patterns are Go's (RE2); see [`super::re2`].

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use go_text_template::{FunctionError, Text, Type, Value, fmt};

use regex::bytes::Match;

use super::arguments::{Answer, int, string, text};
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
        |_, args| {
            let mut out = String::new();
            for letter in string(args, 0)?.chars() {
                if r"\.+*?()|[]{}^$".contains(letter) {
                    out.push('\\');
                }
                out.push(letter);
            }
            Ok(out.into())
        },
        "The text with all characters escaped that mean something in a pattern.",
    ),
];

thread_local! {
    /// Templates use few patterns, again and again.
    static COMPILED: RefCell<HashMap<Text, Rc<Pattern>>> = RefCell::default();
}

fn compile(pattern: &Text) -> Result<Rc<Pattern>, String> {
    if let Some(known) = COMPILED.with_borrow(|compiled| compiled.get(pattern).cloned()) {
        return Ok(known);
    }
    let source = pattern.as_str().ok_or_else(|| {
        let source = pattern.to_str();
        format!("error parsing regexp: invalid UTF-8: `{source}`")
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
        let plain =
            |letter: char| letter != '`' && letter != '\u{7f}' && (letter >= ' ' || letter == '\t');
        let quoted = match pattern.as_str() {
            Some(source) if source.chars().all(plain) => format!("`{source}`"),
            _ => fmt::quote(pattern.as_bytes()),
        };
        FunctionError::new(format!("regexp: Compile({quoted}): {error}"))
    })
}

fn is_match(pattern: &Pattern, args: &[Value]) -> bool {
    text(args, 1).is_ok_and(|source| pattern.regex.is_match(source.as_bytes()))
}

fn find(pattern: &Pattern, args: &[Value]) -> Answer {
    let found = matches(pattern, text(args, 1)?.as_bytes()).next();
    Ok(found
        .map_or_else(Text::default, |found| found.as_bytes().into())
        .into())
}

/// All matches. Go steps by letters, so that no empty match is within one.
fn matches<'s>(pattern: &Pattern, source: &'s [u8]) -> impl Iterator<Item = Match<'s>> {
    pattern
        .regex
        .find_iter(source)
        .filter(move |found| is_between_letters(source, found))
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
    let found = matches(pattern, text(args, 1)?.as_bytes()).take(limit(args)?);
    let texts: Vec<Text> = found.map(|found| found.as_bytes().into()).collect();
    let none = texts.is_empty();
    Ok(string_list(texts, none))
}

fn split(pattern: &Pattern, args: &[Value]) -> Answer {
    let limit = limit(args)?;
    if limit == 0 {
        return Ok(string_list(Vec::new(), true));
    }
    let source = text(args, 1)?.as_bytes();
    let pattern_is_empty = text(args, 0)?.is_empty();
    if source.is_empty() && !pattern_is_empty {
        return Ok(Value::strings([""]));
    }
    let (mut parts, mut begin, mut end) = (Vec::<Text>::new(), 0, 0);
    for found in matches(pattern, source).take(limit) {
        if parts.len() + 1 >= limit {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            parts.push(source[begin..end].into());
        }
        begin = found.end();
    }
    if end != source.len() {
        parts.push(source[begin..].into());
    }
    Ok(Value::strings(parts))
}

fn replace_all(pattern: &Pattern, args: &[Value], expand: bool) -> Answer {
    let (source, replacement) = (text(args, 1)?, text(args, 2)?);
    let template = replacement.to_str();
    let expand = expand && template.contains('$');
    let mut out = Vec::with_capacity(source.len());
    let mut done = 0;
    for groups in pattern.regex.captures_iter(source.as_bytes()) {
        let Some(whole) = groups.get(0) else { continue };
        if !is_between_letters(source.as_bytes(), &whole) {
            continue;
        }
        out.extend_from_slice(&source.as_bytes()[done..whole.start()]);
        if expand {
            expand_into(&mut out, &template, |name| {
                pattern.group(name).and_then(|group| groups.get(group))
            });
        } else {
            out.extend_from_slice(replacement.as_bytes());
        }
        super::strings::bounded(out.len())?;
        done = whole.end();
    }
    if done == 0 && out.is_empty() {
        return Ok(source.clone().into());
    }
    out.extend_from_slice(&source.as_bytes()[done..]);
    Ok(Text::from(out).into())
}

/// Copies a replacement with `$name`, `${name}` and `$$` resolved. A name is as long as it can be,
/// so `$1W` is the group called "1W"; what is no name stays as it is.
fn expand_into<'m>(
    out: &mut Vec<u8>,
    template: &str,
    group: impl Fn(&str) -> Option<regex::bytes::Match<'m>>,
) {
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let after = &rest[at + 1..];
        if let Some(next) = after.strip_prefix('$') {
            out.push(b'$');
            rest = next;
        } else if let Some((name, next)) = reference(after) {
            out.extend_from_slice(group(name).map_or(&b""[..], |found| found.as_bytes()));
            rest = next;
        } else {
            out.push(b'$');
            rest = after;
        }
    }
    out.extend_from_slice(rest.as_bytes());
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
