//! Sealing and opening frames. `cargo bench -p mortise-benches --bench seal`
//!
//! Orders of magnitude, one thread, written before measuring: AES-256-GCM-SIV reads the bytes twice
//! (2 to 3 GiB/s at 64 KiB); BLAKE3 reads them once for the digest and once to check the assembled
//! frame (3 GiB/s each). That is about 1.5 us per KiB to seal, and the same to open. A frame of
//! 64 KiB holds about 90 commits of 700 bytes: 1 us per command, 0.3 us of it the cipher.

use divan::Bencher;
use divan::counter::BytesCount;
use mortise_core::keys::{EpochKeys, LogKeys};
use mortise_core::seal;
use mortise_format::frame::{FRAME_VERSION, Frame, FrameHeader, FrameKind};
use mortise_format::ids::{EngineId, FrameDigest, PolicyHash, Root};
use mortise_format::rules::RuleSet;
use mortise_format::secret::Secret;

fn main() {
    divan::main();
}

const SIZES: [usize; 4] = [256, 16 * 1024, 64 * 1024, 256 * 1024];

fn keys() -> EpochKeys {
    let engine = EngineId([1; 32]);
    LogKeys::new(Secret::new([2; 32]), &engine).epoch(&Secret::new([3; 32]), &engine, 1)
}

fn header() -> FrameHeader {
    FrameHeader {
        version: FRAME_VERSION,
        rules: RuleSet::NEWEST,
        kind: FrameHeader::kind_byte(FrameKind::Events),
        engine_id: EngineId([1; 32]),
        epoch: 1,
        seq: 7,
        time_ms: 8,
        previous: FrameDigest([9; 32]),
        event_count: 10,
        event_root: Root([11; 32]),
        state_root: Root([12; 32]),
        policy_hash: PolicyHash([13; 32]),
        clear_bytes: 0,
        cipher_bytes: 0,
    }
}

fn sealed(bytes: usize) -> Frame {
    seal::seal(&keys(), header(), vec![0; 300], &vec![7; bytes]).expect("the frame fits")
}

#[divan::bench(args = SIZES)]
fn seal_frame(bencher: Bencher<'_, '_>, bytes: usize) {
    let (keys, plain) = (keys(), vec![7; bytes]);
    let bencher = bencher.counter(BytesCount::new(bytes));
    bencher.with_inputs(|| (header(), vec![0; 300])).bench_values(|(header, clear)| {
        seal::seal(&keys, header, clear, &plain).expect("the frame fits")
    });
}

#[divan::bench(args = SIZES)]
fn open_frame(bencher: Bencher<'_, '_>, bytes: usize) {
    let (keys, frame) = (keys(), sealed(bytes));
    let bencher = bencher.counter(BytesCount::new(bytes));
    bencher.bench(|| seal::open(&keys, divan::black_box(&frame)).expect("it is ours"));
}

#[divan::bench(args = SIZES)]
fn decode_frame(bencher: Bencher<'_, '_>, bytes: usize) {
    let encoded = sealed(bytes).encode();
    let bencher = bencher.counter(BytesCount::new(bytes));
    bencher.bench(|| Frame::decode(divan::black_box(&encoded)).expect("it is a frame"));
}
