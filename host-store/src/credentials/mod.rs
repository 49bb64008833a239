//! Credentials of the key service for the enclave (port 5003).
//!
//! ```text
//! instance metadata, environment or file --every minute--> newest --line--> enclave
//! ```
//! What it is for: the enclave signs its calls to the key service itself and has no other source of
//! credentials. It connects, gets the newest credentials immediately, and newer ones as soon as
//! they exist. The instance metadata service provides new credentials minutes before the old ones
//! expire, so checking every minute is early enough.
//!
//! What it does not do: call the key service, write credentials to a disk, log any part of one.

mod imds;
mod source;

pub use source::{CredentialsSource, SourceError, SourceNameError};

use crate::metrics::Metrics;
use crate::port;
use mortise_format::limits::CREDENTIALS_LINE_BYTES_MAX;
use mortise_rpc::credentials::Credentials;
use mortise_transport::{Listener, Stream};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use zeroize::Zeroizing;

/// Most connections at once. An enclave has one.
const CONNECTIONS_MAX: usize = 8;
/// Time between two requests to the source.
pub(crate) const ASK_EVERY: Duration = Duration::from_secs(60);
/// Time between two requests to a source that failed.
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// One line, ready to send. Wiped when the last holder drops it.
type Line = Arc<Zeroizing<Vec<u8>>>;

/// Configuration of the provider.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    pub(crate) source: CredentialsSource,
    /// Time between two requests to the source.
    pub(crate) ask_every: Duration,
    pub(crate) metrics: Arc<Metrics>,
    /// The only context id that may connect.
    pub(crate) only_cid: Option<u32>,
}

/// Serves connections until `stop` changes.
pub(crate) async fn serve(listener: Listener, provider: Provider, stop: watch::Receiver<()>) {
    let (newest, _) = watch::channel(None);
    let newest = Arc::new(newest);
    let options = port::options(provider.only_cid, CONNECTIONS_MAX);
    let asking = tokio::spawn(ask(provider, Arc::clone(&newest)));
    let handler = move |stream| push(stream, newest.subscribe());
    let report = |event| port::log_event("credentials", &event);
    mortise_transport::serve(listener, options, stop, handler, report).await;
    asking.abort();
}

async fn ask(provider: Provider, newest: Arc<watch::Sender<Option<Line>>>) {
    loop {
        let fetched = provider.source.fetch().await;
        provider.metrics.credentials_fetched(fetched.is_ok());
        let pause = match fetched {
            Ok(credentials) => {
                offer(&newest, &credentials);
                provider.ask_every
            }
            Err(error) => {
                tracing::warn!(source = %provider.source, %error, "no credentials");
                RETRY_EVERY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Publishes credentials if they differ from the last.
fn offer(newest: &watch::Sender<Option<Line>>, credentials: &Credentials) {
    let mut line = Zeroizing::new(Vec::with_capacity(CREDENTIALS_LINE_BYTES_MAX));
    if serde_json::to_writer(&mut *line, credentials).is_err() {
        return;
    }
    line.push(b'\n');
    if line.len() > CREDENTIALS_LINE_BYTES_MAX {
        return tracing::warn!("credentials that are too long were not passed on");
    }
    newest.send_if_modified(|last| {
        let is_new = last.as_ref().is_none_or(|last| **last != line);
        if is_new {
            *last = Some(Arc::new(line));
        }
        is_new
    });
}

/// Sends the newest line, and each newer one, until the enclave disconnects.
async fn push(stream: Stream, mut newest: watch::Receiver<Option<Line>>) {
    let (mut read, mut write) = tokio::io::split(stream);
    newest.mark_changed();
    loop {
        let mut silence = [0; 1];
        let changed = tokio::select! {
            changed = newest.changed() => changed,
            // The enclave never sends anything here: a byte, or the end, ends the connection.
            _ = read.read(&mut silence) => return,
        };
        let line = newest.borrow_and_update().clone();
        let sent = match line {
            Some(line) => write.write_all(&line).await,
            None => Ok(()),
        };
        if changed.is_err() || sent.is_err() || write.flush().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_transport::{Address, connect};
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    fn written(path: &std::path::Path, id: &str) {
        let text = format!(r#"{{"AccessKeyId":"{id}","SecretAccessKey":"s","Token":"t"}}"#);
        std::fs::write(path, text).unwrap();
    }

    #[tokio::test]
    async fn newest_comes_at_once_and_newer_ones_when_there_are_any() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("credentials.json");
        written(&file, "AKIAFIRST");
        let address = Address::Unix(folder.path().join("credentials.sock"));
        let listener = Listener::bind(&address).await.unwrap();
        let provider = Provider {
            source: CredentialsSource::File(file.clone()),
            ask_every: Duration::from_millis(20),
            metrics: Arc::new(Metrics::new()),
            only_cid: None,
        };
        let (_stop, stopped) = watch::channel(());
        tokio::spawn(serve(listener, provider, stopped));
        let mut lines = BufReader::new(connect(&address).await.unwrap()).lines();
        let first = lines.next_line().await.unwrap().unwrap();
        assert!(first.contains("AKIAFIRST"), "{first}");
        let again = connect(&address).await.unwrap();
        let same = BufReader::new(again).lines().next_line().await.unwrap().unwrap();
        assert_eq!(same, first);
        written(&file, "AKIASECOND");
        let newer = lines.next_line().await.unwrap().unwrap();
        assert!(newer.contains("AKIASECOND"), "{newer}");
    }

    #[tokio::test]
    async fn only_other_credentials_are_sent_again() {
        let (newest, mut seen) = watch::channel(None);
        let credentials = |id: &str| Credentials {
            access_key_id: id.into(),
            secret_access_key: "s".into(),
            token: None,
            expiration: None,
        };
        offer(&newest, &credentials("AKIAONE"));
        assert!(seen.has_changed().unwrap());
        seen.mark_unchanged();
        offer(&newest, &credentials("AKIAONE"));
        assert!(!seen.has_changed().unwrap());
        offer(&newest, &credentials("AKIATWO"));
        assert!(seen.has_changed().unwrap());
        seen.mark_unchanged();
        offer(&newest, &credentials(&"A".repeat(CREDENTIALS_LINE_BYTES_MAX)));
        assert!(!seen.has_changed().unwrap());
    }
}
