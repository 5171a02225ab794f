//! Tests code of yours without a cluster: every seam is an object-safe trait with a mock behind its
//! crate's feature `mock`.
//!
//! `cargo test -p aks-airflow --example mock_a_trait`, or run it to see the function at work.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::error::Error;

use helm_release::{MockReleases, ReleaseError, ReleaseId, ReleaseName, Releases};
use helm_release::{Revision, RevisionSummary, Status};

/// Your code: which revision would a rollback of this release go to?
async fn way_back(
    releases: &dyn Releases,
    id: ReleaseId,
) -> Result<Option<Revision>, ReleaseError> {
    let history = releases.history(id).await?;
    let good = history.iter().filter(|it| it.status == Status::Superseded);
    Ok(good.map(|it| it.revision).max())
}

fn revision(number: u32, status: Status) -> RevisionSummary {
    RevisionSummary {
        revision: Revision(number),
        status,
        updated: None,
        chart: "airflow".into(),
        chart_version: "1.15.0".into(),
        app_version: Some("2.9.3".into()),
        description: String::new(),
    }
}

fn releases() -> MockReleases {
    let mut releases = MockReleases::new();
    let states = [Status::Superseded, Status::Failed, Status::Deployed];
    let history: Vec<_> = (1..)
        .zip(states)
        .map(|(number, status)| revision(number, status))
        .collect();
    releases
        .expect_history()
        .returning(move |_| Ok(history.clone()));
    releases
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let id = ReleaseId::new(ReleaseName::parse("airflow")?, "airflow");
    println!("back to {:?}", way_back(&releases(), id).await?);
    Ok(())
}

#[cfg(test)]
#[tokio::test]
async fn a_failed_revision_is_no_way_back() {
    let id = ReleaseId::new(ReleaseName::parse("airflow").unwrap(), "airflow");
    assert_eq!(way_back(&releases(), id).await.unwrap(), Some(Revision(1)));
}
