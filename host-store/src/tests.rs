//! The whole host: the store protocol over its socket, start, stop.

use crate::store::testing::{FailingSyncer, chain};
use crate::store::{CheckedFrame, OpenError, StoreOptions};
use crate::{AllowList, Config, CredentialsSource, Destination, Host, HostError, KeyServiceConfig};
use mortise_format::codec;
use mortise_format::frame::LEAF_BYTES;
use mortise_format::limits::{STORE_LEAVES_MAX, STORE_MESSAGE_BYTES_MAX};
use mortise_format::store::{LogHead, StoreRefusal, StoreRequest, StoreResponse};
use mortise_transport::{Address, MessageReader, MessageWriter, STORE_MAGIC, Stream, connect};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::{ReadHalf, WriteHalf};

/// A host in a temporary folder.
struct Place {
    folder: tempfile::TempDir,
    syncer: Arc<FailingSyncer>,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), syncer: Arc::default() }
    }

    fn address(&self) -> Address {
        Address::Unix(self.folder.path().join("store.sock"))
    }

    fn config(&self) -> Config {
        let engine = Address::Unix(self.folder.path().join("engine.sock"));
        let data = self.folder.path().join("data");
        let mut config = Config::new(data, self.address(), engine, 0);
        config.store = StoreOptions {
            segment_bytes: 5 << 19,
            syncer: Arc::<FailingSyncer>::clone(&self.syncer),
        };
        config
    }
}

/// The engine's side of the store protocol.
struct Client {
    reader: MessageReader<ReadHalf<Stream>>,
    writer: MessageWriter<WriteHalf<Stream>>,
    next: u64,
}

impl Client {
    async fn new(address: &Address) -> Self {
        let (read, write) = tokio::io::split(connect(address).await.unwrap());
        let mut writer = MessageWriter::new(write, STORE_MESSAGE_BYTES_MAX);
        writer.queue_magic(STORE_MAGIC);
        let reader = MessageReader::new(read, STORE_MESSAGE_BYTES_MAX);
        Self { reader, writer, next: 0 }
    }

    fn queue(&mut self, request: &StoreRequest) {
        self.writer.queue(self.next, &codec::encode(request)).unwrap();
        self.next += 1;
    }

    async fn answer(&mut self) -> (u64, StoreResponse) {
        let message = self.reader.read().await.unwrap().unwrap();
        (message.correlation, codec::decode(&message.payload).unwrap())
    }

    async fn ask(&mut self, request: &StoreRequest) -> StoreResponse {
        self.queue(request);
        self.writer.flush().await.unwrap();
        let (correlation, response) = self.answer().await;
        assert_eq!(correlation, self.next - 1);
        response
    }
}

fn append(frame: &CheckedFrame) -> StoreRequest {
    StoreRequest::Append { frame: frame.bytes().to_vec() }
}

fn acked(frame: &CheckedFrame) -> StoreResponse {
    StoreResponse::Acked { seq: frame.seq(), digest: frame.digest() }
}

#[tokio::test]
async fn pipelined_appends_are_acked_in_order_and_kept_over_a_restart() {
    let place = Place::new();
    let frames = chain(100, 5000);
    let host = Host::start(place.config()).await.unwrap();
    let mut client = Client::new(&place.address()).await;
    for frame in &frames {
        client.queue(&append(frame));
    }
    client.queue(&StoreRequest::Head);
    client.writer.flush().await.unwrap();
    for (i, frame) in (0..).zip(&frames) {
        assert_eq!(client.answer().await, (i, acked(frame)));
    }
    let head = LogHead { next_seq: 100, digest: frames[99].digest() };
    assert_eq!(client.answer().await.1, StoreResponse::Head(head));
    host.stop().await;
    let host = Host::start(place.config()).await.unwrap();
    assert_eq!(host.head_at_start(), head);
    let mut client = Client::new(&place.address()).await;
    let read = client.ask(&StoreRequest::Read { from_seq: 98, bytes_max: u32::MAX }).await;
    let last = frames[98..].iter().map(|f| f.bytes().to_vec()).collect();
    assert_eq!(read, StoreResponse::Frames { frames: last });
    let most = u32::try_from(STORE_LEAVES_MAX).unwrap();
    let leaves = client.ask(&StoreRequest::Leaves { from_seq: 98, count: most }).await;
    let last = frames[98..].iter().flat_map(|f| f.bytes()[..LEAF_BYTES].to_vec()).collect();
    assert_eq!(leaves, StoreResponse::Leaves { leaves: last });
    let refused = client.ask(&StoreRequest::Leaves { from_seq: 0, count: most + 1 }).await;
    assert_eq!(refused, StoreResponse::Refused(StoreRefusal::TooLarge));
    host.stop().await;
}

