//! Random values and templates. It owns the grammar: what is likely to be written in charts, and
//! what is just legal. It refuses what cannot be compared: randomness, clocks, the network.

use std::fmt::Write;

/// A source of choices, reproducible from its seed.
#[derive(Debug)]
pub struct Choices(fastrand::Rng);

impl Choices {
    /// The choices of one seed.
    pub fn seeded(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0.usize(..limit.max(1))
    }

    fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// The types the grammar tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Whole,
    Number,
    Truth,
    List,
    Table,
}

const TYPES: [Type; 6] = [Type::Text, Type::Whole, Type::Number, Type::Truth, Type::List, Type::Table];

/// Texts that stress quoting, folding, numbers in disguise and encodings.
const TEXTS: [&str; 34] = [
    "", "a", "airflow", "yes", "no", "on", "~", "null", "true", "0x1F", "0777", "1e3", "1.0", "-", "- a", "a: b",
    "a #b", "#a", "'q'", "\\\"d\\\"", "back\\\\slash", "tab\\there", "line\\nbreak", "trailing\\n", "  lead", "trail  ",
    "ünïcode", "日本", "😀", "a-b_c.d/e", "12:30", "2001-12-14", "{a}", "%x & <y>",
];

/// Layouts of time that do not need a clock.
const WORDS: [&str; 8] = ["foo bar", "FooBar", "foo_bar-baz", "HTTPServer", "x", "hello world again", "1a2b", "äöü"];

/// A values file, as YAML text.
pub fn values(choices: &mut Choices) -> String {
    let mut text = String::from("t: airflow\nn: 5\nf: 1.5\nb: true\nl: [1, two, 3.5, null]\nm: {a: 1, b: x, c: {d: y}}\n");
    for index in 0..4 + choices.below(6) {
        let _ = write!(text, "k{index}: ");
        node(choices, &mut text, 3);
        text.push('\n');
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
        3 => text.push_str(choices.pick(&["1.5", "0.1", "1e6", "1e21", "-2.25", "123456789.5", "0.00001", "100000000000000000000"])),
        4 => text.push_str(choices.pick(&["true", "false", "yes", "off"])),
        5 => text.push_str(choices.pick(&["null", "~", "plain", "0o17", "1_000", "2001-12-14", "12:30"])),
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
                let key = choices.pick(&["a", "b", "a1", "a10", "a2", "A", "\"1\"", "x-y", "z_", "\"\"", "y", "\"é\""]);
                let _ = write!(text, "{key}{index}: ").map(|()| ());
                node(choices, text, depth - 1);
            }
            text.push('}');
        }
    }
}

fn whole(choices: &mut Choices) -> i64 {
    match choices.below(8) {
        0 => 0,
        1 => 1,
        2 => -3,
        3 => 1_000_000,
        4 => 9_007_199_254_740_993,
        _ => choices.below(300) as i64,
    }
}

/// `--set` arguments.
pub fn sets(choices: &mut Choices) -> Vec<String> {
    (0..choices.below(4))
        .map(|index| {
            let value = choices.pick(&["1", "1.5", "007", "true", "null", "a\\,b", "{a,b}", "x y", "0", "-4", "{}", ""]);
            let path = choices.pick(&["s", "s.a", "m.new", "l2[0]", "l2[1].a", "k0x"]);
            format!("{path}{}={value}", if path.ends_with(']') { String::new() } else { index.to_string() })
        })
        .collect()
}

/// One template of a few statements.
pub fn template(choices: &mut Choices) -> String {
    let mut text = String::new();
    for _ in 0..=choices.below(4) {
        statement(choices, &mut text, 3);
    }
    text
}

