//! Other clients at work on the guide's objects, and servers that go away.

use std::time::Duration;

use aks_airflow_e2e::Failed;
use aks_airflow_e2e::{Cable, Component, Helm, NAMESPACE};
use converge::RequestClass;
use orchestrate::Policy;
use serde_json::json;

use crate::ground::{Ground, Up, expect, failures, same, words};

/// How many connections are cut while a run goes on.
const CUTS: usize = 12;
const SCHEDULER: &str = "apis/apps/v1/namespaces/airflow/deployments/airflow-scheduler";

/// `kubectl scale` is a conflict on one field: named with its owner, nothing is written, and taking
/// the field heals it.
pub(crate) async fn a_person_who_scales_is_named(ground: &Ground) -> Result<(), Failed> {
    let kubectl = Helm::kubectl(&ground.aks.plane)?;
    let scale = format!("scale deployment airflow-scheduler --replicas=3 -n {NAMESPACE}");
    kubectl.run(&scale).await?;
    is_named_and_taken(ground, "spec.replicas", "kubectl").await?;
    let healed = ground.get(&format!("/{SCHEDULER}")).await?;
    same(&healed["spec"]["replicas"], &json!(1))
}

/// So is `kubectl edit`.
pub(crate) async fn a_person_who_edits_is_named(ground: &Ground) -> Result<(), Failed> {
    let kubectl = Helm::kubectl(&ground.aks.plane)?;
    let edit = format!("edit deployment airflow-scheduler -n {NAMESPACE}");
    let editor = "sed -i s/terminationGracePeriodSeconds:.*/terminationGracePeriodSeconds:\\ 77/";
    kubectl.run_with(&edit, &[("KUBE_EDITOR", editor)]).await?;
    let field = "spec.template.spec.terminationGracePeriodSeconds";
    is_named_and_taken(ground, field, "kubectl-edit").await
}

/// One field of the scheduler is the one conflict, with its owner; a run writes nothing; taking the
/// field heals it.
async fn is_named_and_taken(ground: &Ground, field: &str, owner: &str) -> Result<(), Failed> {
    let world = ground.world().await?;
    let plan = ground.plan().await?;
    let rows: Vec<_> = plan.conflicts().collect();
    let [row] = rows.as_slice() else {
        return Err(format!("one conflict is expected:\n{plan}").into());
    };
    same(row.target.as_str(), "Deployment airflow/airflow-scheduler")?;
    let fields: Vec<_> = row
        .fields
        .iter()
        .map(|field| (field.path.as_str(), field.manager.as_deref()))
        .collect();
    same(fields.as_slice(), &[(field, Some(owner))])?;
    let refused = plan.apply(&world, &Policy::default());
    let refused = refused.err().ok_or("it was not refused")?;
    let said = words(&refused);
    expect(said.contains(field), || said.clone())?;
    same(&world.requests.count().of(RequestClass::Write), &0)?;
    let policy = Policy {
        take: vec![format!("{} {field}", row.target)],
        ..Policy::default()
    };
    ground
        .up_in(&ground.world().await?, &policy)
        .await?
        .succeeded()?;
    noop(ground).await
}

/// Replicas that a controller writes through `scale` are its own: we yield, and say to whom.
pub(crate) async fn an_autoscaler_keeps_what_it_scales(ground: &Ground) -> Result<(), Failed> {
    let scale = format!("/{SCHEDULER}/scale?fieldManager=kube-controller-manager");
    let wanted = json!({"spec": {"replicas": 2}});
    ground.aks.api.merge(&scale, &wanted).await?;
    let plan = ground.plan().await?;
    expect(plan.conflicts().next().is_none(), || plan.to_string())?;
    ground.up().await?.succeeded()?;
    let left = ground.get(&format!("/{SCHEDULER}")).await?;
    same(&left["spec"]["replicas"], &json!(2))?;
    let back = json!({"spec": {"replicas": 1}});
    ground.aks.api.merge(&scale, &back).await?;
    noop(ground).await
}

/// Two runs at once on an empty cluster: whoever loses is told by whom, and the next run has
/// nothing to mend that both together left.
pub(crate) async fn two_runs_at_once_do_not_mix(ground: &Ground) -> Result<(), Failed> {
    ground.reset().await?;
    let (one, two) = tokio::join!(ground.up(), ground.up());
    let mut won = 0;
    for outcome in [one, two] {
        match outcome {
            Ok(up) if up.report.succeeded() => won += 1,
            Ok(up) => is_named(&failures(&up.report))?,
            Err(error) => is_named(&error.to_string())?,
        }
    }
    expect(won > 0, || "both lost".into())?;
    ground.up().await?.succeeded()?;
    noop(ground).await
}

/// A loser's words name the other client.
fn is_named(said: &str) -> Result<(), Failed> {
    let named = [
        "pending",
        "another client",
        "is at work",
        "alive",
        "already",
    ];
    expect(named.iter().any(|word| said.contains(word)), || {
        format!("not by name: {said}")
    })
}

/// The API server is killed and comes back in the middle, with every watch cut: the run ends well,
/// or with an error that says so, and the next one finishes it. Early, while the operator is being
/// installed, and late, while the store is.
pub(crate) async fn the_api_server_may_go_away(ground: &Ground) -> Result<(), Failed> {
    for after in [2500, 6500] {
        disturbed(ground, Duration::from_millis(after), || {
            let restarted = ground.aks.plane.restart_api_server();
            restarted.map_err(|error| words(&error))
        })
        .await?;
    }
    Ok(())
}

