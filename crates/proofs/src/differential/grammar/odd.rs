//! What charts rarely hold and Go still has an answer to: texts that are hard to quote, numbers
//! written in every way, values of Go's rarer types, every function with arguments of any type, every
//! verb of `printf`.

use std::fmt::Write as _;
use std::sync::LazyLock;

use go_text_template::{Function, Purity, Type};
use helm_chart::functions;

use super::Choices;

/// Texts are put together from these.
const PIECES: [&str; 64] = [
    "a",
    "b",
    "Z",
    "word",
    "two words",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\t",
    "\r\n",
    ":",
    ": ",
    " #",
    "#",
    "-",
    "- ",
    "--- ",
    "...",
    "?",
    "? ",
    "!",
    "!!str ",
    "&a",
    "*a",
    "|",
    ">",
    "%",
    "@",
    "`",
    "'",
    "\"",
    "\\",
    "[",
    "]",
    "{",
    "}",
    ",",
    "=",
    "~",
    "0",
    "1",
    "7",
    ".",
    "e",
    "_",
    "x",
    "null",
    "true",
    "no",
    "é",
    "日本",
    "😀",
    "\u{a0}",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\u{1}",
    "\u{7f}",
    "\u{1b}",
    "\u{200b}",
    "<&>",
    "lorem ipsum dolor sit amet consectetur adipiscing elit ",
    "a-very-long-word-without-any-space-in-it",
];

/// Texts that YAML 1.1 may take for something else.
const DISGUISED: [&str; 60] = [
    "",
    "yes",
    "No",
    "ON",
    "off",
    "y",
    "n",
    "Y",
    "N",
    "~",
    "null",
    "Null",
    "NULL",
    "nULL",
    "true",
    "TRUE",
    "tRue",
    "0",
    "-0",
    "+1",
    "007",
    "0o17",
    "0777",
    "08",
    "0x1F",
    "0xg",
    "0b11",
    "0b2",
    "1_000",
    "_1",
    "1.",
    ".5",
    "-.5",
    "+.5e3",
    "1e3",
    "1e+3",
    "1E-3",
    "12e03",
    "1.0",
    "1.50",
    "6.02e23",
    ".inf",
    "-.Inf",
    ".nan",
    ".NaN",
    "NaN",
    "1:30",
    "1:30:45",
    "190:20:30.15",
    "2001-12-14",
    "2001-12-14t21:59:43.10-05:00",
    "2001-12-14 21:59:43.10 -5",
    "2001-1-1",
    "=",
    "<<",
    "100Mi",
    "1.2.3",
    "1e",
    "9223372036854775807",
    "18446744073709551616",
];

/// Number literals of Go.
const NUMBERS: [&str; 34] = [
    "0",
    "1",
    "-1",
    "7",
    "42",
    "+5",
    "0x1F",
    "0X1f",
    "0b101",
    "0o17",
    "017",
    "1_000",
    "0x_F",
    "1.0",
    "1.5",
    ".5",
    "5.",
    "1e3",
    "1E-2",
    "1e6",
    "1e-7",
    "1e20",
    "1e21",
    "123456789.0",
    "0x1p4",
    "'a'",
    "'\\n'",
    "'é'",
    "-0.0",
    "1000000",
    "1234567.5",
    "9223372036854775807",
    "-9223372036854775808",
    "2.5",
];

