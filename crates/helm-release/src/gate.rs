//! [`Gate`]: what keeps some of a release's objects and hooks back until something outside of the
//! release is there. It owns whom it keeps; it refuses to know what opens it.

use std::fmt;
use std::sync::Arc;

use converge::Observer;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use kube_cluster::Object;

use crate::Selector;
use crate::error::ReleaseErrorKind;

/// Keeps what a selector selects, objects and hooks alike, back until a future is done. Everything
/// before them is applied meanwhile, under the release's pending record. Clones share the future.
///
/// ```
/// use helm_release::{Gate, Selector};
/// let claim = std::future::ready(Ok::<(), String>(()));
/// let gate = Gate::new("the claim", Selector::pods(), claim);
/// ```
#[derive(Clone)]
pub struct Gate {
    what: Arc<str>,
    keeps: Selector,
    opened: Shared<BoxFuture<'static, Result<(), Arc<str>>>>,
}

impl Gate {
    /// Keeps back what `keeps` selects until `opened` is done, which people know as `what`; its error, in
    /// a sentence, ends the release there: the revision is marked failed.
    pub fn new<E: fmt::Display>(
        what: impl Into<Arc<str>>,
        keeps: Selector,
        opened: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> Self {
        let opened = opened.map(|opened| opened.map_err(|error| error.to_string().into()));
        Self {
            what: what.into(),
            keeps,
            opened: opened.boxed().shared(),
        }
    }

    /// Whether it keeps this object.
    pub(crate) fn keeps(&self, object: &Object) -> bool {
        self.keeps.selects(object)
    }

    /// Whether it is open by now.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.opened.clone().now_or_never(), Some(Ok(())))
    }

    /// Waits until it is open, telling the observer.
    pub(crate) async fn pass(&self, observer: &Observer) -> Result<(), ReleaseErrorKind> {
        if !self.is_open() {
            observer.progress(format!("waits for {} before what needs it", self.what));
        }
        let opened = self.opened.clone().await;
        opened.map_err(|why| ReleaseErrorKind::KeptBack(why.to_string()))
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate({} before {:?})", self.what, self.keeps)
    }
}