fn statement(choices: &mut Choices, text: &mut String, depth: usize) {
    let trim_left = choices.pick(&["{{ ", "{{- ", "{{"]);
    let trim_right = choices.pick(&[" }}", " -}}", "}}"]);
    match choices.below(if depth == 0 { 5 } else { 11 }) {
        0 => text.push_str(choices.pick(&["text ", "\n", "  indented\n", "a: b\n", "\t", "é "])),
        1..=4 => {
            let of = TYPES[choices.below(TYPES.len())];
            let expression = expression(choices, of, depth);
            let _ = write!(text, "{trim_left}{expression}{trim_right}");
        }
        5 => {
            let condition = any(choices, depth);
            let _ = write!(text, "{trim_left}if {condition}{trim_right}");
            statement(choices, text, depth - 1);
            if choices.one_in(2) {
                text.push_str("{{ else }}");
                statement(choices, text, depth - 1);
            }
            text.push_str("{{ end }}");
        }
        6 => {
            let list = expression(choices, Type::List, depth - 1);
            let _ = write!(text, "{{{{ range $i, $e := {list} }}}}");
            text.push_str(choices.pick(&["{{ $i }}={{ $e }};", "[{{ . }}]", "{{ $i }},", "{{ toYaml $e }}|"]));
            text.push_str(choices.pick(&["{{ end }}", "{{ else }}none{{ end }}"]));
        }
        7 => {
            let table = expression(choices, Type::Table, depth - 1);
            let _ = write!(text, "{{{{ range $k, $v := {table} }}}}");
            text.push_str(choices.pick(&["{{ $k }}={{ $v }};", "{{ $k | quote }},", "{{ kindOf $v }} "]));
            text.push_str("{{ end }}");
        }
        8 => {
            let value = any(choices, depth - 1);
            let _ = write!(text, "{{{{ with {value} }}}}");
            text.push_str(choices.pick(&["{{ . }}", "{{ toJson . }}", "{{ kindOf . }}", "{{ . | toString | len }}"]));
            text.push_str(choices.pick(&["{{ end }}", "{{ else }}empty{{ end }}"]));
        }
        9 => {
            let value = any(choices, depth - 1);
            let _ = write!(text, "{{{{ $x := {value} }}}}{{{{ $x }}}}");
            if choices.one_in(2) {
                let again = any(choices, depth - 1);
                let _ = write!(text, "{{{{ $x = {again} }}}}{{{{ $x }}}}");
            }
        }
        _ => {
            let inner = any(choices, depth - 1);
            let _ = write!(text, "{{{{ tpl \"<{{{{ . | toJson }}}}>\" ({inner}) }}}}");
        }
    }
}

/// An expression of any type.
fn any(choices: &mut Choices, depth: usize) -> String {
    if choices.one_in(8) {
        return choices.pick(&[".Values.absent", ".Values.k0", ".Values.k1", ".Values.k2", ".Values.k3"]).to_owned();
    }
    let of = TYPES[choices.below(TYPES.len())];
    expression(choices, of, depth)
}

