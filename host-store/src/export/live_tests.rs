//! Goal: the log of a store in use is exported as it was at the request, an export holds up no
//! append, and what is not a whole export leaves no file.

use super::live::{Request, SOCKET, Status};
use super::tests::written;
use super::*;
use crate::store::testing::{Store, chain};
use crate::store::{CheckedFrame, DiskStore, LogStore as _, lock_exclusive};
use mortise_format::blobs::{GENESIS_BLOB, KEYS_BLOB};
use mortise_format::store::LogHead;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Far longer than any step of a test takes.
const LONG: Duration = Duration::from_secs(60);
const REQUEST: Request = Request { sealed_keys: false, after: LogHead::EMPTY };

/// A store in use that is exported over its socket.
struct Live {
    folder: PathBuf,
    store: Arc<DiskStore>,
    stop: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Live {
    async fn start(folder: &Path, store: DiskStore, chunk_time: Duration) -> Self {
        let listener = ExportListener::bind(folder).await.unwrap();
        let store = Arc::new(store);
        let server = ExportServer::new(Arc::<DiskStore>::clone(&store)).with_chunk_time(chunk_time);
        let (stop, stopped) = watch::channel(());
        let task = tokio::spawn(serve(listener, server, stopped));
        Self { folder: folder.to_owned(), store, stop, task }
    }

    /// Exports with a client on a thread of its own.
    async fn export(&self, file: &Path, sealed_keys: bool) -> Result<u64, FolderError> {
        let (folder, file) = (self.folder.clone(), file.to_owned());
        let client = move || export(&folder, &file, sealed_keys, None, |_, _| {});
        tokio::task::spawn_blocking(client).await.unwrap()
    }

    /// Exports as soon as the export before it has ended.
    async fn export_when_free(&self, file: &Path) -> u64 {
        let until = Instant::now() + LONG;
        loop {
            match self.export(file, false).await {
                Err(FolderError::Live(LiveError::Busy)) if Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                exported => return exported.unwrap(),
            }
        }
    }

    /// A client that has sent its request and got the first byte of the answer, and reads no more.
    async fn stalled_reader(&self) -> UnixStream {
        let path = self.folder.join(SOCKET);
        let reader = tokio::task::spawn_blocking(move || {
            let mut stream = UnixStream::connect(path).unwrap();
            stream.write_all(&REQUEST.encode()).unwrap();
            let mut status = [0xff];
            stream.read_exact(&mut status).unwrap();
            assert_eq!(status, [Status::Accepted as u8]);
            stream
        });
        reader.await.unwrap()
    }

    /// Stops in order and gives the store back: no thread has it any more.
    async fn stop(self) -> DiskStore {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        Arc::try_unwrap(self.store).unwrap()
    }
}

/// More than the socket, the chunks and the group of an export hold.
fn large_log() -> Vec<CheckedFrame> {
    chain(120, 100_000)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_store_under_appends_is_exported_up_to_the_head_at_the_request() {
    let place = Store::new();
    let out = tempfile::tempdir().unwrap();
    let frames = chain(400, 20_000);
    let live = Live::start(place.folder.path(), place.open().unwrap(), LONG).await;
    live.store.blob_put(GENESIS_BLOB, b"rules").unwrap();
    live.store.blob_put(KEYS_BLOB, b"sealed").unwrap();
    let appends = {
        let (store, frames) = (Arc::clone(&live.store), frames.clone());
        std::thread::spawn(move || frames.chunks(2).for_each(|group| store.append(group)))
    };
    let mut counts = Vec::new();
    for i in 0.. {
        let is_last = appends.is_finished();
        let (file, sealed_keys) = (out.path().join(format!("{i}.log")), i % 2 == 1);
        let before = live.store.head().next_seq;
        let count = live.export(&file, sealed_keys).await.unwrap();
        let after = live.store.head().next_seq;
        assert!((before..=after).contains(&count), "{before} {count} {after}");
        let parts = parts_of(&*live.store, sealed_keys).unwrap();
        assert_eq!(parts.contains_key(KEYS_BLOB), sealed_keys);
        let expected = written(&frames[..usize::try_from(count).unwrap()], &parts);
        assert!(std::fs::read(&file).unwrap() == expected, "{count} frames");
        counts.push(count);
        if is_last {
            break;
        }
    }
    appends.join().unwrap();
    assert_eq!(counts.last(), Some(&400));
    drop(live.stop().await);
    let (last, offline) = (counts.len() - 1, out.path().join("offline.log"));
    export(place.folder.path(), &offline, last % 2 == 1, None, |_, _| {}).unwrap();
    let online = std::fs::read(out.path().join(format!("{last}.log"))).unwrap();
    assert!(online == std::fs::read(offline).unwrap());
}

#[tokio::test]
async fn a_second_export_at_once_is_refused_by_name_and_the_next_one_is_not() {
    let place = Store::new();
    let out = tempfile::tempdir().unwrap();
    let store = place.open().unwrap();
    store.append(&large_log());
    let live = Live::start(place.folder.path(), store, LONG).await;
    let first = live.stalled_reader().await;
    let refused = live.export(&out.path().join("a.log"), false).await.unwrap_err();
    assert!(matches!(refused, FolderError::Live(LiveError::Busy)), "{refused}");
    assert!(refused.to_string().contains("wait until it ends"));
    assert_eq!(names(out.path()), Vec::<String>::new());
    drop(first);
    assert_eq!(live.export_when_free(&out.path().join("a.log")).await, 120);
    live.stop().await;
}

#[tokio::test]
async fn a_reader_that_stalls_holds_up_no_append_and_is_cut_off() {
    let place = Store::new();
    let out = tempfile::tempdir().unwrap();
    let frames = chain(200, 100_000);
    let store = place.open().unwrap();
    store.append(&frames[..120]);
    let live = Live::start(place.folder.path(), store, Duration::from_millis(300)).await;
    let mut stalled = live.stalled_reader().await;
    let (store, rest) = (Arc::clone(&live.store), frames[120..].to_vec());
    let appends = tokio::task::spawn_blocking(move || rest.chunks(4).for_each(|g| store.append(g)));
    tokio::time::timeout(LONG, appends).await.unwrap().unwrap();
    assert_eq!(live.export_when_free(&out.path().join("a.log")).await, 200);
    let mut taken = Vec::new();
    stalled.read_to_end(&mut taken).unwrap();
    let (announced, log) = taken.split_first_chunk::<8>().unwrap();
    assert_eq!(u64::from_le_bytes(*announced), 120);
    let mut reader = ExportReader::new(log).unwrap();
    let refused = loop {
        match reader.next_frame() {
            Ok(frame) => assert!(frame.is_some(), "a cut stream has no end"),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, ExportError::Torn { frames } if frames < 120), "{refused}");
    live.stop().await;
}

#[tokio::test]
async fn a_stop_ends_an_export_and_its_thread() {
    let place = Store::new();
    let store = place.open().unwrap();
    store.append(&large_log());
    let live = Live::start(place.folder.path(), store, LONG).await;
    let _stalled = live.stalled_reader().await;
    let start = Instant::now();
    // It has the only reference to the store then.
    drop(live.stop().await);
    assert!(start.elapsed() < LONG / 2);
    place.open().unwrap();
}

#[tokio::test]
async fn the_socket_is_private_replaces_one_of_a_crash_and_goes_with_the_host() {
    let place = Store::new();
    let out = tempfile::tempdir().unwrap();
    let socket = place.folder.path().join(SOCKET);
    let store = place.open().unwrap();
    store.append(&chain(3, 100));
    drop(UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    let live = Live::start(place.folder.path(), store, LONG).await;
    let found = std::fs::symlink_metadata(&socket).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    assert_eq!(live.export(&out.path().join("a.log"), false).await.unwrap(), 3);
    live.stop().await;
    assert!(!names(place.folder.path()).iter().any(|name| name.starts_with(SOCKET)));
}

#[tokio::test]
async fn a_folder_whose_path_is_longer_than_a_socket_address_is_exported() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("n".repeat(120)).join("m".repeat(120));
    let store = DiskStore::open(&folder, crate::store::StoreOptions::default()).unwrap();
    store.append(&chain(3, 100));
    let live = Live::start(&folder, store, LONG).await;
    assert!(folder.join(SOCKET).exists());
    assert_eq!(live.export(&root.path().join("a.log"), false).await.unwrap(), 3);
    live.stop().await;
    assert!(!folder.join(SOCKET).exists());
}

#[tokio::test]
async fn a_request_of_another_version_is_answered_by_name() {
    let place = Store::new();
    let live = Live::start(place.folder.path(), place.open().unwrap(), LONG).await;
    let path = live.folder.join(SOCKET);
    let answers = tokio::task::spawn_blocking(move || {
        let flags = [&b"MRX2\x02"[..], &[0; 40]].concat();
        [b"MRX1\0".to_vec(), flags, b"GET /".to_vec()].map(|request| {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.write_all(&request).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            answer
        })
    });
    assert_eq!(answers.await.unwrap(), [[Status::UnknownRequest as u8]; 3]);
    live.stop().await;
}

#[test]
fn requests_have_one_encoding() {
    for sealed_keys in [false, true] {
        let after = LogHead { next_seq: 7, digest: chain(1, 10)[0].digest() };
        let request = Request { sealed_keys, after };
        assert_eq!(Request::decode(request.encode()), Some(request));
    }
    let whole = [&b"MRX2\x00"[..], &[0; 40]].concat();
    assert_eq!(REQUEST.encode()[..], whole);
    assert_eq!(Status::decode(7), None);
}

/// What a client makes of an answer in a locked folder. No file may be left.
fn refused(answer: &[u8]) -> FolderError {
    let place = Store::new();
    drop(place.open().unwrap());
    let _locked = lock_exclusive(place.folder.path()).unwrap();
    let listener = UnixListener::bind(place.folder.path().join(SOCKET)).unwrap();
    let answer = answer.to_vec();
    let host = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = REQUEST.encode();
        request.fill(0);
        stream.read_exact(&mut request).unwrap();
        assert_eq!(request, REQUEST.encode());
        // The client may refuse before all of it was sent.
        let _ = stream.write_all(&answer);
    });
    let out = tempfile::tempdir().unwrap();
    let error = export(place.folder.path(), &out.path().join("a.log"), false, None, |_, _| {});
    host.join().unwrap();
    assert_eq!(names(out.path()), Vec::<String>::new());
    error.unwrap_err()
}

