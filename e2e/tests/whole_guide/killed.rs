//! The real program, killed for real: `aks-airflow up` as a process of its own, against the real
//! API server and, through a proxy under Azure's own names, the simulated Azure. SIGKILL comes as
//! soon as a chosen request has arrived at its server; one more run converges, and what it leaves
//! is what an undisturbed run leaves.
//!
//! Points are walked in chains, so that a hundred of them take minutes: the run after a kill is
//! killed in its turn, further on, and the last is let go.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aks_airflow_e2e::Failed;
use aks_airflow_e2e::{DEPLOYER, NAMESPACE, Program};
use aks_sandbox::world::{Class, Verdict};

use crate::ground::{Ground, expect};
use crate::picture::Picture;

/// How many times it is killed, unless `E2E_KILLS` says otherwise.
const KILLS: usize = 12;
/// How many runs in a row are killed at most.
const CHAIN: usize = 14;
/// After every so many kills the next run waits until the dead one's Lease runs out; otherwise the
/// Lease is taken away as if that time had passed.
const PATIENT: usize = 25;

/// Where a run dies: at its request of this number, counted from its first or from its first
/// write.
#[derive(Debug, Clone, Copy)]
enum Point {
    Request(usize),
    AfterWrite(usize),
}

/// The program under proof: `$E2E_AKS_AIRFLOW`, else where cargo puts it beside the tests.
pub(crate) fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("E2E_AKS_AIRFLOW") {
        return path.into();
    }
    let this = std::env::current_exe().unwrap_or_default();
    let debug = this.ancestors().nth(2).unwrap_or(Path::new("."));
    debug.join("aks-airflow")
}

/// Points spread by a seed over the requests of plan and run.
pub(crate) async fn the_program_is_finished_by_its_next_run(ground: &Ground) -> Result<(), Failed> {
    let kills = std::env::var("E2E_KILLS").ok();
    let kills: usize = kills.map_or(Ok(KILLS), |text| text.parse())?;
    let kubeconfig = ground.kubeconfig()?;
    let up = Program::new(&program(), &ground.aks, ground.generation, &kubeconfig)?;
    ground.reset().await?;
    let (whole, _) = run_until(ground, &up, None).await?;
    let wanted = Picture::of(ground).await?;
    let mut random = fastrand::Rng::with_seed(11);
    let (mut killed, mut in_plan, mut chains, mut furthest) = (0, 0, 0, 0);
    while killed < kills {
        ground.reset().await?;
        chains += 1;
        let mut points = Vec::new();
        // How much of the install is to do, about: what has died did some of it.
        let mut left = whole.since_write;
        for _ in 0..CHAIN.min(kills - killed) {
            let point = match random.u8(..10) {
                0 => Point::Request(random.usize(1..=whole.requests - whole.since_write)),
                1 => Point::AfterWrite(random.usize(1..=left.div_ceil(3))),
                _ => Point::AfterWrite(random.usize(1..=left.min(12))),
            };
            points.push(point);
            let (died, is_killed) = run_until(ground, &up, Some(point)).await?;
            if !is_killed {
                break;
            }
            killed += 1;
            left = left.saturating_sub(died.since_write).max(1);
            in_plan += usize::from(died.since_write == 0);
            furthest = furthest.max(died.since_write);
            if killed % PATIENT != 0 {
                let_leases_run_out(ground).await?;
            }
        }
        let context = |why: Failed| Failed::from(format!("killed at {points:?}: {why}"));
        finish(&up).await.map_err(context)?;
        // Exit code 0: the plan has no changes.
        let plan = up.command("plan").output().await?;
        let said = String::from_utf8_lossy(&plan.stdout);
        expect(plan.status.success(), || format!("{points:?}: {said}"))?;
        let left = Picture::of(ground).await?;
        let other = left.differences(&wanted);
        expect(other.is_empty(), || {
            format!("{points:?}: {}", other.join("\n"))
        })?;
    }
    aks_airflow_e2e::say_once(&format!(
        "killed {killed} times in {chains} installs ({in_plan} before a first write, the latest {furthest} requests after one; \
         an undisturbed run makes {}, {} of them since its first write); each install converged by the next run",
        whole.requests, whole.since_write
    ));
    Ok(())
}

