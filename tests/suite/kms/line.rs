//! The parent's line to the key service: honest, or lying in what it carries.

use mortise_engine::ports::PortFuture;
use mortise_nitro::kms::{ByteStream, Dialer};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;

/// What the parent does with the bytes of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireFault {
    /// Carries them, and keeps a copy of everything.
    Honest,
    /// Breaks the connection after so many bytes of the service.
    ResetAfter(usize),
    /// Carries the first so many bytes, then gives those of an earlier connection.
    ReplayAfter(usize),
    /// Carries all, with one bit of this byte changed.
    Flip(usize),
}

/// A line.
pub struct Line {
    port: u16,
    way: WireFault,
    dials: AtomicUsize,
    /// Both directions of each connection: what the parent sees.
    seen: Arc<Mutex<Vec<u8>>>,
    /// The service's bytes of the last honest connection.
    earlier: Arc<Mutex<Vec<u8>>>,
}

impl Line {
    pub fn new(port: u16, way: WireFault) -> Self {
        let (dials, seen, earlier) = Default::default();
        Self { port, way, dials, seen, earlier }
    }

    /// A lying line that has these bytes of an earlier connection.
    pub fn with_earlier(self, earlier: Vec<u8>) -> Self {
        Self { earlier: Arc::new(Mutex::new(earlier)), ..self }
    }

    pub fn dials(&self) -> usize {
        self.dials.load(Ordering::SeqCst)
    }

    /// Everything that was carried.
    pub fn seen(&self) -> Vec<u8> {
        self.seen.lock().unwrap().clone()
    }

    /// What the service said on the last connection.
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
                way: self.way,
                seen: Arc::clone(&self.seen),
                earlier: Arc::clone(&self.earlier),
            };
            tokio::spawn(carrier.carry(theirs, service));
            Ok(Box::new(ours) as Box<dyn ByteStream>)
        })
    }
}

struct Carrier {
    way: WireFault,
    seen: Arc<Mutex<Vec<u8>>>,
    earlier: Arc<Mutex<Vec<u8>>>,
}

impl Carrier {
    /// Ends with either side; a broken end is a line that breaks.
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
        let (mut bytes, mut said) = ([0; 16 * 1024], Vec::new());
        loop {
            let count = from.read(&mut bytes).await?;
            let start = said.len();
            said.extend_from_slice(&bytes[..count]);
            self.seen.lock().unwrap().extend_from_slice(&bytes[..count]);
            let chunk = &mut bytes[..count];
            match self.way {
                WireFault::Honest => self.earlier.lock().unwrap().clone_from(&said),
                WireFault::ResetAfter(end) if said.len() > end => {
                    to.write_all(&chunk[..end.saturating_sub(start)]).await?;
                    return Ok(());
                }
                WireFault::ReplayAfter(end) if said.len() > end => {
                    to.write_all(&chunk[..end.saturating_sub(start)]).await?;
                    let earlier = self.earlier.lock().unwrap().clone();
                    to.write_all(earlier.get(end..).unwrap_or_default()).await?;
                    return to.shutdown().await;
                }
                WireFault::Flip(at) if (start..said.len()).contains(&at) => chunk[at - start] ^= 1,
                _ => {}
            }
            to.write_all(chunk).await?;
            if count == 0 {
                return to.shutdown().await;
            }
        }
    }
}
