//! Second and third opinions: `openssl` on the certificates, Python on the documents.

use super::*;
use std::process::Command;

/// Runs another program and returns its output.
fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program was found a moment ago");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{command:?}: {printed}{}", text(&output.stderr));
    printed
}

fn has_openssl() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok_and(|o| o.status.success());
    if !found {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "openssl is absent");
        println!("skipped: openssl is absent");
    }
    found
}

/// The certificates of a document's chain as PEM files; the leaf last.
fn certificates(nsm: &SoftwareNsm, folder: &Path) -> Vec<std::path::PathBuf> {
    let inner = nsm.inner();
    let chain: Vec<_> = inner.pki.cabundle().chain([inner.leaf.der.as_slice()]).collect();
    let write = |(place, der): (usize, &&[u8])| {
        let path = folder.join(format!("{place}.der"));
        std::fs::write(&path, der).unwrap();
        let pem = folder.join(format!("{place}.pem"));
        let mut convert = Command::new("openssl");
        run(convert.args(["x509", "-inform", "DER", "-in"]).arg(path).arg("-out").arg(&pem));
        pem
    };
    chain.iter().enumerate().map(write).collect()
}

#[test]
fn openssl_verifies_the_chain_and_reads_the_profile() {
    if !has_openssl() {
        return;
    }
    let (stage, out) = (Stage::new(), tempfile::tempdir().unwrap());
    let nsm = stage.boot();
    let chain = certificates(&nsm, out.path());
    nsm.export_root(out.path()).unwrap();
    let between: String =
        chain[1..4].iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let untrusted = out.path().join("between.pem");
    std::fs::write(&untrusted, between).unwrap();
    let at = (stage.now_ms() / 1000).to_string();
    let verify = |trusted: &Path| {
        let mut verify = Command::new("openssl");
        verify.args(["verify", "-attime", &at, "-check_ss_sig", "-CAfile"]).arg(trusted);
        verify.arg("-untrusted").arg(&untrusted).arg(&chain[4]);
        verify
    };
    let output = run(&mut verify(&out.path().join("nitro-root.pem")));
    assert!(output.trim_end().ends_with(": OK"), "{output}");
    let other = Stage::new();
    other.boot().export_root(other.path()).unwrap();
    let refused = verify(&other.path().join("nitro-root.pem")).output().unwrap();
    assert!(!refused.status.success(), "another root verifies the chain");
    let mut show = Command::new("openssl");
    let leaf = run(show.args(["x509", "-noout", "-text", "-in"]).arg(&chain[4]));
    for fact in ["ecdsa-with-SHA384", "secp384r1", "CA:FALSE", "never trust", "Version: 3"] {
        assert!(leaf.contains(fact), "{fact} is not in\n{leaf}");
    }
}

/// The fingerprint equals what openssl prints for the exported file.
#[test]
fn openssl_gives_the_same_fingerprint() {
    if !has_openssl() {
        return;
    }
    let stage = Stage::new();
    let nsm = stage.boot();
    nsm.export_root(stage.path()).unwrap();
    let mut show = Command::new("openssl");
    show.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]);
    let output = run(show.arg(stage.path().join("nitro-root.pem")));
    let digits = output.trim_end().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
    assert_eq!(format!("0x{digits}"), nsm.root().to_string());
}

/// `MORTISE_INTEROP_PYTHON` names a Python with cbor2 and cryptography (`tests/interop`).
#[test]
fn python_verifier_accepts_the_documents_when_it_is_named() {
    let Ok(python) = std::env::var("MORTISE_INTEROP_PYTHON") else {
        println!("skipped: MORTISE_INTEROP_PYTHON names no Python");
        return;
    };
    let (stage, out) = (Stage::new(), tempfile::tempdir().unwrap());
    let nsm = stage.boot();
    let document = nsm.attest(&request()).unwrap();
    std::fs::write(out.path().join("software.cose"), &document).unwrap();
    std::fs::write(out.path().join("INDEX.json"), index(&nsm, &document)).unwrap();
    nsm.export_root(out.path()).unwrap();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = manifest.join("../../tests/interop/attestation.py");
    let root = out.path().join("nitro-root.pem");
    let output = run(Command::new(python).arg(script).arg(out.path()).arg(root));
    assert!(output.starts_with("ok  software.cose: accepted"), "{output}");
}

/// The contents of a document in the index format of the recorded ones.
fn index(nsm: &SoftwareNsm, document: &[u8]) -> String {
    let verified = archived(document, nsm.root(), Claims::unchecked()).unwrap();
    let contents = verified.document();
    let shown = contents.pcrs().filter(|(_, pcr)| !pcr.is_zero());
    let pcrs: Vec<_> = shown.map(|(index, pcr)| format!("\"{index}\": \"{pcr}\"")).collect();
    format!(
        r#"[{{"file": "software.cose", "pcrs_nonzero": {{{}}}, "debug_zero_pcr012": false,
             "timestamp_ms": {}, "module_id": "{}", "n_pcrs": {},
             "public_key": null, "user_data": null, "nonce": "32 bytes"}}]"#,
        pcrs.join(", "),
        contents.timestamp_ms(),
        contents.module_id(),
        contents.pcrs().count(),
    )
}
