//! Expressions: calls of the template functions, nested, of a wanted type.
//!
//! A production is the call's text with holes: `@t` text, `@w` whole number, `@n` number, `@b`
//! truth, `@l` list, `@m` table, `@a` anything, `@s` a small number, `@W` a word, `@r` a pattern,
//! `@v` a version, `@d` a moment.

use super::Choices;
use super::mistakes::MISTAKES;
use super::values::{TEXTS, whole};

/// The types the grammar tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Whole,
    Number,
    Truth,
    List,
    Table,
}

pub(super) const TYPES: [Type; 6] = [
    Type::Text,
    Type::Whole,
    Type::Number,
    Type::Truth,
    Type::List,
    Type::Table,
];

/// One expression in so many is a mistake.
const MISTAKE: usize = 300;

const WORDS: [&str; 10] = [
    "foo bar",
    "FooBar",
    "foo_bar-baz",
    "HTTPServer",
    "x",
    "hello world again",
    "1a2b",
    "äöü",
    "a.b/c",
    "ID",
];

const PATTERNS: [&str; 10] = [
    "[a-f]+", "^a", "o*", "(a)(i)?", "[^a-z]", "\\\\d+", ".", "(?i)A", "a|b|", "\\\\bw?",
];

const VERSIONS: [&str; 9] = [
    "1.2.3",
    "v1.2",
    "1.0.0-alpha.1",
    "2.0.0+meta",
    "1.15.0",
    "0.0.1",
    "1.20.0-0",
    "3.0.0-rc.1+b",
    "10.0.0",
];

const MOMENTS: [&str; 5] = [
    "(toDate \"2006-01-02\" \"2024-02-29\")",
    "(toDate \"2006-01-02T15:04:05Z07:00\" \"1999-12-31T23:59:59Z\")",
    "(toDate \"15:04\" \"03:07\")",
    "(dateModify \"-1h30m\" (toDate \"2006-01-02\" \"2020-03-01\"))",
    "86400",
];

