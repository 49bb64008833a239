//! The module. One value is one boot of one enclave.

use super::bank::{Bank, PCR_COUNT};
use super::document::{self, Facts};
use super::error::NsmFolderError;
use super::files;
use super::identity::{Identity, random};
use super::measurements::Measurements;
use super::pki::{self, Pki};
use crate::SystemClock;
use mortise_engine::ports::{
    AttestRequest, Clock as _, ModuleDescription, Nsm, NsmError, PcrState,
};
use mortise_format::hex;
use mortise_format::limits::ATTESTATION_FIELD_BYTES_MAX;
use mortise_verify::attestation::RootFingerprint;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Random bytes in one answer.
const RANDOM_BYTES: usize = 256;

/// The module's time: returns milliseconds since 1970.
type Time = Box<dyn Fn() -> u64 + Send + Sync>;

/// A software module. See the [module](super).
///
/// A new value is a new boot: fresh registers, a fresh module id, the same root.
pub struct SoftwareNsm {
    module_id: String,
    root: RootFingerprint,
    root_pem: String,
    time: Time,
    inner: Mutex<Inner>,
}

pub(super) struct Inner {
    pub(super) pki: Pki,
    bank: Bank,
    pub(super) leaf: Identity,
}

impl std::fmt::Debug for SoftwareNsm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("SoftwareNsm");
        out.field("module_id", &self.module_id).field("root", &self.root).finish_non_exhaustive()
    }
}

impl SoftwareNsm {
    /// Starts a module on the authority in `folder`, which is created when missing. Uses the
    /// system's time.
    ///
    /// # Errors
    /// [`NsmFolderError`].
    pub fn boot(folder: &Path, measurements: &Measurements) -> Result<Self, NsmFolderError> {
        Self::boot_at(folder, measurements, system_ms)
    }

    /// As [`Self::boot`], in debug mode: every verifier rejects its documents by name.
    ///
    /// # Errors
    /// [`NsmFolderError`].
    pub fn boot_debug(folder: &Path, label: &str) -> Result<Self, NsmFolderError> {
        Self::boot(folder, &Measurements::debug(label))
    }

    /// As [`Self::boot`], with another source of time: milliseconds since 1970.
    ///
    /// # Errors
    /// [`NsmFolderError`].
    pub fn boot_at(
        folder: &Path,
        measurements: &Measurements,
        time_ms: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Result<Self, NsmFolderError> {
        let now_s = time_ms() / 1000;
        let mut pki = Pki::open(folder, now_s)?;
        let module_id = format!("{}-enc{}", pki.instance_id(), hex::encode(&random::<8>()));
        let leaf = pki.leaf(&module_id, now_s)?;
        let root = RootFingerprint::of_der(&pki.root.der);
        let root_pem = pki.root.certificate_pem();
        let inner = Mutex::new(Inner { pki, bank: Bank::boot(measurements), leaf });
        Ok(Self { module_id, root, root_pem, time: Box::new(time_ms), inner })
    }

    /// The fingerprint of its root, which verifiers of development documents must pin.
    pub fn root(&self) -> RootFingerprint {
        self.root
    }

    /// The root's certificate as PEM.
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// Writes the root's certificate to `nitro-root.pem` and its fingerprint, as 64 hex digits and
    /// a newline, to `nitro-root.sha256`, for verifiers that pin this root.
    ///
    /// # Errors
    /// `Io`.
    pub fn export_root(&self, folder: &Path) -> Result<(), NsmFolderError> {
        files::write(&folder.join("nitro-root.pem"), 0o644, &self.root_pem)?;
        let fingerprint = format!("{}\n", hex::encode(&self.root.0));
        files::write(&folder.join("nitro-root.sha256"), 0o644, &fingerprint)
    }

    /// Nothing panics while it holds this lock during a change, so a poisoned lock is safe to use.
    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Replaces the leaf when it nears its end, or when time went back.
    fn refresh_leaf(&mut self, module_id: &str, now_s: u64) -> Result<(), NsmFolderError> {
        if !pki::is_fresh(&self.leaf, now_s) {
            self.leaf = self.pki.leaf(module_id, now_s)?;
        }
        Ok(())
    }
}

impl Nsm for SoftwareNsm {
    fn describe(&self) -> Result<ModuleDescription, NsmError> {
        Ok(ModuleDescription {
            version: [1, 0, 0],
            module_id: self.module_id.clone(),
            max_pcrs: PCR_COUNT,
            locked_pcrs: self.inner().bank.locked().map(|(index, _)| index).collect(),
            digest: String::from("SHA384"),
        })
    }

    fn describe_pcr(&self, index: u16) -> Result<PcrState, NsmError> {
        self.inner().bank.state(index)
    }

    fn extend_pcr(&self, index: u16, data: &[u8]) -> Result<Vec<u8>, NsmError> {
        self.inner().bank.extend(index, data).map(|pcr| pcr.0.to_vec())
    }

    fn lock_pcr(&self, index: u16) -> Result<(), NsmError> {
        self.inner().bank.lock(index)
    }

    fn random(&self) -> Result<Vec<u8>, NsmError> {
        Ok(random::<RANDOM_BYTES>().to_vec())
    }

    fn attest(&self, request: &AttestRequest) -> Result<Vec<u8>, NsmError> {
        check(request)?;
        let timestamp_ms = (self.time)();
        let mut inner = self.inner();
        let refreshed = inner.refresh_leaf(&self.module_id, timestamp_ms / 1000);
        refreshed.map_err(|_| NsmError::InternalError)?;
        let facts = Facts {
            module_id: &self.module_id,
            timestamp_ms,
            bank: &inner.bank,
            leaf: &inner.leaf,
            cabundle: inner.pki.cabundle().collect(),
        };
        Ok(document::sign(&facts, request))
    }
}

fn check(request: &AttestRequest) -> Result<(), NsmError> {
    let fields = [&request.user_data, &request.nonce, &request.public_key];
    let is_too_large = |field: &Vec<u8>| field.len() > ATTESTATION_FIELD_BYTES_MAX;
    if fields.into_iter().flatten().any(is_too_large) {
        return Err(NsmError::InputTooLarge);
    }
    // no verifier accepts a document with an empty key
    match request.public_key.as_deref() {
        Some([]) => Err(NsmError::InvalidArgument),
        _ => Ok(()),
    }
}

/// The system's clock never fails.
fn system_ms() -> u64 {
    SystemClock.now_ms().unwrap_or_default()
}
