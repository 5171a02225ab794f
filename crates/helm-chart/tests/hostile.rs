//! Hostile charts and values: each ends quickly, with a typed error, and nothing is followed.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use go_text_template::{ErrorKind, Limits};
use helm_chart::archive::{ArchiveError, read_archive};
use helm_chart::chart::ChartError;
use helm_chart::render::{RenderError, RenderOptions};
use helm_chart::{Chart, ChartFile, Environment, Release, Values, json, yaml};
use proptest::prelude::*;
use serde_json::Value;

const METADATA: &str = "apiVersion: v2\nname: c\nversion: 1.0.0\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// A tar of one entry after a good `Chart.yaml`; names are written as they are.
fn archive(name: &str, kind: tar::EntryType, link: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, content) in [
        ("c/Chart.yaml", tar::EntryType::Regular, METADATA.as_bytes()),
        (name, kind, content),
    ] {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        if kind.is_symlink() || kind.is_hard_link() {
            header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        }
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, content).expect("memory");
    }
    gzip(&builder.into_inner().expect("memory"))
}

fn refused(name: &str) -> ArchiveError {
    let archive = archive(name, tar::EntryType::Regular, "", b"x");
    read_archive(&archive).expect_err(name)
}

#[test]
fn paths_out_of_the_chart_are_refused() {
    for name in ["c/../x", "c/../../etc/passwd", "c/a/../../x", "c\\..\\x"] {
        assert!(
            matches!(refused(name), ArchiveError::ParentPath(_)),
            "{name}"
        );
    }
    for name in ["c//etc/passwd", "c\\\\x"] {
        assert!(
            matches!(refused(name), ArchiveError::AbsolutePath(_)),
            "{name}"
        );
    }
    assert!(matches!(refused("c/C:/x"), ArchiveError::DrivePath(_)));
    assert!(matches!(refused("c/."), ArchiveError::OutsideBase(_)));
}

#[test]
fn only_what_go_takes_for_a_folder_is_left_out() {
    let names = |name: &str, kind: u8, mode: u32| {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, mode, content) in [
            ("c/Chart.yaml", b'0', 0o644, METADATA.as_bytes()),
            (name, kind, mode, b""),
        ] {
            let mut header = tar::Header::new_gnu();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.as_mut_bytes()[156] = kind;
            header.set_size(content.len() as u64);
            header.set_mode(mode);
            header.set_cksum();
            builder.append(&header, content).expect("memory");
        }
        let files = read_archive(&gzip(&builder.into_inner().expect("memory"))).expect(name);
        let names = files.into_iter().skip(1).map(|file| file.name);
        names.collect::<Vec<_>>()
    };
    assert_eq!(names("c/notes/", b'0', 0o644), ["notes"]);
    assert_eq!(names("c/notes/", b'2', 0o644), ["notes"]);
    assert_eq!(names("c/notes/", 0, 0o644), [""; 0]);
    assert_eq!(names("c/notes", 0, 0o644), ["notes"]);
    assert_eq!(names("c/notes", b'5', 0o644), [""; 0]);
    assert_eq!(names("c/notes", b'0', 0o40_755), [""; 0]);
    assert_eq!(names("c/notes", b'0', 0o100_644), ["notes"]);
}

#[test]
fn a_link_that_declares_content_is_refused() {
    let archive = archive("c/link", tar::EntryType::Symlink, "Chart.yaml", b"content");
    let error = read_archive(&archive).expect_err("content of a link");
    assert!(matches!(error, ArchiveError::TooLarge), "{error:?}");
}

#[test]
fn links_are_files_without_content() {
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link] {
        let archive = archive("c/files/passwd", kind, "/etc/passwd", b"");
        let chart = Chart::from_archive(&archive).expect("a chart");
        assert_eq!(chart.files()[0].name, "files/passwd");
        assert!(chart.files()[0].data().is_empty());
    }
}

#[test]
fn a_gzip_bomb_ends_at_the_limit_of_a_file() {
    let archive = archive(
        "c/big",
        tar::EntryType::Regular,
        "",
        &vec![0; (5 << 20) + 1],
    );
    assert!(
        archive.len() < 64 << 10,
        "it is a bomb: {} bytes",
        archive.len()
    );
    let error = Chart::from_archive(&archive).expect_err("too large");
    assert!(
        matches!(error, ChartError::Archive(ArchiveError::FileTooLarge(_))),
        "{error:?}"
    );
}

