//! The YAML that charts mostly hold and render: a key or an item a line, scalars on one line, folded
//! over several, or in a block. It goes from text to values in one pass, without tokens and nodes.
//!
//! Owns a part of the language in which it agrees with the full reader to the letter. Refuses, with
//! `None`, all that is rare, ambiguous or wrong: that is the full reader's, and so is every error.

mod scalars;

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::fields::Fields;
use super::resolve::{Resolved, resolve};
use super::scanner::contains_control;
use crate::tree::{Builder, ExactNumbers};

/// Deeper documents are the full reader's, which knows where the limit is.
const MAX_DEPTH: usize = 64;
/// Longer keys are the full reader's, for the same reason.
const MAX_KEY: usize = 256;

/// Reads a text as [`parse_with`](super::parse_with) does; `None` if it is not so simple.
pub(super) fn read<B: Builder>(text: &str, builder: &mut B) -> Option<B::Output> {
    let mut lines = Lines::new(text)?;
    if lines.is_done() {
        return Some(builder.null());
    }
    let value = lines.node(&mut Built(builder))?;
    lines.is_done().then_some(value)
}

/// Reads a mapping as [`parse_fields`](super::parse_fields) does; `None` if it is not so simple.
pub(super) fn read_fields(text: &str, names: &[&str]) -> Option<Fields> {
    let lines = Lines::new(text)?;
    match lines.column {
        Some(column) => lines.fields(column, names),
        None => Some(Fields::from(Value::Null)),
    }
}

/// Reads a mapping of which it is known how it ends: with the `rest` of another one that was read as
/// [`Fields`]. `None` if it is not so simple, or ends otherwise.
pub(super) fn read_fields_before(text: &str, names: &[&str], rest: &str) -> Option<Fields> {
    // A key at the beginning of a line ends whatever comes before it, so that what both parts say
    // together is what they say apart.
    let before = text.strip_suffix(rest)?;
    let lines = Lines::new(before)?;
    let column = lines.column.filter(|column| *column == 0)?;
    let fields = lines.fields(column, names)?;
    before.ends_with('\n').then_some(Fields {
        rest: Some(before.len()),
        ..fields
    })
}

