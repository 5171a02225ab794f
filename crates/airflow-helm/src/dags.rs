//! [`DagSettings`]: DAGs from Git (S16 of the guide). It owns the repository's address, what it is
//! pinned to, and the Secrets git-sync reads; it refuses credentials inside an address and SSH
//! without known hosts.
//!
//! git-sync v4 lets the deprecated `branch` and `rev` override `ref`, and chart defaults always set
//! them, so a pin by `ref` alone is ignored. All three are therefore written: `branch` and `rev`
//! empty, `ref` the pin. Source: git-sync 4.1.0 to 4.4.2, `main.go`.

use std::collections::BTreeMap;

use converge::Secret;
use kube_cluster::{Object, ObjectRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::SettingsProblem;
use crate::keys::encode;

/// Where DAGs come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DagSettings {
    /// From a Git repository; `null` for DAGs in the image.
    pub git_sync: Option<GitSync>,
}

impl Default for DagSettings {
    fn default() -> Self {
        Self {
            git_sync: Some(GitSync::default()),
        }
    }
}

/// A repository kept in step with the pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GitSync {
    /// The repository: `https://host/path.git`, `ssh://git@host/path.git` or `git@host:path.git`;
    /// the guide's example by default.
    pub repo: String,
    /// Branch, tag or commit; branch `main`. Another commit is how one rolls back.
    pub pin: GitPin,
    /// The folder of the repository that holds DAGs; `dags`.
    pub sub_path: String,
    /// How many commits of history are fetched, 0 for all; 1.
    pub depth: u32,
    /// How many fetches in a row may fail before the container ends, -1 for any number; 0, as the
    /// guide.
    pub max_failures: i32,
    /// How often to look, in seconds; 5, as the chart.
    pub period_seconds: u32,
    /// How to log in; not at all by default.
    pub credentials: GitCredentials,
}

impl Default for GitSync {
    fn default() -> Self {
        Self {
            repo: "https://github.com/donhighmsft/airflowexamples.git".into(),
            pin: GitPin::Branch("main".into()),
            sub_path: "dags".into(),
            depth: 1,
            max_failures: 0,
            period_seconds: 5,
            credentials: GitCredentials::None,
        }
    }
}

/// What a repository is pinned to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GitPin {
    /// The head of a branch, followed.
    Branch(String),
    /// A tag.
    Tag(String),
    /// A commit, 40 (or 64) hexadecimal digits.
    Commit(String),
}

impl GitPin {
    /// git-sync's `ref`.
    pub fn reference(&self) -> &str {
        match self {
            Self::Branch(name) | Self::Tag(name) | Self::Commit(name) => name,
        }
    }
}

/// How git-sync logs in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GitCredentials {
    /// Not at all.
    #[default]
    None,
    /// A user name and a token, over HTTPS.
    Https(HttpsLogin),
    /// A key, over SSH.
    Ssh(SshLogin),
}

/// A user name and a token in a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpsLogin {
    /// The Secret with git-sync's keys; made from a secret reference if it is given one, else
    /// yours.
    pub secret: String,
}

/// A key in a Secret, and the hosts it may be used with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SshLogin {
    /// The Secret whose key `gitSshKey` holds the private key.
    pub secret: String,
    /// Lines of `known_hosts`. Required: without them git-sync does not check the host.
    pub known_hosts: String,
}

impl GitSync {
    pub(crate) fn problems(&self) -> Vec<SettingsProblem> {
        let mut found = Vec::new();
        let mut problem = |path, message: String, help| {
            found.push(SettingsProblem {
                path,
                message,
                help,
            });
        };
        match (Address::parse(&self.repo), &self.credentials) {
            (Err(why), _) => problem(
                "airflow.dags.gitSync.repo",
                format!("`{}` {why}", redact(&self.repo)),
                "write `https://host/path.git`, `ssh://git@host/path.git` or `git@host:path.git`; credentials belong in a Secret",
            ),
            (Ok(Address::Https), GitCredentials::Ssh(_)) => problem(
                "airflow.dags.gitSync.credentials",
                "an SSH key for an HTTPS repository".into(),
                "use the repository's SSH address, or HTTPS credentials",
            ),
            (Ok(Address::Ssh), GitCredentials::Https(_) | GitCredentials::None) => problem(
                "airflow.dags.gitSync.credentials",
                "an SSH repository needs a key".into(),
                "set `credentials.ssh` with the Secret and the known hosts",
            ),
            _ => {}
        }
        if let GitCredentials::Ssh(ssh) = &self.credentials
            && !ssh.known_hosts.lines().any(is_known_host)
        {
            problem(
                "airflow.dags.gitSync.credentials.ssh.knownHosts",
                "no usable line: the host would not be checked".into(),
                "paste the host's lines from its documentation, `host type key`",
            );
        }
        if let Some(why) = pin_problem(&self.pin) {
            problem(
                "airflow.dags.gitSync.pin",
                format!("`{}` {why}", self.pin.reference()),
                "name a branch, a tag, or the full hash of a commit",
            );
        }
        if self.sub_path.starts_with('/') || self.sub_path.split('/').any(|part| part == "..") {
            problem(
                "airflow.dags.gitSync.subPath",
                format!("`{}` leaves the repository", self.sub_path),
                "write a path below the repository's root, without a leading slash",
            );
        }
        found
    }

