//! Goal: what is exported comes back byte for byte, and every other file is refused by name.

use super::*;
use crate::store::testing::{Store, chain, foreign};
use crate::store::{CheckedFrame, DiskStore, LogStore as _, StoreOptions};
use mortise_format::blobs::{GENESIS_BLOB, KEYS_BLOB, PUBLIC_KEYS_PART};
use mortise_format::codec;
use mortise_format::genesis::GenesisKeys;
use mortise_format::ids::Bytes32;
use mortise_format::limits::FRAME_BYTES_MAX;
use std::path::Path;

fn parts() -> Parts {
    [("genesis", 40), ("genesis-keys", 7)].map(|(n, size)| (n.to_owned(), vec![9; size])).into()
}

pub(crate) fn written(frames: &[CheckedFrame], parts: &Parts) -> Vec<u8> {
    let mut writer = ExportWriter::new(Vec::new(), parts).unwrap();
    frames.iter().for_each(|frame| writer.frame(frame).unwrap());
    writer.finish().unwrap()
}

fn read(bytes: &[u8]) -> Result<(Parts, Vec<CheckedFrame>), ExportError> {
    let mut reader = ExportReader::new(bytes)?;
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame()? {
        frames.push(frame);
    }
    assert!(reader.next_frame()?.is_none(), "the end stays the end");
    assert_eq!(reader.read_bytes(), bytes.len() as u64);
    Ok((reader.parts().clone(), frames))
}

#[test]
fn what_was_written_is_read_back() {
    for frames in [vec![], chain(1, 10), chain(5, 300)] {
        for parts in [Parts::new(), parts()] {
            let bytes = written(&frames, &parts);
            assert_eq!(read(&bytes).unwrap(), (parts, frames.clone()));
        }
    }
}

#[test]
fn every_cut_is_refused() {
    let bytes = written(&chain(3, 50), &parts());
    for end in 0..bytes.len() {
        match read(&bytes[..end]).unwrap_err() {
            ExportError::Magic => assert!(end < 8, "cut at {end}"),
            ExportError::Torn { frames } => assert!(end >= 8 && frames <= 3, "cut at {end}"),
            other => panic!("cut at {end}: {other}"),
        }
    }
}

#[test]
fn every_flipped_byte_is_refused() {
    let bytes = written(&chain(3, 50), &parts());
    for at in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut flipped = bytes.clone();
            flipped[at] ^= bit;
            assert!(read(&flipped).is_err(), "byte {at}");
        }
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(matches!(read(&longer), Err(ExportError::Trailing)));
}

#[test]
fn each_way_to_be_wrong_has_its_name() {
    let frames = chain(3, 50);
    let good = written(&frames, &Parts::new());
    let end = good.len() - 76;
    let changed = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        read(&changed).unwrap_err()
    };
    assert!(matches!(changed(0, b"MRTSEG01"), ExportError::Magic));
    assert!(matches!(changed(8, &[2, 0]), ExportError::Version { found: 2 }));
    assert!(matches!(changed(10, &[17, 0]), ExportError::Parts));
    let too_long = u32::try_from(FRAME_BYTES_MAX).unwrap() + 1;
    let refused = changed(12, &too_long.to_le_bytes());
    assert!(matches!(refused, ExportError::FrameLength { seq: 0, .. }), "{refused}");
    assert!(matches!(changed(16 + 340, &[7]), ExportError::Frame { seq: 0, .. }));
    assert!(matches!(changed(end + 4, &[9]), ExportError::Count { found: 3, stated: 9 }));
    assert!(matches!(changed(end + 12, &[1, 2, 3]), ExportError::LastFrame));
    assert!(matches!(changed(end + 44, &[1, 2, 3]), ExportError::Digest));
    let mut writer = ExportWriter::new(Vec::new(), &Parts::new()).unwrap();
    writer.frame(&frames[0]).unwrap();
    assert!(matches!(writer.frame(&frames[2]), Err(ExportError::Chain { seq: 1 })));
    assert!(matches!(writer.frame(&foreign(&frames[1])), Err(ExportError::Chain { seq: 1 })));
    for name in ["", "no good"] {
        let bad = Parts::from([(name.to_owned(), vec![])]);
        assert!(matches!(ExportWriter::new(Vec::new(), &bad), Err(ExportError::Parts)), "{name}");
    }
}

fn exported(store: &Store, file: &Path) -> Result<u64, FolderError> {
    export(store.folder.path(), file, false, None, |_, _| {})
}

#[test]
fn a_folder_that_was_exported_and_imported_is_the_same_log() {
    let store = Store::new();
    {
        let open = store.open().unwrap();
        open.blob_put("genesis", b"rules").unwrap();
        open.append_group(&chain(40, 100_000)).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a.log"), folder.path().join("b.log"));
    assert_eq!(exported(&store, &first).unwrap(), 40);
    let new = folder.path().join("new");
    let mut seen = Vec::new();
    let count = import(&first, &new, |_| true, |done, of| seen.push((done, of))).unwrap();
    assert_eq!(count, 40);
    let (done, of) = *seen.last().unwrap();
    assert_eq!(done, of);
    let open = DiskStore::open(&new, StoreOptions::default()).unwrap();
    assert_eq!(open.head(), store.open().unwrap().head());
    assert_eq!(open.blob_get("genesis").unwrap().unwrap(), b"rules");
    drop(open);
    export(&new, &second, false, None, |_, _| {}).unwrap();
    assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap());
}

