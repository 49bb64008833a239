//! Swapped sealed blobs and wrapped keys are detected by the key service's encryption context and,
//! if the service ignores it, by the engine's own checks.

use super::vault::SlackVault;
use mortise_core::machine::EpochRecord;
use mortise_core::seal::{self, SealError};
use mortise_engine::attest::unattested;
use mortise_engine::boot::{self, BootError, NewEpoch};
use mortise_engine::channel::ChannelKey;
use mortise_engine::keyring::{
    self, GENESIS_BLOB, Identity, IdentityError, KEYS_BLOB, KeyRing, SealedKeys,
};
use mortise_engine::ports::{Entropy, Vault, VaultError};
use mortise_format::frame::Frame;
use mortise_format::genesis::Genesis;
use mortise_format::rules::RuleSet;
use mortise_format::secret::Secret;
use mortise_testkit::driver::Driver;
use mortise_testkit::scenario;
use mortise_testkit::store::{Disk, now};
use mortise_testkit::vault::{TestEntropy, TestVault};
use std::sync::Arc;

type Change<'a> = (&'a str, &'a dyn Fn(&mut SealedKeys));

fn found(genesis: &Genesis, vault: &dyn Vault, seed: u64) -> SealedKeys {
    now(keyring::create(genesis, vault, &TestEntropy::new(seed), unattested))
        .expect("a policy that holds")
        .1
}

fn other_genesis() -> Genesis {
    let mut genesis = scenario::genesis();
    genesis.salt.0[0] ^= 1;
    genesis
}

/// Unseals a blob after a change.
fn unsealed(
    vault: &dyn Vault,
    sealed: &SealedKeys,
    change: &dyn Fn(&mut SealedKeys),
) -> Result<Identity, IdentityError> {
    let mut sealed = sealed.clone();
    change(&mut sealed);
    now(keyring::unseal(scenario::genesis(), &sealed, vault))
}

#[test]
fn genesis_blob_with_any_part_of_another_does_not_unseal() {
    let strict = TestVault::new(81);
    let slack = SlackVault(TestVault::new(81));
    for (vault, is_slack) in [(&strict as &dyn Vault, false), (&slack, true)] {
        let genesis = scenario::genesis();
        let (ours, theirs) = (found(&genesis, vault, 1), found(&genesis, vault, 2));
        let foreign = found(&other_genesis(), vault, 3);
        unsealed(vault, &ours, &|_| ()).expect("it is whole");
        // The engine id covers keys, commitment and genesis, and is in the context: the service
        // refuses.
        let named: [Change<'_>; 6] = [
            ("signing key", &|sealed| sealed.keys.signing = theirs.keys.signing),
            ("checkpoint key", &|sealed| sealed.keys.checkpoint = theirs.keys.checkpoint),
            ("log secret", &|sealed| sealed.log_secret_commitment.0[0] ^= 1),
            ("wrapped key", &|sealed| sealed.wrapped_key = theirs.wrapped_key.clone()),
            ("of another genesis", &|sealed| sealed.wrapped_key = foreign.wrapped_key.clone()),
            ("whole, of another genesis", &|sealed| *sealed = foreign.clone()),
        ];
        for (name, change) in named {
            let error = unsealed(vault, &ours, change).expect_err(name);
            let is_named = match is_slack {
                true => error == IdentityError::Mismatch,
                false => matches!(error, IdentityError::Vault(VaultError::Refused(_))),
            };
            assert!(is_named, "{name}: {error}");
        }
        let cipher = unsealed(vault, &ours, &|sealed| sealed.cipher = theirs.cipher.clone());
        assert_eq!(cipher.expect_err("another cipher"), IdentityError::Mismatch);
        for at in 0..ours.cipher.len() {
            let flipped = unsealed(vault, &ours, &|sealed| sealed.cipher[at] ^= 1);
            assert_eq!(flipped.expect_err("a flipped byte"), IdentityError::Mismatch);
        }
    }
}

