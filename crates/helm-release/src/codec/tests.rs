//! Records to text and back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::io::Read;

use super::*;
use crate::record::{Hook, HookRun, Info};
use crate::{Revision, Status};

fn text_of(encoded: &str) -> String {
    let mut text = String::new();
    GzDecoder::new(STANDARD.decode(encoded).unwrap().as_slice())
        .read_to_string(&mut text)
        .unwrap();
    text
}

fn record(name: String, manifest: String, values: Map<String, Value>) -> Record {
    Record {
        name,
        info: Info {
            first_deployed: Some("2026-01-02T03:04:05Z".into()),
            status: Status::Deployed,
            ..Info::default()
        },
        chart: json!({"metadata": {"name": "c", "version": "1.0.0"}, "templates": null}),
        config: values,
        manifest,
        hooks: vec![Hook {
            name: "h".into(),
            events: vec!["post-install".into()],
            last_run: HookRun {
                started_at: Some("2026-01-02T03:04:05Z".into()),
                ..HookRun::default()
            },
            weight: -3,
            ..Hook::default()
        }],
        revision: Revision(7),
        namespace: "ns".into(),
        apply_method: "ssa".into(),
        other: Map::new(),
    }
}

#[test]
fn angle_brackets_are_escaped_as_go_does() {
    let record = record("r".into(), "a: <b> & \u{2028}".into(), Map::new());
    let text = text_of(&encode(&record, Profile::Helm4).unwrap());
    assert!(text.contains(r"a: \u003cb\u003e \u0026 \u2028"), "{text}");
}

#[test]
fn helm_three_writes_zero_times_and_no_apply_method() {
    let record = record("r".into(), String::new(), Map::new());
    let text = text_of(&encode(&record, Profile::Helm3).unwrap());
    let written: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(written["info"]["deleted"], "");
    assert_eq!(written["hooks"][0]["last_run"]["completed_at"], "");
    assert_eq!(written.get("apply_method"), None);
    let four = text_of(&encode(&record, Profile::Helm4).unwrap());
    let four: Value = serde_json::from_str(&four).unwrap();
    assert_eq!(four["info"].get("deleted"), None);
    assert_eq!(four["apply_method"], "ssa");
}

#[test]
fn fields_that_are_not_known_survive() {
    let text = STANDARD.encode(
        r#"{"name":"r","version":2,"info":{"status":"deployed","rollback_revision":1},"chart":{"modtime":"t"},"hooks":null,"config":null,"later":[1]}"#,
    );
    let record = decode(&text).unwrap();
    let again = decode(&encode(&record, Profile::Helm4).unwrap()).unwrap();
    assert_eq!(record, again);
    assert_eq!(again.info.other["rollback_revision"], 1);
    assert_eq!(again.other["later"], json!([1]));
    assert_eq!(again.chart["modtime"], "t");
}

#[test]
fn what_is_no_record_is_an_error() {
    for text in ["", "?", "e30=", "bm90IGpzb24="] {
        assert!(decode(text).is_err(), "{text}");
    }
}

#[test]
fn what_lasts_is_compressed_once_and_what_changed_is_never_taken_from_before() {
    let packer = Packer::default();
    let lasting = |packer: &Packer| {
        let held = packer.0.lock().unwrap();
        Arc::clone(&held.as_ref().unwrap().part)
    };
    let mut state = record("r".into(), "a: 1".into(), Map::new());
    let pending = packer.encode(&state, Profile::Helm4).unwrap();
    let before = lasting(&packer);
    state.info.status = Status::Failed;
    state.hooks[0].last_run.phase = "Failed".into();
    let failed = packer.encode(&state, Profile::Helm4).unwrap();
    assert!(Arc::ptr_eq(&before, &lasting(&packer)));
    assert_ne!(pending, failed);
    assert_eq!(decode(&failed).unwrap(), state);
    state.manifest = "a: 2".into();
    let other = packer.encode(&state, Profile::Helm4).unwrap();
    assert_eq!(decode(&other).unwrap(), state);
    assert!(!Arc::ptr_eq(&before, &lasting(&packer)));
}

proptest! {
    #[test]
    fn a_record_reads_back_as_it_was_written(name in ".*", manifest in ".*", key in ".*", value in ".*", helm3: bool) {
        let values = Map::from_iter([(key, Value::from(value))]);
        let profile = if helm3 { Profile::Helm3 } else { Profile::Helm4 };
        let mut record = record(name, manifest, values);
        if helm3 {
            record.apply_method = String::new();
        }
        let encoded = encode(&record, profile).unwrap();
        prop_assert_eq!(decode(&encoded).unwrap(), record);
    }

    #[test]
    fn no_text_panics(text in ".*") {
        let _ = decode(&text);
        let _ = decode(&STANDARD.encode(&text));
    }
}