#[tokio::test]
async fn of_two_engines_one_wins_each_place() {
    let place = Place::new();
    let host = Host::start(place.config()).await.unwrap();
    let (ours, theirs) = (chain(1, 100), chain(1, 101));
    let mut us = Client::new(&place.address()).await;
    let mut them = Client::new(&place.address()).await;
    assert_eq!(us.ask(&append(&ours[0])).await, acked(&ours[0]));
    let refusal = StoreRefusal::SeqTaken { expected: 1 };
    assert_eq!(them.ask(&append(&theirs[0])).await, StoreResponse::Refused(refusal));
    host.stop().await;
}

#[tokio::test]
async fn a_failed_sync_is_answered_and_ends_all_acks() {
    let place = Place::new();
    let frames = chain(2, 100);
    let host = Host::start(place.config()).await.unwrap();
    let mut client = Client::new(&place.address()).await;
    assert_eq!(client.ask(&append(&frames[0])).await, acked(&frames[0]));
    place.syncer.fails.store(true, Ordering::SeqCst);
    let failed = StoreResponse::Refused(StoreRefusal::SyncFailed);
    assert_eq!(client.ask(&append(&frames[1])).await, failed);
    place.syncer.fails.store(false, Ordering::SeqCst);
    assert_eq!(client.ask(&append(&frames[1])).await, failed);
    host.stop().await;
}

async fn healthz(host: &Host) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(host.http_address()).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_host_whose_store_is_poisoned_answers_is_not_healthy_and_ends_by_name() {
    let place = Place::new();
    let frames = chain(2, 100);
    let host = Host::start(place.config()).await.unwrap();
    assert!(healthz(&host).await.starts_with("HTTP/1.1 200"));
    let mut client = Client::new(&place.address()).await;
    place.syncer.fails.store(true, Ordering::SeqCst);
    let failed = StoreResponse::Refused(StoreRefusal::SyncFailed);
    assert_eq!(client.ask(&append(&frames[0])).await, failed);
    host.poisoned().await;
    let answer = healthz(&host).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("STORE_POISONED"), "{answer}");
    host.stop().await;
    // The process around a host ends with it. Its disk fails from the first frame on.
    place.syncer.fails.store(false, Ordering::SeqCst);
    let (config, address) = (place.config(), place.address());
    let running = tokio::spawn(crate::run(config, std::future::pending()));
    let mut client = loop {
        if connect(&address).await.is_ok() {
            break Client::new(&address).await;
        }
        tokio::task::yield_now().await;
    };
    place.syncer.fails.store(true, Ordering::SeqCst);
    let put = StoreRequest::BlobPut { name: "keys".into(), bytes: vec![1] };
    assert_eq!(client.ask(&put).await, failed);
    let ended = running.await.unwrap();
    assert!(matches!(ended, Err(HostError::StorePoisoned)), "{ended:?}");
}

#[tokio::test]
async fn a_full_disk_is_answered_and_healthz_tells_it_until_there_is_room() {
    let place = Place::new();
    let frames = chain(60, 100_000);
    let host = Host::start(place.config()).await.unwrap();
    let mut client = Client::new(&place.address()).await;
    place.syncer.is_full.store(true, Ordering::SeqCst);
    let full = StoreResponse::Refused(StoreRefusal::Full);
    let mut next = 0;
    while client.ask(&append(&frames[next])).await != full {
        next += 1;
    }
    let answer = healthz(&host).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("DISK_FULL"), "{answer}");
    // A frame that follows one that was refused leaves a gap: it is certain that neither is kept.
    let gap = StoreRefusal::Gap { expected: next as u64 };
    assert_eq!(client.ask(&append(&frames[next + 1])).await, StoreResponse::Refused(gap));
    place.syncer.is_full.store(false, Ordering::SeqCst);
    assert_eq!(client.ask(&append(&frames[next])).await, acked(&frames[next]));
    assert!(healthz(&host).await.starts_with("HTTP/1.1 200"));
    host.stop().await;
}

#[tokio::test]
async fn what_is_no_request_or_no_frame_is_refused_and_the_connection_goes_on() {
    let place = Place::new();
    let host = Host::start(place.config()).await.unwrap();
    let mut client = Client::new(&place.address()).await;
    client.writer.queue(70, b"nonsense").unwrap();
    client.writer.flush().await.unwrap();
    let refused = |refusal| StoreResponse::Refused(refusal);
    assert_eq!(client.answer().await, (70, refused(StoreRefusal::Malformed)));
    let bad = StoreRequest::Append { frame: vec![0; 400] };
    assert_eq!(client.ask(&bad).await, refused(StoreRefusal::BadFrame));
    let big = StoreRequest::Append { frame: vec![0; 3 << 20] };
    assert_eq!(client.ask(&big).await, refused(StoreRefusal::TooLarge));
    assert_eq!(client.ask(&StoreRequest::Head).await, StoreResponse::Head(LogHead::EMPTY));
    host.stop().await;
}