/// The blobs of another engine with the same genesis do not match the log.
#[test]
fn genesis_blob_of_another_engine_of_the_same_genesis_does_not_open_the_log() {
    let driver = Driver::booted(82);
    let disk = driver.disk.copy();
    let vault = TestVault::new(82);
    let theirs = found(&scenario::genesis(), &vault, 99);
    disk.edit(|content| content.blobs.insert(KEYS_BLOB.into(), theirs.encode()));
    let genesis = scenario::genesis();
    let identity =
        now(boot::identity(&disk, &vault, &TestEntropy::new(1), Some(&genesis), unattested));
    let identity = identity.expect("the blob is whole");
    assert_ne!(identity.engine_id, driver.identity().engine_id);
    let ring = KeyRing::new(Arc::new(vault), &identity);
    let error = now(boot::replay(&disk, &identity, &ring, &TestEntropy::new(1), &|_, _| {}));
    let error = error.expect_err("the frames are of another engine");
    assert_eq!(error.name(), "LOG_DOES_NOT_FOLLOW");
}

#[test]
fn store_that_lost_the_keys_is_an_error_and_no_engine_is_created_over_it() {
    let driver = Driver::booted(83);
    let vault = TestVault::new(83);
    for lost in [&[KEYS_BLOB][..], &[KEYS_BLOB, GENESIS_BLOB]] {
        let disk = driver.disk.copy();
        disk.edit(|content| content.blobs.retain(|name, _| !lost.contains(&name.as_str())));
        let before = disk.edit(|content| content.blobs.clone());
        let genesis = scenario::genesis();
        let error =
            now(boot::identity(&disk, &vault, &TestEntropy::new(1), Some(&genesis), unattested));
        let error = error.expect_err("the keys are gone");
        assert!(matches!(error, BootError::KeysLost), "{error}");
        assert_eq!(disk.edit(|content| content.blobs.clone()), before);
    }
}

#[test]
fn interrupted_genesis_continues_with_the_keys_that_were_made() {
    let (disk, vault, entropy) = (Disk::default(), TestVault::new(84), TestEntropy::new(84));
    let genesis = scenario::genesis();
    let created = now(boot::identity(&disk, &vault, &entropy, Some(&genesis), unattested)).unwrap();
    disk.edit(|content| content.blobs.remove(GENESIS_BLOB));
    // With another genesis the keys do not open, and nothing is stored.
    let wrong = now(boot::identity(&disk, &vault, &entropy, Some(&other_genesis()), unattested));
    assert_eq!(wrong.expect_err("another engine's keys").name(), "KEY_REFUSED");
    assert!(disk.edit(|content| !content.blobs.contains_key(GENESIS_BLOB)));
    let again = now(boot::identity(&disk, &vault, &entropy, Some(&genesis), unattested)).unwrap();
    assert_eq!(again.engine_id, created.engine_id);
    assert!(disk.edit(|content| content.blobs.contains_key(GENESIS_BLOB)));
}

/// An engine over a key service, after genesis.
fn ring(vault: Arc<dyn Vault>) -> (Identity, KeyRing) {
    let genesis = scenario::genesis();
    let sealed = found(&genesis, vault.as_ref(), 5);
    let identity = now(keyring::unseal(genesis, &sealed, vault.as_ref())).expect("it is whole");
    let ring = KeyRing::new(vault, &identity);
    (identity, ring)
}

/// Two epochs' records, as boot frames would carry them.
fn records(identity: &Identity, ring: &KeyRing) -> [EpochRecord; 2] {
    [1, 2].map(|epoch| {
        let disk = Disk::default();
        let entropy = TestEntropy::new(epoch);
        let replayed = now(boot::replay(&disk, identity, ring, &entropy, &|_, _| {})).unwrap();
        let channel = ChannelKey::generate(&entropy);
        let made = now(NewEpoch::prepare(&replayed, identity, ring, &channel)).unwrap();
        let start = made.start(replayed, RuleSet::NEWEST, Vec::new(), identity, &entropy);
        EpochRecord { epoch, first_seq: epoch, boot: start.boot.record }
    })
}

