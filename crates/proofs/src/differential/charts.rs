//! Real charts: archives and folders, each with its defaults and with every values file it brings
//! under `ci/`.
//!
//! Lines that chance decides are found by rendering twice with other random bytes; they are not
//! compared, and counted.

use std::io;
use std::path::{Path, PathBuf};

use helm_chart::archive::IgnoreRules;
use helm_chart::manifest::TextOptions;
use helm_chart::{Chart, ChartFile, Environment, Profile};

use super::helm::{Answer, Helm, Release};
use super::ours;

const RELEASE: Release<'static> = Release {
    name: "release",
    namespace: "ns",
};

/// One chart with one set of values.
#[derive(Debug)]
pub struct Comparison {
    /// The chart, and the values file within it.
    pub name: String,
    /// The first line that differs, with its number: Helm's and ours.
    pub difference: Option<String>,
    /// How many lines chance decides.
    pub random_lines: usize,
}

/// Every chart in a folder, compared.
///
/// # Errors
/// If a chart cannot be read or Helm cannot be run.
pub fn compare(helm: &Helm, profile: Profile, folder: &Path) -> io::Result<Vec<Comparison>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    paths.retain(|path| {
        path.join("Chart.yaml").is_file() || path.extension().is_some_and(|end| end == "tgz")
    });
    paths.sort();
    let mut comparisons = Vec::new();
    for path in paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let chart = load(&path);
        let texts: Vec<(String, String)> = chart.as_ref().map(values_files).unwrap_or_default();
        let alternatives = std::iter::once(None).chain(texts.into_iter().map(Some));
        for values in alternatives {
            let label = values
                .as_ref()
                .map_or_else(|| name.clone(), |(file, _)| format!("{name} {file}"));
            comparisons.push(one(helm, profile, &path, chart.as_ref(), values, label)?);
        }
    }
    Ok(comparisons)
}

fn values_files(chart: &Chart) -> Vec<(String, String)> {
    let is_values = |file: &&ChartFile| {
        file.name.starts_with("ci/")
            && std::path::Path::new(&file.name)
                .extension()
                .is_some_and(|ending| ending == "yaml")
    };
    chart
        .files()
        .iter()
        .filter(is_values)
        .map(|file| (file.name.clone(), file.text().into_owned()))
        .collect()
}

fn one(
    helm: &Helm,
    profile: Profile,
    path: &Path,
    chart: Result<&Chart, &String>,
    values: Option<(String, String)>,
    name: String,
) -> io::Result<Comparison> {
    let mut files = Vec::new();
    if let Some((_, text)) = &values {
        let file = helm.folder().join("values.yaml");
        std::fs::write(&file, text)?;
        files.push(file);
    }
    let theirs = helm.template(&RELEASE, path, &files, &[])?;
    let texts: Vec<(String, String)> = values.into_iter().collect();
    let render = |environment: &Environment| -> Answer {
        let chart = chart.map_err(Clone::clone)?;
        let values = ours::values(&texts, &[], profile)?;
        let rendered = ours::render(chart, &RELEASE, &values, environment, profile)?;
        Ok(rendered.manifests.template_text(TextOptions::default()))
    };
    let first = render(&Environment::sealed());
    let second = render(&Environment::new(Environment::sealed().now(), [7; 32]));
    let (difference, random_lines) = first_difference(&theirs, &first, &second);
    Ok(Comparison {
        name,
        difference,
        random_lines,
    })
}

/// The first line in which Helm differs from both of our renders, and how many lines chance decides.
fn first_difference(theirs: &Answer, first: &Answer, second: &Answer) -> (Option<String>, usize) {
    let (theirs, first, second) = match (theirs, first, second) {
        (Ok(theirs), Ok(first), Ok(second)) => (theirs, first, second),
        (theirs, first, _) if theirs == first => return (None, 0),
        (theirs, first, _) => return (Some(format!("\n  Helm {theirs:?}\n  ours {first:?}")), 0),
    };
    let mut random_lines = 0;
    let (mut theirs, mut first, mut second) =
        (theirs.split('\n'), first.split('\n'), second.split('\n'));
    for line in 1.. {
        match (theirs.next(), first.next(), second.next()) {
            (None, None, None) => break,
            (_, Some(first), Some(second)) if first != second => random_lines += 1,
            (theirs, first, _) if theirs == first => {}
            (theirs, first, _) => {
                return (
                    Some(format!("line {line}\n  Helm {theirs:?}\n  ours {first:?}")),
                    random_lines,
                );
            }
        }
    }
    (None, random_lines)
}

/// The chart in an archive or folder; why not, in the words of an error.
fn load(path: &Path) -> Result<Chart, String> {
    let loaded = if path.is_dir() {
        Chart::from_files(read_folder(path).map_err(|error| error.to_string())?)
    } else {
        Chart::from_archive(&std::fs::read(path).map_err(|error| error.to_string())?)
    };
    loaded.map_err(|error| ours::words(&error))
}

/// The files of an unpacked chart, without what its `.helmignore` leaves out.
fn read_folder(top: &Path) -> io::Result<Vec<ChartFile>> {
    let rules = match std::fs::read_to_string(top.join(".helmignore")) {
        Ok(text) => IgnoreRules::parse(&text).map_err(io::Error::other)?,
        Err(_) => IgnoreRules::default(),
    };
    let (mut files, mut folders) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = folders.pop() {
        let entries: io::Result<Vec<_>> = std::fs::read_dir(top.join(&folder))?.collect();
        for entry in entries? {
            let name = format!("{folder}{}", entry.file_name().to_string_lossy());
            let is_folder = entry.path().is_dir();
            if rules.ignores(&name, is_folder) {
                continue;
            }
            if is_folder {
                folders.push(format!("{name}/"));
            } else {
                files.push(ChartFile::new(name, std::fs::read(entry.path())?));
            }
        }
    }
    files.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn lines_of_chance_are_counted_and_others_compared() {
        let texts = |text: &str| Ok(text.to_owned());
        let found = first_difference(&texts("a\nx\nc"), &texts("a\n1\nc"), &texts("a\n2\nc"));
        assert_eq!(found, (None, 1));
        let (difference, _) = first_difference(&texts("a\nb"), &texts("a\nc"), &texts("a\nc"));
        assert!(difference.unwrap().starts_with("line 2"));
        let (difference, _) = first_difference(&texts("a\nb\nc"), &texts("a\nb"), &texts("a\nb"));
        assert!(difference.unwrap().starts_with("line 3"));
    }
}
