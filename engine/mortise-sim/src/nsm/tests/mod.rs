//! Goal: the software module's documents pass every check of `specs/attestation.md` under its own
//! root and no other, and its registers, bounds and certificates match the real module's.
//! Method: documents go through `mortise_verify`; certificates also through `openssl`; documents
//! also through the Python verifier of `tests/interop` when it is configured.

mod documents;
mod folder;
mod interop;
mod registers;

use super::{Measurements, SoftwareNsm};
use mortise_engine::ports::{AttestRequest, Nsm as _};
use mortise_verify::attestation::{
    ArchivedAttestation, ArchivedCheck, AttestationError, Claims, Expect, PcrPolicy,
    RootFingerprint, verify_archived,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

/// 2026-01-01.
const START_MS: u64 = 1_767_225_600_000;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const NONCE: [u8; 32] = [0x6e; 32];

/// A folder and a time that the test moves.
struct Stage {
    folder: TempDir,
    now_ms: Arc<AtomicU64>,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, now_ms: Arc::new(AtomicU64::new(START_MS)) }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn boot(&self) -> SoftwareNsm {
        self.boot_with(&Measurements::dev("engine"))
    }

    fn boot_with(&self, measurements: &Measurements) -> SoftwareNsm {
        let now_ms = Arc::clone(&self.now_ms);
        let time = move || now_ms.load(Ordering::SeqCst);
        SoftwareNsm::boot_at(self.path(), measurements, time).unwrap()
    }

    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn set(&self, now_ms: u64) {
        self.now_ms.store(now_ms, Ordering::SeqCst);
    }

    fn pass(&self, ms: u64) {
        self.set(self.now_ms() + ms);
    }
}

fn request() -> AttestRequest {
    AttestRequest { nonce: Some(NONCE.to_vec()), ..AttestRequest::default() }
}

/// The one image of `Measurements::dev("engine")`.
fn policy() -> PcrPolicy {
    let Measurements { pcr0, pcr1, pcr2, .. } = Measurements::dev("engine");
    PcrPolicy::one_image(pcr0, pcr1, pcr2).unwrap()
}

fn archived(
    document: &[u8],
    root: RootFingerprint,
    claims: Claims<'_>,
) -> Result<ArchivedAttestation, AttestationError> {
    let (roots, pcrs) = ([root], policy());
    let check = ArchivedCheck { roots: &roots, pcrs: &pcrs, claims, nonce: Expect::Anything };
    verify_archived(document, &check)
}

/// Checks that a fresh document passes.
fn assert_passes(nsm: &SoftwareNsm) {
    let document = nsm.attest(&request()).unwrap();
    let verified = archived(&document, nsm.root(), Claims::unchecked());
    assert!(verified.is_ok(), "{verified:?}");
}
