//! The conformance suite over every source, on loopback where a network is needed, and what only
//! one kind of source can do.

mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use converge::{RequestLog, Secret, Service};
use helm_registry::conformance::{NAME, Subject, archives};
use helm_registry::{
    Cached, ChartRef, ChartSource, Digest, Folder, HttpOptions, HttpRepository, Login,
    MemoryCharts, OciOptions, OciRepository, Pinned, SourceErrorKind, TransportOptions,
};
use serde_json::json;
use server::{Answer, Server};

/// A folder that goes when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("charts-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn write(&self, name: &str, data: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, data).expect("written");
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn in_memory() -> MemoryCharts {
    archives()
        .into_iter()
        .fold(MemoryCharts::default(), |charts, (_, bytes)| {
            charts.with(bytes).expect("a chart")
        })
}

/// The paths of an HTTP repository below `/charts`.
fn index_paths() -> BTreeMap<String, Answer> {
    let mut paths = BTreeMap::new();
    let entries: Vec<_> = archives()
        .into_iter()
        .map(|(version, bytes)| {
            let file = format!("{NAME}-{version}.tgz");
            let digest = Digest::of(&bytes).hex();
            paths.insert(format!("/charts/{file}"), Answer::ok(bytes));
            json!({"name": NAME, "version": version, "urls": [file], "digest": digest, "created": "2026-01-02T03:04:05Z"})
        })
        .collect();
    let index = json!({"apiVersion": "v1", "entries": {NAME: entries}});
    paths.insert("/charts/index.yaml".into(), Answer::ok(index.to_string()));
    paths
}

fn repository(server: &Server) -> HttpRepository {
    let url = format!("{}/charts", server.url());
    HttpRepository::new(&url, HttpOptions::default()).expect("a repository")
}

fn sha256(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

const CONTENT: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

fn manifest(layer: &[u8], content: &str) -> String {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": sha256(b"{}"), "size": 2},
        "layers": [{"mediaType": content, "digest": sha256(layer), "size": layer.len()}],
    })
    .to_string()
}

fn manifest_answer(text: String) -> Answer {
    let digest = sha256(text.as_bytes());
    Answer::ok(text)
        .with("content-type", "application/vnd.oci.image.manifest.v1+json")
        .with("docker-content-digest", &digest)
}

/// The paths of an OCI registry with the suite's chart below `helm/`.
fn registry_paths() -> BTreeMap<String, Answer> {
    let base = format!("/v2/helm/{NAME}");
    let mut paths = BTreeMap::from([("/v2/".to_owned(), Answer::ok("{}"))]);
    let mut tags = vec!["latest".to_owned()];
    for (version, bytes) in archives() {
        let tag = version.replace('+', "_");
        let text = manifest(&bytes, CONTENT);
        paths.insert(format!("{base}/manifests/{tag}"), manifest_answer(text));
        paths.insert(
            format!("{base}/blobs/{}", sha256(&bytes)),
            Answer::ok(bytes),
        );
        tags.push(tag);
    }
    let list = json!({"name": format!("helm/{NAME}"), "tags": tags});
    paths.insert(format!("{base}/tags/list"), Answer::ok(list.to_string()));
    paths
}

fn registry(server: &Server, transport: TransportOptions) -> OciRepository {
    let options = OciOptions {
        plain_http: true,
        transport,
        ..OciOptions::default()
    };
    OciRepository::new(&format!("oci://{}/helm", server.address), options).expect("a registry")
}

mod memory {
    use super::*;

    fn setup() -> Subject {
        Subject::new(Arc::new(in_memory()))
    }

    helm_registry::charts_conformance!(async { setup() });
}

mod folder_of_archives {
    use super::*;

    fn setup() -> Subject {
        let scratch = Scratch::new();
        for (version, bytes) in archives() {
            scratch.write(&format!("{NAME}-{version}.tgz"), bytes);
        }
        scratch.write("README.md", "not a chart");
        let mut subject = Subject::new(Arc::new(Folder::new(&scratch.0)));
        subject.guard = Box::new(scratch);
        subject
    }

