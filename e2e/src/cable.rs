//! [`Cable`]: the way to a loopback server that can be cut. It owns the connections over it; it
//! refuses to look into them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle};

/// A TCP proxy on loopback; dropping it stops accepting and cuts what is open.
#[derive(Debug)]
pub struct Cable {
    address: SocketAddr,
    open: Arc<Mutex<Vec<AbortHandle>>>,
    task: JoinHandle<()>,
}

impl Cable {
    /// A way to `target`.
    ///
    /// # Errors
    /// When loopback has no port.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let open = Arc::<Mutex<Vec<AbortHandle>>>::default();
        let accepted = Arc::clone(&open);
        let task = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let carried = tokio::spawn(async move {
                    // A server that is away closes the near end, too.
                    if let Ok(mut far) = TcpStream::connect(target).await {
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
                let mut open = accepted.lock().unwrap_or_else(PoisonError::into_inner);
                open.retain(|one| !one.is_finished());
                open.push(carried.abort_handle());
            }
        });
        Ok(Self {
            address,
            open,
            task,
        })
    }

    /// Its near end.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every open connection, watches among them; new ones are carried again. Returns how many.
    pub fn cut(&self) -> usize {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|one| !one.is_finished());
        open.iter().for_each(AbortHandle::abort);
        open.drain(..).count()
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_cut_ends_what_is_open_and_new_connections_are_carried() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let target = server.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = server.accept().await {
                tokio::spawn(async move {
                    let mut byte = [0; 1];
                    while stream.read_exact(&mut byte).await.is_ok() {
                        stream.write_all(&byte).await.unwrap();
                    }
                });
            }
        });
        let cable = Cable::start(target).await.unwrap();
        for _ in 0..2 {
            let mut client = TcpStream::connect(cable.address()).await.unwrap();
            let mut byte = [7; 1];
            client.write_all(&byte).await.unwrap();
            client.read_exact(&mut byte).await.unwrap();
            assert_eq!(cable.cut(), 1);
            assert_eq!(client.read(&mut byte).await.unwrap_or(0), 0);
        }
    }
}
