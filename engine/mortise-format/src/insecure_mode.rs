//! Insecure modes: why an engine's signatures bind no one.
//!
//! What it is for: one name for the reason. It selects the domain of what the engine signs about
//! locks ([`crate::eip712::Domain::of_promises`]) and is on the wire (`mode`) and in errors.
//!
//! What it does not do: detect the mode. The platform does.

use core::fmt;

/// Why the documents of a security module prove nothing, so that the promises of its engine bind
/// no one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InsecureMode {
    /// An enclave in debug mode: its registers are zero, and its operator can read it.
    Debug,
    /// An emulated security module, whose documents no one signed.
    Emulated,
}

impl InsecureMode {
    /// Every mode.
    pub const ALL: [Self; 2] = [Self::Debug, Self::Emulated];

    /// The name on the wire, as the engine's `mode` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Emulated => "emulated",
        }
    }

    /// The insecure mode with this name; `None` for any other mode.
    pub fn of_mode(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|insecure_mode| insecure_mode.name() == name)
    }
}

impl fmt::Display for InsecureMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
