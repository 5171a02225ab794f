//! [`Azurite`]: Microsoft's storage emulator on loopback, with one account of its own. It owns the
//! flags, the account's key and the making of containers; it refuses to keep what is written.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

use crate::process::free_port;
use crate::service::{Service, expect_status, http};
use crate::{Component, ServiceError};

/// The one account.
pub const ACCOUNT: &str = "e2elogs";

/// A running emulator; dropping it stops it and forgets everything in it.
#[derive(Debug)]
pub struct Azurite {
    service: Service,
    port: u16,
    key: String,
}

impl Azurite {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// What is missing, failed, or did not become ready within a minute.
    pub async fn start() -> Result<Self, ServiceError> {
        let tools = Component::Azurite.locate()?;
        let mut service = Service::new("azurite")?;
        let port = free_port()?;
        let key = STANDARD.encode(format!("not a secret, of this run only: {port:>32}"));
        let script = tools.join("azurite/node_modules/azurite/dist/src/blob/main.js");
        let arguments = [
            script.display().to_string(),
            "--blobHost=127.0.0.1".into(),
            format!("--blobPort={port}"),
            "--inMemoryPersistence".into(),
            "--disableTelemetry".into(),
            // The official Rust client is newer than the emulator.
            "--skipApiVersionCheck".into(),
        ];
        let environment = [("AZURITE_ACCOUNTS".into(), format!("{ACCOUNT}:{key}"))];
        let node = std::path::Path::new("/usr/bin/node");
        service.start("azurite", node, &arguments, &environment)?;
        let client = http()?;
        let url = format!("http://127.0.0.1:{port}/{ACCOUNT}");
        service
            .wait("Azurite", Duration::from_secs(60), || async {
                client.get(&url).send().await.is_ok()
            })
            .await?;
        Ok(Self { service, port, key })
    }

    /// The account's blob endpoint; the emulator takes the account from the path.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}", self.port)
    }

    /// The account's key, base64.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What Microsoft's SDKs for other languages take.
    pub fn connection_string(&self) -> String {
        format!(
            "DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={};BlobEndpoint={};",
            self.key,
            self.endpoint()
        )
    }

    /// Keeps the folder of logs when it stops.
    pub fn keep_logs(&self) {
        self.service.keep_logs();
    }

    /// Stops it: what dropping does, for one that lives in a `static`.
    pub fn end(&mut self) {
        self.service.end();
    }

    /// Makes a container, as Resource Manager would.
    ///
    /// Source: Azure Storage, "Create Container" and "Authorize with Shared Key"; signed here a
    /// second time, apart from the code under test.
    ///
    /// # Errors
    /// What the emulator refuses.
    pub async fn make_container(&self, name: &str) -> Result<(), ServiceError> {
        let date = Timestamp::now()
            .strftime("%a, %d %b %Y %H:%M:%S GMT")
            .to_string();
        let version = "2021-12-02";
        let headers = format!("x-ms-date:{date}\nx-ms-version:{version}");
        let resource = format!("/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container");
        let text = format!("PUT{}{headers}\n{resource}", "\n".repeat(12));
        let refused = |why: &str| ServiceError::Refused {
            what: "the account's key".into(),
            why: why.into(),
        };
        let key = STANDARD
            .decode(&self.key)
            .map_err(|_| refused("it is not base64"))?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| refused("it is empty"))?;
        mac.update(text.as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let answer = http()?
            .put(format!("{}/{name}?restype=container", self.endpoint()))
            .header("x-ms-date", date)
            .header("x-ms-version", version)
            .header("authorization", format!("SharedKey {ACCOUNT}:{signature}"))
            .header("content-length", "0")
            .send()
            .await?;
        expect_status("a container", answer, &[201])
            .await
            .map(|_| ())
    }
}
