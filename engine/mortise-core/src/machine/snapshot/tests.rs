//! A snapshot is the machine at its begin, whatever happens meanwhile; anything else is refused by
//! name.

use super::*;
use crate::body::ClearBody;
use crate::keys::{EpochKeys, LogKeys};
use crate::machine::{Machine, OpenFrame};
use alloc::sync::Arc;
use alloc::vec;
use mortise_format::U256;
use mortise_format::asset::{Asset, AssetType, Condition, TokenId};
use mortise_format::event::{Authority, Content, Event, GrantedLock, RequestKey};
use mortise_format::ids::{Address, EngineId, LockId, RequestId, Signature};
use mortise_format::lock::{Custody, LegTerms, LockTerms};
use mortise_format::policy::{AssetLimits, ChainCustody, ChainPolicy, Policy};
use mortise_format::rules::RuleSet;
use mortise_format::secret::Secret;
use proptest::prelude::*;

const ENGINE: EngineId = EngineId([1; 32]);
const START_S: u64 = 1_800_000_000;
/// Owners of the locks, each with one account.
const OWNERS: u64 = 200;
/// Bytes of the call data in each lock: a few hundred locks fill several parts.
const DATA_BYTES: usize = 4000;

fn log_keys() -> LogKeys {
    LogKeys::new(Secret::new([2; 32]), &ENGINE)
}

fn keys() -> EpochKeys {
    log_keys().epoch(&Secret::new([3; 32]), &ENGINE, 1)
}

fn policy() -> Policy {
    let most = U256::MAX;
    Policy {
        concurrent_max: u32::MAX,
        settlement_buffer_s: 10,
        default_limits: AssetLimits { single_max: most, account_max: most, asset_max: most },
        chains: vec![ChainPolicy { chain_id: 1, custody: ChainCustody::Open, claim_window_s: 60 }],
        ..crate::state::testing::policy()
    }
}

fn coin() -> Asset {
    let (token, token_id) = (Address([0; 20]), TokenId(Bytes32::ZERO.0));
    Asset { chain_id: 1, asset_type: AssetType::Native, token, token_id }
}

fn number(bytes: &mut [u8], n: u64) {
    bytes[..8].copy_from_slice(&n.to_le_bytes());
}

fn lock_id(n: u64) -> LockId {
    let mut id = LockId([7; 32]);
    number(&mut id.0, n);
    id
}

/// The grant of lock `n`, which ends after 100 to 160 seconds, and its request.
fn grant(n: u64, now_s: u64) -> Event {
    let mut owner = Address([5; 20]);
    number(&mut owner.0, n % OWNERS);
    let expires = now_s + 100 + n % 60;
    let terms = LockTerms {
        owner,
        beneficiary: Address([0; 20]),
        arbiter: Address([9; 20]),
        nonce: n / OWNERS,
        expires,
        condition: Condition {
            target_chain_id: 1,
            target_asset: coin(),
            target_amount: U256::from(n),
            recipient: Address([8; 20]),
            execution_data: Some(vec![u8::MAX; DATA_BYTES]),
        },
        legs: vec![LegTerms { asset: coin(), amount: U256::from(n + 1) }],
    };
    let lock = GrantedLock {
        lock_id: lock_id(n),
        terms: Arc::new(terms),
        authority: Authority::Approval,
        signature: Signature([4; 65]),
        claim_by: expires + 60,
        settle_by: expires + 70,
        custody: Custody::Open,
    };
    let mut id = RequestId([6; 32]);
    number(&mut id.0, n);
    let content = Content { digest: Bytes32::ZERO, tags: [0; 8] };
    let request = RequestKey { principal: owner, id, valid_until: now_s + 50 + n % 7, content };
    let request_keys: Arc<[RequestKey]> = [request].into();
    Event::LocksGranted { locks: vec![lock], batch: Bytes32::ZERO, request_keys }
}

/// A machine in its first epoch.
fn machine(rules: RuleSet) -> Machine {
    let mut machine = Machine::new(ENGINE, policy(), &log_keys(), 3);
    let frame = machine.open_boot(1, rules, START_S * 1000, "0.1.0").unwrap();
    close(&mut machine, frame);
    machine
}

fn close(machine: &mut Machine, frame: OpenFrame) {
    machine.close(frame, &keys(), &ClearBody::default()).unwrap();
}

