//! Why an engine's word binds nobody.
//!
//! What it is for: the one name of the reason, in what the engine signs about locks
//! ([`crate::eip712::Domain::of_promises`]), beside it on the wire (`mode`) and in refusals.
//!
//! What it does not do: find out; the platform does, and the engine is told.

use core::fmt;

/// Why the documents of a security module prove nothing, and what its engine promises binds
/// nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InsecureMode {
    /// An enclave in debug mode: its registers are zero, and its operator can read it.
    Debug,
    /// An emulator's module, which signs nothing.
    Emulated,
}

impl InsecureMode {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Debug, Self::Emulated];

    /// The name on the wire, as the engine's `mode` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Emulated => "emulated",
        }
    }

    /// The one with this name; `None` for the name of a mode that is none.
    pub fn of_mode(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|insecure_mode| insecure_mode.name() == name)
    }
}

impl fmt::Display for InsecureMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
