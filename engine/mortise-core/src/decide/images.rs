//! Approvals of images: k of the policy's operators name what may boot on the log.
//!
//! Only the approval in force is kept. Serials count up, so an older approval never takes effect
//! again, and the same approval, sent again, gets the same answer.

use super::{Now, check_validity, is_quorum};
use crate::state::State;
use mortise_format::event::{Event, LogPosition};
use mortise_format::ids::{Address, Signature};
use mortise_format::images::ImageApproval;
use mortise_format::reject::{Field, Reject};

/// The event of the same approval, if it is the one in force.
pub(super) fn recall(
    state: &State,
    approval: &ImageApproval,
) -> Result<Option<LogPosition>, Reject> {
    let in_force = state.approved_images().filter(|a| a.approval.serial == approval.serial);
    let Some(in_force) = in_force else { return Ok(None) };
    match differing_field(&in_force.approval, approval) {
        None => Ok(Some(in_force.at)),
        Some(field) => Err(Reject::RequestIdReused(field)),
    }
}

fn differing_field(old: &ImageApproval, new: &ImageApproval) -> Option<Field> {
    let fields = [
        (old.images != new.images, Field::Images),
        (old.minimum_version != new.minimum_version, Field::MinimumVersion),
        (old.rules != new.rules, Field::Rules),
        (old.valid_until != new.valid_until, Field::ValidUntil),
    ];
    fields.into_iter().find(|(differs, _)| *differs).map(|(_, field)| field)
}

pub(super) fn decide(
    state: &State,
    now: Now,
    approval: &ImageApproval,
    signatures: &[Signature],
    signers: &[Address],
) -> Result<Event, Reject> {
    check_validity(now, approval.valid_until)?;
    if !is_quorum(state, signers) {
        return Err(Reject::Unauthorized);
    }
    if Some(approval.serial) != state.next_approval() {
        return Err(Reject::Validation(Field::Serial));
    }
    // A minimum above the running version would admit only code that never ran on this log.
    let (minimum, running) = (approval.minimum_version, state.running_version());
    if minimum < state.minimum_version() || minimum > running {
        return Err(Reject::Validation(Field::MinimumVersion));
    }
    // The newest number that an image knows is no part of the log, so it is not compared here. The
    // live engine compares it before the command gets this far.
    if approval.rules < state.rules() {
        return Err(Reject::Validation(Field::Rules));
    }
    Ok(Event::ImagesApproved { approval: approval.clone(), signatures: signatures.to_vec() })
}
