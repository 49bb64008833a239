//! The Nitro Secure Module, as the engine sees it.
//!
//! What it is for: one shape for the device of an enclave and for the software module of the
//! development system, so that the same clock, generator, key service client and boot run on both.
//!
//! What it does not do: judge documents; [`mortise_verify`] does. Calls block (the device answers
//! an ioctl): they are made off the actors' threads.
//!
//! Source: AWS Nitro Enclaves NSM API, `docs/api.md` and `docs/attestation_process.md`.

/// What the module says of itself (`DescribeNSM`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleDescription {
    /// Version of its interface: major, minor, patch.
    pub version: [u16; 3],
    /// `i-<instance>-enc<enclave>`.
    pub module_id: String,
    /// How many registers there are.
    pub max_pcrs: u16,
    /// Registers that nobody can extend any more.
    pub locked_pcrs: Vec<u16>,
    /// Digest of the registers; `SHA384`.
    pub digest: String,
}

/// A register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcrState {
    /// True when nobody can extend it any more.
    pub locked: bool,
    /// 48 bytes.
    pub value: Vec<u8>,
}

/// What stands in a document besides what the module knows; each at most 1024 bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttestRequest {
    /// Bytes of the enclave's choice.
    pub user_data: Option<Vec<u8>>,
    /// Bytes of the responder's choice.
    pub nonce: Option<Vec<u8>>,
    /// A public key; for the key service, RSA in SubjectPublicKeyInfo DER.
    pub public_key: Option<Vec<u8>>,
}

/// Why the module did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NsmError {
    /// There is no device: this is not an enclave.
    #[error("there is no Nitro Secure Module here: {0}")]
    NoDevice(String),
    /// `InvalidArgument`.
    #[error("the module refuses an argument")]
    InvalidArgument,
    /// `InvalidIndex`: no such register.
    #[error("the module has no such register")]
    InvalidIndex,
    /// `ReadOnlyIndex`: the register is locked.
    #[error("the register is locked")]
    ReadOnlyIndex,
    /// `InvalidOperation`.
    #[error("the module cannot do this now")]
    InvalidOperation,
    /// `BufferTooSmall`.
    #[error("the module's answer does not fit its buffer")]
    BufferTooSmall,
    /// `InputTooLarge`: a field is above its bound.
    #[error("an input is larger than the module takes")]
    InputTooLarge,
    /// `InternalError`; the driver gives every other error of the device this name.
    #[error("the module failed inside")]
    InternalError,
    /// The answer is of another kind than the question.
    #[error("the module gave an answer of another kind")]
    UnexpectedAnswer,
}

/// A Nitro Secure Module. Every call blocks.
pub trait Nsm: Send + Sync + 'static {
    /// `DescribeNSM`.
    ///
    /// # Errors
    /// [`NsmError`].
    fn describe(&self) -> Result<ModuleDescription, NsmError>;

    /// `DescribePCR`.
    ///
    /// # Errors
    /// [`NsmError`]; `InvalidIndex`.
    fn describe_pcr(&self, index: u16) -> Result<PcrState, NsmError>;

    /// `ExtendPCR`: the register becomes SHA-384(register | data); gives the new value.
    ///
    /// # Errors
    /// [`NsmError`]; `ReadOnlyIndex` when it is locked, `InvalidIndex`.
    fn extend_pcr(&self, index: u16, data: &[u8]) -> Result<Vec<u8>, NsmError>;

    /// `LockPCR`: nobody can extend it any more; locked registers stand in documents.
    ///
    /// # Errors
    /// [`NsmError`]; `ReadOnlyIndex` when it is locked already, `InvalidIndex`.
    fn lock_pcr(&self, index: u16) -> Result<(), NsmError>;

    /// `GetRandom`: at least one random byte, as many as the module likes to give.
    ///
    /// # Errors
    /// [`NsmError`].
    fn random(&self) -> Result<Vec<u8>, NsmError>;

    /// `Attestation`: a COSE_Sign1 document (`specs/attestation.md`).
    ///
    /// # Errors
    /// [`NsmError`]; `InputTooLarge` for a field above 1024 bytes.
    fn attest(&self, request: &AttestRequest) -> Result<Vec<u8>, NsmError>;
}
