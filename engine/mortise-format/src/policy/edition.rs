//! Editions of the policy: how its encoding grows while old logs keep their hashes.
//!
//! What it is for: a policy is inside the genesis hash, hence inside the engine ID. The first
//! edition is written as before editions had numbers. A later one begins with its number, and holds
//! the limits of the service as well.
//!
//! Invariants: the encoding names the edition, so equal bytes are equal policies. An engine whose
//! policy is of the first edition serves with [`Service::DEFAULT`].

use super::{Policy, PolicyError};
use crate::limits::LEASE_S_MIN;
use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

/// The edition of a policy, with what only that edition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    /// Written before editions had numbers.
    First {
        /// Most drafts of one owner. No longer consulted: a stranger could fill it.
        drafts_per_owner_max: u32,
    },
    /// With the limits of the service.
    Second(Service),
}

/// How the engine serves, beyond the rules of locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Service {
    /// Longest age of the cosignatures behind an answer about now, seconds. Only `witnessed`.
    pub lease_s: u32,
    /// Most that the clocks of engine, witnesses and clients differ, seconds.
    pub skew_s: u32,
    /// True when an engine that takes over holds its first answer until the lease of the engine
    /// before it has ended.
    pub lease_wait: bool,
    /// Who may read locks, balances and what follows from them.
    pub reads: Reads,
    /// True when a `ReadRequest` is also taken in clear, where anyone who carries it can show it
    /// again until it ends.
    pub clear_reads: bool,
    /// Most that the state holds.
    pub state: StateLimits,
}

/// Who may read the state. Events by place need a reading right, or a party's request, in both
/// modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Reads {
    /// Anyone who reaches the engine.
    Public,
    /// The parties of an entry, by a signed `ReadRequest`.
    Parties,
}

/// Most that the state holds, for each custody class: what `open` uses never counts against
/// `escrow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct StateLimits {
    /// Of custody `open`.
    pub open: ClassLimits,
    /// Of custody `escrow`.
    pub escrow: ClassLimits,
    /// Most owners, without a record and without a fact, that are taken in one minute of engine
    /// time: in custody `open` keys are free.
    pub new_principals_per_minute_max: u32,
}

/// Most that the state holds of one custody class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ClassLimits {
    /// Most records of principals.
    pub principals_max: u32,
    /// Most accounts.
    pub accounts_max: u32,
    /// Most locks, ended ones in retention too.
    pub locks_max: u32,
}

impl Service {
    /// What holds under a policy of the first edition, and where a genesis file names nothing.
    pub const DEFAULT: Self = Self {
        lease_s: 60,
        skew_s: 5,
        lease_wait: false,
        reads: Reads::Public,
        clear_reads: false,
        state: StateLimits::DEFAULT,
    };
}

impl Reads {
    /// Both modes.
    pub const ALL: [Self; 2] = [Self::Public, Self::Parties];

    /// The name in genesis files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Parties => "parties",
        }
    }
}

impl StateLimits {
    /// Room for a million locks of each class. An owner is kept for 26 hours after the last nonce,
    /// so 600 new ones a minute stay below the limit of principals.
    pub const DEFAULT: Self = Self {
        open: ClassLimits::DEFAULT,
        escrow: ClassLimits::DEFAULT,
        new_principals_per_minute_max: 600,
    };
}

impl ClassLimits {
    /// Room for a million locks.
    pub const DEFAULT: Self =
        Self { principals_max: 1_000_000, accounts_max: 2_000_000, locks_max: 1_000_000 };

    fn is_positive(&self) -> bool {
        self.principals_max > 0 && self.accounts_max > 0 && self.locks_max > 0
    }
}

impl Edition {
    /// The second edition with [`Service::DEFAULT`].
    pub const DEFAULT: Self = Self::Second(Service::DEFAULT);

