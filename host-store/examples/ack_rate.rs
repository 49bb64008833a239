//! How many frames a second a host acknowledges over its socket, one at a time and pipelined.
//!
//! Expected of a frame of 64 KiB: one copy into the socket and one out, two BLAKE3 passes, one copy
//! into the group, its share of one `fdatasync`.
//!
//! ```sh
//! mortise-host run --data-dir DIR/data --listen-store unix:DIR/s --engine unix:DIR/e &
//! cargo run --release -p mortise-host --example ack_rate -- unix:DIR/s
//! ```

use mortise_format::codec;
use mortise_format::frame::{
    FRAME_VERSION, Frame, FrameHeader, FrameKind, FrameLeaf, cipher_digest, clear_digest,
};
use mortise_format::ids::{Bytes32, EngineId, FrameDigest, PolicyHash, Root};
use mortise_format::limits::STORE_MESSAGE_BYTES_MAX;
use mortise_format::rules::RuleSet;
use mortise_format::store::{LogHead, StoreRequest, StoreResponse};
use mortise_transport::{Address, MessageReader, MessageWriter, STORE_MAGIC, Stream, connect};
use std::collections::VecDeque;
use std::error::Error;
use std::time::{Duration, Instant};
use tokio::io::{ReadHalf, WriteHalf};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ROUNDS: usize = 5;

fn frame(head: &LogHead, bytes: usize) -> Result<Frame> {
    let cipher = vec![head.next_seq as u8; bytes];
    let first = head.next_seq == 0;
    let header = FrameHeader {
        version: FRAME_VERSION,
        rules: RuleSet::NEWEST,
        kind: FrameHeader::kind_byte(if first { FrameKind::Boot } else { FrameKind::Events }),
        engine_id: EngineId([7; 32]),
        epoch: 1,
        seq: head.next_seq,
        time_ms: 1_700_000_000_000,
        previous: head.digest,
        event_count: 1,
        event_root: Root([1; 32]),
        state_root: Root([2; 32]),
        policy_hash: PolicyHash([3; 32]),
        clear_bytes: 0,
        cipher_bytes: u32::try_from(bytes)?,
    };
    let (clear_digest, cipher_digest) = (clear_digest(&[]), cipher_digest(&cipher));
    let leaf = FrameLeaf { header, clear_digest, cipher_digest, mac: Bytes32([5; 32]) };
    Ok(Frame::new(leaf, vec![], cipher)?)
}

struct Client {
    reader: MessageReader<ReadHalf<Stream>>,
    writer: MessageWriter<WriteHalf<Stream>>,
    head: LogHead,
}

impl Client {
    async fn new(address: &Address) -> Result<Self> {
        let (read, write) = tokio::io::split(connect(address).await?);
        let reader = MessageReader::new(read, STORE_MESSAGE_BYTES_MAX);
        let mut writer = MessageWriter::new(write, STORE_MESSAGE_BYTES_MAX);
        writer.queue_magic(STORE_MAGIC);
        let mut client = Self { reader, writer, head: LogHead::EMPTY };
        client.writer.queue(0, &codec::encode(&StoreRequest::Head))?;
        client.writer.flush().await?;
        match client.answer().await? {
            StoreResponse::Head(head) => client.head = head,
            other => return Err(format!("{other:?}").into()),
        }
        Ok(client)
    }

    async fn answer(&mut self) -> Result<StoreResponse> {
        let message = self.reader.read().await?.ok_or("the host closed")?;
        Ok(codec::decode(&message.payload)?)
    }

    /// Appends prepared frames with so many under way, and gives the time of each.
    async fn append(
        &mut self,
        frames: &[(FrameDigest, Vec<u8>)],
        depth: usize,
    ) -> Result<Vec<Duration>> {
        let mut times = Vec::with_capacity(frames.len());
        let mut sent = VecDeque::new();
        let mut next = frames.iter();
        while times.len() < frames.len() {
            while sent.len() < depth
                && let Some((digest, payload)) = next.next()
            {
                self.writer.queue(1, payload)?;
                sent.push_back((Instant::now(), *digest));
            }
            self.writer.flush().await?;
            let answer = self.answer().await?;
            let (start, expected) = sent.pop_front().ok_or("an answer too many")?;
            match answer {
                StoreResponse::Acked { digest, .. } if digest == expected => {}
                other => return Err(format!("{other:?}").into()),
            }
            times.push(start.elapsed());
        }
        Ok(times)
    }

    fn prepare(&mut self, count: usize, bytes: usize) -> Result<Vec<(FrameDigest, Vec<u8>)>> {
        let mut frames = Vec::with_capacity(count);
        for _ in 0..count {
            let frame = frame(&self.head, bytes)?;
            let digest = frame.digest();
            self.head = LogHead { next_seq: self.head.next_seq + 1, digest };
            let request = StoreRequest::Append { frame: frame.encode() };
            frames.push((digest, codec::encode(&request)));
        }
        Ok(frames)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let address = std::env::args().nth(1).ok_or("usage: ack_rate ADDR [IN_FLIGHT_MAX]")?;
    let address: Address = address.parse()?;
    let depth_max = std::env::args().nth(2).map_or(Ok(usize::MAX), |text| text.parse())?;
    let mut client = Client::new(&address).await?;
    for (bytes, depth) in [(700, 1), (65_000, 1), (65_000, 8), (65_000, 32), (700, 32)] {
        if depth > depth_max {
            continue;
        }
        let count = if depth == 1 { 512 } else { 1024 };
        let mut rates = Vec::new();
        let mut all = Vec::new();
        for _ in 0..ROUNDS {
            let frames = client.prepare(count, bytes)?;
            let start = Instant::now();
            all.extend(client.append(&frames, depth).await?);
            rates.push(count as f64 / start.elapsed().as_secs_f64());
        }
        rates.sort_by(f64::total_cmp);
        all.sort();
        println!(
            "host::append/frame={bytes} in-flight={depth:2} {:7.0} frames/s p50={:?} p99={:?}",
            rates[ROUNDS / 2],
            all[all.len() / 2],
            all[all.len() * 99 / 100],
        );
    }
    Ok(())
}
