//! [`Registry`]: docker-registry on loopback, with or without a password. It owns its configuration
//! and a push of charts by plain requests; it refuses to read charts back: that is what is proven.

use std::fs;
use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::process::free_port;
use crate::service::{Service, expect_status, http};
use crate::{Component, ServiceError};

/// The user of a registry that asks for one.
pub const USER: &str = "reader";
/// Their password.
pub const PASSWORD: &str = "not a secret: loopback only";

/// A running registry; dropping it stops it and forgets everything in it.
#[derive(Debug)]
pub struct Registry {
    service: Service,
    address: String,
    guarded: bool,
}

impl Registry {
    /// A registry for everybody on this machine.
    ///
    /// # Errors
    /// What is missing, failed, or did not become ready within a minute.
    pub async fn open() -> Result<Self, ServiceError> {
        Self::start(false).await
    }

    /// A registry that asks for [`USER`] and [`PASSWORD`].
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn guarded() -> Result<Self, ServiceError> {
        Self::start(true).await
    }

    async fn start(guarded: bool) -> Result<Self, ServiceError> {
        let tools = Component::Registry.locate()?;
        let mut service = Service::new("registry")?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut configuration = json!({
            "version": 0.1,
            "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": service.folder().join("data")}},
            "http": {"addr": address, "secret": "of this run only"},
        });
        if guarded {
            let file = service.folder().join("htpasswd");
            let hash = bcrypt::hash(PASSWORD, 4).map_err(|error| ServiceError::Refused {
                what: "a password's hash".into(),
                why: error.to_string(),
            })?;
            fs::write(&file, format!("{USER}:{hash}\n"))?;
            configuration["auth"] = json!({"htpasswd": {"realm": "e2e", "path": file}});
        }
        let file = service.folder().join("config.yml");
        fs::write(&file, configuration.to_string())?;
        let arguments = ["serve".into(), file.display().to_string()];
        let program = tools.join("registry/usr/bin/docker-registry");
        service.start("registry", &program, &arguments, &[])?;
        let client = http()?;
        let url = format!("http://{address}/v2/");
        service
            .wait("the registry", Duration::from_secs(60), || async {
                client.get(&url).send().await.is_ok()
            })
            .await?;
        Ok(Self {
            service,
            address,
            guarded,
        })
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.service.folder().join("registry.log")).unwrap_or_default()
    }

    /// Pushes a chart's archive as `repository:tag`, as Helm does, by plain requests.
    ///
    /// # Errors
    /// What the registry refuses.
    pub async fn push(
        &self,
        repository: &str,
        tag: &str,
        archive: &[u8],
    ) -> Result<(), ServiceError> {
        const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
        const CONTENT: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
        const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
        let client = http()?;
        let config = b"{}".as_slice();
        for blob in [config, archive] {
            self.upload(&client, repository, blob).await?;
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest(config), "size": config.len()},
            "layers": [{"mediaType": CONTENT, "digest": digest(archive), "size": archive.len()}],
        });
        let url = format!("http://{}/v2/{repository}/manifests/{tag}", self.address);
        let request = client.put(url).header("content-type", MANIFEST);
        let answer = self
            .login(request)
            .body(manifest.to_string())
            .send()
            .await?;
        expect_status("a manifest", answer, &[201])
            .await
            .map(|_| ())
    }

    async fn upload(
        &self,
        client: &Client,
        repository: &str,
        blob: &[u8],
    ) -> Result<(), ServiceError> {
        let url = format!("http://{}/v2/{repository}/blobs/uploads/", self.address);
        let answer = self.login(client.post(url)).header("content-length", "0");
        let answer = expect_status("an upload", answer.send().await?, &[202]).await?;
        let place = answer.headers().get("location");
        let place = place.and_then(|place| place.to_str().ok());
        let place = place.unwrap_or_default();
        let more = if place.contains('?') { '&' } else { '?' };
        let url = format!("{place}{more}digest={}", digest(blob));
        let request = client
            .put(url)
            .header("content-type", "application/octet-stream");
        let answer = self.login(request).body(blob.to_vec()).send().await?;
        expect_status("a blob", answer, &[201]).await.map(|_| ())
    }

    fn login(&self, request: RequestBuilder) -> RequestBuilder {
        if self.guarded {
            request.basic_auth(USER, Some(PASSWORD))
        } else {
            request
        }
    }
}

fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let digits: Vec<String> = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", digits.concat())
}