    pub(super) fn check(&self) -> Result<(), PolicyError> {
        let service = match self {
            Self::First { drafts_per_owner_max: 0 } => return Err(PolicyError::Durations),
            Self::First { .. } => return Ok(()),
            Self::Second(service) => service,
        };
        let StateLimits { open, escrow, new_principals_per_minute_max } = service.state;
        let limited =
            open.is_positive() && escrow.is_positive() && new_principals_per_minute_max > 0;
        match service.lease_s >= LEASE_S_MIN && limited {
            true => Ok(()),
            false => Err(PolicyError::Service),
        }
    }
}

/// The first word of an encoding with a number: the top bit, then the number. Without it, the first
/// word is `lock_s_min`.
const NUMBERED: u64 = 1 << 63;

impl Policy {
    /// How the engine serves.
    pub fn service(&self) -> &Service {
        match &self.edition {
            Edition::First { .. } => &Service::DEFAULT,
            Edition::Second(service) => service,
        }
    }

    /// True when the first word of the first edition cannot be read as the number of another one.
    pub(super) fn starts_plainly(&self) -> bool {
        self.lock_s_min < NUMBERED
    }
}

impl Encode for Policy {
    fn encode<E: Encoder>(&self, e: &mut E) -> Result<(), EncodeError> {
        if let Edition::Second(_) = self.edition {
            (NUMBERED | 2).encode(e)?;
        }
        (self.lock_s_min, self.lock_s_max, self.settlement_buffer_s).encode(e)?;
        (self.concurrent_max, self.commands_per_minute_max, self.requests_max).encode(e)?;
        (self.retention_s, self.draft_ttl_s).encode(e)?;
        if let Edition::First { drafts_per_owner_max } = self.edition {
            drafts_per_owner_max.encode(e)?;
        }
        (self.fact_age_s_max, self.notice_margin_s).encode(e)?;
        (&self.default_limits, &self.assets, &self.chains).encode(e)?;
        (&self.observers, self.observers_min, &self.operators, self.operators_min).encode(e)?;
        (&self.witnesses, self.witnesses_min, self.witnesses_faulty_max).encode(e)?;
        match &self.edition {
            Edition::First { .. } => Ok(()),
            Edition::Second(service) => service.encode(e),
        }
    }
}

impl<C> Decode<C> for Policy {
    fn decode<D: Decoder<Context = C>>(d: &mut D) -> Result<Self, DecodeError> {
        let first = u64::decode(d)?;
        let numbered = match first {
            _ if first < NUMBERED => false,
            _ if first == NUMBERED | 2 => true,
            _ => return Err(DecodeError::Other("unknown edition of the policy")),
        };
        let lock_s_min = if numbered { u64::decode(d)? } else { first };
        let (lock_s_max, settlement_buffer_s) = Decode::decode(d)?;
        let (concurrent_max, commands_per_minute_max, requests_max) = Decode::decode(d)?;
        let (retention_s, draft_ttl_s) = Decode::decode(d)?;
        let drafts_per_owner_max = if numbered { 0 } else { u32::decode(d)? };
        let (fact_age_s_max, notice_margin_s) = Decode::decode(d)?;
        let (default_limits, assets, chains) = Decode::decode(d)?;
        let (observers, observers_min, operators, operators_min) = Decode::decode(d)?;
        let (witnesses, witnesses_min, witnesses_faulty_max) = Decode::decode(d)?;
        let edition = match numbered {
            true => Edition::Second(Service::decode(d)?),
            false => Edition::First { drafts_per_owner_max },
        };
        Ok(Self {
            lock_s_min,
            lock_s_max,
            settlement_buffer_s,
            concurrent_max,
            commands_per_minute_max,
            requests_max,
            retention_s,
            draft_ttl_s,
            fact_age_s_max,
            notice_margin_s,
            default_limits,
            assets,
            chains,
            observers,
            observers_min,
            operators,
            operators_min,
            witnesses,
            witnesses_min,
            witnesses_faulty_max,
            edition,
        })
    }
}

bincode::impl_borrow_decode!(Policy);
