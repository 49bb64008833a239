//! What persists across boots.

use super::*;
use crate::nsm::NsmFolderError;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

/// The files of a folder without the lock file.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let kept = named.filter(|(name, _)| name != "lock");
    kept.map(|(name, path)| (name, std::fs::read(path).unwrap())).collect()
}

fn changed(before: &BTreeMap<String, Vec<u8>>, after: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    assert!(before.keys().eq(after.keys()));
    before.iter().filter(|(name, text)| after[*name] != **text).map(|(n, _)| n.clone()).collect()
}

#[test]
fn root_and_authorities_stay_and_their_files_are_private() {
    let stage = Stage::new();
    let first = stage.boot();
    let before = files(stage.path());
    assert!(before.keys().eq(["instance.pem", "region.pem", "root.pem", "zone.pem"]));
    for name in before.keys() {
        let metadata = std::fs::metadata(stage.path().join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let second = stage.boot();
    assert_eq!(second.root(), first.root());
    assert_eq!(files(stage.path()), before);
    assert_passes(&second);
}

#[test]
fn authorities_are_renewed_before_they_end_and_the_root_never() {
    let stage = Stage::new();
    stage.boot();
    let mut before = files(stage.path());
    let below = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for (days, renewed) in [
        (1, below(&["instance.pem"])),
        (4, below(&["instance.pem", "zone.pem"])),
        (15, below(&["instance.pem", "region.pem", "zone.pem"])),
    ] {
        stage.pass(days * DAY_MS);
        assert_passes(&stage.boot());
        let after = files(stage.path());
        assert_eq!(changed(&before, &after), renewed, "after {days} days more");
        before = after;
    }
}

#[test]
fn module_that_runs_for_weeks_keeps_making_good_documents() {
    let stage = Stage::new();
    let nsm = stage.boot();
    for _ in 0..30 {
        stage.pass(DAY_MS - HOUR_MS);
        assert_passes(&nsm);
    }
}

#[test]
fn authority_that_the_one_above_did_not_issue_is_replaced() {
    let (stage, other) = (Stage::new(), Stage::new());
    stage.boot();
    other.boot();
    let before = files(stage.path());
    for (name, text) in [
        ("region.pem", std::fs::read(other.path().join("region.pem")).unwrap()),
        ("region.pem", b"torn".to_vec()),
    ] {
        std::fs::write(stage.path().join(name), text).unwrap();
        assert_passes(&stage.boot());
    }
    std::fs::remove_file(stage.path().join("zone.pem")).unwrap();
    assert_passes(&stage.boot());
    assert_eq!(files(stage.path())["root.pem"], before["root.pem"]);
}

#[test]
fn root_that_cannot_be_read_or_is_not_valid_is_an_error_and_stays() {
    let stage = Stage::new();
    stage.boot();
    let boot = || {
        SoftwareNsm::boot_at(stage.path(), &Measurements::dev("engine"), {
            let now_ms = stage.now_ms();
            move || now_ms
        })
    };
    stage.set(START_MS - 2 * DAY_MS);
    assert!(matches!(boot(), Err(NsmFolderError::RootNotValid { .. })));
    stage.set(START_MS + 3_651 * DAY_MS);
    assert!(matches!(boot(), Err(NsmFolderError::RootNotValid { .. })));
    stage.set(START_MS);
    let path = stage.path().join("root.pem");
    let whole = std::fs::read_to_string(&path).unwrap();
    let other = Stage::new();
    other.boot();
    let others = std::fs::read_to_string(other.path().join("root.pem")).unwrap();
    let cut = |text: &str| text.find("-----BEGIN CERTIFICATE").unwrap();
    let mixed = format!("{}{}", &whole[..cut(&whole)], &others[cut(&others)..]);
    for text in ["", &whole[..whole.len() / 2], mixed.as_str()] {
        std::fs::write(&path, text).unwrap();
        assert!(matches!(boot(), Err(NsmFolderError::RootUnreadable { .. })), "{text:.30}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn exported_root_is_the_certificate_and_its_fingerprint_without_the_key() {
    let (stage, out) = (Stage::new(), tempfile::tempdir().unwrap());
    let nsm = stage.boot();
    nsm.export_root(out.path()).unwrap();
    let pem = std::fs::read_to_string(out.path().join("nitro-root.pem")).unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----") && !pem.contains("PRIVATE"));
    assert_eq!(pem, nsm.root_pem());
    let fingerprint = std::fs::read_to_string(out.path().join("nitro-root.sha256")).unwrap();
    assert_eq!(format!("0x{}", fingerprint.trim_end()), nsm.root().to_string());
}
