//! Successions: the genesis of a recovery verifies only as operators and witnesses of the old
//! engine signed it.

use super::note::{key, witness};
use super::signer;
use ed25519_dalek::Signer as _;
use k256::elliptic_curve::ops::Reduce;
use k256::elliptic_curve::point::AffineCoordinates as _;
use k256::{FieldBytes, ProjectivePoint, Scalar};
use mortise_format::checkpoint::{checkpoint_text, cosignature_bytes, cosigned_message};
use mortise_format::codec;
use mortise_format::eip712::Digest;
use mortise_format::genesis::{Genesis, GenesisBase, GenesisKeys, Predecessor};
use mortise_format::ids::{Bytes32, EngineId, Root, Signature};
use mortise_format::merkle::history::TreeHead;
use mortise_format::note::KeyUse;
use mortise_format::policy::{
    AssetLimits, ChainCustody, ChainPolicy, Edition, Policy, PolicyError,
};
use mortise_format::secp256k1::{SignatureError, recover};
use mortise_format::succession::Succession;
use mortise_format::witness::{Origin, WitnessKey};
use mortise_format::{Address, U256};
use mortise_verify::checkpoint::CheckpointError;
use mortise_verify::succession::{SuccessionError as E, UnsignedSuccession, verify};

/// Number of the checkpoint key of the old engine.
const LOG_KEY: u8 = 61;
/// Operators of the old engine by number; two must sign.
pub const OPERATORS: [u8; 3] = [41, 42, 43];

pub fn head() -> TreeHead {
    TreeHead { size: 1207, root: Root([0xcd; 32]) }
}

fn policy() -> Policy {
    let most = U256::from(1_000_000u64);
    let limits = AssetLimits { single_max: most, account_max: most, asset_max: most };
    let mut operators = OPERATORS.map(|n| signer(n).address()).to_vec();
    operators.sort_unstable();
    let key = |n| {
        let (_, key) = witness(n);
        WitnessKey { key: *key.public_key(), name: key.name().into() }
    };
    let mut witnesses: Vec<WitnessKey> = (0..3).map(key).collect();
    witnesses.sort_by_key(|witness| witness.key);
    Policy {
        lock_s_min: 30,
        lock_s_max: 3600,
        settlement_buffer_s: 300,
        concurrent_max: 100,
        commands_per_minute_max: 1000,
        requests_max: 1000,
        retention_s: 3600,
        draft_ttl_s: 300,
        fact_age_s_max: 120,
        notice_margin_s: 300,
        default_limits: limits,
        assets: Vec::new(),
        chains: vec![ChainPolicy { chain_id: 1, custody: ChainCustody::Open, claim_window_s: 300 }],
        observers: Vec::new(),
        observers_min: 0,
        operators,
        operators_min: 2,
        witnesses,
        witnesses_min: 2,
        witnesses_faulty_max: 0,
        edition: Edition::DEFAULT,
    }
}

/// A checkpoint of the old engine, cosigned by the witnesses of these numbers.
pub fn note_of(predecessor: &Predecessor, head: &TreeHead, by: &[u8]) -> String {
    let origin = predecessor.origin();
    let text = checkpoint_text(&origin, head);
    let (secret, log) = key(KeyUse::Log, &origin, LOG_KEY);
    let line = log.signature_line(&secret.sign(text.as_bytes()).to_bytes());
    let cosigned = by.iter().map(|n| {
        let ((secret, key), time) = (witness(*n), 1_700_000_000 + u64::from(*n));
        let signature = secret.sign(cosigned_message(time, &text).as_bytes()).to_bytes();
        key.signature_line(&cosignature_bytes(time, &signature))
    });
    format!("{text}\n{line}{}", cosigned.collect::<String>())
}

/// An unsigned genesis whose predecessor `edit` changes. The id is derived from the parts, and the
/// checkpoint is of that id.
pub fn drafted(edit: impl Fn(&mut Predecessor)) -> Genesis {
    let (_, checkpoint) = key(KeyUse::Log, "log", LOG_KEY);
    let signing = signer(60).public_key();
    let origin = Origin::C2sp { domain: "locks.example".into() };
    let base =
        GenesisBase { name: "locks".into(), salt: Bytes32([1; 32]), policy: policy(), origin };
    let mut predecessor = Predecessor {
        engine_id: EngineId::ZERO,
        keys: GenesisKeys { signing, checkpoint: *checkpoint.public_key() },
        log_secret_commitment: Bytes32([4; 32]),
        base,
        before: Bytes32::ZERO,
        checkpoint: String::new(),
        signatures: Vec::new(),
    };
    edit(&mut predecessor);
    predecessor.engine_id = predecessor.computed_id();
    predecessor.checkpoint = note_of(&predecessor, &head(), &[0, 2]);
    let GenesisBase { name, policy, origin, .. } = predecessor.base.clone();
    let predecessor = Some(predecessor);
    Genesis { name, salt: Bytes32([2; 32]), policy, origin, predecessor }
}

