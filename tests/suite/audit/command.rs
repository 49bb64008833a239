//! The commands `mortise audit` and `mortise log`.

use super::liar::with_last_changed;
use super::{busy, keys_of, log_of};
use mortise_engine::keyring::{GENESIS_BLOB, KEYS_BLOB};
use mortise_host::export::{ExportWriter, Parts, export, import};
use mortise_host::store::{CheckedFrame, DiskStore, LogStore as _, StoreOptions};
use mortise_testkit::driver::Driver;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn mortise(folder: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_mortise-under-test");
    Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env_remove("MORTISE_ANCHORS")
        .output()
        .expect("the command was built")
}

fn ok(folder: &Path, arguments: &[&str]) -> Value {
    let ran = mortise(folder, arguments);
    let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(0), "{arguments:?}: {stderr}");
    serde_json::from_slice(&ran.stdout).unwrap_or(Value::Null)
}

/// A data folder with the log of an engine, and its audit keys in `keys.json`.
fn data_folder(driver: &Driver, folder: &Path) {
    let store = DiskStore::open(&folder.join("data"), StoreOptions::default()).expect("it opens");
    for name in [GENESIS_BLOB, KEYS_BLOB] {
        let bytes = driver.disk.edit(|content| content.blobs[name].clone());
        store.blob_put(name, &bytes).expect("it is kept");
    }
    let frames: Vec<_> =
        log_of(driver).into_iter().map(|b| CheckedFrame::parse(b).expect("a frame")).collect();
    store.append_group(&frames).expect("it is kept");
    std::fs::write(folder.join("keys.json"), keys_of(driver).to_json().as_bytes()).unwrap();
}

#[test]
fn exported_log_is_audited_imported_and_exported_again_byte_for_byte() {
    let driver = busy(90, 300);
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    data_folder(&driver, at);
    let frames = log_of(&driver).len();
    let export_from =
        |from: &str, to: &str| export(&at.join(from), &at.join(to), true, None, |_, _| {}).unwrap();
    assert_eq!(usize::try_from(export_from("data", "a.log")).unwrap(), frames);
    import(&at.join("a.log"), &at.join("new"), |_| true, |_, _| {}).unwrap();
    export_from("new", "b.log");
    let read = |name: &str| std::fs::read(at.join(name)).unwrap();
    assert_eq!(read("a.log"), read("b.log"));
    for source in ["a.log", "b.log"] {
        for threads in ["1", "3"] {
            let arguments =
                ["--json", "audit", source, "--keys", "keys.json", "--threads", threads];
            let report = ok(at, &arguments);
            assert_eq!(report["level"], "replayed", "{report}");
            assert_eq!(report["engineIdProven"], true);
            assert_eq!(report["frames"], frames);
            let root = driver.pipeline().machine().state_root().to_string();
            assert_eq!(report["stateRoot"], root);
        }
    }
    let outside = ok(at, &["--json", "audit", "a.log", "--report", "report.json"]);
    assert_eq!((&outside["level"], &outside["clean"]), (&"outside".into(), &true.into()));
    let written: Value = serde_json::from_slice(&read("report.json")).unwrap();
    assert_eq!(written, outside);
    let open = outside["notChecked"].to_string();
    assert!(open.contains("--keys") && open.contains("unattested"), "{open}");
    let shown = ok(at, &["--json", "log", "show", "a.log"]);
    assert_eq!(shown["frames"], frames);
    assert_eq!(shown["engineId"], outside["engineId"]);
    assert_eq!(shown["stateRoot"], driver.pipeline().machine().state_root().to_string());
    for command in [&["audit", "data"][..], &["log", "show", "data"]] {
        let refused = mortise(at, command);
        let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
        let says = stderr.contains("mortise-host export --data-dir data");
        assert!(refused.status.code() == Some(2) && says, "{stderr}");
    }
}

/// The first line of a text.
fn first_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
}

