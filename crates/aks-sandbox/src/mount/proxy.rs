//! The proxy's greeting: one `CONNECT` request before the tunnel's TLS. It owns reading it and the
//! answer; it refuses hosts the world does not have.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Router;

/// A request head longer than this is none.
const LONGEST: usize = 8 * 1024;

/// Reads a `CONNECT` and answers it; the host the tunnel leads to, without its port.
///
/// # Errors
/// When the peer asks for something else, or for a host the router does not serve; it has been
/// told so.
pub(super) async fn connect<S>(stream: &mut S, router: &Router) -> Result<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let head = read_head(stream).await?;
    let mut words = head.split_whitespace();
    let (method, target) = (words.next(), words.next().unwrap_or_default());
    let host = target
        .rsplit_once(':')
        .map_or(target, |(host, _)| host)
        .to_ascii_lowercase();
    if method != Some("CONNECT") {
        return refuse(stream, "405 Method Not Allowed", head).await;
    }
    if !router.serves(&host) {
        return refuse(stream, "403 Forbidden", target.to_owned()).await;
    }
    stream
        .write_all(b"HTTP/1.1 200 Connection Established\r\n\r\n")
        .await?;
    Ok(host)
}

async fn refuse<S: AsyncWrite + Unpin>(
    stream: &mut S,
    status: &str,
    asked: String,
) -> Result<String> {
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\nX-Sandbox: no such host here\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    Err(Error::new(ErrorKind::PermissionDenied, asked))
}

/// Up to the empty line. The peer waits for the answer before it sends more.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == LONGEST {
            return Err(Error::new(
                ErrorKind::InvalidData,
                "an endless request head",
            ));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use crate::Sandbox;

    async fn ask(request: &str) -> (String, bool) {
        let sandbox = Sandbox::seeded(1);
        let (mut client, mut server) = tokio::io::duplex(1024);
        client.write_all(request.as_bytes()).await.unwrap();
        let opened = super::connect(&mut server, sandbox.router()).await.is_ok();
        drop(server);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        (answer.lines().next().unwrap_or_default().to_owned(), opened)
    }

    #[tokio::test]
    async fn only_the_worlds_hosts_are_reached() {
        let (answer, opened) = ask("CONNECT management.azure.com:443 HTTP/1.1\r\n\r\n").await;
        assert_eq!(answer, "HTTP/1.1 200 Connection Established");
        assert!(opened);
        for other in [
            "CONNECT pypi.invalid:443 HTTP/1.1\r\n\r\n",
            "CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n",
        ] {
            let (answer, opened) = ask(other).await;
            assert_eq!(answer, "HTTP/1.1 403 Forbidden");
            assert!(!opened);
        }
        let (answer, _) = ask("GET http://management.azure.com/ HTTP/1.1\r\n\r\n").await;
        assert_eq!(answer, "HTTP/1.1 405 Method Not Allowed");
    }
}