#[test]
fn a_stream_that_is_cut_or_changed_is_refused_by_name_and_leaves_no_file() {
    let frames = chain(3, 50);
    let log = written(&frames, &Parts::new());
    let mut answer = vec![Status::Accepted as u8];
    answer.extend_from_slice(&3u64.to_le_bytes());
    let log_start = answer.len();
    answer.extend_from_slice(&log);
    let frame_bytes = 4 + frames[0].bytes().len();
    for (end, whole) in [
        (0, 0),
        (1, 0),
        (log_start + 12, 0),
        (log_start + 12 + frame_bytes, 1),
        (log_start + 12 + 2 * frame_bytes + 1, 2),
        (answer.len() - 1, 3),
    ] {
        let error = refused(&answer[..end]);
        let is_cut =
            matches!(error, FolderError::Live(LiveError::BrokenOff { frames }) if frames == whole);
        assert!(is_cut, "cut at {end}: {error}");
    }
    let changed = |at: usize| {
        let mut changed = answer.clone();
        changed[at] ^= 1;
        refused(&changed)
    };
    let error = changed(log_start + 12 + frame_bytes + 4 + 340);
    let is_frame = matches!(error, FolderError::Export(ExportError::Frame { seq: 1, .. }));
    assert!(is_frame, "{error}");
    let error = changed(answer.len() - 1);
    assert!(matches!(error, FolderError::Export(ExportError::Digest)), "{error}");
    let error = refused(&[answer, vec![0]].concat());
    assert!(matches!(error, FolderError::Export(ExportError::Trailing)), "{error}");
}

