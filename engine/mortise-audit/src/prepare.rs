//! What can be done to a frame without the frames before it: nearly all of the work.

use crate::keys::AuditKeys;
use alloc::boxed::Box;
use alloc::vec::Vec;
use mortise_core::admit::{Admitted, admit};
use mortise_core::body::ClearBody;
use mortise_core::decide::command_of;
use mortise_core::machine::{FollowError, OpenedFrame, Opener, read_clear};
use mortise_format::frame::{Frame, FrameError};
use mortise_format::ids::Address;
use mortise_format::reject::Reject;
use mortise_format::secp256k1::{SignatureError, recover};

/// A frame that was read as far as it can be alone. Nothing of it is judged yet.
#[derive(Debug)]
pub struct Prepared(pub(crate) Result<Read, FrameError>);

/// A frame whose digests fit.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) frame: Frame,
    pub(crate) clear: Result<ClearBody, FollowError>,
    /// Who signed each carried statement.
    pub(crate) signers: Vec<Result<Address, SignatureError>>,
    pub(crate) content: Content,
}

/// What the content root of a frame's epoch gives.
#[derive(Debug)]
pub(crate) enum Content {
    /// There is none.
    NoKey,
    /// The frame does not open, or its bodies do not decode.
    Unreadable(FollowError),
    /// The frame, and for each event the command that it answers.
    Opened(OpenedFrame, Vec<Asked>),
}

/// The command that an event answers, authenticated again.
#[derive(Debug)]
pub(crate) enum Asked {
    /// The event answers no command.
    Nothing,
    /// A command that is good by itself.
    Admitted(Box<Admitted>),
    /// A command that no engine may take up.
    Inadmissible(Reject),
}

/// Reads a frame: digests, statements' signers; with keys for its epoch also cipher, events, event
/// tree, and the signatures of every command.
///
/// It is pure and knows no other frame, so that many can be prepared side by side.
pub fn prepare(bytes: &[u8], keys: Option<&AuditKeys>) -> Prepared {
    Prepared(Frame::decode(bytes).map(|frame| read(frame, keys)))
}

fn read(frame: Frame, keys: Option<&AuditKeys>) -> Read {
    let header = frame.header();
    let root = keys.filter(|keys| *keys.engine_id() == header.engine_id);
    let root = root.and_then(|keys| keys.content_root(header.epoch));
    let content = match root.map(|root| OpenedFrame::open(&frame, Opener::Auditor(root))) {
        None => Content::NoKey,
        Some(Err(error)) => Content::Unreadable(error),
        Some(Ok(opened)) => {
            let ask = |event| match command_of(event) {
                None => Asked::Nothing,
                Some(command) => match admit(&header.engine_id, command) {
                    Ok(admitted) => Asked::Admitted(Box::new(admitted)),
                    Err(reject) => Asked::Inadmissible(reject),
                },
            };
            let asked = opened.events().iter().map(ask).collect();
            Content::Opened(opened, asked)
        }
    };
    let clear = read_clear(&frame);
    let statements = clear.as_ref().map(|clear| clear.statements.as_slice()).unwrap_or_default();
    let signer = |carried: &mortise_core::body::CarriedStatement| {
        recover(&carried.statement.digest(), &carried.signature)
    };
    let signers = statements.iter().map(signer).collect();
    Read { frame, clear, signers, content }
}