#[test]
fn a_file_that_says_it_is_huge_allocates_nothing() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_path("c/x").expect("a path");
    header.set_size(1 << 40);
    header.set_cksum();
    builder.append(&header, &b""[..]).expect("memory");
    let error = read_archive(&gzip(&builder.into_inner().expect("memory"))).expect_err("too large");
    assert!(matches!(error, ArchiveError::TooLarge), "{error:?}");
}

#[test]
fn alias_bombs_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let last = format!("*a{}, ", level - 1).repeat(9);
        text.push_str(&format!("a{level}: &a{level} [{last}]\n"));
    }
    assert!(text.len() < 1024);
    for error in [
        yaml::parse(&text).expect_err("a bomb"),
        yaml::parse_exact(&text).expect_err("a bomb"),
    ] {
        assert!(error.to_string().contains("excessive aliasing"), "{error}");
    }
    assert!(Values::parse(&text).is_err());
    let merges = "a: &a {k: 1}\n".to_owned() + &"b: {<<: [*a, *a]}\n".repeat(1000);
    assert!(
        yaml::parse(&merges).is_ok(),
        "many aliases of little are fine"
    );
}

#[test]
fn a_hundred_thousand_levels_are_refused_everywhere() {
    let deep = 100_000;
    for text in [
        "[".repeat(deep),
        "{a: ".repeat(deep),
        "- ".repeat(deep),
        "? ".repeat(deep),
        "[".repeat(deep) + &"]".repeat(deep),
    ] {
        assert!(yaml::parse(&text).is_err(), "{}", &text[..4]);
    }
    assert!(json::parse(&("[".repeat(deep) + &"]".repeat(deep))).is_err());
    assert!(json::parse(&"{\"a\":".repeat(deep)).is_err());
    assert!(
        Values::default()
            .set(&format!("{}=1", vec!["a"; deep].join(".")))
            .is_err()
    );
    assert!(
        Values::default()
            .set(&format!("a{}=1", "[0]".repeat(deep)))
            .is_err()
    );
    assert!(
        Values::default()
            .set_json(&format!("a={}", "[".repeat(deep)))
            .is_err()
    );
    for (open, close) in [
        ("{{ if 1 }}", "{{ end }}"),
        ("{{ with 1 }}", "{{ end }}"),
        ("{{ range 1 }}", "{{ end }}"),
    ] {
        let text = open.repeat(deep) + &close.repeat(deep);
        assert!(
            matches!(failure(&text), RenderError::Parse { .. }),
            "{open}"
        );
    }
    for text in [
        format!("{{{{ {}1{} }}}}", "(".repeat(deep), ")".repeat(deep)),
        format!("{{{{ {}1 }}}}", "(".repeat(deep)),
        format!("{{{{ {} }}}}", "not ".repeat(deep)),
    ] {
        let error = failure(&text);
        assert!(
            matches!(
                error,
                RenderError::Parse { .. } | RenderError::Execute { .. }
            ),
            "{error:?}"
        );
    }
    // A chain of fields and of pipes is wide, not deep: it may work, it must end.
    let _ = rendered(&format!("{{{{ .Values{} }}}}", ".a".repeat(deep)));
    let _ = rendered(&format!("{{{{ 1{} }}}}", " | print".repeat(1000)));
}

