//! Real charts: archives and folders, each with its defaults and with every values file it brings
//! under `ci/`.
//!
//! A folder without a `Chart.yaml` is looked into for charts. Links are followed, as Helm does.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use helm_chart::archive::IgnoreRules;
use helm_chart::manifest::TextOptions;
use helm_chart::{Chart, ChartFile, Environment, Profile};

use super::chance::{self, Verdict};
use super::helm::{Answer, Helm, Release};
use super::ours;

const RELEASE: Release<'static> = Release {
    name: "release",
    namespace: "ns",
};

/// How often Helm is asked once it and we disagree.
const ASKED: usize = 4;

/// How deep charts are looked for.
const DEPTH: usize = 8;

/// One chart with one set of values.
#[derive(Debug)]
pub struct Comparison {
    /// The chart, and the values file within it.
    pub name: String,
    /// Equal or not, and where.
    pub verdict: Verdict,
    /// Whether Helm rendered it; what it refuses is compared by its words.
    pub rendered: bool,
    /// How long our answer took, loading and rendering.
    pub ours: Duration,
    /// How long Helm's first answer took, its start included.
    pub helm: Duration,
}

/// Compares every chart in a folder and reports each as it is done.
///
/// # Errors
/// If the folder cannot be read or Helm cannot be run. A chart that cannot be read is an answer.
pub fn compare(
    helm: &Helm,
    profile: Profile,
    folder: &Path,
    mut report: impl FnMut(Comparison),
) -> io::Result<()> {
    let mut paths = Vec::new();
    find(folder, 0, &mut paths)?;
    for path in paths {
        let relative = path.strip_prefix(folder).unwrap_or(&path);
        let name = relative.display().to_string();
        let alternatives =
            std::iter::once(None).chain(values_files(&path, profile).into_iter().map(Some));
        for values in alternatives {
            let label = values
                .as_ref()
                .map_or_else(|| name.clone(), |(file, _)| format!("{name} {file}"));
            report(one(helm, profile, &path, values, label)?);
        }
    }
    Ok(())
}

/// The charts at or below a path, by name.
fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries: io::Result<Vec<_>> = std::fs::read_dir(folder)?.collect();
    let mut paths: Vec<PathBuf> = entries?.iter().map(std::fs::DirEntry::path).collect();
    paths.sort();
    for path in paths {
        let is_archive = path.extension().is_some_and(|ending| ending == "tgz");
        if path.join("Chart.yaml").exists() || is_archive && path.is_file() {
            found.push(path);
        } else if path.is_dir() && depth < DEPTH {
            // A folder nobody may read holds no chart for Helm either.
            let _ = find(&path, depth + 1, found);
        }
    }
    Ok(())
}

/// The values files under `ci/`: of a folder as they are on disk, ignored or not; of an archive as
/// they were packaged.
fn values_files(path: &Path, profile: Profile) -> Vec<(String, Vec<u8>)> {
    let is_values = |name: &str| {
        Path::new(name)
            .extension()
            .is_some_and(|ending| ending == "yaml" || ending == "yml")
    };
    let mut files: Vec<(String, Vec<u8>)> = if path.is_dir() {
        let entries = std::fs::read_dir(path.join("ci")).into_iter().flatten();
        entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().to_string_lossy().into_owned();
                Some((format!("ci/{name}"), std::fs::read(entry.path()).ok()?))
            })
            .collect()
    } else {
        let chart = load(path, profile);
        let files = chart.as_ref().map(Chart::files).unwrap_or_default();
        files
            .iter()
            .filter(|file| file.name.starts_with("ci/"))
            .map(|file| (file.name.clone(), file.data().to_vec()))
            .collect()
    };
    files.retain(|(name, _)| is_values(name));
    files.sort();
    files
}

fn one(
    helm: &Helm,
    profile: Profile,
    path: &Path,
    values: Option<(String, Vec<u8>)>,
    name: String,
) -> io::Result<Comparison> {
    let mut files = Vec::new();
    if let Some((_, text)) = &values {
        let file = helm.folder().join("values.yaml");
        std::fs::write(&file, text)?;
        files.push(file);
    }
    let ask = || -> io::Result<Answer> {
        let answer = helm.template(&RELEASE, path, &files, &[])?;
        Ok(answer.map_err(|error| without_paths(&error, helm, path)))
    };
    let start = Instant::now();
    let mut theirs = vec![ask()?];
    let helm_took = start.elapsed();
    let start = Instant::now();
    let ours = render(path, values, profile).map_err(|error| without_paths(&error, helm, path));
    let ours_took = start.elapsed();
    let mut verdict = chance::judge(&theirs, &ours);
    while theirs.len() < ASKED && matches!(verdict, Verdict::Different(_)) {
        if theirs.len() > 1 {
            // A clock that is printed in seconds shows itself.
            std::thread::sleep(Duration::from_millis(700));
        }
        theirs.push(ask()?);
        verdict = chance::judge(&theirs, &ours);
    }
    Ok(Comparison {
        name,
        verdict,
        rendered: theirs.first().is_some_and(Result::is_ok),
        ours: ours_took,
        helm: helm_took,
    })
}

