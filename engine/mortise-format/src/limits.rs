//! Every bound, with its unit, and compile-time checks of how the bounds relate.

/// Most bytes that one decode may allocate for: the largest frame body plus room for lengths.
pub const DECODE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A frame is closed when its events reach this size.
pub const FRAME_BYTES_TARGET: usize = 256 * 1024;
/// Largest frame that is stored, sent or accepted.
pub const FRAME_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most events in one frame.
pub const FRAME_EVENTS_MAX: usize = 8192;
/// Most frames that are shipped and not yet acknowledged.
pub const FRAMES_IN_FLIGHT_MAX: usize = 8;
/// Most holds that expire by one frame's events; the rest follow in the next frame.
pub const FRAME_EXPIRIES_MAX: usize = 1024;

/// Largest JSON request, answer or HTTP body.
pub const REQUEST_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Most bytes of a refused HTTP body that are read and dropped, so that its sender gets the answer.
pub const DRAIN_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Largest answer.
pub const RESPONSE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of an encapsulated request besides its text: magic, header, encapsulated key, tag.
pub const CHANNEL_REQUEST_OVERHEAD_BYTES: usize = 67;
/// Bytes of an encapsulated answer besides its text: magic, nonce, tag.
pub const CHANNEL_ANSWER_OVERHEAD_BYTES: usize = 53;
/// Texts in the channel are padded with spaces to a multiple of this size.
pub const CHANNEL_PAD_BYTES: usize = 512;
/// Most calls in one JSON-RPC batch.
pub const RPC_BATCH_MAX: usize = 256;
/// Deepest nesting of objects and arrays in a JSON request.
pub const JSON_DEPTH_MAX: usize = 16;
/// Largest message of the store protocol: one frame and its envelope.
pub const STORE_MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Timeout for an answer of the store.
pub const STORE_ANSWER_MS_MAX: u64 = 60 * 1000;
/// Most leaves of frames in one answer of the store: a tile of the history.
pub const STORE_LEAVES_MAX: usize = 256;
/// Size of one part of a snapshot on the store protocol.
pub const SNAPSHOT_PART_BYTES: usize = 1024 * 1024;
/// Largest sealed blob.
pub const BLOB_BYTES_MAX: usize = 256 * 1024;
/// Longest name of a sealed blob.
pub const BLOB_NAME_BYTES_MAX: usize = 64;

/// Most heads that a chain can have made per second of its life, and between two facts: several
/// times what the fastest served chains make.
pub const HEADS_PER_SECOND_MAX: u64 = 16;
/// Seconds that count as passed between two facts besides those between the times of their heads,
/// whose resolution differs between chains.
pub const HEAD_STEP_SLACK_S: u64 = 60;

