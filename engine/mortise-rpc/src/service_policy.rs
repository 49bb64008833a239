//! `policy.service` of a genesis file: how the engine serves, and what its state may hold.
//!
//! Invariants: what the file does not name has the value of `Service::DEFAULT`.

use mortise_format::policy::{ClassLimits, Reads, Service, StateLimits};
use serde::{Deserialize, Serialize};

/// The limits of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the fields are those of Service, with their units written out")]
pub struct ServiceJson {
    pub lease_seconds: u32,
    pub skew_seconds: u32,
    pub lease_wait: bool,
    pub reads: ReadsJson,
    pub clear_reads: bool,
    pub state: StateLimitsJson,
}

/// Who may read the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the variants are those of Reads")]
pub enum ReadsJson {
    Public,
    Parties,
}

/// Most that the state holds, for each custody class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the fields are those of StateLimits")]
pub struct StateLimitsJson {
    pub open: ClassLimitsJson,
    pub escrow: ClassLimitsJson,
    pub new_principals_per_minute_max: u32,
}

/// Most that the state holds of one custody class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the fields are those of ClassLimits")]
pub struct ClassLimitsJson {
    pub principals_max: u32,
    pub accounts_max: u32,
    pub locks_max: u32,
}

impl Default for ServiceJson {
    fn default() -> Self {
        Service::DEFAULT.into()
    }
}

impl Default for StateLimitsJson {
    fn default() -> Self {
        StateLimits::DEFAULT.into()
    }
}

impl Default for ClassLimitsJson {
    fn default() -> Self {
        ClassLimits::DEFAULT.into()
    }
}

impl From<Service> for ServiceJson {
    fn from(service: Service) -> Self {
        let Service { lease_s, skew_s, lease_wait, reads, clear_reads, state } = service;
        let (lease_seconds, skew_seconds) = (lease_s, skew_s);
        let (reads, state) = (reads.into(), state.into());
        Self { lease_seconds, skew_seconds, lease_wait, reads, clear_reads, state }
    }
}

impl From<ServiceJson> for Service {
    fn from(json: ServiceJson) -> Self {
        let ServiceJson { lease_seconds, skew_seconds, lease_wait, .. } = json;
        let (lease_s, skew_s) = (lease_seconds, skew_seconds);
        let ServiceJson { reads, clear_reads, state, .. } = json;
        let (reads, state) = (reads.into(), state.into());
        Self { lease_s, skew_s, lease_wait, reads, clear_reads, state }
    }
}

impl From<Reads> for ReadsJson {
    fn from(reads: Reads) -> Self {
        match reads {
            Reads::Public => Self::Public,
            Reads::Parties => Self::Parties,
        }
    }
}

impl From<ReadsJson> for Reads {
    fn from(json: ReadsJson) -> Self {
        match json {
            ReadsJson::Public => Self::Public,
            ReadsJson::Parties => Self::Parties,
        }
    }
}

impl From<StateLimits> for StateLimitsJson {
    fn from(limits: StateLimits) -> Self {
        let StateLimits { open, escrow, new_principals_per_minute_max } = limits;
        Self { open: open.into(), escrow: escrow.into(), new_principals_per_minute_max }
    }
}

impl From<StateLimitsJson> for StateLimits {
    fn from(json: StateLimitsJson) -> Self {
        let StateLimitsJson { open, escrow, new_principals_per_minute_max } = json;
        Self { open: open.into(), escrow: escrow.into(), new_principals_per_minute_max }
    }
}

impl From<ClassLimits> for ClassLimitsJson {
    fn from(limits: ClassLimits) -> Self {
        let ClassLimits { principals_max, accounts_max, locks_max } = limits;
        Self { principals_max, accounts_max, locks_max }
    }
}

impl From<ClassLimitsJson> for ClassLimits {
    fn from(json: ClassLimitsJson) -> Self {
        let ClassLimitsJson { principals_max, accounts_max, locks_max } = json;
        Self { principals_max, accounts_max, locks_max }
    }
}