/// A run to its end.
async fn finish(up: &Program) -> Result<(), Failed> {
    let whole = up.command("up").spawn()?.wait_with_output().await?;
    let said = String::from_utf8_lossy(&whole.stderr);
    expect(whole.status.success(), || said.into_owned())
}

/// A run to its point or, where that comes first, to its end: its requests, and whether it was
/// killed.
async fn run_until(
    ground: &Ground,
    up: &Program,
    point: Option<Point>,
) -> Result<(Counted, bool), Failed> {
    let count = Count::begin(ground);
    let mut run = up.command("up").spawn()?;
    loop {
        let now = count.now();
        let is_there = match point {
            Some(Point::Request(at)) => now.requests >= at,
            Some(Point::AfterWrite(at)) => now.since_write >= at,
            None => false,
        };
        if is_there {
            run.kill().await?;
            return Ok((now, true));
        }
        if let Some(status) = run.try_wait()? {
            let end = run.wait_with_output().await?;
            let said = String::from_utf8_lossy(&end.stderr);
            expect(status.success(), || format!("{point:?}: {said}"))?;
            return Ok((now, false));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// As if the time had passed after which a dead run's Lease counts no more.
async fn let_leases_run_out(ground: &Ground) -> Result<(), Failed> {
    let list = format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases");
    for lease in ground.items(&list).await? {
        let name = lease["metadata"]["name"].as_str().unwrap_or_default();
        if name.starts_with("aks-airflow.") {
            ground.aks.api.delete(&format!("{list}/{name}")).await?;
        }
    }
    Ok(())
}

/// Requests that have arrived.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    requests: usize,
    /// From the first that writes on.
    since_write: usize,
}

/// Counts requests from when it began: at Azure, and at the API server by its audit log.
struct Count<'g> {
    ground: &'g Ground,
    azure: Arc<[AtomicUsize; 2]>,
    audit: RefCell<BufReader<File>>,
    /// A line that is not whole yet.
    line: RefCell<String>,
    kubernetes: Cell<Counted>,
    before_write: Cell<Option<usize>>,
}

impl<'g> Count<'g> {
    fn begin(ground: &'g Ground) -> Self {
        let azure = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let counted = Arc::clone(&azure);
        ground.aks.sandbox.on_request(Some(Arc::new(move |request| {
            counted[0].fetch_add(1, Ordering::SeqCst);
            if request.class == Class::Write {
                counted[1].fetch_add(1, Ordering::SeqCst);
            }
            Verdict::Proceed
        })));
        let mut audit = File::open(ground.aks.plane.audit()).expect("the server writes it");
        let end = audit.seek(SeekFrom::End(0));
        end.expect("a file has an end");
        Self {
            ground,
            azure,
            audit: RefCell::new(BufReader::new(audit)),
            line: RefCell::default(),
            kubernetes: Cell::default(),
            before_write: Cell::default(),
        }
    }

    fn now(&self) -> Counted {
        let mut seen = self.kubernetes.get();
        let mut line = self.line.borrow_mut();
        let mut audit = self.audit.borrow_mut();
        while audit.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
            if let Some(is_write) = arrival(&line) {
                seen.requests += 1;
                seen.since_write += usize::from(is_write);
            }
            line.clear();
        }
        self.kubernetes.set(seen);
        let [azure, writes] = [0, 1].map(|which| self.azure[which].load(Ordering::SeqCst));
        let requests = seen.requests + azure;
        if self.before_write.get().is_none() && seen.since_write + writes > 0 {
            self.before_write.set(Some(requests - 1));
        }
        let before = self.before_write.get();
        Counted {
            requests,
            since_write: before.map_or(0, |before| requests - before),
        }
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.ground.aks.sandbox.on_request(None);
    }
}

/// Whether a line of the audit log is the arrival of a request of the program's, and if so whether
/// of one that writes.
fn arrival(line: &str) -> Option<bool> {
    let user = format!("\"username\":\"{DEPLOYER}\"");
    if !line.contains("\"stage\":\"RequestReceived\"") || !line.contains(&user) {
        return None;
    }
    let writes = ["create", "update", "patch", "delete"];
    let is_write = writes
        .iter()
        .any(|verb| line.contains(&format!("\"verb\":\"{verb}\"")));
    let asks = [
        "dryRun=All",
        "accessreviews",
        "rulesreviews",
        "\"subresource\":\"token\"",
    ];
    Some(is_write && !asks.iter().any(|question| line.contains(question)))
}