#[tokio::test]
async fn a_message_at_the_bound_is_read_and_one_that_announces_more_ends_the_connection() {
    use tokio::io::AsyncWriteExt as _;
    let place = Place::new();
    let host = Host::start(place.config()).await.unwrap();
    let mut client = Client::new(&place.address()).await;
    client.writer.queue(7, &vec![0xff; STORE_MESSAGE_BYTES_MAX]).unwrap();
    client.writer.flush().await.unwrap();
    let malformed = StoreResponse::Refused(StoreRefusal::Malformed);
    assert_eq!(client.answer().await, (7, malformed));
    let mut stream = connect(&place.address()).await.unwrap();
    let length = u32::try_from(STORE_MESSAGE_BYTES_MAX + 1).unwrap();
    let header = [&STORE_MAGIC[..], &length.to_le_bytes(), &8u64.to_le_bytes()].concat();
    stream.write_all(&header).await.unwrap();
    let mut reader = MessageReader::new(stream, STORE_MESSAGE_BYTES_MAX);
    assert!(!matches!(reader.read().await, Ok(Some(_))), "nothing is answered");
    host.stop().await;
}

#[tokio::test]
async fn a_peer_that_speaks_another_protocol_is_cut_off() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let place = Place::new();
    let host = Host::start(place.config()).await.unwrap();
    let mut stream = connect(&place.address()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
    host.stop().await;
}

#[tokio::test]
async fn blobs_and_snapshots_pass_the_protocol() {
    let place = Place::new();
    let host = Host::start(place.config()).await.unwrap();
    let mut client = Client::new(&place.address()).await;
    let name = "keys".to_owned();
    let put = StoreRequest::BlobPut { name: name.clone(), bytes: vec![1] };
    assert_eq!(client.ask(&put).await, StoreResponse::BlobKept);
    let got = client.ask(&StoreRequest::BlobGet { name }).await;
    assert_eq!(got, StoreResponse::Blob { bytes: Some(vec![1]) });
    let digest = mortise_format::Bytes32([1; 32]);
    let bytes = vec![2; 10];
    let put = StoreRequest::SnapshotPut { seq: 4, part: 0, manifest: Some(digest), bytes };
    assert_eq!(client.ask(&put).await, StoreResponse::SnapshotTaken { complete: true });
    let StoreResponse::Snapshots(listed) = client.ask(&StoreRequest::Snapshots).await else {
        panic!("the snapshot is complete")
    };
    let [info] = listed[..] else { panic!("one snapshot is complete") };
    assert_eq!((info.seq, info.digest, info.parts, info.bytes), (4, digest, 1, 10));
    let part = client.ask(&StoreRequest::SnapshotRead { seq: 4, part: 0 }).await;
    assert_eq!(part, StoreResponse::SnapshotPart { bytes: vec![2; 10] });
    host.stop().await;
}

#[tokio::test]
async fn a_second_host_on_one_folder_is_refused_by_name() {
    let place = Place::new();
    let host = Host::start(place.config()).await.unwrap();
    let error = Host::start(place.config()).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, HostError::Store(OpenError::InUse { .. })), "{error}");
    host.stop().await;
    Host::start(place.config()).await.unwrap().stop().await;
}

