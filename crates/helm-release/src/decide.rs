//! What to do about a release: pure, from what was seen. It owns the table of states; it refuses to
//! look and to act.

use crate::{Revision, Status};

/// What was seen of a release.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// The newest revision.
    pub last: Option<Head>,
    /// The newest deployed revision.
    pub deployed: Option<Revision>,
    /// Whether any revision ever was deployed (deployed, superseded or uninstalled now).
    pub was_deployed: bool,
    /// Who holds the Lease and is alive.
    pub alive: Option<String>,
}

/// The newest revision in short.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// Its number.
    pub revision: Revision,
    /// Its status.
    pub status: Status,
    /// The digest of its inputs, if it was made here.
    pub digest: Option<String>,
    /// Who made it, if it was made here.
    pub holder: Option<String>,
}

/// What is wanted, in short.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The digest of the intent's inputs.
    pub digest: &'a str,
    /// Whether the deployed revision is what the intent renders to.
    pub is_deployed: bool,
    /// Whether a stranger's pending revision may be marked failed.
    pub take_over: bool,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The deployed revision is the wanted one; its objects may still need repair.
    Keep(Revision),
    /// Make a first revision, or one after failed first ones or an uninstall.
    Install {
        /// The revision to make.
        revision: Revision,
        /// A pending revision to mark failed before.
        abandon: Option<Revision>,
    },
    /// Make the next revision.
    Upgrade {
        /// The deployed revision, or the newest where none is.
        from: Revision,
        /// The revision to make.
        to: Revision,
        /// A pending revision to mark failed before.
        abandon: Option<Revision>,
    },
    /// Finish a pending revision of the same inputs.
    Resume(Revision),
    /// Do nothing and say why.
    Refuse(Refusal),
}

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another client is at work, or was and may not be replaced without leave.
    Pending {
        /// Its revision.
        revision: Revision,
        /// Its status.
        status: Status,
        /// Who it is, in words.
        holder: String,
    },
    /// An uninstall did not finish.
    Uninstalling(Revision),
    /// No revision can serve as the baseline.
    NoDeployed,
}

/// Decides what brings a release to what is wanted.
///
/// Source: `pkg/action/upgrade.go` of Helm v4.2 for the choice of the baseline; resuming and taking
/// over are ours.
pub(crate) fn decide(seen: &Seen, wanted: Wanted<'_>) -> Step {
    let Some(last) = &seen.last else {
        return Step::Install {
            revision: Revision::FIRST,
            abandon: None,
        };
    };
    match last.status {
        status if status.is_pending() => decide_pending(seen, last, wanted),
        Status::Uninstalling => Step::Refuse(Refusal::Uninstalling(last.revision)),
        Status::Uninstalled => Step::Install {
            revision: last.revision.next(),
            abandon: None,
        },
        Status::Deployed if wanted.is_deployed => Step::Keep(last.revision),
        Status::Deployed | Status::Failed | Status::Superseded => advance(seen, last, None),
        _ => match seen.deployed {
            Some(_) => advance(seen, last, None),
            None => Step::Refuse(Refusal::NoDeployed),
        },
    }
}

fn decide_pending(seen: &Seen, last: &Head, wanted: Wanted<'_>) -> Step {
    let refuse = |holder: String| {
        Step::Refuse(Refusal::Pending {
            revision: last.revision,
            status: last.status,
            holder,
        })
    };
    match (&seen.alive, &last.holder) {
        (Some(alive), _) => refuse(format!("held by `{alive}`, which is alive")),
        (None, Some(_)) if last.digest.as_deref() == Some(wanted.digest) => {
            Step::Resume(last.revision)
        }
        (None, Some(_)) => advance(seen, last, Some(last.revision)),
        (None, None) if wanted.take_over => advance(seen, last, Some(last.revision)),
        (None, None) => refuse("made by another client, probably Helm".to_owned()),
    }
}

