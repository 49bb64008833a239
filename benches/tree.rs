//! State tree, history and event tree. `cargo bench -p mortise-benches --bench tree`
//!
//! Orders of magnitude, one core, written before measuring:
//!
//! | operation | work | expected |
//! |---|---|---|
//! | update, 10^4 keys | per leaf: 6 to 8 hashes of 10 ns, all in cache | 4 M/s |
//! | update, 10^6 keys | per leaf: 18 hashes of 10 ns, 23 cache misses | 2 M/s |
//! | replace, 10^6 keys | the same path walked twice, and a change of shape | 1 M/s |
//! | prove, 10^6 keys | 21 nodes in sequence, two cache misses each | 3 us |
//! | verify, 10^6 keys | 22 hashes of 85 ns, one at a time | 2 us |
//! | history append | 2 hashes of SHA-256 on average | 150 ns |
//! | event root, 8192 events | 8191 hashes of 85 ns, and the allocations of rs_merkle | 2 ms |

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use mortise_core::event_tree;
use mortise_core::history::{self, Frontier};
use mortise_core::tree::{StateTree, TreeKey, ValueHash};
use mortise_format::domains::sha256;
use std::fmt;

/// Changes in a batch.
const BATCH: usize = 1024;

/// Number of keys in the measured tree.
#[derive(Clone, Copy)]
struct Keys(u64);

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keys={}", self.0)
    }
}

const SIZES: [Keys; 3] = [Keys(10_000), Keys(100_000), Keys(1_000_000)];

type Change = (TreeKey, Option<ValueHash>);

fn main() {
    for keys in SIZES {
        let bytes = tree_of(keys).memory_bytes();
        println!("memory, {keys}: {} bytes per leaf", u64::try_from(bytes).unwrap_or(0) / keys.0);
    }
    divan::main();
}

fn position(n: u64) -> TreeKey {
    TreeKey(sha256(&[&n.to_le_bytes()]))
}

fn value(n: u64) -> ValueHash {
    ValueHash(sha256(&[b"value", &n.to_le_bytes()]))
}

/// A tree that grew in random order, which is the worst memory layout.
fn tree_of(keys: Keys) -> StateTree {
    let mut tree = StateTree::new();
    let leaves: Vec<Change> = (0..keys.0).map(|n| (position(n), Some(value(n)))).collect();
    leaves.chunks(BATCH).for_each(|batch| tree.update(batch));
    tree
}

/// Numbers below `keys` in pseudo-random order, the same in every run.
struct Picks {
    state: u64,
    keys: u64,
}

impl Picks {
    fn new(keys: Keys) -> Self {
        Self { state: 0x9e37_79b9_7f4a_7c15, keys: keys.0 }
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % self.keys
    }
}

/// New values for random present keys.
#[divan::bench(args = SIZES, sample_count = 200, sample_size = 1)]
fn update(bencher: Bencher<'_, '_>, keys: Keys) {
    let (mut tree, mut picks) = (tree_of(keys), Picks::new(keys));
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| -> Vec<Change> {
            (0..BATCH).map(|_| picks.next()).map(|n| (position(n), Some(value(n + 1)))).collect()
        })
        .bench_local_refs(|batch| tree.update(batch));
}

/// Half of the batch removes the oldest keys, the other half adds new ones.
#[divan::bench(args = SIZES, sample_count = 200, sample_size = 1)]
fn replace(bencher: Bencher<'_, '_>, keys: Keys) {
    let (mut tree, mut oldest) = (tree_of(keys), 0);
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| -> Vec<Change> {
            let ages = oldest..oldest + 512;
            oldest = ages.end;
            let changes =
                ages.map(|n| [(position(n), None), (position(n + keys.0), Some(value(n)))]);
            changes.flatten().collect()
        })
        .bench_local_refs(|batch| tree.update(batch));
}

/// All leaves at once, from a snapshot.
#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn from_sorted(bencher: Bencher<'_, '_>, keys: Keys) {
    let leaves: Vec<_> = tree_of(keys).leaves().collect();
    bencher
        .counter(ItemsCount::new(leaves.len()))
        .bench_local(|| StateTree::from_sorted(leaves.iter().copied()).unwrap());
}

#[divan::bench(args = SIZES, sample_count = 100, sample_size = 100)]
fn prove(bencher: Bencher<'_, '_>, keys: Keys) {
    let (tree, mut picks) = (tree_of(keys), Picks::new(keys));
    bencher
        .with_inputs(|| position(picks.next()))
        .bench_local_refs(|position| tree.prove(black_box(position)));
}

#[divan::bench(args = SIZES, sample_count = 100, sample_size = 100)]
fn verify_present(bencher: Bencher<'_, '_>, keys: Keys) {
    let tree = tree_of(keys);
    let (root, position) = (tree.root(), position(7));
    let (proof, value) = (tree.prove(&position), value(7));
    bencher.bench_local(|| proof.verify_present(black_box(&root), &position, &value).unwrap());
}

#[divan::bench(args = SIZES, sample_count = 100, sample_size = 100)]
fn verify_absent(bencher: Bencher<'_, '_>, keys: Keys) {
    let tree = tree_of(keys);
    let (root, position) = (tree.root(), position(keys.0 + 7));
    let proof = tree.prove(&position);
    bencher.bench_local(|| proof.verify_absent(black_box(&root), &position).unwrap());
}

#[divan::bench(sample_count = 100, sample_size = 1000)]
fn history_append(bencher: Bencher<'_, '_>) {
    let (mut frontier, leaf) = (Frontier::new(), history::leaf_hash(b"frame"));
    bencher.bench_local(|| frontier.append(black_box(leaf)));
}

#[divan::bench(args = [256u64, 8192], sample_count = 20, sample_size = 1)]
fn event_root(bencher: Bencher<'_, '_>, events: u64) {
    let leaves: Vec<_> = (0..events).map(|n| sha256(&[&n.to_le_bytes()])).collect();
    bencher
        .counter(ItemsCount::new(leaves.len()))
        .bench_local(|| event_tree::root(black_box(&leaves)));
}