    helm_registry::charts_conformance!(async { setup() });
}

mod http_index {
    use super::*;

    async fn setup() -> Subject {
        let server = Server::of(index_paths()).await;
        let mut subject = Subject::new(Arc::new(repository(&server)));
        subject.guard = Box::new(server);
        subject
    }

    helm_registry::charts_conformance!(setup());
}

mod oci {
    use super::*;

    async fn setup() -> Subject {
        let server = Server::of(registry_paths()).await;
        let mut subject = Subject::new(Arc::new(registry(&server, TransportOptions::default())));
        subject.guard = Box::new(server);
        subject
    }

    helm_registry::charts_conformance!(setup());
}

mod cached {
    use super::*;

    fn setup() -> Subject {
        let scratch = Scratch::new();
        let cached = Cached::new(Arc::new(in_memory()), &scratch.0);
        let mut subject = Subject::new(Arc::new(cached));
        subject.guard = Box::new(scratch);
        subject
    }

    helm_registry::charts_conformance!(async { setup() });
}

mod pinned {
    use super::*;

    fn setup() -> Subject {
        let pins = archives().into_iter();
        let pinned = pins.fold(
            Pinned::new(Arc::new(in_memory())),
            |pinned, (version, bytes)| pinned.with(NAME, version, Digest::of(&bytes)),
        );
        Subject::new(Arc::new(pinned))
    }

    helm_registry::charts_conformance!(async { setup() });
}

#[tokio::test]
async fn an_index_is_read_once_and_its_requests_are_counted() {
    let server = Server::of(index_paths()).await;
    let requests = RequestLog::new();
    let options = HttpOptions {
        transport: TransportOptions {
            requests: requests.clone(),
            ..TransportOptions::default()
        },
        ..HttpOptions::default()
    };
    let url = format!("{}/charts/", server.url());
    let repository = HttpRepository::new(&url, options).expect("a repository");
    repository.versions(NAME.into()).await.expect("versions");
    repository.charts().await.expect("charts");
    repository
        .pull(ChartRef::new(NAME, "1.9.0"))
        .await
        .expect("an archive");
    let paths: Vec<String> = server.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, ["/charts/index.yaml", "/charts/probe-1.9.0.tgz"]);
    assert_eq!(requests.count().to(Service::Charts), 2);
}

