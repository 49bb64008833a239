//! A local secp256k1 key and the requests that it signs.

use mortise_format::command::SignedIntent;
use mortise_format::eip712::{self, Claim, Digest, Domain, Request};
use mortise_format::fact::BalanceFact;
use mortise_format::ids::{Address, Bytes32, EngineId, LockId, RequestId, Signature, parse_hex};
use mortise_format::images::ImageApproval;
use mortise_format::lock::LockTerms;
use mortise_format::reading::ReadingGrant;
use mortise_format::secp256k1::{SignatureError, Signer as Key};
use mortise_rpc::params::{CancelLock, CancelSignedAs, ClaimLock, ExtendLock, ReleaseLock};
use zeroize::Zeroizing;

/// Why a text or bytes are not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// Not 0x and 64 hex digits.
    #[error("a key must be 0x and 64 hex digits")]
    Text,
    /// Zero, or not below the group order.
    #[error("a key must be above zero and below the group order")]
    Range,
}

/// A signing key held in memory, wiped on drop and never printed.
#[derive(Debug, Clone)]
pub struct Signer(Key);

impl Signer {
    /// A fresh key from the operating system's entropy.
    ///
    /// # Panics
    /// When the operating system has no entropy to give.
    pub fn random() -> Self {
        Self::random_with_secret().0
    }

    /// A fresh key with its text, to save it once.
    ///
    /// # Panics
    /// As [`Signer::random`].
    pub fn random_with_secret() -> (Self, Zeroizing<String>) {
        loop {
            let mut secret = Zeroizing::new([0; 32]);
            getrandom::fill(&mut *secret).expect("the operating system gives entropy");
            if let Ok(signer) = Self::from_bytes(&secret) {
                return (signer, Zeroizing::new(mortise_format::ids::to_hex(&*secret)));
            }
        }
    }

    /// From 32 secret bytes.
    ///
    /// # Errors
    /// `Range`.
    pub fn from_bytes(secret: &[u8; 32]) -> Result<Self, SignerError> {
        Key::from_bytes(secret).map(Self).map_err(|_: SignatureError| SignerError::Range)
    }

    /// From 0x text, spaces around it ignored.
    ///
    /// # Errors
    /// `Text`, `Range`.
    pub fn from_hex(text: &str) -> Result<Self, SignerError> {
        let mut secret = Zeroizing::new([0; 32]);
        parse_hex(text.trim(), &mut *secret).map_err(|_| SignerError::Text)?;
        Self::from_bytes(&secret)
    }

    /// The address.
    pub fn address(&self) -> Address {
        self.0.address()
    }

    /// Signs a digest.
    pub fn sign(&self, digest: &Digest) -> Signature {
        self.0.sign(digest)
    }

    fn sign_struct(&self, engine_id: &EngineId, hash: &Bytes32) -> Signature {
        self.sign(&Domain::of_engine(engine_id).digest(hash))
    }

    /// The existing client's `LockApproval`; `None` unless the lock has one leg.
    pub fn lock_approval(&self, lock_id: &LockId, terms: &LockTerms) -> Option<Signature> {
        eip712::lock_approval(lock_id, terms).map(|digest| self.sign(&digest))
    }

    /// `LockIntent`; `batch` is zero or the batch hash.
    pub fn lock_intent(
        &self,
        engine_id: &EngineId,
        terms: LockTerms,
        batch: &Bytes32,
        request: Request,
    ) -> SignedIntent {
        let hash = eip712::lock_intent(&terms, batch, &request);
        let signature = self.sign_struct(engine_id, &hash);
        SignedIntent { terms, request, signature }
    }

    /// `Claim`, as the arbiter.
    pub fn claim(&self, engine_id: &EngineId, claim: Claim) -> ClaimLock {
        let signature = self.sign_struct(engine_id, &claim.hash());
        ClaimLock { claim, signature }
    }

