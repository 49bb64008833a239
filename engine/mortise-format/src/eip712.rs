//! EIP-712 types, type hashes, domains and struct hashes (`specs/eip712.md`).
//!
//! Domains:
//! - the existing client's, one per chain, for `LockApproval` alone;
//! - `{Mortise, 1, salt = engineId}` for everything else;
//! - one for each [`InsecureMode`], for what an engine in that mode signs about locks. A verifier
//!   that does not allow the mode by name rejects such a signature.
//!
//! The engine signs and accepts only digests that it rebuilt here from full fields (INV-08).

use crate::abi::Words;
use crate::domains::keccak256;
use crate::fact::BalanceFact;
use crate::ids::{Address, Bytes32, EngineId, FrameDigest, LockId, PolicyHash, Root};
use crate::images::ImageApproval;
use crate::insecure_mode::InsecureMode;
use crate::lock::{Custody, Durability, LOCKED_ASSET_TYPE, LockTerms, Status};
use crate::reading::ReadingGrant;
use alloc::vec::Vec;
use bincode::{Decode, Encode};

pub use crate::abi::{amounts_hash, type_hash};
pub use crate::claim::{CLAIM_TYPE, Claim};
pub use crate::request::Request;

/// The existing client's approval: the fields that its wallet shows.
pub const LOCK_APPROVAL_TYPE: &str = "LockApproval(bytes32 lockId,address owner,bytes32 asset,\
uint256 amount,uint256 nonce,uint256 expiresAt,bytes32 fulfillmentHash)";
/// An owner's full agreement to a lock.
pub const LOCK_INTENT_TYPE: &str = "LockIntent(address owner,address beneficiary,address arbiter,\
uint256 nonce,uint64 expires,bytes32 condition,bytes32 batch,bytes32 requestId,uint64 validUntil,\
LockedAsset[] assets)";
/// A beneficiary releases the lock.
pub const RELEASE_TYPE: &str = "ReleaseConsent(bytes32 lockId,bytes32 requestId,uint64 validUntil)";
/// Owner or beneficiary agrees to cancel.
pub const CANCEL_TYPE: &str = "CancelConsent(bytes32 lockId,bytes32 requestId,uint64 validUntil)";
/// An owner extends the lock.
pub const EXTEND_TYPE: &str =
    "ExtendConsent(bytes32 lockId,uint64 newExpires,bytes32 requestId,uint64 validUntil)";
/// The owner of an encrypted text asks for it.
pub const DECRYPT_TYPE: &str = "DecryptRequest(address owner,bytes32 encrypted,\
bytes32 signature,bytes32 ciphertextBlob,uint64 validUntil)";
/// An observer attests one balance at one block.
pub const BALANCE_FACT_TYPE: &str = "BalanceFact(uint256 chainId,uint256 headNumber,\
bytes32 headHash,uint64 headTime,address account,uint8 assetType,address token,uint256 tokenId,\
uint256 balance,uint256 withdrawing,uint8 withdrawalStatus)";
/// Operators grant a right to read the log.
pub const GRANT_READING_TYPE: &str = "GrantReading(bytes32 engineId,bytes32 reader,\
uint64 fromEpoch,uint64 toEpoch,bytes32 requestId,uint64 validUntil)";
/// Operators name the images that may boot on the log.
pub const APPROVE_IMAGES_TYPE: &str = "ApproveImages(bytes32 engineId,uint64 serial,\
bytes[] images,string minimumVersion,uint16 rules,uint64 validUntil)";
/// The engine's signed promise that a lock is held.
pub const COMMITMENT_TYPE: &str = "LockCommitment(bytes32 lockId,address owner,\
address beneficiary,address arbiter,bytes32 assets,bytes32 condition,uint64 issuedAt,\
uint64 expires,uint64 claimBy,uint64 settleBy,uint8 custody,uint8 durability,uint64 epoch,\
uint64 frameSeq,uint32 eventIndex,bytes32 eventRoot,bytes32 stateRoot,bytes32 policyHash,\
bytes32 userSignatureHash)";
/// The engine's signed statement of what became of a lock.
pub const OUTCOME_TYPE: &str = "LockOutcome(bytes32 lockId,uint8 status,uint256 claimIndex,\
address claimant,bytes32 amounts,uint64 time,uint8 durability,uint64 epoch,uint64 frameSeq,\
uint32 eventIndex,bytes32 eventRoot,bytes32 stateRoot,bytes32 policyHash)";
/// The engine's statement about a whole frame.
pub const ROOT_STATEMENT_TYPE: &str = "RootStatement(bytes32 engineId,uint64 epoch,uint64 seq,\
uint64 time,bytes32 frameDigest,bytes32 eventRoot,uint32 eventCount,bytes32 stateRoot,\
bytes32 historyRoot,uint64 historySize,bytes32 policyHash)";

