//! Goal: after a log lost frames that witnesses cosigned, a new engine succeeds the lost one only
//! if operators and witnesses of the lost engine signed the succession. The new engine states its
//! predecessor for ever.
//!
//! Method: an engine under witnesses loses its newest frames and cannot start. The engine's own
//! genesis code gets the recovery genesis of its operators, intact and with one change each; then
//! the command runs the same over real sockets.

mod command;

use crate::trust::drawn::{in_an_enclave, verify as verify_drawn};
use mortise_engine::boot::BootError;
use mortise_engine::keyring::{IdentityError, KEYS_BLOB, SealedKeys};
use mortise_engine::pipeline::Settings;
use mortise_format::codec;
use mortise_format::genesis::{Genesis, Predecessor};
use mortise_format::ids::{Address, Bytes32, EngineId, Signature};
use mortise_format::succession::Succession;
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{request, terms};
use mortise_testkit::witness::Bench;
use mortise_verify::succession::{SuccessionError, verify};

/// Operators of the old engine; two must sign.
const OPERATORS: [Party; 3] = [Party::Operator, Party::Arbiter, Party::Beneficiary];

/// An engine that lost its newest frames, and the data that its operators still have.
struct Lost {
    driver: Driver,
    /// Names the predecessor; unsigned.
    draft: Genesis,
    /// Checkpoints that a quorum cosigned, oldest first.
    checkpoints: Vec<String>,
}

fn commit(driver: &mut Driver, nonce: u64) {
    let asked =
        driver.signer().commit(Party::Owner, &terms(Party::Owner, nonce, 100), request(nonce));
    drop(driver.answer(&asked));
}

/// The operators as a policy lists them.
fn operators() -> Vec<Address> {
    let mut operators = OPERATORS.map(Party::address).to_vec();
    operators.sort_unstable();
    operators
}

fn lost(seed: u64) -> Lost {
    let mut driver = Driver::witnessed(seed, Settings::default(), &Bench::new(3), 2, 0);
    let policy = &mut driver.genesis_mut().policy;
    (policy.operators, policy.operators_min) = (operators(), 2);
    driver.boot().expect("an empty disk boots");
    driver.settle();
    commit(&mut driver, 0);
    let left = driver.disk.copy();
    let mut checkpoints = Vec::new();
    for nonce in 1..4 {
        commit(&mut driver, nonce);
        checkpoints.extend(driver.cosigned());
    }
    driver.crash(0);
    driver.disk = left;
    let refused = driver.boot().expect_err("witnesses know more");
    assert_eq!(refused.name(), "WITNESS_AHEAD");
    let sealed = driver.disk.edit(|content| content.blobs[KEYS_BLOB].clone());
    let sealed = SealedKeys::decode(&sealed).expect("it was stored");
    let old = driver.genesis_mut().clone();
    let mut predecessor = Predecessor {
        engine_id: EngineId::ZERO,
        keys: sealed.keys,
        log_secret_commitment: sealed.log_secret_commitment,
        base: old.base(),
        before: old.predecessor_hash(),
        checkpoint: checkpoints.last().cloned().expect("three were cosigned"),
        signatures: Vec::new(),
    };
    predecessor.engine_id = predecessor.computed_id();
    let draft = Genesis { salt: Bytes32([0x77; 32]), predecessor: Some(predecessor), ..old };
    Lost { driver, draft, checkpoints }
}

/// The draft with the signatures of these operators.
fn signed(mut genesis: Genesis, by: &[Party]) -> Genesis {
    let digest = Succession::of(&genesis).expect("it names one").digest();
    let mut signatures: Vec<Signature> =
        by.iter().map(|party| party.signer().sign(&digest)).collect();
    signatures.sort_by_key(|signature| signature.0);
    genesis.predecessor.as_mut().expect("it names one").signatures = signatures;
    genesis
}

fn predecessor(genesis: &mut Genesis) -> &mut Predecessor {
    genesis.predecessor.as_mut().expect("it names one")
}