#[test]
fn every_refusal_of_a_host_has_its_own_name() {
    let error = |status: u8| match refused(&[status]) {
        FolderError::Live(error) => error,
        other => panic!("{other}"),
    };
    assert!(matches!(error(Status::Busy as u8), LiveError::Busy));
    assert!(matches!(error(Status::UnknownRequest as u8), LiveError::UnknownRequest));
    assert!(matches!(error(Status::StoreFailed as u8), LiveError::StoreFailed));
    assert!(matches!(error(9), LiveError::UnknownRequest));
}

#[test]
fn a_locked_folder_without_a_host_that_exports_says_what_to_do() {
    let place = Store::new();
    let out = tempfile::tempdir().unwrap();
    let open = place.open().unwrap();
    open.append(&chain(1, 10));
    let file = out.path().join("a.log");
    let refused = || export(place.folder.path(), &file, false, None, |_, _| {}).unwrap_err();
    let error = refused();
    assert!(matches!(error, FolderError::Live(LiveError::NoHost { .. })), "{error}");
    assert!(error.to_string().contains("restart it with this version"), "{error}");
    drop(UnixListener::bind(place.folder.path().join(SOCKET)).unwrap());
    let error = refused();
    assert!(matches!(error, FolderError::Live(LiveError::NoHost { .. })), "{error}");
    assert_eq!(names(out.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_store_that_cannot_be_read_breaks_the_export_off() {
    let place = Store::new();
    let out = tempfile::tempdir().unwrap();
    let store = place.open().unwrap();
    store.append(&large_log());
    let live = Live::start(place.folder.path(), store, LONG).await;
    let segments = crate::store::segment_files(&place.log()).unwrap();
    std::fs::write(&segments[1].1, b"damaged").unwrap();
    let error = live.export(&out.path().join("a.log"), false).await.unwrap_err();
    assert!(matches!(error, FolderError::Live(LiveError::BrokenOff { .. })), "{error}");
    assert_eq!(names(out.path()), Vec::<String>::new());
    live.stop().await;
}
