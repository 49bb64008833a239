//! Reading rights: k of the policy's operators grant a right to read the log.
//!
//! Rights are kept for ever, and so are their request ids. A right is granted once: the same
//! request gets the same answer, no matter who sends it, and another right never gets the same id.

use super::{Now, check_validity, is_quorum};
use crate::state::State;
use mortise_format::U256;
use mortise_format::event::{Event, LogPosition};
use mortise_format::ids::{Address, Signature};
use mortise_format::limits::READING_GRANTS_MAX;
use mortise_format::reading::ReadingGrant;
use mortise_format::reject::{Field, Limit, Reject};

/// The event that granted the same right before, if there is one.
pub(super) fn recall(state: &State, grant: &ReadingGrant) -> Result<Option<LogPosition>, Reject> {
    let granted = state.readings().iter().find(|r| r.grant.request.id == grant.request.id);
    let Some(granted) = granted else { return Ok(None) };
    match differing_field(&granted.grant, grant) {
        None => Ok(Some(granted.at)),
        Some(field) => Err(Reject::RequestIdReused(field)),
    }
}

fn differing_field(old: &ReadingGrant, new: &ReadingGrant) -> Option<Field> {
    let fields = [
        (old.reader != new.reader, Field::Reader),
        (old.from_epoch != new.from_epoch, Field::FromEpoch),
        (old.to_epoch != new.to_epoch, Field::ToEpoch),
        (old.request != new.request, Field::ValidUntil),
    ];
    fields.into_iter().find(|(differs, _)| *differs).map(|(_, field)| field)
}

pub(super) fn decide(
    state: &State,
    now: Now,
    grant: &ReadingGrant,
    signatures: &[Signature],
    signers: &[Address],
) -> Result<Event, Reject> {
    check_validity(now, grant.request.valid_until)?;
    if !is_quorum(state, signers) {
        return Err(Reject::Unauthorized);
    }
    if state.readings().len() >= READING_GRANTS_MAX {
        let max = u64::try_from(READING_GRANTS_MAX).unwrap_or(u64::MAX);
        return Err(Reject::Limit(Limit::ReadingGrants, U256::from(max)));
    }
    Ok(Event::ReadingGranted { grant: *grant, signatures: signatures.to_vec() })
}
