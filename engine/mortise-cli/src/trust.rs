//! The trust file: which engine is pinned, and the last statement that it signed.

use crate::failure::Failure;
use mortise_client::{Client, Identity, SignedStatementView};
use mortise_format::ids::{Address, EngineId};
use mortise_verify::Engine;
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Trust {
    engine_id: EngineId,
    address: Address,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<SignedStatementView>,
}

/// A trust file; the content of `None` is that no file was named.
#[derive(Debug)]
pub struct TrustFile(Option<PathBuf>);

impl TrustFile {
    /// A file that may not exist yet, or none.
    pub fn new(path: Option<&Path>) -> Self {
        Self(path.map(Path::to_owned))
    }

    /// Pins what the file holds.
    pub fn pin(&self, client: Client) -> Result<Client, Failure> {
        let Some(trust) = self.read()? else { return Ok(client) };
        let client = client.pinned(Identity { engine_id: trust.engine_id, address: trust.address });
        let Some(last) = trust.last else { return Ok(client) };
        let path = self.0.as_deref().unwrap_or(Path::new("")).display();
        client.with_statement(last).map_err(|e| Failure::check(format!("{path}: {e}")))
    }

    /// The engine that the file pins; none without a file, or before the first call made one.
    pub fn engine(&self) -> Result<Option<Engine>, Failure> {
        let trust = self.read()?;
        Ok(trust.map(|trust| Engine { id: trust.engine_id, address: trust.address }))
    }

    fn read(&self) -> Result<Option<Trust>, Failure> {
        let Some(path) = &self.0 else { return Ok(None) };
        let named = |e: &dyn std::fmt::Display| Failure::check(format!("{}: {e}", path.display()));
        match std::fs::read_to_string(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(named(&e)),
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|e| named(&e)),
        }
    }

    /// Writes down whom the client trusts and what was last stated. The file is replaced whole.
    pub async fn keep(&self, client: &Client) -> Result<(), Failure> {
        let Some(path) = &self.0 else { return Ok(()) };
        let identity = client.identity().await?;
        let last = client.last_statement();
        let trust = Trust { engine_id: identity.engine_id, address: identity.address, last };
        let text = serde_json::to_string_pretty(&trust).map_err(Failure::system)?;
        replace(path, &text).map_err(|e| Failure::check(format!("{}: {e}", path.display())))
    }
}

fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut beside = path.to_owned();
    beside.as_mut_os_string().push(".new");
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}