/// Goal: the exit code and the first line tell what was established; looking creates nothing.
#[test]
fn audit_that_could_not_judge_what_was_asked_exits_with_1() {
    let driver = busy(92, 60);
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    data_folder(&driver, at);
    export(&at.join("data"), &at.join("a.log"), false, None, |_, _| {}).unwrap();
    let id = driver.identity().engine_id.to_string();
    let other = keys_of(&Driver::booted(93));
    std::fs::write(at.join("other.json"), other.to_json().as_bytes()).unwrap();
    let good = mortise(at, &["audit", "a.log", "--keys", "keys.json", "--engine-id", &id]);
    let line = first_line(&good);
    let start =
        format!("PROVEN: engine {id} (pinned by you) wrote this log from frame 0 to frame ");
    assert!(good.status.code() == Some(0) && line.starts_with(&start), "{line}");
    assert!(line.ends_with("(engine time)"), "{line}");
    let partly = ["audit", "a.log", "--keys", "other.json"];
    let refused = mortise(at, &partly);
    let line = first_line(&refused);
    assert!(line.starts_with("PARTLY PROVEN: ") && line.ends_with("not established: decisions"));
    assert_eq!(refused.status.code(), Some(1));
    let json = mortise(at, &[&["--json"], &partly[..]].concat());
    let json: Value = serde_json::from_slice(&json.stdout).expect("one document");
    assert_eq!((&json["verdict"], &json["clean"]), (&"PARTLY PROVEN".into(), &true.into()));
    assert_eq!(json["unjudged"]["frames"], json["frames"]);
    let allowed = mortise(at, &[&partly[..], &["--allow-partial"]].concat());
    assert_eq!(allowed.status.code(), Some(0));
    let (empty, witness) = (ExportWriter::new(Vec::new(), &Parts::new()).unwrap(), "no key");
    std::fs::write(at.join("empty.log"), empty.finish().unwrap()).unwrap();
    let found = mortise(at, &["audit", "empty.log", "--allow-partial"]);
    assert_eq!(found.status.code(), Some(1));
    assert!(first_line(&found).starts_with("NOT PROVEN: noFindings: "), "{found:?}");
    let unused = mortise(at, &["audit", "a.log", "--witness", witness]);
    assert_eq!(unused.status.code(), Some(2), "a witness without a checkpoint");
    std::fs::create_dir_all(at.join("x/log")).unwrap();
    for command in [&["audit", "x"][..], &["log", "show", "x"]] {
        assert_eq!(mortise(at, command).status.code(), Some(2), "{command:?}");
    }
    let inside = |path: &Path| std::fs::read_dir(path).unwrap().count();
    assert_eq!((inside(&at.join("x")), inside(&at.join("x/log"))), (1, 0), "nothing was created");
}

#[test]
fn findings_exit_with_1_and_wrong_usage_exits_with_2() {
    let driver = busy(91, 200);
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    data_folder(&driver, at);
    let log = with_last_changed(&log_of(&driver), &driver, |parts| {
        parts.header.state_root.0[0] ^= 1;
        false
    });
    let genesis = driver.disk.edit(|content| content.blobs[GENESIS_BLOB].clone());
    let parts = Parts::from([(GENESIS_BLOB.to_owned(), genesis)]);
    let mut writer = ExportWriter::new(Vec::new(), &parts).unwrap();
    for bytes in &log {
        writer.frame(&CheckedFrame::parse(bytes.clone()).unwrap()).unwrap();
    }
    let mut bytes = writer.finish().unwrap();
    std::fs::write(at.join("wrong.log"), &bytes).unwrap();
    let found = mortise(at, &["audit", "wrong.log", "--keys", "keys.json"]);
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    let expected = format!("frame {}: StateRoot:", log.len() - 1);
    assert!(found.status.code() == Some(1) && text.contains(&expected), "{text}");
    let outside = mortise(at, &["audit", "wrong.log"]);
    assert_eq!(outside.status.code(), Some(0));
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(at.join("flipped.log"), &bytes).unwrap();
    std::fs::write(at.join("torn.log"), &bytes[..middle]).unwrap();
    for (name, says) in [("flipped.log", "of the export"), ("torn.log", "ends early")] {
        let refused = mortise(at, &["audit", name]);
        let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(1) && stderr.contains(says), "{name}: {stderr}");
    }
    std::fs::write(at.join("no-keys.json"), "{}").unwrap();
    for arguments in [
        &["audit", "nothing.log"][..],
        &["audit", "wrong.log", "--keys", "no-keys.json"],
        &["audit", "wrong.log", "--root", "aws"],
        &["audit", "wrong.log", "--threads", "0"],
    ] {
        assert_eq!(mortise(at, arguments).status.code(), Some(2), "{arguments:?}");
    }
}
