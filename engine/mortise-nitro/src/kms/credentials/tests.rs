//! A parent that is slow, faulty, hostile or gone.

use super::*;
use mortise_engine::ports::{ClockError, PortFuture};
use std::io;
use std::sync::Mutex;
use tokio::io::{AsyncWriteExt as _, DuplexStream};

struct At(u64);

impl Clock for At {
    fn now_ms(&self) -> Result<u64, ClockError> {
        Ok(self.0)
    }
}

struct Zero;

impl Entropy for Zero {
    fn fill(&self, out: &mut [u8]) {
        out.fill(0);
    }
}

/// Returns the streams in order, then an error.
struct Streams(Mutex<Vec<DuplexStream>>);

impl Dialer for Streams {
    fn dial(&self) -> PortFuture<'_, io::Result<Box<dyn ByteStream>>> {
        let mut streams = self.0.lock().unwrap();
        if streams.is_empty() {
            return Box::pin(std::future::pending());
        }
        let stream = streams.remove(0);
        Box::pin(std::future::ready(Ok(Box::new(stream) as Box<dyn ByteStream>)))
    }
}

/// A store and the parent's ends of `count` connections, in order.
fn store(count: usize) -> (CredentialStore, Vec<DuplexStream>) {
    let pairs = (0..count).map(|_| tokio::io::duplex(64 * 1024));
    let (ours, theirs): (Vec<_>, Vec<_>) = pairs.unzip();
    let dialer = Arc::new(Streams(Mutex::new(ours)));
    (CredentialStore::from_parent(dialer, Arc::new(Zero)), theirs)
}

fn line(id: &str, expiration: &str) -> String {
    format!(
        "{{\"Code\":\"Success\",\"AccessKeyId\":\"{id}\",\"SecretAccessKey\":\"s\",\
         \"Token\":\"t\",\"Expiration\":\"{expiration}\"}}\n"
    )
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(20);

/// Waits until the newest has this id.
async fn wait_for(store: &CredentialStore, id: &str) {
    let mut newest = store.newest.clone();
    let has = |held: &Option<Arc<SigningCredentials>>| {
        held.as_ref().is_some_and(|held| held.access_key_id() == id)
    };
    tokio::time::timeout(LONG, newest.wait_for(has)).await.unwrap().unwrap();
}

#[tokio::test]
async fn missing_credentials_are_refused_and_expired_ones_are_left_to_the_service() {
    let (store, mut parent) = store(1);
    assert_eq!(store.usable(&At(0), SHORT).await.unwrap_err(), KmsError::NoCredentials);
    parent[0].write_all(line("A", "1970-01-01T00:00:10Z").as_bytes()).await.unwrap();
    assert!(store.usable(&At(9_999), LONG).await.is_ok());
    let expired = store.usable(&At(10_000), SHORT).await.unwrap();
    assert_eq!(expired.access_key_id(), "A");
}

#[tokio::test]
async fn newest_credentials_are_used_and_waited_for() {
    let (store, mut parent) = store(1);
    let used = tokio::spawn({
        let store = store.clone();
        async move { store.usable(&At(20_000), LONG).await.unwrap().access_key_id().to_owned() }
    });
    parent[0].write_all(line("A", "1970-01-01T00:00:10Z").as_bytes()).await.unwrap();
    wait_for(&store, "A").await;
    parent[0].write_all(line("B", "1970-01-01T00:01:00Z").as_bytes()).await.unwrap();
    assert_eq!(used.await.unwrap(), "B");
}

#[tokio::test]
async fn bad_line_ends_the_connection_and_keeps_the_previous_credentials() {
    let bad: [Vec<u8>; 8] = [
        b"\n".to_vec(),
        b"hello\n".to_vec(),
        b"[]\n".to_vec(),
        b"{\"AccessKeyId\":\"B\"}\n".to_vec(),
        line("B", "tomorrow").into_bytes(),
        line("B\\r\\nX: 1", "1970-01-01T00:01:00Z").into_bytes(),
        line("B", "1970-01-01T00:01:00Z").replacen('{', "{\"Token\":\"u\",", 1).into_bytes(),
        vec![b' '; CREDENTIALS_LINE_BYTES_MAX],
    ];
    for bad in bad {
        let (store, mut parent) = store(2);
        parent[0].write_all(line("A", "1970-01-01T00:01:00Z").as_bytes()).await.unwrap();
        wait_for(&store, "A").await;
        parent[0].write_all(&bad).await.unwrap();
        // The parent's side sees the end of the first connection.
        let closed = tokio::time::timeout(LONG, parent[0].read_u8()).await.unwrap();
        assert_eq!(closed.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(store.usable(&At(0), LONG).await.unwrap().access_key_id(), "A");
        parent[1].write_all(line("C", "1970-01-01T00:01:00Z").as_bytes()).await.unwrap();
        wait_for(&store, "C").await;
    }
}

#[tokio::test]
async fn closed_and_torn_connections_are_dialed_again() {
    let (store, parent) = store(3);
    for (i, mut stream) in parent.into_iter().enumerate() {
        let id = format!("K{i}");
        stream.write_all(line(&id, "1970-01-01T00:01:00Z").as_bytes()).await.unwrap();
        wait_for(&store, &id).await;
        stream.write_all(b"{\"AccessKeyId\"").await.unwrap();
    }
    assert_eq!(store.usable(&At(0), SHORT).await.unwrap().access_key_id(), "K2");
}

#[tokio::test]
async fn feed_ends_with_the_last_store() {
    let (store, mut parent) = store(1);
    parent[0].write_all(line("A", "1970-01-01T00:01:00Z").as_bytes()).await.unwrap();
    wait_for(&store, "A").await;
    drop(store);
    let closed = tokio::time::timeout(LONG, parent[0].read_u8()).await.unwrap();
    assert_eq!(closed.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn line_of_the_largest_size_is_accepted() {
    let room = CREDENTIALS_LINE_BYTES_MAX - line("A", "1970-01-01T00:01:00Z").len();
    let padded =
        line("A", "1970-01-01T00:01:00Z").replacen('{', &format!("{{{}", " ".repeat(room)), 1);
    assert_eq!(padded.len(), CREDENTIALS_LINE_BYTES_MAX);
    assert_eq!(parse_line(padded.as_bytes()).unwrap().access_key_id(), "A");
}
