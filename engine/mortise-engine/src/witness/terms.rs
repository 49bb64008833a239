//! The lease of a policy.

use mortise_format::policy::Policy;

/// How long a cosigned head may pass for the newest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTerms {
    /// Age up to which answers about now are made, milliseconds.
    pub lease_ms: u64,
    /// How far the clocks of witnesses may be ahead of engine time, milliseconds.
    pub skew_ms: u64,
    /// A new engine waits until the lease of the one before it is over.
    pub is_awaited: bool,
}

impl LeaseTerms {
    /// Those of a policy.
    pub fn of(policy: &Policy) -> Self {
        let service = policy.service();
        Self {
            lease_ms: u64::from(service.lease_s) * 1000,
            skew_ms: u64::from(service.skew_s) * 1000,
            is_awaited: service.lease_wait,
        }
    }

    /// Age at which an idle engine renews its lease, milliseconds: three rounds fail before the
    /// lease does.
    pub fn renew_ms(&self) -> u64 {
        self.lease_ms / 3
    }
}
