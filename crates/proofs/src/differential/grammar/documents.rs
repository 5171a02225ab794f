//! YAML in block style as people write it: nested, with comments, anchors, tags, block texts and
//! scalars that look like something else.

use std::fmt::Write as _;

use super::Choices;
use super::odd;

/// Scalars as they stand in a file.
const SCALARS: [&str; 56] = [
    "plain",
    "two words",
    "yes",
    "No",
    "on",
    "off",
    "y",
    "n",
    "~",
    "",
    "null",
    "Null",
    "true",
    "False",
    "0",
    "-1",
    "+1",
    "007",
    "0o17",
    "0777",
    "08",
    "0x1F",
    "0b11",
    "1_000",
    "1.",
    ".5",
    "1e3",
    "1E+3",
    "1.0",
    "1e6",
    "1:30",
    "2001-12-14",
    "2001-12-14t21:59:43.10-05:00",
    "100Mi",
    "1.2.3",
    "12345678901234567",
    "1e400",
    "'single ''quoted'''",
    "\"double \\\"q\\\" \\x41 \\u00e9 \\n\"",
    "'two\n    lines'",
    "\"two \\\n    lines\"",
    "a: b",
    "a #c",
    "a # comment",
    "é",
    "😀",
    "!!str 1",
    "!!int \"7\"",
    "!!float 1",
    "!!binary YQ==",
    "!custom x",
    "[1, two, 'three']",
    "{a: 1, b: [x]}",
    "[]",
    "{}",
    "http://a/b?c=d#e",
];

const KEYS: [&str; 22] = [
    "a",
    "b",
    "c",
    "a1",
    "a10",
    "a2",
    "A",
    "x-y",
    "z_",
    "1",
    "1.5",
    "y",
    "yes",
    "null",
    "~",
    "true",
    "é",
    "\"q k\"",
    "'s'",
    "0x1",
    "2001-01-01",
    "a b",
];

const BLOCKS: [&str; 12] = [
    "|",
    "|-",
    "|+",
    ">",
    ">-",
    ">+",
    "|2",
    "|1-",
    ">2-",
    "| # comment",
    "|4",
    "|+2",
];

/// A document of a few lines.
pub(super) fn document(choices: &mut Choices) -> String {
    let mut text = String::new();
    if choices.one_in(12) {
        text.push_str(choices.pick(&[
            "---\n",
            "# head\n",
            "%YAML 1.1\n---\n",
            "--- # x\n",
            "\n\n",
        ]));
    }
    match choices.below(8) {
        0 => text.push_str(choices.pick(&SCALARS)),
        1 => sequence(choices, &mut text, 0, 2),
        _ => table(choices, &mut text, 0, 2),
    }
    if choices.one_in(12) {
        text.push_str(choices.pick(&[
            "\n---\nb: 2\n",
            "\n...\n",
            "\n# end",
            "\n \n",
            "\n\t",
            "\n---\n",
        ]));
    }
    text
}

fn indent(text: &mut String, by: usize) {
    text.extend(std::iter::repeat_n(' ', by));
}

/// Lines of a table at an indentation; one after another, each with its line end.
pub(super) fn table(choices: &mut Choices, text: &mut String, by: usize, depth: usize) {
    for index in 0..=choices.below(4) {
        indent(text, by);
        let key = choices.pick(&KEYS);
        if choices.one_in(30) {
            let _ = write!(text, "? {key}\n{:by$}: ", "");
        } else if choices.one_in(3) {
            let _ = write!(text, "{key}: ");
        } else {
            let _ = write!(
                text,
                "{}{index}: ",
                choices.pick(&["a", "b", "k", "Z", "z-"])
            );
        }
        node(choices, text, by, depth);
    }
}

fn sequence(choices: &mut Choices, text: &mut String, by: usize, depth: usize) {
    for _ in 0..=choices.below(3) {
        indent(text, by);
        text.push_str("- ");
        node(choices, text, by + 2, depth);
    }
}

/// What follows a key or a dash, with the line end.
fn node(choices: &mut Choices, text: &mut String, by: usize, depth: usize) {
    if choices.one_in(25) {
        text.push_str(choices.pick(&["&x ", "*x ", "&x1 "]));
    }
    match choices.below(if depth == 0 { 8 } else { 11 }) {
        0 => block(choices, text, by),
        1 => {
            let odd = odd::text(choices).replace('\'', "''");
            let inner = odd.replace('\n', &format!("\n{:width$}", "", width = by + 2));
            let _ = writeln!(text, "'{inner}'");
        }
        2..=7 => {
            text.push_str(choices.pick(&SCALARS));
            text.push_str(choices.pick(&["\n", "\n", "\n", " # c\n", "  \n"]));
        }
        8 => {
            text.push('\n');
            let deeper = 2 * choices.below(2);
            sequence(choices, text, by + deeper, depth - 1);
        }
        _ => {
            text.push('\n');
            table(choices, text, by + 2, depth - 1);
        }
    }
}

fn block(choices: &mut Choices, text: &mut String, by: usize) {
    let _ = writeln!(text, "{}", choices.pick(&BLOCKS));
    for _ in 0..=choices.below(3) {
        indent(text, by + 2);
        text.push_str(choices.pick(&[
            "line one",
            "  deeper",
            "",
            "text with: colon",
            "# no comment",
            "trailing ",
            "- item",
            "\ttab",
            "é😀",
        ]));
        text.push('\n');
    }
    text.push_str(choices.pick(&["", "", "\n", "\n\n"]));
}
