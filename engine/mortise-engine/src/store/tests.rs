//! The client against a scripted host: each test writes its answers.

use super::{Ack, Garbage, LogStore, RemoteLog, StoreError};
use mortise_format::codec;
use mortise_format::frame::{FRAME_VERSION, Frame, FrameHeader, FrameKind, FrameLeaf};
use mortise_format::frame::{FrameError, LEAF_BYTES, cipher_digest, clear_digest};
use mortise_format::ids::{Bytes32, EngineId, FrameDigest, PolicyHash, Root};
use mortise_format::limits::{SNAPSHOT_PART_BYTES, STORE_MESSAGE_BYTES_MAX};
use mortise_format::rules::RuleSet;
use mortise_format::store::{LogHead, SnapshotInfo, StoreRefusal, StoreRequest, StoreResponse};
use mortise_transport::{Address, Listener, MessageReader, MessageWriter, STORE_MAGIC, Stream};
use std::future::Future;
use tokio::io::{ReadHalf, WriteHalf};

fn frame(seq: u64, previous: FrameDigest) -> Frame {
    let cipher = vec![9; 40];
    let header = FrameHeader {
        version: FRAME_VERSION,
        rules: RuleSet::NEWEST,
        kind: FrameHeader::kind_byte(FrameKind::Events),
        engine_id: EngineId([7; 32]),
        epoch: 1,
        seq,
        time_ms: 1_700_000_000_000,
        previous,
        event_count: 1,
        event_root: Root([1; 32]),
        state_root: Root([2; 32]),
        policy_hash: PolicyHash([3; 32]),
        clear_bytes: 0,
        cipher_bytes: 40,
    };
    let leaf = FrameLeaf {
        header,
        clear_digest: clear_digest(&[]),
        cipher_digest: cipher_digest(&cipher),
        mac: Bytes32([5; 32]),
    };
    Frame::new(leaf, vec![], cipher).unwrap()
}

/// The host's end of one connection.
struct Host {
    reader: MessageReader<ReadHalf<Stream>>,
    writer: MessageWriter<WriteHalf<Stream>>,
}

impl Host {
    async fn accept(listener: &Listener) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let (read, write) = tokio::io::split(stream);
        let mut reader = MessageReader::new(read, STORE_MESSAGE_BYTES_MAX);
        reader.expect_magic(STORE_MAGIC).await.unwrap();
        Self { reader, writer: MessageWriter::new(write, STORE_MESSAGE_BYTES_MAX) }
    }

    async fn next(&mut self) -> (u64, StoreRequest) {
        let message = self.reader.read().await.unwrap().unwrap();
        (message.correlation, codec::decode(&message.payload).unwrap())
    }

    async fn answer(&mut self, correlation: u64, response: &StoreResponse) {
        self.raw(correlation, &codec::encode(response)).await;
    }

    async fn raw(&mut self, correlation: u64, payload: &[u8]) {
        self.writer.queue(correlation, payload).unwrap();
        self.writer.flush().await.unwrap();
    }
}

/// Runs `client` against `host` over a unix socket.
async fn run<C, H>(client: impl FnOnce(RemoteLog) -> C, host: impl FnOnce(Host) -> H)
where
    C: Future<Output = ()>,
    H: Future<Output = ()>,
{
    let connect = async |address: Address| RemoteLog::connect(&address).await.unwrap();
    run_with(connect, client, host).await;
}

/// As [`run`], with another client.
async fn run_with<C, H>(
    connect: impl AsyncFnOnce(Address) -> RemoteLog,
    client: impl FnOnce(RemoteLog) -> C,
    host: impl FnOnce(Host) -> H,
) where
    C: Future<Output = ()>,
    H: Future<Output = ()>,
{
    let dir = tempfile::tempdir().unwrap();
    let address = Address::Unix(dir.path().join("store"));
    let listener = Listener::bind(&address).await.unwrap();
    let client = async { client(connect(address.clone()).await).await };
    // The magic is sent with the first request, so the host's side starts with the client's.
    let host = async { host(Host::accept(&listener).await).await };
    tokio::join!(client, host);
}

