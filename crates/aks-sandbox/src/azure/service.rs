//! The simulated Azure behind the router. It owns which hosts lead here and the passing of time
//! around an answer; it refuses rules.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};

use crate::mount::{Body, Handler, Router, full, handler};
use crate::world::World;

/// Registers Azure's hosts: Entra ID, Resource Manager, every vault and storage account, and the
/// cluster's OIDC issuer.
#[must_use]
pub fn mount(router: Router) -> Router {
    let world = Arc::clone(router.world());
    let issuer = world.read(|state| state.azure.issuer.host().to_owned());
    let service: Handler = handler(move |request| answer(Arc::clone(&world), request));
    [
        "login.microsoftonline.com",
        "management.azure.com",
        "*.vault.azure.net",
        "*.blob.core.windows.net",
        issuer.as_str(),
    ]
    .into_iter()
    .fold(router, |router, host| {
        router.route(host, Arc::clone(&service))
    })
}

async fn answer(world: Arc<World>, request: Request<Bytes>) -> Response<Body> {
    let now = world.clock().now();
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    let reply = world.update_quietly(|state| {
        let reply = super::respond(&mut state.azure, &state.faults, &request, now);
        (!looks, reply)
    });
    let Some(reply) = reply else {
        let mut response = Response::new(full("no service of the simulated Azure\n"));
        *response.status_mut() = http::StatusCode::BAD_GATEWAY;
        return response;
    };
    if reply.after > Duration::ZERO {
        tokio::time::sleep(reply.after).await;
    }
    (*reply.response).map(full)
}