const TEXT: &[&str] = &[
    "upper @t",
    "lower @t",
    "title @t",
    "untitle @W",
    "quote @a",
    "squote @a",
    "quote @t @w @t",
    "trunc @s @t",
    "trunc -@s @t",
    "indent @s @t",
    "nindent @s @t",
    "replace \"a\" @t @t",
    "default @t @t",
    "toYaml @a",
    "toYaml @m",
    "toYaml @l",
    "toJson @a",
    "toPrettyJson @a",
    "toRawJson @a",
    "toToml @m",
    "toYamlPretty @a",
    "mustToJson @m",
    "mustToYaml @m",
    "mustToPrettyJson @l",
    "mustToRawJson @t",
    "toString @a",
    "printf \"%v|%s|%d\" @a @t @w",
    "printf \"%q %5v|%-6v|\" @t @w @t",
    "printf \"%.2f %e %g\" @n @n @n",
    "printf \"%t %x %X\" @b @t @w",
    "printf \"%T %+v %#v\" @t @a @t",
    "printf \"%05d|%+d|%8.3f|%o|%b|%c|%U\" @w @w @n @s @s @s @s",
    "printf \"%[2]v %[1]v %!\" @t @w",
    "printf \"%s\" @a",
    "printf \"%d\" @t",
    "printf \"%v %v\" @a",
    "printf @t",
    "printf \"%-10s|%10s|%.3s|%x|% x|%#x\" @t @t @t @t @t @t",
    "printf \"%*d|%6.2f%%\" @s @w @n",
    "printf \"%#v\" @s",
    "printf \"%v\" @l",
    "printf \"%v\" @m",
    "printf \"%q\" @l",
    "printf \"%s\" @m",
    "printf \"%08.3f|%+.1e|%G\" @n @n @n",
    "print @t @w @t",
    "print @a @a",
    "println @a @t",
    "print @l @m",
    "join \"-\" @l",
    "join @t @l",
    "b64enc @t",
    "b64enc @t | b64dec",
    "b32enc @t",
    "b32enc @t | b32dec",
    "sha256sum @t",
    "sha1sum @t",
    "sha512sum @t | trunc 12",
    "adler32sum @t",
    "trimSuffix @t @t",
    "trimPrefix @t @t",
    "trim @t",
    "trimAll \"a \" @t",
    "snakecase @W",
    "camelcase @W",
    "kebabcase @W",
    "initials @W",
    "swapcase @W",
    "abbrev 7 @t",
    "abbrev @s @t",
    "abbrevboth 5 10 @W",
    "wrap @s @W",
    "wrapWith @s \"|\" @W",
    "repeat @s @t | trunc 40",
    "substr @s @s @t",
    "substr 0 @s @t",
    "cat @t @a",
    "cat @t @w @t",
    "ternary @t @t @b",
    "kindOf @a",
    "typeOf @a",
    "nospace @t",
    "plural \"one\" @t @w",
    "regexReplaceAll @r @t \"<${0}>\"",
    "regexReplaceAll \"(a)(.?)\" @t \"${2}$1\"",
    "regexReplaceAllLiteral @r @t \"$1\"",
    "regexFind @r @t",
    "regexQuoteMeta @t",
    "get @m \"b\" | toString",
    "html @t",
    "urlquery @t",
    "js @t",
    "html @a",
    "base @t",
    "dir @t",
    "clean @t",
    "ext @t",
    "osBase @t",
    "dig \"c\" \"d\" @t @m | toString",
    "coalesce @t @t",
    "coalesce @a @a | toJson",
    "seq @s",
    "seq 1 @s",
    "seq 0 2 @s",
    "semver @v | toString",
    "(semver @v).Minor",
    "(semver @v).Prerelease",
    "first @l | toJson",
    "last @l | toJson",
    "index @l 0 | toJson",
    "index @m \"a\" | toJson",
    "index .Values \"m\" \"c\" \"d\"",
    "slice @t 0 1",
    "required \"needed\" @t",
    "lookup \"v1\" \"Secret\" \"n\" @t | toJson",
    "tpl \"{{ . | toJson }}\" @a",
    "tpl \"{{- range . }}{{ . }},{{ end -}}\" @l",
    "tpl @t @m",
    "tpl \"{{ tpl \\\"[{{ . }}]\\\" .x }}\" (dict \"x\" @a)",
    "tpl (printf \"{{ %q | upper }}\" @t) .",
    "dateInZone \"2006-01-02 15:04:05.000 Mon Jan _2 3PM\" @d \"UTC\"",
    "date \"Monday, 02-Jan-06 15:04:05 MST\" @d",
    "htmlDate @d",
    "htmlDateInZone @d \"UTC\"",
    "unixEpoch (toDate \"2006-01-02\" \"2024-02-29\")",
    "duration @w",
    "duration \"@s\"",
    "durationRound \"@sh\"",
    "urlJoin (dict \"scheme\" \"https\" \"host\" \"h:1\" \"path\" @t)",
    "toDecimal \"0755\" | toString",
    "hasKey @m \"a\" | toString",
    "len @m | toString",
    "(.Files.Get \"a.txt\")",
    ".Template.Name | base",
    ".Chart.Name",
    ".Chart.AppVersion",
    "toString .Release.Revision",
    ".Values.t | default @t | upper | quote",
    "@t | trunc 63 | trimSuffix \"-\"",
    "list @t @t | join @t",
    "randAlpha 0",
    "toJson (regexFindAll @r @t -1)",
    "toJson (regexSplit @r @t -1)",
    "toJson (splitn \"a\" 2 @t)",
    "fromYaml @t | toJson",
    "fromJson @t | toJson",
    "fromYamlArray @t | toJson",
    "fromJsonArray @t | toJson",
    "fromToml @t | toJson",
    "toJson (fromToml (toToml @m))",
    "(dict \"a\" @t).a",
    "(index (list @t) 0)",
    "and @t @t",
    "or @t @t",
    "(urlParse @t).host",
    "not @t | ternary @t @t",
    "squote @w @n",
    "join \",\" (until @s)",
    "uniq @l | toJson",
    "tuple @t @w | toJson",
    "all @t @w | toString",
    "any @t @w | toString",
    "empty @m | toString",
    "@l | toStrings | join \"+\"",
    "regexMatch @r @t | toString",
    "printf \"%s-%s\" .Release.Name .Chart.Name | trunc 63",
    "sortAlpha @l | toJson",
    "include \"shared\" @a",
    "include \"shared\" @t | upper | indent 2",
    "hello",
];

