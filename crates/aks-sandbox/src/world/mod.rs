//! The one state behind every service: Kubernetes objects, Azure's records, faults, the clock and
//! the request log. It owns consistency (one lock, one revision counter) and persistence; it
//! refuses rules, which belong to the services and controllers.

mod clock;
mod entropy;
mod faults;
mod folder;
mod request_log;
mod spec;
mod state;
mod store;

pub use clock::Clock;
pub(crate) use clock::{parse as parse_time, seconds};
pub use entropy::Entropy;
pub(crate) use entropy::{fnv32, safe_encode};
pub use faults::{Faults, MigrationFailure};
pub use folder::FolderError;
pub(crate) use folder::{load, save};
pub use request_log::{Class, Hook, RequestLog, RequestRecord, Verdict, Witness};
pub use spec::{RegistryImage, WorldSpec};
pub use state::{Progress, State, World};
pub use store::{Change, ChangeKind, Key, Store};
