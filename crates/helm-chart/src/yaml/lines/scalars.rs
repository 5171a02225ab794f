//! Scalars on one line, plain ones and those in single quotes that are folded over several, and blocks.
//! Refuses folding in double quotes, and escapes that are not plain.

use std::borrow::Cow;

use super::{Keep, Lines};

impl<'a> Lines<'a> {
    /// The end of a plain scalar on this line, without the blanks after it.
    pub(super) fn plain_end(&self, start: usize) -> Option<usize> {
        let first = self.byte(start)?;
        let starts = first.is_ascii_alphanumeric()
            || matches!(first, b'_' | b'.' | b'/' | b'$' | b'(' | b'<' | b'=' | b'~')
            || matches!(first, b'+' | b'^' | b';' | b'\\' | 0x80..)
            || (first == b'-' && !self.is_blank_or_end(start + 1));
        starts.then(|| self.plain_line_end(start)).flatten()
    }

    /// The end of what a line of a plain scalar says, without the blanks after it.
    fn plain_line_end(&self, start: usize) -> Option<usize> {
        let mut end = start;
        let mut at = start;
        loop {
            match self.byte(at) {
                None | Some(b'\n') => return Some(end),
                Some(b'\t') => return None,
                Some(b':') if self.is_blank_or_end(at + 1) => return None,
                Some(b' ') if self.byte(at + 1) == Some(b'#') => return Some(end),
                Some(b' ') => {}
                Some(_) => end = at + 1,
            }
            at += 1;
        }
    }

    /// A plain scalar that goes on on the lines that stand deeper than `column`; goes to the line
    /// after it. One break is a space, further ones stay.
    pub(super) fn folded_plain(
        &mut self,
        start: usize,
        mut end: usize,
        column: usize,
    ) -> Option<String> {
        let mut text = self.text[start..end].to_owned();
        while self.column.is_some_and(|next| next > column) {
            // A comment in between ends the scalar, and so does one behind it.
            let between = &self.text[end..self.at];
            if between.contains('#') {
                return None;
            }
            fold_into(
                &mut text,
                between.bytes().filter(|byte| *byte == b'\n').count(),
            );
            end = self.plain_line_end(self.at)?;
            text.push_str(&self.text[self.at..end]);
            self.begin_line(self.line_end(end) + 1)?;
        }
        Some(text)
    }

    /// A scalar in single quotes that is folded over several lines, from behind the first quote, and
    /// where it ends.
    pub(super) fn single_quoted_lines(&self, first: usize) -> Option<(Cow<'a, str>, usize)> {
        let mut text = String::new();
        let mut from = first;
        loop {
            let rest = self.bytes.get(from..)?;
            let at = from + memchr::memchr2(b'\'', b'\n', rest)?;
            let piece = &self.text[from..at];
            if self.bytes[at] == b'\'' {
                text.push_str(piece);
                if self.byte(at + 1) != Some(b'\'') {
                    return Some((Cow::Owned(text), at + 1));
                }
                text.push('\'');
                from = at + 2;
                continue;
            }
            let piece = piece.trim_end_matches(' ');
            if piece.ends_with('\t') {
                return None;
            }
            text.push_str(piece);
            let (mut line, mut breaks) = (at + 1, 1);
            loop {
                from = self.skip_spaces(line);
                match self.byte(from)? {
                    b'\n' => (line, breaks) = (from + 1, breaks + 1),
                    b'\t' => return None,
                    _ if from == line && self.is_marker(from) => return None,
                    _ => break,
                }
            }
            fold_into(&mut text, breaks);
        }
    }

    /// A quoted scalar on this line, and where it ends.
    pub(super) fn quoted(&self, start: usize, quote: u8) -> Option<(Cow<'a, str>, usize)> {
        let first = start + 1;
        if quote == b'\'' {
            return self.single_quoted(first);
        }
        let rest = self.bytes.get(first..)?;
        let length = memchr::memchr3(quote, b'\\', b'\n', rest)?;
        if rest[length] == quote {
            let end = first + length;
            return Some((Cow::Borrowed(&self.text[first..end]), end + 1));
        }
        self.escaped(first)
    }

    /// A scalar in single quotes, from behind the first one; two of them are one.
    fn single_quoted(&self, first: usize) -> Option<(Cow<'a, str>, usize)> {
        let mut text = String::new();
        let mut from = first;
        loop {
            let rest = self.bytes.get(from..)?;
            let at = from + memchr::memchr2(b'\'', b'\n', rest)?;
            if self.bytes[at] == b'\n' {
                return None;
            }
            if self.byte(at + 1) == Some(b'\'') {
                text.push_str(&self.text[from..=at]);
                from = at + 2;
                continue;
            }
            let last = &self.text[from..at];
            if from == first {
                return Some((Cow::Borrowed(last), at + 1));
            }
            return Some((Cow::Owned(text + last), at + 1));
        }
    }

    /// A scalar in double quotes with escapes, from behind the first quote.
    fn escaped(&self, first: usize) -> Option<(Cow<'a, str>, usize)> {
        let mut text = String::new();
        let mut from = first;
        loop {
            let rest = self.bytes.get(from..)?;
            let at = from + memchr::memchr3(b'"', b'\\', b'\n', rest)?;
            text.push_str(&self.text[from..at]);
            match (self.bytes[at], self.byte(at + 1)) {
                (b'"', _) => return Some((Cow::Owned(text), at + 1)),
                (b'\\', Some(letter @ (b'"' | b'\\'))) => text.push(char::from(letter)),
                (b'\\', Some(b'n')) => text.push('\n'),
                (b'\\', Some(b't')) => text.push('\t'),
                _ => return None,
            }
            from = at + 2;
        }
    }

