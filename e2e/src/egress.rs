//! [`Egress`]: the API server's way to pods and nodes. There is no pod network: a proxy on a Unix
//! socket, named in the server's egress selector, takes its connections. It owns where each port of
//! a pod leads; it refuses whatever is neither a node on loopback nor a port somebody serves here.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// Who serves which port of the pods.
type Ports = Arc<Mutex<BTreeMap<u16, SocketAddr>>>;

/// The proxy; dropping it stops accepting.
#[derive(Debug)]
pub struct Egress {
    socket: PathBuf,
    ports: Ports,
    task: JoinHandle<()>,
}

impl Egress {
    /// Starts it on a socket file.
    ///
    /// # Errors
    /// When the file cannot be made.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(socket: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let ports = Ports::default();
        let served = Arc::clone(&ports);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let ports = Arc::clone(&served);
                tokio::spawn(async move {
                    // The API server says what became of a connection that ended.
                    let _ = tunnel(stream, &ports).await;
                });
            }
        });
        Ok(Self {
            socket: socket.to_owned(),
            ports,
            task,
        })
    }

    /// Its socket file.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Lets a port of every pod lead to a loopback address.
    pub fn serve(&self, port: u16, at: SocketAddr) {
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.insert(port, at);
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn tunnel(mut client: UnixStream, ports: &Ports) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let asked = head.split_whitespace().nth(1).unwrap_or_default();
    let target = asked.parse::<SocketAddr>().ok().and_then(|asked| {
        if asked.ip().is_loopback() {
            return Some(asked);
        }
        let is_pod =
            matches!(asked.ip(), IpAddr::V4(address) if address.octets()[..2] == [10, 244]);
        let ports = ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.get(&asked.port()).copied().filter(|_| is_pod)
    });
    let connected = match target {
        Some(target) => TcpStream::connect(target).await,
        None => Err(io::ErrorKind::ConnectionRefused.into()),
    };
    let Ok(mut server) = connected else {
        let refusal = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
        return client.write_all(refusal).await;
    };
    server.set_nodelay(true)?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
