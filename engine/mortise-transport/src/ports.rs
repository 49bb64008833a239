//! Default ports of an enclave's vsock. Its measured configuration (`[ports]`) and the parent's
//! flags may name others.

/// The enclave listens for requests.
pub const REQUESTS: u32 = 5000;
/// The parent stores the log. The enclave dials this port and all that follow.
pub const STORE: u32 = 5001;
/// The parent receives log lines and the reason why the enclave stops.
pub const DIAGNOSTICS: u32 = 5002;
/// The parent sends credentials of the key service.
pub const CREDENTIALS: u32 = 5003;
/// The parent forwards requests to witnesses.
pub const WITNESS: u32 = 5004;
/// The parent relays to the key service; AWS's `vsock-proxy` has the same default.
pub const RELAY: u32 = 8000;
/// The parent answers the heartbeat at the start; `nitro-cli` listens here.
pub const HEARTBEAT: u32 = 9000;
