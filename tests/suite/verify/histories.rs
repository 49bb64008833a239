//! Receipts under checkpoints signed by the log and witnesses, and consistency between roots.

use super::{Answers, CommandOutput, Files, engine_flags, mortise};
use ed25519_dalek::{Signer as _, SigningKey};
use mortise_format::checkpoint::{cosignature_bytes, cosigned_message};
use mortise_format::note::{KeyUse, Note, NoteKey};
use serde_json::{Value, json};

/// Files of one engine's answers, and the command over them.
struct Bench {
    files: Files,
    answers: Answers,
}

impl Bench {
    fn new() -> Self {
        Self { files: Files::new(), answers: Answers::of_a_running_engine() }
    }

    /// `mortise verify KIND FILE ...` under the engine's identity.
    fn verify(&self, kind: &str, value: &Value, more: &[&str]) -> CommandOutput {
        let file = self.files.json("answer.json", value);
        mortise(&[&["--json", "verify", kind, &file], more, &engine_flags(&self.answers)].concat())
    }

    fn note(&self) -> String {
        let note = self.answers.checkpoint["result"]["checkpoint"].as_str();
        note.expect("a checkpoint is text").to_owned()
    }

    /// The checkpoint with the cosignatures of these witnesses, and their keys.
    fn cosigned(&self, witnesses: u8) -> (String, Vec<String>) {
        let (mut note, mut keys) = (self.note(), Vec::new());
        let text = Note::parse(note.as_bytes()).expect("it is a note").text().to_owned();
        for n in 0..witnesses {
            let secret = SigningKey::from_bytes(&[n + 1; 32]);
            let public = secret.verifying_key().to_bytes();
            let name = format!("w{n}.example");
            let key = NoteKey::new(KeyUse::Witness, &name, public).expect("a name");
            let time = 1_800_000_000 + u64::from(n);
            let signature = secret.sign(cosigned_message(time, &text).as_bytes()).to_bytes();
            note.push_str(&key.signature_line(&cosignature_bytes(time, &signature)));
            keys.push(key.to_string());
        }
        (note, keys)
    }
}

#[test]
fn receipt_is_proven_under_the_checkpoint_by_a_tlog_proof_and_by_consistency() {
    let bench = Bench::new();
    let answers = &bench.answers;
    let key = ["--log-key", answers.log_key.as_str()];
    let proof = bench.files.json("fetched.json", &answers.fetched);
    let checkpoint = bench.files.json("checkpoint.json", &answers.checkpoint);
    let bare = bench.files.write("checkpoint.txt", bench.note());
    let between = bench.files.json("between.json", &answers.between);
    let path = bench.files.json("path.json", &answers.between["result"]["path"]);
    let text = answers.fetched["result"]["tlogProof"].as_str().expect("a proof is text");
    let text = bench.files.write("proof.txt", text);
    for more in [
        vec!["--tlog-proof", &proof],
        vec!["--tlog-proof", &text],
        vec!["--checkpoint", &checkpoint, "--consistency", &between],
        vec!["--checkpoint", &bare, "--consistency", &path],
    ] {
        let output = bench.verify("receipt", &answers.fetched, &[&more[..], &key].concat());
        assert_eq!(output.exit, 0, "{more:?} {output:?}");
        let size = &answers.checkpoint["result"]["size"];
        assert_eq!(&output.json()["checkpointSize"], size, "{more:?}");
    }
    let usage = bench.verify("receipt", &answers.fetched, &["--tlog-proof", &proof]);
    assert_eq!(usage.exit, 2, "no key of the log is named: {usage:?}");
    let own = bench.verify("receipt", &answers.fetched, &["--checkpoint", &bare, key[0], key[1]]);
    assert_eq!((own.exit, own.refusal()), (1, "PathLength"), "{own:?}");
}

#[test]
fn only_named_witnesses_that_signed_the_checkpoint_count() {
    let bench = Bench::new();
    let (note, keys) = bench.cosigned(3);
    let checkpoint = bench.files.write("cosigned.txt", &note);
    let between = bench.files.json("between.json", &bench.answers.between);
    let run = |checkpoint: &str, keys: &[String], more: &[&str]| {
        let mut args = vec!["--checkpoint", checkpoint, "--consistency", &between];
        args.extend(["--log-key", &bench.answers.log_key]);
        keys.iter().for_each(|key| args.extend(["--witness", key]));
        bench.verify("receipt", &bench.answers.commit, &[&args[..], more].concat())
    };
    let good = run(&checkpoint, &keys, &[]);
    assert_eq!((good.exit, &good.json()["cosignatures"]), (0, &json!(3)), "{good:?}");
    let stranger = NoteKey::new(KeyUse::Witness, "w9.example", [9; 32]).expect("a name");
    let four = [&keys[..], &[stranger.to_string()]].concat();
    assert_eq!(run(&checkpoint, &four, &["--quorum", "3"]).exit, 0);
    assert_eq!(run(&checkpoint, &four, &[]).refusal(), "Quorum");
    let log = Note::parse(note.as_bytes()).expect("it is a note").text().len();
    let line = note[log + 1..].lines().nth(2).expect("a witness's line");
    let twice = bench.files.write("twice.txt", format!("{note}{line}\n"));
    assert_eq!(run(&twice, &keys, &[]).refusal(), "SignatureTwice");
    let mut bad = line.to_owned().into_bytes();
    let at = bad.len() - 20;
    bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
    let bad = String::from_utf8(bad).expect("base64 is text");
    let wrong = bench.files.write("wrong.txt", note.replace(line, &bad));
    assert_eq!(run(&wrong, &keys, &[]).refusal(), "Cosignature");
    let twice = [&keys[..1], &keys[..1]].concat();
    assert_eq!(run(&checkpoint, &twice, &[]).exit, 2, "one key counts once");
}

