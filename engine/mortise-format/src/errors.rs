//! The one catalogue of errors: code, name, fields, next step.
//!
//! What it is for: the JSON-RPC sessions, the gateway, the client, the command line and
//! `specs/errors.md` (whose table a test compares with this one) all name an error from here.
//!
//! What it does not do: carry an error's values. Rejects and errors are types of the crates that
//! raise them; each maps to one [`Code`] here. Nothing branches on a text of this module.
//!
//! Invariants: codes and names are unique and never change their meaning; a code that is given up
//! is not used again (-32026 was never given out).

use alloc::format;
use alloc::string::String;

/// Declares [`Code`] and its columns from one row an error.
macro_rules! catalogue {
    ($($variant:ident, $code:literal, $name:literal, $retryable:literal, $data:expr,
       $meaning:literal, $hint:literal;)*) => {
        /// What a caller is told went wrong: one row of `specs/errors.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        const ALL: &[Code] = &[$(Code::$variant,)*];

        impl Code {
            /// The JSON-RPC error code.
            pub const fn code(self) -> i32 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The stable name, in `data.name` of every error answer.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Whether the same bytes, sent again later, can be answered otherwise.
            ///
            /// A refusal of a command states it in `data` for itself: it is retryable unless it is
            /// final. Here it is false for a code that is final in some cases.
            pub const fn retryable(self) -> bool {
                match self { $(Self::$variant => $retryable,)* }
            }

            /// The fields that `data` holds besides `name`, `retryable` and `hint`.
            pub const fn data(self) -> &'static [&'static str] {
                match self { $(Self::$variant => $data,)* }
            }

            /// What is wrong, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What the caller does next, in one sentence.
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$variant => $hint,)* }
            }
        }
    };
}

