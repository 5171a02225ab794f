//! Release records: the text of a Secret, or the JSON within it. A record that was read is written
//! and read again as the same one.

#![no_main]

use flate2::{Compression, write::GzEncoder};
use helm_release::{Profile, Record};
use libfuzzer_sys::fuzz_target;
use std::io::Write;

fuzz_target!(|data: &[u8]| {
    let Some((mode, data)) = data.split_first() else {
        return;
    };
    let text = match mode % 3 {
        0 => String::from_utf8_lossy(data).into_owned(),
        1 => base64(data),
        _ => base64(&gzip(data)),
    };
    let Ok(record) = Record::decode(&text) else {
        return;
    };
    let _ = (
        record.id(),
        record.chart_name(),
        record.chart_version(),
        record.app_version(),
    );
    for profile in [Profile::Helm4, Profile::Helm3] {
        let again = record
            .encode(profile)
            .expect("what was read can be written");
        let again = Record::decode(&again).expect("what was written can be read");
        if profile == Profile::Helm4 {
            assert!(again == record);
        }
    }
});

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(data).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

fn base64(data: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(data.len() * 4 / 3 + 4);
    for group in data.chunks(3) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            if place <= group.len() {
                text.push(char::from(
                    LETTERS[(bits >> (18 - 6 * place) & 63) as usize],
                ));
            } else {
                text.push('=');
            }
        }
    }
    text
}