/// The error of creating an engine from this genesis. Asserts that nothing was written.
#[track_caller]
fn refused(lost: &Lost, genesis: Genesis) -> SuccessionError {
    let mut driver = lost.driver.successor(genesis, 99);
    let error = driver.boot().expect_err("it is not signed");
    assert_eq!(error.name(), "GENESIS_PREDECESSOR");
    driver.disk.edit(|content| {
        assert!(content.frames.is_empty() && content.blobs.is_empty(), "nothing is written");
    });
    match error {
        BootError::Identity(IdentityError::Predecessor(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn successor_of_a_lost_engine_states_its_predecessor_at_every_boot() {
    let lost = lost(11);
    let genesis = signed(lost.draft.clone(), &OPERATORS[1..]);
    let mut driver = lost.driver.successor(genesis.clone(), 98);
    driver.boot().expect("the operators agreed");
    driver.settle();
    assert!(driver.pipeline().is_open());
    let old = genesis.predecessor.as_ref().unwrap();
    let shown = driver.identity().succession.clone().expect("it came from a recovery");
    assert_eq!(shown.predecessor(), old.engine_id);
    assert_eq!(shown, verify(&genesis).unwrap());
    assert_ne!(driver.identity().engine_id, old.engine_id);
    // an empty state: the old holds are not carried over, and the nonces are free
    commit(&mut driver, 0);
    assert_eq!(driver.pipeline().machine().state().lock_count(), 1);
    // every boot states it again
    driver.restart();
    assert_eq!(driver.identity().succession, Some(shown));
    // the id in every frame covers the genesis: another genesis is another engine
    let mut other = lost.driver.successor(Genesis { predecessor: None, ..genesis }, 98);
    other.disk = driver.disk.copy();
    driver.crash(0);
    assert!(matches!(other.boot(), Err(BootError::OtherGenesis)));
}

/// Goal: a recovery draws new keys, so the successor has a genesis document of its own.
#[test]
fn successor_has_its_own_genesis_document() {
    let lost = lost(13);
    let genesis = signed(lost.draft.clone(), &OPERATORS);
    let mut driver = in_an_enclave(lost.driver.successor(genesis, 96));
    driver.boot().expect("the operators agreed");
    driver.settle();
    let identity = driver.identity();
    verify_drawn(&identity.genesis_document, &identity.engine_id).expect("drawn inside");
    let old = identity.succession.as_ref().expect("it came from a recovery").predecessor();
    let error = verify_drawn(&identity.genesis_document, &old).expect_err("not its keys");
    assert_eq!(error.name(), "GenesisDocumentKeys");
}

#[test]
fn successor_of_a_successor_can_be_created() {
    let first = lost(12);
    let mut second = first.driver.successor(signed(first.draft.clone(), &OPERATORS), 97);
    second.boot().expect("the operators agreed");
    second.settle();
    let left = second.disk.copy();
    commit(&mut second, 5);
    let checkpoint = second.cosigned().expect("it was cosigned");
    second.crash(0);
    second.disk = left;
    assert_eq!(second.boot().expect_err("witnesses know more").name(), "WITNESS_AHEAD");
    let sealed = second.disk.edit(|content| content.blobs[KEYS_BLOB].clone());
    let sealed = SealedKeys::decode(&sealed).expect("it was stored");
    let old = second.genesis_mut().clone();
    let mut named = Predecessor {
        engine_id: EngineId::ZERO,
        keys: sealed.keys,
        log_secret_commitment: sealed.log_secret_commitment,
        base: old.base(),
        before: old.predecessor_hash(),
        checkpoint,
        signatures: Vec::new(),
    };
    named.engine_id = named.computed_id();
    let genesis = Genesis { salt: Bytes32([0x78; 32]), predecessor: Some(named), ..old };
    let mut third = second.successor(signed(genesis, &OPERATORS), 96);
    third.boot().expect("the operators agreed");
    third.settle();
    assert!(third.pipeline().is_open());
}

#[test]
fn genesis_signed_by_too_few_or_other_operators_is_refused() {
    use SuccessionError as E;
    let lost = lost(13);
    let draft = || lost.draft.clone();
    assert_eq!(refused(&lost, draft()), E::TooFewOperators { needed: 2, found: 0 });
    let one = refused(&lost, signed(draft(), &OPERATORS[..1]));
    assert_eq!(one, E::TooFewOperators { needed: 2, found: 1 });
    let stranger = refused(&lost, signed(draft(), &[Party::Operator, Party::Stranger]));
    let found = Party::Stranger.address();
    assert!(matches!(stranger, E::NotAnOperator { found: who, .. } if who == found));
    // signatures by operators of the new policy do not count
    let mut own = draft();
    (own.policy.operators, own.policy.operators_min) = (vec![found], 1);
    let own = refused(&lost, signed(own, &[Party::Stranger]));
    assert_eq!(own, E::NotAnOperator { index: 0, found });
    // and they cannot replace the old policy
    let mut forged = draft();
    let policy = &mut predecessor(&mut forged).base.policy;
    (policy.operators, policy.operators_min) = (vec![found], 1);
    let forged = refused(&lost, signed(forged, &[Party::Stranger]));
    assert!(matches!(forged, E::PredecessorId { .. }));
}

#[test]
fn checkpoint_without_operators_signatures_or_cosignatures_is_refused() {
    use SuccessionError as E;
    use mortise_verify::checkpoint::CheckpointError as C;
    let lost = lost(14);
    let all = || signed(lost.draft.clone(), &OPERATORS);
    // a smaller cosigned checkpoint replaces the one that they signed
    let mut smaller = all();
    predecessor(&mut smaller).checkpoint = lost.checkpoints[0].clone();
    let error = refused(&lost, smaller);
    assert!(matches!(error, E::NotAnOperator { .. } | E::Signature { .. }), "{error:?}");
    // if they signed the smaller one, the larger one contradicts it
    let mut smaller = lost.draft.clone();
    predecessor(&mut smaller).checkpoint = lost.checkpoints[0].clone();
    let agreed = verify(&signed(smaller, &OPERATORS)).unwrap();
    let newest = lost.checkpoints.last().unwrap();
    let shown = agreed.check_newest(newest.as_bytes());
    assert!(matches!(shown, Err(E::LaterCheckpoint { .. })), "{shown:?}");
    // without enough cosignatures
    let mut bare = lost.draft.clone();
    let note = &mut predecessor(&mut bare).checkpoint;
    let (text, lines) = note.split_once("\n\n").unwrap();
    let kept: Vec<&str> = lines.lines().take(2).collect();
    *note = format!("{text}\n\n{}\n", kept.join("\n"));
    let quorum = C::Quorum { quorum: 2, found: 1 };
    assert_eq!(refused(&lost, signed(bare, &OPERATORS)), E::Checkpoint(quorum));
    // of another engine under the same witnesses
    let other = self::lost(15);
    let mut foreign = lost.draft.clone();
    predecessor(&mut foreign).checkpoint = other.checkpoints.last().unwrap().clone();
    let foreign = refused(&lost, signed(foreign, &OPERATORS));
    assert_eq!(foreign, E::Checkpoint(C::Origin));
}

/// Goal: no engine is created from a signed genesis with one flipped bit.
#[test]
fn signed_genesis_with_a_flipped_bit_is_refused() {
    let lost = lost(16);
    let bytes = codec::encode(&signed(lost.draft.clone(), &OPERATORS[..2]));
    let mut decoded = 0;
    for at in (0..bytes.len()).step_by(3) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let Ok(genesis) = codec::decode::<Genesis>(&changed) else { continue };
        decoded += 1;
        if genesis.check().is_err() {
            // inconsistent, which an earlier check refuses
            continue;
        }
        refused(&lost, genesis);
    }
    assert!(decoded > 100);
}