catalogue! {
    ParseError, -32700, "PARSE_ERROR", false, &[],
        "The bytes are not one JSON value.",
        "Send one JSON-RPC 2.0 object or array, or the binary magic.";
    InvalidRequest, -32600, "INVALID_REQUEST", false, &[],
        "The JSON value is not a JSON-RPC 2.0 request, or it is over a limit of size or count.",
        "Send jsonrpc \"2.0\", a method, params as an object and an id; split large batches.";
    MethodNotFound, -32601, "METHOD_NOT_FOUND", false, &["method"],
        "No method has this name.",
        "Look up the method in specs/json-rpc.md; names are case-sensitive.";
    InvalidParams, -32602, "INVALID_PARAMS", false, &["field"],
        "A parameter is missing, has the wrong type, or does not parse.",
        "Correct the field that data.field names.";
    InternalError, -32603, "INTERNAL_ERROR", false, &[],
        "The engine failed in a way that no other code names.",
        "Report the error with the time of the call; the operator's log has the detail.";
    LockNotFound, -32001, "LOCK_NOT_FOUND", false, &["lockId"],
        "The state holds no lock with this id: never made, dropped as a draft, or pruned.",
        "Check the id; fetch the receipt of a pruned lock by (seq, index).";
    InvalidSignature, -32002, "INVALID_SIGNATURE", false, &[],
        "The signature has the wrong length or a high s, or another key made it.",
        "Sign the typed data that the engine returned, with the key that the method requires.";
    LockExpired, -32003, "LOCK_EXPIRED", false, &["time", "headTime"],
        "The deadline for this operation has passed.",
        "Create a new lock or sign a new request.";
    Validation, -32004, "VALIDATION", false, &["field"],
        "A value is well-formed but not allowed here.",
        "Correct the field that data.field names.";
    Unauthorized, -32005, "UNAUTHORIZED", false, &["sign"],
        "The caller may not do this.",
        "Look up the method in specs/authority.md; sign data.sign as the principal that it names.";
    InsufficientAvailable, -32010, "INSUFFICIENT_AVAILABLE", true,
        &["total", "held", "available", "requested"],
        "The available balance of the account is below the amount.",
        "Send the same bytes again until validUntil; sign a replacement with the same nonce only.";
    NonceUsed, -32011, "NONCE_USED", false, &["nonce", "why", "next", "oldestHour", "newestHour"],
        "The nonce was used, or its hour is too old or has not begun; data.why says which.",
        "Sign again with the nonce data.next, or with the one that suggestNonce returns.";
    ExpiryWindow, -32012, "EXPIRY_WINDOW", false, &["min", "max", "time", "headTime"],
        "The expiry of the lock is outside the window that the policy allows.",
        "Choose an expiry from data.min to data.max (Unix seconds), with the same nonce.";
    ResetPeriodTooShort, -32013, "RESET_PERIOD_TOO_SHORT", true, &["have"],
        "The owner could withdraw the asset before the lock is settled.",
        "Use the same nonce and a settleBy of at most data.have, or give a longer notice.";
    ForcedWithdrawal, -32014, "FORCED_WITHDRAWAL", true, &[],
        "A forced withdrawal of the asset is pending or complete.",
        "Wait until the owner cancels the withdrawal and a chain fact shows it.";
    AllocatorMismatch, -32015, "ALLOCATOR_MISMATCH", false, &["have", "need"],
        "The lock names a different allocator than this engine.",
        "Deposit under this engine's allocator id.";
    UnsupportedChain, -32016, "UNSUPPORTED_CHAIN", false, &["chainId"],
        "The policy of the engine does not include this chain.",
        "Use a chain that getPolicy lists.";
    Limit, -32017, "LIMIT", false, &["which", "max"],
        "The request would exceed a limit of the policy.",
        "Lower the amount or the rate, or end locks; data.which names the limit.";
    BadWitnessTypestring, -32018, "BAD_WITNESS_TYPESTRING", false, &[],
        "The witness type string does not match the type that was signed.",
        "Send the EIP-712 type string of the witness exactly as it was hashed.";
    Scope, -32019, "SCOPE", false, &["have", "need"],
        "The asset's scope does not allow this use.",
        "Use an asset with the scope that data.need names.";
    AlreadyTerminal, -32020, "ALREADY_TERMINAL", false, &["status"],
        "The lock has ended; an ended lock cannot change.",
        "Read the lock for its final status; no further operation is possible.";
    ConsentRequired, -32021, "CONSENT_REQUIRED", false, &["from"],
        "The party to whom the promise was made must consent.",
        "Add the signature of the party that data.from names.";
    ClaimExceeds, -32022, "CLAIM_EXCEEDS", false, &["leg", "remaining"],
        "The claim is above the remaining amount of a leg.",
        "Claim at most data.remaining from leg data.leg.";
    ProofInvalid, -32023, "PROOF_INVALID", false, &["step"],
        "The evidence does not prove the fill, or this engine cannot check its kind.",
        "Send evidence that passes the step that data.step names.";
    FinalityNotReached, -32024, "FINALITY_NOT_REACHED", true, &["have", "need"],
        "The evidence is not yet final on its chain.",
        "Send the same request again when the block is final.";
    RequestIdReused, -32025, "REQUEST_ID_REUSED", false, &["field"],
        "The request id was used for a request with other content.",
        "Use a new request id, or send the first request unchanged.";
    NotDurable, -32027, "NOT_DURABLE", true, &[],
        "The outcome is unknown: the event was not confirmed durable.",
        "Send the same request with the same id again; it happens at most once.";
    NotReady, -32028, "NOT_READY", true, &["phase"],
        "The engine is starting, replaying or stopping.",
        "Wait until health reports healthy, then send the same request again.";
    Overloaded, -32029, "OVERLOADED", true, &["retryAfterMs"],
        "The engine has too many requests in flight.",
        "Send the same request again after data.retryAfterMs milliseconds.";
    Impaired, -32030, "IMPAIRED", false, &[],
        "The final balance of the account is below its holds; it accepts no new hold.",
        "Send a new request when the balance is restored.";
    UnknownField, -32031, "UNKNOWN_FIELD", false, &["field"],
        "The request has a field that the method does not know.",
        "Remove or rename the field that data.field names; unknown fields are never ignored.";
    Version, -32032, "VERSION", false, &["have", "need"],
        "The peer uses a different version of the protocol.",
        "Use a client of the version that data.need names.";
    Kms, -32033, "KMS", true, &["operation"],
        "The key service refused or failed the operation.",
        "Check the key policy and the key service, then send the same request again.";
    Fault, -32034, "FAULT", false, &[],
        "The engine found its own state or log inconsistent and has stopped.",
        "After the operator restarts the engine, send the same request with the same id again.";
    StaleFacts, -32035, "STALE_FACTS", true, &["age", "maxAge"],
        "The newest chain fact about the account is too old.",
        "Submit a fresh fact, then send the same bytes again.";
    Unattested, -32036, "UNATTESTED", false, &[],
        "This engine has no security module, so it cannot prove which code it runs.",
        "Do not rely on promises of this engine; use one whose mode is attested.";
    AttestationFailed, -32037, "ATTESTATION_FAILED", true, &[],
        "The security module did not produce an attestation document.",
        "Send the same request again; the operator's log has the detail.";
    ChannelRefused, -32038, "CHANNEL_REFUSED", false, &["keyId"],
        "The channel key of this boot does not decrypt the message.",
        "Verify a fresh attestation, then encrypt the same request to the key that it binds.";
    ReadingNotGranted, -32039, "READING_NOT_GRANTED", false, &[],
        "This reader has no right to the requested epochs.",
        "Ask the operators to grant it (grantReading), or request frames of granted epochs.";
    AppUnavailable, -32040, "APP_UNAVAILABLE", false, &[],
        "This engine runs without the application and its master key.",
        "Use an engine whose configuration names an application key.";
    MessageSignature, -32041, "MESSAGE_SIGNATURE", false, &[],
        "The signature does not match this encrypted text and wrapped key; one was changed.",
        "Send the three parts exactly as kmsEncrypt returned them.";
    PlaintextWithheld, -32042, "PLAINTEXT_WITHHELD", false, &[],
        "The measured configuration of this engine does not release data keys in clear.",
        "Let the engine encrypt and decrypt, or build an image that releases data keys.";
    KmsRefused, -32043, "KMS_REFUSED", false, &["operation"],
        "The key service cannot unwrap the key: changed, or for another owner, use or key.",
        "Send the wrapped key exactly as kmsEncrypt returned it, signed by its owner.";
    KmsDenied, -32044, "KMS_DENIED", false, &["operation"],
        "The key service denies access to this caller or to this code.",
        "Check the credentials, and that the key policy names the measurements of this image.";
    NotInLog, -32045, "NOT_IN_LOG", false, &["size"],
        "The log has no such event or size, or the engine remembers no request with this id.",
        "Use a frame below data.size, an index below its event count, sizes 1 to data.size.";
    RootNotKept, -32046, "ROOT_NOT_KEPT", false, &["oldest", "newest"],
        "The engine no longer keeps the state after this frame, or the frame does not exist yet.",
        "Use a frame from data.oldest to data.newest, or omit it for the newest.";
    KeysUnavailable, -32047, "KEYS_UNAVAILABLE", true, &["epoch", "at"],
        "The key service did not unwrap the key of an earlier epoch; nothing else is affected.",
        "Send the same request again; new promises need no earlier key.";
    ReadFailed, -32048, "READ_FAILED", true, &["seq", "at"],
        "A frame of the log could not be read from the store; nothing was decided or changed.",
        "Send the same request again; if it stays, the operator repairs the store (LOG_DAMAGED).";
    ReadInClear, -32049, "READ_IN_CLEAR", false, &[],
        "A ReadRequest came in clear: its carrier can show it until it ends.",
        "Attest the engine, sign a new ReadRequest and send it inside the channel.";
    LeaseExpired, -32055, "LEASE_EXPIRED", true, &["cosignedAt", "maxAge"],
        "No quorum of witnesses confirmed lately that this head is the newest: another may exist.",
        "Send it again; if it stays, witnesses do not answer this engine, or another one runs.";
    FramePruned, -32056, "FRAME_PRUNED", false, &["seq", "first", "at"],
        "The store no longer has the frame of this event: the operator pruned it after an export.",
        "Ask the operator for the export; frames from data.first on are here.";
}

