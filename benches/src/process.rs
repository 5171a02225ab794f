//! Programs from outside: how long one takes, how much memory it has at most, what it prints.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::renders::Took;

/// One run of a program.
#[derive(Debug, Clone)]
pub struct Run {
    /// From start to end.
    pub wall: Duration,
    /// Its standard output.
    pub output: Vec<u8>,
}

/// Runs a program to its end.
///
/// # Errors
/// If it cannot be started, or fails.
pub fn run(program: &Path, arguments: &[String]) -> Result<Run, String> {
    let started = Instant::now();
    let output = command(program, arguments)
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let wall = started.elapsed();
    if !output.status.success() {
        return Err(format!(
            "{}: {}",
            program.display(),
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    Ok(Run {
        wall,
        output: output.stdout,
    })
}

/// The most memory a program has while it runs, in bytes, looked up every half millisecond.
///
/// # Errors
/// If it cannot be started, or its memory cannot be seen (only Linux tells).
pub fn peak_memory(program: &Path, arguments: &[String]) -> Result<u64, String> {
    let mut child = command(program, arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let mut output = child.stdout.take();
    let reader = std::thread::spawn(move || {
        output
            .as_mut()
            .map(|output| output.read_to_end(&mut Vec::new()))
    });
    let id = child.id().to_string();
    let mut peak = 0;
    while child
        .try_wait()
        .map_err(|error| error.to_string())?
        .is_none()
    {
        peak = peak.max(peak_rss(&id).unwrap_or_default());
        std::thread::sleep(Duration::from_micros(500));
    }
    let _ = reader.join();
    if peak == 0 {
        Err(format!("{}: its memory cannot be seen", program.display()))
    } else {
        Ok(peak)
    }
}

/// Runs a program that renders in one process, ours or the rival's, and reads what it took.
///
/// # Errors
/// If it fails or prints something else.
pub fn renders(program: &Path, arguments: &[String]) -> Result<Took, String> {
    let run = run(program, arguments)?;
    serde_json::from_slice(&run.output).map_err(|error| format!("{}: {error}", program.display()))
}

/// The most memory process `id` (or `self`) has had, in bytes; `None` where the system does not tell.
pub fn peak_rss(id: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The most memory that any one process has had of those that `id` and its children started and that
/// still run, in bytes; `None` where the system does not tell.
pub fn peak_rss_below(id: u32) -> Option<u64> {
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    let children = children.unwrap_or_default();
    let below = children.split_ascii_whitespace().filter_map(|child| {
        let child = child.parse().ok()?;
        peak_rss_below(child)
    });
    below.chain(peak_rss(&id.to_string())).max()
}

fn command(program: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command
}
