//! The verdicts of a client: what an attestation or a promise established, and how the engine is
//! tied to what the caller trusts.
//!
//! What it does not do: check. A [`Proven`], a `VerifiedCommitment` and a `VerifiedReceipt` come
//! from their checks alone.

use crate::attestation::Proven;
use crate::client::Client;
use crate::identity::Identity;
use mortise_verify::attestation::{AWS_NITRO_ROOT_G1, ImageRule};
use mortise_verify::commitment::VerifiedCommitment;
use mortise_verify::receipt::VerifiedReceipt;
use mortise_verify::verdict::{self, Basis, Claim, Clock, Named, Subject, Tie, Verdict};

impl Proven {
    /// What the document established: which engine, in an enclave of which image, at what time.
    ///
    /// Under a policy that accepts any image the engine is tied to nothing. The caller adds what it
    /// compared besides: the engine or the policy that it expected.
    pub fn verdict(&self) -> Verdict {
        let is_named = self.image_rule() == ImageRule::Approved;
        let (is_live, document) = (self.statement().is_some(), self.document());
        let identity = verdict::Identity {
            engine_id: Some(self.identity().engine_id),
            address: Some(self.identity().address),
            image: document.pcr(0).map(ToString::to_string),
            tie: if is_named { Tie::Attested } else { Tie::NotAtAll },
        };
        let says = match is_live {
            true => "holds these keys in an enclave",
            false => "held these keys in an enclave when it booted",
        };
        let mut verdict = Verdict::new(Subject::Attestation, identity, says);
        verdict.about_time(document.timestamp_ms() / 1000, Clock::Document);
        let basis = |what: &str| Basis::named(Named::Attestation, what);
        let what = match self.root() == AWS_NITRO_ROOT_G1 {
            true => "a Nitro enclave, not in debug mode, made the document",
            false => "an enclave under a root that you named, not in debug mode, made the document",
        };
        verdict.establish(Claim::Document, what, basis("the signature and its certificate chain"));
        match is_live {
            true => {
                let what = "it was made now, for the nonce of this request";
                verdict.establish(Claim::Fresh, what, basis("the nonce and the time in it"));
            }
            false => {
                let what = "it was valid at the time that it states";
                verdict.establish(Claim::AtItsTime, what, basis("the time in it"));
            }
        }
        if is_named {
            let what = "the enclave runs an image that you named";
            verdict.establish(Claim::Image, what, basis("the registers in it"));
        }
        let what = "it holds the keys shown here, for this engine, and continues this history";
        verdict.establish(Claim::Keys, what, basis("the digest of the keys in it"));
        match self.genesis() {
            Some(_) => {
                let image = if is_named { "of an image that you named" } else { "of some image" };
                let what = format!("an enclave {image} drew the keys that the engine ID covers");
                verdict.establish(Claim::Genesis, what, basis("the genesis document"));
                verdict.leaves_open(
                    "that the keys stayed inside: an administrator of the key at the key service \
                     could unwrap them",
                );
            }
            None => {
                verdict.leaves_open(
                    "that these keys were drawn inside an enclave: the engine has no genesis \
                     document",
                );
            }
        }
        if is_live {
            let what = "the statement was the newest that it had released";
            verdict.establish(Claim::NewestHeld, what, basis("the digest of the statement in it"));
        }
        verdict
    }
}

impl Client {
    /// How the engine of this client is tied to what the caller trusts.
    pub fn tie(&self) -> Tie {
        match (&self.attested, self.is_pinned()) {
            (Some(_), _) => Tie::Attested,
            (None, true) => Tie::Pinned,
            (None, false) => Tie::FirstUse,
        }
    }
}

/// What a checked commitment and the receipt of its event established.
///
/// A receipt of another event is no evidence of this promise: the verdict is then NOT PROVEN.
pub fn of_promise(
    identity: &Identity,
    tie: Tie,
    promise: &VerifiedCommitment,
    receipt: Option<&VerifiedReceipt>,
) -> Verdict {
    let fields = promise.fields();
    let own = verdict::Identity { tie, ..verdict::Identity::pinned(&identity.engine()) };
    let says = format!("promised to hold lock {}", fields.lock_id);
    let mut verdict = Verdict::new(Subject::Commitment, own, says);
    let what = "the engine promised to hold these assets until the times shown";
    verdict.about_time(fields.issued_at, Clock::Engine).establish(Claim::Promise, what, promise);
    match receipt {
        Some(receipt) if promise.is_in(receipt) => {
            verdict.establish(Claim::InLog, "the event is in the log of the engine", receipt);
        }
        Some(_) => {
            let reason = "the receipt and the commitment belong to different events";
            verdict.contradicts(Claim::InLog, reason);
        }
        None => {
            verdict.leaves_open("that it is in the log");
        }
    }
    if promise.mode().is_some() {
        verdict.contradicts(Claim::Promise, "it is signed in an insecure mode and binds no one");
    }
    verdict
}