/// One request answered once with `response`.
async fn one<T, C>(
    call: impl FnOnce(RemoteLog) -> C,
    response: StoreResponse,
) -> Result<T, StoreError>
where
    C: Future<Output = Result<T, StoreError>>,
{
    let mut got = None;
    run(
        |log| async { got = Some(call(log).await) },
        |mut host| async move {
            let (correlation, _) = host.next().await;
            host.answer(correlation, &response).await;
        },
    )
    .await;
    got.unwrap()
}

#[tokio::test]
async fn appends_leave_in_the_order_of_calls_and_are_answered_in_any() {
    let (a, b) = (frame(0, FrameDigest::ZERO), frame(1, FrameDigest([1; 32])));
    let acks = [&a, &b].map(|f| Ack { seq: f.header().seq, digest: f.digest() });
    run(
        |log| async move {
            let (first, second) = (log.append(&a), log.append(&b));
            // awaited in the other order: sending does not wait for the answer
            assert_eq!(second.await, Ok(acks[1]));
            assert_eq!(first.await, Ok(acks[0]));
        },
        |mut host| async move {
            let (first, request) = host.next().await;
            let StoreRequest::Append { frame } = request else { panic!("{request:?}") };
            assert_eq!(Frame::decode(&frame).unwrap().header().seq, 0);
            let (second, _) = host.next().await;
            for (correlation, ack) in [(second, acks[1]), (first, acks[0])] {
                let Ack { seq, digest } = ack;
                host.answer(correlation, &StoreResponse::Acked { seq, digest }).await;
            }
        },
    )
    .await;
}

#[tokio::test]
async fn an_append_whose_connection_breaks_is_unknown_and_the_next_one_unreachable() {
    run(
        |log| async move {
            let a = frame(0, FrameDigest::ZERO);
            assert_eq!(log.append(&a).await, Err(StoreError::Unknown));
            let error = log.append(&a).await.unwrap_err();
            assert_eq!(error, StoreError::Unreachable(std::io::ErrorKind::NotConnected));
        },
        |mut host| async move {
            host.next().await;
        },
    )
    .await;
}

#[tokio::test]
async fn requests_to_a_store_that_never_answers_time_out() {
    run_with(
        async |address| RemoteLog::with_bounds(&address, 8, 1).await,
        |log| async move {
            assert_eq!(log.head().await, Err(StoreError::Silent { answer_ms_max: 1 }));
            let append = log.append(&frame(0, FrameDigest::ZERO)).await;
            assert_eq!(append, Err(StoreError::Silent { answer_ms_max: 1 }));
        },
        |mut host| async move {
            host.next().await;
            host.next().await;
            assert!(host.reader.read().await.unwrap().is_none(), "the client left");
        },
    )
    .await;
}

#[tokio::test]
async fn reads_at_the_bound_wait_and_take_no_room_of_an_append() {
    let append = frame(0, FrameDigest::ZERO);
    let ack = Ack { seq: 0, digest: append.digest() };
    run_with(
        async |address| RemoteLog::with_bounds(&address, 1, 60_000).await,
        |log| async move {
            let (first, second) = (log.read(5, 100), log.leaves(6, 1));
            let append = log.append(&append);
            let full = StoreError::Unreachable(std::io::ErrorKind::ResourceBusy);
            assert_eq!(log.head().await, Err(full));
            assert_eq!(append.await, Ok(ack));
            assert_eq!(first.await, Ok(vec![]));
            assert_eq!(second.await, Ok(vec![]));
        },
        |mut host| async move {
            let (first, request) = host.next().await;
            assert!(matches!(request, StoreRequest::Read { from_seq: 5, .. }), "{request:?}");
            let (second, request) = host.next().await;
            assert!(matches!(request, StoreRequest::Append { .. }), "{request:?}");
            let Ack { seq, digest } = ack;
            host.answer(second, &StoreResponse::Acked { seq, digest }).await;
            host.answer(first, &StoreResponse::Frames { frames: vec![] }).await;
            let (third, request) = host.next().await;
            assert!(matches!(request, StoreRequest::Leaves { .. }), "{request:?}");
            host.answer(third, &StoreResponse::Leaves { leaves: vec![] }).await;
        },
    )
    .await;
}