/// A frame of grants `from` to `to`, with what is due.
fn frame(machine: &mut Machine, now_s: u64, from: u64, to: u64) {
    let mut open = machine.open(now_s * 1000).unwrap();
    for n in from..to {
        machine.log(&mut open, &grant(n, now_s)).unwrap();
    }
    close(machine, open);
}

/// A whole snapshot as a store keeps it: its parts, the manifest last.
fn finished(machine: &mut Machine) -> Vec<Vec<u8>> {
    let sealer = SnapshotKeys::new(ENGINE, machine.snapshot().unwrap().next_seq(), &log_keys());
    while !machine.snapshot().unwrap().is_whole() {
        machine.encode_snapshot(usize::MAX, usize::MAX);
    }
    let (mut parts, mut digests) = (Vec::new(), Vec::new());
    while let Some(plain) = machine.take_snapshot_part() {
        let part = u32::try_from(parts.len()).unwrap();
        let sealed = sealer.seal_part(part, plain).unwrap();
        digests.push(sealed.digest);
        parts.push(sealed.bytes);
    }
    let manifest = machine.finish_snapshot(digests).unwrap();
    parts.push(sealer.seal_manifest(manifest).unwrap().bytes);
    parts
}

fn snapshot(machine: &mut Machine) -> Vec<Vec<u8>> {
    machine.begin_snapshot();
    finished(machine)
}

fn loaded(next_seq: u64, parts: &[Vec<u8>]) -> Result<Machine, SnapshotError> {
    let (manifest, parts) = parts.split_last().unwrap();
    let listed = u32::try_from(parts.len() + 1).unwrap();
    let keys = log_keys();
    let mut load = SnapshotLoad::begin(&ENGINE, next_seq, listed, manifest.clone(), &keys, 11)?;
    parts.iter().try_for_each(|part| load.part(part.clone()))?;
    load.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Goal: the machine of a snapshot is the one at its begin, and goes on with equal roots.
    /// Method: frames of grants, expiries, settlements and prunings, with slices in between.
    #[test]
    fn snapshot_is_the_machine_at_its_begin_whatever_is_decided_meanwhile(
        before in prop::collection::vec((1u64..60, 0u64..90), 1..12),
        meanwhile in prop::collection::vec((1u64..60, 0u64..90, 0usize..200), 0..12),
    ) {
        let mut live = machine(RuleSet::OLDEST);
        let (mut now_s, mut n) = (START_S, 0);
        for (grants, seconds) in before {
            now_s += seconds;
            frame(&mut live, now_s, n, n + grants);
            n += grants;
        }
        let (next_seq, root) = (live.head().next_seq, live.state_root());
        let (at_begin, n_at_begin, s_at_begin) = (live.state().snapshot(), n, now_s);
        live.begin_snapshot();
        for (grants, seconds, values) in &meanwhile {
            now_s += seconds;
            frame(&mut live, now_s, n, n + grants);
            n += grants;
            live.gather_snapshot();
            live.encode_snapshot(*values, usize::MAX);
        }
        let parts = finished(&mut live);
        let mut again = loaded(next_seq, &parts).unwrap();
        prop_assert_eq!(again.state().snapshot(), at_begin);
        prop_assert_eq!(again.state_root(), root);
        prop_assert_eq!(again.state().check(), Ok(()));
        let (mut now, mut from) = (s_at_begin, n_at_begin);
        for (grants, seconds, _) in meanwhile {
            now += seconds;
            frame(&mut again, now, from, from + grants);
            from += grants;
        }
        prop_assert_eq!(again.state_root(), live.state_root());
        // Histories differ: what is due at once is logged in the order of timers.
        prop_assert_eq!(again.state().snapshot(), live.state().snapshot());
        frame(&mut live, now_s + 1000, n, n + 1);
        frame(&mut again, now_s + 1000, n, n + 1);
        prop_assert_eq!(again.state_root(), live.state_root());
    }
}

