use super::*;
use proptest::prelude::*;

fn small() -> Archive {
    let mut archive = Archive::new();
    archive.folder("etc", 0o755).unwrap();
    archive.file("etc/a", 0o644, b"12345".to_vec()).unwrap();
    archive.link("init", "etc/a").unwrap();
    archive.folder("dev", 0o755).unwrap();
    archive.device("dev/console", 0o600, 5, 1).unwrap();
    archive
}

#[test]
fn entries_are_sorted_and_hold_nothing_of_the_machine() {
    let bytes = small().to_bytes();
    let entries = read(&bytes).unwrap();
    let paths: Vec<_> = entries.iter().map(|entry| entry.path).collect();
    assert_eq!(paths, ["dev", "dev/console", "etc", "etc/a", "init"]);
    assert!(entries.iter().all(|entry| entry.owner == (0, 0) && entry.time_s == 0));
    assert_eq!(entries[1].kind, Kind::Device { major: 5, minor: 1 });
    assert_eq!((entries[3].mode, entries[3].content), (0o644, &b"12345"[..]));
    assert_eq!((entries[4].kind, entries[4].content), (Kind::Link, &b"etc/a"[..]));
}

#[test]
fn first_entry_has_the_digits_of_newc() {
    let bytes = small().to_bytes();
    let zero = "00000000";
    let header = format!(
        "070701{zero}000041ed{zero}{zero}00000002{zero}{zero}{zero}{zero}{zero}{zero}00000004{zero}"
    );
    assert_eq!(&bytes[..HEADER_BYTES], header.as_bytes());
    assert_eq!(&bytes[HEADER_BYTES..][..6], b"dev\0\0\0");
}

#[test]
fn order_of_insertion_changes_no_byte() {
    let mut other = Archive::new();
    other.folder("dev", 0o755).unwrap();
    other.link("init", "etc/a").unwrap();
    other.device("dev/console", 0o600, 5, 1).unwrap();
    other.folder("etc", 0o755).unwrap();
    other.file("etc/a", 0o644, b"12345".to_vec()).unwrap();
    assert_eq!(other.to_bytes(), small().to_bytes());
}

#[test]
fn entries_that_the_kernel_would_drop_or_overwrite_are_refused() {
    let mut archive = small();
    let twice = archive.file("etc/a", 0o600, Vec::new());
    assert_eq!(twice, Err(CpioError::Duplicate { path: "etc/a".into() }));
    assert!(matches!(archive.folder("etc", 0o700), Err(CpioError::Duplicate { .. })));
    for path in ["usr/a", "etc/a/b", "init/x"] {
        let found = archive.file(path, 0o644, Vec::new());
        assert_eq!(found, Err(CpioError::NoFolder { path: path.into() }));
    }
    for path in ["", "/a", "a/", "a//b", "../a", "etc/./a", "a b", "a\0", "caf\u{e9}", TRAILER] {
        let found = archive.file(path, 0o644, Vec::new());
        assert!(matches!(found, Err(CpioError::Path { .. })), "{path:?}");
    }
    let long = "a".repeat(PATH_BYTES_MAX + 1);
    assert!(matches!(archive.file(&long, 0, Vec::new()), Err(CpioError::Path { .. })));
    let mode = archive.file("b", 0o100_644, Vec::new());
    assert_eq!(mode, Err(CpioError::Mode { path: "b".into(), mode: 0o100_644 }));
    assert_eq!(archive, small());
}

#[test]
fn each_malformation_has_its_error() {
    let good = small().to_bytes();
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let path_at = HEADER_BYTES;
    let cut = good.len() - 1;
    let mut more = good.clone();
    more.extend_from_slice(&[0, 0, 7]);
    for (bytes, error) in [
        (changed(0, b'1'), ReadError::Magic { at: 0 }),
        (changed(14, b'x'), ReadError::Number { at: 14 }),
        (changed(14, b'+'), ReadError::Number { at: 14 }),
        (changed(18, b'f'), ReadError::Kind { at: 0, mode: 0xf1ed }),
        (changed(path_at, 0xff), ReadError::Path { at: path_at }),
        (changed(path_at + 1, 0), ReadError::Path { at: path_at }),
        (changed(path_at + 5, 1), ReadError::Filling { at: path_at + 4 }),
        (good[..cut].to_vec(), ReadError::Truncated { at: cut - 2 }),
        (good[..50].to_vec(), ReadError::Truncated { at: 0 }),
        (Vec::new(), ReadError::Truncated { at: 0 }),
        (more, ReadError::Trailing { at: good.len() + 2 }),
    ] {
        assert_eq!(read(&bytes), Err(error));
    }
    let mut long_path = good.clone();
    long_path[HEADER_BYTES - 16..HEADER_BYTES - 8].copy_from_slice(b"ffffffff");
    assert_eq!(read(&long_path), Err(ReadError::Path { at: path_at }));
    let mut zeros = good.clone();
    zeros.extend_from_slice(&[0; 512]);
    assert_eq!(read(&zeros), read(&good));
}

proptest! {
    #[test]
    fn written_archive_is_read_back(
        files in prop::collection::btree_map("[a-z]{1,9}", (0_u32..0o10000, any::<Vec<u8>>()), 0..8)
    ) {
        let mut archive = Archive::new();
        for (path, (mode, content)) in &files {
            archive.file(path, *mode, content.clone()).unwrap();
        }
        let bytes = archive.to_bytes();
        prop_assert_eq!(bytes.len() % 4, 0);
        let entries = read(&bytes).unwrap();
        prop_assert_eq!(entries.len(), files.len());
        for (entry, (path, (mode, content))) in entries.iter().zip(&files) {
            prop_assert_eq!((entry.path, entry.mode), (path.as_str(), *mode));
            prop_assert_eq!(entry.content, content.as_slice());
        }
    }

    #[test]
    fn reader_never_panics(mut bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>()) {
        read(&bytes).ok();
        let mut changed = small().to_bytes();
        let at = at.index(changed.len());
        changed[at] ^= bytes.pop().unwrap_or(1);
        read(&changed).ok();
    }
}