/// Values of many Go types; none of them is large.
const VALUES: [&str; 52] = [
    "nil",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "3",
    "12",
    "1.5",
    "-2.5",
    "0.0",
    "\"\"",
    "\"a\"",
    "\"1\"",
    "\"1.5\"",
    "\"b,a\"",
    "\"a b c\"",
    ".Values.absent",
    ".Values.n",
    ".Values.f",
    ".Values.b",
    ".Values.t",
    ".Values.l",
    ".Values.m",
    ".Values.m.c",
    ".Values.k0",
    ".Values.k1",
    ".Values.k2",
    ".Values.k3",
    ".Values",
    ".Release",
    ".Chart",
    ".Files",
    ".Template",
    ".Capabilities.APIVersions",
    "(list)",
    "(list nil)",
    "(list 1 nil \"a\" 1)",
    "(list (list 1) (dict \"a\" 1))",
    "(dict)",
    "(dict \"a\" nil)",
    "(dict \"a\" 1 \"b\" (list 2))",
    "(until 3)",
    "(splitList \",\" \"b,a,b\")",
    "(split \",\" \"b,a\")",
    "(int64 3)",
    "(float64 3)",
    "(float64 \"0.1\")",
    "(.Files.GetBytes \"a.txt\")",
    "(semver \"1.2.3-a.1+b\")",
    "(toDate \"2006-01-02\" \"2024-02-29\")",
    "(int .Values.n)",
];

/// Functions whose answer Helm does not repeat or that take long, beside the impure ones.
const LEFT_OUT: [&str; 3] = ["keys", "values", "derivePassword"];

static FUNCTIONS: LazyLock<Vec<Function>> = LazyLock::new(|| {
    let repeatable = |function: &Function| {
        matches!(function.purity(), Purity::Pure | Purity::Mutates)
            && !LEFT_OUT.contains(&function.name())
    };
    functions::helm3()
        .iter()
        .filter(|function| repeatable(function))
        .copied()
        .collect()
});

/// Go's own functions, with how many arguments they want.
const BUILTIN: [(&str, usize); 19] = [
    ("and", 2),
    ("or", 2),
    ("not", 1),
    ("len", 1),
    ("index", 2),
    ("index", 3),
    ("html", 1),
    ("js", 1),
    ("urlquery", 1),
    ("print", 2),
    ("println", 2),
    ("call", 1),
    ("eq", 2),
    ("ne", 2),
    ("lt", 2),
    ("le", 2),
    ("gt", 2),
    ("ge", 2),
    ("eq", 3),
];

/// A text, not yet quoted.
pub(super) fn text(choices: &mut Choices) -> String {
    if choices.one_in(3) {
        return choices.pick(&DISGUISED).to_owned();
    }
    (0..=choices.below(6))
        .map(|_| choices.pick(&PIECES))
        .collect()
}

/// A text as a literal of Go, in one of the ways it can be written.
pub(super) fn literal(choices: &mut Choices) -> String {
    let text = text(choices);
    if choices.one_in(6) && !text.contains(['`', '\r']) && !text.contains('\u{feff}') {
        return format!("`{text}`");
    }
    quote(&text)
}

/// A text between double quotes, with the escapes of Go.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        let _ = match letter {
            '"' | '\\' => write!(quoted, "\\{letter}"),
            '\n' => write!(quoted, "\\n"),
            '\r' => write!(quoted, "\\r"),
            '\t' => write!(quoted, "\\t"),
            '\u{1}' => write!(quoted, "\\x01"),
            '\u{1b}' => write!(quoted, "\\033"),
            '\u{7f}' => write!(quoted, "\\u007f"),
            '\u{85}' | '\u{2028}' | '\u{feff}' | '\u{200b}' => {
                write!(quoted, "\\u{:04x}", u32::from(letter))
            }
            _ => write!(quoted, "{letter}"),
        };
    }
    quoted + "\""
}

/// Any value.
pub(super) fn value(choices: &mut Choices) -> String {
    match choices.below(8) {
        0 => literal(choices),
        1 => choices.pick(&NUMBERS).to_owned(),
        _ => choices.pick(&VALUES).to_owned(),
    }
}

