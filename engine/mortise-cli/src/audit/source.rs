//! An exported log, read once, frame by frame.
//!
//! What it does not do: read a data folder (`mortise-host export` does).

use crate::failure::Failure;
use mortise_export::{ExportReader, Parts};
use mortise_format::blobs::{GENESIS_BLOB, PUBLIC_KEYS_PART};
use mortise_format::codec;
use mortise_format::genesis::{Genesis, GenesisKeys};
use mortise_format::ids::Bytes32;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Size of the read buffer.
const BUFFER_BYTES: usize = 1024 * 1024;

/// An exported log.
pub(crate) struct Source {
    reader: ExportReader<BufReader<File>>,
    bytes: u64,
}

impl Source {
    /// Opens an exported log.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let named = |error: std::io::Error| Failure::usage(format!("cannot read {shown}: {error}"));
        let meta = std::fs::metadata(path).map_err(named)?;
        if meta.is_dir() {
            return Err(Failure::usage(format!(
                "{shown} is a folder, not an exported log: mortise-host export --data-dir {shown} \
                 --out FILE"
            )));
        }
        let file = File::open(path).map_err(named)?;
        let reader = ExportReader::new(BufReader::with_capacity(BUFFER_BYTES, file));
        let reader = reader.map_err(|error| Failure::check(format!("{shown}: {error}")))?;
        Ok(Self { reader, bytes: meta.len() })
    }

    /// Size of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes read so far.
    pub fn read_bytes(&self) -> u64 {
        self.reader.read_bytes()
    }

    /// The parts of the file other than frames.
    pub fn parts(&self) -> &Parts {
        self.reader.parts()
    }

    /// The genesis in the export.
    pub fn genesis(&self) -> Result<Option<Genesis>, Failure> {
        let decoded = self.parts().get(GENESIS_BLOB).map(|bytes| codec::decode(bytes));
        decoded.transpose().map_err(|_| Failure::check("the genesis in the export does not decode"))
    }

    /// The genesis public keys, and the commitment to the log secret.
    pub fn genesis_keys(&self) -> Result<Option<(GenesisKeys, Bytes32)>, Failure> {
        let decoded = self.parts().get(PUBLIC_KEYS_PART).map(|bytes| codec::decode(bytes));
        decoded
            .transpose()
            .map_err(|_| Failure::check("the genesis keys in the export do not decode"))
    }

    /// The bytes of the next frame. A truncated or changed file is a named error.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let frame = self.reader.next_frame().map_err(Failure::check)?;
        Ok(frame.map(|frame| frame.bytes().to_vec()))
    }
}