    /// The chart's `dags.gitSync` table, without what depends on the chart's generation.
    pub(crate) fn chart_values(&self) -> Value {
        let mut values = json!({
            "enabled": true,
            "repo": self.repo,
            "branch": "",
            "rev": "",
            "ref": self.pin.reference(),
            "depth": self.depth,
            "maxFailures": self.max_failures,
            "period": format!("{}s", self.period_seconds),
            "subPath": self.sub_path,
        });
        match &self.credentials {
            GitCredentials::None => {}
            GitCredentials::Https(login) => {
                values["credentialsSecret"] = login.secret.clone().into();
            }
            GitCredentials::Ssh(login) => {
                values["sshKeySecret"] = login.secret.clone().into();
                values["knownHosts"] = login.known_hosts.clone().into();
            }
        }
        values
    }
}

/// How a repository is reached.
enum Address {
    Https,
    Ssh,
}

impl Address {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some((user_host, path)) = text.split_once(':')
            && !path.starts_with("//")
        {
            // The scp form: `git@host:path`.
            let plain = |part: &str| !part.is_empty() && !part.contains(['/', ' ', ':']);
            return match user_host.split_once('@') {
                Some((user, host)) if plain(user) && plain(host) && !path.is_empty() => {
                    Ok(Self::Ssh)
                }
                _ => Err("is not an address of a repository"),
            };
        }
        let url = Url::parse(text).map_err(|_| "is not an address of a repository")?;
        if url.host_str().is_none_or(str::is_empty) || url.path().len() < 2 {
            return Err("names no host and path");
        }
        match url.scheme() {
            "https" if url.username().is_empty() && url.password().is_none() => Ok(Self::Https),
            "ssh" if url.password().is_none() => Ok(Self::Ssh),
            "https" | "ssh" => Err("carries credentials"),
            _ => Err("is neither HTTPS nor SSH"),
        }
    }
}

/// The address without what may be a token.
fn redact(repo: &str) -> String {
    match Url::parse(repo) {
        Ok(mut url) if !url.username().is_empty() || url.password().is_some() => {
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.to_string()
        }
        _ => repo.to_owned(),
    }
}

fn is_known_host(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#') && line.split_whitespace().count() >= 3
}

fn pin_problem(pin: &GitPin) -> Option<&'static str> {
    match pin {
        GitPin::Commit(hash) => {
            let full =
                matches!(hash.len(), 40 | 64) && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            (!full).then_some("is not the full hash of a commit")
        }
        // Source: git-check-ref-format(1), the rules a typing mistake can break.
        GitPin::Branch(name) | GitPin::Tag(name) => {
            let bad = name.is_empty()
                || name.starts_with(['-', '/', '.'])
                || name.ends_with(['/', '.'])
                || name.contains("..")
                || name.contains([' ', '~', '^', ':', '?', '*', '[', '\\'])
                || name.chars().any(char::is_control);
            bad.then_some("is not a name Git accepts")
        }
    }
}

/// The Secret git-sync reads over HTTPS: both families of names, since the chart asks for all four.
pub fn https_secret(namespace: &str, name: &str, user: &str, token: &Secret) -> Object {
    secret(
        namespace,
        name,
        [
            ("GIT_SYNC_USERNAME", user),
            ("GITSYNC_USERNAME", user),
            ("GIT_SYNC_PASSWORD", token.expose()),
            ("GITSYNC_PASSWORD", token.expose()),
        ],
    )
}

/// The Secret git-sync reads over SSH.
pub fn ssh_secret(namespace: &str, name: &str, private_key: &Secret) -> Object {
    // A key without its final newline is not one to OpenSSH.
    let key = format!("{}\n", private_key.expose().trim_end());
    secret(namespace, name, [("gitSshKey", key.as_str())])
}

fn secret<const N: usize>(namespace: &str, name: &str, entries: [(&str, &str); N]) -> Object {
    let mut object = Object::named(&ObjectRef::namespaced("v1", "Secret", namespace, name));
    let data: BTreeMap<&str, String> = entries.map(|(key, text)| (key, encode(text))).into();
    object.as_map_mut().insert("type".into(), "Opaque".into());
    object.as_map_mut().insert("data".into(), json!(data));
    object
}

