//! [`Sides`]: the two ways to the same Airflow, `aks-airflow up` and the script of today's commands,
//! run as processes over a way of a chosen length. It owns what a run took, as the API server wrote
//! it down; it refuses a run that failed.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use aks_airflow_benches::process::peak_rss_below;
use aks_airflow_e2e::{
    Aks, Audit, Audited, BY_HAND, Cable, Component, DEPLOYER, Generation, NAMESPACE, Program,
    longest_chain,
};
use jiff::Timestamp;
use tokio::process::Command;

use crate::Failure;
use crate::waits::{ClusterWork, Span, Wait, seconds};

/// Both sides on one cluster.
pub(crate) struct Sides<'a> {
    pub(crate) aks: &'a Aks,
    ours: PathBuf,
    values: PathBuf,
    helm: PathBuf,
    kubectl: PathBuf,
    /// Where every request is written down.
    pub(crate) requests: Option<PathBuf>,
}

/// One run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Took {
    /// From start to end, in seconds.
    pub(crate) wall: f64,
    /// Requests that the API server answered.
    pub(crate) requests: f64,
    /// Those that change what is stored.
    pub(crate) writes: f64,
    /// The longest row of requests each of which may have waited for the answer to the one before.
    pub(crate) chain: f64,
    /// Carried to the API server and back, TLS and all, in kB.
    pub(crate) kilobytes: f64,
    /// Pods that were there before and are no longer.
    pub(crate) rolled: f64,
    /// The seconds in which the tool could only wait for the cluster.
    pub(crate) waits: f64,
    /// The most memory one process had, the tool or one that it started, in MB; looked up every 5 ms.
    pub(crate) memory: f64,
}

impl<'a> Sides<'a> {
    /// `shared` holds the official archives and the guide's values.
    ///
    /// # Errors
    /// What is missing.
    pub(crate) fn new(ours: &Path, shared: &Path, aks: &'a Aks) -> Result<Self, Failure> {
        let values = shared.join("oracle/values/guide-1.15.0.yaml");
        let found = |path: &Path| {
            let found = path.canonicalize();
            found.map_err(|error| format!("{}: {error}", path.display()))
        };
        Ok(Self {
            aks,
            ours: found(ours)?,
            values: found(&values)?,
            helm: Component::Helm4.locate()?.join("helm4"),
            kubectl: Component::ControlPlane.locate()?.join("kubectl"),
            requests: None,
        })
    }

    /// A way to the API server.
    ///
    /// # Errors
    /// When loopback has no port.
    pub(crate) async fn way(&self, round_trip: Duration) -> Result<Cable, Failure> {
        way(&self.aks.plane.url(), round_trip).await
    }

    /// `aks-airflow up`, with Azure as far away as the API server.
    ///
    /// # Errors
    /// What it says when it fails.
    pub(crate) async fn ours(&self, api: &Cable, round_trip: Duration) -> Result<Took, Failure> {
        let azure = way(&self.aks.endpoints.proxy, round_trip).await?;
        let kubeconfig = self.kubeconfig(DEPLOYER, None, api)?;
        let mut program = Program::new(&self.ours, self.aks, Generation::Guide2024, &kubeconfig)?;
        program.proxy = format!("http://{}", azure.address());
        self.run(&mut program.command("up"), DEPLOYER, api, round_trip)
            .await
    }

    /// The script, with Azure for nothing; `again` upgrades what it installed before.
    ///
    /// # Errors
    /// What it says when it fails.
    pub(crate) async fn today(
        &self,
        api: &Cable,
        round_trip: Duration,
        wait: &str,
        again: bool,
    ) -> Result<Took, Failure> {
        let home = self.aks.folder().join("by-hand");
        std::fs::create_dir_all(&home)?;
        let file = home.join("kubeconfig");
        let kubeconfig = self.kubeconfig(BY_HAND, Some("system:masters"), api)?;
        std::fs::write(&file, kubeconfig)?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/guide/today.sh");
        let mut command = Command::new(script);
        command
            .arg(self.aks.charts())
            .args([&self.values, &self.helm, &self.kubectl])
            .args([wait, if again { "again" } else { "" }])
            .env_clear()
            .env("HOME", home)
            .env("PATH", "/usr/bin:/bin")
            .env("KUBECONFIG", &file)
            .kill_on_drop(true);
        self.run(&mut command, BY_HAND, api, round_trip).await
    }

