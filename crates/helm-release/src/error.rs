//! [`ReleaseError`]: what went wrong with a release, in Helm's words with ours beside them. It owns
//! the reasons and whether anything was written; it refuses to hold secret values.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use converge::{Change, Written};
use kube_cluster::ClusterError;
use miette::Diagnostic;

use crate::{RecordError, ReleaseId, RenderFailure, Revision, Status};

/// A failed operation on a release.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} release `{release}`")]
#[non_exhaustive]
pub struct ReleaseError {
    /// What was tried: `install`, `upgrade`, `read`, `roll back`, `uninstall`.
    pub verb: &'static str,
    /// Which release.
    pub release: ReleaseId,
    /// Whether anything was written before the failure.
    pub written: Written,
    /// Why it failed.
    #[source]
    pub kind: Box<ReleaseErrorKind>,
}

impl ReleaseError {
    /// An error before any write.
    pub fn before_writes(
        verb: &'static str,
        release: &ReleaseId,
        kind: impl Into<ReleaseErrorKind>,
    ) -> Self {
        Self {
            verb,
            release: release.clone(),
            written: Written::Nothing,
            kind: Box::new(kind.into()),
        }
    }

    /// An error after at least one write.
    pub fn after_writes(
        verb: &'static str,
        release: &ReleaseId,
        kind: impl Into<ReleaseErrorKind>,
    ) -> Self {
        Self {
            written: Written::Something,
            ..Self::before_writes(verb, release, kind)
        }
    }

    /// Whether another client is at work on this release, or was and died.
    pub fn is_pending(&self) -> bool {
        matches!(*self.kind, ReleaseErrorKind::Pending { .. })
    }

    /// Whether fields of other managers are in the way.
    pub fn is_conflict(&self) -> bool {
        matches!(*self.kind, ReleaseErrorKind::Conflicts(_))
    }
}

/// Code and help are those of the reason.
impl Diagnostic for ReleaseError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.kind.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.kind.help()
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        Some(&*self.kind)
    }
}