/// The newest commit a git-sync container says it has checked out, from its log lines.
///
/// Source: git-sync 4.x, JSON lines with `msg` `updated successfully` and the commit in `remote`.
pub fn synced_commit(lines: &[String]) -> Option<String> {
    lines.iter().rev().find_map(|line| {
        let entry: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        let message = text("msg")?;
        let commit = if message == "updated successfully" {
            text("remote")?
        } else if message == "no update required" {
            text("local")?
        } else {
            return None;
        };
        (commit.len() >= 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .then(|| commit.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(git: &GitSync) -> Vec<&'static str> {
        git.problems().iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn addresses_and_credentials_must_fit() {
        let repo = "airflow.dags.gitSync.repo";
        let credentials = "airflow.dags.gitSync.credentials";
        let ssh = || {
            GitCredentials::Ssh(SshLogin {
                secret: "s".into(),
                known_hosts: "github.com ssh-ed25519 AAAA".into(),
            })
        };
        let https = || GitCredentials::Https(HttpsLogin { secret: "s".into() });
        let cases = [
            ("https://github.com/a/b.git", GitCredentials::None, vec![]),
            ("https://github.com/a/b.git", https(), vec![]),
            ("git@github.com:a/b.git", ssh(), vec![]),
            ("ssh://git@ssh.dev.azure.com/v3/o/p/r", ssh(), vec![]),
            ("https://github.com/a/b.git", ssh(), vec![credentials]),
            ("git@github.com:a/b.git", https(), vec![credentials]),
            (
                "git@github.com:a/b.git",
                GitCredentials::None,
                vec![credentials],
            ),
            (
                "https://user:token@github.com/a/b.git",
                GitCredentials::None,
                vec![repo],
            ),
            (
                "http://github.com/a/b.git",
                GitCredentials::None,
                vec![repo],
            ),
            ("github.com/a/b", GitCredentials::None, vec![repo]),
            ("https://github.com/", GitCredentials::None, vec![repo]),
            ("", GitCredentials::None, vec![repo]),
        ];
        for (address, credentials, expected) in cases {
            let git = GitSync {
                repo: address.into(),
                credentials,
                ..GitSync::default()
            };
            assert_eq!(paths(&git), expected, "{address}");
        }
    }

    #[test]
    fn a_token_in_an_address_is_not_repeated() {
        let git = GitSync {
            repo: "https://user:hunter2@github.com/a/b.git".into(),
            ..GitSync::default()
        };
        assert!(!git.problems()[0].message.contains("hunter2"));
    }

    #[test]
    fn ssh_without_known_hosts_is_refused() {
        let git = GitSync {
            repo: "git@github.com:a/b.git".into(),
            credentials: GitCredentials::Ssh(SshLogin {
                secret: "s".into(),
                known_hosts: "# nothing\n".into(),
            }),
            ..GitSync::default()
        };
        assert_eq!(
            paths(&git),
            ["airflow.dags.gitSync.credentials.ssh.knownHosts"]
        );
    }

    #[test]
    fn pins_are_checked_and_only_ref_is_set() {
        let hash = "0123456789012345678901234567890123456789";
        for (pin, good) in [
            (GitPin::Branch("main".into()), true),
            (GitPin::Branch("feature/x".into()), true),
            (GitPin::Tag("v1.2.3".into()), true),
            (GitPin::Commit(hash.into()), true),
            (GitPin::Commit("0123456".into()), false),
            (GitPin::Branch("-x".into()), false),
            (GitPin::Branch("a..b".into()), false),
            (GitPin::Tag(String::new()), false),
        ] {
            let git = GitSync {
                pin: pin.clone(),
                ..GitSync::default()
            };
            assert_eq!(paths(&git).is_empty(), good, "{pin:?}");
            let values = git.chart_values();
            assert_eq!(
                (&values["branch"], &values["rev"], &values["ref"]),
                (&json!(""), &json!(""), &json!(pin.reference()))
            );
        }
    }

    #[test]
    fn secrets_hold_the_keys_the_chart_asks_for() {
        let https = https_secret("n", "s", "me", &Secret::new("t"));
        let data = https.at("/data").unwrap().as_object().unwrap();
        let keys: Vec<&String> = data.keys().collect();
        assert_eq!(
            keys,
            [
                "GITSYNC_PASSWORD",
                "GITSYNC_USERNAME",
                "GIT_SYNC_PASSWORD",
                "GIT_SYNC_USERNAME"
            ]
        );
        let ssh = ssh_secret("n", "s", &Secret::new("key"));
        assert_eq!(ssh.text("/data/gitSshKey"), Some("a2V5Cg=="));
    }

    #[test]
    fn the_commit_is_read_from_the_log() {
        let hash = "1f3c9e2000000000000000000000000000000000";
        let lines = vec![
            "not json".to_owned(),
            format!(r#"{{"msg":"updated successfully","ref":"main","remote":"{hash}"}}"#),
            r#"{"msg":"fetching"}"#.to_owned(),
        ];
        assert_eq!(synced_commit(&lines).as_deref(), Some(hash));
        assert_eq!(synced_commit(&lines[2..]), None);
    }
}
