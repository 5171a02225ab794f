//! Go's regular expression syntax, checked and translated for the `regex` crate.
//!
//! Owns the differences: classes are ASCII in Go, `[a&&b]` is a plain class, `\Q…\E` quotes, and a
//! bad pattern is refused in Go's words. Matching itself is `regex`'s, which shares Go's
//! leftmost-first rule and linear time.

use std::fmt::Write;

use regex::bytes::{Regex, RegexBuilder};

/// Go refuses counted repetitions beyond this.
const MAX_REPEAT: u32 = 1000;
/// Go refuses deeper nesting.
const MAX_DEPTH: usize = 1000;
/// Room for a thousandfold repetition of a large class.
const SIZE_LIMIT: usize = 64 << 20;

/// A compiled pattern with the names of its groups.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(super) regex: Regex,
    /// Names by group number; group 0 has none.
    names: Vec<Option<String>>,
}

impl Pattern {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// Go's text: ``error parsing regexp: missing closing ): `(` ``.
    pub(crate) fn compile(pattern: &str) -> Result<Self, String> {
        let translation = Translation::of(pattern)?;
        let regex = RegexBuilder::new(&translation.out)
            .size_limit(SIZE_LIMIT)
            .nest_limit(MAX_DEPTH as u32 * 2 + 16)
            .build()
            .map_err(|_| fault("expression too large", pattern))?;
        Ok(Self {
            regex,
            names: translation.names,
        })
    }

    /// Whether it is found in a text.
    #[cfg(feature = "schema")]
    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }

    /// The number of the group called `name`, a number or a name.
    pub(super) fn group(&self, name: &str) -> Option<usize> {
        if name.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() {
            return name.parse().ok();
        }
        self.names
            .iter()
            .position(|known| known.as_deref() == Some(name))
    }
}

fn fault(what: &str, at: &str) -> String {
    format!("error parsing regexp: {what}: `{at}`")
}

struct Translation<'a> {
    pattern: &'a str,
    rest: &'a str,
    out: String,
    names: Vec<Option<String>>,
    depth: usize,
    /// Whether something stands before the cursor that can be repeated.
    operand: bool,
    /// Where the last flags for the rest of a group were written, and where that ended.
    flags_at: Option<(usize, usize)>,
    /// The repetition just read, to refuse a second one.
    last_repeat: Option<&'a str>,
    /// How often the operand before the cursor is repeated inside itself, at most.
    weight: u32,
    /// The greatest weight so far in each open group.
    weights: Vec<u32>,
}

impl<'a> Translation<'a> {
    fn of(pattern: &'a str) -> Result<Self, String> {
        let mut translation = Self {
            pattern,
            rest: pattern,
            out: String::with_capacity(pattern.len() + 16),
            names: vec![None],
            depth: 0,
            operand: false,
            flags_at: None,
            last_repeat: None,
            weight: 1,
            weights: vec![1],
        };
        while let Some(next) = translation.rest.chars().next() {
            translation.step(next)?;
        }
        if translation.depth > 0 {
            return Err(fault("missing closing )", pattern));
        }
        Ok(translation)
    }

    fn step(&mut self, next: char) -> Result<(), String> {
        let repeated = self.last_repeat.take();
        match next {
            '(' => self.open()?,
            ')' => {
                if self.depth == 0 {
                    return Err(fault("unexpected )", self.pattern));
                }
                self.depth -= 1;
                self.copy(1);
                self.weigh(self.weights.last().copied().unwrap_or(1));
                self.weights.pop();
                self.weigh(self.weight);
            }
            '|' => {
                self.copy(1);
                self.operand = false;
            }
            '^' | '$' | '.' => self.copy(1),
            '[' => self.class()?,
            '*' | '+' | '?' => self.repeat(1, repeated)?,
            '{' => match counted(self.rest) {
                Some((length, low, high)) => {
                    let spelled = &self.rest[..length];
                    if low > MAX_REPEAT || high.is_some_and(|high| high > MAX_REPEAT || high < low)
                    {
                        return Err(fault("invalid repeat count", spelled));
                    }
                    let weight = self.weight;
                    self.repeat(length, repeated)?;
                    let times = high.unwrap_or(low);
                    let weight = weight.saturating_mul(times.max(1));
                    if times >= 2 && weight > MAX_REPEAT {
                        return Err(fault("invalid repeat count", spelled));
                    }
                    self.weigh(weight);
                }
                None => self.literal(next),
            },
            '\\' => self.escape()?,
            _ => self.literal(next),
        }
        Ok(())
    }

