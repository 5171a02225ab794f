//! Helm's binary: where it is, which one it is, and what it answers.
//!
//! It runs without the user's configuration and in UTC, with a folder of its own for everything it
//! reads and writes.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use go_text_template::Text;
use helm_chart::Profile;

/// What a render came to: the text, or the error in Helm's words.
pub type Answer = Result<String, String>;

/// A Helm binary and a folder to work in, which goes with this value.
#[derive(Debug)]
pub struct Helm {
    binary: PathBuf,
    folder: PathBuf,
}

impl Helm {
    /// The Helm at `binary`.
    ///
    /// # Errors
    /// If its folder cannot be made.
    pub fn new(binary: &Path) -> io::Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("helm-differential-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(folder.join("home"))?;
        Ok(Self {
            binary: binary.to_owned(),
            folder,
        })
    }

    /// Where charts and values for Helm are written.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// `v4.2.4`, and the profile of that Helm.
    ///
    /// # Errors
    /// If it does not run or says something else.
    pub fn version(&self) -> io::Result<(String, Profile)> {
        let output = self.command().args(["version", "--short"]).output()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let profile = match text.get(..3) {
            Some("v4.") => Profile::Helm4,
            Some("v3.") => Profile::Helm3,
            _ => return Err(io::Error::other(format!("`version --short` says {text:?}"))),
        };
        Ok((text, profile))
    }

    /// `helm template RELEASE CHART -n NAMESPACE` with values and arguments.
    ///
    /// # Errors
    /// If the binary cannot be run; what Helm refuses is an [`Answer`].
    pub fn template(
        &self,
        release: &Release<'_>,
        chart: &Path,
        values: &[PathBuf],
        set: &[String],
    ) -> io::Result<Answer> {
        let mut command = self.command();
        command
            .arg("template")
            .arg(release.name)
            .arg(chart)
            .args(["-n", release.namespace]);
        for file in values {
            command.arg("-f").arg(file);
        }
        command.args(set);
        let Some(output) = within(LIMIT, &mut command)? else {
            return Ok(Err(UNFINISHED.to_owned()));
        };
        if output.status.success() {
            return Ok(Ok(Text::from(output.stdout).to_string()));
        }
        Ok(Err(complaint(&Text::from(output.stderr).to_str())))
    }

    fn command(&self) -> Command {
        let home = self.folder.join("home");
        let mut command = Command::new(&self.binary);
        command
            .env_clear()
            .env("HOME", &home)
            .env("TZ", "UTC")
            .env("KUBECONFIG", home.join("none"));
        for (name, folder) in [
            ("HELM_CACHE_HOME", "cache"),
            ("HELM_CONFIG_HOME", "config"),
            ("HELM_DATA_HOME", "data"),
        ] {
            command.env(name, home.join(folder));
        }
        command
    }
}

impl Drop for Helm {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What a chart is rendered for.
#[derive(Debug, Clone, Copy)]
pub struct Release<'a> {
    /// The release's name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
}

/// How long Helm may take for one answer; some templates would keep it busy for hours.
const LIMIT: Duration = Duration::from_secs(60);

/// What is said where Helm was ended at its limit.
pub const UNFINISHED: &str = "Helm did not come to an end within its minute";

/// Runs a command to its end, or ends it at the limit; then there is no output.
fn within(limit: Duration, command: &mut Command) -> io::Result<Option<Output>> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().map(read_all);
    let stderr = child.stderr.take().map(read_all);
    let until = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if Instant::now() > until {
            child.kill()?;
            child.wait()?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let text = |reading: Option<JoinHandle<Vec<u8>>>| {
        reading.map_or_else(Vec::new, |reading| reading.join().unwrap_or_default())
    };
    let (stdout, stderr) = (text(stdout), text(stderr));
    Ok(status.map(|status| Output {
        status,
        stdout,
        stderr,
    }))
}

/// Reads a stream to its end, so that its writer never waits.
fn read_all(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What a killed process had not written is not missed.
        let _ = stream.read_to_end(&mut bytes);
        bytes
    })
}

/// What stands for an answer of Helm that ran out of stack, as it does on maps that hold themselves.
pub const CRASHED: &str = "fatal error: stack overflow";

/// The error's own words: after `Error: `, without the command's advice.
fn complaint(text: &str) -> String {
    if text.lines().any(|line| line == CRASHED) {
        return CRASHED.to_owned();
    }
    let start = text
        .match_indices("Error: ")
        .find(|(at, _)| *at == 0 || text.as_bytes()[at - 1] == b'\n');
    let words = start.map_or(text, |(at, found)| &text[at + found.len()..]);
    let words = words.strip_suffix('\n').unwrap_or(words);
    let words = words
        .strip_suffix("\n\nUse --debug flag to render out invalid YAML")
        .unwrap_or(words);
    without_advice(words).to_owned()
}

/// What `helm template` says before the engine's complaint about missing subcharts.
const ADVICE: [&str; 2] = [
    "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to fetch missing dependencies: ",
    "An error occurred while checking for chart dependencies. You may need to run `helm dependency build` to fetch missing dependencies: ",
];

fn without_advice(words: &str) -> &str {
    ADVICE
        .iter()
        .find_map(|advice| words.strip_prefix(advice))
        .unwrap_or(words)
}

#[cfg(test)]
mod tests {
    use super::complaint;

    #[test]
    fn an_error_is_what_follows_its_mark() {
        let text = "level=WARN msg=\"Error: not this\"\nError: template: a\nb \n\nUse --debug flag to render out invalid YAML\n";
        assert_eq!(complaint(text), "template: a\nb ");
        assert_eq!(complaint("Error: a\n"), "a");
        let missing = format!("Error: {}found in Chart.yaml\n", super::ADVICE[1]);
        assert_eq!(complaint(&missing), "found in Chart.yaml");
    }
}
