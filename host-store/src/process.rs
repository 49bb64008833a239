//! Limits of this process.

/// Forbids core dumps: a dump of memory on the disk outlives the process, and can hold credentials
/// and, in a development engine, keys. Never fails: a process may always lower its limit.
pub fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps are not forbidden");
    }
}