    /// `GrantReading`, as one of the operators.
    pub fn grant_reading(&self, engine_id: &EngineId, grant: &ReadingGrant) -> Signature {
        self.sign_struct(engine_id, &eip712::grant_reading(engine_id, grant))
    }

    /// `ApproveImages`, as one of the operators.
    pub fn approve_images(&self, engine_id: &EngineId, approval: &ImageApproval) -> Signature {
        self.sign_struct(engine_id, &eip712::approve_images(engine_id, approval))
    }

    /// `ReleaseConsent`, as the beneficiary.
    pub fn release(&self, engine_id: &EngineId, lock_id: LockId, request: Request) -> ReleaseLock {
        let hash = eip712::release_consent(&lock_id, &request);
        ReleaseLock { lock_id, request, signature: self.sign_struct(engine_id, &hash) }
    }

    /// `CancelConsent` alone, for the party that does not send the request.
    pub fn cancel_consent(
        &self,
        engine_id: &EngineId,
        lock_id: &LockId,
        request: &Request,
    ) -> Signature {
        let hash = eip712::cancel_consent(lock_id, request);
        self.sign_struct(engine_id, &hash)
    }

    /// `CancelConsent`, as the owner, with the beneficiary's consent over the same request.
    pub fn cancel(
        &self,
        engine_id: &EngineId,
        lock_id: LockId,
        request: Request,
        beneficiary_signature: Option<Signature>,
    ) -> CancelLock {
        CancelLock {
            lock_id,
            terms: None,
            signature: self.cancel_consent(engine_id, &lock_id, &request),
            beneficiary_signature,
            signed_as: CancelSignedAs::Consent(request),
        }
    }

    /// `ExtendConsent`, as the owner.
    pub fn extend(
        &self,
        engine_id: &EngineId,
        lock_id: LockId,
        new_expires: u64,
        request: Request,
    ) -> ExtendLock {
        let hash = eip712::extend_consent(&lock_id, new_expires, &request);
        let signature = self.sign_struct(engine_id, &hash);
        ExtendLock { lock_id, new_expires, request, signature }
    }

    /// `BalanceFact`, as an observer.
    pub fn balance_fact(&self, engine_id: &EngineId, fact: &BalanceFact) -> Signature {
        self.sign_struct(engine_id, &eip712::balance_fact(fact))
    }
}

/// A request id from the operating system's entropy.
///
/// # Panics
/// When the operating system has no entropy to give.
pub fn random_request_id() -> RequestId {
    let mut id = RequestId::ZERO;
    getrandom::fill(&mut id.0).expect("the operating system gives entropy");
    id
}

/// 32 random bytes of the operating system.
///
/// # Panics
/// When the operating system has no entropy to give.
pub(crate) fn random_bytes() -> [u8; 32] {
    random_request_id().0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First account of the public test mnemonic.
    const SECRET: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

    #[test]
    fn key_text_gives_its_address_and_is_never_printed() {
        let signer = Signer::from_hex(&format!(" {SECRET}\n")).unwrap();
        let address = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
        assert_eq!(signer.address().to_string(), address);
        assert!(!format!("{signer:?}").contains("ac0974"));
    }

    #[test]
    fn what_is_no_key_is_refused_by_name() {
        assert_eq!(Signer::from_hex("ac09").unwrap_err(), SignerError::Text);
        assert_eq!(Signer::from_hex(&SECRET[..65]).unwrap_err(), SignerError::Text);
        assert_eq!(Signer::from_bytes(&[0; 32]).unwrap_err(), SignerError::Range);
        assert_eq!(Signer::from_bytes(&[0xff; 32]).unwrap_err(), SignerError::Range);
    }

    #[test]
    fn fresh_keys_and_ids_differ_and_their_text_reads_back() {
        let (signer, text) = Signer::random_with_secret();
        assert_eq!(Signer::from_hex(&text).unwrap().address(), signer.address());
        assert_ne!(Signer::random().address(), signer.address());
        assert_ne!(random_request_id(), random_request_id());
    }
}
