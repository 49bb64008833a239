//! Goal: the commands of README.md and of the book run, and print what the pages show.
//!
//! Method: each page gets an empty folder and one `bash`. The blocks of the page run there in
//! order, against the systems that its `sh,serve` blocks start. `docs/README.md` has the rules. A
//! block that begins with `cargo` builds what Cargo already built for this suite, so it is left
//! out.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The programs under test, by the names that the pages use.
const PROGRAMS: [(&str, &str); 3] = [
    ("mortise", env!("CARGO_BIN_EXE_mortise-under-test")),
    ("mortise-dev", env!("CARGO_BIN_EXE_mortise-dev-under-test")),
    ("mortise-host", env!("CARGO_BIN_EXE_mortise-host-under-test")),
];
/// Longest time for a system of a page to become ready, seconds.
const START_S: u32 = 60;

/// How a block runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Each command must succeed.
    Commands,
    /// Starts a system that runs until the end of the page.
    Serve,
    /// One command whose exit status is part of the output that follows.
    Transcript,
}

/// A block that runs.
#[derive(Debug)]
struct Block {
    /// Line of the page where it begins.
    line: usize,
    kind: Kind,
    script: String,
    /// What the page shows as its output; empty if it shows none.
    shown: String,
}

/// The blocks of a page that run, in order.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = (1..).zip(page.lines());
    // Whether a `text` block here shows the output of the last block.
    let mut follows = false;
    while let Some((line, text)) = lines.next() {
        let Some(info) = text.strip_prefix("```") else {
            follows &= !text.starts_with('#');
            continue;
        };
        let body = lines.by_ref().map(|(_, text)| text).take_while(|text| *text != "```");
        let body: Vec<&str> = body.collect();
        let whole = body.join("\n");
        let kind = if info == "sh,serve" { Kind::Serve } else { Kind::Commands };
        match info {
            "sh" | "sh,serve" if whole.starts_with("cargo ") => {}
            "sh" | "sh,serve" => {
                blocks.push(Block { line, kind, script: whole, shown: String::new() });
            }
            "text" if follows => {
                if let Some(block) = blocks.last_mut() {
                    block.shown = whole;
                }
            }
            "console" => blocks.extend(transcript(line, &body)),
            _ => {}
        }
        follows = matches!(info, "sh" | "sh,serve");
    }
    blocks
}

/// The commands of a transcript, each with the output that follows it.
fn transcript(line: usize, body: &[&str]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for text in body {
        if let Some(command) = text.strip_prefix("$ ") {
            let (script, shown) = (command.to_owned(), String::new());
            blocks.push(Block { line, kind: Kind::Transcript, script, shown });
        } else if let Some(block) = blocks.last_mut() {
            block.shown.push_str(text);
            block.shown.push('\n');
        }
    }
    blocks
}

/// Whether `printed` has the lines of `shown` in their order. Digits and what follows `0x` differ
/// from run to run and are not compared; `...` is any text.
fn prints(printed: &str, shown: &str) -> Result<(), String> {
    let mut printed = printed.lines().map(words);
    for line in shown.lines().filter(|line| line.trim() != "...") {
        let wanted = words(line);
        if !printed.any(|line| matches(&line, &wanted)) {
            return Err(line.to_owned());
        }
    }
    Ok(())
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(constant_part).collect()
}

/// A word without what differs from run to run.
fn constant_part(word: &str) -> String {
    if word.starts_with("0x") {
        return String::from("0x");
    }
    let is_hex =
        word.len() >= 16 && word.trim_end_matches("...").bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex { String::from("0x") } else { word.replace(|c: char| c.is_ascii_digit(), "") }
}

/// Word for word; a word that holds `...` matches any rest of the line.
fn matches(printed: &[String], wanted: &[String]) -> bool {
    let open = wanted.iter().position(|word| word.contains("..."));
    let compared = open.unwrap_or(wanted.len());
    let is_whole = open.is_some() || printed.len() == wanted.len();
    is_whole && printed.get(..compared) == wanted.get(..compared)
}

/// The page as one script. Each block writes its output into a file of its own; the file `at` names
/// the block that runs.
fn script(blocks: &[Block], ports: &[u16]) -> String {
    let mut script = String::from(PROLOGUE);
    let mut ports = ports.iter();
    for (index, Block { line, kind, script: body, .. }) in blocks.iter().enumerate() {
        writeln!(script, "echo {line} > \"$OUT/at\"").expect("a text takes it");
        let block = match kind {
            Kind::Commands => format!("{{\n{body}\n}} > \"$OUT/{index}\" 2>&1\n"),
            Kind::Transcript => format!("{{\n{body}\n}} > \"$OUT/{index}\" 2>&1 || true\n"),
            Kind::Serve => {
                let port = ports.next().expect("a port for each system");
                let free = if body.contains("--http") { "" } else { " --http \"$PORT\"" };
                format!(
                    "PORT={port}\n{body}{free} > \"$OUT/{index}\" 2>&1 &\nready \"$OUT/{index}\"\n"
                )
            }
        };
        script.push_str(&block);
    }
    script
}