/// The same genesis, signed by these operators.
pub fn signed(mut genesis: Genesis, by: &[u8]) -> Genesis {
    let digest = Succession::of(&genesis).unwrap().digest();
    let signatures = by.iter().map(|n| signer(*n).sign(&digest));
    put(&mut genesis, signatures.collect());
    genesis
}

/// Inserts signatures, as the parser of the file does.
pub fn put(genesis: &mut Genesis, mut signatures: Vec<Signature>) {
    signatures.sort_by_key(|signature| signature.0);
    genesis.predecessor.as_mut().unwrap().signatures = signatures;
}

pub fn good() -> Genesis {
    signed(drafted(|_| {}), &OPERATORS[..2])
}

fn predecessor(genesis: &mut Genesis) -> &mut Predecessor {
    genesis.predecessor.as_mut().unwrap()
}

/// The draft with another predecessor, signed by the operators.
fn agreed(edit: impl Fn(&mut Predecessor)) -> Genesis {
    let mut genesis = drafted(|_| {});
    edit(predecessor(&mut genesis));
    signed(genesis, &OPERATORS)
}

#[test]
fn succession_signed_by_operators_and_witnesses_verifies() {
    let genesis = good();
    let verified = verify(&genesis).unwrap();
    let mut both: Vec<Address> = OPERATORS[..2].iter().map(|n| signer(*n).address()).collect();
    both.sort_unstable();
    assert_eq!(verified.operators(), both);
    assert_eq!(verified.head(), head());
    assert_eq!(verified.genesis_hash(), genesis.hash());
    assert_eq!(Some(verified.predecessor()), genesis.predecessor.as_ref().map(|p| p.engine_id));
    assert_eq!(verified.unsigned().cosignatures().len(), 2);
    assert_ne!(verified.unsigned().agreed_genesis(), verified.genesis_hash());
    let unsigned = UnsignedSuccession::verify(&drafted(|_| {})).unwrap();
    assert_eq!(unsigned.digest(), verified.unsigned().digest());
    assert!(verify(&signed(drafted(|_| {}), &OPERATORS)).is_ok(), "all of them may sign");
}

#[test]
fn recovery_of_a_recovery_contains_the_hash_of_the_first() {
    let first = good();
    let hash = first.predecessor_hash();
    let second = signed(
        drafted(|predecessor| {
            predecessor.base = first.base();
            predecessor.before = hash;
        }),
        &OPERATORS,
    );
    assert!(verify(&second).is_ok());
}

/// One bit of each byte of the whole genesis is flipped.
#[test]
fn every_flipped_byte_of_the_genesis_is_refused() {
    let bytes = codec::encode(&good());
    assert!(bytes.len() > 1000);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        if let Ok(genesis) = codec::decode::<Genesis>(&changed) {
            assert!(verify(&genesis).is_err(), "byte {at}");
        }
    }
}

#[test]
fn the_old_policy_under_the_old_id_decides() {
    let stranger = signer(99).address();
    let mut genesis = good();
    genesis.policy.operators = vec![stranger];
    genesis.policy.operators_min = 1;
    // the new rules are the operators' choice, and they have to sign it
    assert!(matches!(verify(&genesis), Err(E::NotAnOperator { .. } | E::Signature { .. })));
    assert!(verify(&signed(genesis.clone(), &OPERATORS[..2])).is_ok());
    assert_eq!(
        verify(&signed(genesis, &[99])),
        Err(E::NotAnOperator { index: 0, found: stranger })
    );
    // other operators in the old policy give another old id
    let mut genesis = drafted(|_| {});
    predecessor(&mut genesis).base.policy.operators = vec![stranger];
    predecessor(&mut genesis).base.policy.operators_min = 1;
    let old = predecessor(&mut genesis);
    let (named, found) = (old.engine_id, old.computed_id());
    assert_eq!(verify(&signed(genesis, &[99])), Err(E::PredecessorId { named, found }));
}

