//! Failures of an append, each in both ways: the append happened, or it did not.

use super::{Driver, Shipped};
use mortise_engine::pipeline::Input;
use mortise_engine::store::Ack;
use mortise_format::ids::FrameDigest;

/// How the append of a frame fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendFault {
    /// The connection ends before the ack.
    AckLost,
    /// The ack names another digest.
    WrongDigest,
    /// The ack names the next frame.
    OutOfOrder,
    /// The sync failed; it is unknown whether the bytes reached the disk.
    SyncFailed,
    /// The store answers that the disk is full.
    Full,
    /// Half of the frame reached the disk.
    Torn,
}

impl AppendFault {
    /// Every fault.
    pub const ALL: [Self; 6] = [
        Self::AckLost,
        Self::WrongDigest,
        Self::OutOfOrder,
        Self::SyncFailed,
        Self::Full,
        Self::Torn,
    ];

    /// The name in the table of `specs/durability-and-recovery.md`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AckLost => "ack lost",
            Self::WrongDigest => "ack with a wrong digest",
            Self::OutOfOrder => "ack out of order",
            Self::SyncFailed => "sync failed",
            Self::Full => "store refuses",
            Self::Torn => "frame torn",
        }
    }
}

impl Driver {
    /// True when the oldest shipped frame is not written yet.
    pub fn has_ship(&self) -> bool {
        self.engine().ships.front().is_some_and(|(_, state)| *state == Shipped::Handed)
    }

    /// Fails the append of the oldest shipped frame, which is not written yet.
    ///
    /// # Panics
    /// When there is none.
    pub fn fail_ship(&mut self, fault: AppendFault, happened: bool) {
        let frame = self.take_ship().expect("a frame is under way");
        if happened || fault == AppendFault::Torn {
            self.disk.write(&frame);
            self.disk.sync();
        }
        if fault == AppendFault::Torn {
            // The host finds the torn tail when it starts again, and either drops it or keeps it.
            self.disk.edit(|content| {
                let torn = content.frames.pop().expect("it was just written");
                if happened {
                    content.frames.push(torn[..torn.len() / 2].to_vec());
                }
                content.synced = content.frames.len();
            });
        }
        let (seq, digest) = (frame.header().seq, frame.digest());
        self.handle(match fault {
            AppendFault::WrongDigest => Input::Acked(Ack { seq, digest: other(digest) }),
            AppendFault::OutOfOrder => Input::Acked(Ack { seq: seq + 1, digest }),
            _ => Input::StoreFailed,
        });
    }

    /// Acks the oldest shipped frame without storing it, as a dishonest host does.
    ///
    /// # Panics
    /// When there is none.
    pub fn ack_without_storing(&mut self) {
        self.host_lies = true;
        let frame = self.take_ship().expect("a frame is under way");
        let (seq, digest) = (frame.header().seq, frame.digest());
        self.handle(Input::Acked(Ack { seq, digest }));
    }

    /// Acks the last frame of the disk again.
    ///
    /// # Panics
    /// When the disk holds none.
    pub fn ack_again(&mut self) {
        let frames = self.disk.frames();
        let frame = frames.last().expect("the disk holds a frame");
        let (seq, digest) = (frame.header().seq, frame.digest());
        self.handle(Input::Acked(Ack { seq, digest }));
    }
}

fn other(mut digest: FrameDigest) -> FrameDigest {
    digest.0[0] ^= 1;
    digest
}