const WHOLE: &[&str] = &[
    "add @w @w",
    "add @w @w @w",
    "sub @w @w",
    "mul @w @w",
    "add1 @w",
    "max @w @w @w",
    "min @w @w",
    "biggest @w @w",
    "len @t",
    "len @l",
    "len @m",
    "int @n",
    "int64 @t",
    "int64 @n",
    "int @t",
    "atoi @t",
    "div @w 7",
    "mod @w 7",
    "int @w",
    "int @b",
    "floor @n | int",
    "round @n 0 | int64",
    "ternary @w @w @b",
    "default @w @w",
    "index (list @w) 0",
    "len (splitList \"a\" @t)",
    "toDecimal \"755\"",
    "first (list @w)",
    "and 1 @w",
    "or 0 @w",
    "(semver @v).Major",
];

const NUMBER: &[&str] = &[
    "addf @n @n",
    "mulf @n @n",
    "subf @n @n",
    "add1f @n",
    "floor @n",
    "ceil @n",
    "round @n 2",
    "round @n 0 0.5",
    "float64 @w",
    "float64 @t",
    "maxf @n @n",
    "minf @n @n",
    "divf @n 3",
    "toJson @n | fromJson",
    "default @n @n",
    "mulf @n 1e10",
    "fromYaml (printf \"x: %v\" @n) | values | first",
];

const TRUTH: &[&str] = &[
    "and @b @b",
    "or @b @b",
    "not @a",
    "eq @t @t",
    "ne @t @t",
    "eq @t @t @t",
    "eq @w @w",
    "lt @n 5.0",
    "lt (int64 @w) 5",
    "le @w @w",
    "gt @t @t",
    "ge @n @n",
    "empty @a",
    "hasKey @m \"a\"",
    "has @t @l",
    "has @w @l",
    "contains @t @t",
    "hasPrefix @t @t",
    "hasSuffix @t @t",
    "kindIs \"string\" @a",
    "kindIs \"map\" @a",
    "typeIs \"string\" @a",
    "typeIsLike \"int\" @a",
    "regexMatch @r @t",
    "semverCompare \">=1.19-0\" .Capabilities.KubeVersion.Version",
    "semverCompare \"^1.2\" @v",
    "semverCompare \"~1.0 || >2\" @v",
    "deepEqual @a @a",
    "deepEqual @m @m",
    "all @a @a",
    "any @a @a",
    ".Capabilities.APIVersions.Has @t",
    "isAbs @t",
    "eq @b @b",
    "and @a @a",
    "or @a @a",
    "not (not @a)",
    "eq @a @t",
    "lt @w @n",
    "ternary true false @b",
    "eq (toString @a) @t",
];

const LIST: &[&str] = &[
    "list @a @t",
    "list @a @a @a",
    "append @l @a",
    "prepend @l @a",
    "concat @l @l",
    "reverse @l",
    "uniq @l",
    "compact @l",
    "rest @l",
    "initial @l",
    "without @l @t",
    "without @l @w @n",
    "splitList \"a\" @t",
    "sortAlpha @l",
    "until @s",
    "untilStep 1 @s 2",
    "untilStep @s 0 -1",
    "keys @m | sortAlpha",
    "keys @m @m | sortAlpha",
    "pluck \"a\" @m @m",
    "chunk 2 @l",
    "fromYamlArray (toYaml @l)",
    "fromJsonArray (toJson @l)",
    "slice @l 0",
    "slice @l 0 1",
    "regexFindAll @r @t -1",
    "regexFindAll @r @t 2",
    "regexSplit @r @t -1",
    "toStrings @l",
    "tuple @a @a",
    "mustUniq @l",
    "mustCompact @l",
    "default @l @l",
    "list @l @m",
    "splitList @t @t",
    "deepCopy @l",
    "list",
    "ternary @l @l @b",
    "mustRest @l",
    "mustReverse @l",
];

