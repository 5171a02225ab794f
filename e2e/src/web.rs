//! [`StaticServer`]: a folder behind Python's plain web server on loopback. It owns the process; it
//! refuses to write into the folder.

use std::path::Path;
use std::time::Duration;

use crate::process::free_port;
use crate::service::{Service, http};
use crate::{Component, ServiceError};

/// A running web server.
#[derive(Debug)]
pub struct StaticServer {
    _service: Service,
    address: String,
}

impl StaticServer {
    /// Serves a folder.
    ///
    /// # Errors
    /// What is missing, failed, or did not become ready within half a minute.
    pub async fn of(folder: &Path) -> Result<Self, ServiceError> {
        Component::Python.locate()?;
        let mut service = Service::new("web")?;
        let port = free_port()?;
        let arguments = [
            "-m".into(),
            "http.server".into(),
            "--bind=127.0.0.1".into(),
            format!("--directory={}", folder.display()),
            port.to_string(),
        ];
        let python = Path::new("/usr/bin/python3");
        service.start("web", python, &arguments, &[])?;
        let address = format!("127.0.0.1:{port}");
        let (client, url) = (http()?, format!("http://{address}/"));
        service
            .wait("the web server", Duration::from_secs(30), || async {
                client.get(&url).send().await.is_ok()
            })
            .await?;
        Ok(Self {
            _service: service,
            address,
        })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
