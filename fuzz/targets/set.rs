//! The `--set` family: the first byte chooses the flag, the rest is its argument, applied to values
//! that hold tables, lists and nothing already.

#![no_main]

use std::sync::LazyLock;

use helm_chart::Values;
use libfuzzer_sys::fuzz_target;

static BASE: LazyLock<Values> = LazyLock::new(|| {
    Values::parse("a: {b: {c: 1}}\nl: [1, {m: 2}]\nn: null\ns: x\n").expect("our own values")
});

fuzz_target!(|data: &[u8]| {
    let Some((flag, argument)) = data.split_first() else {
        return;
    };
    let argument = String::from_utf8_lossy(argument);
    let base = if flag & 8 == 0 {
        Values::default()
    } else {
        BASE.clone()
    };
    let _ = match flag % 5 {
        0 => base.set(&argument),
        1 => base.set_string(&argument),
        2 => base.set_json(&argument),
        3 => base.set_literal(&argument),
        _ => base.set_file(&argument, |name| {
            if name.is_empty() {
                Err("no file".into())
            } else {
                Ok(name.into())
            }
        }),
    };
});
