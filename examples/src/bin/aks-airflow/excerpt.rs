//! [`Excerpt`]: the line an error points at, and where in it. It owns the layout; it refuses to
//! judge what may be shown, which is done where the error comes from.

use std::fmt::{self, Display, Formatter};

use miette::Diagnostic;

/// So many characters of a line are shown around the place.
const WIDTH: usize = 120;

/// A line of a text, and the part of it that an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// The file.
    name: String,
    /// From 1.
    line: usize,
    /// Characters before the part, from 0.
    column: usize,
    /// Characters of the part; 0 if the whole line is meant.
    length: usize,
    /// The whole line.
    text: String,
}

impl Excerpt {
    /// Where an error points at, if it does.
    pub(crate) fn of(error: &dyn Diagnostic) -> Option<Self> {
        let source = error.source_code()?;
        let label = error.labels()?.next()?;
        let span = label.inner();
        let part = source.read_span(span, 0, 0).ok()?;
        let (line, bytes) = (part.line(), part.column());
        // The contents are the bare span unless lines around it are asked for.
        let around = source.read_span(span, 1, 1).ok()?;
        let skipped = line.checked_sub(around.line())?;
        let text = std::str::from_utf8(around.data()).ok()?;
        let text = text.split('\n').nth(skipped)?.trim_end_matches('\r');
        let rest_of_line = text.get(bytes..).unwrap_or_default();
        let part = rest_of_line.get(..span.len()).unwrap_or(rest_of_line);
        Some(Self {
            name: around.name().unwrap_or("text").to_owned(),
            line: line + 1,
            column: text.get(..bytes).unwrap_or_default().chars().count(),
            length: part.chars().count(),
            text: text.to_owned(),
        })
    }

    /// For programs; line and column are counted from 1.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "file": self.name,
            "line": self.line,
            "column": self.column + 1,
            "text": self.text,
        })
    }
}

/// The place, the line, and a mark under the part.
impl Display for Excerpt {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let from = self.column.saturating_sub(WIDTH / 2);
        let shown: String = self.text.chars().skip(from).take(WIDTH).collect();
        let before = if from > 0 { "…" } else { "" };
        writeln!(out, "  {margin}--> {}:{number}", printable(&self.name))?;
        writeln!(out, "  {number} | {before}{}", printable(&shown))?;
        if self.length > 0 {
            let lead = shown.chars().take(self.column - from);
            let lead: String = lead
                .map(|letter| if letter == '\t' { '\t' } else { ' ' })
                .collect();
            let marks = "^".repeat(self.length.min(WIDTH - (self.column - from)).max(1));
            let before = if from > 0 { " " } else { "" };
            writeln!(out, "  {margin} | {before}{lead}{marks}")?;
        }
        Ok(())
    }
}

/// A text without what a terminal would act upon; tabs stay.
pub(crate) fn printable(text: &str) -> String {
    let plain = |letter: char| {
        if letter.is_control() && letter != '\t' {
            char::REPLACEMENT_CHARACTER
        } else {
            letter
        }
    };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use miette::{Diagnostic, NamedSource, SourceSpan};

    use super::Excerpt;

    #[derive(Debug, thiserror::Error, Diagnostic)]
    #[error("wrong")]
    struct Wrong {
        #[source_code]
        text: NamedSource<String>,
        #[label]
        at: SourceSpan,
    }

    fn shown(text: &str, at: (usize, usize)) -> String {
        let text = NamedSource::new("a/b.yaml", text.to_owned());
        let wrong = Wrong {
            text,
            at: at.into(),
        };
        Excerpt::of(&wrong).unwrap().to_string()
    }

    #[test]
    fn the_mark_is_under_the_part() {
        assert_eq!(
            shown("one\nä: {{ .x }}\nthree", (11, 2)),
            "   --> a/b.yaml:2\n  2 | ä: {{ .x }}\n    |       ^^\n"
        );
        assert_eq!(
            shown("{{ .x }}", (3, 2)),
            "   --> a/b.yaml:1\n  1 | {{ .x }}\n    |    ^^\n"
        );
    }

    #[test]
    fn a_whole_line_has_no_mark_and_a_terminal_is_not_given_orders() {
        assert_eq!(
            shown("one\n\u{1b}[2Jtwo\r\n", (4, 0)),
            "   --> a/b.yaml:2\n  2 | \u{fffd}[2Jtwo\n"
        );
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let long = format!("{}HERE{}", "a".repeat(500), "b".repeat(500));
        let shown = shown(&long, (500, 4));
        let lines: Vec<&str> = shown.lines().collect();
        let at = lines[1].find("HERE").unwrap() - '…'.len_utf8() + 1;
        assert_eq!(lines[2].find("^^^^"), Some(at));
        assert!(lines[1].chars().count() < 140);
    }
}
