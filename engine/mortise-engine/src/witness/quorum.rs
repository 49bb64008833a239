//! The witnesses of a policy, and the checkpoints that this engine signs for them.

use super::head::{CosignatureLine, Cosigned, CosignedHead};
use super::terms::LeaseTerms;
use crate::checkpoint::CheckpointSigner;
use crate::keyring::Identity;
use crate::ports::{Clock, Witnesses as Port};
use mortise_format::checkpoint::checkpoint_text;
use mortise_format::merkle::history::TreeHead;
use mortise_format::note::{KeyUse, NoteError, NoteKey};
use mortise_format::policy::Policy;
use mortise_format::witness::WitnessKey;
use mortise_verify::checkpoint::Witnesses;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The witnesses, their quorum, and the port to them.
pub struct WitnessQuorum {
    origin: String,
    log: NoteKey,
    signer: CheckpointSigner,
    members: Vec<Member>,
    witnesses: Witnesses,
    port: Arc<dyn Port>,
    clock: Arc<dyn Clock>,
    terms: LeaseTerms,
    recent: Mutex<VecDeque<CosignedHead>>,
    ahead: AtomicU64,
}

/// Number of heads whose cosignatures are in memory. A checkpoint is stored before its frames are
/// released, and callers get it until the next frames are; one more may be in flight.
const RECENT_MAX: usize = 4;

/// A witness, and the largest size that it is known to have cosigned.
struct Member {
    key: WitnessKey,
    cosigned: Mutex<u64>,
}

impl WitnessQuorum {
    /// The witnesses of a policy; `None` if it has none.
    ///
    /// # Errors
    /// A name that a signed note does not allow, which a checked policy excludes.
    pub fn new(
        identity: &Identity,
        policy: &Policy,
        (port, clock): (Arc<dyn Port>, Arc<dyn Clock>),
    ) -> Result<Option<Self>, NoteError> {
        let key = |w: &WitnessKey| NoteKey::new(KeyUse::Witness, &w.name, w.key);
        let keys = policy.witnesses.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        let quorum = usize::try_from(policy.witnesses_min).unwrap_or(usize::MAX);
        let Ok(witnesses) = Witnesses::new(keys, quorum) else { return Ok(None) };
        let member = |key: &WitnessKey| Member { key: key.clone(), cosigned: Mutex::new(0) };
        let members = policy.witnesses.iter().map(member).collect();
        let (origin, signer) = (identity.origin(), identity.checkpoint.clone());
        let log = identity.log_key()?;
        let (terms, recent, ahead) =
            (LeaseTerms::of(policy), Mutex::default(), AtomicU64::default());
        Ok(Some(Self {
            origin,
            log,
            signer,
            members,
            witnesses,
            port,
            clock,
            terms,
            recent,
            ahead,
        }))
    }

    /// The verifier key of the log, which each witness must know.
    pub fn log(&self) -> &NoteKey {
        &self.log
    }

    /// The first line of checkpoints.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub fn witnesses(&self) -> &Witnesses {
        &self.witnesses
    }

    pub fn port(&self) -> &dyn Port {
        self.port.as_ref()
    }

    /// Lease and skew of the policy.
    pub fn terms(&self) -> LeaseTerms {
        self.terms
    }

    /// Engine time, for the ages of leases.
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Cosignatures since the boot whose time was ahead of engine time by more than the skew.
    pub fn ahead(&self) -> u64 {
        self.ahead.load(Ordering::Relaxed)
    }

    /// The newest checkpoint that a quorum cosigned in this boot.
    pub fn newest(&self) -> Option<Arc<Cosigned>> {
        self.recent().iter().rev().find_map(CosignedHead::cosigned)
    }

    /// The cosigned checkpoint of a recent head, as it is cosigned now.
    pub fn cosigned_at(&self, head: &TreeHead) -> Option<Arc<Cosigned>> {
        self.recent().iter().find(|held| held.head() == head).and_then(CosignedHead::cosigned)
    }

    /// Adds the cosignature of a witness to those of a head. Returns the checkpoint once a quorum
    /// cosigned it. A head that is older than the newest ones is forgotten.
    pub(super) fn add(
        &self,
        head: &TreeHead,
        note: &str,
        member: usize,
        line: CosignatureLine,
    ) -> Option<Arc<Cosigned>> {
        let line = self.judged(member, line);
        let mut recent = self.recent();
        let at = recent.iter().position(|held| held.head() == head).or_else(|| {
            let is_old = recent.back().is_some_and(|newest| newest.head().size > head.size);
            (!is_old).then(|| {
                if recent.len() == RECENT_MAX {
                    recent.pop_front();
                }
                recent.push_back(CosignedHead::new(*head, note.to_owned()));
                recent.len() - 1
            })
        })?;
        recent[at].add(member, line, self.witnesses.quorum());
        recent[at].cosigned()
    }

    /// Judges the time of a cosignature when it arrives: a clock that is ahead gives no lease, not
    /// even later, when engine time has caught up.
    fn judged(&self, member: usize, line: CosignatureLine) -> CosignatureLine {
        let now_ms = self.clock.now_ms().unwrap_or(0);
        let latest_ms = now_ms.saturating_add(self.terms.skew_ms);
        let is_ahead = line.time.saturating_mul(1000) > latest_ms;
        if is_ahead {
            self.ahead.fetch_add(1, Ordering::Relaxed);
            let (witness, time) = (&self.members[member].key.name, line.time);
            tracing::warn!(witness, time, now_ms, "WITNESS_CLOCK_AHEAD: it gives no lease");
        }
        CosignatureLine { is_ahead, ..line }
    }

    fn recent(&self) -> MutexGuard<'_, VecDeque<CosignedHead>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text of a checkpoint, and the note with the signature of the log.
    pub(super) fn sign(&self, head: &TreeHead) -> (String, String) {
        let text = checkpoint_text(&self.origin, head);
        let line = self.log.signature_line(&self.signer.sign(text.as_bytes()));
        let note = format!("{text}\n{line}");
        (text, note)
    }

    pub(super) fn key(&self, member: usize) -> &WitnessKey {
        &self.members[member].key
    }

    pub(super) fn verifier(&self, member: usize) -> &NoteKey {
        &self.witnesses.keys()[member]
    }

    /// The size that a witness is known to have cosigned last.
    pub(super) fn cosigned(&self, member: usize) -> u64 {
        *self.members[member].cosigned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_cosigned(&self, member: usize, size: u64) {
        *self.members[member].cosigned.lock().unwrap_or_else(PoisonError::into_inner) = size;
    }
}

impl std::fmt::Debug for WitnessQuorum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WitnessQuorum({} of {})", self.witnesses.quorum(), self.members.len())
    }
}