/// Most assets held by one lock.
pub const LOCK_LEGS_MAX: usize = 8;
/// Most locks in one all-or-none batch.
pub const BATCH_LOCKS_MAX: usize = 64;
/// Most locks in one page of a list: what the writer copies for it.
pub const PAGE_LOCKS_MAX: usize = 64;
/// Most entries of a list that the writer looks at for one page.
pub const LIST_SCAN_MAX: usize = 1024;
/// Most locks in an answer that names all of an owner: `getActiveLocks`, `getLockedBalance`. The
/// largest locks fit.
pub const OWNER_LOCKS_MAX: usize = 256;
/// Most events of a lock whose positions the state keeps, besides its grant: the newest.
pub const LOCK_CHANGES_MAX: usize = 32;
/// Most bytes of the nonce that a boot attestation repeats.
pub const ATTESTATION_NONCE_BYTES_MAX: usize = 512;
/// Largest attestation document: what the attestation module answers fits 12 KiB.
pub const ATTESTATION_BYTES_MAX: usize = 16 * 1024;
/// Most bytes of a certificate or an optional field of an attestation document.
pub const ATTESTATION_FIELD_BYTES_MAX: usize = 1024;
/// Farthest that a live attestation document may lie from the verifier's clock, either way.
pub const ATTESTATION_SKEW_MS_MAX: u64 = 5 * 60 * 1000;
/// Attestation documents made for callers in one second, after the first burst.
pub const ATTESTATIONS_PER_SECOND_MAX: u64 = 8;
/// Attestation documents made for callers at once.
pub const ATTESTATIONS_BURST_MAX: u32 = 16;
/// Interval between two anchors of the trusted clock.
pub const CLOCK_ANCHOR_MS: u64 = 10 * 1000;
/// Maximum age of an anchor. The trusted clock gives no time from an older one.
pub const CLOCK_ANCHOR_AGE_MS_MAX: u64 = 60 * 1000;
/// Longest that making the document of an anchor may take.
pub const CLOCK_ROUND_TRIP_MS_MAX: u64 = 1000;
/// Farthest that an anchor may lie behind the time counted from the previous one.
pub const CLOCK_BACKWARD_MS_MAX: u64 = 2 * 1000;
/// Most that a new time of the security module may be ahead of the counted time, milliseconds, to
/// be taken at once.
pub const CLOCK_FORWARD_MS_MAX: u64 = 2 * 1000;
/// Readings that must agree on a larger step forward.
pub const CLOCK_LEAP_READINGS: u32 = 3;
/// Shortest time between two of them, milliseconds.
pub const CLOCK_LEAP_READING_MS: u64 = 5 * 1000;
/// Most that they may differ, milliseconds, besides their round trips.
pub const CLOCK_LEAP_AGREE_MS: u64 = 500;
/// Most that the clock of the key service may differ from the trusted one, seconds, when a boot
/// needs both.
pub const CLOCK_SOURCES_APART_S_MAX: u64 = 5 * 60;
/// Largest step forward that is taken while the engine serves, milliseconds. A log that is further
/// behind at a boot needs a second source.
pub const CLOCK_LEAP_MS_MAX: u64 = 15 * 60 * 1000;
/// Random bytes drawn from one seed before the entropy thread fetches the next seed.
pub const ENTROPY_RESEED_BYTES: usize = 64 * 1024;
/// Most random bytes drawn from one seed.
pub const ENTROPY_SEED_GIVES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest that a draw waits for the next seed once that bound is reached.
pub const ENTROPY_WAIT_MS_MAX: u64 = 5 * 1000;
/// Most hashes in a Merkle path that a caller sends.
pub const PROOF_HASHES_MAX: usize = 256;
/// Most bytes of `executionData` in a fulfilment condition.
pub const EXECUTION_DATA_BYTES_MAX: usize = 4096;
/// Most observers of a policy, and most signatures over one fact.
pub const OBSERVERS_MAX: usize = 32;
/// Most reading rights of an engine: they are kept for ever.
pub const READING_GRANTS_MAX: usize = 1024;
/// Most images that one approval names: the releases in use at the same time.
pub const APPROVED_IMAGES_MAX: usize = 8;
/// Most epochs whose content roots one answer releases.
pub const READING_EPOCHS_MAX: usize = 1024;
/// Most bytes of frames in one answer of `getEvents`. A single larger frame is still returned.
pub const EVENTS_BYTES_MAX: usize = 1024 * 1024;
/// Most frames in one answer of `getEvents`.
pub const EVENTS_FRAMES_MAX: usize = 256;
/// Most reads of the log that run at once; the next ones wait. Each holds a few frames at most.
pub const READS_AT_ONCE_MAX: usize = 16;
/// Longest that `getEvents` waits for a frame.
pub const EVENTS_WAIT_MS_MAX: u64 = 30 * 1000;
/// Most calls that wait for a frame, and most subscriptions, over all connections.
pub const EVENTS_WAITERS_MAX: usize = 256;
/// Timeout for writing one notification to the reader of a subscription.
pub const SUBSCRIBER_MS_MAX: u64 = 10 * 1000;
/// Most chains of a policy.
pub const CHAINS_MAX: usize = 256;
/// Width of the nonce window of an owner.
pub const NONCE_WINDOW: u64 = 256;
/// Under rule sets 1 and 2: farthest that one nonce may lie above the floor of its owner.
pub const NONCE_JUMP_MAX: u64 = 1 << 20;
/// Hours before the current one whose nonces can still be used.
pub const NONCE_HOURS_MAX: u32 = 25;
/// Hours that an owner's newest used hour lies back at most for its next nonce to be suggested.
pub const NONCE_SUGGESTED_HOURS_MAX: u32 = 12;
/// Nonces from the next free one on that drafts are given. Fewer than the window is wide, so that
/// drafts that others make do not move an owner's window past a nonce that the owner signed.
pub const NONCE_DRAFTS_MAX: u64 = 128;
/// Most principals and accounts that one frame forgets; the rest follow with the next.
pub const FORGOTTEN_MAX: usize = 256;
/// Time that what can be forgotten waits for a frame; then it gets one of its own.
pub const FORGET_LATE_S_MAX: u64 = 60;
/// Most drafts of all callers together.
pub const DRAFTS_MAX: usize = 10_000;
/// Most bytes of them, execution data included. One caller has at most a sixteenth.
pub const DRAFTS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Time in which a draft gives way to no other caller's, unless its caller holds more than its
/// share.
pub const DRAFT_YOUNG_MS: u64 = 60 * 1000;
/// Most logged refusals of one request that are not final, each for another reason.
pub const REFUSALS_PER_REQUEST_MAX: usize = 4;
/// The part of a principal's quota that refusals may use besides it: one in so many.
pub const REFUSAL_QUOTA_PART: u32 = 10;
/// Most commands and queries that are admitted and not yet answered, over all connections.
pub const IN_FLIGHT_MAX: usize = 8192;
/// Most of them on one connection.
pub const IN_FLIGHT_PER_CONNECTION_MAX: usize = 1024;
/// Promises of one caller that wait for their signatures in frames, while other callers send
/// commands too; one command may go beyond. Two workers sign them in a few milliseconds.
pub const UNSIGNED_PROMISES_MAX: u32 = 128;
/// Time after a command in which its caller counts as one of several.
pub const UNSIGNED_SHARED_MS: u64 = 1000;
/// Most callers with a share of their own in each queue. Callers above it share one.
pub const SHARE_KEYS_MAX: usize = 4096;
/// Most connections of the request port.
pub const CONNECTIONS_MAX: usize = 16_384;
/// Most requests of one peer that a gateway has handed to the engine and that are not answered.
pub const GATEWAY_PEER_WINDOW: usize = 64;
/// Most of its requests that wait for a frame: its others find room in that window.
pub const RELAYED_WAITERS_MAX: usize = 32;
/// Most bytes of requests, over all connections, that are being read or wait for their answer.
pub const REQUEST_BYTES_HELD_MAX: usize = 32 * 1024 * 1024;
/// Most bytes of answers, over all connections, that are made and not yet written.
pub const ANSWER_BYTES_HELD_MAX: usize = 64 * 1024 * 1024;
/// The same on the parent's gateway, whose memory is smaller.
pub const GATEWAY_ANSWER_BYTES_HELD_MAX: usize = 32 * 1024 * 1024;
/// Most memory of the engine besides what its state takes, whatever callers do.
pub const ENGINE_MEMORY_BESIDE_STATE_MAX: usize = 256 * 1024 * 1024;
/// Most memory of the host, whatever callers do.
pub const HOST_MEMORY_MAX: usize = 128 * 1024 * 1024;
/// Time in which a reader takes `WRITE_BYTES_MIN` bytes of an answer, or the rest of it.
pub const WRITE_MS_MAX: u64 = 10 * 1000;
/// Least progress of a reader in that time.
pub const WRITE_BYTES_MIN: usize = 128 * 1024;
/// Frames between two snapshots.
pub const SNAPSHOT_FRAMES: u64 = 4096;
/// Values of the state that the writer encodes for a snapshot in one slice: about a millisecond.
pub const SNAPSHOT_SLICE_VALUES: usize = 4096;
/// Bytes after which such a slice ends.
pub const SNAPSHOT_SLICE_BYTES: usize = 1024 * 1024;
/// Pause between two slices.
pub const SNAPSHOT_SLICE_MS: u64 = 10;
/// Parts of a snapshot that are being sealed or stored at once.
pub const SNAPSHOT_PARTS_IN_FLIGHT: usize = 4;
/// Bytes that are encoded for a snapshot and not yet in flight. With more it is given up.
pub const SNAPSHOT_BYTES_HELD_MAX: usize = 48 * 1024 * 1024;
/// Pause after a snapshot that was given up or could not be stored.
pub const SNAPSHOT_RETRY_MS: u64 = 60 * 1000;
/// Longest that a graceful stop waits for a snapshot.
pub const SNAPSHOT_STOP_MS_MAX: u64 = 2 * 1000;
/// Newest frames under whose state roots the engine can still prove entries.
pub const RECENT_ROOTS_MAX: usize = 256;
/// Most changed leaves of those frames: what one proof turns back at most.
pub const RECENT_ROOTS_LEAVES_MAX: usize = 1024;
/// Most memory for those proofs, in bytes. Under load fewer frames are kept.
pub const RECENT_ROOTS_BYTES_MAX: usize = 512 * 1024;
/// Most statements that one frame carries.
pub const FRAME_STATEMENTS_MAX: usize = 64;
/// Largest line of credentials from the parent, line end included.
pub const CREDENTIALS_LINE_BYTES_MAX: usize = 16 * 1024;
/// Largest diagnostics line from an enclave to its parent, line end included.
pub const DIAGNOSTICS_LINE_BYTES_MAX: usize = 4 * 1024;
/// Largest answer of the key service.
pub const KMS_ANSWER_BYTES_MAX: usize = 32 * 1024;
/// Largest `CiphertextForRecipient` of the key service, without its base64.
pub const KMS_ENVELOPE_BYTES_MAX: usize = 8 * 1024;
/// Largest wrapped key of the key service.
pub const KMS_WRAPPED_KEY_BYTES_MAX: usize = 6 * 1024;
/// Most bytes of the names and values of an encryption context.
pub const KMS_CONTEXT_BYTES_MAX: usize = 8 * 1024;
/// Most random bytes of the key service in one call.
pub const KMS_RANDOM_BYTES_MAX: usize = 1024;
/// Largest text that the application encrypts, in UTF-8.
pub const APP_TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Keys for answers of the key service that are made ahead.
pub const KMS_KEYS_AHEAD: usize = 4;
/// Calls of the application in one second, after the first burst.
pub const APP_CALLS_PER_SECOND_MAX: u64 = 8;
/// Calls of the application at once or in a row.
pub const APP_CALLS_BURST_MAX: u32 = 64;
/// Most calls of the application at once, over all connections.
pub const APP_IN_FLIGHT_MAX: usize = 16;
/// Largest signed note: a checkpoint with its cosignatures.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;
/// Most signature lines of a note.
pub const NOTE_SIGNATURES_MAX: usize = 64;
/// Most witnesses of a set.
pub const WITNESSES_MAX: usize = 32;
/// Shortest lease of answers about now, seconds: three rounds of witnesses fit before it ends.
pub const LEASE_S_MIN: u32 = 15;
/// Longest name of a witness.
pub const WITNESS_NAME_BYTES_MAX: usize = 128;
/// Longest domain in the origin of a log: what a DNS name may have.
pub const ORIGIN_DOMAIN_BYTES_MAX: usize = 253;
/// Largest encoding of a genesis without its predecessor.
pub const CHARTER_BYTES_MAX: usize = 64 * 1024;
/// Largest checkpoint of a predecessor in a genesis.
pub const PREDECESSOR_NOTE_BYTES_MAX: usize = 16 * 1024;
/// Largest request to a witness: old size, path, checkpoint.
pub const WITNESS_REQUEST_BYTES_MAX: usize = 16 * 1024;
/// Largest answer of a witness.
pub const WITNESS_ANSWER_BYTES_MAX: usize = 4 * 1024;
/// Timeout for one request to a witness.
pub const WITNESS_ANSWER_MS_MAX: u64 = 5 * 1000;
/// Largest `tlog-proof@v1`: its checkpoint, its path, extra data.
pub const TLOG_PROOF_BYTES_MAX: usize = 96 * 1024;
/// Longest validity of a `ReadRequest` when it is shown, seconds: its holder can show it again.
pub const READ_VALID_S_MAX: u64 = 300;
/// Longest validity of a request id.
pub const REQUEST_VALID_MS_MAX: u64 = 24 * 3600 * 1000;