/// What becomes of the values that are read.
trait Keep<'a> {
    type Value;
    type Items: Default;
    type Entries: Default;

    fn null(&mut self) -> Self::Value;
    /// A scalar whose text decides its type; `None` if JSON cannot express it.
    fn plain(&mut self, text: &'a str) -> Option<Self::Value>;
    fn text(&mut self, text: impl FnOnce() -> Cow<'a, str>) -> Self::Value;
    fn add(items: &mut Self::Items, value: Self::Value);
    fn list(&mut self, items: Self::Items) -> Self::Value;
    fn enter(entries: &mut Self::Entries, key: Cow<'a, str>, value: Self::Value);
    fn map(&mut self, entries: Self::Entries) -> Self::Value;
}

/// Values are built.
struct Built<'b, B>(&'b mut B);

impl<'a, B: Builder> Keep<'a> for Built<'_, B> {
    type Value = B::Output;
    type Items = Vec<B::Output>;
    type Entries = Vec<(Cow<'a, str>, B::Output)>;

    fn null(&mut self) -> B::Output {
        self.0.null()
    }

    fn plain(&mut self, text: &'a str) -> Option<B::Output> {
        Some(match resolve(text) {
            Resolved::Null => self.0.null(),
            Resolved::Bool(value) => self.0.boolean(value),
            Resolved::Int(value) => self.0.int(value),
            Resolved::Uint(value) => self.0.uint(value),
            Resolved::Float(value) if value.is_finite() => self.0.float(value),
            Resolved::Float(_) => return None,
            Resolved::Text | Resolved::Timestamp | Resolved::Merge => {
                self.0.string(Cow::Borrowed(text))
            }
        })
    }

    fn text(&mut self, text: impl FnOnce() -> Cow<'a, str>) -> B::Output {
        self.0.string(text())
    }

    fn add(items: &mut Self::Items, value: B::Output) {
        items.push(value);
    }

    fn list(&mut self, items: Self::Items) -> B::Output {
        self.0.list(items)
    }

    fn enter(entries: &mut Self::Entries, key: Cow<'a, str>, value: B::Output) {
        entries.push((key, value));
    }

    fn map(&mut self, entries: Self::Entries) -> B::Output {
        self.0.map(entries)
    }
}

/// Values are looked at and forgotten.
struct Checked;

impl<'a> Keep<'a> for Checked {
    type Value = ();
    type Items = ();
    type Entries = ();

    fn null(&mut self) {}

    fn plain(&mut self, text: &'a str) -> Option<()> {
        // Only what has such a beginning can be infinite or no number.
        let suspicious = matches!(text.as_bytes(), [b'.', ..] | [b'+' | b'-', b'.', ..]);
        let beyond = |text| matches!(resolve(text), Resolved::Float(value) if !value.is_finite());
        (!suspicious || !beyond(text)).then_some(())
    }

    fn text(&mut self, _: impl FnOnce() -> Cow<'a, str>) {}
    fn add((): &mut (), (): ()) {}
    fn list(&mut self, (): ()) {}
    fn enter((): &mut (), _: Cow<'a, str>, (): ()) {}
    fn map(&mut self, (): ()) {}
}

/// A place in a text: the first character of what a line says, or somewhere behind it.
struct Lines<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Where the line begins to say something; `None` at the end of the text.
    column: Option<usize>,
    depth: usize,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Option<Self> {
        let mut lines = Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            column: None,
            depth: 0,
        };
        if contains_control(text) || has_other_breaks(text) {
            return None;
        }
        lines.begin_line(lines.behind_first_border())?;
        Some(lines)
    }

    /// Where the document begins: behind the border that may be the first line which says something.
    fn behind_first_border(&self) -> usize {
        let mut start = 0;
        loop {
            let at = self.skip_spaces(start);
            match self.byte(at) {
                Some(b'\n') => start = at + 1,
                Some(b'#') => start = self.line_end(at) + 1,
                Some(b'-') if at == start && self.bytes[at..].starts_with(b"---") => {
                    let end = self.skip_spaces(at + 3);
                    let is_border = matches!(self.byte(end), None | Some(b'\n'));
                    return if is_border { end } else { 0 };
                }
                _ => return 0,
            }
        }
    }

    fn is_done(&self) -> bool {
        self.column.is_none()
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn is_blank_or_end(&self, at: usize) -> bool {
        matches!(self.byte(at), None | Some(b' ' | b'\t' | b'\n'))
    }

    fn skip_spaces(&self, from: usize) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
        from + spaces
    }

    /// Where the line ends: at its break, or at the end of the text.
    fn line_end(&self, from: usize) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        memchr::memchr(b'\n', rest).map_or(self.bytes.len(), |at| from + at)
    }

    /// Goes to the first line from `start` that says something.
    fn begin_line(&mut self, mut start: usize) -> Option<()> {
        loop {
            let at = self.skip_spaces(start);
            let column = at - start;
            match self.byte(at) {
                None => {
                    (self.at, self.column) = (at, None);
                    return Some(());
                }
                Some(b'\n') => start = at + 1,
                Some(b'#') => start = self.line_end(at) + 1,
                Some(b'\t') => return None,
                Some(b'-' | b'.' | b'%') if column == 0 && self.is_marker(at) => return None,
                Some(_) => {
                    (self.at, self.column) = (at, Some(column));
                    return Some(());
                }
            }
        }
    }

    /// Whether a directive or the border of a document is here.
    fn is_marker(&self, at: usize) -> bool {
        let rest = &self.bytes[at..];
        rest.starts_with(b"%") || rest.starts_with(b"---") || rest.starts_with(b"...")
    }

    /// Goes on to the next line; nothing but a comment may follow on this one.
    fn end_line(&mut self, from: usize) -> Option<()> {
        let at = self.skip_spaces(from);
        match self.byte(at) {
            None | Some(b'\n') => {}
            Some(b'#') if at > from => {}
            Some(_) => return None,
        }
        self.begin_line(self.line_end(at) + 1)
    }

    /// The mapping that is the document.
    fn fields(mut self, column: usize, names: &[&str]) -> Option<Fields> {
        let mut fields = Map::new();
        let mut rest = None;
        while !self.is_done() {
            let start = self.at;
            let key = self.key()?;
            if names.contains(&&*key) {
                let value = self.value(&mut Built(&mut ExactNumbers), column, true)?;
                fields.insert(key.into_owned(), value);
                rest = None;
            } else {
                rest.get_or_insert(start);
                self.value(&mut Checked, column, true)?;
            }
            if self.column.is_some_and(|next| next != column) {
                return None;
            }
        }
        Some(Fields {
            value: Value::Object(fields),
            rest: rest.filter(|_| column == 0),
        })
    }

    fn is_item(&self) -> bool {
        self.byte(self.at) == Some(b'-') && self.is_blank_or_end(self.at + 1)
    }

    /// A collection that begins on this line.
    fn node<K: Keep<'a>>(&mut self, keep: &mut K) -> Option<K::Value> {
        let column = self.column?;
        if self.is_item() {
            self.sequence(keep, column, false)
        } else if matches!(self.byte(self.at), Some(b'[' | b'{')) {
            self.scalar(keep, self.at, column)
        } else {
            let key = self.key()?;
            self.mapping(keep, column, key)
        }
    }

    /// A key and its colon; nothing is taken if it is none.
    fn key(&mut self) -> Option<Cow<'a, str>> {
        let first = self.byte(self.at)?;
        let (key, end) = if matches!(first, b'"' | b'\'') {
            self.quoted(self.at, first)?
        } else {
            let end = self.plain_key_end()?;
            let key = &self.text[self.at..end];
            if !matches!(resolve(key), Resolved::Text | Resolved::Timestamp) {
                return None;
            }
            (Cow::Borrowed(key), end)
        };
        let is_key = self.byte(end) == Some(b':')
            && self.is_blank_or_end(end + 1)
            && end - self.at <= MAX_KEY;
        is_key.then(|| {
            self.at = end + 1;
            key
        })
    }

    fn plain_key_end(&self) -> Option<usize> {
        let starts = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/');
        self.byte(self.at).filter(|byte| starts(*byte))?;
        let mut end = self.at;
        loop {
            match self.byte(end)? {
                b' ' | b'\t' | b'\n' => return None,
                b':' if self.is_blank_or_end(end + 1) => return Some(end),
                _ => end += 1,
            }
        }
    }

    /// The rest of a mapping, from behind its first key.
    fn mapping<K: Keep<'a>>(
        &mut self,
        keep: &mut K,
        column: usize,
        mut key: Cow<'a, str>,
    ) -> Option<K::Value> {
        self.deeper(|lines| {
            let mut entries = K::Entries::default();
            loop {
                let value = lines.value(keep, column, true)?;
                K::enter(&mut entries, key, value);
                match lines.column {
                    Some(next) if next > column => return None,
                    Some(next) if next == column => key = lines.key()?,
                    _ => return Some(keep.map(entries)),
                }
            }
        })
    }

    /// A sequence, from its first dash. One without indentation stands at the column of the mapping
    /// it is in, and ends where that goes on.
    fn sequence<K: Keep<'a>>(
        &mut self,
        keep: &mut K,
        column: usize,
        without_indentation: bool,
    ) -> Option<K::Value> {
        self.deeper(|lines| {
            let mut items = K::Items::default();
            loop {
                let item = lines.item(keep, column)?;
                K::add(&mut items, item);
                match lines.column {
                    Some(next) if next > column => return None,
                    Some(next) if next == column && lines.is_item() => {}
                    Some(next) if next == column && !without_indentation => return None,
                    _ => return Some(keep.list(items)),
                }
            }
        })
    }

    /// What follows a dash; `column` is the dash's.
    fn item<K: Keep<'a>>(&mut self, keep: &mut K, column: usize) -> Option<K::Value> {
        let dash = self.at;
        self.at = self.skip_spaces(dash + 1);
        let inner = column + (self.at - dash);
        if self.is_item() {
            return self.sequence(keep, inner, false);
        }
        match self.key() {
            Some(key) => self.mapping(keep, inner, key),
            None => self.value(keep, column, false),
        }
    }

    /// What follows a key or a dash: a scalar on this line or the next, or a collection on the next
    /// ones. Goes to the line after it. `column` is that of the key or dash.
    fn value<K: Keep<'a>>(
        &mut self,
        keep: &mut K,
        column: usize,
        of_key: bool,
    ) -> Option<K::Value> {
        let at = self.skip_spaces(self.at);
        if !matches!(self.byte(at), None | Some(b'\n' | b'#')) {
            return self.scalar(keep, at, column);
        }
        self.end_line(self.at)?;
        match self.column {
            Some(next) if next > column && self.is_item() => self.sequence(keep, next, false),
            Some(next) if next > column => match self.key() {
                Some(key) => self.mapping(keep, next, key),
                None => self.scalar(keep, self.at, column),
            },
            Some(next) if next == column && of_key && self.is_item() => {
                self.sequence(keep, column, true)
            }
            _ => Some(keep.null()),
        }
    }

    /// A scalar or a flow collection that ends on its line; goes to the line after it. `column` is
    /// that of the key or dash before it.
    fn scalar<K: Keep<'a>>(&mut self, keep: &mut K, at: usize, column: usize) -> Option<K::Value> {
        let value = match self.byte(at) {
            None => return None,
            Some(b'|' | b'>') => return self.block(keep, at, column),
            Some(b'\'') => {
                let (text, end) = self
                    .quoted(at, b'\'')
                    .or_else(|| self.single_quoted_lines(at + 1))?;
                self.end_line(end)?;
                keep.text(|| text)
            }
            Some(b'"') => {
                let (text, end) = self.quoted(at, b'"')?;
                self.end_line(end)?;
                keep.text(|| text)
            }
            Some(b'[') => {
                let (items, end) = self.flow_items(keep, at)?;
                self.end_line(end)?;
                keep.list(items)
            }
            Some(b'{') => {
                let end = self.skip_spaces(at + 1);
                self.byte(end).filter(|byte| *byte == b'}')?;
                self.end_line(end + 1)?;
                keep.map(K::Entries::default())
            }
            Some(_) => {
                let end = self.plain_end(at)?;
                self.begin_line(self.line_end(end) + 1)?;
                if self.column.is_some_and(|next| next > column) {
                    let text = self.folded_plain(at, end, column)?;
                    keep.text(|| Cow::Owned(text))
                } else {
                    keep.plain(&self.text[at..end])?
                }
            }
        };
        // What stands deeper would belong to the scalar.
        self.column
            .is_none_or(|next| next <= column)
            .then_some(value)
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let value = read(self);
        self.depth -= 1;
        value
    }
}

