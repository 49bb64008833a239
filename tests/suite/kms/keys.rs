//! Keys of the engine: which code gets them, and the error of each kind of tampering.

use super::line::WireFault;
use super::rig::{ENGINE, IMAGE, Rig};
use crate::client::block_on;
use mortise_engine::ports::{KeyContext, KeyPurpose, Vault, VaultError};
use mortise_format::ids::EngineId;
use mortise_nitro::kms::{KmsError, KmsVault};
use mortise_sim::kms::ENCLAVE;
use mortise_sim::nsm::{Measurements, SoftwareNsm};
use std::sync::Arc;

const EPOCH: KeyContext = KeyContext { engine_id: ENGINE, epoch: 1, purpose: KeyPurpose::Epoch };
/// A minute of 2001.
const LONG_AGO_MS: u64 = 1_000_000_000_000;

fn made(vault: &KmsVault, context: &KeyContext) -> ([u8; 32], Vec<u8>) {
    let (key, wrapped) = block_on(vault.generate(context)).expect("the policy names this code");
    (key.expose(|key| *key), wrapped)
}

fn opened(vault: &KmsVault, wrapped: &[u8], context: &KeyContext) -> Result<[u8; 32], VaultError> {
    block_on(vault.unwrap(wrapped, context)).map(|key| key.expose(|key| *key))
}

#[test]
fn keys_survive_a_restart_of_the_service_and_all_differ() {
    let rig = Rig::start();
    let vault = KmsVault::new(rig.client(IMAGE));
    let genesis = KeyContext { purpose: KeyPurpose::Genesis, epoch: 0, ..EPOCH };
    let (first, second) = (made(&vault, &EPOCH), made(&vault, &genesis));
    assert_ne!(first.0, second.0);
    assert_eq!(opened(&vault, &first.1, &EPOCH), Ok(first.0));
    let rig = rig.restarted();
    let vault = KmsVault::new(rig.client(IMAGE));
    assert_eq!(opened(&vault, &first.1, &EPOCH), Ok(first.0));
    assert_eq!(opened(&vault, &second.1, &genesis), Ok(second.0));
}

#[test]
fn code_of_another_image_is_denied_by_name() {
    let rig = Rig::start();
    let (_, wrapped) = made(&KmsVault::new(rig.client(IMAGE)), &EPOCH);
    let other = KmsVault::new(rig.client("another"));
    for refused in
        [opened(&other, &wrapped, &EPOCH).map(drop), block_on(other.generate(&EPOCH)).map(drop)]
    {
        let denied = VaultError::Denied(KmsError::AccessDenied.to_string());
        assert_eq!(refused, Err(denied));
    }
    let debug = SoftwareNsm::boot_debug(&rig.folder().join("nsm"), IMAGE).expect("it boots");
    let credentials = rig.kms.credentials(ENCLAVE).expect("it has them");
    let client = rig.client_of(Arc::new(debug), &rig.line(WireFault::Honest), &credentials);
    let refused = opened(&KmsVault::new(client), &wrapped, &EPOCH);
    assert!(matches!(refused, Err(VaultError::Denied(_) | VaultError::Refused(_))), "{refused:?}");
    // A module of another authority: the service refuses its documents.
    let elsewhere = tempfile::tempdir().expect("the system gives a folder");
    let stranger = SoftwareNsm::boot(elsewhere.path(), &Measurements::dev(IMAGE)).expect("boots");
    let client = rig.client_of(Arc::new(stranger), &rig.line(WireFault::Honest), &credentials);
    let refused = opened(&KmsVault::new(client), &wrapped, &EPOCH);
    assert!(matches!(refused, Err(VaultError::Denied(_) | VaultError::Refused(_))), "{refused:?}");
}

#[test]
fn wrapped_key_of_another_epoch_purpose_or_log_and_a_changed_one_are_refused_by_name() {
    let rig = Rig::start();
    let vault = KmsVault::new(rig.client(IMAGE));
    let (_, first) = made(&vault, &EPOCH);
    let next = KeyContext { epoch: 2, ..EPOCH };
    let (_, second) = made(&vault, &next);
    let refused = Err(VaultError::Refused(KmsError::InvalidCiphertext.to_string()));
    assert_eq!(opened(&vault, &second, &EPOCH), refused, "swapped epochs");
    assert_eq!(opened(&vault, &first, &next), refused, "swapped epochs");
    let other_log = KeyContext { engine_id: EngineId([0x4e; 32]), ..EPOCH };
    assert_eq!(opened(&vault, &first, &other_log), refused);
    let other_purpose = KeyContext { purpose: KeyPurpose::Genesis, ..EPOCH };
    assert_eq!(opened(&vault, &first, &other_purpose), refused);
    for at in (0..first.len()).step_by(16) {
        let mut changed = first.clone();
        changed[at] ^= 1;
        let refused = opened(&vault, &changed, &EPOCH);
        assert!(matches!(refused, Err(VaultError::Refused(_))), "byte {at}: {refused:?}");
    }
}

