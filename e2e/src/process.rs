//! [`Process`]: a child that listens on loopback only, keeps its log and ends with its owner. It
//! owns starting, checking and stopping; it refuses to leave anything running.

use std::fs::{self, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

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
        let log = logs.join(format!("{name}.log"));
        let output = OpenOptions::new().create(true).append(true).open(&log)?;
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("HOME", logs)
            .env("PATH", "/usr/bin:/bin")
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
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(20).collect();
        let tail: Vec<_> = lines.into_iter().rev().collect();
        Some(format!(
            "{} ended with {status}\n{}",
            self.name,
            tail.join("\n")
        ))
    }

    /// Stops it with SIGSTOP (`pause`) or lets it go on with SIGCONT.
    ///
    /// # Errors
    /// When no signal can be sent.
    pub fn signal(&self, signal: &str) -> io::Result<()> {
        let status = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(self.id().to_string())
            .status()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("kill -{signal} failed")))
        }
    }

    /// What it listens on, from `/proc`.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn listening(&self) -> io::Result<Vec<Listening>> {
        let mut inodes = Vec::new();
        for entry in fs::read_dir(format!("/proc/{}/fd", self.id()))? {
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

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
///
/// # Errors
/// When loopback has none.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
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
}
