//! The two checks and their results.

use super::chain::Chain;
use super::document::{Document, Payload};
use super::envelope::Envelope;
use super::error::{AttestationError, Field, Hex};
use super::policy::{ImageRule, PcrPolicy};
use super::root::RootFingerprint;
use crate::lease::{AgeLimit, check_age};
use mortise_format::binding::KeyBinding;
use mortise_format::ids::Bytes32;
use mortise_format::limits::{ATTESTATION_BYTES_MAX, ATTESTATION_SKEW_MS_MAX};
use p384::ecdsa::signature::hazmat::PrehashVerifier as _;

/// What a caller expects of an optional field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expect<'a> {
    /// Any value; the field is not checked.
    Anything,
    /// The field must be absent or null.
    Absent,
    /// The field must be present and equal these bytes.
    Bytes(&'a [u8]),
}

/// What a caller expects in the fields that the enclave chose.
#[derive(Debug, Clone, Copy)]
pub struct Claims<'a> {
    /// The keys and the engine that the document must be for: checked in `user_data` and PCR16.
    pub binding: Option<&'a KeyBinding>,
    /// The digest of the root statement that `user_data` must contain after the binding's digest;
    /// without one, `user_data` must be the binding's digest alone.
    pub statement: Option<&'a Bytes32>,
    /// The lease of the statement, which `user_data` must contain after its digest; without one,
    /// nothing may follow it.
    pub lease: Option<LeaseClaim>,
    /// What `user_data` must be. With a binding, use [`Expect::Anything`].
    pub user_data: Expect<'a>,
    /// What `public_key` must be.
    pub public_key: Expect<'a>,
}

/// The lease of a statement, as the enclave stated it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseClaim {
    /// The digest over checkpoint and time ([`mortise_format::binding::LeaseDigest`]).
    pub digest: Bytes32,
    /// The time as of which the statement was the newest, seconds.
    pub as_of: u64,
    /// How old that time may be when the document is made.
    pub limit: AgeLimit,
}

impl<'a> Claims<'a> {
    /// Expects nothing. A document that passes proves nothing about keys.
    pub const fn unchecked() -> Self {
        Self {
            binding: None,
            statement: None,
            lease: None,
            user_data: Expect::Anything,
            public_key: Expect::Anything,
        }
    }

    /// Expects this binding and any `public_key`.
    pub const fn bound_to(binding: &'a KeyBinding) -> Self {
        Self { binding: Some(binding), ..Self::unchecked() }
    }

    /// Expects this binding followed by the digest of this root statement, as in the answer of
    /// `getAttestation`.
    pub const fn bound_at(binding: &'a KeyBinding, statement: &'a Bytes32) -> Self {
        Self { statement: Some(statement), ..Self::bound_to(binding) }
    }
}

/// What a live document is checked against.
#[derive(Debug, Clone, Copy)]
pub struct LiveCheck<'a> {
    /// The roots that the caller trusts; for real enclaves
    /// [`AWS_NITRO_ROOT_G1`](super::AWS_NITRO_ROOT_G1).
    pub roots: &'a [RootFingerprint],
    /// The images that the caller trusts.
    pub pcrs: &'a PcrPolicy,
    /// What the fields that the enclave chose must contain.
    pub claims: Claims<'a>,
    /// The nonce that the caller drew at random for this one document and sent.
    pub nonce: &'a [u8; 32],
    /// The caller's time, milliseconds since 1970.
    pub now_ms: u64,
}

/// What an archived document is checked against.
#[derive(Debug, Clone, Copy)]
pub struct ArchivedCheck<'a> {
    /// As in [`LiveCheck`].
    pub roots: &'a [RootFingerprint],
    /// As in [`LiveCheck`].
    pub pcrs: &'a PcrPolicy,
    /// As in [`LiveCheck`].
    pub claims: Claims<'a>,
    /// The nonce that the record of the document names, if it does.
    pub nonce: Expect<'a>,
}

/// A document that was verified live. Only [`verify_live`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedAttestation {
    facts: Facts,
}

/// A document that was verified at its own time. Only [`verify_archived`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedAttestation {
    facts: Facts,
}

/// The contents that both kinds share.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    document: Document,
    root: RootFingerprint,
    image_rule: ImageRule,
}

macro_rules! accessors {
    ($name:ident) => {
        impl $name {
            /// The contents of the document.
            pub fn document(&self) -> &Document {
                &self.facts.document
            }

            /// The pinned root under which it was verified.
            pub fn root(&self) -> RootFingerprint {
                self.facts.root
            }

            /// Whether the image was checked against approved values, or any image passed.
            pub fn image_rule(&self) -> ImageRule {
                self.facts.image_rule
            }
        }
    };
}

