//! The store as a whole: what it keeps, what it rejects, what a failing disk causes.

use super::port::{LogStore, SnapshotPart};
use super::testing::{Store, chain, foreign};
use super::writer::Writer;
use super::{CheckedFrame, OpenError, StoreState};
use crate::metrics::Metrics;
use mortise_format::frame::LEAF_BYTES;
use mortise_format::ids::Bytes32;
use mortise_format::limits::{BLOB_BYTES_MAX, SNAPSHOT_PART_BYTES};
use mortise_format::store::{LogHead, SnapshotInfo, StoreRefusal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;

type Outcome = Result<(u64, mortise_format::FrameDigest), StoreRefusal>;

/// A writer over the store, driven from a test.
struct Driver {
    writer: Option<Writer>,
    thread: Option<std::thread::JoinHandle<()>>,
    runtime: tokio::runtime::Runtime,
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.writer = None;
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Driver {
    fn new(store: Arc<dyn LogStore>) -> Self {
        let (writer, thread) = Writer::start(store, Arc::new(Metrics::new())).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { writer: Some(writer), thread: Some(thread), runtime }
    }

    /// Queues all frames, then waits for all outcomes, in the order of the frames.
    fn append(&self, frames: &[CheckedFrame]) -> Vec<Outcome> {
        let (tell, told) = channel();
        for frame in frames {
            let tell = tell.clone();
            let reply = move |r: Result<super::Acked, _>| {
                tell.send(r.map(|a| (a.seq, a.digest))).unwrap();
            };
            let writer = self.writer.as_ref().unwrap();
            self.runtime.block_on(writer.append(frame.clone(), reply)).unwrap();
        }
        drop(tell);
        told.iter().collect()
    }

    fn head(&self) -> Result<LogHead, StoreRefusal> {
        let (tell, told) = channel();
        let reply = move |r| tell.send(r).unwrap();
        self.runtime.block_on(self.writer.as_ref().unwrap().head(reply)).unwrap();
        told.recv().unwrap()
    }
}

fn acked(frames: &[CheckedFrame]) -> Vec<Outcome> {
    frames.iter().map(|f| Ok((f.seq(), f.digest()))).collect()
}

#[test]
fn frames_are_acked_in_the_order_of_seqs_and_read_back() {
    let folder = Store::new();
    let frames = chain(100, 3000);
    let store = Arc::new(folder.open().unwrap());
    let driver = Driver::new(Arc::<super::DiskStore>::clone(&store));
    assert_eq!(driver.append(&frames), acked(&frames));
    let last = frames.last().unwrap();
    assert_eq!(driver.head(), Ok(LogHead { next_seq: 100, digest: last.digest() }));
    let all: Vec<_> = frames.iter().map(|f| f.bytes().to_vec()).collect();
    assert_eq!(store.read(0, usize::MAX).unwrap(), all);
    let two = 2 * frames[0].bytes().len();
    assert_eq!(store.read(40, two).unwrap(), all[40..42]);
    assert_eq!(store.read(40, two - 1).unwrap(), all[40..41]);
    assert_eq!(store.read(40, 0).unwrap(), all[40..41]);
    assert_eq!(store.read(100, 1000).unwrap(), Vec::<Vec<u8>>::new());
    let leaves = |from: usize, to: usize| -> Vec<u8> {
        frames[from..to].iter().flat_map(|f| f.bytes()[..LEAF_BYTES].to_vec()).collect()
    };
    assert_eq!(store.leaves(0, 100).unwrap(), leaves(0, 100));
    assert_eq!(store.leaves(40, 2).unwrap(), leaves(40, 42));
    assert_eq!(store.leaves(99, 7).unwrap(), leaves(99, 100));
    assert_eq!(store.leaves(100, 7).unwrap(), leaves(0, 0));
    assert_eq!(store.leaves(u64::MAX, usize::MAX).unwrap(), leaves(0, 0));
}

#[test]
fn frames_that_do_not_follow_the_head_are_refused_by_name() {
    let folder = Store::new();
    let frames = chain(3, 100);
    let driver = Driver::new(Arc::new(folder.open().unwrap()));
    assert_eq!(driver.append(&frames[1..2]), [Err(StoreRefusal::Gap { expected: 0 })]);
    assert_eq!(driver.append(&frames[..2]), acked(&frames[..2]));
    assert_eq!(driver.append(&frames[..1]), [Err(StoreRefusal::SeqTaken { expected: 2 })]);
    assert_eq!(driver.append(&[foreign(&frames[2])]), [Err(StoreRefusal::ForeignEngine)]);
    let expected = frames[1].digest();
    let stray = chain(3, 101).remove(2);
    assert_eq!(driver.append(&[stray]), [Err(StoreRefusal::PreviousMismatch { expected })]);
    assert_eq!(driver.append(&frames[2..]), acked(&frames[2..]));
}

#[test]
fn of_two_frames_for_one_place_one_is_kept() {
    let folder = Store::new();
    let (ours, theirs) = (chain(1, 100), chain(1, 101));
    let driver = Driver::new(Arc::new(folder.open().unwrap()));
    let outcomes = driver.append(&[ours[0].clone(), theirs[0].clone()]);
    assert!(outcomes.contains(&acked(&ours)[0]));
    assert!(outcomes.contains(&Err(StoreRefusal::SeqTaken { expected: 1 })));
    assert_eq!(driver.head().unwrap().digest, ours[0].digest());
}

#[test]
fn a_restart_keeps_every_acked_frame() {
    let folder = Store::new();
    let frames = chain(60, 100_000);
    for part in frames.chunks(7) {
        let store = Arc::new(folder.open().unwrap());
        let driver = Driver::new(Arc::<super::DiskStore>::clone(&store));
        assert_eq!(driver.append(part), acked(part));
    }
    let store = folder.open().unwrap();
    assert_eq!(store.head().next_seq, 60);
    let mut read = Vec::new();
    while (read.len() as u64) < store.head().next_seq {
        read.extend(store.read(read.len() as u64, 300_000).unwrap());
    }
    let all: Vec<_> = frames.iter().map(|f| f.bytes().to_vec()).collect();
    assert_eq!(read, all);
}

#[test]
fn a_group_is_synced_before_any_of_it_is_acked() {
    let folder = Store::new();
    let frames = chain(2, 100);
    let store = Arc::new(folder.open().unwrap());
    let driver = Driver::new(Arc::<super::DiskStore>::clone(&store));
    let before = folder.syncer.synced.load(Ordering::SeqCst);
    driver.append(&frames[..1]);
    assert!(folder.syncer.synced.load(Ordering::SeqCst) > before);
}

#[test]
fn a_failed_sync_acks_nothing_and_ends_all_acks_until_a_restart() {
    let folder = Store::new();
    let frames = chain(3, 100);
    let store = Arc::new(folder.open().unwrap());
    let driver = Driver::new(Arc::<super::DiskStore>::clone(&store));
    assert_eq!(driver.append(&frames[..1]), acked(&frames[..1]));
    folder.syncer.fails.store(true, Ordering::SeqCst);
    assert_eq!(driver.append(&frames[1..2]), [Err(StoreRefusal::SyncFailed)]);
    folder.syncer.fails.store(false, Ordering::SeqCst);
    // The disk works again, but its contents are unknown.
    assert_eq!(driver.append(&frames[1..2]), [Err(StoreRefusal::SyncFailed)]);
    assert_eq!(driver.head(), Err(StoreRefusal::SyncFailed));
    assert_eq!(store.read(0, 1000).unwrap().len(), 1);
    drop((driver, store));
    let store = Arc::new(folder.open().unwrap());
    let driver = Driver::new(Arc::<super::DiskStore>::clone(&store));
    let next = driver.head().unwrap().next_seq;
    assert!((1..=2).contains(&next), "the next seq is {next}; the frame may be there or not");
    assert_eq!(driver.append(&frames[next as usize..]), acked(&frames[next as usize..]));
}

#[test]
fn a_full_disk_is_answered_before_anything_is_written_and_the_store_goes_on() {
    let folder = Store::new();
    let frames = chain(60, 100_000);
    let store = Arc::new(folder.open().unwrap());
    let driver = Driver::new(Arc::<super::DiskStore>::clone(&store));
    assert_eq!(driver.append(&frames[..3]), acked(&frames[..3]));
    folder.syncer.is_full.store(true, Ordering::SeqCst);
    // More than what is left of the segment: refused whole, for as long as it lasts.
    for _ in 0..3 {
        let refused = driver.append(&frames[3..]);
        assert!(refused.contains(&Err(StoreRefusal::Full)), "{refused:?}");
        let kept = store.head().next_seq as usize;
        // A frame behind a group that was refused leaves a gap: neither is kept, for certain.
        let outcomes = driver.append(&frames[kept..]);
        let refused = outcomes.iter().skip_while(|outcome| outcome.is_ok());
        let is_certain = |outcome: &Outcome| {
            matches!(outcome, Err(StoreRefusal::Full | StoreRefusal::Gap { .. }))
        };
        assert!(refused.clone().count() > 0 && refused.clone().all(is_certain), "{outcomes:?}");
        assert_eq!(driver.head().unwrap().next_seq, store.head().next_seq);
    }
    assert_eq!(*store.state().borrow(), StoreState::Full);
    let kept = store.head().next_seq as usize;
    assert_eq!(store.snapshot_put(part(9, 0, 1, 10)), Err(StoreRefusal::Full));
    assert_eq!(store.blob_put("keys", b"one"), Err(StoreRefusal::Full));
    folder.syncer.is_full.store(false, Ordering::SeqCst);
    assert_eq!(driver.append(&frames[kept..]), acked(&frames[kept..]));
    assert_eq!(*store.state().borrow(), StoreState::Appending);
    assert_eq!(store.snapshot_put(part(9, 0, 1, 10)), Ok(true));
    assert_eq!(store.blob_put("keys", b"one"), Ok(()));
    drop((driver, store));
    assert_eq!(folder.open().unwrap().head().next_seq, 60);
}

#[test]
fn a_disk_that_others_fill_stops_the_index_and_not_the_store() {
    let folder = Store::new();
    let frames = chain(20, 100);
    let store = folder.open().unwrap();
    let reserve = folder.folder.path().join("reserve");
    assert!(reserve.exists());
    folder.syncer.is_full.store(true, Ordering::SeqCst);
    // There is room in the segment. The index gives the reserve up, and writes nothing.
    store.append(&frames[..10]);
    let mut state = store.state();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(state.wait_for(|state| *state == StoreState::Full)).unwrap();
    assert!(!reserve.exists());
    assert!(matches!(store.append_group(&frames[10..11]), Err(super::AppendError::Full)));
    assert_eq!(store.read(9, 1).unwrap(), [frames[9].bytes().to_vec()]);
    folder.syncer.is_full.store(false, Ordering::SeqCst);
    store.check_room();
    assert_eq!(*state.borrow(), StoreState::Appending);
    store.append(&frames[10..]);
    drop(store);
    assert_eq!(folder.open().unwrap().head().next_seq, 20);
}

#[test]
fn a_stop_on_a_full_disk_loses_nothing_and_the_next_start_names_the_room_that_is_missing() {
    let folder = Store::new();
    let frames = chain(10, 100);
    let store = folder.open().unwrap();
    folder.syncer.is_full.store(true, Ordering::SeqCst);
    store.append(&frames);
    drop(store);
    let error = folder.open().map(drop).unwrap_err();
    let OpenError::DiskFull { free: 0, missing, .. } = error else { panic!("{error}") };
    assert!(error.to_string().contains(&format!("{missing} too few")), "{error}");
    folder.syncer.is_full.store(false, Ordering::SeqCst);
    assert_eq!(folder.open().unwrap().head().next_seq, 10);
}

#[test]
fn a_failed_sync_of_the_index_or_of_a_value_poisons_the_store() {
    for harm in ["index", "blob", "snapshot"] {
        let folder = Store::new();
        let frames = chain(2, 100);
        let store = folder.open().unwrap();
        if harm == "index" {
            store.append(&frames[..1]);
        }
        folder.syncer.fails.store(true, Ordering::SeqCst);
        match harm {
            "blob" => drop(store.blob_put("keys", b"one")),
            "snapshot" => drop(store.snapshot_put(part(9, 0, 1, 10))),
            _ => {}
        }
        let mut state = store.state();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(state.wait_for(|state| *state == StoreState::Poisoned)).unwrap();
        folder.syncer.fails.store(false, Ordering::SeqCst);
        let next = store.head().next_seq as usize;
        let refused = store.append_group(&frames[next..=next]);
        assert!(matches!(refused, Err(super::AppendError::Failed(_))), "{harm}");
        store.check_room();
        assert_eq!(*state.borrow(), StoreState::Poisoned, "{harm}");
    }
}

#[test]
fn a_folder_in_use_is_refused_by_name() {
    let folder = Store::new();
    let open = folder.open().unwrap();
    let error = folder.open().map(drop).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("in use"));
    drop(open);
    folder.open().unwrap();
}

fn part(seq: u64, part: u32, parts: u32, bytes: usize) -> SnapshotPart {
    let bytes = vec![part as u8 + 1; bytes];
    let manifest = (part + 1 == parts).then_some(Bytes32([seq as u8; 32]));
    SnapshotPart { seq, part, manifest, bytes }
}

#[test]
fn a_snapshot_is_visible_when_its_last_part_is_there_whatever_the_order() {
    let folder = Store::new();
    let store = folder.open().unwrap();
    let full = SNAPSHOT_PART_BYTES;
    assert_eq!(store.snapshot_put(part(5, 2, 3, 10)), Ok(false));
    assert_eq!(store.snapshot_put(part(5, 0, 3, full)), Ok(false));
    assert_eq!(store.snapshot_put(part(5, 0, 3, full)), Ok(false));
    assert_eq!(store.snapshots(), Ok(vec![]));
    assert_eq!(store.snapshot_read(5, 0), Err(StoreRefusal::SnapshotUnknown));
    assert_eq!(store.snapshot_put(part(5, 1, 3, full)), Ok(true));
    drop(store);
    let store = folder.open().unwrap();
    let bytes = 2 * full as u64 + 10;
    let info = SnapshotInfo { seq: 5, digest: Bytes32([5; 32]), parts: 3, bytes };
    assert_eq!(store.snapshots(), Ok(vec![info]));
    for (i, size) in [(0, full), (1, full), (2, 10)] {
        assert_eq!(store.snapshot_read(5, i).unwrap(), vec![i as u8 + 1; size]);
    }
    assert_eq!(store.snapshot_read(5, 3), Err(StoreRefusal::SnapshotUnknown));
}

#[test]
fn the_two_newest_snapshots_are_kept() {
    let folder = Store::new();
    let store = folder.open().unwrap();
    for seq in [1, 2, 3] {
        assert_eq!(store.snapshot_put(part(seq, 0, 1, 10)), Ok(true));
    }
    assert_eq!(store.snapshots().unwrap()[0].seq, 3);
    assert_eq!(store.snapshot_read(1, 0), Err(StoreRefusal::SnapshotUnknown));
    assert_eq!(store.snapshot_read(2, 0).unwrap(), [1; 10]);
    let files = std::fs::read_dir(folder.folder.path().join("snapshots")).unwrap().count();
    assert_eq!(files, 2);
}

#[test]
fn an_unfinished_snapshot_gives_way_to_a_newer_one_only() {
    let folder = Store::new();
    let store = folder.open().unwrap();
    let full = SNAPSHOT_PART_BYTES;
    assert_eq!(store.snapshot_put(part(5, 0, 2, full)), Ok(false));
    assert_eq!(store.snapshot_put(part(4, 0, 1, 10)), Err(StoreRefusal::SnapshotConflict));
    assert_eq!(store.snapshot_put(part(6, 0, 1, 10)), Ok(true));
    assert_eq!(store.snapshot_put(part(5, 1, 2, 10)), Err(StoreRefusal::SnapshotConflict));
    assert_eq!(store.snapshot_put(part(6, 0, 1, 10)), Ok(true));
    let mut other = part(6, 0, 1, 10);
    other.manifest = Some(Bytes32([9; 32]));
    assert_eq!(store.snapshot_put(other), Err(StoreRefusal::SnapshotConflict));
    assert_eq!(store.snapshot_put(part(7, 0, 2, 10)), Err(StoreRefusal::TooLarge));
}

#[test]
fn a_snapshot_taken_again_after_the_same_frame_keeps_nothing_of_the_unfinished_one() {
    let folder = Store::new();
    let store = folder.open().unwrap();
    let full = SNAPSHOT_PART_BYTES;
    for n in 0..3 {
        assert_eq!(store.snapshot_put(part(5, n, 9, full)), Ok(false));
    }
    let again = SnapshotPart { bytes: vec![7; full], ..part(5, 0, 9, full) };
    assert_eq!(store.snapshot_put(again), Ok(false));
    assert_eq!(store.snapshot_put(part(5, 1, 2, 10)), Ok(true));
    let info = store.snapshots().unwrap()[0];
    assert_eq!((info.seq, info.parts, info.bytes), (5, 2, full as u64 + 10));
    assert_eq!(store.snapshot_read(5, 0).unwrap(), vec![7; full]);
    assert_eq!(store.snapshot_read(5, 1).unwrap(), vec![2; 10]);
    let file = folder.folder.path().join("snapshots").join(super::snapshot_name(5));
    assert_eq!(std::fs::metadata(file).unwrap().len(), info.bytes);
}

#[test]
fn the_older_snapshots_stay_while_a_newer_one_is_not_whole() {
    let folder = Store::new();
    let store = folder.open().unwrap();
    for seq in [1, 2] {
        assert_eq!(store.snapshot_put(part(seq, 0, 1, 10)), Ok(true));
    }
    for n in 0..3 {
        assert_eq!(store.snapshot_put(part(3, n, 9, SNAPSHOT_PART_BYTES)), Ok(false));
    }
    let listed = |store: &dyn LogStore| -> Vec<u64> {
        store.snapshots().unwrap().iter().map(|info| info.seq).collect()
    };
    assert_eq!(listed(&store), [2, 1]);
    drop(store);
    let store = folder.open().unwrap();
    assert_eq!(listed(&store), [2, 1]);
    assert_eq!(store.snapshot_read(1, 0).unwrap(), [1; 10]);
}

#[test]
fn a_sealed_value_is_never_replaced_and_survives_a_restart() {
    let folder = Store::new();
    let store = folder.open().unwrap();
    assert_eq!(store.blob_get("keys"), Ok(None));
    assert_eq!(store.blob_put("keys", b"one"), Ok(()));
    assert_eq!(store.blob_put("keys", b"one"), Ok(()));
    assert_eq!(store.blob_put("keys", b"two"), Err(StoreRefusal::BlobExists));
    assert_eq!(store.blob_put("Keys", b""), Err(StoreRefusal::BlobName));
    let big = vec![0; BLOB_BYTES_MAX + 1];
    assert_eq!(store.blob_put("big", &big), Err(StoreRefusal::TooLarge));
    for i in 0..20 {
        // Many large values make sled write its own files beside its log.
        let name = format!("big{i}");
        assert_eq!(store.blob_put(&name, &vec![i; BLOB_BYTES_MAX]), Ok(()));
    }
    drop(store);
    let store = folder.open().unwrap();
    assert_eq!(store.blob_get("keys"), Ok(Some(b"one".to_vec())));
    assert_eq!(store.blob_get("big7"), Ok(Some(vec![7; BLOB_BYTES_MAX])));
}

/// The two files of a sealed value, and the folder of the index.
fn copies(folder: &Store, name: &str) -> [PathBuf; 3] {
    let data = folder.folder.path();
    let file = |of: &str| data.join(of).join(format!("{name}.sealed"));
    [file("sealed"), file("sealed.copy"), data.join("index")]
}

fn remove(path: &Path) {
    if path.is_dir() {
        std::fs::remove_dir_all(path).unwrap();
    } else {
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn any_one_copy_of_a_sealed_value_serves_and_the_others_are_made_again() {
    for left in 0..3 {
        let folder = Store::new();
        let store = folder.open().unwrap();
        store.append(&chain(3, 100));
        assert_eq!(store.blob_put("keys", b"one"), Ok(()));
        drop(store);
        let places = copies(&folder, "keys");
        for (n, place) in places.iter().enumerate().filter(|(n, _)| *n != left) {
            if n == 0 { std::fs::write(place, b"rot").unwrap() } else { remove(place) }
        }
        let store = folder.open().unwrap();
        assert_eq!(store.blob_get("keys"), Ok(Some(b"one".to_vec())), "only copy {left}");
        assert_eq!(store.head().next_seq, 3);
        drop(store);
        // Every copy is there again: the one that served is no longer needed.
        remove(&places[left]);
        let store = folder.open().unwrap();
        assert_eq!(store.blob_get("keys"), Ok(Some(b"one".to_vec())), "without copy {left}");
    }
}

#[test]
fn whole_copies_that_differ_are_a_conflict_and_nothing_is_chosen_or_replaced() {
    let (ours, theirs) = (Store::new(), Store::new());
    ours.open().unwrap().blob_put("keys", b"one").unwrap();
    theirs.open().unwrap().blob_put("keys", b"two").unwrap();
    let [_, place, _] = copies(&ours, "keys");
    let [theirs, ..] = copies(&theirs, "keys");
    std::fs::copy(&theirs, &place).unwrap();
    let store = ours.open().unwrap();
    let conflict = |result| matches!(result, Err(StoreRefusal::BlobConflict { .. }));
    assert!(conflict(store.blob_get("keys").map(drop)));
    assert!(conflict(store.blob_put("keys", b"one")));
    assert!(conflict(store.blob_put("keys", b"two")));
    assert_eq!(std::fs::read(&place).unwrap(), std::fs::read(&theirs).unwrap());
}

#[test]
fn a_value_of_which_no_copy_is_whole_is_neither_absent_nor_written_over() {
    let folder = Store::new();
    folder.open().unwrap().blob_put("keys", b"one").unwrap();
    let [one, other, index] = copies(&folder, "keys");
    std::fs::write(&one, b"rot").unwrap();
    std::fs::write(&other, b"").unwrap();
    remove(&index);
    let store = folder.open().unwrap();
    assert_eq!(store.blob_get("keys"), Err(StoreRefusal::BlobBroken));
    assert_eq!(store.blob_put("keys", b"one"), Err(StoreRefusal::BlobBroken));
    assert_eq!(std::fs::read(one).unwrap(), b"rot");
}

/// How an index is lost.
fn harm_index(folder: &Store, harm: usize) {
    let index = folder.folder.path().join("index");
    let db = index.join("db");
    match harm {
        0 => std::fs::write(db, b"").unwrap(),
        1 => {
            let mut bytes = std::fs::read(&db).unwrap();
            bytes[..512].fill(0);
            std::fs::write(db, bytes).unwrap();
        }
        2 => std::fs::remove_file(db).unwrap(),
        3 => std::fs::remove_dir_all(index).unwrap(),
        4 => std::fs::write(db, vec![0xa5; 600_000]).unwrap(),
        _ => {
            // What sled makes of a folder without its files.
            std::fs::remove_dir_all(&index).unwrap();
            drop(super::Index::open(&index, folder.options().syncer).unwrap());
        }
    }
}

#[test]
fn a_lost_index_is_named_kept_and_made_again_from_log_and_files() {
    for harm in 0..6 {
        let folder = Store::new();
        let frames = chain(40, 100_000);
        let store = folder.open().unwrap();
        store.append(&frames);
        store.blob_put("keys", b"one").unwrap();
        for seq in [10, 20] {
            assert_eq!(store.snapshot_put(part(seq, 0, 1, 10)), Ok(true));
        }
        drop(store);
        harm_index(&folder, harm);
        let store = folder.open().unwrap();
        assert_eq!(store.head().next_seq, 40, "harm {harm}");
        assert_eq!(store.read(17, 1).unwrap(), vec![frames[17].bytes().to_vec()]);
        assert_eq!(store.blob_get("keys"), Ok(Some(b"one".to_vec())), "harm {harm}");
        let listed: Vec<_> = store.snapshots().unwrap().iter().map(|info| info.seq).collect();
        assert_eq!(listed, [20, 10], "harm {harm}");
        let kept = folder.folder.path().join("index.lost-1");
        // sled itself takes garbage for an empty index.
        assert_eq!(kept.exists(), harm < 3, "harm {harm}");
        assert!(!folder.folder.path().join("index.suspect").exists());
        drop(store);
        drop(folder.open().unwrap());
        assert!(!folder.folder.path().join("index.lost-2").exists(), "harm {harm}");
    }
}

#[test]
fn a_damaged_frame_is_named_and_its_neighbours_are_served() {
    use std::os::unix::fs::FileExt as _;
    let folder = Store::new();
    let frames = chain(9, 1000);
    let store = folder.open().unwrap();
    store.append(&frames);
    // Frame 3 in its body, frame 6 in its leaf.
    let record = super::record_bytes(frames[0].bytes().len());
    let path = super::segment_path(&folder.log(), 0);
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let damage = |seq: u64, at: u64| {
        file.write_all_at(&[0; 64], super::BLOCK_BYTES + seq * record + at).unwrap();
    };
    damage(3, 600);
    damage(6, 40);
    let bytes = |range: std::ops::Range<usize>| -> Vec<Vec<u8>> {
        frames[range].iter().map(|frame| frame.bytes().to_vec()).collect()
    };
    assert_eq!(store.broken_frames(), None);
    assert_eq!(store.read(0, usize::MAX).unwrap(), bytes(0..3));
    assert_eq!(store.read(3, usize::MAX), Err(StoreRefusal::FrameBroken { seq: 3 }));
    assert_eq!(store.read(4, usize::MAX).unwrap(), bytes(4..6));
    assert_eq!(store.read(7, usize::MAX).unwrap(), bytes(7..9));
    let leaves = |range: std::ops::Range<usize>| -> Vec<u8> {
        frames[range].iter().flat_map(|f| f.bytes()[..LEAF_BYTES].to_vec()).collect()
    };
    // The leaf of frame 3 is whole, so the proofs of its neighbours can be built.
    assert_eq!(store.leaves(0, 9).unwrap(), leaves(0..6));
    assert_eq!(store.leaves(6, 3), Err(StoreRefusal::FrameBroken { seq: 6 }));
    assert_eq!(store.leaves(7, 3).unwrap(), leaves(7..9));
    drop(store);
    // Neither stops a start: old frames are not read before the store serves.
    let store = folder.open().unwrap();
    assert_eq!(store.broken_frames(), None);
    let mut scrub = super::Scrub::default();
    while scrub.next_seq() < 9 {
        assert!(scrub.step(&store) <= std::time::Duration::from_millis(3));
    }
    assert_eq!(store.broken_frames(), Some((3, 2)));
    scrub.step(&store);
    assert_eq!(scrub.next_seq(), 0, "the search begins again");
}

#[test]
fn an_index_that_ended_a_process_is_made_again_at_the_next_start() {
    for (mark, is_kept) in [("opening", false), ("opening again", true), ("a panic", true)] {
        let folder = Store::new();
        folder.open().unwrap().append(&chain(5, 100));
        std::fs::write(folder.folder.path().join("index.suspect"), mark).unwrap();
        assert_eq!(folder.open().unwrap().head().next_seq, 5);
        assert_eq!(folder.folder.path().join("index.lost-1").exists(), is_kept, "{mark}");
        assert!(!folder.folder.path().join("index.suspect").exists(), "{mark}");
    }
}

#[test]
fn snapshots_that_are_not_whole_are_not_offered_and_the_older_one_is() {
    for harm in ["empty", "cut", "gone", "folder"] {
        let folder = Store::new();
        let store = folder.open().unwrap();
        for seq in [10, 20] {
            assert_eq!(store.snapshot_put(part(seq, 0, 1, 10)), Ok(true));
        }
        let file = folder.folder.path().join("snapshots").join(super::snapshot_name(20));
        match harm {
            "empty" => std::fs::write(&file, b"").unwrap(),
            "cut" => std::fs::write(&file, [1; 9]).unwrap(),
            "gone" => std::fs::remove_file(&file).unwrap(),
            _ => {
                std::fs::remove_file(&file).unwrap();
                std::fs::create_dir(&file).unwrap();
            }
        }
        let listed = |store: &super::DiskStore| -> Vec<u64> {
            store.snapshots().unwrap().iter().map(|info| info.seq).collect()
        };
        assert_eq!(listed(&store), [10], "{harm}, while the host runs");
        drop(store);
        let store = folder.open().unwrap();
        assert_eq!(listed(&store), [10], "{harm}, after a restart");
        // What was found is kept, and the same snapshot can be stored again.
        assert_eq!(store.snapshot_put(part(20, 0, 1, 10)), Ok(true), "{harm}");
        assert_eq!(listed(&store), [20, 10], "{harm}");
        let kept = file.with_file_name(format!("{}.broken-1", super::snapshot_name(20)));
        assert_eq!(kept.exists(), harm != "gone", "{harm}");
    }
}

#[test]
fn a_blob_whose_sync_failed_is_refused_until_a_restart() {
    let folder = Store::new();
    let store = folder.open().unwrap();
    folder.syncer.fails.store(true, Ordering::SeqCst);
    assert_eq!(store.blob_put("keys", b"one"), Err(StoreRefusal::SyncFailed));
    folder.syncer.fails.store(false, Ordering::SeqCst);
    assert_eq!(store.blob_put("keys", b"one"), Err(StoreRefusal::SyncFailed));
    drop(store);
    let store = folder.open().unwrap();
    assert_eq!(store.blob_put("keys", b"one"), Ok(()));
}
