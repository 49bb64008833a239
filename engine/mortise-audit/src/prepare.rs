//! What can be done to a frame without the frames before it: most of the work.

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

/// A frame that was read as far as possible on its own. Nothing is checked against the log yet.
#[derive(Debug)]
pub struct Prepared(pub(crate) Result<Read, FrameError>);

/// A frame whose digests match.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) frame: Frame,
    pub(crate) clear: Result<ClearBody, FollowError>,
    /// The recovered signer of each carried statement.
    pub(crate) signers: Vec<Result<Address, SignatureError>>,
    pub(crate) content: Content,
}

/// What the content root of a frame's epoch opens.
#[derive(Debug)]
pub(crate) enum Content {
    /// The auditor has no content root for the epoch.
    NoKey,
    /// The frame does not open, or its bodies do not decode.
    Unreadable(FollowError),
    /// The opened frame, and for each event the command that it answers.
    Opened(OpenedFrame, Vec<AnsweredCommand>),
}

/// The command that an event answers, with its signatures checked again.
#[derive(Debug)]
pub(crate) enum AnsweredCommand {
    /// The event answers no command.
    Nothing,
    /// A command whose signatures and fields are valid.
    Admitted(Box<Admitted>),
    /// A command that no engine can accept.
    Inadmissible(Reject),
}

/// Reads a frame: digests and signers of statements; with keys for its epoch also cipher, events,
/// event tree, and the signatures of every command.
///
/// Pure and independent of other frames, so that many frames can be prepared in parallel.
pub fn prepare(bytes: &[u8], keys: Option<&AuditKeys>) -> Prepared {
    Prepared(Frame::decode(bytes).map(|frame| read(frame, keys)))
}

fn read(frame: Frame, keys: Option<&AuditKeys>) -> Read {
    let header = frame.header();
    let root = keys.filter(|keys| *keys.engine_id() == header.engine_id);
    let root = root.and_then(|keys| keys.content_root(header.epoch));
    let open = |root| {
        header.rules.check()?;
        OpenedFrame::open(&frame, Opener::Auditor(root))
    };
    let content = match root.map(open) {
        None => Content::NoKey,
        // The rules come first: an event of unknown rules may decode and mean something else.
        Some(Err(error)) => Content::Unreadable(error),
        Some(Ok(opened)) => {
            let answered_by = |event| match command_of(event) {
                None => AnsweredCommand::Nothing,
                Some(command) => match admit(header.rules, &header.engine_id, command) {
                    Ok(admitted) => AnsweredCommand::Admitted(Box::new(admitted)),
                    Err(reject) => AnsweredCommand::Inadmissible(reject),
                },
            };
            let answered = opened.events().iter().map(answered_by).collect();
            Content::Opened(opened, answered)
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
