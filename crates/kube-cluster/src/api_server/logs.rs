//! Reading a container's log.

use futures::StreamExt;
use http_body_util::BodyExt;

use super::KubeCluster;
use super::request::{Ask, Parameters, segment};
use super::watch::lines;
use crate::{ClusterError, ClusterErrorKind, LogLines, LogQuery};

impl KubeCluster {
    pub(super) async fn open_log(
        &self,
        query: &LogQuery,
    ) -> Result<Option<LogLines>, ClusterError> {
        let target = format!("the log of Pod {}/{}", query.namespace, query.pod);
        let fail = |kind| ClusterError::new("read", target.clone(), kind);
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}/log",
            segment(&query.namespace),
            segment(&query.pod)
        );
        let ask = Ask {
            accept: "*/*",
            ..Ask::get(parameters(query).on(&path))
        };
        match self.open(&ask).await.map_err(fail)? {
            Ok(response) => {
                let lines = lines(response.into_body().into_data_stream()).map(move |line| {
                    let line = line.map_err(|error| {
                        let kind = ClusterErrorKind::Unreachable(Box::new(error));
                        ClusterError::new("read", target.clone(), kind)
                    })?;
                    let text = String::from_utf8_lossy(&line);
                    Ok(text.trim_end_matches('\r').to_owned())
                });
                Ok(Some(lines.boxed()))
            }
            Err(refusal) if refusal.is_absent_object() => Ok(None),
            Err(refusal) => Err(fail(refusal.into_kind("v1 Pod"))),
        }
    }
}

fn parameters(query: &LogQuery) -> Parameters {
    let mut parameters = Parameters::default();
    if let Some(container) = &query.container {
        parameters.add("container", container);
    }
    if let Some(tail) = query.tail {
        parameters.add("tailLines", &tail.to_string());
    }
    if let Some(since) = query.since {
        parameters.add("sinceSeconds", &since.as_secs().max(1).to_string());
    }
    for (on, key) in [
        (query.previous, "previous"),
        (query.follow, "follow"),
        (query.timestamps, "timestamps"),
    ] {
        if on {
            parameters.add(key, "true");
        }
    }
    parameters
}
