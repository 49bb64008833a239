//! A command says which engine answered, unless its caller named it (FAULTS F5, F6).

use super::{block_on, over_socket, run_mortise};
use mortise_testkit::system::System;
use serde_json::Value;

/// Goal: an engine that was created in the place of another one, as a lost store makes it, is
/// never taken in silence: every command names it, and `--engine-id` and a pin refuse it.
#[test]
fn engine_in_the_place_of_another_is_named_and_refused_by_its_id() {
    let (first, second) = (System::start(), System::start());
    let url = |system: &System| format!("unix:{}", system.engine_socket().display());
    let id = |system: &System| {
        let client = over_socket(&system.engine_socket());
        block_on(client.identity()).expect("the engine serves").engine_id.to_string()
    };
    let (one, two) = (id(&first), id(&second));
    let folder = tempfile::tempdir().expect("the system gives a folder");
    let anchors = folder.path().join("anchors.toml").display().to_string();
    let run = |system: &System, args: &[&str]| {
        run_mortise(&[&["root", "--url", &url(system)], args].concat())
    };
    let known = |data: &Value, how: &str| assert_eq!(data["engineKnown"], how, "{data}");

    let (code, data, stderr) = run(&first, &[]);
    assert_eq!(code, 0, "{stderr}");
    known(&data, "notAtAll");
    assert!(stderr.contains(&format!("No engine was pinned: engine {one}")), "{stderr}");

    let by_file = ["--anchors", anchors.as_str()];
    let (code, data, stderr) = run(&first, &[&by_file[..], &["--expect-new"]].concat());
    assert_eq!(code, 0, "{stderr}");
    known(&data, "firstUse");
    assert!(stderr.contains(&format!("engine {one} is new to")), "{stderr}");
    let (code, data, stderr) = run(&first, &by_file);
    assert_eq!((code, stderr.as_str()), (0, ""));
    known(&data, "pinned");
    let (code, _, stderr) = run(&first, &[&by_file[..], &["--expect-new"]].concat());
    assert!(code == 1 && stderr.contains("NotNew"), "{stderr}");
    let (code, _, stderr) = run(&second, &by_file);
    assert!(code == 1 && stderr.contains(&one) && stderr.contains(&two), "{stderr}");

    let (code, _, stderr) = run(&second, &["--engine-id", &two]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    for command in ["root", "health", "balance"] {
        let url = url(&second);
        let mut args = vec![command, "--url", &url, "--engine-id", &one];
        if command == "balance" {
            let owner = "0x0101010101010101010101010101010101010101";
            args.extend(["--owner", owner, "--asset", "native:1"]);
        }
        let (code, data, stderr) = run_mortise(&args);
        assert_eq!(data["engineKnown"], Value::Null, "{command} shows nothing as pinned: {data}");
        let names = stderr.contains(&one) && stderr.contains(&two);
        assert!(code == 1 && names, "{command}: {stderr}");
    }
}