const CLIENT_DOMAIN_TYPE: &str =
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const DOMAIN_TYPE: &str = "EIP712Domain(string name,string version,bytes32 salt)";

/// Name of the existing client's domain.
pub const CLIENT_DOMAIN_NAME: &str = "CredibleCommitmentMachine";
/// Version of the existing client's domain.
pub const CLIENT_DOMAIN_VERSION: &str = "1.0.0";
/// Name of the engine's own domain.
pub const DOMAIN_NAME: &str = "Mortise";
/// Domain name of commitments and outcomes that an engine in debug mode signs.
pub const DEBUG_DOMAIN_NAME: &str = "Mortise DEBUG";
/// Domain name of commitments and outcomes that an engine on an emulated module signs.
pub const EMULATED_DOMAIN_NAME: &str = "Mortise EMULATED";
/// Version of the engine's own domain.
pub const DOMAIN_VERSION: &str = "1";

/// A 32-byte digest that is ready to be signed or checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

/// The domain separator of an engine's own types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Domain([u8; 32]);

impl Domain {
    /// `{Mortise, 1, salt = engineId}`.
    pub fn of_engine(engine_id: &EngineId) -> Self {
        Self::named(DOMAIN_NAME, engine_id)
    }

    /// The domain of [`LockCommitment`] and [`LockOutcome`]: the engine's own, or that of its
    /// insecure mode. So the digest of a promise that binds no one differs from a real one.
    pub fn of_promises(engine_id: &EngineId, insecure_mode: Option<InsecureMode>) -> Self {
        Self::named(promises_domain_name(insecure_mode), engine_id)
    }

    fn named(name: &str, engine_id: &EngineId) -> Self {
        let words = Words::typed(&type_hash(DOMAIN_TYPE))
            .word(&keccak256(&[name.as_bytes()]))
            .word(&keccak256(&[DOMAIN_VERSION.as_bytes()]))
            .word(&engine_id.0);
        Self(words.hash().0)
    }

    /// The existing client's domain on a chain.
    pub fn of_client(chain_id: u64) -> Self {
        let words = Words::typed(&type_hash(CLIENT_DOMAIN_TYPE))
            .word(&keccak256(&[CLIENT_DOMAIN_NAME.as_bytes()]))
            .word(&keccak256(&[CLIENT_DOMAIN_VERSION.as_bytes()]))
            .number(chain_id)
            .address(&Address::ZERO);
        Self(words.hash().0)
    }

    /// The separator.
    pub fn separator(&self) -> &[u8; 32] {
        &self.0
    }

    /// `keccak(0x1901 | separator | struct hash)`.
    pub fn digest(&self, struct_hash: &Bytes32) -> Digest {
        Digest(keccak256(&[&[0x19, 0x01], &self.0, &struct_hash.0]))
    }
}

/// Domain name of commitments and outcomes.
pub const fn promises_domain_name(insecure_mode: Option<InsecureMode>) -> &'static str {
    match insecure_mode {
        None => DOMAIN_NAME,
        Some(InsecureMode::Debug) => DEBUG_DOMAIN_NAME,
        Some(InsecureMode::Emulated) => EMULATED_DOMAIN_NAME,
    }
}