#[test]
fn texts_found_by_fuzzing_do_not_panic() {
    // A simple key whose token was taken already: go-yaml's words.
    let error = yaml::parse("a: [{}:\nb: ").expect_err("no YAML");
    let wanted = "error converting YAML to JSON: yaml: did not find expected ',' or ']'";
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn charts_within_charts_end_at_a_depth() {
    let mut files = Vec::new();
    let mut folder = String::new();
    for _ in 0..40 {
        files.push(ChartFile::new(format!("{folder}Chart.yaml"), METADATA));
        folder.push_str("charts/c/");
    }
    let mut error: &dyn std::error::Error = &Chart::from_files(files).expect_err("too deep");
    while let Some(source) = error.source() {
        error = source;
    }
    assert!(error.to_string().contains("nested deeper"), "{error}");
}

fn small() -> Limits {
    let mut limits = Limits::default();
    limits.steps = 1_000_000;
    limits.output = 1 << 20;
    limits
}

fn rendered(template: &str) -> Result<(), RenderError> {
    let chart = Chart::from_files(vec![
        ChartFile::new("Chart.yaml", METADATA),
        ChartFile::new("templates/NOTES.txt", template),
    ])
    .expect("the test's own chart loads");
    let options = RenderOptions::default().with_limits(small());
    let release = Release::install("r", "ns");
    chart
        .render_with(
            &release,
            &Values::default(),
            &Environment::sealed(),
            &options,
        )
        .map(|_| ())
}

#[track_caller]
fn failure(template: &str) -> RenderError {
    let shown: String = template.chars().take(80).collect();
    rendered(template).expect_err(&shown)
}

#[track_caller]
fn kind_of(template: &str) -> ErrorKind {
    match failure(template) {
        RenderError::Execute { error, .. } => error.kind(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn endless_loops_end_at_the_budget_of_steps() {
    for template in [
        "{{ range 1000000000 }}{{ end }}",
        "{{ range 9223372036854775807 }}{{ end }}",
        "{{ range until 1000000 }}{{ range until 1000 }}{{ end }}{{ end }}",
        "{{ range $i := 1000000000 }}x{{ end }}",
    ] {
        assert_eq!(kind_of(template), ErrorKind::Limit, "{template}");
    }
}

#[test]
fn huge_results_are_refused_before_they_are_made() {
    for template in [
        "{{ until 1000000000 }}",
        "{{ untilStep 0 1000000000 1 }}",
        "{{ seq 1000000000 }}",
        "{{ repeat 1000000000 \"x\" }}",
        "{{ indent 1000000000 \"x\" }}",
        "{{ nindent 1000000000 \"x\" }}",
        "{{ randAlphaNum 1000000000 }}",
        "{{ randBytes 1000000000 }}",
        "{{ repeat 900000 (repeat 900000 \"x\") }}",
    ] {
        assert_eq!(kind_of(template), ErrorKind::Function, "{template}");
    }
    // Go bounds a width itself and says so in the text.
    assert!(rendered("{{ printf \"%1000000000d\" 1 }}{{ printf \"%.1000000000f\" 1.5 }}").is_ok());
}

#[test]
fn what_grows_by_doubling_is_paid_for() {
    for template in [
        "{{ $x := \"0123456789\" }}{{ range 60 }}{{ $x = print $x $x }}{{ end }}",
        "{{ $x := \"0123456789\" }}{{ range 60 }}{{ $x = cat $x $x }}{{ end }}",
        "{{ $x := \"x\" }}{{ range 60 }}{{ $x = replace \"x\" \"xx\" $x }}{{ end }}",
        "{{ $x := list 1 2 }}{{ range 60 }}{{ $x = concat $x $x }}{{ end }}",
        "{{ $x := list }}{{ range 1000000 }}{{ $x = append $x (repeat 100000 \"x\") }}{{ end }}",
        "{{ define \"a\" }}{{ range 10 }}0123456789{{ end }}{{ end }}{{ range 1000000 }}{{ $x := include \"a\" . }}{{ end }}",
    ] {
        assert_eq!(kind_of(template), ErrorKind::Limit, "{template}");
    }
}

#[test]
fn shared_values_that_unfold_without_end_are_refused() {
    let doubled = "{{ $x := list 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}";
    for (use_of, wanted) in [
        ("{{ deepCopy $x }}", ErrorKind::Function),
        ("{{ toJson $x }}", ErrorKind::Function),
        ("{{ toYaml $x }}", ErrorKind::Function),
        ("{{ $x }}", ErrorKind::Limit),
        ("{{ printf \"%v\" $x }}", ErrorKind::Limit),
    ] {
        assert_eq!(kind_of(&format!("{doubled}{use_of}")), wanted, "{use_of}");
    }
    let maps = "{{ $x := dict \"k\" 1 }}{{ $y := dict \"k\" 2 }}{{ range 60 }}{{ $x = dict \"a\" $x \"b\" $x }}{{ $y = dict \"a\" $y \"b\" $y }}{{ end }}";
    assert_eq!(
        kind_of(&format!("{maps}{{{{ mustMerge $x $y }}}}")),
        ErrorKind::Function
    );
    let equal = "{{ $x := list 1 }}{{ $y := list 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ $y = list $y $y }}{{ end }}{{ deepEqual $x $y }}";
    rendered(equal).expect("it ends: values that large count as different");
}

#[test]
fn templates_that_run_themselves_are_refused() {
    for template in [
        "{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}",
        "{{ define \"a\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}",
        "{{ define \"a\" }}{{ include \"b\" . }}{{ end }}{{ define \"b\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}",
        "{{ include \"c/templates/NOTES.txt\" . }}",
        "{{ $_ := set . \"t\" \"{{ tpl .t . }}\" }}{{ tpl .t . }}",
        "{{ define \"a\" }}{{ include \"a\" . }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}",
    ] {
        let kind = kind_of(template);
        assert!(
            matches!(kind, ErrorKind::Limit | ErrorKind::Function),
            "{template}: {kind:?}"
        );
    }
}

#[test]
#[cfg(feature = "schema")]
fn a_schema_elsewhere_is_refused_not_fetched() {
    for address in [
        "http://127.0.0.1:9/schema.json",
        "https://schemas.invalid/a.json",
        "file:///etc/passwd",
    ] {
        let schema = format!("{{\"properties\": {{\"a\": {{\"$ref\": \"{address}\"}}}}}}");
        let chart = Chart::from_files(vec![
            ChartFile::new("Chart.yaml", METADATA),
            ChartFile::new("values.schema.json", schema),
        ])
        .expect("a chart");
        let values = Values::parse("a: 1").expect("values");
        let error = chart
            .render(
                &Release::install("r", "ns"),
                &values,
                &Environment::sealed(),
            )
            .expect_err(address);
        assert!(matches!(error, RenderError::Schema(_)), "{error:?}");
    }
}

/// Values as YAML can hold them: what a control character or a non-finite number needs is refused,
/// and U+0085 comes back as a space, here as in Go.
fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[ -~]{0,12}",
        "[a-z: #'\"\\n\\t\\-]{0,16}",
        "\\PC{0,8}",
        prop::sample::select(vec![
            "true",
            "no",
            "y",
            "~",
            "null",
            "1",
            "0x1",
            "1e3",
            ".5",
            "1_0",
            "=",
            "2026-01-02",
            "- a",
            "a: b",
            "a #b",
            " a",
            "a ",
            "|",
            ">",
            "%",
            "@",
            "`",
            "\n",
            "\n\n",
            "a\n",
            "\na",
            "a\n b\n",
            "{}",
            "[]",
            "\u{2028}",
            "\u{feff}",
            "",
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1_000_000_000_i64..1_000_000_000).prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_written_is_read_again_as_the_same_value(value in value()) {
        // Both forms leave the last line break out, as Helm's functions do.
        if let Ok(text) = yaml::to_string(&value) {
            let read = yaml::parse_exact(&format!("{text}\n")).ok();
            prop_assert_eq!(read, Some(value.clone()), "{:?}", text);
        }
        if let Ok(text) = yaml::to_string_pretty(&value)
            // Helm's pretty form of a line of tabs cannot be read by Helm either.
            && !value.to_string().contains("\\t")
        {
            let read = yaml::parse_exact(&format!("{text}\n")).ok();
            prop_assert_eq!(read, Some(value.clone()), "{:?}", text);
        }
        if let Ok(text) = json::to_string(&value) {
            let read: Option<Value> = serde_json::from_str(&text).ok();
            prop_assert_eq!(read, Some(value), "{:?}", text);
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_archive(&bytes);
        let _ = read_archive(&gzip(&bytes));
        let text = String::from_utf8_lossy(&bytes);
        let _ = yaml::parse_documents(&text);
        let _ = Values::default().set(&text);
        let _ = helm_chart::chart::Metadata::parse(&text);
    }
}
