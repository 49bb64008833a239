//! Queries about locks, and about where their events are.

use super::{Context, Query};
use crate::api::LockFilter;
use crate::drafts::Draft;
use mortise_core::state::changes::Changes;
use mortise_core::state::locks::Lock;
use mortise_format::cursor::ListCursor;
use mortise_format::event::LogPosition;
use mortise_format::ids::{Address, LockId, RequestId};
use mortise_format::limits::OWNER_LOCKS_MAX;
use mortise_format::lock::{LockTerms, Status};

/// One lock or draft.
#[derive(Debug, Clone, Copy)]
pub struct FindLock(pub LockId);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockOrDraft {
    Lock(Box<Lock>),
    Draft(Box<Draft>),
}

impl Query for FindLock {
    type Answer = Option<LockOrDraft>;

    fn read(self, context: Context<'_>) -> Self::Answer {
        if let Some(lock) = context.state().lock(&self.0) {
            return Some(LockOrDraft::Lock(Box::new(lock.clone())));
        }
        let draft = context.drafts.find(&self.0, context.now_ms);
        draft.map(|draft| LockOrDraft::Draft(Box::new(draft.clone())))
    }
}

/// The terms of a lock or draft, as first signed.
#[derive(Debug, Clone, Copy)]
pub struct FindTerms(pub LockId);

/// Terms, and the object that they belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTerms {
    pub terms: LockTerms,
    pub of: TermsOf,
}

/// The object that terms belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TermsOf {
    Draft,
    Lock,
}

impl Query for FindTerms {
    type Answer = Option<FoundTerms>;

    fn read(self, context: Context<'_>) -> Self::Answer {
        if let Some(lock) = context.state().lock(&self.0) {
            return Some(FoundTerms { terms: lock.terms.as_ref().clone(), of: TermsOf::Lock });
        }
        let draft = context.drafts.find(&self.0, context.now_ms)?;
        Some(FoundTerms { terms: draft.terms.clone(), of: TermsOf::Draft })
    }
}

/// The positions of the events of a lock.
#[derive(Debug, Clone, Copy)]
pub struct FindHistory(pub LockId);

/// Where the events of a lock are.
#[derive(Debug, Clone)]
pub struct HistoryAnswer {
    /// Status now.
    pub status: Status,
    pub granted_at: LogPosition,
    pub changes: Changes,
}

impl Query for FindHistory {
    type Answer = Option<HistoryAnswer>;

    fn read(self, context: Context<'_>) -> Self::Answer {
        let lock = context.state().lock(&self.0)?;
        let (status, changes) = (lock.status, lock.changes.clone());
        Some(HistoryAnswer { status, granted_at: lock.granted_at(), changes })
    }
}

/// A page of locks, in the order of their grants.
#[derive(Debug, Clone)]
pub struct ListPage(pub LockFilter);

/// Locks, and the cursor of the next page.
#[derive(Debug, Clone)]
pub struct LockPage {
    pub locks: Vec<Lock>,
    pub next: Option<ListCursor>,
}

impl Query for ListPage {
    type Answer = LockPage;

    const COST: u32 = 2;

    fn read(self, context: Context<'_>) -> LockPage {
        listed(&context, &self.0)
    }
}

/// The open locks of an owner, at most `OWNER_LOCKS_MAX`.
#[derive(Debug, Clone, Copy)]
pub struct ListOpen(pub Address);

impl Query for ListOpen {
    type Answer = LockPage;

    /// As many locks as four pages.
    const COST: u32 = 8;

    fn read(self, context: Context<'_>) -> LockPage {
        let (owner, limit) = (Some(self.0), OWNER_LOCKS_MAX);
        let filter = LockFilter { owner, limit, open_only: true, ..LockFilter::default() };
        listed(&context, &filter)
    }
}

/// Copies a page. A thread of the read plane renders it.
fn listed(context: &Context<'_>, filter: &LockFilter) -> LockPage {
    let page = context.state().list(filter);
    LockPage { locks: page.locks.into_iter().cloned().collect(), next: page.next }
}

/// The position of the event that granted a lock.
#[derive(Debug, Clone, Copy)]
pub struct FindGrant(pub LockId);

impl Query for FindGrant {
    type Answer = Option<LogPosition>;

    fn read(self, context: Context<'_>) -> Self::Answer {
        Some(context.state().lock(&self.0)?.granted_at())
    }
}

/// The position of the event of a principal's request, if the engine remembers it.
#[derive(Debug, Clone, Copy)]
pub struct FindRequest(pub Address, pub RequestId);

impl Query for FindRequest {
    type Answer = Option<LogPosition>;

    fn read(self, context: Context<'_>) -> Self::Answer {
        Some(context.state().requests().find(&self.0, &self.1)?.at)
    }
}