#[tokio::test]
async fn reads_that_find_no_room_time_out() {
    run_with(
        async |address| RemoteLog::with_bounds(&address, 1, 1).await,
        |log| async move {
            let silent = StoreError::Silent { answer_ms_max: 1 };
            let (first, second) = tokio::join!(log.read(5, 100), log.read(6, 100));
            assert_eq!((first, second), (Err(silent), Err(silent)));
        },
        |mut host| async move {
            host.next().await;
            assert!(host.reader.read().await.unwrap().is_none(), "the second was not sent");
        },
    )
    .await;
}

#[tokio::test]
async fn no_listener_is_unreachable() {
    let dir = tempfile::tempdir().unwrap();
    let error = RemoteLog::connect(&Address::Unix(dir.path().join("none"))).await.unwrap_err();
    assert_eq!(error, StoreError::Unreachable(std::io::ErrorKind::NotFound));
}

#[tokio::test]
async fn an_ack_of_another_frame_is_garbage() {
    let a = frame(0, FrameDigest::ZERO);
    let digest = a.digest();
    for wrong in [
        StoreResponse::Acked { seq: 1, digest },
        StoreResponse::Acked { seq: 0, digest: FrameDigest([1; 32]) },
    ] {
        let error = one(|log| async move { log.append(&frame(0, FrameDigest::ZERO)).await }, wrong)
            .await
            .unwrap_err();
        assert_eq!(error, Garbage::WrongAck.into());
    }
}

#[tokio::test]
async fn refusals_arrive_unchanged() {
    let refusal = StoreRefusal::SeqTaken { expected: 4 };
    let a = frame(0, FrameDigest::ZERO);
    let got = one(|log| async move { log.append(&a).await }, StoreResponse::Refused(refusal)).await;
    assert_eq!(got, Err(StoreError::Refused(refusal)));
}

#[tokio::test]
async fn an_answer_of_the_wrong_kind_is_garbage() {
    let got = one(|log| async move { log.head().await }, StoreResponse::BlobKept).await;
    assert_eq!(got, Err(Garbage::WrongKind.into()));
}

#[tokio::test]
async fn a_head_that_contradicts_itself_is_garbage() {
    for (next_seq, digest) in [(0, FrameDigest([1; 32])), (1, FrameDigest::ZERO)] {
        let answer = StoreResponse::Head(LogHead { next_seq, digest });
        let got = one(|log| async move { log.head().await }, answer).await;
        assert_eq!(got, Err(Garbage::WrongHead.into()));
    }
}

#[tokio::test]
async fn answers_that_do_not_decode_or_are_unasked_end_the_connection() {
    run(
        |log| async move {
            let (first, second) = (log.head(), log.head());
            let error = first.await.unwrap_err();
            assert!(matches!(error, StoreError::Garbage(Garbage::Undecodable(_))), "{error}");
            assert_eq!(second.await, Err(error));
        },
        |mut host| async move {
            let (correlation, _) = host.next().await;
            host.next().await;
            host.raw(correlation, b"nonsense").await;
        },
    )
    .await;
    run(
        |log| async move { assert_eq!(log.head().await, Err(Garbage::Unasked.into())) },
        |mut host| async move {
            let (correlation, _) = host.next().await;
            host.answer(correlation + 1, &StoreResponse::BlobKept).await;
        },
    )
    .await;
}