#[test]
fn nothing_is_overwritten_and_nothing_half_done_stays() {
    let store = Store::new();
    store.open().unwrap().append_group(&chain(3, 100)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.log");
    exported(&store, &file).unwrap();
    assert!(matches!(exported(&store, &file), Err(FolderError::FileExists(_))));
    let nothing = folder.path().join("nothing");
    let refused = export(&nothing, &folder.path().join("b.log"), false, None, |_, _| {});
    assert!(matches!(refused, Err(FolderError::NoLog(_))));
    let full = store.folder.path();
    assert!(matches!(import(&file, full, |_| true, |_, _| {}), Err(FolderError::NotEmpty(_))));
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.truncate(bytes.len() - 1);
    let torn = folder.path().join("torn.log");
    std::fs::write(&torn, bytes).unwrap();
    let new = folder.path().join("new");
    let refused = import(&torn, &new, |_| true, |_, _| {});
    assert!(matches!(refused, Err(FolderError::Export(ExportError::Torn { frames: 3 }))));
    assert!(!new.exists());
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
    std::fs::create_dir(folder.path().join(".new.importing")).unwrap();
    assert!(matches!(import(&file, &new, |_| true, |_, _| {}), Err(FolderError::Leftover(_))));
}

#[test]
fn parts_for_an_auditor_have_the_public_keys_and_none_that_are_sealed() {
    let store = Store::new();
    let open = store.open().unwrap();
    assert_eq!(parts_of(&open, true).unwrap(), Parts::new(), "a store without a genesis");
    let public = (GenesisKeys { signing: [2; 33], checkpoint: [3; 32] }, Bytes32([4; 32]));
    let sealed = codec::encode(&(public, (vec![5u8; 40], vec![6u8; 90])));
    open.blob_put(GENESIS_BLOB, b"rules").unwrap();
    open.blob_put(KEYS_BLOB, &sealed).unwrap();
    open.blob_put("other", b"secret").unwrap();
    let for_auditor = Parts::from([
        (GENESIS_BLOB.to_owned(), b"rules".to_vec()),
        (PUBLIC_KEYS_PART.to_owned(), codec::encode(&public)),
    ]);
    assert_eq!(parts_of(&open, false).unwrap(), for_auditor);
    let mut whole = for_auditor;
    assert!(sealed.starts_with(&whole[PUBLIC_KEYS_PART]), "the front of the sealed keys");
    whole.insert(KEYS_BLOB.to_owned(), sealed);
    assert_eq!(parts_of(&open, true).unwrap(), whole);
    let stored: Vec<&str> = whole.keys().map(String::as_str).filter(|n| is_stored(n)).collect();
    assert_eq!(stored, [GENESIS_BLOB, KEYS_BLOB]);
}

#[test]
fn sealed_keys_that_do_not_decode_give_no_public_keys() {
    let store = Store::new();
    let open = store.open().unwrap();
    open.blob_put(KEYS_BLOB, b"no keys").unwrap();
    assert_eq!(parts_of(&open, false).unwrap(), Parts::new());
}

/// The files of a folder with their sizes.
fn files_of(folder: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files_of(&path)),
            false => found.push((path.display().to_string(), path.metadata().unwrap().len())),
        }
    }
    found.sort();
    found
}

/// Goal: a look changes nothing, so that a repair still sees what is lost.
#[test]
fn export_of_a_lost_index_or_of_no_log_is_refused_and_makes_nothing() {
    let store = Store::new();
    store.open().unwrap().append_group(&chain(3, 100)).unwrap();
    let (at, folder) = (store.folder.path(), tempfile::tempdir().unwrap());
    let file = folder.path().join("a.log");
    let index = at.join(crate::store::INDEX_FOLDER);
    let cut = || std::fs::write(index.join("db"), b"").unwrap();
    let gone = || std::fs::remove_dir_all(&index).unwrap();
    let losses: [&dyn Fn(); 2] = [&cut, &gone];
    for lose in losses {
        lose();
        let before = files_of(at);
        assert!(matches!(exported(&store, &file), Err(FolderError::IndexLost { .. })));
        assert_eq!((files_of(at), file.exists()), (before, false));
    }
    drop(store.open().unwrap());
    assert_eq!(exported(&store, &file).unwrap(), 3, "the host made it again");
    let empty = folder.path().join("empty");
    std::fs::create_dir_all(empty.join("log")).unwrap();
    let refused = export(&empty, &folder.path().join("b.log"), false, None, |_, _| {});
    assert!(matches!(refused, Err(FolderError::NoLog(_))));
    assert_eq!(std::fs::read_dir(&empty).unwrap().count(), 1);
}

#[test]
fn import_under_the_genesis_or_the_keys_of_another_engine_is_refused() {
    let genesis = mortise_rpc::genesis::dev(Bytes32([7; 32]));
    let other = mortise_rpc::genesis::dev(Bytes32([8; 32]));
    let public = (GenesisKeys { signing: [2; 33], checkpoint: [3; 32] }, Bytes32([4; 32]));
    let sealed = codec::encode(&(public, (vec![5u8; 40], vec![6u8; 90])));
    let parts_of = |genesis: &mortise_format::genesis::Genesis| {
        let part = |name: &str, bytes: Vec<u8>| (name.to_owned(), bytes);
        Parts::from([part(GENESIS_BLOB, codec::encode(genesis)), part(KEYS_BLOB, sealed.clone())])
    };
    let made = parts::engines_of(&parts_of(&genesis));
    assert_eq!(made, [mortise_format::genesis::engine_id(&public.0, &public.1, &genesis.hash())]);
    assert_ne!(parts::engines_of(&parts_of(&other)), made);
    let folder = tempfile::tempdir().unwrap();
    let (file, new) = (folder.path().join("a.log"), folder.path().join("new"));
    std::fs::write(&file, written(&chain(3, 100), &parts_of(&genesis))).unwrap();
    let refused = import(&file, &new, |_| true, |_, _| {}).unwrap_err();
    assert!(matches!(refused, FolderError::OtherEngine { made: id, .. } if id == made[0]));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left");
}