/// The EIP-191 digest of a text (`personal_sign`).
pub fn personal_digest(text: &[u8]) -> Digest {
    let length = alloc::format!("{}", text.len());
    Digest(keccak256(&[b"\x19Ethereum Signed Message:\n", length.as_bytes(), text]))
}

/// Digest of the existing client's approval of a lock with one leg.
pub fn lock_approval(lock_id: &LockId, terms: &LockTerms) -> Option<Digest> {
    let [leg] = terms.legs.as_slice() else { return None };
    let words = Words::typed(&type_hash(LOCK_APPROVAL_TYPE))
        .word(&lock_id.0)
        .address(&terms.owner)
        .word(&leg.asset.hash().0)
        .amount(leg.amount)
        .number(terms.nonce)
        .number(terms.expires)
        .word(&terms.condition.hash().0);
    Some(Domain::of_client(leg.asset.chain_id).digest(&words.hash()))
}

/// Struct hash of an owner's intent. `batch` is zero, or the [`batch_hash`] it belongs to.
pub fn lock_intent(terms: &LockTerms, batch: &Bytes32, request: &Request) -> Bytes32 {
    let mut encoded_type = alloc::string::String::from(LOCK_INTENT_TYPE);
    encoded_type.push_str(LOCKED_ASSET_TYPE);
    Words::typed(&type_hash(&encoded_type))
        .address(&terms.owner)
        .address(&terms.beneficiary)
        .address(&terms.arbiter)
        .number(terms.nonce)
        .number(terms.expires)
        .word(&terms.condition.hash().0)
        .word(&batch.0)
        .word(&request.id.0)
        .number(request.valid_until)
        .word(&terms.assets_hash().0)
        .hash()
}

/// Ties the intents of an all-or-none batch together: keccak over its lock ids in order.
pub fn batch_hash(lock_ids: &[LockId]) -> Bytes32 {
    let bytes: Vec<u8> = lock_ids.iter().flat_map(|id| id.0).collect();
    Bytes32(keccak256(&[&bytes]))
}

/// Struct hash of a release consent.
pub fn release_consent(lock_id: &LockId, request: &Request) -> Bytes32 {
    consent(RELEASE_TYPE, lock_id, request)
}

/// Struct hash of a cancel consent.
pub fn cancel_consent(lock_id: &LockId, request: &Request) -> Bytes32 {
    consent(CANCEL_TYPE, lock_id, request)
}

fn consent(encoded_type: &str, lock_id: &LockId, request: &Request) -> Bytes32 {
    Words::typed(&type_hash(encoded_type))
        .word(&lock_id.0)
        .word(&request.id.0)
        .number(request.valid_until)
        .hash()
}

/// The text that the existing client signs to cancel.
pub fn cancel_text(lock_id: &LockId) -> Digest {
    personal_digest(alloc::format!("Cancel lock: {lock_id}").as_bytes())
}

/// The hash that the existing client's server names: `keccak(abi.encode(lockId, "CANCEL"))`,
/// standard ABI (its own encoder drops the string; a hash of the bare lock id is not accepted).
pub fn cancel_server_hash(lock_id: &LockId) -> Digest {
    let mut word = [0; 32];
    word[..6].copy_from_slice(b"CANCEL");
    Digest(Words::new().word(&lock_id.0).number(64).number(6).word(&word).hash().0)
}

/// Struct hash of an extend consent.
pub fn extend_consent(lock_id: &LockId, new_expires: u64, request: &Request) -> Bytes32 {
    Words::typed(&type_hash(EXTEND_TYPE))
        .word(&lock_id.0)
        .number(new_expires)
        .word(&request.id.0)
        .number(request.valid_until)
        .hash()
}

/// What the owner of an encrypted text signs to have it decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecryptRequest {
    /// For whom it was encrypted.
    pub owner: Address,
    /// Keccak-256 of the encrypted text; zero when the bare key is asked for.
    pub encrypted: Bytes32,
    /// Keccak-256 of its signature; zero when the bare key is asked for.
    pub signature: Bytes32,
    /// Keccak-256 of the wrapped key.
    pub ciphertext_blob: Bytes32,
    /// Whole seconds since the Unix epoch.
    pub valid_until: u64,
}

