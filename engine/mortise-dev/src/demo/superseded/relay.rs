//! A relay in front of a witness, which can hold answers back: the part of a hostile parent.

use mortise_cli::failure::Failure;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Relays to some witnesses.
#[derive(Debug)]
pub(super) struct Relays {
    addresses: Vec<String>,
    delay_ms: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Relays {
    /// Starts a relay in front of each address. They pass everything on.
    pub async fn start(witnesses: &[String]) -> Result<Self, Failure> {
        let (mut addresses, mut tasks) = (Vec::new(), Vec::new());
        let delay_ms = Arc::<AtomicU64>::default();
        for witness in witnesses {
            let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Failure::system)?;
            addresses.push(listener.local_addr().map_err(Failure::system)?.to_string());
            let (witness, delay_ms) = (witness.clone(), Arc::clone(&delay_ms));
            tasks.push(tokio::spawn(accept(listener, witness, delay_ms)));
        }
        Ok(Self { addresses, delay_ms, tasks })
    }

    /// Where they listen, `HOST:PORT` each.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Holds every answer of a witness back for this long, from now on.
    pub fn delay(&self, by: Duration) {
        self.delay_ms.store(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Drop for Relays {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn accept(listener: TcpListener, witness: String, delay_ms: Arc<AtomicU64>) {
    while let Ok((near, _)) = listener.accept().await {
        let (witness, delay_ms) = (witness.clone(), Arc::clone(&delay_ms));
        tokio::spawn(async move {
            // A connection that breaks is one that a witness did not answer.
            let _ = relay(near, &witness, &delay_ms).await;
        });
    }
}

async fn relay(near: TcpStream, witness: &str, delay_ms: &AtomicU64) -> io::Result<()> {
    let far = TcpStream::connect(witness).await?;
    let (mut near_read, mut near_write) = near.into_split();
    let (mut far_read, mut far_write) = far.into_split();
    let asks = tokio::io::copy(&mut near_read, &mut far_write);
    let answers = async {
        let mut part = vec![0; 4096];
        loop {
            let count = far_read.read(&mut part).await?;
            tokio::time::sleep(Duration::from_millis(delay_ms.load(Ordering::Relaxed))).await;
            if count == 0 {
                return near_write.shutdown().await;
            }
            near_write.write_all(&part[..count]).await?;
        }
    };
    tokio::try_join!(asks, answers).map(drop)
}
