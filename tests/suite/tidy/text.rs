//! Files contain no unfinished work, no skipped tests, only ASCII, and no path of one machine. The
//! pure crates keep their attributes and bans.

use super::source::{code, comments, is_word};
use super::{RepoFile, assert_none, assert_one, repo_files};

/// Code that marks unfinished work or a skipped test.
const CODE_BANNED: &[&str] = &["todo!", "unimplemented!", "#[ignore"];
/// Comments that mark unfinished work.
const COMMENT_BANNED: &[&str] = &["FIXME", "TODO"];
/// Folders of one machine, split so that this file passes its own check.
const FOLDERS_BANNED: &[&str] =
    &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")];
/// The crate in which a message needs a permit of its mailbox.
const ENGINE: &str = "engine/mortise-engine/";
/// The crates without std, clocks, entropy, threads and input or output.
const PURE: &[&str] = &["mortise-format", "mortise-core", "mortise-channel", "mortise-verify"];
/// Attributes in the `lib.rs` of a pure crate.
const PURE_ATTRIBUTES: &[&str] =
    &["#![no_std]", "#![deny(clippy::as_conversions, clippy::float_arithmetic)]"];
/// Some of the bans in the `clippy.toml` of a pure crate.
const PURE_BANS: &[&str] = &[
    "std::time::Instant",
    "std::time::SystemTime",
    "std::collections::HashMap",
    "std::thread::spawn",
    "std::fs::File",
];

fn characters_not_ascii(files: &[RepoFile]) -> Vec<String> {
    let checked = files.iter().filter(|file| file.has_extension("rs") || file.has_extension("md"));
    lines_where(checked, |text| text.to_owned(), |line| !line.is_ascii(), "is not ASCII")
}

fn work_not_done(files: &[RepoFile]) -> Vec<String> {
    let rust = || files.iter().filter(|file| file.has_extension("rs"));
    let banned = |line: &str| CODE_BANNED.iter().any(|word| has_word(line, word));
    let marked = |line: &str| COMMENT_BANNED.iter().any(|word| has_word(line, word));
    let mut violations = lines_where(rust(), code, banned, "is not finished code");
    violations.extend(lines_where(rust(), comments, marked, "marks work not done"));
    violations
}

fn paths_of_a_machine(files: &[RepoFile]) -> Vec<String> {
    lines_where(files.iter(), str::to_owned, names_a_folder, "has a path of one machine")
}

fn unbounded_sends(files: &[RepoFile]) -> Vec<String> {
    let engine = files.iter().filter(|f| f.path.starts_with(ENGINE) && f.has_extension("rs"));
    lines_where(engine, code, |line| has_word(line, "do_send"), "sends past the mailbox's bound")
}

/// Attributes and bans that a pure crate has lost.
fn bans_lost(files: &[RepoFile]) -> Vec<String> {
    let mut violations = Vec::new();
    for name in PURE {
        let folder = format!("engine/{name}/");
        let text = |path: &str| {
            let found = files.iter().find(|file| file.path == format!("{folder}{path}"));
            found.map_or(String::new(), |file| file.text.clone())
        };
        if !files.iter().any(|file| file.path.starts_with(&folder)) {
            continue;
        }
        let (lib, clippy) = (text("src/lib.rs"), text("clippy.toml"));
        let lines: Vec<&str> = lib.lines().collect();
        let attributes = PURE_ATTRIBUTES.iter().filter(|wanted| !lines.contains(*wanted));
        violations.extend(attributes.map(|a| format!("{folder}src/lib.rs lacks {a}")));
        let bans = PURE_BANS.iter().filter(|ban| !clippy.contains(&format!("path = \"{ban}\"")));
        violations.extend(bans.map(|ban| format!("{folder}clippy.toml does not forbid {ban}")));
    }
    violations
}

/// One violation for each line of the viewed text of a file that is `wrong`.
fn lines_where<'a>(
    files: impl Iterator<Item = &'a RepoFile>,
    view: impl Fn(&str) -> String,
    wrong: impl Fn(&str) -> bool,
    why: &str,
) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files {
        for (i, line) in view(&file.text).lines().enumerate().filter(|(_, line)| wrong(line)) {
            violations.push(format!("{}:{}: {why}: {}", file.path, i + 1, line.trim()));
        }
    }
    violations
}