    /// Copies syntax that means the same in both.
    fn copy(&mut self, length: usize) {
        self.out.push_str(&self.rest[..length]);
        self.rest = &self.rest[length..];
        self.operand = true;
        self.weight = 1;
    }

    /// Notes the weight of the operand just read.
    fn weigh(&mut self, weight: u32) {
        self.weight = weight;
        if let Some(greatest) = self.weights.last_mut() {
            *greatest = weight.max(*greatest);
        }
    }

    fn literal(&mut self, character: char) {
        push_literal(&mut self.out, character);
        self.rest = &self.rest[character.len_utf8()..];
        self.operand = true;
        self.weight = 1;
    }

    fn repeat(&mut self, mut length: usize, repeated: Option<&'a str>) -> Result<(), String> {
        let before = self.rest;
        if before[length..].starts_with('?') {
            length += 1;
        }
        if let Some(first) = repeated {
            let spelled = &first[..first.len() - (before.len() - length)];
            return Err(fault("invalid nested repetition operator", spelled));
        }
        if !self.operand {
            return Err(fault(
                "missing argument to repetition operator",
                &before[..length],
            ));
        }
        match self.flags_at {
            // Go repeats what stands before the flags.
            Some((at, end)) if end == self.out.len() => {
                self.out.insert_str(at, &before[..length]);
                self.rest = &before[length..];
            }
            _ => self.copy(length),
        }
        self.last_repeat = Some(before);
        Ok(())
    }

    fn open(&mut self) -> Result<(), String> {
        if self.depth >= MAX_DEPTH {
            return Err(fault("expression nests too deeply", self.pattern));
        }
        if !self.rest.starts_with("(?") {
            self.names.push(None);
            self.enter("(", 1);
            return Ok(());
        }
        let named = |mark| {
            self.rest
                .strip_prefix(mark)
                .is_some_and(|name| !name.is_empty())
        };
        if named("(?P<") || named("(?<") {
            return self.open_named();
        }
        self.open_flags()
    }

    fn enter(&mut self, opening: &str, length: usize) {
        self.out.push_str(opening);
        self.rest = &self.rest[length..];
        self.depth += 1;
        self.operand = false;
        self.weights.push(1);
    }

    fn open_named(&mut self) -> Result<(), String> {
        let start = if self.rest.starts_with("(?P<") { 4 } else { 3 };
        let Some(end) = self.rest.find('>') else {
            return Err(fault("invalid named capture", self.rest));
        };
        let name = &self.rest[start..end];
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(is_word) {
            return Err(fault("invalid named capture", &self.rest[..=end]));
        }
        self.names.push(Some(name.to_owned()));
        self.enter("(", end + 1);
        Ok(())
    }

    /// `(?i-s:` or `(?i-s)`; of a flag named twice the last word counts.
    fn open_flags(&mut self) -> Result<(), String> {
        let (mut negative, mut any) = (false, false);
        let (mut on, mut off) = (String::new(), String::new());
        for (at, flag) in self.rest.char_indices().skip(2) {
            let spelled = &self.rest[..at + flag.len_utf8()];
            let refuse = || Err(fault("invalid or unsupported Perl syntax", spelled));
            match flag {
                'i' | 'm' | 's' | 'U' => {
                    any = true;
                    on.retain(|known| known != flag);
                    off.retain(|known| known != flag);
                    if negative { &mut off } else { &mut on }.push(flag);
                }
                '-' if negative => return refuse(),
                '-' => (negative, any) = (true, false),
                ':' | ')' if negative && !any => return refuse(),
                ':' | ')' => {
                    let dash = if off.is_empty() { "" } else { "-" };
                    let opening = format!("(?{on}{dash}{off}{flag}");
                    if flag == ':' {
                        self.enter(&opening, spelled.len());
                        return Ok(());
                    }
                    let at = self.out.len();
                    // `(?)` sets nothing, and `regex` does not know it.
                    if any {
                        self.out.push_str(&opening);
                    }
                    self.flags_at = Some((at, self.out.len()));
                    self.rest = &self.rest[spelled.len()..];
                    return Ok(());
                }
                _ => return refuse(),
            }
        }
        Err(fault("invalid or unsupported Perl syntax", self.rest))
    }

