//! [`Cable`]: the way to a loopback server, as long as one likes, that can be cut. It owns the
//! connections over it, their delay and the count of their bytes; it refuses to look into them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep, sleep_until};

/// A TCP proxy on loopback; dropping it stops accepting and cuts what is open.
#[derive(Debug)]
pub struct Cable {
    address: SocketAddr,
    open: Arc<Mutex<Vec<AbortHandle>>>,
    bytes: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Cable {
    /// A way to `target` that takes no time.
    ///
    /// # Errors
    /// When loopback has no port.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        Self::with_round_trip(target, Duration::ZERO).await
    }

    /// A way to `target` with this round trip, and one more for a new connection, as its handshake
    /// takes it.
    ///
    /// # Errors
    /// When loopback has no port.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn with_round_trip(target: SocketAddr, round_trip: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let open = Arc::<Mutex<Vec<AbortHandle>>>::default();
        let bytes = Arc::<AtomicU64>::default();
        let (accepted, counted) = (Arc::clone(&open), Arc::clone(&bytes));
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let bytes = Arc::clone(&counted);
                let carried = tokio::spawn(async move {
                    sleep(round_trip).await;
                    // A server that is away closes the near end, too.
                    if let Ok(far) = TcpStream::connect(target).await {
                        let _ = carry(near, far, round_trip, &bytes).await;
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
            bytes,
            task,
        })
    }

    /// Its near end.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes carried both ways so far, TLS and all.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
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

async fn carry(
    near: TcpStream,
    far: TcpStream,
    round_trip: Duration,
    bytes: &AtomicU64,
) -> io::Result<()> {
    // Timers count whole milliseconds.
    let there = Duration::from_millis(u64::try_from(round_trip.as_millis() / 2).unwrap_or(0));
    let back = round_trip.saturating_sub(there);
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::join!(
        one_way(near_read, far_write, there, bytes),
        one_way(far_read, near_write, back, bytes),
    );
    Ok(())
}

/// Everything read comes out that much later, however much is on the way.
async fn one_way(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    delay: Duration,
    bytes: &AtomicU64,
) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let reading = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            bytes.fetch_add(read as u64, Ordering::Relaxed);
            let part = (Instant::now() + delay, buffer[..read].to_vec());
            if sender.send(part).is_err() {
                break;
            }
        }
    };
    let writing = async move {
        while let Some((due, part)) = receiver.recv().await {
            if due > Instant::now() {
                sleep_until(due).await;
            }
            if to.write_all(&part).await.is_err() {
                return;
            }
        }
        // The reader has gone: pass the end on.
        let _ = to.shutdown().await;
    };
    tokio::join!(reading, writing);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that says everything back.
    async fn echo() -> SocketAddr {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = server.local_addr().unwrap();
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
        address
    }

    async fn there_and_back(client: &mut TcpStream) {
        let mut byte = [7; 1];
        client.write_all(&byte).await.unwrap();
        client.read_exact(&mut byte).await.unwrap();
    }

    #[tokio::test]
    async fn a_cut_ends_what_is_open_and_new_connections_are_carried() {
        let cable = Cable::start(echo().await).await.unwrap();
        for _ in 0..2 {
            let mut client = TcpStream::connect(cable.address()).await.unwrap();
            there_and_back(&mut client).await;
            assert_eq!(cable.cut(), 1);
            assert_eq!(client.read(&mut [0; 1]).await.unwrap_or(0), 0);
        }
    }

    #[tokio::test]
    async fn an_answer_takes_the_round_trip() {
        let trip = Duration::from_millis(40);
        let cable = Cable::with_round_trip(echo().await, trip).await.unwrap();
        let mut client = TcpStream::connect(cable.address()).await.unwrap();
        there_and_back(&mut client).await;
        let started = Instant::now();
        there_and_back(&mut client).await;
        assert!(started.elapsed() >= trip);
        assert_eq!(cable.bytes(), 4);
    }
}
