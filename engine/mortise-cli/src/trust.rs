//! The trust file: which engine is pinned, and the last statement that it signed.

use crate::failure::Failure;
use mortise_client::{Client, Identity, SignedStatement};
use mortise_format::ids::{Address, EngineId};
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
    last: Option<SignedStatement>,
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
        let Some(path) = &self.0 else { return Ok(client) };
        let named = |e: &dyn std::fmt::Display| Failure::check(format!("{}: {e}", path.display()));
        let text = match std::fs::read_to_string(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(client),
            read => read.map_err(|e| named(&e))?,
        };
        let trust: Trust = serde_json::from_str(&text).map_err(|e| named(&e))?;
        let client = client.pinned(Identity { engine_id: trust.engine_id, address: trust.address });
        match trust.last {
            Some(last) => client.with_statement(last).map_err(|e| named(&e)),
            None => Ok(client),
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