/// Why an operation on a release failed.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub enum ReleaseErrorKind {
    /// The newest revision is pending, and not by this intent.
    #[error(
        "another operation (install/upgrade/rollback) is in progress: revision {revision} is {status}, {holder}"
    )]
    #[diagnostic(
        code(aka::release::pending),
        help(
            "wait for the other client; if it is dead, take over with `take_over` (`--take-over`) or run `helm rollback`"
        )
    )]
    Pending {
        /// The pending revision.
        revision: Revision,
        /// Its status.
        status: Status,
        /// Who holds it, in words.
        holder: String,
    },

    /// Another client made the next revision first: Helm's lock.
    #[error("release: already exists: another client has just made revision {0}")]
    #[diagnostic(
        code(aka::release::already_exists),
        help("look at what the other client does, then run again")
    )]
    AlreadyExists(Revision),

    /// What the release's pods need is not there, and will not be.
    #[error("its pods were not begun: {0}")]
    #[diagnostic(
        code(aka::release::kept_back),
        help("mend what is named and run again: what is there of the release is gone on with")
    )]
    KeptBack(String),

    /// Somebody else changed the pending revision's record.
    #[error("another client has taken over revision {0}")]
    #[diagnostic(
        code(aka::release::lost),
        help("nothing more was written after that was seen; look at the release, then run again")
    )]
    Lost(Revision),

    /// An install was asked for, but the name is taken.
    #[error("cannot reuse a name that is still in use: revision {revision} is {status}")]
    #[diagnostic(
        code(aka::release::name_in_use),
        help("uninstall the release first, or choose another name")
    )]
    NameInUse {
        /// The newest revision.
        revision: Revision,
        /// Its status.
        status: Status,
    },

    /// An uninstall did not finish.
    #[error("revision {0} is uninstalling")]
    #[diagnostic(
        code(aka::release::uninstalling),
        help("uninstall again to finish it, then install")
    )]
    Uninstalling(Revision),

    /// There is no revision to start from.
    #[error("\"{0}\" has no deployed releases")]
    #[diagnostic(
        code(aka::release::no_deployed),
        help("uninstall the release, then install it again")
    )]
    NoDeployed(String),

    /// There is no such release.
    #[error("release: not found")]
    #[diagnostic(code(aka::release::not_found))]
    NotFound,

    /// There is no such revision.
    #[error("release has no {0} version")]
    #[diagnostic(
        code(aka::release::no_revision),
        help("the history lists the revisions that are kept")
    )]
    NoRevision(Revision),

    /// The revision is the first: there is none to go back to.
    #[error("no revision came before {0}")]
    #[diagnostic(
        code(aka::release::no_earlier_revision),
        help("a release can go back once it was upgraded; to remove it, uninstall it")
    )]
    NoEarlierRevision(Revision),

    /// Labels that are Helm's own.
    #[error(
        "user supplied labels contains system reserved label name. System labels: [name owner status version createdAt modifiedAt]"
    )]
    #[diagnostic(code(aka::release::labels), help("rename the label `{0}`"))]
    ReservedLabel(String),

    /// Fields we declare were changed by other managers.
    #[error("{}", conflicts(.0))]
    #[diagnostic(
        code(aka::release::conflict),
        help(
            "take the field back with `take_fields` (`--take FIELD`), declare the live value, or stop declaring the field"
        )
    )]
    Conflicts(Vec<Change>),

    /// Objects exist that do not belong to the release: Helm's sentences, one per line.
    #[error("{}", .0.join("\n"))]
    #[diagnostic(
        code(aka::release::ownership),
        help("delete or rename the object, or adopt it with `take_ownership`")
    )]
    Ownership(Vec<String>),

    /// The chart does not render.
    #[error("the chart does not render")]
    #[diagnostic(code(aka::release::render))]
    Render(
        #[source]
        #[diagnostic_source]
        RenderFailureSource,
    ),

    /// A rendered document is not a Kubernetes object.
    #[error("{path}: {why}")]
    #[diagnostic(code(aka::release::manifest))]
    Manifest {
        /// The template's path.
        path: String,
        /// What is wrong.
        why: String,
    },

    /// Templates keep asking new questions of the cluster.
    #[error("the templates' lookups do not settle after {0} renders")]
    #[diagnostic(code(aka::release::lookups))]
    Lookups(usize),

    /// The record would not fit into a Secret.
    #[error("the release record is {size} bytes; a Secret holds at most {limit}")]
    #[diagnostic(
        code(aka::release::too_large),
        help("make the chart smaller with .helmignore: {largest}")
    )]
    TooLarge {
        /// Its size, compressed and encoded.
        size: usize,
        /// The limit.
        limit: usize,
        /// The largest files of the chart, in words.
        largest: String,
    },

    /// A record cannot be read or written.
    #[error("the release record cannot be used")]
    #[diagnostic(code(aka::release::record))]
    Record(#[source] RecordError),

    /// A hook failed.
    #[error("{event} hooks failed: {hook}: {reason}{}", quoted(.logs))]
    #[diagnostic(
        code(aka::release::hook),
        help("fix the cause and run again; what was applied so far stays")
    )]
    Hook {
        /// The event: `post-install`.
        event: String,
        /// The hook's object.
        hook: String,
        /// Why.
        reason: String,
        /// The last lines of its failing containers.
        logs: Vec<String>,
    },

    /// Objects did not become ready.
    #[error("{phase}: {} not ready after {waited:?}: {}", count(.reasons.len()), .reasons.join("; "))]
    #[diagnostic(code(aka::release::not_ready))]
    NotReady {
        /// The phase of the schedule.
        phase: String,
        /// How long was waited.
        waited: Duration,
        /// For each object, what it waits for or why it failed.
        reasons: Vec<String>,
    },

    /// Objects are still there.
    #[error("{} still there after {waited:?}: {}", count(.remaining.len()), .remaining.join("; "))]
    #[diagnostic(
        code(aka::release::not_gone),
        help("look at the finalizers of these objects")
    )]
    NotGone {
        /// How long was waited.
        waited: Duration,
        /// For each object, what holds it.
        remaining: Vec<String>,
    },

    /// An uninstall would delete what is guarded.
    #[error("it would delete {}", .0.join(", "))]
    #[diagnostic(
        code(aka::release::guarded),
        help(
            "name these objects to confirm that they may go, or give them `helm.sh/resource-policy: keep`"
        )
    )]
    Guarded(Vec<String>),

    /// Several objects could not be written.
    #[error("{}", .0.iter().map(|failure| chain(failure)).collect::<Vec<_>>().join(" && "))]
    #[diagnostic(code(aka::release::objects))]
    Objects(Vec<ClusterError>),

    /// The cluster could not be asked or refused.
    #[error("the cluster refused or could not be asked")]
    #[diagnostic(code(aka::release::cluster))]
    Cluster(
        #[from]
        #[source]
        #[diagnostic_source]
        ClusterError,
    ),

    /// The operation failed, and so did its undoing or recording.
    #[error("{first}; then {then}")]
    #[diagnostic(code(aka::release::twice))]
    Twice {
        /// The first failure, in words.
        first: String,
        /// What failed afterwards, in words.
        then: String,
    },

    /// It failed and was undone, as the policy says.
    #[error(
        "release {name} failed, and has been {undone} due to rollback-on-failure being set: {why}"
    )]
    #[diagnostic(code(aka::release::undone))]
    Undone {
        /// The release.
        name: String,
        /// `uninstalled` or `rolled back to 3`.
        undone: String,
        /// The failure, in words.
        why: String,
    },
}

impl From<RecordError> for ReleaseErrorKind {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<RenderFailure> for ReleaseErrorKind {
    fn from(failure: RenderFailure) -> Self {
        Self::Render(RenderFailureSource(failure))
    }
}

/// A chart's own diagnostic, as the cause of ours.
#[derive(Debug)]
pub struct RenderFailureSource(pub RenderFailure);

impl RenderFailureSource {
    /// The chart's own error, such as a [`helm_chart::render::RenderError`], to look into.
    pub fn cause(&self) -> &(dyn Error + 'static) {
        self.0.as_ref()
    }
}

impl fmt::Display for RenderFailureSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for RenderFailureSource {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl Diagnostic for RenderFailureSource {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.code()
    }

    fn severity(&self) -> Option<miette::Severity> {
        self.0.severity()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.help()
    }

    fn url<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.url()
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.0.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        self.0.labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.0.related()
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        self.0.diagnostic_source()
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn conflicts(changes: &[Change]) -> String {
    let lines: Vec<String> = changes
        .iter()
        .map(|change| {
            let fields: Vec<String> = change
                .fields
                .iter()
                .map(|field| match &field.manager {
                    Some(manager) => format!("{} (changed by `{manager}`)", field.path),
                    None => field.path.clone(),
                })
                .collect();
            format!("{}: {}", change.target, fields.join(", "))
        })
        .collect();
    format!(
        "conflict with fields that other managers own: {}",
        lines.join("; ")
    )
}

fn quoted(lines: &[String]) -> String {
    if lines.is_empty() {
        String::new()
    } else {
        format!("\n{}", lines.join("\n"))
    }
}

fn count(objects: usize) -> String {
    match objects {
        1 => "1 object".to_owned(),
        several => format!("{several} objects"),
    }
}