#[test]
fn parts_of_another_engine_are_refused() {
    let changes: [fn(&mut Predecessor); 8] = [
        |p| p.engine_id.0[0] ^= 1,
        |p| p.keys.signing[5] ^= 1,
        |p| p.keys.checkpoint[5] ^= 1,
        |p| p.log_secret_commitment.0[0] ^= 1,
        |p| p.before.0[0] ^= 1,
        |p| p.base.name.push('!'),
        |p| p.base.salt.0[0] ^= 1,
        |p| p.base.policy.witnesses_min = 3,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let refused = verify(&agreed(change));
        assert!(matches!(refused, Err(E::PredecessorId { .. })), "{number}: {refused:?}");
    }
}

#[test]
fn invalid_genesis_or_engine_without_operators_or_witnesses_is_refused() {
    let mut genesis = good();
    genesis.policy.chains.clear();
    assert_eq!(verify(&genesis), Err(E::Genesis(PolicyError::Chains)));
    let mut genesis = good();
    predecessor(&mut genesis).signatures.reverse();
    assert_eq!(verify(&genesis), Err(E::Genesis(PolicyError::Predecessor)));
    let old = signed(drafted(|p| p.base.policy.lock_s_min = 0), &OPERATORS);
    let old = Genesis { policy: policy(), ..old };
    let old = signed(old, &OPERATORS);
    assert_eq!(verify(&old), Err(E::OldGenesis(PolicyError::Durations)));
    let genesis = drafted(|p| {
        p.base.policy.operators.clear();
        p.base.policy.operators_min = 0;
    });
    assert_eq!(verify(&genesis), Err(E::NoOperators));
    let genesis = drafted(|p| {
        p.base.policy.witnesses.clear();
        p.base.policy.witnesses_min = 0;
    });
    assert_eq!(verify(&signed(genesis, &OPERATORS)), Err(E::NoWitnesses));
    let genesis = Genesis { predecessor: None, ..good() };
    assert_eq!(verify(&genesis), Err(E::NoPredecessor));
}

#[test]
fn checkpoint_that_is_not_the_end_of_the_old_log_is_refused() {
    let refused = |edit: fn(&mut Predecessor)| verify(&agreed(edit)).unwrap_err();
    let checkpoint = E::Checkpoint;
    let few = refused(|p| p.checkpoint = note_of(p, &head(), &[1]));
    assert_eq!(few, checkpoint(CheckpointError::Quorum { quorum: 2, found: 1 }));
    let none = refused(|p| p.checkpoint = note_of(p, &head(), &[]));
    assert_eq!(none, checkpoint(CheckpointError::Quorum { quorum: 2, found: 0 }));
    let strangers = refused(|p| p.checkpoint = note_of(p, &head(), &[0, 7, 8]));
    assert_eq!(strangers, checkpoint(CheckpointError::Quorum { quorum: 2, found: 1 }));
    let twice = refused(|p| p.checkpoint = note_of(p, &head(), &[0, 0]));
    assert_eq!(twice, checkpoint(CheckpointError::SignatureTwice));
    let another = refused(|p| {
        let other = Predecessor { engine_id: EngineId([7; 32]), ..p.clone() };
        p.checkpoint = note_of(&other, &head(), &[0, 1, 2]);
    });
    assert_eq!(another, checkpoint(CheckpointError::Origin));
    let resized = refused(|p| p.checkpoint = p.checkpoint.replacen("1207", "1206", 1));
    assert_eq!(resized, checkpoint(CheckpointError::LogSignature));
    let empty = refused(|p| {
        let nothing = TreeHead { size: 0, root: Root([0; 32]) };
        p.checkpoint = note_of(p, &nothing, &[0, 1]);
    });
    assert_eq!(empty, E::EmptyLog);
}

#[test]
fn too_few_foreign_or_repeated_signatures_are_refused() {
    let one = verify(&signed(drafted(|_| {}), &OPERATORS[..1]));
    assert_eq!(one, Err(E::TooFewOperators { needed: 2, found: 1 }));
    let unsigned = verify(&drafted(|_| {}));
    assert_eq!(unsigned, Err(E::TooFewOperators { needed: 2, found: 0 }));
    let stranger = verify(&signed(drafted(|_| {}), &[41, 42, 99]));
    assert!(
        matches!(stranger, Err(E::NotAnOperator { found, .. }) if found == signer(99).address())
    );
    // one operator with two signatures: RFC 6979 gives one, another nonce gives another
    let mut genesis = drafted(|_| {});
    let digest = Succession::of(&genesis).unwrap().digest();
    let (first, second) = (signer(41).sign(&digest), with_another_nonce(41, &digest));
    put(&mut genesis, vec![first, second]);
    let operator = signer(41).address();
    assert_eq!(verify(&genesis), Err(E::OperatorTwice { operator }));
}