/// etcd stands still for five seconds in the middle.
pub(crate) async fn etcd_may_stand_still(ground: &Ground) -> Result<(), Failed> {
    disturbed(ground, Duration::from_millis(2500), || {
        let signal = |name| {
            let sent = ground.aks.plane.signal("etcd", name);
            sent.map_err(|error| error.to_string())
        };
        signal("STOP")?;
        std::thread::sleep(Duration::from_secs(5));
        signal("CONT")
    })
    .await
}

async fn disturbed(
    ground: &Ground,
    after: Duration,
    disturb: impl FnOnce() -> Result<(), String> + Send,
) -> Result<(), Failed> {
    ground.reset().await?;
    let disturbance = async {
        tokio::time::sleep(after).await;
        tokio::task::block_in_place(disturb)
    };
    let (outcome, disturbed) = tokio::join!(ground.up(), disturbance);
    disturbed?;
    or_named_and_finished(ground, outcome).await
}

/// A run that was disturbed ended well, or with an error that says what happened and the next one
/// finishes it.
async fn or_named_and_finished(ground: &Ground, outcome: Result<Up, Failed>) -> Result<(), Failed> {
    let said = match outcome {
        Ok(up) if up.report.succeeded() => None,
        Ok(up) => Some(failures(&up.report)),
        Err(error) => Some(error.to_string()),
    };
    if let Some(said) = said {
        let named = [
            "cannot be reached",
            "did not answer",
            "too busy",
            "answered 5",
            "taken over",
            "timed out",
        ];
        expect(named.iter().any(|word| said.contains(word)), || {
            format!("not named: {said}")
        })?;
        ground.up().await?.succeeded()?;
    }
    noop(ground).await
}

async fn noop(ground: &Ground) -> Result<(), Failed> {
    let plan = ground.plan().await?;
    expect(plan.is_noop(), || plan.to_string())
}

/// Every connection to the API server, the watches among them, is cut again and again.
pub(crate) async fn connections_may_be_cut(ground: &Ground) -> Result<(), Failed> {
    ground.reset().await?;
    let server = ground.aks.plane.url();
    let address = server.trim_start_matches("https://").parse()?;
    let cable = Cable::start(address).await?;
    let near = format!("https://{}", cable.address());
    let kubeconfig = ground.kubeconfig()?.replace(&server, &near);
    let world = ground.aks.world(&kubeconfig).await;
    let world = world.map_err(|error| words(&error))?;
    let cutting = async {
        let mut cut = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            cut += cable.cut();
            if cut >= CUTS {
                std::future::pending::<()>().await;
            }
        }
    };
    let policy = Policy::default();
    let outcome = tokio::select! {
        outcome = ground.up_in(&world, &policy) => outcome,
        () = cutting => return Err("the cutting never ends".into()),
    };
    or_named_and_finished(ground, outcome).await
}

/// Helm's own upgrade in the middle of our install is refused by our pending revision; ours goes on.
/// In the middle of Helm's, ours waits its turn or is refused by name; no revision is lost.
pub(crate) async fn helm_upgrades_at_the_same_time(ground: &Ground) -> Result<(), Failed> {
    ground.reset().await?;
    let helm = Helm::new(Component::Helm4, &ground.aks.plane)?;
    let chart = ground.aks.charts().join("airflow-1.15.0.tgz");
    let upgrade = format!(
        "upgrade airflow {} -n {NAMESPACE} --reuse-values --set labels.team=other --timeout 60s",
        chart.display()
    );
    let other = async {
        until_pending(ground, 1).await?;
        Ok::<_, Failed>(helm.run(&upgrade).await)
    };
    let (ours, theirs) = tokio::join!(ground.up(), other);
    ours?.succeeded()?;
    let refused = theirs?.err().ok_or("Helm was not refused")?;
    let refused = words(&refused);
    expect(refused.contains("in progress"), || refused.clone())?;
    noop(ground).await?;
    // The other way round.
    let ours = async {
        until_pending(ground, 2).await?;
        Ok::<_, Failed>(ground.up().await)
    };
    let (theirs, ours) = tokio::join!(helm.run(&upgrade), ours);
    theirs?;
    match ours? {
        Ok(up) if up.report.succeeded() => {}
        Ok(up) => is_named(&failures(&up.report))?,
        Err(error) => is_named(&error.to_string())?,
    }
    let revisions = revisions(ground).await?;
    let numbers: Vec<_> = revisions.iter().map(|(number, _)| *number).collect();
    same(&numbers, &(1..=numbers.len()).collect::<Vec<_>>())?;
    expect(
        revisions
            .last()
            .is_some_and(|(_, status)| status == "deployed"),
        || format!("{revisions:?}"),
    )?;
    // Helm's revision is another client's now: kept as it is, and named.
    let plan = ground.plan().await?;
    expect(
        plan.kept().next().is_some() && plan.tally().delete == 0,
        || plan.to_string(),
    )
}

/// Waits until the release's revision of this number is there and pending.
async fn until_pending(ground: &Ground, number: usize) -> Result<(), Failed> {
    for _ in 0..1200 {
        let revisions = revisions(ground).await?;
        if revisions
            .iter()
            .any(|(one, status)| *one == number && status.starts_with("pending"))
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(format!("revision {number} is never pending").into())
}

/// The release's revisions in order, each with its status.
async fn revisions(ground: &Ground) -> Result<Vec<(usize, String)>, Failed> {
    let list =
        format!("/api/v1/namespaces/{NAMESPACE}/secrets?labelSelector=owner%3Dhelm,name%3Dairflow");
    let mut revisions = Vec::new();
    for secret in ground.items(&list).await? {
        let label = |name: &str| {
            secret["metadata"]["labels"][name]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        revisions.push((label("version").parse()?, label("status")));
    }
    revisions.sort();
    Ok(revisions)
}