    /// A user's kubeconfig whose server is the near end of a way.
    fn kubeconfig(&self, user: &str, group: Option<&str>, api: &Cable) -> Result<String, Failure> {
        let text = self.aks.plane.kubeconfig_of(user, group)?;
        let near = format!("https://{}", api.address());
        Ok(text.replace(&self.aks.plane.url(), &near))
    }

    async fn run(
        &self,
        command: &mut Command,
        user: &str,
        api: &Cable,
        round_trip: Duration,
    ) -> Result<Took, Failure> {
        let pods = self.pods().await?;
        let work = ClusterWork::follow(&self.aks.plane).await?;
        let audit = Audit::of(&self.aks.plane, user);
        let before = api.bytes();
        let (started, since) = (Instant::now(), Timestamp::now());
        let (output, memory) = run_to_the_end(command).await?;
        let wall = started.elapsed();
        let run = Span::new(since, Timestamp::now());
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            return Err(format!("{user} failed: {printed}\n{said}").into());
        }
        // Watches are written down when they end, which is soon after the client did.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let requests = audit.requests()?;
        let waits = work.waits(run, &requests);
        if let Some(file) = &self.requests {
            write_down(&requests, &waits, since, user, file)?;
        }
        let writes = requests.iter().filter(|one| one.is_write()).count();
        let left = self.pods().await?;
        Ok(Took {
            wall: wall.as_secs_f64(),
            requests: count(requests.len()),
            writes: count(writes),
            chain: count(longest_chain(&requests, round_trip)),
            kilobytes: count(api.bytes() - before) / 1000.0,
            waits: seconds(&waits),
            rolled: count(pods.difference(&left).count()),
            memory: count(memory) / 1e6,
        })
    }

    /// Uids of the pods of workloads, not of Jobs.
    async fn pods(&self) -> Result<BTreeSet<String>, Failure> {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods");
        let pods = self.aks.api.items(&path).await?;
        let of_a_workload = pods.iter().filter(|pod| {
            let owner = &pod["metadata"]["ownerReferences"][0]["kind"];
            owner != "Job" && pod["metadata"]["deletionTimestamp"].is_null()
        });
        Ok(of_a_workload
            .map(|pod| pod["metadata"]["uid"].to_string())
            .collect())
    }
}

/// What a tool says, and the most memory that one process of it had, in bytes.
async fn run_to_the_end(command: &mut Command) -> Result<(Output, u64), Failure> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
    let child = command.stderr(Stdio::piped()).spawn()?;
    let id = child.id().ok_or("it has ended")?;
    let output = child.wait_with_output();
    tokio::pin!(output);
    let mut peak = 0;
    loop {
        match tokio::time::timeout(Duration::from_millis(5), &mut output).await {
            Ok(output) => return Ok((output?, peak)),
            Err(_elapsed) => peak = peak.max(peak_rss_below(id).unwrap_or_default()),
        }
    }
}

/// Every request with when it came and was answered, and every wait, in milliseconds.
fn write_down(
    requests: &[Audited],
    waits: &[Wait],
    since: Timestamp,
    user: &str,
    file: &Path,
) -> std::io::Result<()> {
    let mut file = File::options().append(true).create(true).open(file)?;
    writeln!(file, "== {user}")?;
    let after = |moment: Timestamp| moment.duration_since(since).as_millis();
    for Wait { on, span } in waits {
        let [from, to] = [span.from, span.to].map(after);
        writeln!(file, "{from:>7} {to:>7} waited for {on}")?;
    }
    let mut requests: Vec<_> = requests.iter().collect();
    requests.sort();
    for one in requests {
        let [came, answered] = [one.received, one.answered].map(after);
        let kind = if one.is_write() { "write" } else { "" };
        writeln!(
            file,
            "{came:>7} {answered:>7} {:>3} {:<6} {kind:<5} {}",
            one.code, one.verb, one.uri
        )?;
    }
    Ok(())
}

async fn way(url: &str, round_trip: Duration) -> Result<Cable, Failure> {
    let (_, address) = url.split_once("://").ok_or("no address")?;
    Ok(Cable::with_round_trip(address.parse()?, round_trip).await?)
}

/// A count as the table calculates with it; far below 2^32.
fn count(number: impl TryInto<u32>) -> f64 {
    number.try_into().map_or(f64::NAN, f64::from)
}
