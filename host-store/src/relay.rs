//! The byte relay to the key service (port 8000): what Amazon's `vsock-proxy` does.
//!
//! ```text
//! enclave --TLS--> relay --same bytes--> kms.<region>.<domain of the partition>:443
//! ```
//! What it is for: an enclave has no network. It connects to the relay, which connects to one fixed
//! destination. TLS ends in the enclave; this machine sees only sizes and times.
//!
//! What it does not do: end TLS, choose a destination from what it reads, retry, know credentials.
//!
//! Invariants: bytes go only to destinations of the allow-list; the number of connections and the
//! idle time of each are bounded.

use crate::metrics::{Metrics, Relayed};
use crate::port;
use mortise_transport::aws::Partition;
use mortise_transport::{Listener, ServeEvent, Stream};
use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Most connections at once.
const CONNECTIONS_MAX: usize = 64;
/// Timeout of the connect to the destination.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Idle time after which a connection is closed.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// Bytes in one read.
const BUFFER_BYTES: usize = 16 * 1024;

/// A host name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    host: String,
    port: u16,
}

/// The text is not a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a destination is HOST:PORT, with a DNS name or an IPv4 address and a port above 0")]
pub struct DestinationError;

/// The longest DNS name.
const NAME_BYTES_MAX: usize = 253;

