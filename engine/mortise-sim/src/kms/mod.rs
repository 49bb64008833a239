//! A local key service.

pub mod policy;