const _: () = assert!(FRAME_BYTES_TARGET < FRAME_BYTES_MAX);
const _: () = assert!(2 * RELAYED_WAITERS_MAX <= GATEWAY_PEER_WINDOW);
const _: () = assert!(2 * NONCE_DRAFTS_MAX <= NONCE_WINDOW);
const _: () = assert!(FRAME_BYTES_MAX < STORE_MESSAGE_BYTES_MAX);
const _: () = assert!(STORE_MESSAGE_BYTES_MAX < DECODE_BYTES_MAX);
const _: () = assert!(SNAPSHOT_PART_BYTES < STORE_MESSAGE_BYTES_MAX);
// 64 MiB beside the state while a snapshot is taken: a part in flight is there up to four times,
// as plain or sealed bytes, as a message, and in the queue of the connection
const _: () = assert!(
    SNAPSHOT_BYTES_HELD_MAX + 4 * SNAPSHOT_PARTS_IN_FLIGHT * SNAPSHOT_PART_BYTES
        <= 64 * 1024 * 1024
);
const _: () = assert!(REQUEST_BYTES_MAX < RESPONSE_BYTES_MAX);
// a budget has room for several of the largest, and both fit twice over
const _: () = assert!(4 * REQUEST_BYTES_MAX <= REQUEST_BYTES_HELD_MAX);
const _: () = assert!(4 * RESPONSE_BYTES_MAX <= ANSWER_BYTES_HELD_MAX);
const _: () = assert!(4 * RESPONSE_BYTES_MAX <= GATEWAY_ANSWER_BYTES_HELD_MAX);
const _: () =
    assert!(2 * (REQUEST_BYTES_HELD_MAX + ANSWER_BYTES_HELD_MAX) <= ENGINE_MEMORY_BESIDE_STATE_MAX);
