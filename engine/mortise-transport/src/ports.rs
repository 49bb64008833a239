//! Default ports of an enclave's vsock. Its measured configuration (`[ports]`) and the parent's
//! flags may name others.

/// The enclave listens for requests.
pub const REQUESTS: u32 = 5000;
/// The parent keeps the log; the enclave dials, as at all ports that follow.
pub const STORE: u32 = 5001;
/// The parent hears lines of the log and why the enclave stops.
pub const DIAGNOSTICS: u32 = 5002;
/// The parent gives credentials of the key service.
pub const CREDENTIALS: u32 = 5003;
/// The parent hands requests to witnesses over.
pub const WITNESS: u32 = 5004;
/// The parent relays to the key service; Amazon's `vsock-proxy` has it here too.
pub const RELAY: u32 = 8000;
/// The parent answers the heartbeat of the start; `nitro-cli` listens here.
pub const HEARTBEAT: u32 = 9000;