accessors!(VerifiedAttestation);
accessors!(ArchivedAttestation);

/// Verifies a document that was made for the caller, now.
///
/// **What a success proves**, if the pinned root and the caller's clock and nonce are good: an
/// enclave that is not in debug mode, and whose registers the policy approves, requested this
/// document after the caller drew the nonce and within `ATTESTATION_SKEW_MS_MAX` of `now_ms`; the
/// document contains what `claims` names. With [`Claims::bound_to`]: the code of that image holds
/// these keys, if the image binds only keys that it made or unsealed itself. Whether it made them
/// is what [`verify_genesis`](super::verify_genesis) shows.
///
/// **What it does not prove**: that the image is good or was built from some source; that the
/// enclave still runs; that the peer of this connection *is* the enclave - only bytes signed by, or
/// encrypted to, a bound key are; that no second enclave holds the same keys; anything at all about
/// the image under [`PcrPolicy::any_image`]. Revocation is not looked up.
///
/// # Errors
/// In this order: `DocumentTooLarge`; those of the envelope; those of the fields; `RootNotPinned`,
/// `Certificate`; `NotYetValid`, `Expired` at the document's own time; `SignatureMismatch`;
/// `ChainSignatureMismatch`; `DebugMode`; `PcrMissing`, `PcrNotApproved`; `BindingMismatch`,
/// `PcrMissing` and `BindingPcrMismatch`; `StatementMismatch`; `LeaseMismatch`, `Lease`;
/// `ClaimMismatch` of `user_data`, `public_key`, `nonce`; `Stale`, `FromTheFuture`; `NotYetValid`
/// with a leeway of `ATTESTATION_SKEW_MS_MAX`, because leaf certificates are not backdated, and
/// `Expired`, at `now_ms`.
pub fn verify_live(
    document: &[u8],
    check: &LiveCheck<'_>,
) -> Result<VerifiedAttestation, AttestationError> {
    let authentic = Authentic::verify(document, check.roots)?;
    let nonce = Expect::Bytes(check.nonce);
    check_statement(&authentic.payload, check.pcrs, &check.claims, nonce)?;
    check_freshness(authentic.payload.timestamp_ms, check.now_ms)?;
    authentic.chain.check_validity(check.now_ms, ATTESTATION_SKEW_MS_MAX)?;
    Ok(VerifiedAttestation { facts: authentic.into_facts(check.pcrs) })
}

/// Verifies a document of any age at the time that the document itself states.
///
/// **What a success proves**, if the pinned root is good: at the document's own time, an enclave
/// that was not in debug mode, and whose registers the policy approves, stated what `claims` names.
///
/// **What it does not prove**: that the document is new, that it was made for the caller, or that
/// it still holds today: any party that has a copy can replay it. Only its place in a log orders
/// it. The certificates have expired since; a chain key that was stolen after its expiry could have
/// signed it with an old time. It also does not prove anything that [`verify_live`] does not.
///
/// # Errors
/// As [`verify_live`] up to `ClaimMismatch` of `nonce`.
pub fn verify_archived(
    document: &[u8],
    check: &ArchivedCheck<'_>,
) -> Result<ArchivedAttestation, AttestationError> {
    let authentic = Authentic::verify(document, check.roots)?;
    check_statement(&authentic.payload, check.pcrs, &check.claims, check.nonce)?;
    Ok(ArchivedAttestation { facts: authentic.into_facts(check.pcrs) })
}

/// A document that some enclave under a pinned root made. Its claims are not checked yet.
struct Authentic<'a> {
    payload: Payload<'a>,
    chain: Chain,
    root: RootFingerprint,
}

impl<'a> Authentic<'a> {
    /// Checks everything except the claims. Cheap checks come before the five ECDSA verifications.
    fn verify(document: &'a [u8], roots: &[RootFingerprint]) -> Result<Self, AttestationError> {
        let (bytes_max, found) = (ATTESTATION_BYTES_MAX, document.len());
        if found > bytes_max {
            return Err(AttestationError::DocumentTooLarge { bytes_max, found });
        }
        let envelope = Envelope::parse(document)?;
        let payload = Payload::parse(envelope.payload)?;
        let chain = Chain::parse(&payload, roots)?;
        chain.check_validity(payload.timestamp_ms, 0)?;
        chain
            .leaf_key()
            .verify_prehash(&envelope.digest(), &envelope.signature)
            .map_err(|_| AttestationError::SignatureMismatch)?;
        chain.check_signatures()?;
        let root = RootFingerprint::of_der(payload.cabundle[0]);
        Ok(Self { payload, chain, root })
    }