fn render(path: &Path, values: Option<(String, Vec<u8>)>, profile: Profile) -> Answer {
    let chart = load(path, profile)?;
    let texts: Vec<(String, String)> = values
        .into_iter()
        .map(|(_, bytes)| {
            (
                "values.yaml".to_owned(),
                String::from_utf8_lossy(&bytes).into_owned(),
            )
        })
        .collect();
    let values = ours::values(&texts, &[], profile)?;
    let environment = Environment::new(jiff::Timestamp::now(), [7; 32]);
    let rendered = ours::render(&chart, &RELEASE, &values, &environment, profile)?;
    Ok(rendered.manifests.template_text(TextOptions::default()))
}

/// An error without the places of its files, which are Helm's way to point at them, and without
/// why a schema could not be fetched: there is no network, or it is not asked.
fn without_paths(error: &str, helm: &Helm, chart: &Path) -> String {
    let fetched = error
        .find("failing loading \"http")
        .and_then(|at| Some(at + error.get(at..)?.find("\": ")?));
    error
        .get(..fetched.unwrap_or(error.len()))
        .unwrap_or(error)
        .replace(&format!("{}/", helm.folder().display()), "")
        .replace(&format!("{}/", chart.display()), "")
        .replace(&chart.display().to_string(), "CHART")
}

/// The chart in an archive or folder; why not, in the words of an error.
fn load(path: &Path, profile: Profile) -> Result<Chart, String> {
    let loaded = if path.is_dir() {
        Chart::from_files_as(read_folder(path)?, profile)
    } else {
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        Chart::from_archive_as(&bytes, profile)
    };
    loaded.map_err(|error| ours::words(&error))
}

/// The files of an unpacked chart, without what its `.helmignore` leaves out.
fn read_folder(top: &Path) -> Result<Vec<ChartFile>, String> {
    let rules = match std::fs::read(top.join(".helmignore")) {
        Ok(text) => IgnoreRules::parse(&String::from_utf8_lossy(&text))
            .map_err(|error| error.to_string())?,
        Err(_) => IgnoreRules::default(),
    };
    let (mut files, mut folders) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = folders.pop() {
        let entries: io::Result<Vec<_>> = std::fs::read_dir(top.join(&folder))
            .map_err(|error| error.to_string())?
            .collect();
        for entry in entries.map_err(|error| error.to_string())? {
            let name = format!("{folder}{}", entry.file_name().to_string_lossy());
            let is_folder = entry.path().is_dir();
            if rules.ignores(&name, is_folder) {
                continue;
            }
            if is_folder {
                folders.push(format!("{name}/"));
            } else {
                let data = std::fs::read(entry.path())
                    .map_err(|error| format!("error reading {name}: {error}"))?;
                files.push(ChartFile::new(name, data));
            }
        }
    }
    files.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::{Profile, find, values_files};

    #[test]
    fn charts_are_found_in_folders_of_charts() {
        let top = std::env::temp_dir().join(format!("charts-{}", std::process::id()));
        let chart = top.join("some/chart");
        std::fs::create_dir_all(chart.join("ci")).unwrap();
        std::fs::create_dir_all(chart.join("charts/inner")).unwrap();
        std::fs::write(chart.join("Chart.yaml"), "name: chart\n").unwrap();
        std::fs::write(chart.join("charts/inner/Chart.yaml"), "name: inner\n").unwrap();
        std::fs::write(chart.join("ci/b-values.yaml"), "b: 1\n").unwrap();
        std::fs::write(chart.join("ci/a.txt"), "").unwrap();
        std::fs::write(top.join("x.tgz"), "no archive").unwrap();
        let mut found = Vec::new();
        find(&top, 0, &mut found).unwrap();
        assert_eq!(found, [chart.clone(), top.join("x.tgz")]);
        let files = values_files(&chart, Profile::Helm4);
        assert_eq!(files, [("ci/b-values.yaml".to_owned(), b"b: 1\n".to_vec())]);
        assert!(values_files(&top.join("x.tgz"), Profile::Helm4).is_empty());
        std::fs::remove_dir_all(&top).unwrap();
    }
}