const TABLE: &[&str] = &[
    "dict \"a\" @a \"b\" @t",
    "dict @t @a",
    "dict \"a\" @m \"b\" @l \"a10\" 1 \"a2\" 2",
    "merge (deepCopy @m) @m",
    "merge (dict) @m @m",
    "mergeOverwrite (deepCopy @m) @m",
    "mustMerge (dict) @m",
    "mustMergeOverwrite (dict) @m @m",
    "set (deepCopy @m) \"x\" @a",
    "set (dict) @t @a",
    "unset (deepCopy @m) \"a\"",
    "pick @m \"a\" \"b\"",
    "omit @m \"a\"",
    "deepCopy @m",
    "fromYaml (toYaml @m)",
    "fromJson (toJson @m)",
    "split \"a\" @t",
    "splitn \"a\" 2 @t",
    "dict \"l\" @l",
    "urlParse (printf \"http://u:p@h:1/%s?q=%s#f\" (urlquery @t) (urlquery @t))",
    "fromToml (toToml @m)",
    "fromYaml (include \"shared\" @m)",
    "dict \"k\"",
    "dict @w @a",
    "dig \"c\" (dict) @m",
    "ternary @m @m @b",
    "default @m @m",
];

/// An expression of any type.
pub(super) fn any(choices: &mut Choices, depth: usize) -> String {
    if choices.one_in(8) {
        return choices
            .pick(&[
                ".Values.absent",
                ".Values.k0",
                ".Values.k1",
                ".Values.k2",
                ".Values.k3",
            ])
            .to_owned();
    }
    let of = TYPES[choices.below(TYPES.len())];
    expression(choices, of, depth)
}

/// An expression of a type; calls are in parentheses so that it can be an argument.
pub(super) fn expression(choices: &mut Choices, of: Type, depth: usize) -> String {
    if depth == 0 || choices.one_in(8) {
        return leaf(choices, of);
    }
    let productions = match of {
        _ if choices.one_in(MISTAKE) => MISTAKES,
        Type::Text => TEXT,
        Type::Whole => WHOLE,
        Type::Number => NUMBER,
        Type::Truth => TRUTH,
        Type::List => LIST,
        Type::Table => TABLE,
    };
    let production = choices.pick(productions);
    format!("({})", fill(choices, production, depth - 1))
}

/// The production with its holes filled.
fn fill(choices: &mut Choices, production: &str, depth: usize) -> String {
    let mut text = String::new();
    let mut rest = production;
    while let Some(at) = rest.find('@') {
        text.push_str(&rest[..at]);
        let hole = rest.as_bytes().get(at + 1).copied().unwrap_or_default();
        let filled = match hole {
            b't' => expression(choices, Type::Text, depth),
            b'w' => expression(choices, Type::Whole, depth),
            b'n' => expression(choices, Type::Number, depth),
            b'b' => expression(choices, Type::Truth, depth),
            b'l' => expression(choices, Type::List, depth),
            b'm' => expression(choices, Type::Table, depth),
            b'a' => any(choices, depth),
            b's' => choices.below(12).to_string(),
            b'W' => format!("\"{}\"", choices.pick(&WORDS)),
            b'r' => format!("\"{}\"", choices.pick(&PATTERNS)),
            b'v' => format!("\"{}\"", choices.pick(&VERSIONS)),
            b'd' => choices.pick(&MOMENTS).to_owned(),
            _ => "@".to_owned() + &rest[at + 1..=at + 1],
        };
        text.push_str(&filled);
        rest = &rest[at + 2..];
    }
    text + rest
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
            _ => format!("{}", whole(choices)),
        },
        Type::Number => choices
            .pick(&[
                ".Values.f",
                ".Values.n",
                "1.5",
                "0.1",
                "2.0",
                "1e6",
                "-0.5",
                "123456789.0",
            ])
            .to_owned(),
        Type::Truth => choices.pick(&["true", "false", ".Values.b"]).to_owned(),
        Type::List => choices
            .pick(&[
                ".Values.l",
                "(list)",
                "(list 1 \"a\")",
                "(list \"b\" \"a\" \"b\")",
            ])
            .to_owned(),
        Type::Table => choices
            .pick(&[
                ".Values.m",
                "(dict)",
                "(dict \"a\" 1)",
                "(dict \"b\" (list 1 2) \"a\" \"x\")",
            ])
            .to_owned(),
    }
}
