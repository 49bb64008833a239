//! Goal: what an export and two snapshots cover can go, nothing else does, and everything works
//! without it.

use super::*;
use crate::export::{FolderError, Parts, export, import};
use crate::repair::{self, Remedy, repair};
use crate::store::testing::{Store, chain, foreign};
use crate::store::{CheckedFrame, SnapshotPart};
use crate::verify::verify;
use mortise_format::frame::LEAF_BYTES;
use mortise_format::ids::Bytes32;
use std::os::unix::fs::FileExt as _;

const FRAMES: u64 = 140;
const FRAME_BYTES: usize = 60_000;
/// The older snapshot is behind this frame, in the third segment.
const SNAPSHOT: u64 = 110;

/// What an export with sealed keys has beside the frames.
fn parts() -> Parts {
    [("genesis", 40), ("genesis-keys", 7)].map(|(n, size)| (n.to_owned(), vec![9; size])).into()
}

/// A store of four segments with two snapshots, and an export of its first 120 frames.
struct Good {
    store: Store,
    frames: Vec<CheckedFrame>,
    elsewhere: tempfile::TempDir,
}

impl Good {
    fn new() -> Self {
        let (store, frames) = (Store::new(), chain(FRAMES, FRAME_BYTES));
        let elsewhere = tempfile::tempdir().unwrap();
        {
            let open = store.open().unwrap();
            open.append(&frames[..120]);
            for (name, bytes) in parts() {
                open.blob_put(&name, &bytes).unwrap();
            }
        }
        let good = Self { store, frames, elsewhere };
        good.export("early.log", None).unwrap();
        let open = good.store.open().unwrap();
        open.append(&good.frames[120..]);
        snapshot(&open, SNAPSHOT);
        snapshot(&open, SNAPSHOT + 20);
        good
    }

    fn file(&self, name: &str) -> PathBuf {
        self.elsewhere.path().join(name)
    }

    fn export(&self, name: &str, base: Option<&str>) -> Result<u64, FolderError> {
        let base = base.map(|base| self.file(base));
        let (folder, file) = (self.store.folder.path(), self.file(name));
        export(folder, &file, true, base.as_deref(), |_, _| {})
    }

    fn prune(&self, export: &str, write: bool) -> Result<Report, PruneError> {
        self.prune_young(export, write, Duration::ZERO)
    }

    fn prune_young(&self, name: &str, write: bool, keep: Duration) -> Result<Report, PruneError> {
        let (data_dir, store) = (self.store.folder.path().to_owned(), self.store.options());
        prune(&Options { data_dir, export: self.file(name), keep, write, store }, |_, _| {})
    }

    fn segments(&self) -> usize {
        // An opened store removes the spare segment of the one before.
        drop(self.store.open().unwrap());
        segment_files(&self.store.log()).unwrap().len()
    }

    /// Imports the early export into a new folder and repairs that from this one; returns the
    /// number of frames then.
    fn whole_again(&self) -> u64 {
        let new = tempfile::tempdir().unwrap();
        let folder = new.path().join("new");
        import(&self.file("early.log"), &folder, |_| true, |_, _| {}).unwrap();
        let options = repair::Options {
            data_dir: folder,
            copies: vec![self.store.folder.path().to_owned()],
            backup: Some(new.path().join("backup")),
            store: StoreOptions::default(),
            probe: &repair::read_whole_index,
        };
        let report = repair(&options, &mut |_, _, _| ()).unwrap();
        assert!(report.findings.iter().all(|finding| finding.remedy() != Remedy::None));
        let summary = report.log.unwrap_or_else(|| panic!("{:?}", report.findings));
        assert_eq!(summary.pruned, 0);
        summary.frames
    }

    fn pruned() -> (Self, Report) {
        let good = Self::new();
        let report = good.prune("early.log", true).unwrap();
        assert!(report.is_written && report.frames > 0);
        (good, report)
    }
}