#[test]
fn writer_encodes_a_bounded_number_of_values_in_a_slice() {
    let mut live = machine(RuleSet::OLDEST);
    for round in 0..10 {
        frame(&mut live, START_S, round * 100, round * 100 + 100);
    }
    live.begin_snapshot();
    let (mut values, mut slices) = (0, 0);
    while !live.snapshot().unwrap().is_whole() {
        let step = live.encode_snapshot(100, usize::MAX);
        // A bound is met within one chunk of 64 values.
        assert!(step.values < 100 + 64, "{step:?}");
        (values, slices) = (values + step.values, slices + 1);
    }
    // 1000 locks and requests, 200 owners and accounts, one total.
    assert_eq!(values, 2401);
    assert!(slices >= 2401 / 164, "{slices} slices");
    let step = live.encode_snapshot(100, usize::MAX);
    assert_eq!(step, SnapshotStep::default(), "nothing is left");
    live.begin_snapshot();
    let chunk_bytes = 64 * (DATA_BYTES + 1000);
    let step = live.encode_snapshot(usize::MAX, 1);
    assert!(step.values <= 64 && step.bytes <= chunk_bytes, "{step:?}");
}

#[test]
fn part_that_is_cut_changed_missing_repeated_or_of_another_snapshot_is_refused_by_name() {
    let mut live = machine(RuleSet::OLDEST);
    for round in 0..8 {
        frame(&mut live, START_S, round * 100, round * 100 + 100);
    }
    let (next_seq, parts) = (live.head().next_seq, snapshot(&mut live));
    assert!(parts.len() > 3, "{} parts", parts.len());
    assert!(loaded(next_seq, &parts).is_ok());
    let wrong = |part| SnapshotError::WrongPart { part };
    let changed = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut parts = parts.clone();
        change(&mut parts);
        loaded(next_seq, &parts).unwrap_err()
    };
    let named = u64::try_from(parts.len()).unwrap();
    let listed = named - 1;
    let missing = SnapshotError::PartCount { named, listed };
    assert_eq!(changed(&|parts| drop(parts.remove(1))), missing);
    let listed = named + 1;
    let repeated = SnapshotError::PartCount { named, listed };
    assert_eq!(changed(&|parts| parts.insert(1, parts[0].clone())), repeated);
    assert_eq!(changed(&|parts| parts[1] = parts[0].clone()), wrong(1));
    assert_eq!(changed(&|parts| parts.swap(0, 1)), wrong(0));
    assert_eq!(changed(&|parts| parts[2].truncate(100)), wrong(2));
    assert_eq!(changed(&|parts| parts[2].clear()), wrong(2));
    assert_eq!(changed(&|parts| parts[0][77] ^= 1), wrong(0));
    // The manifest.
    let last = parts.len() - 1;
    assert_eq!(changed(&|parts| parts[last].clear()), SnapshotError::Layout);
    assert_eq!(changed(&|parts| parts[last][4] ^= 1), SnapshotError::Layout);
    assert_eq!(changed(&|parts| parts[last][5] ^= 1), SnapshotError::Cipher);
    assert_eq!(changed(&|parts| parts[last].truncate(100)), SnapshotError::Cipher);
    let part = parts[0].clone();
    assert_eq!(changed(&|parts| parts[last] = part.clone()), SnapshotError::Layout);
    // Another snapshot of the same machine, one frame later, and one of the same frame.
    assert_eq!(loaded(next_seq + 1, &parts).unwrap_err(), SnapshotError::Cipher);
    frame(&mut live, START_S, 800, 801);
    let later = snapshot(&mut live);
    assert_eq!(changed(&|parts| parts[0] = later[0].clone()), wrong(0));
    assert_eq!(changed(&|parts| parts[last] = later[last].clone()), SnapshotError::Cipher);
    assert!(loaded(next_seq + 1, &later).is_ok());
}

#[test]
fn load_that_did_not_get_every_part_is_incomplete() {
    let mut live = machine(RuleSet::OLDEST);
    (0..8).for_each(|round| frame(&mut live, START_S, round * 100, round * 100 + 100));
    let (next_seq, parts) = (live.head().next_seq, snapshot(&mut live));
    let (manifest, parts) = parts.split_last().unwrap();
    let listed = u32::try_from(parts.len() + 1).unwrap();
    let keys = log_keys();
    let begin = || SnapshotLoad::begin(&ENGINE, next_seq, listed, manifest.clone(), &keys, 1);
    assert_eq!(begin().unwrap().finish().unwrap_err(), SnapshotError::Incomplete);
    let mut load = begin().unwrap();
    parts.iter().for_each(|part| load.part(part.clone()).unwrap());
    let more = load.part(parts[0].clone()).unwrap_err();
    assert_eq!(more, SnapshotError::WrongPart { part: listed - 1 });
}

