//! The two checks and what each gives.

use super::chain::Chain;
use super::document::{Document, Payload};
use super::envelope::Envelope;
use super::error::{AttestationError, Field, Hex};
use super::policy::{ImageRule, PcrPolicy};
use super::root::RootFingerprint;
use mortise_format::binding::KeyBinding;
use mortise_format::ids::Bytes32;
use mortise_format::limits::{ATTESTATION_BYTES_MAX, ATTESTATION_SKEW_MS_MAX};
use p384::ecdsa::signature::hazmat::PrehashVerifier as _;

/// What a caller expects of an optional field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expect<'a> {
    /// Nothing: the field is not looked at.
    Anything,
    /// That it is absent, or null.
    Absent,
    /// That it is there and has these bytes.
    Bytes(&'a [u8]),
}

/// What a caller expects the enclave to have said.
#[derive(Debug, Clone, Copy)]
pub struct Claims<'a> {
    /// The keys and the engine that the document must be for: checked in `user_data` and PCR16.
    pub binding: Option<&'a KeyBinding>,
    /// The digest of the root statement that the document must name behind the binding's digest;
    /// without one the binding's digest must stand alone.
    pub statement: Option<&'a Bytes32>,
    /// What `user_data` must be; beside a binding, [`Expect::Anything`].
    pub user_data: Expect<'a>,
    /// What `public_key` must be.
    pub public_key: Expect<'a>,
}

impl<'a> Claims<'a> {
    /// Expects nothing: a document that passes says nothing about keys.
    pub const fn unchecked() -> Self {
        Self {
            binding: None,
            statement: None,
            user_data: Expect::Anything,
            public_key: Expect::Anything,
        }
    }

    /// Expects this binding, and nothing of `public_key`.
    pub const fn bound_to(binding: &'a KeyBinding) -> Self {
        Self { binding: Some(binding), ..Self::unchecked() }
    }

    /// Expects this binding and, behind it, the digest of this root statement: what
    /// `getAttestation` gives.
    pub const fn bound_at(binding: &'a KeyBinding, statement: &'a Bytes32) -> Self {
        Self { statement: Some(statement), ..Self::bound_to(binding) }
    }
}

/// What a live document is held against.
#[derive(Debug, Clone, Copy)]
pub struct LiveCheck<'a> {
    /// The roots that the caller trusts; [`AWS_NITRO_ROOT_G1`] for real enclaves.
    pub roots: &'a [RootFingerprint],
    /// The images that the caller trusts.
    pub pcrs: &'a PcrPolicy,
    /// What the enclave must have said.
    pub claims: Claims<'a>,
    /// The nonce that the caller drew at random for this one document, and sent.
    pub nonce: &'a [u8; 32],
    /// The caller's time, milliseconds since 1970.
    pub now_ms: u64,
}

/// What an archived document is held against.
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

/// What both kinds hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    document: Document,
    root: RootFingerprint,
    image_rule: ImageRule,
}

macro_rules! accessors {
    ($name:ident) => {
        impl $name {
            /// What the document says.
            pub fn document(&self) -> &Document {
                &self.facts.document
            }

            /// The pinned root under which it was verified.
            pub fn root(&self) -> RootFingerprint {
                self.facts.root
            }

            /// Whether the image was held against approved values, or any image passed.
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
/// **What a success proves**, as far as the pinned root and the caller's clock and nonce are good:
/// an enclave that is not in debug mode, whose registers the policy approves, asked for this
/// document after the caller drew the nonce and at most `ATTESTATION_SKEW_MS_MAX` from `now_ms`;
/// and it said what `claims` names. With [`Claims::bound_to`]: the code of that image holds these
/// keys, if the image binds only keys that it made or unsealed itself.
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
/// `PcrMissing` and `BindingPcrMismatch`; `StatementMismatch`; `ClaimMismatch` of `user_data`,
/// `public_key`, `nonce`; `Stale`, `FromTheFuture`; `NotYetValid` with a leeway of
/// `ATTESTATION_SKEW_MS_MAX`, because leaf certificates are not backdated, and `Expired`, at
/// `now_ms`.
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

/// Verifies a document of any age at the time that it states itself.
///
/// **What a success proves**, as far as the pinned root is good: at the document's own time, an
/// enclave that was not in debug mode, whose registers the policy approves, said what `claims`
/// names.
///
/// **What it does not prove**: that the document is new, that it was made for the caller, or that
/// anybody may rely on it today: whoever ever got hold of it can show it again. A log gives it its
/// place. The certificates have expired since; a key of the chain that was stolen after its expiry
/// could have signed it with an old time. And nothing that [`verify_live`] does not prove.
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

/// A document that some enclave under a pinned root made, whatever it says.
struct Authentic<'a> {
    payload: Payload<'a>,
    chain: Chain,
    root: RootFingerprint,
}

impl<'a> Authentic<'a> {
    /// Everything but what the document says; cheap checks before the five of elliptic curves.
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
        && behind != Some(&expected.0[..])
    {
        let (expected, found) = (*expected, Hex::of(behind));
        return Err(AttestationError::StatementMismatch { expected, found });
    }
    check_field(Field::UserData, claims.user_data, payload.user_data)?;
    check_field(Field::PublicKey, claims.public_key, payload.public_key)?;
    check_field(Field::Nonce, nonce, payload.nonce)
}

/// `user_data` as binding and statement: cut only where a statement is expected.
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