/// Strict, and stops what it started. `ready FILE` waits until a system has printed its last line.
const PROLOGUE: &str = r#"set -euo pipefail
stop() { kill -TERM $(jobs -p) 2>/dev/null || true; wait; }
trap stop EXIT
ready() {
    for _ in $(seq $((START_S * 10))); do
        if grep -q 'Ctrl-C stops the system' "$1"; then return 0; fi
        sleep 0.1
    done
    echo "no system is ready" >> "$1"
    return 1
}
"#;

fn free_ports() -> [u16; 2] {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has ports");
    let listeners = [listen(), listen()];
    listeners.map(|listener| listener.local_addr().expect("it is bound").port())
}

/// A folder with the programs under the names of the pages.
fn programs(folder: &Path) -> PathBuf {
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).expect("a new folder");
    for (name, path) in PROGRAMS {
        std::os::unix::fs::symlink(path, bin.join(name)).expect("the folder takes links");
    }
    bin
}

/// Whether the tools that the pages use are here; says which one is not.
fn tools_are_here() -> bool {
    let is_missing = |tool: &&str| Command::new(tool).arg("--version").output().is_err();
    let missing: Vec<&str> = ["bash", "curl", "jq"].into_iter().filter(is_missing).collect();
    assert!(missing.is_empty() || std::env::var_os("CI").is_none(), "absent: {missing:?}");
    if !missing.is_empty() {
        println!("skipped: {missing:?} is absent");
    }
    missing.is_empty()
}

/// Runs a page and compares what its blocks print with what it shows.
fn run(name: &str, before: &str) {
    if !tools_are_here() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let ports = free_ports();
    let page = std::fs::read_to_string(root.join(name)).expect("the page is there");
    // The second system of a page is on port 8081.
    let page = format!("{before}{page}").replace("8081", &ports[1].to_string());
    let added = before.lines().count();
    let blocks = blocks(&page);
    let folder = tempfile::tempdir().expect("the system gives a folder");
    let [out, home] = ["out", "page"].map(|name| folder.path().join(name));
    std::fs::create_dir(&out).and_then(|()| std::fs::create_dir(&home)).expect("new folders");
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", programs(folder.path()).display());
    let mut bash = Command::new("bash");
    bash.args(["-c", &script(&blocks, &ports)]).current_dir(&home).env("PATH", path);
    bash.env("OUT", &out).env("START_S", START_S.to_string()).stdin(Stdio::null());
    for name in ["MORTISE_URL", "MORTISE_ANCHORS", "PROXY_PORT"] {
        bash.env_remove(name);
    }
    let ran = bash.output().expect("bash is there");
    let printed = |index: usize| std::fs::read_to_string(out.join(index.to_string()));
    if !ran.status.success() {
        let at = std::fs::read_to_string(out.join("at")).unwrap_or_default();
        let line: usize = at.trim().parse().unwrap_or_default();
        let index = blocks.iter().rposition(|block| block.line == line).unwrap_or_default();
        let text = printed(index).unwrap_or_default();
        let line = line.saturating_sub(added);
        panic!("{name}:{line}: {}\n{text}{}", ran.status, String::from_utf8_lossy(&ran.stderr));
    }
    for (index, block) in blocks.iter().enumerate() {
        let text = printed(index).expect("each block has a file");
        if let Err(missing) = prints(&text, &block.shown) {
            let line = block.line.saturating_sub(added);
            panic!("{name}:{line} shows a line that is not printed: {missing}\n{text}");
        }
    }
}

/// README's system is on the default port, which a test cannot take for itself.
const README_START: &str = "\
```sh,serve
mortise-dev dev
```
```sh
export MORTISE_URL=http://127.0.0.1:$PORT
```
";

#[test]
fn commands_of_the_readme_run() {
    run("README.md", README_START);
}

#[test]
fn commands_of_the_tour_run() {
    run("docs/src/tour.md", "");
}

#[test]
fn commands_of_the_guide_for_solvers_run() {
    run("docs/src/solver.md", "");
}

#[test]
fn commands_of_the_guide_for_wallets_run() {
    run("docs/src/wallet.md", "");
}

#[test]
fn commands_of_the_guide_for_auditors_run() {
    run("docs/src/auditor.md", "");
}

#[test]
fn a_wrong_page_would_be_noticed() {
    let page = "```sh\nfalse\n```\n\n```text\nlock 0xab12... is 7 of\n...\nheld 5 (x)\n```\n\
        ```sh,norun\nrm -r .\n```\n```console\n$ mortise a\nerror: A\n$ mortise b\n```\n";
    let blocks = blocks(page);
    let scripts: Vec<_> = blocks.iter().map(|block| (&*block.script, block.kind)).collect();
    let expected = [
        ("false", Kind::Commands),
        ("mortise a", Kind::Transcript),
        ("mortise b", Kind::Transcript),
    ];
    assert_eq!(scripts, expected);
    assert_eq!(blocks[1].shown, "error: A\n");
    let shown = &blocks[0].shown;
    assert_eq!(prints("lock 0xcd34 is 8 of\nmore\nheld 61 (x)\n", shown), Ok(()));
    assert!(prints("held 61 (x)\nlock 0xcd34 is 8 of\n", shown).is_err(), "another order");
    assert!(prints("lock 0xcd34 was 8 of\nheld 61 (x)\n", shown).is_err(), "another word");
    assert!(prints("lock 0xcd34 is 8 of\nheld 61 (x) y\n", shown).is_err(), "a longer line");
}
