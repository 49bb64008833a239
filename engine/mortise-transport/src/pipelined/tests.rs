//! The client against a peer that does as each test says.

use super::*;
use crate::message::{HEADER_BYTES, REQUEST_MAGIC};
use std::task::Waker;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

const MAX: usize = 1000;

fn options(in_flight_max: usize, unasked: Unasked) -> PipelinedOptions {
    let (request_bytes_max, answer_bytes_max) = (MAX, MAX);
    PipelinedOptions {
        magic: REQUEST_MAGIC,
        request_bytes_max,
        answer_bytes_max,
        in_flight_max,
        unasked,
    }
}

/// The other end of the connection.
struct Peer {
    reader: MessageReader<ReadHalf<DuplexStream>>,
    writer: MessageWriter<WriteHalf<DuplexStream>>,
}

impl Peer {
    fn new(stream: DuplexStream) -> Self {
        let (read, write) = tokio::io::split(stream);
        let (reader, writer) = (MessageReader::new(read, MAX), MessageWriter::new(write, 2 * MAX));
        Self { reader, writer }
    }

    async fn start(&mut self) {
        self.reader.expect_magic(REQUEST_MAGIC).await.unwrap();
    }

    async fn next(&mut self) -> (u64, Bytes) {
        let message = self.reader.read().await.unwrap().unwrap();
        (message.correlation, message.payload)
    }

    async fn answer(&mut self, number: u64, payload: &[u8]) {
        self.writer.queue(number, payload).unwrap();
        self.writer.flush().await.unwrap();
    }
}

fn pair(options: PipelinedOptions) -> (PipelinedClient, Peer) {
    let (near, far) = duplex(64 * 1024);
    (PipelinedClient::new(near, options), Peer::new(far))
}

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn requests_leave_in_the_order_of_calls_and_answers_come_in_any() {
    let (client, mut peer) = pair(options(8, Unasked::End));
    let (first, second) = (client.call(text("a")).unwrap(), client.clone().call(text("b")));
    peer.start().await;
    assert_eq!(peer.next().await, (0, text("a")));
    assert_eq!(peer.next().await, (1, text("b")));
    peer.answer(1, b"to b").await;
    peer.answer(0, b"to a").await;
    assert_eq!(first.await, Ok(text("to a")));
    assert_eq!(second.unwrap().await, Ok(text("to b")));
}

#[tokio::test]
async fn unasked_answer_is_dropped_or_ends_the_connection() {
    for unasked in [Unasked::Ignore, Unasked::End] {
        let (client, mut peer) = pair(options(8, unasked));
        let asked = client.call(text("a")).unwrap();
        peer.answer(7, b"stray").await;
        match unasked {
            Unasked::Ignore => {
                peer.answer(0, b"right").await;
                assert_eq!(asked.await, Ok(text("right")));
                // answered twice: the second one is asked for by no one
                peer.answer(0, b"again").await;
                let next = client.call(text("b")).unwrap();
                peer.answer(1, b"next").await;
                assert_eq!(next.await, Ok(text("next")));
            }
            Unasked::End => {
                assert_eq!(asked.await, Err(NoAnswer::Unasked));
                assert!(client.is_closed());
                assert_eq!(client.call(text("b")).err(), Some(NotSent::Disconnected));
            }
        }
    }
}

#[tokio::test]
async fn peer_that_closes_loses_every_open_request_and_closes_the_client() {
    let (client, mut peer) = pair(options(8, Unasked::Ignore));
    let asked = [text("a"), text("b")].map(|request| client.call(request).unwrap());
    peer.start().await;
    peer.next().await;
    drop(peer);
    for answer in asked {
        assert_eq!(answer.await, Err(NoAnswer::Lost));
    }
    assert!(client.is_closed());
    assert_eq!(client.call(text("c")).err(), Some(NotSent::Disconnected));
    assert_eq!(client.call_when_room(text("c")).await.err(), Some(NotSent::Disconnected));
}

