//! [`GitDaemon`] and [`SyncedTree`]: a repository behind Git's own daemon, and a checkout of it laid
//! out as git-sync does. They own commits and worktrees; they refuse to be git-sync, which is not
//! built here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::free_port;
use crate::service::Service;
use crate::{Component, ServiceError};

/// A repository of DAGs; dropping it stops the daemon and removes the repository.
#[derive(Debug)]
pub struct GitDaemon {
    service: Service,
    port: u16,
}

impl GitDaemon {
    /// Makes an empty repository and serves it.
    ///
    /// # Errors
    /// What is missing, failed, or did not become ready within half a minute.
    pub async fn start() -> Result<Self, ServiceError> {
        Component::Git.locate()?;
        let service = Service::new("git")?;
        let port = free_port()?;
        let mut daemon = Self { service, port };
        let repository = daemon.repository();
        fs::create_dir_all(&repository)?;
        git(&repository, &["init", "--quiet", "--initial-branch=main"])?;
        let arguments = [
            "--listen=127.0.0.1".into(),
            format!("--port={port}"),
            "--export-all".into(),
            "--reuseaddr".into(),
            format!("--base-path={}", daemon.service.folder().display()),
        ];
        let program = Path::new("/usr/lib/git-core/git-daemon");
        daemon.service.start("git", program, &arguments, &[])?;
        let folder = daemon.service.folder().to_owned();
        let url = daemon.url();
        daemon
            .service
            .wait("the git daemon", Duration::from_secs(30), || async {
                git(&folder, &["ls-remote", &url]).is_ok()
            })
            .await?;
        Ok(daemon)
    }

    /// The repository's address.
    pub fn url(&self) -> String {
        format!("git://127.0.0.1:{}/dags", self.port)
    }

    /// Commits one file to branch `main`; the commit's hash.
    ///
    /// # Errors
    /// What Git refuses.
    pub fn commit(&self, file: &str, text: &str) -> Result<String, ServiceError> {
        let repository = self.repository();
        let path = repository.join(file);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)?;
        git(&repository, &["add", "--all"])?;
        git(&repository, &["commit", "--quiet", "--message", file])?;
        git(&repository, &["rev-parse", "HEAD"])
    }

    fn repository(&self) -> PathBuf {
        self.service.folder().join("dags")
    }
}

/// A checkout as git-sync v4 lays it out: a worktree named by its commit, and a link to it that is
/// replaced at once.
#[derive(Debug)]
pub struct SyncedTree {
    root: PathBuf,
}

impl SyncedTree {
    /// An empty one in `folder`, which is made.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(folder: &Path) -> Result<Self, ServiceError> {
        let root = folder.to_owned();
        fs::create_dir_all(root.join(".worktrees"))?;
        git(&root, &["init", "--quiet"])?;
        Ok(Self { root })
    }

    /// The link: `repo`, as in the chart.
    pub fn link(&self) -> PathBuf {
        self.root.join("repo")
    }

    /// Fetches a branch, tag or commit without history and moves the link to it.
    ///
    /// # Errors
    /// What Git refuses; the link is as it was then.
    pub fn sync(&self, url: &str, reference: &str) -> Result<(), ServiceError> {
        git(
            &self.root,
            &["fetch", "--quiet", "--depth=1", url, reference],
        )?;
        let hash = git(&self.root, &["rev-parse", "FETCH_HEAD^{commit}"])?;
        let place = format!(".worktrees/{hash}");
        if !self.root.join(&place).exists() {
            let arguments = ["worktree", "add", "--quiet", "--detach", &place, &hash];
            git(&self.root, &arguments)?;
        }
        let next = self.root.join("next");
        std::os::unix::fs::symlink(&place, &next)?;
        fs::rename(next, self.link())?;
        Ok(())
    }

    /// The commit the link leads to, read from the worktree.
    ///
    /// # Errors
    /// When it leads nowhere.
    pub fn commit(&self) -> Result<String, ServiceError> {
        git(&self.link(), &["rev-parse", "HEAD"])
    }
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String, ServiceError> {
    let output = Command::new("/usr/bin/git")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("PATH", "/usr/bin:/bin")
        .envs(["AUTHOR", "COMMITTER"].into_iter().flat_map(|who| {
            [
                (format!("GIT_{who}_NAME"), "e2e"),
                (format!("GIT_{who}_EMAIL"), "e2e@example.com"),
            ]
        }))
        .output()?;
    if output.status.success() {
        let text = String::from_utf8(output.stdout).map_err(io::Error::other)?;
        return Ok(text.trim().to_owned());
    }
    Err(ServiceError::Refused {
        what: format!("git {}", arguments.join(" ")),
        why: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