impl Code {
    /// Every code, in the order of `specs/errors.md`.
    pub const fn all() -> &'static [Self] {
        ALL
    }

    /// The entry with this JSON-RPC code.
    pub fn by_code(code: i32) -> Option<Self> {
        ALL.iter().copied().find(|entry| entry.code() == code)
    }

    /// The entry with this name, exactly as written in the catalogue.
    pub fn by_name(name: &str) -> Option<Self> {
        ALL.iter().copied().find(|entry| entry.name() == name)
    }
}

impl core::fmt::Display for Code {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {}", self.code(), self.name())
    }
}

/// The table of `specs/errors.md`: a test holds that the page has exactly these lines.
pub fn markdown_table() -> String {
    let mut table = String::from("| code | name | data | retryable | meaning | next step |\n");
    table.push_str("|---|---|---|---|---|---|\n");
    for entry in Code::all() {
        table.push_str(&markdown_row(*entry));
    }
    table
}

fn markdown_row(entry: Code) -> String {
    let retryable = if entry.retryable() { "yes" } else { "no" };
    let data = if entry.data().is_empty() { String::from("-") } else { entry.data().join(", ") };
    format!(
        "| {} | {} | {data} | {retryable} | {} | {} |\n",
        entry.code(),
        entry.name(),
        entry.meaning(),
        entry.hint(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_and_every_name_finds_its_own_entry() {
        for entry in Code::all() {
            assert_eq!(Code::by_code(entry.code()), Some(*entry));
            assert_eq!(Code::by_name(entry.name()), Some(*entry));
        }
        assert_eq!(Code::by_code(-32026), None);
        assert_eq!(Code::by_name("overloaded"), None);
    }

    #[test]
    fn codes_stand_in_the_ranges_that_json_rpc_gives_to_servers() {
        for entry in Code::all() {
            let code = entry.code();
            let of_the_specification = code == -32700 || (-32603..=-32600).contains(&code);
            let of_a_server = (-32099..=-32000).contains(&code);
            assert!(of_the_specification != of_a_server, "{entry}");
        }
    }

    #[test]
    fn every_refusal_that_is_never_remembered_is_retryable() {
        for entry in [Code::Overloaded, Code::NotReady, Code::NotDurable] {
            assert!(entry.retryable(), "{entry}");
        }
        assert!(!Code::NonceUsed.retryable());
    }

    #[test]
    fn texts_are_one_line_without_table_marks() {
        for entry in Code::all() {
            for text in [entry.meaning(), entry.hint()] {
                assert!(text.ends_with('.') && !text.contains(['|', '\n']), "{entry}");
            }
        }
    }
}
