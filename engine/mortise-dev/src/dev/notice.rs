//! Notices of a child to its parent: one JSON object per line on stdout.

use mortise_format::ids::{Address, EngineId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Address, files and keys of the local key service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KmsReady {
    /// `127.0.0.1:PORT`: where a byte proxy connects to.
    pub address: String,
    /// The name in its certificate, which clients ask for.
    pub host_name: String,
    /// Its region.
    pub region: String,
    /// File of its TLS root in PEM.
    pub tls_root: PathBuf,
    /// File of the credentials that the parent hands to the enclave.
    pub credentials: PathBuf,
    /// ARN of the role of those credentials.
    pub role: String,
    /// ARN of each requested key, by alias.
    pub keys: BTreeMap<String, String>,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub(crate) enum Notice {
    /// The host listens.
    #[serde(rename_all = "camelCase")]
    HostReady {
        /// Where the gateway is.
        http: String,
        /// Frames in the store.
        frames: u64,
    },
    /// The local key service listens.
    KmsReady(KmsReady),
    /// The engine follows the log.
    Replaying {
        /// Frames done.
        done: u64,
        /// Frames in all.
        total: u64,
    },
    /// A witness listens.
    #[serde(rename_all = "camelCase")]
    WitnessReady {
        /// URL of the witness.
        url: String,
        /// Its verifier key.
        verifier_key: String,
    },
    /// The engine waits for cosignatures.
    #[serde(rename_all = "camelCase")]
    Witnessing {
        /// The verifier key of its log, which a witness must know.
        log_key: String,
    },
    /// The engine serves.
    #[serde(rename_all = "camelCase")]
    EngineReady {
        engine_id: EngineId,
        /// Address of its signing key.
        address: Address,
        /// Epoch of this boot.
        epoch: u64,
        /// Chains served.
        chains: Vec<u64>,
    },
    /// The process exits by itself.
    Failed {
        /// The reason, for people.
        reason: String,
    },
}

impl Notice {
    /// Writes the line. Ignores an error: the parent may be gone.
    pub fn print(&self) {
        use std::io::Write;
        let line = serde_json::to_string(self).expect("notices have text keys only");
        let mut stdout = std::io::stdout().lock();
        let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    }
}

/// Resolves when the parent closes our stdin or on SIGTERM: time to stop in order.
pub(crate) async fn parent_gone() {
    let (send, closed) = tokio::sync::oneshot::channel();
    // A separate thread: a runtime waits for its blocking reads before it ends, so with tokio's
    // stdin a process that exits by itself would wait for its parent.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = send.send(());
    });
    let closed = async move { drop(closed.await) };
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok();
    let terminated = async {
        match &mut terminate {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = closed => {}
        () = terminated => {}
    }
}

/// Structured logs on stderr.
pub(super) fn start_log(level: &str) {
    let filter = tracing_subscriber::EnvFilter::try_new(level)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt().json().with_env_filter(filter);
    log.with_writer(std::io::stderr).init();
}