#[test]
fn manifest_is_not_made_before_everything_is_encoded_and_taken() {
    let mut live = machine(RuleSet::OLDEST);
    (0..8).for_each(|round| frame(&mut live, START_S, round * 100, round * 100 + 100));
    live.begin_snapshot();
    assert_eq!(live.finish_snapshot(Vec::new()), Err(SnapshotError::Incomplete));
    live.begin_snapshot();
    live.encode_snapshot(usize::MAX, usize::MAX);
    assert!(live.snapshot().unwrap().is_whole());
    assert_eq!(live.finish_snapshot(Vec::new()), Err(SnapshotError::Incomplete));
}

/// The snapshot of a machine with these rules, whose head names others.
fn of_rules(in_head: RuleSet, of_state: RuleSet) -> Result<Machine, SnapshotError> {
    let mut machine = machine(of_state);
    machine.chain.head.rules = in_head;
    let parts = snapshot(&mut machine);
    loaded(1, &parts)
}

#[test]
fn snapshot_of_unknown_rules_is_not_used() {
    let (oldest, newest) = (RuleSet::OLDEST, RuleSet::NEWEST);
    let machine = of_rules(newest, newest).unwrap();
    assert_eq!((machine.head().rules, machine.state.rules()), (newest, newest));
    for found in [RuleSet(oldest.0 - 1), RuleSet(newest.0 + 1)] {
        let refused = of_rules(found, newest).unwrap_err();
        let unknown = RulesUnknown { found, newest };
        assert_eq!(refused, SnapshotError::RulesUnknown(unknown));
    }
}

#[test]
fn snapshot_of_a_log_with_many_tiles_keeps_the_whole_history() {
    let mut live = machine(RuleSet::OLDEST);
    for n in 0..600 {
        frame(&mut live, START_S + n, n, n + 1);
    }
    live.begin_snapshot();
    for n in 600..900 {
        frame(&mut live, START_S + n, n, n + 1);
    }
    let parts = finished(&mut live);
    let again = loaded(601, &parts).unwrap();
    assert_eq!((again.archive().size(), again.history().size()), (601, 601));
    assert_eq!(again.archive().newest_root(), again.history().root());
}

#[test]
fn rest_of_the_stream_that_does_not_fit_the_manifest_fills_a_part() {
    use super::seal::PART_PLAIN_BYTES;
    use super::stream::{PartWriter, StreamReader};
    let records = |parts: Vec<Vec<u8>>| {
        let (mut stream, mut sizes) = (StreamReader::default(), Vec::new());
        let mut take = |_, payload: &[u8]| {
            sizes.push(payload.len());
            Ok(())
        };
        parts.into_iter().try_for_each(|part| stream.read(part, &mut take)).unwrap();
        assert!(stream.has_ended());
        sizes
    };
    // A record over three parts, and one that ends with a part: 5 bytes are the next header.
    for (sizes, rest_max, full) in [
        (vec![2 * PART_PLAIN_BYTES + 10], PART_PLAIN_BYTES, 2),
        (vec![2 * PART_PLAIN_BYTES + 10], 19, 3),
        (vec![2 * PART_PLAIN_BYTES + 10], 20, 2),
        (vec![PART_PLAIN_BYTES - 5, 3, 4], PART_PLAIN_BYTES, 1),
        (vec![PART_PLAIN_BYTES - 6, 3], PART_PLAIN_BYTES, 1),
        (vec![PART_PLAIN_BYTES - 10], 0, 1),
        (vec![1], 100, 0),
    ] {
        let mut writer = PartWriter::default();
        sizes.iter().for_each(|size| writer.push(9, &vec![1; *size]));
        writer.end(|_| rest_max);
        let mut parts: Vec<_> = core::iter::from_fn(|| writer.take_full()).collect();
        assert_eq!(parts.len(), full, "{sizes:?}");
        assert!(parts.iter().all(|part| part.len() == PART_PLAIN_BYTES));
        parts.push(writer.take_rest());
        assert_eq!(records(parts), sizes);
    }
    let mut stream = StreamReader::default();
    let behind = stream.read(vec![0, 0, 0, 0, 0, 1], |_, _| Ok(()));
    assert_eq!(behind, Err(SnapshotError::Malformed));
}
