//! [`UiServer`]: Airflow's UI on a port of this machine (S15 of the guide). It owns the listener,
//! the choice of a ready pod for each connection and the change to another when one dies; it
//! refuses to listen beyond the loopback address.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use converge::Observer;
use kube_cluster::{Cluster, PodStream, PortForward};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::{AirflowApi, ApiError, KeyNames, PodError, PodTarget, ready_pod};

/// How often another pod is tried for one connection.
const TRIES: u32 = 5;

/// A local port that leads to the UI.
#[derive(Debug)]
pub struct UiServer {
    listener: TcpListener,
    address: SocketAddr,
    route: Arc<Route>,
}

/// Where connections go.
#[derive(Debug)]
struct Route {
    cluster: Arc<dyn Cluster>,
    forward: Arc<dyn PortForward>,
    target: PodTarget,
    observer: Observer,
    /// Pods that failed since one last worked.
    failed: Mutex<Vec<String>>,
}

/// The UI cannot be served.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum UiError {
    /// The local port.
    #[error("cannot listen on 127.0.0.1:{port}")]
    #[diagnostic(
        code(aka::ui::port),
        help("choose another port, or 0 for any free one")
    )]
    Port {
        /// The port asked for.
        port: u16,
        /// Why.
        #[source]
        source: std::io::Error,
    },

    /// No pod is ready.
    #[error("the UI has no pod to lead to")]
    #[diagnostic(code(aka::ui::no_pod))]
    Pod(
        #[source]
        #[diagnostic_source]
        PodError,
    ),

    /// Airflow does not answer.
    #[error("the UI's pod is ready, but Airflow does not answer")]
    #[diagnostic(code(aka::ui::health))]
    Health(
        #[source]
        #[diagnostic_source]
        ApiError,
    ),

    /// The listener broke.
    #[error("the local listener broke")]
    #[diagnostic(code(aka::ui::listener))]
    Listener(#[source] std::io::Error),
}

/// Where to go and how to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginHint {
    /// `http://127.0.0.1:8080`.
    pub url: String,
    /// The user.
    pub username: String,
    /// The Secret that holds the password, `namespace/name`.
    pub secret: String,
    /// The key in it.
    pub key: &'static str,
}

impl UiServer {
    /// Checks that a pod is ready and Airflow answers, then listens on `127.0.0.1:port`; port 0
    /// takes any free one. Connections wait until [`serve`](Self::serve) is called.
    ///
    /// # Errors
    /// Every [`UiError`] but [`UiError::Listener`]. Nothing was written.
    pub async fn bind(
        cluster: Arc<dyn Cluster>,
        forward: Arc<dyn PortForward>,
        target: PodTarget,
        api: &dyn AirflowApi,
        port: u16,
        observer: Observer,
    ) -> Result<Self, UiError> {
        ready_pod(&*cluster, &target, &[])
            .await
            .map_err(UiError::Pod)?;
        api.health().await.map_err(UiError::Health)?;
        let taken = |source| UiError::Port { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        Ok(Self {
            listener,
            address,
            route: Arc::new(Route {
                cluster,
                forward,
                target,
                observer,
                failed: Mutex::new(Vec::new()),
            }),
        })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where to go and how to log in; the password stays in its Secret.
    pub fn login(&self, settings: &crate::AirflowSettings) -> LoginHint {
        LoginHint {
            url: self.url(),
            username: settings.user.username.clone(),
            secret: format!("{}/{}", settings.namespace, KeyNames::of(settings).keys),
            key: "admin-password",
        }
    }

    /// Serves connections until the listener breaks.
    ///
    /// # Errors
    /// [`UiError::Listener`]; a connection's own failure is only told to the observer.
    ///
    /// # Cancellation
    /// Dropping the future closes all connections.
    pub async fn serve(&self) -> Result<std::convert::Infallible, UiError> {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => {
                    let (stream, _) = accepted.map_err(UiError::Listener)?;
                    let route = Arc::clone(&self.route);
                    connections.spawn(async move { route.carry(stream).await });
                }
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
            }
        }
    }
}

impl Route {
    /// Carries one connection to its end.
    async fn carry(&self, mut local: TcpStream) {
        match self.open().await {
            Ok((pod, mut remote)) => {
                // A browser closes connections as it likes: an end by error is an end.
                if tokio::io::copy_bidirectional(&mut local, &mut remote)
                    .await
                    .is_err()
                {
                    self.avoid(pod);
                }
            }
            Err(error) => self.observer.warning(error.to_string()),
        }
    }