/// A second valid signature of operator `n` over a digest.
pub fn with_another_nonce(n: u8, digest: &Digest) -> Signature {
    another_signature([n; 32], digest)
}

/// A second valid signature over a digest: `s = (z + r d) / k`.
pub fn another_signature(secret: [u8; 32], digest: &Digest) -> Signature {
    let scalar = |bytes: [u8; 32]| <Scalar as Reduce<FieldBytes>>::reduce(&bytes.into());
    let (d, k, z) = (scalar(secret), scalar([77; 32]), scalar(digest.0));
    let point = (ProjectivePoint::GENERATOR * k).to_affine();
    let r = scalar(point.x().into());
    let s = k.invert().unwrap() * (z + r * d);
    let good = k256::ecdsa::Signature::from_scalars(r.to_bytes(), s.to_bytes()).unwrap();
    let mut out = Signature::ZERO;
    out.0[..64].copy_from_slice(&good.normalize_s().to_bytes());
    let mine = mortise_format::secp256k1::Signer::from_bytes(&secret).unwrap().address();
    let fits = |v: &u8| {
        out.0[64] = *v;
        recover(digest, &out) == Ok(mine)
    };
    assert!([27, 28].iter().any(fits), "one of both points is the signer's");
    out
}

#[test]
fn signatures_have_one_encoding() {
    let with_v = |change: fn(u8) -> u8| {
        let mut genesis = good();
        let mut signatures = predecessor(&mut genesis).signatures.clone();
        signatures[0].0[64] = change(signatures[0].0[64]);
        put(&mut genesis, signatures);
        verify(&genesis)
    };
    let error = SignatureError::RecoveryId;
    assert_eq!(with_v(|v| v - 27), Err(E::Signature { index: 0, error }));
    assert!(matches!(with_v(|v| 55 - v), Err(E::NotAnOperator { .. } | E::Signature { .. })));
    let mut genesis = good();
    let swapped = predecessor(&mut genesis).signatures[0];
    put(&mut genesis, vec![swapped, swapped]);
    assert_eq!(verify(&genesis), Err(E::Genesis(PolicyError::Predecessor)));
}

#[test]
fn signatures_over_another_succession_do_not_count() {
    let others = [
        drafted(|p| p.before = Bytes32([5; 32])),
        Genesis { salt: Bytes32([3; 32]), ..drafted(|_| {}) },
        {
            let mut smaller = drafted(|_| {});
            let old = smaller.predecessor.as_mut().unwrap();
            old.checkpoint = note_of(old, &TreeHead { size: 1206, ..head() }, &[0, 1]);
            smaller
        },
    ];
    for (number, other) in others.into_iter().enumerate() {
        let mut genesis = drafted(|_| {});
        put(&mut genesis, signed(other, &OPERATORS).predecessor.unwrap().signatures);
        let refused = verify(&genesis);
        assert!(
            matches!(refused, Err(E::NotAnOperator { .. } | E::Signature { .. })),
            "{number}: {refused:?}"
        );
    }
}

#[test]
fn later_checkpoint_or_another_root_contradicts_the_succession() {
    let genesis = good();
    let verified = verify(&genesis).unwrap();
    let old = genesis.predecessor.as_ref().unwrap();
    let shown =
        |head: TreeHead, by: &[u8]| verified.check_newest(note_of(old, &head, by).as_bytes());
    let earlier = TreeHead { size: 3, root: Root([1; 32]) };
    assert_eq!(shown(earlier, &[0, 1]), Ok(earlier));
    assert_eq!(shown(head(), &[1, 2]), Ok(head()));
    let later = TreeHead { size: 1208, root: Root([1; 32]) };
    assert_eq!(shown(later, &[0, 1]), Err(E::LaterCheckpoint { named: 1207, found: 1208 }));
    let fork = TreeHead { root: Root([1; 32]), ..head() };
    assert_eq!(shown(fork, &[0, 1]), Err(E::OtherRoot { size: 1207 }));
    let quorum = CheckpointError::Quorum { quorum: 2, found: 1 };
    assert_eq!(shown(later, &[0]), Err(E::Checkpoint(quorum)));
}