    fn escape(&mut self) -> Result<(), String> {
        match self.rest.as_bytes().get(1) {
            Some(b'A') => self.replace(2, "\\A"),
            Some(b'z') => self.replace(2, "\\z"),
            Some(b'b') => self.replace(2, "(?-u:\\b)"),
            Some(b'B') => self.replace(2, "(?-u:\\B)"),
            Some(b'C') => return Err(fault("invalid escape sequence", "\\C")),
            Some(b'Q') => {
                let quoted = &self.rest[2..];
                let (text, length) = match quoted.find("\\E") {
                    Some(end) => (&quoted[..end], 2 + end + 2),
                    None => (quoted, self.rest.len()),
                };
                for character in text.chars() {
                    push_literal(&mut self.out, character);
                }
                self.rest = &self.rest[length..];
                self.operand |= !text.is_empty();
            }
            _ => {
                if let Some((set, length)) = Self::named_class(self.rest)? {
                    self.replace(length, &format!("[{set}]"));
                } else {
                    let (character, length) = escaped(self.rest)?;
                    push_code_point(&mut self.out, character);
                    self.rest = &self.rest[length..];
                    self.operand = true;
                }
            }
        }
        Ok(())
    }

    fn replace(&mut self, length: usize, with: &str) {
        self.out.push_str(with);
        self.rest = &self.rest[length..];
        self.operand = true;
        self.weight = 1;
    }

    /// `\d`, `\pL`, `\p{Greek}` and their opposites at the start of `text`, as the inside of a
    /// class.
    fn named_class(text: &str) -> Result<Option<(String, usize)>, String> {
        let Some(letter) = text
            .as_bytes()
            .get(1)
            .copied()
            .filter(|_| text.starts_with('\\'))
        else {
            return Ok(None);
        };
        let set = match letter {
            b'd' | b'D' => "0-9",
            b's' | b'S' => "\\t\\n\\x0C\\r ",
            b'w' | b'W' => "0-9A-Za-z_",
            b'p' | b'P' => return unicode_class(text).map(Some),
            _ => return Ok(None),
        };
        let set = if letter.is_ascii_uppercase() {
            format!("[^{set}]")
        } else {
            set.to_owned()
        };
        Ok(Some((set, 2)))
    }

    fn class(&mut self) -> Result<(), String> {
        let whole = self.rest;
        let mut text = &whole[1..];
        let mut out = String::from("[");
        if let Some(after) = text.strip_prefix('^') {
            out.push('^');
            text = after;
        }
        let mut first = true;
        while text.is_empty() || !text.starts_with(']') || first {
            first = false;
            if let Some((set, length)) = posix_class(text)? {
                out.push_str(&set);
                text = &text[length..];
                continue;
            }
            if let Some((set, length)) = Self::named_class(text)? {
                out.push_str(&set);
                text = &text[length..];
                continue;
            }
            let range = text;
            let (low, length) = class_character(text, whole)?;
            text = &text[length..];
            let mut high = low;
            if text.starts_with('-') && text.len() > 1 && !text[1..].starts_with(']') {
                let (end, length) = class_character(&text[1..], whole)?;
                text = &text[1 + length..];
                high = end;
                if high < low {
                    let spelled = &range[..range.len() - text.len()];
                    return Err(fault("invalid character class range", spelled));
                }
            }
            push_code_point(&mut out, low);
            if high != low {
                out.push('-');
                push_code_point(&mut out, high);
            }
        }
        out.push(']');
        self.replace(whole.len() - text.len() + 1, &out);
        Ok(())
    }
}

/// Writes a character that stands for itself. Only what means something is escaped: to `regex`, `\<`
/// is the start of a word.
fn push_literal(out: &mut String, character: char) {
    if r"\.+*?()|[]{}^$".contains(character) {
        out.push('\\');
    }
    out.push(character);
}

fn push_code_point(out: &mut String, code: u32) {
    // A surrogate matches nothing in valid text; `regex` wants a scalar value.
    let code = if (0xD800..0xE000).contains(&code) {
        0x0010_FFFF
    } else {
        code
    };
    let _ = write!(out, "\\x{{{code:X}}}");
}

