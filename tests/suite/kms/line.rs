//! The parent's relay to the key service: honest, or tampering with the bytes.

use mortise_engine::ports::PortFuture;
use mortise_nitro::kms::{ByteStream, Dialer};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;

/// The action of the parent on the bytes of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireFault {
    /// Forwards them and keeps a copy.
    Honest,
    /// Breaks the connection after this many bytes of the service.
    ResetAfter(usize),
    /// Forwards this many bytes, then replays those of an earlier connection.
    ReplayAfter(usize),
    /// Forwards everything with one bit of this byte changed.
    Flip(usize),
}

pub struct Line {
    port: u16,
    fault: WireFault,
    dials: AtomicUsize,
    /// Both directions of each connection, as the parent sees them.
    seen: Arc<Mutex<Vec<u8>>>,
    /// The service's bytes of the last honest connection.
    earlier: Arc<Mutex<Vec<u8>>>,
}

impl Line {
    pub fn new(port: u16, fault: WireFault) -> Self {
        let (dials, seen, earlier) = Default::default();
        Self { port, fault, dials, seen, earlier }
    }

    /// A tampering relay with these bytes of an earlier connection.
    pub fn with_earlier(self, earlier: Vec<u8>) -> Self {
        Self { earlier: Arc::new(Mutex::new(earlier)), ..self }
    }

    pub fn dials(&self) -> usize {
        self.dials.load(Ordering::SeqCst)
    }

    /// All forwarded bytes.
    pub fn seen(&self) -> Vec<u8> {
        self.seen.lock().unwrap().clone()
    }

    /// The service's bytes on the last connection.
    pub fn earlier(&self) -> Vec<u8> {
        self.earlier.lock().unwrap().clone()
    }
}

impl Dialer for Line {
    fn dial(&self) -> PortFuture<'_, io::Result<Box<dyn ByteStream>>> {
        self.dials.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let service = TcpStream::connect(("127.0.0.1", self.port)).await?;
            let (ours, theirs) = tokio::io::duplex(64 * 1024);
            let carrier = Carrier {
                fault: self.fault,
                seen: Arc::clone(&self.seen),
                earlier: Arc::clone(&self.earlier),
            };
            tokio::spawn(carrier.carry(theirs, service));
            Ok(Box::new(ours) as Box<dyn ByteStream>)
        })
    }
}

struct Carrier {
    fault: WireFault,
    seen: Arc<Mutex<Vec<u8>>>,
    earlier: Arc<Mutex<Vec<u8>>>,
}

impl Carrier {
    /// Ends when either side closes or fails.
    async fn carry(self, enclave: DuplexStream, service: TcpStream) {
        let (mut from_enclave, to_enclave) = tokio::io::split(enclave);
        let (from_service, mut to_service) = tokio::io::split(service);
        let seen = Arc::clone(&self.seen);
        let up = async move {
            let mut bytes = [0; 16 * 1024];
            while let Ok(count @ 1..) = from_enclave.read(&mut bytes).await {
                seen.lock().unwrap().extend_from_slice(&bytes[..count]);
                if to_service.write_all(&bytes[..count]).await.is_err() {
                    break;
                }
            }
        };
        tokio::select! {
            () = up => {}
            _ = self.down(from_service, to_enclave) => {}
        }
    }

    async fn down(
        &self,
        mut from: tokio::io::ReadHalf<TcpStream>,
        mut to: tokio::io::WriteHalf<DuplexStream>,
    ) -> io::Result<()> {
        let (mut bytes, mut received) = ([0; 16 * 1024], Vec::new());
        loop {
            let count = from.read(&mut bytes).await?;
            let start = received.len();
            received.extend_from_slice(&bytes[..count]);
            self.seen.lock().unwrap().extend_from_slice(&bytes[..count]);
            let chunk = &mut bytes[..count];
            match self.fault {
                WireFault::Honest => self.earlier.lock().unwrap().clone_from(&received),
                WireFault::ResetAfter(end) if received.len() > end => {
                    to.write_all(&chunk[..end.saturating_sub(start)]).await?;
                    return Ok(());
                }
                WireFault::ReplayAfter(end) if received.len() > end => {
                    to.write_all(&chunk[..end.saturating_sub(start)]).await?;
                    let earlier = self.earlier.lock().unwrap().clone();
                    to.write_all(earlier.get(end..).unwrap_or_default()).await?;
                    return to.shutdown().await;
                }
                WireFault::Flip(at) if (start..received.len()).contains(&at) => {
                    chunk[at - start] ^= 1;
                }
                _ => {}
            }
            to.write_all(chunk).await?;
            if count == 0 {
                return to.shutdown().await;
            }
        }
    }
}