    /// A stream to a ready pod, another one than those that just failed where there is one.
    async fn open(&self) -> Result<(String, Box<dyn PodStream>), PodError> {
        let mut pause = Duration::from_millis(200);
        let mut tries = 1;
        loop {
            let failed = self
                .failed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let target = &self.target;
            let reason = match ready_pod(&*self.cluster, target, &failed).await {
                Ok(pod) => {
                    let opened = self
                        .forward
                        .forward(target.namespace.clone(), pod.clone(), target.port)
                        .await;
                    match opened {
                        Ok(stream) => {
                            self.failed
                                .lock()
                                .unwrap_or_else(PoisonError::into_inner)
                                .retain(|name| *name != pod);
                            return Ok((pod, stream));
                        }
                        Err(error) => {
                            self.avoid(pod.clone());
                            PodError::NoneReady {
                                component: target.component.clone(),
                                namespace: target.namespace.clone(),
                                reason: format!("{pod}: {error}"),
                            }
                        }
                    }
                }
                Err(error) => error,
            };
            if tries == TRIES {
                return Err(reason);
            }
            self.observer.progress(format!("{reason}; trying again"));
            tokio::time::sleep(pause).await;
            pause *= 2;
            tries += 1;
        }
    }

    fn avoid(&self, pod: String) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if !failed.contains(&pod) {
            failed.push(pod);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube_cluster::{
        ClusterError, ClusterErrorKind, MockCluster, MockPortForward, Object, ObjectList,
    };
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use crate::{AirflowSettings, MockAirflowApi};

    fn cluster(pods: &'static [&'static str]) -> MockCluster {
        let mut cluster = MockCluster::new();
        cluster.expect_list().returning(move |_| {
            let pod = |name: &&str| {
                Object::from_value(json!({
                    "apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": name, "namespace": "airflow"},
                    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
                }))
                .unwrap()
            };
            Ok(ObjectList {
                items: pods.iter().map(pod).collect(),
                resource_version: "1".into(),
            })
        });
        cluster
    }

    fn api() -> MockAirflowApi {
        let mut api = MockAirflowApi::new();
        api.expect_health()
            .returning(|| Ok(crate::Health::default()));
        api
    }

    async fn bind(cluster: MockCluster, forward: MockPortForward) -> Result<UiServer, UiError> {
        let settings = AirflowSettings::default();
        let target = PodTarget::ui(&settings, &settings.validate().unwrap());
        UiServer::bind(
            Arc::new(cluster),
            Arc::new(forward),
            target,
            &api(),
            0,
            Observer::default(),
        )
        .await
    }

    #[tokio::test]
    async fn without_a_ready_pod_nothing_is_served() {
        let error = bind(cluster(&[]), MockPortForward::new())
            .await
            .unwrap_err();
        assert!(matches!(error, UiError::Pod(_)));
    }

    #[tokio::test]
    async fn a_connection_goes_on_with_another_pod_when_one_is_dead() {
        let mut forward = MockPortForward::new();
        forward.expect_forward().returning(|_, pod, _| {
            if pod == "a" {
                return Err(ClusterError::new(
                    "forward to",
                    "Pod airflow/a",
                    ClusterErrorKind::NotFound("a".into()),
                ));
            }
            let (ours, mut theirs) = tokio::io::duplex(64);
            tokio::spawn(async move {
                let mut buffer = [0; 4];
                theirs.read_exact(&mut buffer).await.unwrap();
                theirs.write_all(b"pong").await.unwrap();
            });
            Ok(Box::new(ours))
        });
        let server = bind(cluster(&["a", "b"]), forward).await.unwrap();
        let address = server.address;
        let client = async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"ping").await.unwrap();
            let mut answer = [0; 4];
            stream.read_exact(&mut answer).await.unwrap();
            answer
        };
        let answer = tokio::select! {
            answer = client => answer,
            ended = server.serve() => panic!("{ended:?}"),
        };
        assert_eq!(&answer, b"pong");
    }

    #[tokio::test]
    async fn the_login_names_the_secret_and_not_the_password() {
        let server = bind(cluster(&["a"]), MockPortForward::new()).await.unwrap();
        let hint = server.login(&AirflowSettings::default());
        assert_eq!(
            (hint.secret.as_str(), hint.key),
            ("airflow/airflow-keys", "admin-password")
        );
        assert!(hint.url.starts_with("http://127.0.0.1:"));
    }
}
