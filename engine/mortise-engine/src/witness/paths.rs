//! Consistency paths for witnesses, made from tiles of the store.

use crate::ports::PortFuture;
use crate::reader::complete;
use crate::store::LogStore;
use mortise_core::history::archive::Plan;
use std::sync::Arc;

/// Builds a consistency path. `None` without a plan, or if the tiles cannot be read; the round then
/// retries.
pub fn consistency(
    store: &Arc<dyn LogStore>,
    plan: Option<Plan>,
) -> PortFuture<'static, Option<Vec<[u8; 32]>>> {
    let store = Arc::clone(store);
    Box::pin(async move {
        match complete(store.as_ref(), &[plan?]).await {
            Ok(paths) => paths.into_iter().next(),
            Err(error) => {
                tracing::error!(%error, "cannot build a consistency path for a witness");
                None
            }
        }
    })
}