/// An expression of a type; calls are in parentheses so that it can be an argument.
fn expression(choices: &mut Choices, of: Type, depth: usize) -> String {
    if depth == 0 {
        return leaf(choices, of);
    }
    let depth = depth - 1;
    let mut arg = |of| expression(choices, of, depth);
    let inner = match of {
        Type::Text => {
            let (text, other, number, list) = (arg(Type::Text), arg(Type::Text), arg(Type::Whole), arg(Type::List));
            let (table, truth, float) = (arg(Type::Table), arg(Type::Truth), arg(Type::Number));
            let anything = any(choices, depth);
            let small = choices.below(12);
            let word = choices.pick(&WORDS);
            match choices.below(52) {
                0 => format!("upper {text}"),
                1 => format!("title {text}"),
                2 => format!("quote {anything}"),
                3 => format!("squote {anything}"),
                4 => format!("trunc {small} {text}"),
                5 => format!("trunc -{small} {text}"),
                6 => format!("indent {small} {text}"),
                7 => format!("nindent {small} {text}"),
                8 => format!("replace \"a\" {other} {text}"),
                9 => format!("default {text} {other}"),
                10 => format!("toYaml {anything}"),
                11 => format!("toJson {anything}"),
                12 => format!("toString {anything}"),
                13 => format!("printf \"%v|%s|%d\" {anything} {text} {number}"),
                14 => format!("print {text} {number} {other}"),
                15 => format!("join \"-\" {list}"),
                16 => format!("b64enc {text}"),
                17 => format!("sha256sum {text}"),
                18 => format!("trimSuffix {other} {text}"),
                19 => format!("trim {text}"),
                20 => format!("snakecase \"{word}\""),
                21 => format!("camelcase \"{word}\""),
                22 => format!("kebabcase \"{word}\""),
                23 => format!("abbrev {} {text}", small + 4),
                24 => format!("wrap {} {text}", small + 3),
                25 => format!("repeat {} {text}", small % 4),
                26 => format!("substr {} {} {text}", small % 3, small),
                27 => format!("cat {text} {anything}"),
                28 => format!("ternary {text} {other} {truth}"),
                29 => format!("kindOf {anything}"),
                30 => format!("typeOf {anything}"),
                31 => format!("printf \"%q %5v|%-6v|\" {text} {number} {text}"),
                32 => format!("printf \"%.2f %e %g\" {float} {float} {float}"),
                33 => format!("toPrettyJson {anything}"),
                34 => format!("nospace {text}"),
                35 => format!("initials {text}"),
                36 => format!("swapcase {text}"),
                37 => format!("plural \"one\" {text} {number}"),
                38 => format!("regexReplaceAll \"[a-f]+\" {text} \"<${{0}}>\""),
                39 => format!("get {table} \"b\" | toString"),
                40 => format!("trimAll \"a \" {text}"),
                41 => format!("html {text}"),
                42 => format!("urlquery {text}"),
                43 => format!("js {text}"),
                44 => format!("toRawJson {anything}"),
                45 => format!("toToml {table}"),
                46 => format!("printf \"%t %x %X\" {truth} {text} {number}"),
                47 => format!("base {text}"),
                48 => format!("dig \"c\" \"d\" {text} {table} | toString"),
                49 => format!("coalesce {other} {text}"),
                50 => format!("untitle {text}"),
                _ => format!("toYamlPretty {anything}"),
            }
        }
        Type::Whole => {
            let (number, other, text, list) = (arg(Type::Whole), arg(Type::Whole), arg(Type::Text), arg(Type::List));
            let float = arg(Type::Number);
            match choices.below(14) {
                0 => format!("add {number} {other}"),
                1 => format!("sub {number} {other}"),
                2 => format!("mul {number} {other}"),
                3 => format!("add1 {number}"),
                4 => format!("max {number} {other}"),
                5 => format!("min {number} {other}"),
                6 => format!("len {text}"),
                7 => format!("len {list}"),
                8 => format!("int {float}"),
                9 => format!("int64 {text}"),
                10 => format!("atoi {text}"),
                11 => format!("div {number} 7"),
                12 => format!("mod {number} 7"),
                _ => format!("int {number}"),
            }
        }
        Type::Number => {
            let (number, other, whole) = (arg(Type::Number), arg(Type::Number), arg(Type::Whole));
            match choices.below(9) {
                0 => format!("addf {number} {other}"),
                1 => format!("mulf {number} {other}"),
                2 => format!("subf {number} {other}"),
                3 => format!("floor {number}"),
                4 => format!("ceil {number}"),
                5 => format!("round {number} 2"),
                6 => format!("float64 {whole}"),
                7 => format!("maxf {number} {other}"),
                _ => format!("divf {number} 3"),
            }
        }
        Type::Truth => {
            let (truth, other, text, number) = (arg(Type::Truth), arg(Type::Truth), arg(Type::Text), arg(Type::Whole));
            let (more, table, list) = (arg(Type::Text), arg(Type::Table), arg(Type::List));
            let anything = any(choices, depth);
            match choices.below(15) {
                0 => format!("and {truth} {other}"),
                1 => format!("or {truth} {other}"),
                2 => format!("not {anything}"),
                3 => format!("eq {text} {more}"),
                4 => format!("ne {text} {more}"),
                5 => format!("lt (int64 {number}) 5"),
                6 => format!("empty {anything}"),
                7 => format!("hasKey {table} \"a\""),
                8 => format!("has {text} {list}"),
                9 => format!("contains {text} {more}"),
                10 => format!("hasPrefix {text} {more}"),
                11 => format!("kindIs \"string\" {anything}"),
                12 => format!("regexMatch \"^[a-z]+$\" {text}"),
                13 => "semverCompare \">=1.19-0\" .Capabilities.KubeVersion.Version".to_owned(),
                _ => format!("deepEqual {anything} {text}"),
            }
        }
        Type::List => {
            let (list, other, text, table) = (arg(Type::List), arg(Type::List), arg(Type::Text), arg(Type::Table));
            let number = choices.below(4);
            let anything = any(choices, depth);
            match choices.below(18) {
                0 => format!("list {anything} {text}"),
                1 => format!("append {list} {anything}"),
                2 => format!("prepend {list} {anything}"),
                3 => format!("concat {list} {other}"),
                4 => format!("reverse {list}"),
                5 => format!("uniq {list}"),
                6 => format!("compact {list}"),
                7 => format!("rest {list}"),
                8 => format!("initial {list}"),
                9 => format!("without {list} {text}"),
                10 => format!("splitList \"a\" {text}"),
                11 => format!("sortAlpha {list}"),
                12 => format!("until {number}"),
                13 => format!("untilStep 1 {} 2", number * 2),
                14 => format!("keys {table} | sortAlpha"),
                15 => format!("pluck \"a\" {table} {table}"),
                16 => format!("chunk 2 {list}"),
                _ => format!("fromYamlArray (toYaml {list})"),
            }
        }
        Type::Table => {
            let (table, other, text, list) = (arg(Type::Table), arg(Type::Table), arg(Type::Text), arg(Type::List));
            let anything = any(choices, depth);
            match choices.below(13) {
                0 => format!("dict \"a\" {anything} \"b\" {text}"),
                1 => format!("merge (deepCopy {table}) {other}"),
                2 => format!("mergeOverwrite (deepCopy {table}) {other}"),
                3 => format!("set (deepCopy {table}) \"x\" {anything}"),
                4 => format!("unset (deepCopy {table}) \"a\""),
                5 => format!("pick {table} \"a\" \"b\""),
                6 => format!("omit {table} \"a\""),
                7 => format!("deepCopy {table}"),
                8 => format!("fromYaml (toYaml {table})"),
                9 => format!("fromJson (toJson {table})"),
                10 => format!("split \"a\" {text}"),
                11 => format!("dict \"l\" {list}"),
                _ => format!("urlParse (printf \"http://h/%s\" (urlquery {text}))"),
            }
        }
    };
    format!("({inner})")
}

