//! The flags of commands that connect to an engine.

use crate::attested::ProofArgs;
use clap::Args;
use mortise_format::ids::EngineId;
use std::path::PathBuf;

/// The gateway of `mortise-dev dev`, and of `mortise-host`, on this machine.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// The engine, and how far it is trusted.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// The engine: `http://HOST:PORT`, `unix:PATH`, `vsock:CID:PORT`, or `hybrid:PATH:PORT` for a
    /// local machine whose vsock is behind the unix socket PATH.
    #[arg(long, global = true, env = "MORTISE_URL", default_value = DEFAULT_URL)]
    pub url: String,

    /// Trust anchors (TOML). Pins the engine and keeps its newest statement; created at first use.
    ///
    /// Without it a command trusts any engine that answers and cannot detect a rollback. The names
    /// in the file, all optional: engine_id, address, log_key, origin, witnesses, quorum, max_age,
    /// skew, custody, durability, policy_hash, roots, pcr0, pcr1, pcr2, pcr8. With witnesses,
    /// answers about now that are too old are refused. mortise writes the table `[last]` at the
    /// end.
    #[arg(long, global = true, env = "MORTISE_ANCHORS", value_name = "FILE")]
    pub anchors: Option<PathBuf>,

    /// The engine that must answer. Its keys must be those of this ID.
    #[arg(long, global = true, value_name = "BYTES32")]
    pub engine_id: Option<EngineId>,

    /// Refuse an engine that is pinned already: for the first use of an anchors file.
    #[arg(long, global = true)]
    pub expect_new: bool,

    /// File with the signing key (mode 0600). The variable MORTISE_KEY holds a key itself.
    ///
    /// Inside the channel (--attest-root) it also signs reads: an engine whose policy says `reads:
    /// parties` shows locks, balances and nonces to their parties alone.
    #[arg(long, global = true, value_name = "FILE")]
    pub key: Option<PathBuf>,

    /// Maximum number of times that a request is sent.
    #[arg(long, global = true, default_value_t = 8, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub attempts: u32,

    #[command(flatten)]
    pub proof: ProofArgs,
}