const _: () = assert!(2 * GATEWAY_ANSWER_BYTES_HELD_MAX <= HOST_MEMORY_MAX);
const _: () = assert!(CHANNEL_REQUEST_OVERHEAD_BYTES < CHANNEL_PAD_BYTES);
const _: () = assert!(CHANNEL_ANSWER_OVERHEAD_BYTES < CHANNEL_PAD_BYTES);
const _: () = assert!(REQUEST_BYTES_MAX.is_multiple_of(CHANNEL_PAD_BYTES));
const _: () = assert!(RESPONSE_BYTES_MAX.is_multiple_of(CHANNEL_PAD_BYTES));
// a text in two-byte escapes, or its ciphertext in base64, and the rest of the request
const _: () = assert!(2 * APP_TEXT_BYTES_MAX + CREDENTIALS_LINE_BYTES_MAX < REQUEST_BYTES_MAX);
const _: () = assert!(WITNESSES_MAX < NOTE_SIGNATURES_MAX);
// a witness gets one note of one signature and a path; a genesis is one blob
const _: () = assert!(64 * 45 + 2 * ORIGIN_DOMAIN_BYTES_MAX < WITNESS_REQUEST_BYTES_MAX);
const _: () = assert!(
    2 * CHARTER_BYTES_MAX + PREDECESSOR_NOTE_BYTES_MAX + 65 * (OBSERVERS_MAX + 8) < BLOB_BYTES_MAX
);
const _: () = assert!(NOTE_BYTES_MAX + 64 * 45 < TLOG_PROOF_BYTES_MAX);
// one frame in base64, whatever its size, fits an answer, and so does a page of frames
const _: () = assert!(FRAME_BYTES_MAX / 3 * 4 + REQUEST_BYTES_MAX / 3 < RESPONSE_BYTES_MAX);
const _: () = assert!(EVENTS_BYTES_MAX < FRAME_BYTES_MAX);
const _: () = assert!(FRAME_EXPIRIES_MAX < FRAME_EVENTS_MAX);
// three anchors may fail before the last good one is too old
// three readings agree before the old anchor is too old
const _: () = assert!(
    CLOCK_ANCHOR_MS + 2 * (CLOCK_LEAP_READING_MS + CLOCK_ROUND_TRIP_MS_MAX)
        < CLOCK_ANCHOR_AGE_MS_MAX
);
const _: () = assert!(3 * (CLOCK_ANCHOR_MS + CLOCK_ROUND_TRIP_MS_MAX) < CLOCK_ANCHOR_AGE_MS_MAX);
const _: () = assert!(CLOCK_ANCHOR_AGE_MS_MAX < ATTESTATION_SKEW_MS_MAX);
// a draw that has to wait asked for a seed earlier: the bound is beyond the reseed and one draw
const _: () = assert!(2 * ENTROPY_RESEED_BYTES < ENTROPY_SEED_GIVES_BYTES_MAX);
const _: () = assert!(ATTESTATION_NONCE_BYTES_MAX <= ATTESTATION_FIELD_BYTES_MAX);
const _: () = assert!(ATTESTATIONS_PER_SECOND_MAX > 0 && ATTESTATIONS_PER_SECOND_MAX <= 1000);
const _: () = assert!(ATTESTATION_FIELD_BYTES_MAX < ATTESTATION_BYTES_MAX);
const _: () = assert!(KMS_WRAPPED_KEY_BYTES_MAX < KMS_ENVELOPE_BYTES_MAX);
const _: () =
    assert!(KMS_ENVELOPE_BYTES_MAX + KMS_WRAPPED_KEY_BYTES_MAX < KMS_ANSWER_BYTES_MAX / 2);