    /// A flow sequence of scalars on this line, and where it ends.
    pub(super) fn flow_items<K: Keep<'a>>(
        &self,
        keep: &mut K,
        start: usize,
    ) -> Option<(K::Items, usize)> {
        let mut items = K::Items::default();
        let mut at = self.skip_spaces(start + 1);
        if self.byte(at) == Some(b']') {
            return Some((items, at + 1));
        }
        loop {
            let (item, end) = match self.byte(at)? {
                quote @ (b'"' | b'\'') => {
                    let (text, end) = self.quoted(at, quote)?;
                    (keep.text(|| text), end)
                }
                first if first.is_ascii_alphanumeric() || matches!(first, b'_' | b'/' | b'.') => {
                    let end = self.flow_word_end(at);
                    (keep.plain(&self.text[at..end])?, end)
                }
                _ => return None,
            };
            K::add(&mut items, item);
            at = self.skip_spaces(end);
            match self.byte(at)? {
                b']' => return Some((items, at + 1)),
                b',' => at = self.skip_spaces(at + 1),
                _ => return None,
            }
        }
    }

    fn flow_word_end(&self, start: usize) -> usize {
        let is_part = |byte: &&u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'.' | b'-' | b'*')
        };
        start + self.bytes[start..].iter().take_while(is_part).count()
    }

    /// A block from its `|` or `>`; `column` is that of the key or dash before it.
    pub(super) fn block<K: Keep<'a>>(
        &mut self,
        keep: &mut K,
        start: usize,
        column: usize,
    ) -> Option<K::Value> {
        let is_folded = self.byte(start) == Some(b'>');
        let chomping = self
            .byte(start + 1)
            .filter(|sign| matches!(sign, b'-' | b'+'));
        let mut header = start + 1 + usize::from(chomping.is_some());
        let blanks = self.skip_spaces(header);
        if self.byte(blanks) == Some(b'#') && blanks > header {
            header = self.line_end(blanks);
        } else {
            header = blanks;
        }
        self.byte(header).filter(|byte| *byte == b'\n')?;
        let body = header + 1;
        let indent = self.block_indent(body, column)?;
        let (content_end, end) = self.block_end(body, indent)?;
        let all = self.text;
        let value = keep.text(|| {
            let mut text = if is_folded {
                folded(&all[body..content_end], indent)
            } else {
                without_indentation(&all[body..content_end], indent)
            };
            match chomping {
                Some(b'+') => text.push_str(&without_indentation(&all[content_end..end], indent)),
                Some(_) if text.ends_with('\n') => drop(text.pop()),
                _ => {}
            }
            Cow::Owned(text)
        });
        self.begin_line(end)?;
        self.column
            .is_none_or(|next| next <= column)
            .then_some(value)
    }

    /// The indentation of a block: that of its first line which is not empty.
    fn block_indent(&self, body: usize, column: usize) -> Option<usize> {
        let (mut line, mut widest) = (body, 0);
        loop {
            let at = self.skip_spaces(line);
            let spaces = at - line;
            match self.byte(at)? {
                b'\n' => {
                    widest = widest.max(spaces);
                    line = at + 1;
                }
                b'\t' => return None,
                _ => return (spaces > column && spaces >= widest).then_some(spaces),
            }
        }
    }

    /// Behind the last line of a block that is not empty, and behind the empty ones after it.
    fn block_end(&self, body: usize, indent: usize) -> Option<(usize, usize)> {
        let (mut line, mut content_end) = (body, body);
        loop {
            let at = self.skip_spaces(line).min(line + indent);
            match self.byte(at) {
                Some(b'\n') => line = at + 1,
                Some(_) if at - line == indent => {
                    line = (self.line_end(at) + 1).min(self.bytes.len());
                    content_end = line;
                }
                Some(b'\t') => return None,
                _ => return Some((content_end, line)),
            }
        }
    }
}

/// What so many breaks between two lines of a scalar are.
fn fold_into(text: &mut String, breaks: usize) {
    match breaks {
        1 => text.push(' '),
        _ => text.extend(std::iter::repeat_n('\n', breaks.saturating_sub(1))),
    }
}

fn without_indentation(block: &str, indent: usize) -> String {
    let mut text = String::with_capacity(block.len());
    for line in block.split_inclusive('\n') {
        let spaces = line.bytes().take(indent).take_while(|byte| *byte == b' ');
        text.push_str(&line[spaces.count()..]);
    }
    text
}

/// The lines of a block, a break between two of them a space. Further breaks stay, and those beside
/// lines that begin with a blank.
fn folded(block: &str, indent: usize) -> String {
    let mut text = String::with_capacity(block.len());
    let (mut breaks, mut may_fold) = (0, false);
    for line in block.split_inclusive('\n') {
        let spaces = line.bytes().take(indent).take_while(|byte| *byte == b' ');
        let line = &line[spaces.count()..];
        let content = line.strip_suffix('\n').unwrap_or(line);
        if content.is_empty() {
            breaks += 1;
            continue;
        }
        let is_plain = !content.starts_with([' ', '\t']);
        if may_fold && is_plain && text.ends_with('\n') {
            text.pop();
            if breaks == 0 {
                text.push(' ');
            }
        }
        text.extend(std::iter::repeat_n('\n', breaks));
        text.push_str(line);
        (breaks, may_fold) = (0, is_plain);
    }
    text
}
