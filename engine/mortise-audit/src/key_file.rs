//! The file format of [`AuditKeys`] (`specs/audit.md`): JSON with exactly the fields of that page.

use crate::keys::AuditKeys;
use alloc::format;
use alloc::string::String;
use mortise_format::content_key::ContentRoot;
use mortise_format::ids::{EngineId, parse_hex, to_hex};
use mortise_format::secret::Secret;
use mortise_rpc::json;
use zeroize::Zeroizing;

/// The value of the field `format`.
pub const KEY_FILE_FORMAT: &str = "mortise-audit-keys/1";

/// Why bytes are not a key file. No error repeats bytes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It is not one JSON object without repeated keys.
    #[error("the key file is not one JSON object without repeated keys")]
    Json,
    /// Its `format` is not the one of this version.
    #[error("the field `format` of the key file is not \"{KEY_FILE_FORMAT}\"")]
    Format,
    /// A field is missing, unknown or malformed.
    #[error("the field `{0}` of the key file is missing, unknown or malformed")]
    Field(&'static str),
    /// Epochs are not in order, each once, from 1.
    #[error("the epochs of the key file are not in ascending order, each once, from 1")]
    Epochs,
}

impl AuditKeys {
    /// Reads a key file.
    ///
    /// # Errors
    /// In this order: `Json`, `Format`, `Field`, `Epochs`.
    pub fn from_json(bytes: &[u8]) -> Result<Self, KeyFileError> {
        let value = json::parse(bytes).map_err(|_| KeyFileError::Json)?;
        let fields = value.as_object().ok_or(KeyFileError::Json)?;
        if fields.get("format").and_then(|v| v.as_str()) != Some(KEY_FILE_FORMAT) {
            return Err(KeyFileError::Format);
        }
        let known = ["format", "engineId", "stateSaltKey", "epochs"];
        if fields.keys().any(|key| !known.contains(&key.as_str())) {
            return Err(KeyFileError::Field("format"));
        }
        let text = |name| fields.get(name).and_then(|v| v.as_str());
        let engine_id = text("engineId").and_then(|text| EngineId::parse(text).ok());
        let engine_id = engine_id.ok_or(KeyFileError::Field("engineId"))?;
        let state_salt = text("stateSaltKey").and_then(secret);
        let state_salt = state_salt.ok_or(KeyFileError::Field("stateSaltKey"))?;
        let epochs = fields.get("epochs").and_then(|v| v.as_array());
        let (mut keys, mut last) = (Self::new(engine_id, state_salt), 0);
        for entry in epochs.ok_or(KeyFileError::Field("epochs"))? {
            let entry = entry.as_object().filter(|fields| fields.len() == 2);
            let entry = entry.ok_or(KeyFileError::Field("epochs"))?;
            let epoch = entry.get("epoch").and_then(|v| v.as_u64());
            let epoch = epoch.ok_or(KeyFileError::Field("epochs.epoch"))?;
            let root = entry.get("contentRoot").and_then(|v| v.as_str()).and_then(secret);
            let root = root.ok_or(KeyFileError::Field("epochs.contentRoot"))?;
            if epoch <= last {
                return Err(KeyFileError::Epochs);
            }
            last = epoch;
            keys = keys.with_epoch(epoch, ContentRoot::new(root));
        }
        Ok(keys)
    }

    /// The contents of the key file. Write it with mode 0600.
    pub fn to_json(&self) -> Zeroizing<String> {
        let hex = |secret: &Secret| Zeroizing::new(secret.expose(|bytes| to_hex(bytes)));
        let mut text = Zeroizing::new(format!(
            "{{\n  \"format\": \"{KEY_FILE_FORMAT}\",\n  \"engineId\": \"{}\",\n  \
             \"stateSaltKey\": \"{}\",\n  \"epochs\": [",
            self.engine_id(),
            *hex(self.state_salt())
        ));
        let mut separator = "\n";
        for epoch in self.epochs() {
            let Some(root) = self.content_root(epoch) else { continue };
            text.push_str(separator);
            text.push_str(&format!("    {{\"epoch\": {epoch}, \"contentRoot\": \""));
            text.push_str(&hex(root.secret()));
            text.push_str("\"}");
            separator = ",\n";
        }
        text.push_str("\n  ]\n}\n");
        text
    }
}

fn secret(text: &str) -> Option<Secret> {
    let mut bytes = Zeroizing::new([0; 32]);
    parse_hex(text, &mut *bytes).ok()?;
    Some(Secret::new(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> AuditKeys {
        let root = |byte| ContentRoot::new(Secret::new([byte; 32]));
        let keys = AuditKeys::new(EngineId([7; 32]), Secret::new([1; 32]));
        keys.with_epoch(1, root(2)).with_epoch(3, root(4))
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_prints() {
        let text = keys().to_json();
        let read = AuditKeys::from_json(text.as_bytes()).unwrap();
        assert_eq!(*read.to_json(), *text);
        assert_eq!(read.engine_id(), &EngineId([7; 32]));
        assert!(read.epochs().eq([1, 3]));
        assert!(read.content_root(2).is_none());
        let shown = format!("{read:?}");
        assert!(shown.contains("[redacted]") && !shown.contains("0202"), "{shown}");
    }

    #[test]
    fn other_files_are_refused_by_name() {
        let text = keys().to_json();
        let refused = |from: &str, to: &str| {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, *text, "{from}");
            AuditKeys::from_json(changed.as_bytes()).map(|_| ()).unwrap_err()
        };
        assert_eq!(refused("{", ""), KeyFileError::Json);
        assert_eq!(refused("\"engineId\"", "\"format\""), KeyFileError::Json);
        assert_eq!(refused("keys/1", "keys/2"), KeyFileError::Format);
        assert_eq!(refused("\"engineId\"", "\"engine\""), KeyFileError::Field("format"));
        assert_eq!(refused("0x07", "0x7"), KeyFileError::Field("engineId"));
        assert_eq!(refused("0x01", "01"), KeyFileError::Field("stateSaltKey"));
        assert_eq!(refused("\"epoch\": 1", "\"epoch\": -1"), KeyFileError::Field("epochs.epoch"));
        assert_eq!(refused("0x02", "0x"), KeyFileError::Field("epochs.contentRoot"));
        assert_eq!(refused("\"epoch\": 1", "\"epoch\": 3"), KeyFileError::Epochs);
        assert_eq!(refused("\"epoch\": 1", "\"epoch\": 0"), KeyFileError::Epochs);
        assert_eq!(
            refused("\"epoch\": 1", "\"x\": 1, \"epoch\": 1"),
            KeyFileError::Field("epochs")
        );
    }
}
