//! Values files and the arguments of `--set` and its kin.

use std::fmt::Write;

use super::{Choices, documents};

/// Texts that stress quoting, folding, numbers in disguise and encodings.
pub(super) const TEXTS: [&str; 34] = [
    "",
    "a",
    "airflow",
    "yes",
    "no",
    "on",
    "~",
    "null",
    "true",
    "0x1F",
    "0777",
    "1e3",
    "1.0",
    "-",
    "- a",
    "a: b",
    "a #b",
    "#a",
    "'q'",
    "\\\"d\\\"",
    "back\\\\slash",
    "tab\\there",
    "line\\nbreak",
    "trailing\\n",
    "  lead",
    "trail  ",
    "ünïcode",
    "日本",
    "😀",
    "a-b_c.d/e",
    "12:30",
    "2001-12-14",
    "{a}",
    "%x & <y>",
];

/// The values every values file has.
pub const PLAIN: &str =
    "t: airflow\nn: 5\nf: 1.5\nb: true\nl: [1, two, 3.5, null]\nm: {a: 1, b: x, c: {d: y}}\n";

/// A values file, as YAML text.
pub fn values(choices: &mut Choices) -> String {
    let mut text = PLAIN.to_owned();
    for index in 0..4 + choices.below(6) {
        let _ = write!(text, "k{index}: ");
        node(choices, &mut text, 3);
        text.push('\n');
    }
    if choices.one_in(2) {
        documents::table(choices, &mut text, 0, 2);
    }
    text
}

/// A value in flow style.
fn node(choices: &mut Choices, text: &mut String, depth: usize) {
    match choices.below(if depth == 0 { 6 } else { 8 }) {
        0 | 1 => {
            let word = choices.pick(&TEXTS);
            let _ = write!(text, "\"{word}\"");
        }
        2 => {
            let _ = write!(text, "{}", whole(choices));
        }
        3 => text.push_str(choices.pick(&[
            "1.5",
            "0.1",
            "1e6",
            "1e21",
            "-2.25",
            "123456789.5",
            "0.00001",
            "100000000000000000000",
        ])),
        4 => text.push_str(choices.pick(&["true", "false", "yes", "off"])),
        5 => text.push_str(choices.pick(&[
            "null",
            "~",
            "plain",
            "0o17",
            "1_000",
            "2001-12-14",
            "12:30",
        ])),
        6 => {
            text.push('[');
            for index in 0..choices.below(4) {
                if index > 0 {
                    text.push_str(", ");
                }
                node(choices, text, depth - 1);
            }
            text.push(']');
        }
        _ => {
            text.push('{');
            for index in 0..choices.below(5) {
                if index > 0 {
                    text.push_str(", ");
                }
                let key = choices.pick(&[
                    "a", "b", "a1", "a10", "a2", "A", "1", "x-y", "z_", "", "y", "é", "a b",
                    "12:30", "#",
                ]);
                let _ = if choices.one_in(3) || !key.chars().all(char::is_alphanumeric) {
                    write!(text, "\"{key}{index}\": ")
                } else {
                    write!(text, "{key}{index}: ")
                };
                node(choices, text, depth - 1);
            }
            text.push('}');
        }
    }
}

pub(super) fn whole(choices: &mut Choices) -> i64 {
    match choices.below(8) {
        0 => 0,
        1 => 1,
        2 => -3,
        3 => 1_000_000,
        4 => 9_007_199_254_740_993,
        _ => choices.below(300) as i64,
    }
}

const PATHS: [&str; 24] = [
    "s", "s.a", "m.new", "l2[0]", "l2[1].a", "k0x", "m.c.d", "m.c.e.f", "l[0]", "l[5]", "l[-1]",
    "m.a.b", "t.x", "a\\.b", "a\\=b", "", ".x", "x.", "x[0][1]", "x[a]", "x[", "a b", "é", "k1[1]",
];

const SET: [&str; 32] = [
    "1",
    "1.5",
    "007",
    "true",
    "null",
    "a\\,b",
    "{a,b}",
    "x y",
    "0",
    "-4",
    "{}",
    "",
    "+4",
    "TRUE",
    "Null",
    "1e6",
    "0x1F",
    "{1,2.5,null}",
    "{a\\,b,c}",
    "{a,",
    "{a}b",
    "a=b",
    "\"q\"",
    "'q'",
    "\\\\",
    "a\\",
    "[1,2]",
    "9223372036854775807",
    "9223372036854775808",
    "é,z=1",
    "1,",
    ",,",
];

const JSON: [&str; 14] = [
    "1",
    "1.5",
    "\"x\"",
    "[1,{\"a\":null}]",
    "{\"a\":{\"b\":[]}}",
    "null",
    "true",
    "",
    "{",
    "1e3",
    "12345678901234567890",
    "\"\\u00e9\"",
    "[1, 2],z=3",
    "tru",
];

/// Arguments of `--set` and its kin, as `helm template` takes them.
pub fn sets(choices: &mut Choices) -> Vec<String> {
    (0..choices.below(4))
        .map(|_| {
            let path = choices.pick(&PATHS);
            match choices.below(8) {
                0 => format!("--set-string={path}={}", choices.pick(&SET)),
                1 => format!("--set-literal={path}={}", choices.pick(&SET)),
                2 => format!("--set-json={path}={}", choices.pick(&JSON)),
                3 => format!(
                    "--set={path}={},{}={}",
                    choices.pick(&SET),
                    choices.pick(&PATHS),
                    choices.pick(&SET)
                ),
                4 => format!("--set={}", choices.pick(&SET)),
                _ => format!("--set={path}={}", choices.pick(&SET)),
            }
        })
        .collect()
}
