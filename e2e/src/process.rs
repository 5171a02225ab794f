//! [`Process`]: a child that listens on loopback only, keeps its log and ends with its owner,
//! together with everything it started. It owns starting, checking and stopping; it refuses to leave
//! anything running.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A running child.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

/// An address a process listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// The address in hexadecimal, as the kernel shows it.
    pub address: String,
    /// The port.
    pub port: u16,
    /// Whether only this machine can reach it.
    pub loopback: bool,
}

impl Process {
    /// Starts a program; its output goes to `logs/{name}.log`, its home is `logs`.
    ///
    /// # Errors
    /// When the log cannot be written or the program cannot be started.
    pub fn start(
        name: &str,
        program: &Path,
        arguments: &[String],
        logs: &Path,
    ) -> io::Result<Self> {
        Self::start_with(name, program, arguments, &[], logs)
    }

    /// The same with further environment variables; nothing is inherited.
    ///
    /// # Errors
    /// When the log cannot be written or the program cannot be started.
    pub fn start_with(
        name: &str,
        program: &Path,
        arguments: &[String],
        environment: &[(String, String)],
        logs: &Path,
    ) -> io::Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let output = OpenOptions::new().create(true).append(true).open(&log)?;
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("HOME", logs)
            .env("PATH", "/usr/bin:/bin")
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself, with the end of its log.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        Some(format!(
            "{} ended with {status}\n{}",
            self.name,
            self.tail()
        ))
    }

    /// The last twenty lines of its log.
    pub fn tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().rev().take(20).collect();
        let tail: Vec<_> = lines.into_iter().rev().collect();
        tail.join("\n")
    }

    /// Itself and everything it started, as far as `/proc` still shows whose child is whose.
    pub fn family(&self) -> Vec<u32> {
        let parents = parents();
        let mut family = vec![self.id()];
        let mut next = 0;
        while let Some(&parent) = family.get(next) {
            family.extend(
                parents
                    .iter()
                    .filter(|(_, of)| *of == parent)
                    .map(|(child, _)| *child),
            );
            next += 1;
        }
        family
    }

    /// Stops it with SIGSTOP (`pause`) or lets it go on with SIGCONT.
    ///
    /// # Errors
    /// When no signal can be sent.
    pub fn signal(&self, signal: &str) -> io::Result<()> {
        signal_all(signal, &[self.id()])
    }

    /// What it and everything it started listen on, from `/proc`.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn listening(&self) -> io::Result<Vec<Listening>> {
        let mut inodes = sockets_of(self.id())?;
        for child in self.family() {
            // A child may be gone by now.
            inodes.extend(sockets_of(child).unwrap_or_default());
        }
        let mut found = Vec::new();
        for table in ["tcp", "tcp6"] {
            for line in fs::read_to_string(format!("/proc/net/{table}"))?
                .lines()
                .skip(1)
            {
                let fields: Vec<_> = line.split_whitespace().collect();
                let [_, local, _, "0A", ..] = fields.as_slice() else {
                    continue;
                };
                if fields
                    .get(9)
                    .is_none_or(|inode| !inodes.iter().any(|own| own == inode))
                {
                    continue;
                }
                let Some((address, port)) = local.split_once(':') else {
                    continue;
                };
                found.push(Listening {
                    address: address.to_owned(),
                    port: u16::from_str_radix(port, 16).unwrap_or_default(),
                    loopback: is_loopback(address),
                });
            }
        }
        Ok(found)
    }
}

/// 127.0.0.0/8, ::1 and ::ffff:127.0.0.0/104 in the kernel's notation (32-bit groups, little
/// endian).
fn is_loopback(address: &str) -> bool {
    match address.len() {
        8 => address.ends_with("7F"),
        32 => {
            address == "00000000000000000000000001000000"
                || (address.starts_with("0000000000000000FFFF0000") && address.ends_with("7F"))
        }
        _ => false,
    }
}

