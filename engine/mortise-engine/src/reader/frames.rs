//! Frames and leaves from the store, checked against the archive.

use super::{ReadError, Reader};
use crate::store::{Garbage, LogStore, RemoteLog, StoreError};
use mortise_core::body::{CarriedStatement, FrameStatement};
use mortise_core::machine::statement_about;
use mortise_format::frame::{Frame, FrameLeaf};
use mortise_format::ids::Root;
use mortise_format::store::StoreRefusal;
use mortise_transport::Address;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The reader's connection to the store. A connection that ended is dialled again, because the end
/// of this one does not touch the engine's own.
pub enum ReadStore {
    /// A store that stays connected.
    Open(Arc<dyn LogStore>),
    /// The address of a store, and the connection to it.
    Dialled { address: Address, connection: Mutex<Option<Arc<dyn LogStore>>> },
}

impl ReadStore {
    /// A store to connect to with the first read.
    pub fn dialled(address: Address) -> Self {
        Self::Dialled { address, connection: Mutex::new(None) }
    }

    pub(super) async fn connected(&self) -> Result<Arc<dyn LogStore>, StoreError> {
        match self {
            Self::Open(store) => Ok(Arc::clone(store)),
            Self::Dialled { address, connection } => {
                let mut connection = connection.lock().await;
                if let Some(store) = connection.as_ref().filter(|store| store.is_alive()) {
                    return Ok(Arc::clone(store));
                }
                let store: Arc<dyn LogStore> = Arc::new(RemoteLog::connect(address).await?);
                *connection = Some(Arc::clone(&store));
                Ok(store)
            }
        }
    }
}

impl Reader {
    /// The frame with this seq; `None` if it is not released.
    pub(super) async fn frame(&self, seq: u64) -> Result<Option<Frame>, ReadError> {
        Ok(self.frames(seq, 1, 1).await?.into_iter().next())
    }

    /// Reads released frames, beginning with seq `from`: at most `count` frames and about
    /// `bytes_max` bytes, but at least one frame if there is one. Ends before a frame that cannot
    /// be read.
    ///
    /// # Errors
    /// [`ReadError`] if the first frame cannot be read, twice.
    pub async fn frames(
        &self,
        from: u64,
        count: usize,
        bytes_max: u32,
    ) -> Result<Vec<Frame>, ReadError> {
        if from >= self.view.size() || count == 0 {
            return Ok(Vec::new());
        }
        match self.try_frames(from, count, bytes_max).await {
            Ok(frames) => Ok(frames),
            // One broken frame spoils the answer of the store: ask for the first frame alone.
            Err(_) => self.try_frames(from, 1, 1).await,
        }
    }

    async fn try_frames(
        &self,
        from: u64,
        count: usize,
        bytes_max: u32,
    ) -> Result<Vec<Frame>, ReadError> {
        let released = self.view.size();
        let read = async { self.store.connected().await?.read(from, bytes_max).await };
        let read = read.await.map_err(|error| self.of_store(from, error))?;
        // The store may hold frames that are not released. It does not know the difference.
        let read = read.into_iter().filter(|frame| frame.header().seq < released).take(count);
        let mut frames = Vec::new();
        for (seq, frame) in (from..).zip(read) {
            if !self.is_ours(seq, frame.leaf()).await? {
                break;
            }
            frames.push(frame);
        }
        match frames.is_empty() {
            true => Err(self.is_damaged(from)),
            false => Ok(frames),
        }
    }

    /// The leaf of the frame with this seq; `None` if it is not released.
    pub(super) async fn leaf(&self, seq: u64) -> Result<Option<FrameLeaf>, ReadError> {
        if seq >= self.view.size() {
            return Ok(None);
        }
        match self.try_leaf(seq).await {
            Ok(leaf) => Ok(Some(leaf)),
            Err(_) => self.try_leaf(seq).await.map(Some),
        }
    }

    async fn try_leaf(&self, seq: u64) -> Result<FrameLeaf, ReadError> {
        let read = async { self.store.connected().await?.leaves(seq, 1).await };
        let read = read.await.map_err(|error| self.of_store(seq, error))?;
        let leaf = read.into_iter().next().ok_or_else(|| self.is_damaged(seq))?;
        match self.is_ours(seq, &leaf).await? {
            true => Ok(leaf),
            false => Err(self.is_damaged(seq)),
        }
    }

    /// True if the engine appended this leaf as number `seq` of its history.
    async fn is_ours(&self, seq: u64, leaf: &FrameLeaf) -> Result<bool, ReadError> {
        let Some(plan) = self.view.archive(|archive| archive.leaf(seq)) else { return Ok(false) };
        let expected = self.complete(seq, &[plan]).await?;
        let is_ours = expected[0][..] == [leaf.history_leaf()];
        if is_ours {
            self.damage.mended(seq);
        }
        Ok(is_ours)
    }

    /// The signed statement about a frame whose leaf was checked.
    pub(super) async fn statement(&self, leaf: &FrameLeaf) -> Result<CarriedStatement, ReadError> {
        let seq = leaf.header.seq;
        if let Some(newest) = self.view.newest().filter(|newest| newest.statement.seq == seq) {
            return Ok(newest);
        }
        let size = seq.saturating_add(1);
        let plans = self.view.archive(|archive| {
            archive.root(size).zip(archive.inclusion(seq, size)).map(|(root, path)| [root, path])
        });
        let plans = plans.ok_or(ReadError::Damaged { seq })?;
        let completed = self.complete(seq, &plans).await?;
        let (root, path) = (completed[0][0], completed[1].clone());
        let statement = statement_about(leaf, Root(root));
        let signature = self.signer.sign_statement(&statement);
        Ok(FrameStatement { statement, history_path: path }.signed(signature))
    }

    pub(super) fn newest(&self) -> Result<CarriedStatement, ReadError> {
        self.view.newest().ok_or(ReadError::NotOpen)
    }

    pub(super) fn is_damaged(&self, seq: u64) -> ReadError {
        self.damage.found(seq);
        ReadError::Damaged { seq }
    }

    /// What the store answers in place of a broken frame is damage, and names the broken frame; the
    /// rest may pass.
    pub(super) fn of_store(&self, seq: u64, error: StoreError) -> ReadError {
        match error {
            StoreError::Garbage(Garbage::NotAFrame { seq: broken, .. })
            | StoreError::Refused(StoreRefusal::FrameBroken { seq: broken }) => {
                self.is_damaged(broken)
            }
            StoreError::Refused(StoreRefusal::FramePruned { first }) => {
                ReadError::Pruned { seq, first }
            }
            StoreError::Garbage(_) => self.is_damaged(seq),
            error => ReadError::Store { seq, error },
        }
    }
}
