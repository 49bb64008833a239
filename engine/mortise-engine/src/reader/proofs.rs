//! Proofs about the history of the newest released frame.

use super::tiles::Hash;
use super::{ReadError, Reader};
use crate::checkpoint;
use crate::released::ReleasedFrame;
use mortise_core::body::CarriedStatement;
use mortise_core::history::archive::Plan;
use mortise_format::ids::Root;
use mortise_format::merkle::history::TreeHead;
use std::sync::Arc;

/// An event of the log, in the history of the newest released frame.
#[derive(Debug, Clone)]
pub struct EventProof {
    /// The statement about the newest released frame.
    pub newest: CarriedStatement,
    /// Inclusion path of the event's frame.
    pub path: Vec<Hash>,
    pub frame: Arc<ReleasedFrame>,
    /// The event's index in its frame.
    pub index: u32,
}

/// Two sizes of the log, the first a prefix of the second.
#[derive(Debug, Clone)]
pub struct ConsistencyProof {
    pub from: TreeHead,
    pub to: TreeHead,
    pub path: Vec<Hash>,
}

impl Reader {
    /// Proof that the log of `from` frames is a prefix of the log of `to` frames, the newest one if
    /// absent. `None` for sizes that the released log does not have.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn consistency(
        &self,
        from: u64,
        to: Option<u64>,
    ) -> Result<Option<ConsistencyProof>, ReadError> {
        let size = self.newest()?.statement.history_size;
        let to = to.unwrap_or(size);
        let plans = self.view.archive(|archive| {
            let path = (to <= size).then(|| archive.consistency(from, to)).flatten()?;
            Some([path, archive.root(from)?, archive.root(to)?])
        });
        let Some(plans) = plans else { return Ok(None) };
        let seq = from.saturating_sub(1);
        let [path, from_root, to_root] = self.complete(seq, &plans).await?;
        let head = |size, root: &[Hash]| match root {
            [root] => Ok(TreeHead { size, root: Root(*root) }),
            // Not in memory that works: the plan of a root has one hash.
            _ => Err(ReadError::Damaged { seq }),
        };
        let (from, to) = (head(from, &from_root)?, head(to, &to_root)?);
        Ok(Some(ConsistencyProof { from, to, path }))
    }

    /// The hashes of a path that was planned elsewhere. `seq` is a frame of it, for the error.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn path(&self, seq: u64, plan: Plan) -> Result<Vec<Hash>, ReadError> {
        let [path] = self.complete(seq, &[plan]).await?;
        Ok(path)
    }

    /// The newest statement and the checkpoint about its history.
    ///
    /// # Errors
    /// `NotOpen`.
    pub fn checkpoint(&self) -> Result<(CarriedStatement, String), ReadError> {
        let newest = self.newest()?;
        let note = self.note_of(&newest)?;
        Ok((newest, note))
    }

    /// The checkpoint of the history that a statement names, with cosignatures if the policy has
    /// witnesses. A head that was never requested by itself has no cosignatures until the next head
    /// is released.
    ///
    /// # Errors
    /// `NotOpen`, for an origin that no signed note can name: no engine opens with one.
    pub fn note_of(&self, signed: &CarriedStatement) -> Result<String, ReadError> {
        let (size, root) = (signed.statement.history_size, signed.statement.history_root);
        let head = TreeHead { size, root };
        let cosigned = self.quorum.as_ref().and_then(|quorum| quorum.cosigned_at(&head));
        match cosigned {
            Some(cosigned) => Ok(cosigned.note.clone()),
            None => checkpoint::note(&self.identity, &head).map_err(|_| ReadError::NotOpen),
        }
    }
}