#[tokio::test]
async fn frames_are_returned_if_they_follow_one_another() {
    let a = frame(5, FrameDigest([1; 32]));
    let b = frame(6, a.digest());
    let frames = vec![a.encode(), b.encode()];
    let got = one(|log| async move { log.read(5, 1000).await }, StoreResponse::Frames { frames });
    assert_eq!(got.await, Ok(vec![a, b]));
}

#[tokio::test]
async fn frames_that_were_not_requested_are_garbage() {
    let a = frame(5, FrameDigest([1; 32]));
    let gap = frame(7, a.digest());
    let stray = frame(6, FrameDigest([2; 32]));
    let mut flipped = a.encode();
    *flipped.last_mut().unwrap() ^= 1;
    let cases = [
        (vec![gap.encode()], Garbage::WrongSeq { expected: 5, found: 7 }),
        (vec![a.encode(), gap.encode()], Garbage::WrongSeq { expected: 6, found: 7 }),
        (vec![a.encode(), stray.encode()], Garbage::BrokenChain { seq: 6 }),
        (vec![flipped], Garbage::NotAFrame { seq: 5, error: FrameError::CipherDigest }),
        (vec![a.encode(); 4], Garbage::TooMuch),
    ];
    for (frames, garbage) in cases {
        let answer = StoreResponse::Frames { frames };
        let got = one(|log| async move { log.read(5, 1000).await }, answer).await;
        assert_eq!(got, Err(garbage.into()));
    }
}

#[tokio::test]
async fn leaves_are_returned_if_they_are_the_requested_ones() {
    let a = frame(5, FrameDigest::ZERO);
    let b = frame(6, a.digest());
    let bytes: Vec<u8> = [&a, &b].iter().flat_map(|f| codec::encode(f.leaf())).collect();
    let ask = |count, leaves: Vec<u8>| {
        let response = StoreResponse::Leaves { leaves };
        one(move |log| async move { log.leaves(5, count).await }, response)
    };
    let both = Ok(vec![a.leaf().clone(), b.leaf().clone()]);
    assert_eq!(ask(2, bytes.clone()).await, both);
    assert_eq!(ask(9, bytes.clone()).await, both, "fewer where the log ends");
    assert_eq!(ask(9, vec![]).await, Ok(vec![]));
    assert_eq!(ask(1, bytes.clone()).await, Err(Garbage::TooMuch.into()));
    let torn = Garbage::NotAFrame { seq: 6, error: FrameError::Torn };
    assert_eq!(ask(2, bytes[..bytes.len() - 1].to_vec()).await, Err(torn.into()));
    let swapped = [&bytes[LEAF_BYTES..], &bytes[..LEAF_BYTES]].concat();
    let wrong = Garbage::WrongSeq { expected: 5, found: 6 };
    assert_eq!(ask(2, swapped).await, Err(wrong.into()));
    let head = StoreResponse::Head(LogHead::EMPTY);
    let kind = one(|log| async move { log.leaves(5, 1).await }, head).await;
    assert_eq!(kind, Err(Garbage::WrongKind.into()));
}