/// `{2}`, `{2,}`, `{2,5}` or `{,5}` at the start of `text`: length, low and high.
fn counted(text: &str) -> Option<(usize, u32, Option<u32>)> {
    let end = text.find('}')?;
    let inner = &text[1..end];
    // More digits than a number holds are still a repetition, just too large a one.
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let leading_zero = digits.len() > 1 && digits.starts_with('0');
        (plain && !leading_zero).then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let (low, high) = match inner.split_once(',') {
        None => {
            let count = number(inner)?;
            (count, Some(count))
        }
        Some((low, "")) => (number(low)?, None),
        Some((low, high)) => (number(low)?, Some(number(high)?)),
    };
    Some((end + 1, low, high))
}

/// One character of a class.
fn class_character(text: &str, whole: &str) -> Result<(u32, usize), String> {
    match text.chars().next() {
        None => Err(fault("missing closing ]", whole)),
        Some('\\') => escaped(text),
        Some(character) => Ok((u32::from(character), character.len_utf8())),
    }
}

/// The character an escape stands for, and its length.
fn escaped(text: &str) -> Result<(u32, usize), String> {
    let mut after = text[1..].chars();
    let Some(letter) = after.next() else {
        return Err(fault("trailing backslash at end of expression", ""));
    };
    let invalid = |length: usize| {
        let end = (length..=text.len()).find(|end| text.is_char_boundary(*end));
        Err(fault(
            "invalid escape sequence",
            &text[..end.unwrap_or(text.len())],
        ))
    };
    let bytes = text.as_bytes();
    let octal = |byte: Option<&u8>| byte.is_some_and(|byte| (b'0'..=b'7').contains(byte));
    match letter {
        '1'..='7' if !octal(bytes.get(2)) => invalid(2),
        '0'..='7' => {
            let length = (2..4).take_while(|at| octal(bytes.get(*at))).count();
            let code = u32::from_str_radix(&text[1..2 + length], 8).unwrap_or(0);
            Ok((code, 2 + length))
        }
        'x' if bytes.get(2) == Some(&b'{') => {
            let digits = text[3..].bytes().take_while(u8::is_ascii_hexdigit).count();
            let mut code = 0;
            for (index, digit) in text[3..3 + digits].chars().enumerate() {
                code = code * 16 + digit.to_digit(16).unwrap_or(0);
                if code > 0x0010_FFFF {
                    return invalid(4 + index);
                }
            }
            if digits == 0 || bytes.get(3 + digits) != Some(&b'}') {
                return invalid((4 + digits).min(text.len()));
            }
            Ok((code, 4 + digits))
        }
        'x' => {
            let digits = text[2..]
                .bytes()
                .take(2)
                .take_while(u8::is_ascii_hexdigit)
                .count();
            if digits < 2 {
                return invalid(4.min(text.len()));
            }
            Ok((u32::from_str_radix(&text[2..4], 16).unwrap_or(0), 4))
        }
        'a' => Ok((7, 2)),
        'f' => Ok((12, 2)),
        'n' => Ok((10, 2)),
        'r' => Ok((13, 2)),
        't' => Ok((9, 2)),
        'v' => Ok((11, 2)),
        _ if letter.is_ascii() && !letter.is_ascii_alphanumeric() => Ok((u32::from(letter), 2)),
        _ => invalid(1 + letter.len_utf8()),
    }
}

/// `\pL` or `\p{Greek}`, as the inside of a class.
fn unicode_class(text: &str) -> Result<(String, usize), String> {
    let refuse = |spelled: &str| Err(fault("invalid character class range", spelled));
    let Some(first) = text[2..].chars().next() else {
        return refuse(text);
    };
    let (name, length) = if first == '{' {
        let Some(end) = text.find('}') else {
            return refuse(text);
        };
        (&text[3..end], end + 1)
    } else {
        (&text[2..2 + first.len_utf8()], 2 + first.len_utf8())
    };
    let (name, opposite) = match name.strip_prefix('^') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let opposite = opposite != text.starts_with("\\P");
    let letter = if opposite { 'P' } else { 'p' };
    let known = |property| {
        let set = format!("\\{letter}{{{property}={name}}}");
        Regex::new(&set).is_ok().then_some(set)
    };
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b' '));
    let set = Some(())
        .filter(|()| plain && !name.is_empty())
        .and_then(|()| known("gc").or_else(|| known("sc").filter(|_| is_script(name))));
    match set {
        Some(set) => Ok((set, length)),
        None => refuse(&text[..length]),
    }
}