#[test]
fn expired_credentials_are_sent_and_the_service_decides() {
    let rig = Rig::start();
    let old = rig.kms.renew_session(ENCLAVE, LONG_AGO_MS).expect("the folder can be written");
    let old = old.expect("there is such a principal");
    let line = rig.line(WireFault::Honest);
    let vault = KmsVault::new(rig.client_of(rig.module(IMAGE), &line, &old));
    let refused = block_on(vault.generate(&EPOCH)).map(drop);
    let expired = |error: KmsError| Err(VaultError::Unavailable(error.to_string()));
    assert_eq!(refused, expired(KmsError::ExpiredToken));
    assert_eq!(line.dials(), 1);
    // The same without an expiry.
    let mut hidden = old.clone();
    hidden.expiration = None;
    let vault = KmsVault::new(rig.client_of(rig.module(IMAGE), &line, &hidden));
    assert_eq!(block_on(vault.generate(&EPOCH)).map(drop), expired(KmsError::ExpiredToken));
}

/// Goal: a parent that cuts, changes or replays the connection gets no key, and the error names the
/// fault. Method: at several places of the handshake and of the answer.
#[test]
fn cut_changed_or_replayed_connection_is_a_named_error() {
    let rig = Rig::start();
    let honest = rig.line(WireFault::Honest);
    let vault = KmsVault::new(rig.client_over(IMAGE, &honest));
    let (key, wrapped) = made(&vault, &EPOCH);
    let earlier = honest.earlier();
    assert!(earlier.len() > 1000);
    let lost = [KmsError::ConnectionLost, KmsError::Tls, KmsError::NotTls].map(|e| e.to_string());
    let last = earlier.len() - 1;
    let mut faults =
        vec![WireFault::ReplayAfter(0), WireFault::Flip(0), WireFault::Flip(last - 200)];
    for at in [0, 1, 100, earlier.len() / 2, last - 100] {
        faults.extend([WireFault::ResetAfter(at), WireFault::ReplayAfter(at.max(100))]);
    }
    for fault in faults {
        let line = Arc::new(rig.line_of(fault).with_earlier(earlier.clone()));
        let vault = KmsVault::new(rig.client_over(IMAGE, &line));
        match opened(&vault, &wrapped, &EPOCH) {
            Err(VaultError::Unavailable(text)) => {
                assert!(lost.contains(&text), "{fault:?}: {text}");
            }
            other => panic!("{fault:?}: {other:?}"),
        }
    }
    assert_eq!(opened(&vault, &wrapped, &EPOCH), Ok(key));
    let seen = honest.seen();
    assert!(!seen.windows(32).any(|window| window == key), "the parent saw the key");
}

#[test]
fn trail_shows_which_code_got_a_key_and_in_which_context() {
    let rig = Rig::start();
    let vault = KmsVault::new(rig.client(IMAGE));
    let (_, wrapped) = made(&vault, &EPOCH);
    opened(&vault, &wrapped, &EPOCH).expect("its own key");
    let denied = opened(&KmsVault::new(rig.client("another")), &wrapped, &EPOCH);
    assert!(denied.is_err());
    let trail = rig.trail();
    let names: Vec<_> = trail.iter().map(|line| line["eventName"].as_str()).collect();
    assert_eq!(names, [Some("GenerateDataKey"), Some("Decrypt"), Some("Decrypt")]);
    for line in &trail {
        let context = &line["requestParameters"]["encryptionContext"];
        assert_eq!(context["mortise:purpose"], "epoch", "{line}");
        assert_eq!(context["mortise:log"], ENGINE.to_string(), "{line}");
        let recipient = &line["additionalEventData"]["recipient"];
        for field in ["attestationDocumentModuleId", "attestationDocumentEnclaveImageDigest"] {
            assert!(recipient[field].is_string(), "{field}: {line}");
        }
    }
    let image = |at: usize| {
        trail[at]["additionalEventData"]["recipient"]["attestationDocumentEnclaveImageDigest"]
            .clone()
    };
    assert_eq!(image(0), image(1));
    assert_ne!(image(1), image(2));
    assert_eq!(trail[2]["errorCode"], "AccessDenied");
}