    fn into_facts(self, pcrs: &PcrPolicy) -> Facts {
        let document = self.payload.into_document();
        Facts { document, root: self.root, image_rule: pcrs.image_rule() }
    }
}

fn check_statement(
    payload: &Payload<'_>,
    pcrs: &PcrPolicy,
    claims: &Claims<'_>,
    nonce: Expect<'_>,
) -> Result<(), AttestationError> {
    if payload.is_debug() {
        return Err(AttestationError::DebugMode);
    }
    pcrs.check(&payload.pcrs)?;
    let (bound, behind) = claimed_user_data(payload, claims);
    if let Some(binding) = claims.binding {
        check_binding(payload, bound, binding)?;
    }
    if let Some(expected) = claims.statement
        && stated(behind, claims.lease.is_some()) != Some(&expected.0[..])
    {
        let (expected, found) = (*expected, Hex::of(behind));
        return Err(AttestationError::StatementMismatch { expected, found });
    }
    if let Some(lease) = &claims.lease {
        check_lease(payload.timestamp_ms, behind, lease)?;
    }
    check_field(Field::UserData, claims.user_data, payload.user_data)?;
    check_field(Field::PublicKey, claims.public_key, payload.public_key)?;
    check_field(Field::Nonce, nonce, payload.nonce)
}

/// Splits `user_data` into binding and statement, only where a statement is expected.
fn claimed_user_data<'a>(
    payload: &Payload<'a>,
    claims: &Claims<'_>,
) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
    let cut = payload.user_data.and_then(|user_data| user_data.split_at_checked(32));
    match (claims.statement, cut) {
        (Some(_), Some((bound, behind))) => (Some(bound), Some(behind)),
        _ => (payload.user_data, None),
    }
}

/// The digest of the statement: all that follows the binding, or the part before the lease.
fn stated(behind: Option<&[u8]>, has_lease: bool) -> Option<&[u8]> {
    match has_lease {
        true => behind.map(|behind| behind.get(..32).unwrap_or(behind)),
        false => behind,
    }
}

/// Checks that the document covers this lease, and that the lease held when it was made.
fn check_lease(
    timestamp_ms: u64,
    behind: Option<&[u8]>,
    lease: &LeaseClaim,
) -> Result<(), AttestationError> {
    let (expected, found) = (lease.digest, behind.and_then(|behind| behind.get(32..)));
    if found != Some(&expected.0[..]) {
        return Err(AttestationError::LeaseMismatch { expected, found: Hex::of(found) });
    }
    Ok(check_age(lease.as_of, &lease.limit.at(timestamp_ms / 1000))?)
}

fn check_binding(
    payload: &Payload<'_>,
    bound: Option<&[u8]>,
    binding: &KeyBinding,
) -> Result<(), AttestationError> {
    let expected = binding.digest();
    if bound != Some(&expected.0[..]) {
        let found = Hex::of(bound);
        return Err(AttestationError::BindingMismatch { expected, found });
    }
    let found = *payload.pcrs.get(&16).ok_or(AttestationError::PcrMissing { index: 16 })?;
    let expected = binding.pcr16();
    if found != expected {
        return Err(AttestationError::BindingPcrMismatch { expected, found });
    }
    Ok(())
}

fn check_field(
    field: Field,
    expect: Expect<'_>,
    found: Option<&[u8]>,
) -> Result<(), AttestationError> {
    let expected = match expect {
        Expect::Anything => return Ok(()),
        Expect::Absent => None,
        Expect::Bytes(bytes) => Some(bytes),
    };
    if found == expected {
        return Ok(());
    }
    let (expected, found) = (Hex::of(expected), Hex::of(found));
    Err(AttestationError::ClaimMismatch { field, expected, found })
}

fn check_freshness(timestamp_ms: u64, now_ms: u64) -> Result<(), AttestationError> {
    let max = ATTESTATION_SKEW_MS_MAX;
    let age_ms = now_ms.saturating_sub(timestamp_ms);
    if age_ms > max {
        return Err(AttestationError::Stale { age_ms_max: max, age_ms });
    }
    let ahead_ms = timestamp_ms.saturating_sub(now_ms);
    if ahead_ms > max {
        return Err(AttestationError::FromTheFuture { ahead_ms_max: max, ahead_ms });
    }
    Ok(())
}