/// Every process with its parent.
fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let parent_of = |id: u32| {
        // `ID (NAME) STATE PARENT …`; the name may hold anything.
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let (_, rest) = stat.rsplit_once(')')?;
        rest.split_whitespace().nth(1)?.parse().ok()
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|id| Some((id, parent_of(id)?)))
        .collect()
}

/// The inodes of a process's sockets.
fn sockets_of(id: u32) -> io::Result<Vec<String>> {
    let mut inodes = Vec::new();
    for entry in fs::read_dir(format!("/proc/{id}/fd"))? {
        let Ok(target) = fs::read_link(entry?.path()) else {
            continue;
        };
        let target = target.display().to_string();
        if let Some(inode) = target
            .strip_prefix("socket:[")
            .and_then(|rest| rest.strip_suffix(']'))
        {
            inodes.push(inode.to_owned());
        }
    }
    Ok(inodes)
}

fn signal_all(signal: &str, processes: &[u32]) -> io::Result<()> {
    let status = Command::new("kill")
        .arg(format!("-{signal}"))
        .args(processes.iter().map(ToString::to_string))
        .stderr(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("kill -{signal} failed")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that cannot run starts no other: stop all of them first, then kill.
        let mut stopped = BTreeSet::from([self.id()]);
        if self.family().len() > 1 {
            let _ = self.signal("STOP");
            loop {
                let fresh: Vec<u32> = self
                    .family()
                    .into_iter()
                    .filter(|id| stopped.insert(*id))
                    .collect();
                if fresh.is_empty() {
                    break;
                }
                let _ = signal_all("STOP", &fresh);
            }
            let all: Vec<u32> = stopped.into_iter().collect();
            let _ = signal_all("KILL", &all);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ports that the system gives to nobody who does not ask for one by number: below what Linux takes
/// for outgoing connections (`ip_local_port_range`).
const PORTS: Range<u32> = 20_000..30_000;

/// A port that was free a moment ago, never the same twice.
///
/// # Errors
/// When loopback has none.
pub(crate) fn free_port() -> io::Result<u16> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Processes that start at the same time begin at different places.
    let first = std::process::id().wrapping_mul(97);
    for _ in PORTS {
        let next = first.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + next % (PORTS.end - PORTS.start);
        let port = u16::try_from(port).map_err(io::Error::other)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("loopback has no free port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_count_as_loopback() {
        assert!(is_loopback("0100007F"));
        assert!(!is_loopback("00000000"));
        assert!(is_loopback("00000000000000000000000001000000"));
        assert!(!is_loopback("00000000000000000000000000000000"));
    }

    #[test]
    fn no_port_is_given_twice() {
        let given: std::collections::BTreeSet<u16> =
            (0..100).map(|_| free_port().unwrap()).collect();
        assert_eq!(given.len(), 100);
    }

    #[test]
    fn a_child_ends_with_its_owner() {
        let folder =
            std::env::temp_dir().join(format!("aks-airflow-process-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let process =
            Process::start("sleep", Path::new("/bin/sleep"), &["60".into()], &folder).unwrap();
        let id = process.id();
        drop(process);
        assert!(!Path::new(&format!("/proc/{id}")).exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_a_child_started_ends_with_it() {
        let folder =
            std::env::temp_dir().join(format!("aks-airflow-family-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        // In a session of its own, as a task of Airflow is.
        let script = "setsid sleep 60 & setsid sleep 60 & wait";
        let arguments = ["-c".into(), script.into()];
        let process = Process::start("sh", Path::new("/bin/sh"), &arguments, &folder).unwrap();
        let family = loop {
            let family = process.family();
            if family.len() >= 3 {
                break family;
            }
            std::thread::yield_now();
        };
        drop(process);
        let lives = |id: &u32| {
            fs::read_to_string(format!("/proc/{id}/stat"))
                .is_ok_and(|stat| stat.contains("(sleep) S"))
        };
        assert!(!family.iter().any(lives), "{family:?}");
        fs::remove_dir_all(folder).unwrap();
    }
}
