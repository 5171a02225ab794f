//! Anchors, aliases, tags and directives.

use super::{Mark, Scan, Scanner, TokenKind};

impl<'a> Scanner<'a> {
    pub(super) fn alphabetic_run(&self) -> usize {
        let mut length = 0;
        while self.byte(length).is_ascii_alphanumeric() || matches!(self.byte(length), b'_' | b'-')
        {
            length += 1;
        }
        length
    }

    pub(super) fn fetch_anchor(&mut self, alias: bool) -> Scan<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        self.skip();
        let length = self.alphabetic_run();
        let name = &self.text[self.pos..self.pos + length];
        self.skip_run(length);
        let terminated = self.is_blank_or_end(0)
            || matches!(
                self.byte(0),
                b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`'
            );
        if name.is_empty() || !terminated {
            return self.error(
                start,
                "did not find expected alphabetic or numeric character",
            );
        }
        self.push(
            if alias {
                TokenKind::Alias(name)
            } else {
                TokenKind::Anchor(name)
            },
            start,
        );
        Ok(())
    }

    pub(super) fn fetch_tag(&mut self) -> Scan<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        let (mut handle, mut suffix);
        if self.byte(1) == b'<' {
            self.skip_run(2);
            handle = String::new();
            suffix = self.scan_tag_uri("", start)?;
            if self.byte(0) != b'>' {
                return self.error(start, "did not find the expected '>'");
            }
            self.skip();
        } else {
            let name = self.scan_tag_handle(false, start)?;
            if name.len() > 1 && name.ends_with('!') {
                suffix = self.scan_tag_uri("", start)?;
                handle = name.to_owned();
            } else {
                suffix = self.scan_tag_uri(name, start)?;
                handle = "!".to_owned();
                if suffix.is_empty() {
                    std::mem::swap(&mut handle, &mut suffix);
                }
            }
        }
        if !self.is_blank_or_end(0) {
            return self.error(start, "did not find expected whitespace or line break");
        }
        self.push(TokenKind::Tag { handle, suffix }, start);
        Ok(())
    }

    pub(super) fn scan_tag_handle(&mut self, directive: bool, start: Mark) -> Scan<&'a str> {
        if self.byte(0) != b'!' {
            return self.error(start, "did not find expected '!'");
        }
        let from = self.pos;
        self.skip();
        let length = self.alphabetic_run();
        self.skip_run(length);
        if self.byte(0) == b'!' {
            self.skip();
        } else if directive && length > 0 {
            return self.error(start, "did not find expected '!'");
        }
        Ok(&self.text[from..self.pos])
    }

    pub(super) fn scan_tag_uri(&mut self, head: &str, start: Mark) -> Scan<String> {
        let mut uri = head.get(1..).unwrap_or_default().as_bytes().to_vec();
        let mut found = !head.is_empty();
        loop {
            let byte = self.byte(0);
            if byte == b'%' {
                let digits = self.text.get(self.pos + 1..self.pos + 3);
                let Some(octet) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())
                else {
                    return self.error(start, "did not find URI escaped octet");
                };
                uri.push(octet);
                self.skip_run(3);
            } else if byte.is_ascii_alphanumeric() || b"_-;/?:@&=+$,.!~*'()[]".contains(&byte) {
                uri.push(byte);
                self.skip();
            } else {
                break;
            }
            found = true;
        }
        if !found {
            return self.error(start, "did not find expected tag URI");
        }
        match String::from_utf8(uri) {
            Ok(uri) => Ok(uri),
            Err(_) => self.error(start, "found an incorrect trailing UTF-8 octet"),
        }
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.is_blank(0) {
            self.skip();
        }
    }

    pub(super) fn fetch_directive(&mut self) -> Scan<()> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        self.skip();
        let length = self.alphabetic_run();
        let name = &self.text[self.pos..self.pos + length];
        self.skip_run(length);
        if name.is_empty() {
            return self.error(start, "could not find expected directive name");
        }
        if !self.is_blank_or_end(0) {
            return self.error(start, "found unexpected non-alphabetical character");
        }
        let kind = match name {
            "YAML" => {
                self.skip_blanks();
                let major = self.scan_version_number(start)?;
                if self.byte(0) != b'.' {
                    return self.error(start, "did not find expected digit or '.' character");
                }
                self.skip();
                TokenKind::Version(major, self.scan_version_number(start)?)
            }
            "TAG" => {
                self.skip_blanks();
                let handle = self.scan_tag_handle(true, start)?;
                if !self.is_blank(0) {
                    return self.error(start, "did not find expected whitespace");
                }
                self.skip_blanks();
                let prefix = self.scan_tag_uri("", start)?;
                if !self.is_blank_or_end(0) {
                    return self.error(start, "did not find expected whitespace or line break");
                }
                TokenKind::TagDirective { handle, prefix }
            }
            _ => return self.error(start, "found unknown directive name"),
        };
        self.finish_line(start)?;
        self.push(kind, start);
        Ok(())
    }

    pub(super) fn scan_version_number(&mut self, start: Mark) -> Scan<u8> {
        let mut value = 0;
        let mut length = 0;
        while self.byte(0).is_ascii_digit() {
            length += 1;
            if length > 2 {
                return self.error(start, "found extremely long version number");
            }
            value = value * 10 + (self.byte(0) - b'0');
            self.skip();
        }
        if length == 0 {
            return self.error(start, "did not find expected version number");
        }
        Ok(value)
    }

    /// Blanks and a comment, then the line break that must follow.
    pub(super) fn finish_line(&mut self, start: Mark) -> Scan<()> {
        self.skip_blanks();
        if self.byte(0) == b'#' {
            self.skip_comment();
        }
        if !self.is_break_or_end(0) {
            return self.error(start, "did not find expected comment or line break");
        }
        self.skip_line();
        Ok(())
    }
}
