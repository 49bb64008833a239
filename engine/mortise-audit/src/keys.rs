//! The keys of a full auditor.

use alloc::collections::BTreeMap;
use mortise_format::content_key::ContentRoot;
use mortise_format::ids::EngineId;
use mortise_format::secret::Secret;

/// Keys that open the frames of some epochs of one engine and the values of its state.
///
/// They create nothing: there is no MAC key, signing key or snapshot key among them.
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

    /// Adds the content root of an epoch, or replaces it.
    #[must_use]
    pub fn with_epoch(mut self, epoch: u64, content_root: ContentRoot) -> Self {
        self.content_roots.insert(epoch, content_root);
        self
    }

    /// The engine that the keys belong to.
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

    /// The epochs whose frames the keys open, in order.
    pub fn epochs(&self) -> impl Iterator<Item = u64> {
        self.content_roots.keys().copied()
    }
}
