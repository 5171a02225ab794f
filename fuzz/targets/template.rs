//! Templates: parsing, and executing under small budgets with all of Helm's functions.

#![no_main]

use std::sync::LazyLock;

use go_text_template::Limits;
use helm_chart::render::RenderOptions;
use helm_chart::{Chart, ChartFile, Environment, Profile, Release, Values};
use libfuzzer_sys::fuzz_target;

static VALUES: LazyLock<Values> = LazyLock::new(|| {
    let text =
        "a: {b: [x, 1, null, {c: d}], e: 1.5}\nt: '{{ .Values.a }}'\ns: some text\nn: 3\nz: null\n";
    Values::parse(text).expect("the target's own values")
});

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    // Slow on purpose: passwords, keys, certificates.
    for slow in [
        "gen",
        "bcrypt",
        "htpasswd",
        "derivePassword",
        "decryptAES",
        "encryptAES",
        "buildCustomCert",
    ] {
        if text.contains(slow) {
            return;
        }
    }
    let files = vec![
        ChartFile::new("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
        ChartFile::new("templates/NOTES.txt", data.to_vec()),
    ];
    let chart = Chart::from_files(files).expect("a chart");
    let mut limits = Limits::default();
    (limits.steps, limits.output, limits.depth) = (2_000, 1 << 16, 50);
    let options = RenderOptions::default()
        .with_profile(Profile::Helm4)
        .with_limits(limits);
    let release = Release::install("r", "default");
    let _ = chart.render_with(&release, &VALUES, &Environment::sealed(), &options);
});