#[test]
fn changed_checkpoints_and_proofs_of_other_logs_are_refused_by_name() {
    let bench = Bench::new();
    let answers = &bench.answers;
    let between = bench.files.json("between.json", &answers.between);
    let other = NoteKey::parse(KeyUse::Log, &answers.log_key).expect("our own key");
    let other = NoteKey::new(KeyUse::Log, other.name(), [9; 32]).expect("a name").to_string();
    let run = |note: &str, key: &str, more: &[&str]| {
        let note = bench.files.write("note.txt", note);
        let args = ["--checkpoint", &note, "--consistency", &between, "--log-key", key];
        bench.verify("receipt", &answers.commit, &[&args[..], more].concat())
    };
    let (note, key) = (bench.note(), answers.log_key.as_str());
    assert_eq!(run(&note, key, &[]).exit, 0);
    let size = answers.checkpoint["result"]["size"].to_string();
    let larger = note.replacen(&format!("\n{size}\n"), "\n99999\n", 1);
    for (note, key, more, name) in [
        (&note, other.as_str(), &[][..], "LogSignatureMissing"),
        (&note, key, &["--origin", "example.com/other"], "Origin"),
        (&larger, key, &[], "LogSignature"),
        (&note.replacen('\n', "\r\n", 1), key, &[], "ControlCharacter"),
        (&note.trim_end().to_owned(), key, &[], "NoFinalNewline"),
        (&String::new(), key, &[], "NoFinalNewline"),
    ] {
        let output = run(note, key, more);
        assert_eq!((output.exit, output.refusal()), (1, name), "{output:?}");
    }
    let text = answers.fetched["result"]["tlogProof"].as_str().expect("a proof is text");
    let proof = bench.files.write("proof.txt", text);
    let args = ["--tlog-proof", &proof, "--log-key", key];
    let output = bench.verify("receipt", &answers.second, &args);
    assert_eq!((output.exit, output.refusal()), (1, "RootMismatch"), "another frame: {output:?}");
    let cut = bench.files.write("cut.txt", text.replacen("index ", "index 0", 1));
    let args = ["--tlog-proof", &cut, "--log-key", key];
    assert_eq!(bench.verify("receipt", &answers.fetched, &args).refusal(), "Index");
}

#[test]
fn root_continues_an_older_one_only_with_the_proof_between_them() {
    let bench = Bench::new();
    let answers = &bench.answers;
    let older = bench.files.json("older.json", &answers.commit);
    let run = |proof: &Value| {
        let between = bench.files.json("between.json", proof);
        let more = ["--older", &older, "--consistency", &between];
        bench.verify("root", &answers.checkpoint, &more)
    };
    let good = &answers.between["result"]["path"];
    let output = run(good);
    assert_eq!(output.exit, 0, "{output:?}");
    assert_eq!(run(&answers.between).exit, 0);
    let hashes = good.as_array().expect("a path is a list");
    let mut longer = hashes.clone();
    longer.push(json!(format!("0x{}", "00".repeat(32))));
    assert_eq!(run(&json!(longer)).refusal(), "PathLength");
    assert_eq!(run(&json!(hashes[1..])).refusal(), "PathLength");
    for at in 0..hashes.len() {
        let mut other = hashes.clone();
        other[at] = json!(format!("0x{}", "ab".repeat(32)));
        let name = run(&json!(other)).refusal().to_owned();
        assert!(["EarlierRootMismatch", "RootMismatch"].contains(&name.as_str()), "{name}");
    }
    let more = ["--older", older.as_str()];
    assert_eq!(bench.verify("root", &answers.checkpoint, &more).exit, 2, "no proof is named");
    let newer = bench.files.json("newer.json", &answers.checkpoint);
    let between = bench.files.json("between.json", good);
    let more = ["--older", newer.as_str(), "--consistency", &between];
    assert_eq!(bench.verify("root", &answers.commit, &more).refusal(), "Shrunk");
}