fn leaf(choices: &mut Choices, of: Type) -> String {
    match of {
        Type::Text => match choices.below(4) {
            0 => ".Values.t".into(),
            1 => ".Release.Name".into(),
            _ => format!("\"{}\"", choices.pick(&TEXTS)),
        },
        Type::Whole => match choices.below(3) {
            0 => "(int .Values.n)".into(),
            _ => format!("{}", whole(choices).max(0)),
        },
        Type::Number => choices.pick(&[".Values.f", ".Values.n", "1.5", "0.1", "2.0", "1e6", "123456789.0"]).to_owned(),
        Type::Truth => choices.pick(&["true", "false", ".Values.b"]).to_owned(),
        Type::List => choices.pick(&[".Values.l", "(list)", "(list 1 \"a\")", "(list \"b\" \"a\" \"b\")"]).to_owned(),
        Type::Table => choices.pick(&[".Values.m", "(dict)", "(dict \"a\" 1)", "(dict \"b\" (list 1 2) \"a\" \"x\")"]).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_case() {
        let case = |seed| {
            let mut choices = Choices::seeded(seed);
            (values(&mut choices), sets(&mut choices), template(&mut choices))
        };
        assert_eq!(case(7), case(7));
        assert_ne!(case(7), case(8));
    }
}