/// A ring that has unwrapped nothing yet.
fn fresh(vault: &Arc<dyn Vault>, identity: &Identity) -> KeyRing {
    KeyRing::new(Arc::clone(vault), identity)
}

#[test]
fn wrapped_key_of_another_epoch_is_refused_by_context_and_else_by_commitment() {
    let strict: Arc<dyn Vault> = Arc::new(TestVault::new(85));
    let (identity, ring) = ring(strict.clone());
    let (_, wrapped, commitment) = now(ring.new_epoch(1)).unwrap();
    let (_, other, _) = now(ring.new_epoch(2)).unwrap();
    let [mut record, _] = records(&identity, &fresh(&strict, &identity));
    (record.boot.wrapped_key, record.boot.key_commitment) = (wrapped, commitment);
    now(fresh(&strict, &identity).keys_of(&record)).expect("its own key");
    record.boot.wrapped_key = other;
    let error = now(fresh(&strict, &identity).keys_of(&record)).expect_err("another epoch's");
    assert!(matches!(error, IdentityError::Vault(VaultError::Refused(_))), "{error}");

    let slack: Arc<dyn Vault> = Arc::new(SlackVault(TestVault::new(86)));
    let (identity, ring) = self::ring(slack.clone());
    let (_, wrapped, commitment) = now(ring.new_epoch(1)).unwrap();
    let (_, other, _) = now(ring.new_epoch(2)).unwrap();
    let [mut record, _] = records(&identity, &fresh(&slack, &identity));
    (record.boot.wrapped_key, record.boot.key_commitment) = (wrapped, commitment);
    now(fresh(&slack, &identity).keys_of(&record)).expect("its own key");
    record.boot.wrapped_key = other;
    let error = now(fresh(&slack, &identity).keys_of(&record)).expect_err("another epoch's");
    assert_eq!(error, IdentityError::KeyCommitment { epoch: 1 });
}

/// Goal: if the commitment is swapped too and the key service ignores the context, the MAC fails.
#[test]
fn wrapped_key_and_commitment_swapped_together_open_no_frame() {
    let slack: Arc<dyn Vault> = Arc::new(SlackVault(TestVault::new(87)));
    let (identity, ring) = ring(slack.clone());
    let (keys, ..) = now(ring.new_epoch(1)).unwrap();
    let (_, wrapped, commitment) = now(ring.new_epoch(2)).unwrap();
    let frame = Driver::booted(88).disk.frames()[0].clone();
    let sealed = seal::seal(&keys, frame.header().clone(), frame.clear().to_vec(), b"body");
    let sealed: Frame = sealed.unwrap();
    assert_eq!(seal::open(&keys, &sealed).unwrap(), b"body");
    let [mut record, _] = records(&identity, &fresh(&slack, &identity));
    (record.boot.wrapped_key, record.boot.key_commitment) = (wrapped, commitment);
    let swapped = now(fresh(&slack, &identity).keys_of(&record)).expect("the commitment fits");
    assert_eq!(seal::open(&swapped, &sealed), Err(SealError::Mac));
}

#[test]
fn secrets_of_an_identity_never_print() {
    let (identity, ring) = ring(Arc::new(TestVault::new(89)));
    let secret = |secret: &Secret| secret.expose(|bytes| format!("{bytes:?}"));
    let text = format!("{identity:?} {ring:?} {:?}", ChannelKey::generate(&TestEntropy::new(1)));
    assert!(!text.contains(secret(identity.log_keys.snapshot()).trim_matches(['[', ']'])));
    assert!(text.matches("[redacted]").count() >= 5, "{text}");
    let mut drawn = [0; 32];
    TestEntropy::new(5).fill(&mut drawn);
    let drawn = format!("{drawn:?}");
    assert!(!text.contains(drawn.trim_matches(['[', ']'])), "the signing key");
}