#[tokio::test]
async fn half_an_answer_is_a_lost_peer_and_an_oversized_one_a_framing_error() {
    let header = |length: u32| [&length.to_le_bytes()[..], &[0; 8]].concat();
    let cases = [
        ([&header(9)[..], b"half"].concat(), NoAnswer::Lost),
        (header(9)[..5].to_vec(), NoAnswer::Lost),
        (header(MAX as u32 + 1), NoAnswer::Framing),
    ];
    for (bytes, reason) in cases {
        let (near, mut far) = duplex(64 * 1024);
        let client = PipelinedClient::new(near, options(8, Unasked::Ignore));
        let asked = client.call(text("a")).unwrap();
        far.write_all(&bytes).await.unwrap();
        far.shutdown().await.unwrap();
        assert_eq!(asked.await, Err(reason));
    }
}

#[tokio::test]
async fn answer_that_does_not_decode_ends_every_open_request() {
    let (near, far) = duplex(64 * 1024);
    let decode = |bytes: Bytes| if bytes.is_empty() { Err("empty") } else { Ok(bytes.len()) };
    let client = PipelinedClient::decoding(near, options(8, Unasked::End), decode);
    let mut peer = Peer::new(far);
    let asked = ["a", "b", "c"].map(|request| client.call(text(request)).unwrap());
    peer.answer(2, b"four").await;
    peer.answer(0, b"").await;
    let [a, b, c] = asked;
    assert_eq!(c.await, Ok(4));
    assert_eq!(a.await, Err(NoAnswer::Undecodable("empty")));
    assert_eq!(b.await, Err(NoAnswer::Undecodable("empty")));
}

#[tokio::test]
async fn full_client_rejects_or_waits_and_the_two_have_separate_bounds() {
    let (client, mut peer) = pair(options(1, Unasked::End));
    let first = client.call(text("a")).unwrap();
    assert_eq!(client.call(text("refused")).err(), Some(NotSent::Full { max: 1 }));
    let second = client.call_when_room(text("b")).await.unwrap();
    let waiting = client.call_when_room(text("c"));
    tokio::pin!(waiting);
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    peer.start().await;
    assert_eq!(peer.next().await, (0, text("a")));
    assert_eq!(peer.next().await, (1, text("b")));
    peer.answer(1, b"to b").await;
    assert_eq!(second.await, Ok(text("to b")));
    let third = waiting.await.unwrap();
    assert_eq!(peer.next().await, (2, text("c")), "what was refused left no trace");
    peer.answer(0, b"to a").await;
    peer.answer(2, b"to c").await;
    assert_eq!((first.await, third.await), (Ok(text("to a")), Ok(text("to c"))));
    assert!(client.call(text("d")).is_ok());
}

#[tokio::test]
async fn call_with_room_is_queued_before_it_is_awaited() {
    let (client, mut peer) = pair(options(1, Unasked::End));
    let waiting = client.call_when_room(text("a"));
    let _second = client.call(text("b")).unwrap();
    peer.start().await;
    assert_eq!(peer.next().await, (0, text("a")));
    assert_eq!(peer.next().await, (1, text("b")));
    drop(waiting);
}

#[tokio::test]
async fn caller_that_waits_for_room_gets_an_error_when_the_connection_ends() {
    let (client, peer) = pair(options(1, Unasked::Ignore));
    let _held = client.call_when_room(text("a")).await.unwrap();
    let waiting = client.call_when_room(text("b"));
    let (waited, ()) = tokio::join!(waiting, async { drop(peer) });
    assert_eq!(waited.err(), Some(NotSent::Disconnected));
}

#[tokio::test]
async fn dropped_answer_gives_its_room_back_only_where_late_answers_are_ignored() {
    let (client, mut peer) = pair(options(1, Unasked::Ignore));
    drop(client.call_when_room(text("a")).await.unwrap());
    peer.start().await;
    assert_eq!(peer.next().await, (0, text("a")), "it is sent all the same");
    let next = client.call_when_room(text("b")).await.unwrap();
    peer.answer(0, b"late").await;
    peer.answer(1, b"to b").await;
    assert_eq!(next.await, Ok(text("to b")));

    let (client, mut peer) = pair(options(1, Unasked::End));
    drop(client.call(text("a")).unwrap());
    peer.start().await;
    assert_eq!(peer.next().await, (0, text("a")));
    assert_eq!(client.call(text("b")).err(), Some(NotSent::Full { max: 1 }));
    peer.answer(0, b"late").await;
    until(|| client.shared.room.available_permits() == 1).await;
    let next = client.call(text("b")).unwrap();
    peer.answer(1, b"to b").await;
    assert_eq!(next.await, Ok(text("to b")), "a late answer is not an unasked one");
}