/// Whether a text has line breaks that are not `\n`, or a mark of its byte order.
fn has_other_breaks(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_break = |at: usize| {
        matches!(
            bytes[at..],
            [b'\r', ..] | [0xC2, 0x85, ..] | [0xE2, 0x80, 0xA8 | 0xA9, ..]
        )
    };
    text.starts_with('\u{FEFF}') || memchr::memchr3_iter(b'\r', 0xC2, 0xE2, bytes).any(is_break)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{read, read_fields, read_fields_before};
    use crate::tree::ExactNumbers;
    use crate::yaml::fields::parse_fields_of_whole_language;
    use crate::yaml::read::parse_whole_language;

    const NAMES: &[&str] = &["a", "b"];

    fn simple(text: &str) -> Option<Value> {
        read(text, &mut ExactNumbers)
    }

    #[test]
    fn what_charts_hold_is_simple() {
        let text = "# Source\nkind: A # why\nmetadata:\n  name: x-1\n  labels: {}\n  \"n\": '1'\n\nspec:\n- a: 1\n  b:\n    - c\n    - \"d \\\"e\\n\"\n-\n- - 1.5\n  - [x, \"y\", true]\nscript: |-\n\n  one\n\t  two\n  three\n\nnone:\nlast: http://x:80/?a=b#c  \n";
        let text = text.replace("\n\t", "\n  ");
        let wanted = json!({
            "kind": "A", "metadata": {"name": "x-1", "labels": {}, "n": "1"},
            "spec": [{"a": 1, "b": ["c", "d \"e\n"]}, null, [1.5, ["x", "y", true]]],
            "script": "\none\n  two\nthree", "none": null, "last": "http://x:80/?a=b#c",
        });
        assert_eq!(simple(&text), Some(wanted));
        let fields = read_fields(&text, &["kind", "metadata"]).unwrap();
        assert_eq!(
            fields.value,
            json!({"kind": "A", "metadata": {"name": "x-1", "labels": {}, "n": "1"}})
        );
    }

    #[test]
    fn what_is_folded_is_simple() {
        let text = "# why\n---\na: one\n  two:three#four  \n\n\n   'five'\nb:\n- 'it''s \n\n  - a'\n-\n  x\n  - y\nc: 1\n  2\nd: ''\n";
        let wanted = json!({
            "a": "one two:three#four\n\n'five'", "b": ["it's\n- a", "x - y"], "c": "1 2", "d": "",
        });
        assert_eq!(simple(text), Some(wanted.clone()));
        assert_eq!(parse_whole_language(text, &mut ExactNumbers), Ok(wanted));
        for (text, wanted) in [
            ("{}", json!({})),
            ("---\n[a, b]\n", json!(["a", "b"])),
            ("---", json!(null)),
        ] {
            assert_eq!(simple(text), Some(wanted), "{text}");
        }
    }

    #[test]
    #[ignore = "needs the official charts in AKS_AIRFLOW_SHARED"]
    fn nearly_all_that_the_official_charts_render_is_simple() {
        let shared = std::env::var("AKS_AIRFLOW_SHARED").unwrap();
        for name in ["airflow-1.15.0", "external-secrets-2.9.0"] {
            let archive = std::fs::read(format!("{shared}/charts/{name}.tgz")).unwrap();
            let chart = crate::Chart::from_archive(&archive).unwrap();
            let release = crate::Release::install("r", "airflow");
            let (values, environment) = (crate::Values::default(), crate::Environment::sealed());
            let rendered = chart.render(&release, &values, &environment).unwrap();
            let texts = rendered
                .manifests()
                .iter()
                .map(crate::manifest::Manifest::text);
            let (read, left): (Vec<&str>, Vec<&str>) =
                texts.partition(|text| read_fields(text, NAMES).is_some());
            assert!(left.len() * 20 <= read.len(), "{name}: {left:#?}");
        }
    }

    #[test]
    fn what_is_rare_or_wrong_is_left_to_the_full_reader() {
        for text in [
            "a",
            "a: b\n  c: d",
            "a: b\n  # c\n  d",
            "a: b # c\n  d",
            "a: b\n\tc",
            "a: b: c",
            "a: &x 1",
            "a: *x",
            "<<: 1",
            "y: 1",
            "a: >2\n  x",
            "a: |2\n  x",
            "a: |\n",
            "a: |\n   \n  x",
            "a: .inf",
            "a: [b, c: d]",
            "a: {b: c}",
            "a: \"b",
            "a: 'b''",
            "a: \"b\n  c\"",
            "'a\n  b': c",
            "a: 'b\n---\nc'",
            "a:\tb",
            "a: b\r\n",
            "a: 1\n---\nb: 1",
            "--- a: 1",
            " ---\na: 1",
            "%YAML 1.1\n---\na: 1",
            "a: 1\n b: 2",
            "- a\nb: 1",
            " a: 1\nb: 1",
            "a: \u{85}b",
        ] {
            assert_eq!(simple(text), None, "{text:?}");
        }
    }

    /// A line or the beginning of one, with what makes lines hard to read.
    fn line() -> impl Strategy<Value = String> {
        let indent =
            prop_oneof![4 => Just(0_usize), 3 => Just(2), 1 => Just(1), 2 => Just(4), 1 => Just(3)];
        let part = prop_oneof![
            4 => Just("a:"), 4 => Just("b: "), 2 => Just("- "), 2 => Just("-"), 1 => Just("|"), 1 => Just("|-"),
            1 => Just("|+"), 1 => Just(">"), 1 => Just(">-"), 1 => Just(">+"), 3 => Just("x"), 1 => Just("1"), 1 => Just(" # c"), 1 => Just("#"), 1 => Just("\"q\""),
            1 => Just("'s'"), 1 => Just("'s''t'"), 1 => Just("'\\\\'"), 1 => Just("''"), 1 => Just("—"), 1 => Just("[x, \"y\"]"), 1 => Just("{}"), 1 => Just(" "), 1 => Just("true"),
            1 => Just(".inf"), 1 => Just("\t"), 1 => Just("\"\\n\\\\\""), 1 => Just("'"), 1 => Just(":"), 1 => Just("'o "), 1 => Just(" p'"), 1 => Just("[]"),
            1 => Just("---"), 1 => Just("\u{85}"), 1 => Just("é"), 1 => Just("~"), 1 => Just("&x"), 1 => Just("c: d"),
        ];
        (indent, prop::collection::vec(part, 0..4))
            .prop_map(|(indent, parts)| " ".repeat(indent) + &parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn what_is_simple_reads_as_the_whole_language(
            lines in prop::collection::vec(line(), 1..9),
            last in prop::sample::select(vec!["", "\n", "\n\n", "\n  "]),
        ) {
            let text = lines.join("\n") + last;
            if let Some(value) = simple(&text) {
                prop_assert_eq!(parse_whole_language(&text, &mut ExactNumbers), Ok(value), "{:?}", text);
            }
            if let Some(fields) = read_fields(&text, NAMES) {
                let wanted = parse_fields_of_whole_language(&text, NAMES);
                prop_assert_eq!(wanted, Ok(fields.value), "{:?}", text);
            }
        }

        #[test]
        fn a_text_with_a_known_end_reads_as_the_whole_language(
            one in prop::collection::vec(line(), 0..4),
            other in prop::collection::vec(line(), 0..5),
            rest in prop::collection::vec(line(), 0..4),
            key in prop::sample::select(vec!["a:", "c: |-", "c: x", "c:"]),
        ) {
            let end = [&[key.to_owned()], &rest[..]].concat().join("\n");
            let [one, other] = [one, other].map(|lines| lines.join("\n") + "\n" + &end);
            let Some(start) = read_fields(&one, NAMES).and_then(|fields| fields.rest) else {
                return Ok(());
            };
            if let Some(fields) = read_fields_before(&other, NAMES, &one[start..]) {
                let wanted = parse_fields_of_whole_language(&other, NAMES);
                prop_assert_eq!(wanted, Ok(fields.value), "{:?}", other);
                prop_assert_eq!(read_fields(&other, NAMES).map(|fields| fields.rest.is_some()), Some(true));
            }
        }
    }
}
