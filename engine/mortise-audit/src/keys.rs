//! What a full auditor is given.

use alloc::collections::BTreeMap;
use mortise_format::content_key::ContentRoot;
use mortise_format::ids::EngineId;
use mortise_format::secret::Secret;

/// Keys that open the frames of some epochs of one engine, and hide nothing of its state.
///
/// They make nothing: no MAC, no signature, no snapshot key is among them.
#[derive(Debug, Clone)]
pub struct AuditKeys {
    engine_id: EngineId,
    state_salt: Secret,
    content_roots: BTreeMap<u64, ContentRoot>,
}

impl AuditKeys {
    /// The keys of an engine with no epoch yet.
    pub fn new(engine_id: EngineId, state_salt: Secret) -> Self {
        Self { engine_id, state_salt, content_roots: BTreeMap::new() }
    }

    /// Adds the content root of an epoch; a later one for the same epoch takes its place.
    #[must_use]
    pub fn with_epoch(mut self, epoch: u64, content_root: ContentRoot) -> Self {
        self.content_roots.insert(epoch, content_root);
        self
    }

    /// Whose keys.
    pub fn engine_id(&self) -> &EngineId {
        &self.engine_id
    }

    /// The key of the salts that hide values in the state tree.
    pub fn state_salt(&self) -> &Secret {
        &self.state_salt
    }

    /// The content root of an epoch.
    pub fn content_root(&self, epoch: u64) -> Option<&ContentRoot> {
        self.content_roots.get(&epoch)
    }

    /// The epochs whose frames they open, in order.
    pub fn epochs(&self) -> impl Iterator<Item = u64> {
        self.content_roots.keys().copied()
    }
}
