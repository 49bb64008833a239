//! Digests of the content of requests: the same request id with other content is refused.

use mortise_format::codec;
use mortise_format::domains;
use mortise_format::eip712::Request;
use mortise_format::event::{Content, RequestKey};
use mortise_format::ids::{Address, Bytes32};
use mortise_format::lock::LockTerms;
use mortise_format::reject::Field;

/// A method, as the first tag of a content digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Commit,
    Claim,
    Release,
    Cancel,
    Extend,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::Claim => 2,
            Self::Release => 3,
            Self::Cancel => 4,
            Self::Extend => 5,
        }
    }

    /// The fields that the tags of a content digest cover, the method first.
    pub(crate) fn fields(self) -> &'static [Field] {
        match self {
            Self::Commit => &[
                Field::Method,
                Field::Batch,
                Field::Beneficiary,
                Field::Arbiter,
                Field::Nonce,
                Field::Expires,
                Field::Condition,
                Field::Assets,
            ],
            Self::Claim => &[
                Field::Method,
                Field::LockId,
                Field::ClaimIndex,
                Field::Claimant,
                Field::Amounts,
                Field::Evidence,
            ],
            Self::Release | Self::Cancel => &[Field::Method, Field::LockId],
            Self::Extend => &[Field::Method, Field::LockId, Field::NewExpires],
        }
    }
}

pub(super) fn intent_content(terms: &LockTerms, batch: &Bytes32) -> Content {
    let assets = codec::encode(&terms.legs);
    let condition = codec::encode(&terms.condition);
    content(
        Kind::Commit,
        &[
            &batch.0,
            &terms.beneficiary.0,
            &terms.arbiter.0,
            &terms.nonce.to_le_bytes(),
            &terms.expires.to_le_bytes(),
            &condition,
            &assets,
        ],
    )
}

pub(super) fn request_key(
    principal: Address,
    request: &Request,
    kind: Kind,
    fields: &[&[u8]],
) -> RequestKey {
    RequestKey {
        principal,
        id: request.id,
        valid_until: request.valid_until,
        content: content(kind, fields),
    }
}

/// Digest over all fields, each prefixed by its length, and a short tag for each.
fn content(kind: Kind, fields: &[&[u8]]) -> Content {
    debug_assert_eq!(fields.len() + 1, kind.fields().len());
    let mut tags = [0; 8];
    tags[0] = u16::from(kind.byte());
    let mut hasher = blake3::Hasher::new_derive_key(domains::CONTENT_DIGEST);
    hasher.update(&[kind.byte()]);
    for (tag, field) in tags[1..].iter_mut().zip(fields) {
        let length = u64::try_from(field.len()).unwrap_or(u64::MAX);
        hasher.update(&length.to_le_bytes());
        hasher.update(field);
        let hash = blake3::hash(field);
        *tag = u16::from_le_bytes([hash.as_bytes()[0], hash.as_bytes()[1]]);
    }
    Content { digest: Bytes32(*hasher.finalize().as_bytes()), tags }
}