#[tokio::test]
async fn bytes_that_are_not_what_the_index_promises_are_refused() {
    let mut paths = index_paths();
    paths.insert("/charts/probe-1.9.0.tgz".into(), Answer::ok("other bytes"));
    let server = Server::of(paths).await;
    let error = repository(&server)
        .pull(ChartRef::new(NAME, "1.9.0"))
        .await
        .expect_err("not the bytes");
    assert!(
        matches!(&*error.kind, SourceErrorKind::DigestMismatch { by, .. } if by == "the index"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_login_stays_with_the_repository() {
    let elsewhere = Server::of(BTreeMap::from([("/a.tgz".into(), Answer::ok("bytes"))])).await;
    let index = json!({"apiVersion": "v1", "entries": {"a": [{"version": "1.0.0", "urls": [format!("{}/a.tgz", elsewhere.url())]}]}});
    let server = Server::of(BTreeMap::from([(
        "/index.yaml".into(),
        Answer::ok(index.to_string()),
    )]))
    .await;
    let options = HttpOptions {
        login: Login::Basic {
            user: "u".into(),
            password: Secret::new("p"),
        },
        ..HttpOptions::default()
    };
    let repository = HttpRepository::new(&server.url(), options).expect("a repository");
    repository
        .pull(ChartRef::new("a", "1.0.0"))
        .await
        .expect("an archive");
    assert_eq!(
        server.asked()[0].authorization.as_deref(),
        Some("Basic dTpw")
    );
    assert_eq!(elsewhere.asked()[0].authorization, None);
}

#[tokio::test]
async fn what_is_too_large_is_refused_whether_or_not_its_size_is_told() {
    let server = Server::of(index_paths()).await;
    let options = HttpOptions {
        transport: TransportOptions {
            max_archive: 10,
            ..TransportOptions::default()
        },
        ..HttpOptions::default()
    };
    let repository =
        HttpRepository::new(&format!("{}/charts", server.url()), options).expect("a repository");
    let error = repository
        .pull(ChartRef::new(NAME, "1.9.0"))
        .await
        .expect_err("too large");
    assert!(
        matches!(*error.kind, SourceErrorKind::TooLarge { limit: 10 }),
        "{error:?}"
    );

    let server = Server::of(registry_paths()).await;
    let small = TransportOptions {
        max_archive: 10,
        ..TransportOptions::default()
    };
    let error = registry(&server, small)
        .pull(ChartRef::new(NAME, "1.9.0"))
        .await
        .expect_err("too large");
    assert!(
        matches!(*error.kind, SourceErrorKind::TooLarge { limit: 10 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn statuses_become_reasons() {
    for (status, expected) in [
        (401, "refuses the caller"),
        (403, "refuses the caller"),
        (500, "answered 500"),
    ] {
        let server = Server::answering(move |_| Answer::status(status)).await;
        let error = repository(&server)
            .versions(NAME.into())
            .await
            .expect_err("no index");
        assert!(error.kind.to_string().contains(expected), "{error:?}");
        let error = registry(&server, TransportOptions::default())
            .versions(NAME.into())
            .await
            .expect_err("no tags");
        assert!(error.kind.to_string().contains(expected), "{error:?}");
    }
    let nobody =
        HttpRepository::new("http://127.0.0.1:1", HttpOptions::default()).expect("a repository");
    let error = nobody
        .versions(NAME.into())
        .await
        .expect_err("nobody listens");
    assert!(
        matches!(*error.kind, SourceErrorKind::Unreachable(_)),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_failure_that_passes_is_tried_again() {
    let paths = index_paths();
    let left = AtomicU32::new(2);
    let server = Server::answering(move |asked| {
        if left.load(Ordering::SeqCst) > 0 {
            left.fetch_sub(1, Ordering::SeqCst);
            return Answer::status(503);
        }
        paths
            .get(&asked.path)
            .cloned()
            .unwrap_or_else(|| Answer::status(404))
    })
    .await;
    let found = repository(&server).versions(NAME.into()).await;
    assert_eq!(found.expect("the third try").len(), 4);
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn a_blob_that_was_changed_is_refused() {
    let mut paths = registry_paths();
    let (_, bytes) = archives().remove(0);
    paths.insert(
        format!("/v2/helm/{NAME}/blobs/{}", sha256(&bytes)),
        Answer::ok("other bytes"),
    );
    let server = Server::of(paths).await;
    let pulled = registry(&server, TransportOptions::default())
        .pull(ChartRef::new(NAME, "1.9.0"))
        .await;
    assert!(pulled.is_err(), "{pulled:?}");
}

#[tokio::test]
async fn an_image_that_is_no_chart_is_refused_and_an_index_is_searched() {
    let (version, bytes) = archives().remove(0);
    let image = manifest(&bytes, "application/vnd.oci.image.layer.v1.tar+gzip");
    let chart = manifest(&bytes, CONTENT);
    let base = format!("/v2/helm/{NAME}");
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": sha256(chart.as_bytes()), "size": chart.len()}]})
    .to_string();
    let index_answer = Answer::ok(index.clone())
        .with("content-type", "application/vnd.oci.image.index.v1+json")
        .with("docker-content-digest", &sha256(index.as_bytes()));
    let server = Server::of(BTreeMap::from([
        ("/v2/".to_owned(), Answer::ok("{}")),
        (format!("{base}/manifests/0.0.1"), manifest_answer(image)),
        (format!("{base}/manifests/{version}"), index_answer),
        (
            format!("{base}/manifests/{}", sha256(chart.as_bytes())),
            manifest_answer(chart),
        ),
        (
            format!("{base}/blobs/{}", sha256(&bytes)),
            Answer::ok(bytes.clone()),
        ),
    ]))
    .await;
    let registry = registry(&server, TransportOptions::default());
    let error = registry
        .pull(ChartRef::new(NAME, "0.0.1"))
        .await
        .expect_err("no chart");
    assert!(
        matches!(*error.kind, SourceErrorKind::Answer { .. }),
        "{error:?}"
    );
    let pulled = registry
        .pull(ChartRef::new(NAME, version))
        .await
        .expect("a chart");
    assert_eq!(pulled.bytes, bytes);
}

#[tokio::test]
async fn a_cached_archive_needs_no_source_and_a_damaged_one_is_fetched_anew() {
    let scratch = Scratch::new();
    let (version, bytes) = archives().remove(0);
    let chart = ChartRef::new(NAME, version).pinned(Digest::of(&bytes));
    let cached = |source: MemoryCharts| Cached::new(Arc::new(source), &scratch.0);
    cached(in_memory())
        .pull(chart.clone())
        .await
        .expect("pulled and kept");
    let empty = cached(MemoryCharts::default());
    assert_eq!(
        empty
            .pull(chart.clone())
            .await
            .expect("from the cache")
            .bytes,
        bytes
    );

    let hex = Digest::of(&bytes).hex();
    let kept = scratch.0.join(&hex[..2]).join(format!("{hex}.tgz"));
    std::fs::write(&kept, "damaged").expect("written");
    assert!(
        empty.pull(chart.clone()).await.is_err(),
        "a damaged archive is not given out"
    );
    cached(in_memory()).pull(chart).await.expect("fetched anew");
    assert_eq!(std::fs::read(kept).expect("mended"), bytes);
}

fn chart_folder(scratch: &Scratch) {
    scratch.write(
        "Chart.yaml",
        "apiVersion: v2\nname: local\nversion: 0.1.0\n",
    );
    scratch.write("templates/a.yaml", "kind: A\n");
    scratch.write("notes/secret.txt", "left out");
    scratch.write(".helmignore", "notes/\n");
}

#[tokio::test]
async fn a_chart_folder_is_packaged_without_what_it_ignores() {
    let scratch = Scratch::new();
    chart_folder(&scratch);
    let folder = Folder::new(&scratch.0);
    let first = folder
        .pull(ChartRef::new("local", "0.1.0"))
        .await
        .expect("packaged");
    let chart = helm_chart::Chart::from_archive(&first.bytes).expect("a chart");
    assert_eq!(chart.templates().len(), 1);
    assert!(
        chart
            .files()
            .iter()
            .all(|file| !file.name.starts_with("notes"))
    );
    let again = folder
        .pull(ChartRef::new("local", "0.1.0"))
        .await
        .expect("packaged");
    assert_eq!(
        first.digest, again.digest,
        "equal folders give equal archives"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_within_a_chart_is_followed_and_one_that_leads_out_is_refused() {
    let link = |scratch: &Scratch, to: &Path| {
        std::os::unix::fs::symlink(to, scratch.0.join("templates/linked.yaml")).expect("linked");
    };
    let inside = Scratch::new();
    chart_folder(&inside);
    link(&inside, Path::new("a.yaml"));
    let pulled = Folder::new(&inside.0)
        .pull(ChartRef::new("local", "0.1.0"))
        .await
        .expect("packaged");
    let chart = helm_chart::Chart::from_archive(&pulled.bytes).expect("a chart");
    assert_eq!(chart.templates().len(), 2);

    let outside = Scratch::new();
    chart_folder(&outside);
    let secret = Scratch::new();
    secret.write("secret", "not for charts");
    link(&outside, &secret.0.join("secret"));
    let error = Folder::new(&outside.0)
        .pull(ChartRef::new("local", "0.1.0"))
        .await
        .expect_err("it leads out");
    assert!(
        error.kind.to_string().contains("outside of the chart"),
        "{error:?}"
    );
}