fn snapshot(store: &DiskStore, seq: u64) {
    let part = SnapshotPart { seq, part: 0, manifest: Some(Bytes32([4; 32])), bytes: vec![9; 50] };
    assert!(store.snapshot_put(part).unwrap());
}

#[test]
fn covered_segments_go_and_leaves_stay() {
    let good = Good::new();
    let before = good.segments();
    let looked = good.prune("early.log", false).unwrap();
    assert_eq!((looked.is_written, good.segments()), (false, before));
    let report = good.prune("early.log", true).unwrap();
    assert_eq!(report, Report { is_written: true, ..looked });
    assert_eq!((report.exported, report.snapshot), (120, SNAPSHOT));
    let first = report.first_frame;
    assert!(first > 0 && first <= SNAPSHOT + 1 && good.segments() < before);
    let open = good.store.open().unwrap();
    assert_eq!(open.head().next_seq, FRAMES);
    // The newest boot frame stays: every start reads it.
    assert_eq!(open.read(0, usize::MAX).unwrap(), [good.frames[0].bytes()]);
    for seq in [1, first - 1] {
        let refused = Err(StoreRefusal::FramePruned { first });
        assert_eq!(open.read(seq, usize::MAX), refused);
    }
    assert_eq!(open.read(first, 1).unwrap(), [good.frames[first as usize].bytes()]);
    let leaves = open.leaves(first - 3, 6).unwrap();
    let wanted = &good.frames[first as usize - 3..first as usize + 3];
    let wanted: Vec<u8> = wanted.iter().flat_map(|f| f.bytes()[..LEAF_BYTES].to_vec()).collect();
    assert_eq!(leaves, wanted);
    drop(open);
    let summary = verify(good.store.folder.path(), |_, _, _| ()).unwrap();
    assert_eq!((summary.frames, summary.pruned), (FRAMES, first));
    assert_eq!(good.prune("early.log", true).unwrap().frames, 0, "once is enough");
}

#[test]
fn what_is_not_covered_stays() {
    let good = Good::new();
    let all = good.segments();
    // Everything is younger than a day.
    let young = good.prune_young("early.log", true, Duration::from_secs(86_400)).unwrap();
    assert_eq!((young.frames, young.is_written), (0, false));
    // No segment ends before the end of the export.
    let short = Store::new();
    short.open().unwrap().append(&good.frames[..5]);
    export(short.folder.path(), &good.file("short.log"), false, None, |_, _| {}).unwrap();
    assert_eq!(good.prune("short.log", true).unwrap().frames, 0);
    assert_eq!(good.segments(), all);
}

#[test]
fn nothing_goes_without_a_whole_export_of_this_log_and_two_snapshots() {
    let good = Good::new();
    let all = good.segments();
    let whole = std::fs::read(good.file("early.log")).unwrap();
    std::fs::write(good.file("cut.log"), &whole[..whole.len() - 1]).unwrap();
    let error = good.prune("cut.log", true).unwrap_err();
    assert!(matches!(error, PruneError::Export { .. }), "{error}");
    let other = Store::new();
    other.open().unwrap().append(&[foreign(&good.frames[0])]);
    export(other.folder.path(), &good.file("other.log"), false, None, |_, _| {}).unwrap();
    let error = good.prune("other.log", true).unwrap_err();
    assert!(matches!(error, PruneError::OtherLog { seq: 0, .. }), "{error}");
    let running = good.store.open().unwrap();
    let error = good.prune("early.log", true).unwrap_err();
    assert!(matches!(error, PruneError::InUse(_)), "{error}");
    drop(running);
    let name = good.store.folder.path().join("snapshots").join(format!("{SNAPSHOT:020}.snap"));
    std::fs::write(name, b"cut").unwrap();
    let error = good.prune("early.log", true).unwrap_err();
    assert!(matches!(error, PruneError::Snapshots { found: 1 }), "{error}");
    assert_eq!(good.segments(), all);
}