impl DecryptRequest {
    /// Of the three parts; `message` is encrypted text and signature.
    pub fn new(
        owner: Address,
        message: Option<(&[u8], &[u8])>,
        ciphertext_blob: &[u8],
        valid_until: u64,
    ) -> Self {
        let hash = |bytes: &[u8]| Bytes32(keccak256(&[bytes]));
        let (encrypted, signature) = match message {
            Some((encrypted, signature)) => (hash(encrypted), hash(signature)),
            None => (Bytes32::ZERO, Bytes32::ZERO),
        };
        Self { owner, encrypted, signature, ciphertext_blob: hash(ciphertext_blob), valid_until }
    }

    /// Struct hash.
    pub fn hash(&self) -> Bytes32 {
        Words::typed(&type_hash(DECRYPT_TYPE))
            .address(&self.owner)
            .word(&self.encrypted.0)
            .word(&self.signature.0)
            .word(&self.ciphertext_blob.0)
            .number(self.valid_until)
            .hash()
    }

    /// The digest that the owner signs.
    pub fn digest(&self, engine_id: &EngineId) -> Digest {
        Domain::of_engine(engine_id).digest(&self.hash())
    }
}

/// Struct hash of a balance fact.
pub fn balance_fact(fact: &BalanceFact) -> Bytes32 {
    Words::typed(&type_hash(BALANCE_FACT_TYPE))
        .number(fact.asset.chain_id)
        .number(fact.head_number)
        .word(&fact.head_hash.0)
        .number(fact.head_time)
        .address(&fact.account)
        .number(u64::from(fact.asset.asset_type.number()))
        .address(&fact.asset.token)
        .word(&fact.asset.token_id.0)
        .amount(fact.balance)
        .amount(fact.withdrawing)
        .number(u64::from(fact.withdrawal.number()))
        .hash()
}

/// Struct hash of a reading right of an engine's log.
pub fn grant_reading(engine_id: &EngineId, grant: &ReadingGrant) -> Bytes32 {
    Words::typed(&type_hash(GRANT_READING_TYPE))
        .word(&engine_id.0)
        .word(&grant.reader.0)
        .number(grant.from_epoch)
        .number(grant.to_epoch)
        .word(&grant.request.id.0)
        .number(grant.request.valid_until)
        .hash()
}

/// Struct hash of an approval of images for an engine's log.
pub fn approve_images(engine_id: &EngineId, approval: &ImageApproval) -> Bytes32 {
    let images: Vec<u8> = approval.images.iter().flat_map(|image| keccak256(&[&image.0])).collect();
    let minimum_version = alloc::format!("{}", approval.minimum_version);
    Words::typed(&type_hash(APPROVE_IMAGES_TYPE))
        .word(&engine_id.0)
        .number(approval.serial)
        .word(&keccak256(&[&images]))
        .word(&keccak256(&[minimum_version.as_bytes()]))
        .number(u64::from(approval.rules.0))
        .number(approval.valid_until)
        .hash()
}

/// The position of an event in the log and the roots that cover it: the common part of commitments
/// and outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Place {
    /// Epoch of the frame.
    pub epoch: u64,
    /// The frame.
    pub seq: u64,
    /// The event in the frame.
    pub index: u32,
    /// Root of the frame's events.
    pub event_root: Root,
    /// Root of the state after the frame.
    pub state_root: Root,
    /// Policy in force after the frame.
    pub policy_hash: PolicyHash,
}

/// The engine's signed promise about one lock.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LockCommitment {
    /// The lock.
    pub lock_id: LockId,
    /// Owner.
    pub owner: Address,
    /// Beneficiary, or zero.
    pub beneficiary: Address,
    /// Arbiter, or zero.
    pub arbiter: Address,
    /// [`LockTerms::assets_hash`].
    pub assets: Bytes32,
    /// Condition hash.
    pub condition: Bytes32,
    /// Engine time of the promise, whole seconds.
    pub issued_at: u64,
    /// End of fills.
    pub expires: u64,
    /// End of claims.
    pub claim_by: u64,
    /// End of the hold for claims.
    pub settle_by: u64,
    /// Custody class.
    pub custody: Custody,
    /// Durability mode.
    pub durability: Durability,
    /// Place in the log.
    pub place: Place,
    /// Keccak-256 of the owner's signature.
    pub user_signature_hash: Bytes32,
}

