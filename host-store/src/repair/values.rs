//! The sealed values of a folder: which copies are whole, what is missing, what brings it back.

use super::finding::Finding;
use super::index::IndexState;
use super::{Options, RepairError, copy};
use crate::store::{SealedCopy, SealedFiles, agreed};
use mortise_format::blobs::KEYS_BLOB;
use mortise_format::store::StoreRefusal;
use std::io;
use std::path::Path;

/// Values by name.
pub(super) type Values = Vec<(String, Vec<u8>)>;

/// What was found of the values of a folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Values with a whole copy.
    pub(super) values: Values,
    /// Names of values with a copy that is missing or broken.
    incomplete: Vec<String>,
    /// Names of values whose whole copies differ.
    conflicts: Vec<String>,
    /// Names of values with copies of which none is whole.
    broken: Vec<String>,
}

/// Looks at the three copies of each value.
pub(super) fn of_folder(data_dir: &Path, index: &IndexState) -> io::Result<Found> {
    let files = SealedFiles::of(data_dir);
    let indexed = index.blobs();
    let mut names = files.names()?;
    names.extend(indexed.iter().map(|(name, _)| name.clone()));
    let mut found = Found::default();
    for name in names {
        let [one, other] = files.read(&name);
        let value = indexed.iter().find(|(known, _)| *known == name);
        let value = value.map_or(SealedCopy::Absent, |(_, v)| SealedCopy::Whole(v.clone()));
        let copies = [one, other, value];
        match agreed(&copies) {
            Ok(Some(bytes)) => {
                let is_whole = |copy: &SealedCopy| matches!(copy, SealedCopy::Whole(_));
                if !copies[..2].iter().all(is_whole) {
                    found.incomplete.push(name.clone());
                }
                found.values.push((name, bytes.to_vec()));
            }
            Ok(None) => {}
            Err(StoreRefusal::BlobConflict { .. }) => found.conflicts.push(name),
            Err(_) => found.broken.push(name),
        }
    }
    Ok(found)
}

/// The values that the folder has after a repair, and what is wrong with them now.
pub(super) fn examine(
    options: &Options<'_>,
    index: &IndexState,
    has_frames: bool,
) -> Result<(Values, Vec<Finding>), RepairError> {
    let Found { mut values, incomplete, conflicts, broken } = of_folder(&options.data_dir, index)?;
    let mut findings = Vec::new();
    findings.extend(incomplete.into_iter().map(|name| Finding::SealedCopy { name }));
    let lacks_keys = has_frames
        && !values.iter().any(|(name, _)| name == KEYS_BLOB)
        && !conflicts.iter().any(|name| name == KEYS_BLOB);
    let mut missing = broken;
    if lacks_keys && !missing.iter().any(|name| name == KEYS_BLOB) {
        missing.push(KEYS_BLOB.to_owned());
    }
    for name in missing {
        let copy = value_of_copies(options, &name)?;
        let from = copy.map(|(from, bytes)| {
            values.push((name.clone(), bytes));
            from
        });
        findings.push(Finding::SealedLost { name, copy: from });
    }
    findings.extend(conflicts.into_iter().map(|name| Finding::BlobConflict { name }));
    Ok((values, findings))
}

/// The first copy that has a value of this name.
fn value_of_copies(
    options: &Options<'_>,
    name: &str,
) -> Result<Option<(std::path::PathBuf, Vec<u8>)>, RepairError> {
    for path in &options.copies {
        let values = copy::sealed_values(path, options.probe)?;
        if let Some((_, bytes)) = values.into_iter().find(|(known, _)| known == name) {
            return Ok(Some((path.clone(), bytes)));
        }
    }
    Ok(None)
}
