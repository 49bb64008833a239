//! The port of the Nitro Secure Module (NSM).
//!
//! What it is for: one interface for the device of an enclave and for the software module of the
//! development system. The same clock, generator, key service client and boot run on both.
//!
//! What it does not do: verify documents; [`mortise_verify`] does. Calls block on an ioctl of the
//! device, so make them off the actors' threads.
//!
//! Source: AWS Nitro Enclaves NSM API, `docs/api.md` and `docs/attestation_process.md`.

/// The description of the module (`DescribeNSM`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleDescription {
    /// Version of the interface: major, minor, patch.
    pub version: [u16; 3],
    /// `i-<instance>-enc<enclave>`.
    pub module_id: String,
    /// Number of registers.
    pub max_pcrs: u16,
    /// Registers that no one can extend again.
    pub locked_pcrs: Vec<u16>,
    /// Digest algorithm of the registers: `SHA384`.
    pub digest: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcrState {
    /// True if no one can extend the register again.
    pub locked: bool,
    /// 48 bytes.
    pub value: Vec<u8>,
}

/// The fields of a document that the enclave chooses, each at most 1024 bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttestRequest {
    /// Bytes that the enclave chooses.
    pub user_data: Option<Vec<u8>>,
    /// Bytes that the verifier chooses, against replay.
    pub nonce: Option<Vec<u8>>,
    /// A public key. The key service needs RSA as SubjectPublicKeyInfo in DER.
    pub public_key: Option<Vec<u8>>,
}

/// The module refused or failed.
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
    #[error("an input is larger than the module accepts")]
    InputTooLarge,
    /// `InternalError`. The driver also maps every other error of the device to it.
    #[error("the module failed inside")]
    InternalError,
    /// The answer does not match the request.
    #[error("the answer of the module does not match the request")]
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

    /// `ExtendPCR`: sets the register to SHA-384(register | data) and returns the new value.
    ///
    /// # Errors
    /// [`NsmError`]; `ReadOnlyIndex` for a locked register, `InvalidIndex`.
    fn extend_pcr(&self, index: u16, data: &[u8]) -> Result<Vec<u8>, NsmError>;

    /// `LockPCR`: no one can extend the register again. Documents contain locked registers only.
    ///
    /// # Errors
    /// [`NsmError`]; `ReadOnlyIndex` for a locked register, `InvalidIndex`.
    fn lock_pcr(&self, index: u16) -> Result<(), NsmError>;

    /// `GetRandom`: one or more random bytes; the module chooses how many.
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