impl LockCommitment {
    /// Struct hash.
    pub fn hash(&self) -> Bytes32 {
        let words = Words::typed(&type_hash(COMMITMENT_TYPE))
            .word(&self.lock_id.0)
            .address(&self.owner)
            .address(&self.beneficiary)
            .address(&self.arbiter)
            .word(&self.assets.0)
            .word(&self.condition.0)
            .number(self.issued_at)
            .number(self.expires)
            .number(self.claim_by)
            .number(self.settle_by)
            .number(u64::from(self.custody.number()))
            .number(u64::from(self.durability.number()));
        place_words(words, &self.place).word(&self.user_signature_hash.0).hash()
    }
}

/// The engine's signed statement of what became of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LockOutcome {
    /// The lock.
    pub lock_id: LockId,
    /// Its status after the event.
    pub status: Status,
    /// Claims before this event.
    pub claim_index: u32,
    /// Who claimed, or zero.
    pub claimant: Address,
    /// [`amounts_hash`] of the amounts that moved, one per leg.
    pub amounts: Bytes32,
    /// Engine time, whole seconds.
    pub time: u64,
    /// Durability mode.
    pub durability: Durability,
    /// Place in the log.
    pub place: Place,
}

impl LockOutcome {
    /// Struct hash.
    pub fn hash(&self) -> Bytes32 {
        let words = Words::typed(&type_hash(OUTCOME_TYPE))
            .word(&self.lock_id.0)
            .number(u64::from(self.status.number()))
            .number(u64::from(self.claim_index))
            .address(&self.claimant)
            .word(&self.amounts.0)
            .number(self.time)
            .number(u64::from(self.durability.number()));
        place_words(words, &self.place).hash()
    }
}

fn place_words(words: Words, place: &Place) -> Words {
    words
        .number(place.epoch)
        .number(place.seq)
        .number(u64::from(place.index))
        .word(&place.event_root.0)
        .word(&place.state_root.0)
        .word(&place.policy_hash.0)
}

/// The engine's statement about a frame and the whole log up to it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RootStatement {
    /// The engine.
    pub engine_id: EngineId,
    /// Epoch of the frame.
    pub epoch: u64,
    /// The frame.
    pub seq: u64,
    /// Engine time of the frame, milliseconds.
    pub time_ms: u64,
    /// Digest of the frame.
    pub frame_digest: FrameDigest,
    /// Root of the frame's events.
    pub event_root: Root,
    /// Number of the frame's events.
    pub event_count: u32,
    /// Root of the state after the frame.
    pub state_root: Root,
    /// RFC 6962 root over frames 0 to `seq`.
    pub history_root: Root,
    /// `seq + 1`.
    pub history_size: u64,
    /// Policy in force after the frame.
    pub policy_hash: PolicyHash,
}

impl RootStatement {
    /// Struct hash. Time is signed in whole seconds, rounded down (DESIGN 10).
    pub fn hash(&self) -> Bytes32 {
        Words::typed(&type_hash(ROOT_STATEMENT_TYPE))
            .word(&self.engine_id.0)
            .number(self.epoch)
            .number(self.seq)
            .number(self.time_ms / 1000)
            .word(&self.frame_digest.0)
            .word(&self.event_root.0)
            .number(u64::from(self.event_count))
            .word(&self.state_root.0)
            .word(&self.history_root.0)
            .number(self.history_size)
            .word(&self.policy_hash.0)
            .hash()
    }

    /// The digest that the engine signs.
    pub fn digest(&self) -> Digest {
        Domain::of_engine(&self.engine_id).digest(&self.hash())
    }
}