/// Whether `name`, which is a script's, is its long one: Go does not know the codes of four letters.
fn is_script(name: &str) -> bool {
    const LONG: [&str; 8] = [
        "Ahom", "Cham", "Kawi", "Lisu", "Modi", "Newa", "Thai", "Toto",
    ];
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    letters.len() != 4 || LONG.iter().any(|long| long.eq_ignore_ascii_case(&letters))
}

/// `[:alpha:]` or `[:^alpha:]`, as the inside of a class.
fn posix_class(text: &str) -> Result<Option<(String, usize)>, String> {
    let Some(inner) = text.strip_prefix("[:") else {
        return Ok(None);
    };
    let Some(end) = inner.find(":]") else {
        return Ok(None);
    };
    let (name, opposite) = match inner[..end].strip_prefix('^') {
        Some(name) => (name, true),
        None => (&inner[..end], false),
    };
    let set = match name {
        "alnum" => "0-9A-Za-z",
        "alpha" => "A-Za-z",
        "ascii" => "\\x00-\\x7F",
        "blank" => "\\t ",
        "cntrl" => "\\x00-\\x1F\\x7F",
        "digit" => "0-9",
        "graph" => "!-~",
        "lower" => "a-z",
        "print" => " -~",
        "punct" => "!-/:-@\\[-`{-~",
        "space" => "\\t-\\r ",
        "upper" => "A-Z",
        "word" => "0-9A-Za-z_",
        "xdigit" => "0-9A-Fa-f",
        _ => return Err(fault("invalid character class range", &text[..end + 4])),
    };
    let set = if opposite {
        format!("[^{set}]")
    } else {
        set.to_owned()
    };
    Ok(Some((set, end + 4)))
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    fn found(pattern: &str, text: &str) -> Option<String> {
        let pattern = Pattern::compile(pattern).unwrap();
        let matched = pattern.regex.find(text.as_bytes())?;
        Some(String::from_utf8_lossy(matched.as_bytes()).into_owned())
    }

    fn refused(pattern: &str) -> String {
        Pattern::compile(pattern)
            .unwrap_err()
            .replace("error parsing regexp: ", "")
    }

    #[test]
    fn classes_are_ascii_and_plain() {
        assert_eq!(found(r"\d+", "٣4"), Some("4".to_owned()));
        assert_eq!(found(r"[a&&b]+", "x&&a"), Some("&&a".to_owned()));
        assert_eq!(found(r"[^\W_]+", "_é_ab"), Some("ab".to_owned()));
        assert_eq!(found(r"[[:punct:]-]+", "a-[b"), Some("-[".to_owned()));
        assert_eq!(found(r"\Qa.b\E+", "a.bb"), Some("a.bb".to_owned()));
        assert_eq!(found(r"a{,2}", "a{,2}"), Some("a{,2}".to_owned()));
        assert_eq!(found(r"<b>", "a <b>"), Some("<b>".to_owned()));
        assert_eq!(found(r"\<b\>", "a <b>"), Some("<b>".to_owned()));
        assert_eq!(found(r"a(?i-s)+B", "aaab"), Some("aaab".to_owned()));
        assert_eq!(found(r"(?i-si)A\p{Greek}", "aβAβ"), Some("Aβ".to_owned()));
    }

    #[test]
    fn bad_patterns_are_refused_in_go_words() {
        assert_eq!(refused("("), "missing closing ): `(`");
        assert_eq!(refused("a)"), "unexpected ): `a)`");
        assert_eq!(refused("[a"), "missing closing ]: `[a`");
        assert_eq!(refused("*"), "missing argument to repetition operator: `*`");
        assert_eq!(refused("a**"), "invalid nested repetition operator: `**`");
        assert_eq!(
            refused("a(?=b)"),
            "invalid or unsupported Perl syntax: `(?=`"
        );
        assert_eq!(refused("[b-a]"), "invalid character class range: `b-a`");
        assert_eq!(refused(r"\8"), r"invalid escape sequence: `\8`");
        assert_eq!(refused("\\"), "trailing backslash at end of expression: ``");
        assert_eq!(
            refused(r"\p{Grek}"),
            r"invalid character class range: `\p{Grek}`"
        );
        assert_eq!(
            refused("{3}?i"),
            "missing argument to repetition operator: `{3}?`"
        );
        assert_eq!(refused("(?P<"), "invalid or unsupported Perl syntax: `(?P`");
        assert_eq!(refused("a{1001}"), "invalid repeat count: `{1001}`");
    }
}