/// The revision after the newest. Failed first ones leave nothing to upgrade from, so that install
/// hooks run at last.
fn advance(seen: &Seen, last: &Head, abandon: Option<Revision>) -> Step {
    let next = last.revision.next();
    match seen.deployed {
        Some(from) => Step::Upgrade {
            from,
            to: next,
            abandon,
        },
        None if seen.was_deployed => Step::Upgrade {
            from: last.revision,
            to: next,
            abandon,
        },
        None => Step::Install {
            revision: next,
            abandon,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAME: &str = "same";

    fn head(status: Status, holder: Option<&str>, digest: &str) -> Head {
        Head {
            revision: Revision(3),
            status,
            digest: Some(digest.into()),
            holder: holder.map(str::to_owned),
        }
    }

    fn seen(last: Head) -> Seen {
        let deployed = match last.status {
            Status::Deployed => last.revision,
            _ => Revision(2),
        };
        Seen {
            last: Some(last),
            deployed: Some(deployed),
            was_deployed: true,
            alive: None,
        }
    }

    fn wanted(is_deployed: bool) -> Wanted<'static> {
        Wanted {
            digest: SAME,
            is_deployed,
            take_over: false,
        }
    }

    fn upgrade(abandon: Option<u32>) -> Step {
        Step::Upgrade {
            from: Revision(2),
            to: Revision(4),
            abandon: abandon.map(Revision),
        }
    }

    fn pending(holder: &str) -> Step {
        Step::Refuse(Refusal::Pending {
            revision: Revision(3),
            status: Status::PendingUpgrade,
            holder: holder.into(),
        })
    }

    #[test]
    fn nothing_there_means_install() {
        assert_eq!(
            decide(&Seen::default(), wanted(false)),
            Step::Install {
                revision: Revision(1),
                abandon: None
            }
        );
    }

    #[test]
    fn each_settled_status_has_one_answer() {
        use Status::{Deployed, Failed, Superseded, Uninstalled, Uninstalling, Unknown};
        let install = Step::Install {
            revision: Revision(4),
            abandon: None,
        };
        let from_three = Step::Upgrade {
            from: Revision(3),
            to: Revision(4),
            abandon: None,
        };
        for (status, is_deployed, step) in [
            (Deployed, true, Step::Keep(Revision(3))),
            (Deployed, false, from_three),
            (Failed, true, upgrade(None)),
            (Failed, false, upgrade(None)),
            (Superseded, false, upgrade(None)),
            (Unknown, false, upgrade(None)),
            (Uninstalled, false, install),
            (
                Uninstalling,
                false,
                Step::Refuse(Refusal::Uninstalling(Revision(3))),
            ),
        ] {
            let seen = seen(head(status, None, SAME));
            assert_eq!(decide(&seen, wanted(is_deployed)), step, "{status}");
        }
    }

    #[test]
    fn without_a_deployed_revision_the_baseline_is_the_newest_or_none() {
        let mut failed = seen(head(Status::Failed, None, SAME));
        failed.deployed = None;
        assert_eq!(
            decide(&failed, wanted(false)),
            Step::Upgrade {
                from: Revision(3),
                to: Revision(4),
                abandon: None
            }
        );
        failed.was_deployed = false;
        assert_eq!(
            decide(&failed, wanted(false)),
            Step::Install {
                revision: Revision(4),
                abandon: None
            }
        );
        let mut unknown = seen(head(Status::Unknown, None, SAME));
        unknown.deployed = None;
        assert_eq!(
            decide(&unknown, wanted(false)),
            Step::Refuse(Refusal::NoDeployed)
        );
    }

    #[test]
    fn a_pending_revision_is_resumed_abandoned_or_respected() {
        let status = Status::PendingUpgrade;
        let ours = seen(head(status, Some("a"), SAME));
        assert_eq!(decide(&ours, wanted(false)), Step::Resume(Revision(3)));

        let other = seen(head(status, Some("a"), "other"));
        assert_eq!(decide(&other, wanted(false)), upgrade(Some(3)));

        let helms = seen(head(status, None, SAME));
        assert_eq!(
            decide(&helms, wanted(false)),
            pending("made by another client, probably Helm")
        );
        let take_over = Wanted {
            take_over: true,
            ..wanted(false)
        };
        assert_eq!(decide(&helms, take_over), upgrade(Some(3)));

        let mut alive = ours;
        alive.alive = Some("b".into());
        assert_eq!(
            decide(&alive, take_over),
            pending("held by `b`, which is alive")
        );
    }
}