#[test]
fn a_lost_index_of_a_pruned_log_is_made_again() {
    let (good, report) = Good::pruned();
    good.store.forget_index();
    let open = good.store.open().unwrap();
    assert_eq!(open.head().next_seq, FRAMES);
    assert_eq!(open.leaves(0, 1).unwrap(), good.frames[0].bytes()[..LEAF_BYTES]);
    assert_eq!(open.read(report.first_frame, 1).unwrap().len(), 1);
    assert_eq!(open.broken_frames(), None);
}

#[test]
fn a_prune_that_was_cut_short_is_finished_by_the_next_start() {
    let good = Good::new();
    let first = segment_files(&good.store.log()).unwrap()[0].1.clone();
    let kept = std::fs::read(&first).unwrap();
    good.prune("early.log", true).unwrap();
    std::fs::write(&first, kept).unwrap();
    assert!(verify(good.store.folder.path(), |_, _, _| ()).is_ok());
    drop(good.store.open().unwrap());
    assert!(!first.exists());
}

#[test]
fn a_pruned_log_is_exported_with_a_base_and_pruned_again() {
    let (good, report) = Good::pruned();
    let error = good.export("none.log", None).unwrap_err();
    let first = report.first_frame;
    assert!(matches!(error, FolderError::Pruned { first: f } if f == first), "{error}");
    assert_eq!(good.export("whole.log", Some("early.log")).unwrap(), FRAMES);
    let bytes = std::fs::read(good.file("whole.log")).unwrap();
    assert_eq!(bytes, crate::export::tests::written(&good.frames, &parts()));
    let open = good.store.open().unwrap();
    snapshot(&open, FRAMES - 1);
    drop(open);
    let more = good.prune("whole.log", true).unwrap();
    assert!(more.first_frame > first);
    assert_eq!(verify(good.store.folder.path(), |_, _, _| ()).unwrap().pruned, more.first_frame);
    let error = good.export("gap.log", Some("early.log")).unwrap_err();
    let is_pruned = matches!(error, FolderError::Pruned { .. });
    assert!(is_pruned || more.first_frame <= 120, "{error}");
}

#[test]
fn another_log_is_no_base() {
    let (good, _) = Good::pruned();
    let other = Store::new();
    other.open().unwrap().append(&[foreign(&good.frames[0])]);
    export(other.folder.path(), &good.file("other.log"), false, None, |_, _| {}).unwrap();
    let error = good.export("mixed.log", Some("other.log")).unwrap_err();
    assert!(matches!(error, FolderError::OtherBase), "{error}");
    assert!(!good.file("mixed.log").exists());
}

#[test]
fn broken_leaves_are_named_and_the_way_back_is_import_and_repair() {
    let (good, _) = Good::pruned();
    let path = good.store.log().join("pruned.leaves");
    let file = File::options().write(true).open(&path).unwrap();
    // An old leaf rots: its proofs fail, the rest is served.
    file.write_all_at(&[0xff; 8], 512 + 3 * LEAF_BYTES as u64 + 100).unwrap();
    {
        let open = good.store.open().unwrap();
        assert_eq!(open.leaves(3, 1), Err(StoreRefusal::FrameBroken { seq: 3 }));
        assert_eq!(open.leaves(4, 1).unwrap().len(), LEAF_BYTES);
    }
    assert!(verify(good.store.folder.path(), |_, _, _| ()).is_err());
    // The file is cut: the store does not open, and says the way.
    file.set_len(1000).unwrap();
    let error = good.store.open().map(drop).unwrap_err().to_string();
    assert!(error.contains("Import the export"), "{error}");
    assert_eq!(good.whole_again(), FRAMES);
}

#[test]
fn an_imported_export_takes_the_later_frames_of_a_pruned_folder() {
    let (good, _) = Good::pruned();
    assert_eq!(good.whole_again(), FRAMES);
    // An export that ends before the first stored frame does not help.
    let short = crate::export::tests::written(&good.frames[..5], &parts());
    std::fs::write(good.file("early.log"), short).unwrap();
    assert_eq!(good.whole_again(), 5);
}