#[tokio::test]
async fn the_relay_connects_to_allowed_destinations_only() {
    use tokio::io::AsyncReadExt as _;
    let place = Place::new();
    let file = place.folder.path().join("credentials.json");
    std::fs::write(&file, r#"{"AccessKeyId":"AKIAX","SecretAccessKey":"s"}"#).unwrap();
    let socket = |name: &str| Address::Unix(place.folder.path().join(name));
    let service = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to: Destination = service.local_addr().unwrap().to_string().parse().unwrap();
    let relayed = |allowed| KeyServiceConfig {
        listen_relay: socket("kms.sock"),
        to: to.clone(),
        allowed,
        listen_credentials: socket("credentials.sock"),
        source: CredentialsSource::File(file.clone()),
    };
    let mut config = place.config();
    config.key_service = Some(relayed(AllowList::new(vec!["other.test:443".parse().unwrap()])));
    let refused = Host::start(config).await;
    assert!(matches!(refused, Err(HostError::NotAllowed(_))), "{refused:?}");
    let mut config = place.config();
    config.key_service = Some(relayed(AllowList::new(vec![to.clone()])));
    let host = Host::start(config).await.unwrap();
    let mut line = vec![0; 16];
    let mut credentials = connect(&socket("credentials.sock")).await.unwrap();
    credentials.read_exact(&mut line).await.unwrap();
    assert_eq!(line, br#"{"AccessKeyId":"#.iter().copied().chain([b'"']).collect::<Vec<_>>());
    let _enclave = connect(&socket("kms.sock")).await.unwrap();
    service.accept().await.unwrap();
    host.stop().await;
}

/// Everything that a broken enclave may send, on one connection.
async fn send_noise(address: &Address, opening: &[u8]) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    for noise in [vec![0xff; 1 << 20], vec![0; 64], b"GET / HTTP/1.1\r\n\r\n".to_vec(), vec![]] {
        let mut stream = connect(address).await.unwrap();
        // The host may close before all of it has arrived.
        let _ = stream.write_all(&[opening, &noise].concat()).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(ANSWER_TIME, stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "{address}: the connection did not end");
        assert!(answer.len() < 64 * 1024, "{address}: {} bytes for noise", answer.len());
    }
}

/// Above the host's own timeouts, which are at most 10 s.
const ANSWER_TIME: std::time::Duration = std::time::Duration::from_secs(20);

#[tokio::test]
async fn noise_of_an_enclave_on_every_port_harms_none_of_them() {
    use mortise_transport::WITNESS_MAGIC;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let place = Place::new();
    let socket = |name: &str| Address::Unix(place.folder.path().join(name));
    let file = place.folder.path().join("credentials.json");
    std::fs::write(&file, r#"{"AccessKeyId":"AKIAX","SecretAccessKey":"s"}"#).unwrap();
    let service = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to: Destination = service.local_addr().unwrap().to_string().parse().unwrap();
    tokio::spawn(async move {
        // A key service that closes immediately.
        while let Ok((mut stream, _)) = service.accept().await {
            let _ = stream.shutdown().await;
        }
    });
    let mut config = place.config();
    config.diagnostics = Some(socket("diagnostics"));
    config.heartbeat = Some(socket("heartbeat"));
    config.witnesses = Some(crate::WitnessConfig { listen: socket("witness"), places: Vec::new() });
    config.key_service = Some(KeyServiceConfig {
        listen_relay: socket("kms"),
        to: to.clone(),
        allowed: AllowList::new(vec![to]),
        listen_credentials: socket("credentials"),
        source: CredentialsSource::File(file),
    });
    let host = Host::start(config).await.unwrap();
    for name in ["diagnostics", "heartbeat", "witness", "kms", "credentials"] {
        send_noise(&socket(name), b"").await;
    }
    send_noise(&socket("witness"), &WITNESS_MAGIC).await;
    send_noise(&place.address(), b"").await;
    send_noise(&place.address(), &STORE_MAGIC).await;
    // every port still works
    let mut client = Client::new(&place.address()).await;
    assert_eq!(client.ask(&StoreRequest::Head).await, StoreResponse::Head(LogHead::EMPTY));
    let mut beat = connect(&socket("heartbeat")).await.unwrap();
    beat.write_all(&[0xb7]).await.unwrap();
    assert_eq!(beat.read_u8().await.unwrap(), 0xb7);
    let mut line = [0; 16];
    connect(&socket("credentials")).await.unwrap().read_exact(&mut line).await.unwrap();
    assert_eq!(&line, b"{\"AccessKeyId\":\"");
    host.stop().await;
}

/// FAULTS E3: SIGTERM did not end a host whose disk hung. Method: a runtime of its own, because
/// threads of it wait for the disk for ever.
#[test]
fn host_stops_although_its_disk_does_not_answer() {
    let place = Place::new();
    let (config, address) = (place.config(), place.address());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (ended, end) = std::sync::mpsc::channel();
    let host = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let shutdown = async { drop(stopped.await) };
        let outcome = runtime.block_on(crate::run(config, shutdown));
        runtime.shutdown_background();
        ended.send(outcome.is_ok()).unwrap();
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        while connect(&address).await.is_err() {
            tokio::task::yield_now().await;
        }
        let (mut client, frames) = (Client::new(&address).await, chain(2, 100));
        assert!(matches!(client.ask(&append(&frames[0])).await, StoreResponse::Acked { .. }));
        place.syncer.hangs.store(true, Ordering::SeqCst);
        client.queue(&append(&frames[1]));
        let (name, bytes) = ("blob".to_owned(), vec![1; 100]);
        client.queue(&StoreRequest::BlobPut { name, bytes });
        client.writer.flush().await.unwrap();
        while place.syncer.waiting.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    });
    stop.send(()).unwrap();
    // It takes under five seconds; the bound here is for a machine that does much else.
    let outcome = end.recv_timeout(std::time::Duration::from_secs(120));
    assert_eq!(outcome, Ok(true), "an orderly end, and in time");
    host.join().unwrap();
}
