//! TOML text into keys, scalars and marks, one at a time, as the reader asks for them.
//!
//! Owns what may stand where within a line, and the complaints about it. It refuses to know what
//! was defined before, and what a number is worth; see [`super::toml_read`].
//!
//! Source of the behaviour: BurntSushi/toml 1.6, whose reader is handed each piece as soon as it is
//! known: a mistake further on is never told before one that the reader finds.

use go_text_template::fmt;

/// What is wrong, and in which line.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) words: String,
}

/// How a piece of text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Bare,
    /// Between single marks, or between double ones without an escape.
    Plain,
    Escaped,
    MultiLine,
    RawMultiLine,
    Bool,
    Integer,
    Float,
    DateTime,
}

/// A piece of the text and the line it ends in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) form: Form,
    pub(super) text: &'a str,
    pub(super) line: usize,
}

/// How a value begins.
#[derive(Debug)]
pub(super) enum Start<'a> {
    Scalar(Piece<'a>),
    Array,
    Table,
}

/// What stands at the top level.
#[derive(Debug)]
pub(super) enum Top {
    End,
    Table,
    ArrayTable,
    Key,
}

/// What follows a part of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Dot,
    End,
}

/// A place in the text.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    source: &'a str,
    start: usize,
    at: usize,
    line: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self {
            source,
            start: 0,
            at: 0,
            line: 1,
        }
    }

    fn fault<T>(&self, words: impl Into<String>) -> Result<T, Fault> {
        Err(Fault {
            line: self.line,
            words: words.into(),
        })
    }

    /// A fault whose line is the one before, where the end of the text was read or is meant.
    fn fault_above<T>(&self, words: impl Into<String>) -> Result<T, Fault> {
        Err(Fault {
            line: self.line.saturating_sub(1),
            words: words.into(),
        })
    }

    /// A fault at what was just read; the end of the text belongs to the last line with any.
    fn fault_at<T>(&self, read: Option<char>, words: impl Into<String>) -> Result<T, Fault> {
        if read.is_none() && self.source[..self.at].ends_with('\n') {
            self.fault_above(words)
        } else {
            self.fault(words)
        }
    }

    /// The next character, which stays; control characters are none.
    fn peek(&self) -> Result<Option<char>, Fault> {
        let rest = &self.source[self.at..];
        let Some(next) = rest.chars().next() else {
            return Ok(None);
        };
        let lone_return = next == '\r' && !rest.starts_with("\r\n");
        if lone_return || next.is_ascii_control() && !matches!(next, '\t' | '\r' | '\n') {
            let code = u32::from(next);
            return self.fault(format!(
                "TOML files cannot contain control characters: '0x{code:02x}'"
            ));
        }
        Ok(Some(next))
    }

    fn next(&mut self) -> Result<Option<char>, Fault> {
        let next = self.peek()?;
        if let Some(next) = next {
            self.at += next.len_utf8();
            self.line += usize::from(next == '\n');
        }
        Ok(next)
    }

    fn accept(&mut self, wanted: char) -> Result<bool, Fault> {
        let found = self.peek()? == Some(wanted);
        if found {
            self.next()?;
        }
        Ok(found)
    }

    fn skip(&mut self, unwanted: impl Fn(char) -> bool) -> Result<(), Fault> {
        while self.peek()?.is_some_and(&unwanted) {
            self.next()?;
        }
        Ok(())
    }

    fn current(&self) -> &'a str {
        &self.source[self.start..self.at]
    }

    fn piece(&self, form: Form) -> Piece<'a> {
        Piece {
            form,
            text: self.current(),
            line: self.line,
        }
    }

    /// From `#` up to the end of the line.
    fn comment(&mut self) -> Result<(), Fault> {
        self.skip(|letter| !is_break(letter))
    }

    /// Blanks, line breaks and comments.
    fn space(&mut self) -> Result<(), Fault> {
        loop {
            self.skip(|letter| is_blank(letter) || is_break(letter))?;
            if self.peek()? != Some('#') {
                return Ok(());
            }
            self.comment()?;
        }
    }

    /// The next item of the top level; of a table, the brackets are read.
    pub(super) fn top(&mut self) -> Result<Top, Fault> {
        self.space()?;
        match self.peek()? {
            None => Ok(Top::End),
            Some('[') => {
                self.next()?;
                let array = self.accept('[')?;
                Ok(if array { Top::ArrayTable } else { Top::Table })
            }
            Some(_) => {
                self.key_start()?;
                Ok(Top::Key)
            }
        }
    }

    /// The rest of the line of an item.
    pub(super) fn end_of_line(&mut self) -> Result<(), Fault> {
        self.skip(is_blank)?;
        match self.peek()? {
            Some('#') => self.comment(),
            None | Some('\n' | '\r') => Ok(()),
            found => self.fault(format!(
                "expected a top-level item to end with a newline, comment, or EOF, but got {} instead",
                rune(found)
            )),
        }
    }

    /// A part of a table's name.
    pub(super) fn table_name(&mut self) -> Result<Piece<'a>, Fault> {
        self.skip(is_blank)?;
        match self.peek()? {
            None | Some(']') => {
                self.fault("unexpected end of table name (table names cannot be empty)")
            }
            Some('.') => self.fault("unexpected table separator (table names cannot be empty)"),
            _ => self.name(),
        }
    }

    /// What follows a part of a table's name.
    pub(super) fn after_table_name(&mut self) -> Result<After, Fault> {
        self.skip(is_blank)?;
        match self.next()? {
            Some('.') => Ok(After::Dot),
            Some(']') => Ok(After::End),
            found => {
                let words = format!(
                    "expected '.' or ']' to end table name, but got {} instead",
                    rune(found)
                );
                self.fault_at(found, words)
            }
        }
    }

    /// The second bracket after the name of an array of tables.
    pub(super) fn end_of_array_table(&mut self) -> Result<(), Fault> {
        match self.next()? {
            Some(']') => Ok(()),
            found => {
                let words = format!(
                    "expected end of table array name delimiter ']', but got {} instead",
                    rune(found)
                );
                self.fault_at(found, words)
            }
        }
    }

    fn key_start(&mut self) -> Result<(), Fault> {
        self.skip(is_blank)?;
        match self.peek()? {
            None | Some('=') => self.fault("unexpected '=': key name appears blank"),
            Some('.') => self.fault("unexpected '.': keys cannot start with a '.'"),
            Some(_) => Ok(()),
        }
    }

    /// A part of a key.
    pub(super) fn key_name(&mut self) -> Result<Piece<'a>, Fault> {
        self.skip(is_blank)?;
        match self.peek()? {
            None | Some('=') => self.fault("unexpected '='"),
            Some('.') => self.fault("unexpected '.'"),
            Some(_) => self.name(),
        }
    }

    /// What follows a part of a key.
    pub(super) fn after_key_name(&mut self) -> Result<After, Fault> {
        self.skip(is_blank)?;
        match self.peek()? {
            Some('.') => self.next().map(|_| After::Dot),
            Some('=') => self.next().map(|_| After::End),
            None => self.fault_at(None, "unexpected EOF; expected key separator '='"),
            found => {
                let found = rune(found);
                self.fault(format!("expected '.' or '=', but got {found} instead"))
            }
        }
    }

    fn name(&mut self) -> Result<Piece<'a>, Fault> {
        if let Some(mark @ ('"' | '\'')) = self.peek()? {
            self.next()?;
            return self.string(mark);
        }
        self.start = self.at;
        self.skip(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-'))?;
        Ok(self.piece(Form::Bare))
    }

    /// How a value begins; a scalar is read whole.
    pub(super) fn value(&mut self) -> Result<Start<'a>, Fault> {
        self.skip(is_blank)?;
        self.start = self.at;
        let first = self.peek()?;
        let scalar = match first {
            Some('[') => return self.next().map(|_| Start::Array),
            Some('{') => return self.next().map(|_| Start::Table),
            Some('0'..='9') => self.number_or_date(),
            Some(mark @ ('"' | '\'')) => {
                self.next()?;
                let content = self.at;
                if self.accept(mark)? && self.accept(mark)? {
                    self.multi_line(mark)
                } else {
                    self.at = content;
                    self.string(mark)
                }
            }
            Some('.') => self.fault("floats must start with a digit, not '.'"),
            Some('+' | '-') => self.signed(),
            Some('i' | 'n') => self.word_of_float(),
            Some(letter) if letter.is_alphabetic() => self.boolean(),
            None => self.fault_at(None, "unexpected EOF; expected value"),
            found => self.fault(format!("expected value but found {} instead", rune(found))),
        };
        scalar.map(Start::Scalar)
    }

    /// Whether another item of an array stands here, rather than its end, which is then read.
    pub(super) fn item(&mut self, is_first: bool) -> Result<bool, Fault> {
        self.space()?;
        if !is_first {
            match self.peek()? {
                Some(',') => {
                    self.next()?;
                    self.space()?;
                }
                Some(']') => {}
                found => {
                    let words = format!(
                        "expected a comma (',') or array terminator (']'), but got {}",
                        shown(found)
                    );
                    return self.fault_at(found, words);
                }
            }
        }
        match self.peek()? {
            Some(',') => self.fault("unexpected comma"),
            Some(']') => self.next().map(|_| false),
            _ => Ok(true),
        }
    }

    /// Whether another entry of an inline table stands here, rather than its end, which is then
    /// read.
    pub(super) fn entry(&mut self, is_first: bool) -> Result<bool, Fault> {
        self.space()?;
        if !is_first {
            let found = self.peek()?;
            match found {
                Some(',') => {
                    self.next()?;
                    self.skip(is_blank)?;
                    if self.peek()? == Some('}') {
                        return self.next().map(|_| false);
                    }
                    self.space()?;
                }
                Some('}') => {}
                _ => {
                    let words = format!(
                        "expected a comma or an inline table terminator '}}', but got {} instead",
                        shown(found)
                    );
                    return self.fault_at(found, words);
                }
            }
        }
        match self.peek()? {
            Some(',') => self.fault("unexpected comma"),
            Some('}') => self.next().map(|_| false),
            _ => self.key_start().map(|()| true),
        }
    }

    /// The rest of a string of one line; its first mark is read.
    fn string(&mut self, mark: char) -> Result<Piece<'a>, Fault> {
        self.start = self.at;
        let mut form = Form::Plain;
        loop {
            match self.peek()? {
                Some(letter) if letter == mark => {
                    let piece = self.piece(form);
                    self.next()?;
                    return Ok(piece);
                }
                Some('\\') if mark == '"' => {
                    self.next()?;
                    self.escape()?;
                    form = Form::Escaped;
                }
                None if mark == '"' => {
                    return self.fault_at(None, "unexpected EOF; expected '\"'");
                }
                None => return self.fault_at(None, "unexpected EOF; expected \"'\""),
                Some('\n') => return self.fault("strings cannot contain newlines"),
                Some('\r') => return self.fault_above("strings cannot contain newlines"),
                Some(_) => {
                    self.next()?;
                }
            }
        }
    }

    /// The rest of an escape; the backslash is read.
    fn escape(&mut self) -> Result<(), Fault> {
        let found = self.next()?;
        let (count, digits) = match found {
            Some('e' | 'b' | 't' | 'n' | 'f' | 'r' | '"' | ' ' | '\t' | '\\') => return Ok(()),
            Some('x') => (2, "two hexadecimal digits after '\\x'"),
            Some('u') => (4, "four hexadecimal digits after '\\u'"),
            Some('U') => (8, "eight hexadecimal digits after '\\U'"),
            None => return self.fault_above("invalid escape in string '\\\0'"),
            Some(other) => return self.fault(format!("invalid escape in string '\\{other}'")),
        };
        for _ in 0..count {
            let digit = self.next()?;
            if !digit.is_some_and(|digit| digit.is_ascii_hexdigit()) {
                let found = fmt::quote(self.current().as_bytes());
                return self.fault_at(digit, format!("expected {digits}, but got {found} instead"));
            }
        }
        Ok(())
    }

    /// The rest of a string of several lines; its first three marks are read.
    fn multi_line(&mut self, mark: char) -> Result<Piece<'a>, Fault> {
        self.start = self.at;
        let marks = |count: usize| std::iter::repeat_n(mark, count).collect::<String>();
        let three = marks(3);
        let form = if mark == '"' {
            Form::MultiLine
        } else {
            Form::RawMultiLine
        };
        loop {
            match self.next()? {
                None => {
                    let around = if mark == '"' { '\'' } else { '"' };
                    let words = format!("unexpected EOF; expected {around}{three}{around}");
                    return self.fault_at(None, words);
                }
                Some('\\') if mark == '"' => {
                    if self.peek()?.is_some_and(is_break) {
                        self.next()?;
                    } else {
                        self.escape()?;
                    }
                }
                Some(letter) if letter == mark => {
                    let rest = &self.source[self.at..];
                    if !rest.starts_with(&marks(2)) {
                        continue;
                    }
                    if rest.starts_with(&three) {
                        let read = &self.source[self.start..self.at + 2];
                        let escaped = mark == '"' && read.ends_with("\\\"\"\"\"\"");
                        if read.ends_with(&marks(5)) && !escaped {
                            let around = if mark == '"' { '\'' } else { '"' };
                            let six = marks(6);
                            return self.fault(format!("unexpected {around}{six}{around}"));
                        }
                        continue;
                    }
                    let piece = Piece {
                        form,
                        text: &self.source[self.start..self.at - 1],
                        line: self.line,
                    };
                    self.at += 2;
                    // What follows is looked at before the string counts as read.
                    self.peek()?;
                    return Ok(piece);
                }
                Some(_) => {}
            }
        }
    }

    fn boolean(&mut self) -> Result<Piece<'a>, Fault> {
        let from = self.at;
        self.skip(char::is_alphabetic)?;
        match &self.source[from..self.at] {
            "true" | "false" => Ok(self.piece(Form::Bool)),
            other => {
                let found = fmt::quote(other.as_bytes());
                self.fault(format!("expected value but found {found} instead"))
            }
        }
    }

    /// `inf` or `nan`, and what passes for them until its worth is asked.
    fn word_of_float(&mut self) -> Result<Piece<'a>, Fault> {
        self.next()?;
        let n = self.accept('n')?;
        if n && self.accept('f')? {
            return Ok(self.piece(Form::Float));
        }
        let a = self.accept('a')?;
        if a && self.accept('n')? {
            return Ok(self.piece(Form::Float));
        }
        // What is no such word is told from its last letter but none on.
        self.at -= 1;
        self.boolean()
    }

    fn signed(&mut self) -> Result<Piece<'a>, Fault> {
        self.next()?;
        let first = self.next()?;
        let invalid = |scanner: &Self| {
            let found = scanner.current();
            scanner.fault(format!("invalid float: '{found}'"))
        };
        match first {
            Some('i') => {
                if self.accept('n')? && self.accept('f')? {
                    return Ok(self.piece(Form::Float));
                }
                invalid(self)
            }
            Some('n') => {
                if self.accept('a')? && self.accept('n')? {
                    return Ok(self.piece(Form::Float));
                }
                invalid(self)
            }
            Some('0') if matches!(self.peek()?, Some('b' | 'o' | 'x')) => {
                let found = &self.source[self.start..=self.at];
                self.fault(format!(
                    "cannot use sign with non-decimal numbers: '{found}'"
                ))
            }
            Some('.') => self.fault("floats must start with a digit, not '.'"),
            Some('0'..='9') => self.decimal(),
            found => self.fault_at(found, format!("expected a digit but got {}", rune(found))),
        }
    }

    fn number_or_date(&mut self) -> Result<Piece<'a>, Fault> {
        let zero = self.next()? == Some('0');
        if zero {
            let base = match self.peek()? {
                Some('b') => Some((2, "a binary")),
                Some('o') => Some((8, "an octal")),
                Some('x') => Some((16, "a hexadecimal")),
                _ => None,
            };
            if let Some((base, name)) = base {
                self.next()?;
                let found = self.peek()?;
                if !found.is_some_and(|digit| digit.is_digit(base)) {
                    let (prefix, found) = (self.current(), found.unwrap_or('\0'));
                    return self.fault(format!("not {name} number: '{prefix}{found}'"));
                }
                self.skip(|letter| letter.is_digit(base) || letter == '_')?;
                return Ok(self.piece(Form::Integer));
            }
        }
        self.skip(|letter| letter.is_ascii_digit())?;
        match self.peek()? {
            Some('-' | ':') if !zero || self.current().len() > 1 => {
                self.skip(|letter| {
                    letter.is_ascii_digit()
                        || matches!(letter, '-' | ':' | 'T' | 't' | ' ' | '.' | 'Z' | 'z' | '+')
                })?;
                let piece = self.piece(Form::DateTime);
                Ok(Piece {
                    text: piece.text.trim(),
                    ..piece
                })
            }
            _ => self.decimal(),
        }
    }

    /// The rest of a decimal number.
    fn decimal(&mut self) -> Result<Piece<'a>, Fault> {
        self.skip(|letter| letter.is_ascii_digit() || letter == '_')?;
        if !matches!(self.peek()?, Some('.' | 'e' | 'E')) {
            return Ok(self.piece(Form::Integer));
        }
        self.skip(|letter| {
            letter.is_ascii_digit() || matches!(letter, '_' | '.' | '-' | '+' | 'e' | 'E')
        })?;
        Ok(self.piece(Form::Float))
    }
}

fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t')
}

fn is_break(letter: char) -> bool {
    matches!(letter, '\n' | '\r')
}

/// A character as Go's `%q` shows it; the end of the text is a zero.
fn rune(found: Option<char>) -> String {
    match found {
        None => "'\\x00'".to_owned(),
        Some('"') => "'\"'".to_owned(),
        Some('\'') => "'\\''".to_owned(),
        Some(letter) => {
            let quoted = fmt::quote(letter.encode_utf8(&mut [0; 4]).as_bytes());
            format!("'{}'", quoted.trim_matches('"'))
        }
    }
}

/// A character as it is.
fn shown(found: Option<char>) -> String {
    found.map_or_else(|| "end of file".to_owned(), |letter| format!("'{letter}'"))
}