#[tokio::test]
async fn requests_of_callers_that_gave_up_are_bounded_while_the_peer_reads_nothing() {
    // So small a pipe that the writer is stuck inside the first message.
    let (near, _far) = duplex(8);
    let client = PipelinedClient::new(near, options(3, Unasked::Ignore));
    drop(client.call(Bytes::from(vec![0; MAX])).unwrap());
    until(|| client.shared.room.available_permits() == 3).await;
    for _ in 0..3 {
        drop(client.call(text("queued")).unwrap());
    }
    assert_eq!(client.call(text("one more")).err(), Some(NotSent::Full { max: 3 }));
}

#[tokio::test]
async fn oversized_request_is_refused_and_the_connection_goes_on() {
    let (client, mut peer) = pair(options(1, Unasked::End));
    let oversized = NotSent::Oversized { found: MAX + 1, max: MAX };
    let big = Bytes::from(vec![0; MAX + 1]);
    assert_eq!(client.call(big.clone()).err(), Some(oversized));
    assert_eq!(client.call_when_room(big).await.err(), Some(oversized));
    let largest = client.call(Bytes::from(vec![0; MAX])).unwrap();
    peer.answer(0, b"taken").await;
    assert_eq!(largest.await, Ok(text("taken")));
}

#[tokio::test]
async fn half_written_request_is_lost_and_earlier_ones_are_still_answered() {
    // The peer reads the first request and a part of the second, then stops reading for good.
    let (requests, mut requested) = duplex(MAX / 2);
    let (mut answers, answered) = duplex(MAX);
    let client =
        PipelinedClient::new(tokio::io::join(answered, requests), options(8, Unasked::Ignore));
    let whole = client.call(text("whole")).unwrap();
    let mut first = [0; 4 + HEADER_BYTES + 5];
    requested.read_exact(&mut first).await.unwrap();
    let half = client.call(Bytes::from(vec![0; MAX])).unwrap();
    let behind = client.call(text("behind")).unwrap();
    requested.read_exact(&mut [0; 100]).await.unwrap();
    drop(requested);
    assert_eq!(half.await, Err(NoAnswer::Lost));
    assert_eq!(behind.await, Err(NoAnswer::Lost));
    assert_eq!(client.call(text("later")).err(), Some(NotSent::Disconnected));
    let answer = [&6u32.to_le_bytes()[..], &0u64.to_le_bytes(), b"answer"].concat();
    answers.write_all(&answer).await.unwrap();
    assert_eq!(whole.await, Ok(text("answer")));
}

#[tokio::test]
async fn last_handle_and_answer_write_what_is_queued_and_close_the_stream() {
    let (client, mut peer) = pair(options(8, Unasked::End));
    let asked = client.call(text("a")).unwrap();
    drop(client.call(text("b")).unwrap());
    drop(client);
    peer.start().await;
    peer.next().await;
    peer.answer(0, b"to a").await;
    assert_eq!(asked.await, Ok(text("to a")), "an open answer keeps the connection");
    assert_eq!(peer.next().await, (1, text("b")));
    assert!(peer.reader.read().await.unwrap().is_none(), "the client left");
}

#[test]
fn a_runtime_that_shuts_down_ends_the_connection() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (client, answer, _peer) = runtime.block_on(async {
        let (client, mut peer) = pair(options(2, Unasked::Ignore));
        let answer = client.call(text("a")).unwrap();
        peer.start().await;
        peer.next().await;
        (client, answer, peer)
    });
    assert!(!client.is_closed());
    drop(runtime);
    assert!(client.is_closed());
    assert_eq!(client.call(text("b")).unwrap_err(), NotSent::Disconnected);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(answer), Err(NoAnswer::Lost));
}