#[tokio::test]
async fn a_snapshot_is_sent_in_parts_and_read_back_part_by_part() {
    let part: Vec<u8> = (0..SNAPSHOT_PART_BYTES).map(|i| i as u8).collect();
    let (manifest, digest) = (vec![4; 5], Bytes32([1; 32]));
    let bytes = (SNAPSHOT_PART_BYTES + 5) as u64;
    let info = SnapshotInfo { seq: 9, digest, parts: 2, bytes };
    let (sent, end) = (part.clone(), manifest.clone());
    run(
        |log| async move {
            assert_eq!(log.snapshot_put(9, 0, None, sent.clone()).await, Ok(false));
            assert_eq!(log.snapshot_put(9, 1, Some(digest), end.clone()).await, Ok(true));
            assert_eq!(log.snapshots().await, Ok(vec![info]));
            assert_eq!(log.snapshot_read(info, 0).await, Ok(sent));
            assert_eq!(log.snapshot_read(info, 1).await, Ok(end));
            let beyond = log.snapshot_read(info, 2).await;
            assert_eq!(beyond, Err(Garbage::WrongSize.into()));
        },
        |mut host| async move {
            let (first, last) = (part.clone(), manifest.clone());
            for (number, digest, bytes) in [(0, None, first), (1, Some(digest), last)] {
                let (correlation, request) = host.next().await;
                let part =
                    StoreRequest::SnapshotPut { seq: 9, part: number, manifest: digest, bytes };
                assert_eq!(request, part);
                let complete = digest.is_some();
                host.answer(correlation, &StoreResponse::SnapshotTaken { complete }).await;
            }
            let (correlation, _) = host.next().await;
            host.answer(correlation, &StoreResponse::Snapshots(vec![info])).await;
            for (number, bytes) in [(0, part), (1, manifest)] {
                let (correlation, request) = host.next().await;
                assert_eq!(request, StoreRequest::SnapshotRead { seq: 9, part: number });
                host.answer(correlation, &StoreResponse::SnapshotPart { bytes }).await;
            }
        },
    )
    .await;
}

#[tokio::test]
async fn snapshots_of_another_size_than_stated_are_garbage() {
    let info = SnapshotInfo { seq: 9, digest: Bytes32([1; 32]), parts: 2, bytes: 5 };
    let answer = StoreResponse::Snapshots(vec![info]);
    let got = one(|log| async move { log.snapshots().await }, answer).await;
    assert_eq!(got, Err(Garbage::WrongSize.into()));
    let info = SnapshotInfo { parts: 1, ..info };
    for size in [0, 4, 6] {
        let answer = StoreResponse::SnapshotPart { bytes: vec![0; size] };
        let got = one(move |log| async move { log.snapshot_read(info, 0).await }, answer).await;
        assert_eq!(got, Err(Garbage::WrongSize.into()), "{size} bytes");
    }
    let digest = Bytes32([1; 32]);
    for (manifest, size, complete) in [(Some(digest), 5, false), (None, SNAPSHOT_PART_BYTES, true)]
    {
        let answer = StoreResponse::SnapshotTaken { complete };
        let put = move |log: RemoteLog| async move {
            log.snapshot_put(9, 0, manifest, vec![0; size]).await
        };
        assert_eq!(one(put, answer).await, Err(Garbage::WrongSize.into()));
    }
    let put = |log: RemoteLog| async move {
        let short = log.snapshot_put(9, 0, None, vec![0; 5]).await;
        assert_eq!(short, Err(StoreError::TooLarge { bytes: 5 }));
        log.snapshot_put(9, 0, Some(digest), vec![0; 5]).await
    };
    let answer = StoreResponse::SnapshotTaken { complete: true };
    assert_eq!(one(put, answer).await, Ok(true));
}

#[tokio::test]
async fn blobs_over_their_bound_pass_in_neither_direction() {
    use mortise_format::limits::BLOB_BYTES_MAX;
    let answer = StoreResponse::Blob { bytes: Some(vec![0; BLOB_BYTES_MAX + 1]) };
    let got = one(|log| async move { log.blob_get("keys").await }, answer).await;
    assert_eq!(got, Err(Garbage::TooMuch.into()));
    let put = |log: RemoteLog| async move {
        let refused = log.blob_put("keys", vec![0; BLOB_BYTES_MAX + 1]).await;
        assert_eq!(refused, Err(StoreError::TooLarge { bytes: BLOB_BYTES_MAX + 1 }));
        log.blob_put("keys", vec![0; BLOB_BYTES_MAX]).await
    };
    assert_eq!(one(put, StoreResponse::BlobKept).await, Ok(()));
}
