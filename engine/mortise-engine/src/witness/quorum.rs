//! The witnesses of a policy, and the checkpoints that this engine signs for them.

use crate::checkpoint::CheckpointSigner;
use crate::keyring::Identity;
use crate::ports::Witnesses as Port;
use mortise_format::checkpoint::checkpoint_text;
use mortise_format::merkle::history::TreeHead;
use mortise_format::note::{KeyUse, NoteError, NoteKey};
use mortise_format::policy::Policy;
use mortise_format::witness::WitnessKey;
use mortise_verify::checkpoint::Witnesses;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A checkpoint with the cosignatures of a quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    pub head: TreeHead,
    /// The signed note, cosignature lines included.
    pub note: String,
}

/// The witnesses, their quorum, and the port to them.
pub struct WitnessQuorum {
    origin: String,
    log: NoteKey,
    signer: CheckpointSigner,
    members: Vec<Member>,
    witnesses: Witnesses,
    port: Arc<dyn Port>,
    recent: Mutex<VecDeque<Arc<Cosigned>>>,
}

/// Number of cosigned checkpoints in memory. A checkpoint is stored before its frames are released,
/// and callers get it until the next frames are; one more may be in flight.
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
        port: Arc<dyn Port>,
    ) -> Result<Option<Self>, NoteError> {
        let key = |w: &WitnessKey| NoteKey::new(KeyUse::Witness, &w.name, w.key);
        let keys = policy.witnesses.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        let quorum = usize::try_from(policy.witnesses_min).unwrap_or(usize::MAX);
        let Ok(witnesses) = Witnesses::new(keys, quorum) else { return Ok(None) };
        let member = |key: &WitnessKey| Member { key: key.clone(), cosigned: Mutex::new(0) };
        let members = policy.witnesses.iter().map(member).collect();
        let (origin, signer) = (identity.origin(), identity.checkpoint.clone());
        let log = identity.log_key()?;
        let recent = Mutex::default();
        Ok(Some(Self { origin, log, signer, members, witnesses, port, recent }))
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

    /// The newest checkpoint that a quorum cosigned in this boot.
    pub fn newest(&self) -> Option<Arc<Cosigned>> {
        self.recent().back().cloned()
    }

    /// The cosigned checkpoint of a recent head.
    pub fn cosigned_at(&self, head: &TreeHead) -> Option<Arc<Cosigned>> {
        self.recent().iter().find(|cosigned| cosigned.head == *head).cloned()
    }

    /// Stores a cosigned checkpoint and drops the oldest.
    pub(super) fn keep(&self, cosigned: Cosigned) -> Arc<Cosigned> {
        let cosigned = Arc::new(cosigned);
        let mut recent = self.recent();
        if recent.len() == RECENT_MAX {
            recent.pop_front();
        }
        recent.push_back(Arc::clone(&cosigned));
        cosigned
    }

    fn recent(&self) -> MutexGuard<'_, VecDeque<Arc<Cosigned>>> {
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
