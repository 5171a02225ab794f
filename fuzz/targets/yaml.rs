//! YAML: whatever the text, the reader ends with a value or an error; what it read is written and
//! read again as the same value, by both writers; JSON is a way there and back, too.

#![no_main]

use helm_chart::{json, yaml};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let _ = yaml::parse_strict(&text);
    let _ = yaml::parse_spanned_documents(&text);
    let Ok(documents) = yaml::parse_documents(&text) else {
        return;
    };
    for value in documents {
        // Helm writes a key `<<` bare, and cannot read that either.
        if text.contains("<<") {
            continue;
        }
        // Both writers leave the last line break out, as Helm's functions do.
        if let Ok(text) = yaml::to_string(&value) {
            identical(&value, &yaml::parse(&format!("{text}\n")), &text);
        }
        // Helm's pretty form of a line of tabs cannot be read by Helm either.
        if let Ok(text) = yaml::to_string_pretty(&value)
            && !data.contains(&b'\t')
            && !data.contains(&b'\\')
            && !data.contains(&b'!')
        {
            identical(&value, &yaml::parse(&format!("{text}\n")), &text);
        }
        if let Ok(text) = json::to_string(&value) {
            identical(&value, &json::parse(&text), &text);
        }
    }
});

#[track_caller]
fn identical<E: std::fmt::Debug>(value: &Value, read: &Result<Value, E>, text: &str) {
    // Helm, too, writes a space for the first of these breaks of YAML 1.1, and ends a text in the
    // others with or without the break that was left out.
    let has_break = value.to_string().contains('\u{85}');
    if has_break || text.ends_with(['\u{2028}', '\u{2029}']) {
        return;
    }
    assert_eq!(
        read.as_ref().ok(),
        Some(value),
        "through {text:?}: {read:?}"
    );
}