impl Destination {
    /// The key service of an AWS region, in the domain of its partition.
    ///
    /// # Errors
    /// When the text cannot be the name of a region.
    pub fn kms_of(region: &str) -> Result<Self, DestinationError> {
        let partition = Partition::of_region(region).ok_or(DestinationError)?;
        format!("{}:443", partition.kms_host(region)).parse()
    }
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        let (host, port) = text.rsplit_once(':').ok_or(DestinationError)?;
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        let fits = (1..=NAME_BYTES_MAX).contains(&host.len()) && host.chars().all(is_of_name);
        let port = port.parse().ok().filter(|port| *port != 0);
        match (fits, port) {
            (true, Some(port)) => Ok(Self { host: host.to_ascii_lowercase(), port }),
            _ => Err(DestinationError),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The allow-list.
#[derive(Debug, Clone, Default)]
pub struct AllowList(Vec<Destination>);

/// A destination that is not on the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not on the list of allowed destinations: add it with --kms-allow {0}")]
pub struct NotAllowed(pub Destination);

impl AllowList {
    /// Allows only these destinations.
    pub fn new(destinations: Vec<Destination>) -> Self {
        Self(destinations)
    }

    /// # Errors
    /// [`NotAllowed`].
    pub fn check(&self, destination: &Destination) -> Result<(), NotAllowed> {
        match self.0.contains(destination) {
            true => Ok(()),
            false => Err(NotAllowed(destination.clone())),
        }
    }
}

/// Configuration of the relay.
#[derive(Debug, Clone)]
pub(crate) struct Relay {
    pub(crate) to: Destination,
    pub(crate) metrics: Arc<Metrics>,
    /// The only context id that may connect.
    pub(crate) only_cid: Option<u32>,
}

/// Relays connections until `stop` changes. Open connections are then closed, as a network may do.
pub(crate) async fn serve(listener: Listener, relay: Relay, stop: watch::Receiver<()>) {
    let options = port::options(relay.only_cid, CONNECTIONS_MAX);
    let metrics = Arc::clone(&relay.metrics);
    let handler = move |stream| carry(stream, relay.clone());
    let report = |event| {
        port::log_event("relay", &event);
        if let ServeEvent::TurnedAway { .. } = event {
            metrics.relayed(Relayed::TurnedAway);
        }
    };
    mortise_transport::serve(listener, options, stop, handler, report).await;
}

async fn carry(enclave: Stream, relay: Relay) {
    let address = (relay.to.host.as_str(), relay.to.port);
    let connecting = tokio::time::timeout(CONNECT_TIME, TcpStream::connect(address));
    let outside = match connecting.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(outside) => outside,
        Err(error) => {
            tracing::warn!(to = %relay.to, %error, "the key service cannot be reached");
            return relay.metrics.relayed(Relayed::Unreachable);
        }
    };
    let (enclave_read, enclave_write) = tokio::io::split(enclave);
    let (outside_read, outside_write) = tokio::io::split(outside);
    let (sent, received) =
        tokio::join!(pump(enclave_read, outside_write), pump(outside_read, enclave_write));
    let whole = sent.is_ok() && received.is_ok();
    relay.metrics.relayed(if whole { Relayed::Whole } else { Relayed::BrokenOff });
}

/// Copies one direction to its end and passes the end on.
async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let reading = tokio::time::timeout(IDLE_TIME, from.read(&mut buffer));
        let count = reading.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match count {
            Ok(0) => return to.shutdown().await,
            Ok(count) => to.write_all(&buffer[..count]).await?,
            Err(error) => {
                // Tells the other side that nothing follows.
                let _ = to.shutdown().await;
                return Err(error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_transport::{Address, connect};
    use tokio::net::TcpListener;

    #[test]
    fn destinations_have_one_form() {
        let kms = Destination::kms_of("eu-central-1").unwrap();
        assert_eq!(kms.to_string(), "kms.eu-central-1.amazonaws.com:443");
        assert_eq!("KMS.eu-central-1.amazonaws.com:443".parse(), Ok(kms));
        // The relay goes where the enclave expects to be: each derives the name from the region.
        let china = Destination::kms_of("cn-north-1").unwrap();
        assert_eq!(china.to_string(), "kms.cn-north-1.amazonaws.com.cn:443");
        for wrong in
            ["", "host", "host:", ":1", "host:0", "host:65536", "a b:1", "h/x:1", "[::1]:1"]
        {
            assert_eq!(wrong.parse::<Destination>(), Err(DestinationError), "{wrong}");
        }
        for wrong in ["", "eu central", "eu.central", "EU", "../x"] {
            assert_eq!(Destination::kms_of(wrong), Err(DestinationError), "{wrong}");
        }
    }

    #[test]
    fn destination_off_the_list_is_refused_by_name() {
        let [kms, other]: [Destination; 2] =
            ["kms.x.amazonaws.com:443", "evil.example:443"].map(|text| text.parse().unwrap());
        let list = AllowList::new(vec![kms.clone()]);
        assert_eq!(list.check(&kms), Ok(()));
        assert_eq!(list.check(&other), Err(NotAllowed(other.clone())));
        let other_port = "kms.x.amazonaws.com:80".parse().unwrap();
        assert_eq!(list.check(&other_port), Err(NotAllowed(other_port.clone())));
        assert!(AllowList::default().check(&kms).is_err());
    }

    #[tokio::test]
    async fn bytes_pass_unchanged_both_ways_and_ends_are_passed_on() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("kms.sock"));
        let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = service.local_addr().unwrap().to_string().parse().unwrap();
        let metrics = Arc::new(Metrics::new());
        let relay = Relay { to, metrics: Arc::clone(&metrics), only_cid: None };
        let (stop, stopped) = watch::channel(());
        let listener = Listener::bind(&address).await.unwrap();
        let relaying = tokio::spawn(serve(listener, relay, stopped));
        let echo = tokio::spawn(async move {
            let (mut stream, _) = service.accept().await.unwrap();
            let mut asked = Vec::new();
            stream.read_to_end(&mut asked).await.unwrap();
            asked.reverse();
            stream.write_all(&asked).await.unwrap();
        });
        let mut enclave = connect(&address).await.unwrap();
        let asked: Vec<u8> = (0..=255).cycle().take(200_000).collect();
        enclave.write_all(&asked).await.unwrap();
        enclave.shutdown().await.unwrap();
        let mut answered = Vec::new();
        enclave.read_to_end(&mut answered).await.unwrap();
        assert!(answered.iter().rev().eq(asked.iter()));
        echo.await.unwrap();
        stop.send(()).unwrap();
        relaying.await.unwrap();
    }

    #[tokio::test]
    async fn unreachable_destination_closes_the_connection() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("kms.sock"));
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let to = gone.to_string().parse().unwrap();
        let relay = Relay { to, metrics: Arc::new(Metrics::new()), only_cid: None };
        let (_stop, stopped) = watch::channel(());
        let listener = Listener::bind(&address).await.unwrap();
        tokio::spawn(serve(listener, relay.clone(), stopped));
        let mut enclave = connect(&address).await.unwrap();
        let mut answered = Vec::new();
        let _ = enclave.read_to_end(&mut answered).await;
        assert!(answered.is_empty());
        let text = relay.metrics.render();
        assert!(text.contains("outcome=\"unreachable\"} 1"), "{text}");
    }
}
