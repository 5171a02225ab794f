//! Mistakes: calls that fail, or answer with an error as text, and statements that do not parse.

/// Calls that usually fail; holes as in the other productions.
pub(super) const MISTAKES: &[&str] = &[
    ".Values.t.x", ".Values.absent.x.y", "index @l 99", "index @m \"a\" \"b\" \"c\"", "fail @t", "required @t .Values.absent",
    "include \"missing\" .", "tpl \"{{ .x.y }}\" .", "tpl \"{{ broken\" .", "tpl \"{{ fail \\\"deep\\\" }}\" .", "upper @w",
    "upper @l", "trunc @t @t", "lt @t @w", "eq @l @l", "eq @m @m", "add @l @w", "div @w 0", "mod @w 0", "len @w", "len @b",
    "slice @l 3 1", "slice @t 9", "first @t", "rest @w", "append @t @t", "merge @t @m", "hasKey @l \"a\"", "get @l \"a\"",
    "dict \"a\" 1 | index 1", "substr -1 -5 @t", "repeat -1 @t", "toDate \"2006\" \"x\" | unixEpoch", "mustToDate \"2006\" @t",
    "mustRegexMatch \"(\" @t", "regexMatch \"[\" @t", "semver @t", "semverCompare @t @t", "b64dec @t", "b32dec @t", "atoi @l",
    "join @l", "quote", "default", "printf", "ternary @t", "call @t", ".Release.Foo", ".Release.Name.Foo", ".Chart.Foo",
    ".Files.Foo", ".Capabilities.KubeVersion.Foo", "index .Values.absent \"x\"", "untilStep 0 5 0", "chunk 0 @l", "seq 1",
    "mustFirst @t", "mustFromJson @t", "fromJson \"[1]\" | toJson", "urlParse \"%zz\"", "round @t 1", "has @t @t",
    "without @t @t", "uniq @t", "sortAlpha @w", "keys @l", "pluck \"a\" @l", "set @l \"a\" 1", "unset @t \"a\"", "dig \"a\" @m",
    "dig \"a\" \"x\" 1 @m", "deepCopy .Values.absent", "include \"shared\"", "splitList @w @t", "nindent @t @t", "lookup \"v1\"",
    "(list 1 2).x", "(dict \"a\" 1).b.c", ".Values.l.x", ".Values.m.c.d.e", "not", "and", "eq 1", "eq 1 \"1\"", "lt 1.0 1",
    "index", "html", "slice \"abc\" 1 9", "toToml @t", "fromToml \"a = \"| toJson",
];

/// Statements that do not parse, or stop the template.
pub(super) const BROKEN: &[&str] = &[
    "{{ nofunction 1 }}", "{{ if }}x{{ end }}", "{{ end }}", "{{ range }}{{ end }}", "{{ $undefined }}", "{{ 1 | 2 }}",
    "{{ \"open }}", "{{ ( }}", "{{ .a..b }}", "{{ define \"x\" }}", "{{ else }}", "{{ 'ab' }}", "{{ 1a }}", "{{ template }}",
    "{{ template \"missing\" . }}", "{{ .Values.t.x.y }}", "{{ range 1.5 }}{{ . }}{{ end }}", "{{ range \"text\" }}x{{ end }}",
    "{{ fail \"stop\" }}", "{{ with $x := 1 }}{{ end }}{{ $x }}", "{{ break }}", "{{ nil }}", "{{ nil | quote }}", "{{ /* open }}",
    "{{ 0x }}", "{{ .Values.t | }}", "{{ | quote }}", "{{ .Values.t = 1 }}", "{{ $.x.y.z }}", "{{-3}}", "{{ true.x }}", "{{ \"a\".x }}",
    "{{ (1).x }}", "{{ 1.x }}", "{{ if true }}{{ else }}{{ else }}{{ end }}", "{{ $x, $y := 1 }}", "{{ 99999999999999999999 }}",
];
