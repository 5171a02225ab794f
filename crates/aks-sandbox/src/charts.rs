//! The compact charts: a visible stand-in for the official archives, so that the sandbox needs no
//! network. They own the same objects, containers, hooks and weights as the official renders; they
//! refuse to look official: the version says `-sandbox`.

use std::io::Write;

use flate2::{Compression, GzBuilder};

/// One compact chart.
#[derive(Debug, Clone, Copy)]
pub struct CompactChart {
    /// The chart's name.
    pub name: &'static str,
    /// Its version, ending in `-sandbox`.
    pub version: &'static str,
    /// The version of the app it stands for.
    pub app_version: &'static str,
    /// What it is.
    pub description: &'static str,
    files: &'static [(&'static str, &'static str)],
}

macro_rules! files {
    ($chart:literal: $($file:literal),+ $(,)?) => {
        &[$((
            concat!($chart, "/", $file),
            include_str!(concat!("../charts/", $chart, "/", $file)),
        )),+]
    };
}

/// The compact charts, by name.
pub const COMPACT_CHARTS: [CompactChart; 2] = [
    CompactChart {
        name: "airflow",
        version: "1.15.0-sandbox",
        app_version: "2.9.3",
        description: "A compact stand-in for the Apache Airflow chart; it runs nothing real",
        files: files!["airflow":
            "Chart.yaml",
            "values.schema.json",
            "values.yaml",
            "templates/NOTES.txt",
            "templates/_parts.tpl",
            "templates/config.yaml",
            "templates/jobs.yaml",
            "templates/pgbouncer.yaml",
            "templates/postgresql.yaml",
            "templates/rbac.yaml",
            "templates/scheduler.yaml",
            "templates/secrets.yaml",
            "templates/service-accounts.yaml",
            "templates/statsd.yaml",
            "templates/triggerer.yaml",
            "templates/webserver.yaml",
        ],
    },
    CompactChart {
        name: "external-secrets",
        version: "0.10.5-sandbox",
        app_version: "v0.10.5",
        description: "A compact stand-in for the External Secrets chart; it runs nothing real",
        files: files!["external-secrets":
            "Chart.yaml",
            "values.yaml",
            "templates/NOTES.txt",
            "templates/_parts.tpl",
            "templates/accounts.yaml",
            "templates/crds.yaml",
            "templates/rbac.yaml",
            "templates/webhook.yaml",
            "templates/workloads.yaml",
        ],
    },
];

impl CompactChart {
    /// The chart as a `.tgz`, the same bytes each time.
    ///
    /// # Panics
    /// Never: writing to memory does not fail.
    pub fn archive(&self) -> Vec<u8> {
        let gzip = GzBuilder::new()
            .mtime(0)
            .write(Vec::new(), Compression::default());
        let mut tar = tar::Builder::new(gzip);
        for (path, text) in self.files {
            let mut header = tar::Header::new_ustar();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(0);
            tar.append_data(&mut header, path, text.as_bytes())
                .expect("memory takes every write");
        }
        let mut gzip = tar.into_inner().expect("memory takes every write");
        gzip.flush().expect("memory takes every write");
        gzip.finish().expect("memory takes every write")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_the_same_each_time_and_hold_every_file() {
        for chart in COMPACT_CHARTS {
            let archive = chart.archive();
            assert_eq!(archive, chart.archive());
            let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(archive.as_slice()));
            let names: Vec<_> = tar
                .entries()
                .unwrap()
                .map(|entry| entry.unwrap().path().unwrap().display().to_string())
                .collect();
            assert_eq!(
                names,
                chart
                    .files
                    .iter()
                    .map(|(path, _)| *path)
                    .collect::<Vec<_>>()
            );
            assert!(names.contains(&format!("{}/Chart.yaml", chart.name)));
        }
    }

    #[test]
    fn every_template_on_disk_is_in_the_archive() {
        for chart in COMPACT_CHARTS {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("charts")
                .join(chart.name);
            for entry in std::fs::read_dir(folder.join("templates")).unwrap() {
                let path = format!(
                    "{}/templates/{}",
                    chart.name,
                    entry.unwrap().file_name().display()
                );
                assert!(chart.files.iter().any(|(file, _)| *file == path), "{path}");
            }
        }
    }
}