/// Whether `line` contains `word`, not as the end of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(is_word))
}

/// Whether `line` contains an absolute path into a banned folder.
fn names_a_folder(line: &str) -> bool {
    let starts_a_path = |at: usize| {
        !line[..at].ends_with(|c: char| is_word(c) || matches!(c, '.' | '-' | '/' | '}' | '~'))
    };
    let found = |folder: &&str| line.match_indices(*folder).any(|(at, _)| starts_a_path(at));
    FOLDERS_BANNED.iter().any(found)
}

fn rust(path: &str, text: &str) -> [RepoFile; 1] {
    [RepoFile::new(path, text)]
}

#[test]
fn sources_and_pages_are_ascii() {
    assert_none(&characters_not_ascii(&repo_files()));
    let planted = "plain\ncaf\u{e9}\n";
    assert_one(&characters_not_ascii(&rust("a.md", planted)), "a.md:2");
    assert_one(&characters_not_ascii(&rust("a.rs", planted)), "a.rs:2");
}

#[test]
fn no_work_is_left_undone_and_no_test_is_skipped() {
    assert_none(&work_not_done(&repo_files()));
}

#[test]
fn unfinished_code_is_found_and_the_same_words_in_strings_are_not() {
    for planted in ["    todo!()", "unimplemented!(\"x\")", "#[ignore = \"slow\"]", "#[ignore]"] {
        assert_one(&work_not_done(&rust("a.rs", planted)), "is not finished code");
    }
    for planted in ["// FIXME: x", "/// TODO", "/* see FIXME */"] {
        assert_one(&work_not_done(&rust("a.rs", planted)), "marks work not done");
    }
    assert_none(&work_not_done(&rust("a.rs", "let s = \"todo!() FIXME\"; my_todo!();")));
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    assert_none(&paths_of_a_machine(&repo_files()));
}

#[test]
fn path_of_one_machine_is_found_in_any_file() {
    for folder in FOLDERS_BANNED {
        let line = format!("open(\"{folder}x\")");
        for path in ["a.rs", "a.md", "a.toml", ".ci/run"] {
            assert_one(&paths_of_a_machine(&rust(path, &line)), path);
        }
        assert_none(&paths_of_a_machine(&rust("a.md", &format!("https://x.org{folder}y"))));
    }
}

#[test]
fn engine_sends_no_message_past_the_bound_of_a_mailbox() {
    assert_none(&unbounded_sends(&repo_files()));
    let planted = "addr.do_send(Message);";
    assert_one(&unbounded_sends(&rust("engine/mortise-engine/src/a.rs", planted)), "a.rs:1");
    assert_none(&unbounded_sends(&rust("engine/mortise-client/src/a.rs", planted)));
    assert_none(&unbounded_sends(&rust("engine/mortise-engine/src/a.rs", "// not do_send")));
}

#[test]
fn pure_crates_forbid_std_casts_floats_clocks_and_unordered_maps() {
    assert_none(&bans_lost(&repo_files()));
}

#[test]
fn ban_that_a_pure_crate_lost_is_found() {
    let lib = |text: &str| RepoFile::new("engine/mortise-core/src/lib.rs", text);
    let clippy = |text: &str| RepoFile::new("engine/mortise-core/clippy.toml", text);
    let attributes = PURE_ATTRIBUTES.join("\n");
    let bans: String = PURE_BANS.iter().map(|ban| format!("path = \"{ban}\"\n")).collect();
    assert_none(&bans_lost(&[lib(&attributes), clippy(&bans)]));
    let std = attributes.replace("#![no_std]\n", "");
    assert_one(&bans_lost(&[lib(&std), clippy(&bans)]), "lacks #![no_std]");
    let clocks = bans.replace("SystemTime", "Duration");
    assert_one(&bans_lost(&[lib(&attributes), clippy(&clocks)]), "std::time::SystemTime");
}