/// A value that has a type, usually.
fn argument(choices: &mut Choices, of: Type) -> String {
    if choices.one_in(8) {
        return value(choices);
    }
    match of {
        Type::Bool => choices.pick(&["true", "false", ".Values.b"]).to_owned(),
        Type::Int | Type::Int64 | Type::Uint32 => choices
            .pick(&["0", "1", "2", "3", "-1", "7", "40", "0x3", "'\\n'"])
            .to_owned(),
        Type::Float64 => choices
            .pick(&["0.5", "1.5", "2", "-2.5", ".Values.f", "1e6", ".Values.n"])
            .to_owned(),
        Type::String => match choices.below(3) {
            0 => choices
                .pick(&[
                    "\"a\"",
                    "\"b,a\"",
                    "\",\"",
                    ".Values.t",
                    "\"1.2.3\"",
                    "\"2006-01-02\"",
                ])
                .to_owned(),
            _ => literal(choices),
        },
        Type::List => choices
            .pick(&[
                ".Values.l",
                "(list)",
                "(list 3 \"a\" nil 3)",
                "(list 1.0 true)",
            ])
            .to_owned(),
        Type::Map => choices
            .pick(&[
                ".Values.m",
                "(dict)",
                "(dict \"a\" 1)",
                "(dict \"b\" (dict \"c\" nil))",
            ])
            .to_owned(),
        _ => value(choices),
    }
}

/// A call of any function that Helm answers alike each time, its arguments of the wanted types or not.
pub(super) fn call(choices: &mut Choices) -> String {
    if choices.one_in(6) {
        let (name, count) = BUILTIN[choices.below(BUILTIN.len())];
        let arguments: String = (0..count).map(|_| format!(" {}", value(choices))).collect();
        return format!("{name}{arguments}");
    }
    let function = &FUNCTIONS[choices.below(FUNCTIONS.len())];
    let mut wanted = function.parameters().to_vec();
    if function.is_variadic() {
        let last = wanted.pop().unwrap_or(Type::Any);
        wanted.extend(std::iter::repeat_n(last, choices.below(4)));
    }
    if choices.one_in(40) {
        wanted.pop();
    } else if choices.one_in(60) {
        wanted.push(Type::Any);
    }
    let arguments: String = wanted
        .into_iter()
        .map(|of| format!(" {}", argument(choices, of)))
        .collect();
    format!("{}{arguments}", function.name())
}

/// `printf` with random verbs, flags, widths and values.
pub(super) fn formatted(choices: &mut Choices) -> String {
    let (mut format, mut arguments) = (String::new(), String::new());
    for _ in 0..=choices.below(3) {
        format.push('%');
        for _ in 0..choices.below(3) {
            format.push_str(choices.pick(&["-", "+", "#", "0", " "]));
        }
        format.push_str(choices.pick(&["", "", "", "1", "6", "12", "[1]", "[2]", "[9]"]));
        format.push_str(choices.pick(&["", "", "", ".0", ".2", ".", ".5"]));
        format.push_str(choices.pick(&[
            "v", "v", "s", "q", "d", "x", "X", "t", "T", "f", "e", "g", "G", "o", "O", "b", "c",
            "U", "z", "%", "E", "F", "w",
        ]));
        format.push_str(choices.pick(&["", "|", " é"]));
        if !choices.one_in(10) {
            let value = value(choices);
            // Go shows the fields of these, addresses among them.
            if !value.contains("semver") && !value.contains("toDate") {
                let _ = write!(arguments, " {value}");
            }
        }
    }
    format!("printf \"{format}\"{arguments}")
}

#[cfg(test)]
mod tests {
    use super::{Choices, FUNCTIONS, formatted, literal};

    #[test]
    fn every_repeatable_function_is_there() {
        assert!(FUNCTIONS.len() > 150, "{}", FUNCTIONS.len());
        assert!(FUNCTIONS.iter().all(|one| one.name() != "randAlphaNum"));
        assert!(FUNCTIONS.iter().all(|one| one.name() != "now"));
    }

    #[test]
    fn literals_are_closed() {
        let mut choices = Choices::seeded(5);
        for _ in 0..500 {
            let literal = literal(&mut choices);
            let mark = &literal[..1];
            assert!(literal.len() > 1 && literal.ends_with(mark), "{literal}");
            assert!(formatted(&mut choices).starts_with("printf \""));
        }
    }
}
