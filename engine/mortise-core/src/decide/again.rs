//! Rebuilds the command that an event answers, so that an auditor can decide it again.

use alloc::vec::Vec;
use mortise_format::command::{Command, SignedIntent};
use mortise_format::eip712::Request;
use mortise_format::event::{Authority, Event, GrantedLock, RequestKey};

/// The command that an event answers; `None` for events of time, a boot or a snapshot, and for an
/// event that answers no possible command.
///
/// Admitting and deciding this command on the same state gives the same event. It can differ from
/// the command that the engine received: consents that were not needed are not in the log.
pub fn command_of(event: &Event) -> Option<Command> {
    match event {
        Event::LocksGranted { locks, .. } => commit_of(locks),
        Event::LockClaimed { claim, signature, .. } => {
            Some(Command::Claim { claim: claim.clone(), signature: *signature })
        }
        Event::LockReleased { lock_id, signature, request_key, .. } => {
            let (lock_id, signature) = (*lock_id, *signature);
            Some(Command::Release { lock_id, request: request_of(request_key), signature })
        }
        Event::LockCancelled { lock_id, consents, .. } => {
            Some(Command::Cancel { lock_id: *lock_id, consents: consents.clone() })
        }
        Event::DraftCancelled { terms, consent, .. } => {
            Some(Command::CancelDraft { terms: terms.as_ref().clone(), consent: *consent })
        }
        Event::LockExtended { lock_id, terms, signature, request_key, .. } => {
            Some(Command::Extend {
                lock_id: *lock_id,
                new_expires: terms.expires,
                request: request_of(request_key),
                signature: *signature,
            })
        }
        Event::FactRecorded { fact, signatures } => {
            Some(Command::RecordFact { fact: *fact, signatures: signatures.clone() })
        }
        Event::ReadingGranted { grant, signatures } => {
            Some(Command::GrantReading { grant: *grant, signatures: signatures.clone() })
        }
        Event::ImagesApproved { approval, signatures } => {
            let (approval, signatures) = (approval.clone(), signatures.clone());
            Some(Command::ApproveImages { approval, signatures })
        }
        Event::CommandRefused { command, .. } => Some(command.as_ref().clone()),
        Event::EpochStarted { .. }
        | Event::TimeAdvanced { .. }
        | Event::LocksExpired { .. }
        | Event::LocksSettled { .. }
        | Event::LocksPruned { .. }
        | Event::SnapshotTaken { .. }
        | Event::EpochEnded { .. } => None,
    }
}

fn request_of(request_key: &RequestKey) -> Request {
    Request { id: request_key.id, valid_until: request_key.valid_until }
}

/// A grant: one or many intents, or one approval.
fn commit_of(locks: &[GrantedLock]) -> Option<Command> {
    if let [GrantedLock { terms, authority: Authority::Approval, signature, .. }] = locks {
        let (terms, signature) = (terms.as_ref().clone(), *signature);
        return Some(Command::Approve { terms, signature });
    }
    let intent = |lock: &GrantedLock| match lock.authority {
        Authority::Intent(request) => {
            let (terms, signature) = (lock.terms.as_ref().clone(), lock.signature);
            Some(SignedIntent { terms, request, signature })
        }
        Authority::Approval => None,
    };
    let intents: Option<Vec<SignedIntent>> = locks.iter().map(intent).collect();
    Some(Command::Commit { intents: intents? })
}
