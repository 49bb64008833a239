//! Goal: README, guide and hints show only commands that exist.
//!
//! Method: clap parses every `mortise ...` and `mortise-dev ...` line of the blocks `sh`,
//! `sh,norun` and `console`, with variables filled in. Commands in running text and in the messages
//! of both programs name existing subcommands. A line of the operator's guide that needs AWS says
//! so.

use std::path::{Path, PathBuf};

/// A line of a block and its place.
#[derive(Debug)]
struct Line {
    place: String,
    text: String,
    needs_aws: bool,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The pages of a folder, by name.
fn pages_of(folder: &str) -> Vec<(String, String)> {
    let files = std::fs::read_dir(root().join(folder)).expect("the folder is there");
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

fn operator_pages() -> Vec<(String, String)> {
    pages_of("docs/src/operator")
}

fn pages() -> Vec<(String, String)> {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("it is there");
    let mut pages = vec![("README.md".to_owned(), readme)];
    for page in ["introduction", "tour", "solver", "wallet", "auditor"] {
        let text = std::fs::read_to_string(root().join(format!("docs/src/{page}.md")));
        pages.push((format!("{page}.md"), text.expect("it is there")));
    }
    pages.extend(operator_pages());
    pages
}

/// The command line of a program.
fn program(name: &str) -> Option<clap::Command> {
    match name {
        "mortise" => Some(mortise_cli::command()),
        "mortise-dev" => Some(mortise_dev::command()),
        _ => None,
    }
}

/// The shell lines of a page, continued ones joined.
fn shell_lines(page: &str, text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let (mut block, mut is_file, mut needs_aws) = ("", false, false);
    let mut joined = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(language) = line.strip_prefix("```") {
            block = language;
            (needs_aws, is_file) = (false, false);
            continue;
        }
        let line = match (block, line.strip_prefix("$ ")) {
            ("sh" | "sh,norun" | "sh,serve", _) => line,
            ("console", Some(command)) => command,
            _ => continue,
        };
        if is_file {
            is_file = line != "END";
            continue;
        }
        needs_aws |= line == "# not run here: needs AWS";
        is_file = line.contains("<<'END'") || line.contains("<<END");
        joined.push_str(line.trim_start());
        if let Some(open) = joined.strip_suffix('\\') {
            joined = open.to_owned();
            continue;
        }
        let text = std::mem::take(&mut joined);
        lines.push(Line { place: format!("{page}:{number}"), text, needs_aws });
    }
    lines
}

/// The commands of a line as words. Splits pipes and lists, drops redirections.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word) = (Vec::new(), Vec::new(), String::new());
    let mut quote = None;
    let mut is_word = false;
    let end_word = |word: &mut String, is_word: &mut bool, words: &mut Vec<String>| {
        if std::mem::take(is_word) {
            words.push(std::mem::take(word));
        }
    };
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => word.push(c),
            (None, '"' | '\'') => (quote, is_word) = (Some(c), true),
            (None, '|' | ';' | '&' | '(' | ')') => {
                end_word(&mut word, &mut is_word, &mut words);
                commands.push(std::mem::take(&mut words));
            }
            (None, c) if c.is_whitespace() => end_word(&mut word, &mut is_word, &mut words),
            (None, _) => {
                is_word = true;
                word.push(c);
            }
        }
    }
    end_word(&mut word, &mut is_word, &mut words);
    commands.push(words);
    for words in &mut commands {
        if let Some(at) = words.iter().position(|word| word == ">" || word == "<") {
            words.truncate(at);
        }
        if words.first().is_some_and(|word| word == "sudo") {
            words.remove(0);
        }
    }
    commands.retain(|words| !words.is_empty());
    commands
}

/// Replaces a variable of the guide with a value.
fn filled(word: &str) -> String {
    let Some(name) = word.strip_prefix('$') else { return word.to_owned() };
    let hex = |bytes: usize| "ab".repeat(bytes);
    match name {
        "PCR0" | "PCR1" | "PCR2" | "OLD" | "NEW" => hex(48),
        "ENGINE_ID" | "READER" | "LOCK" => format!("0x{}", hex(32)),
        "OWNER" | "SOLVER" | "ARBITER" => format!("0x{}", hex(20)),
        "SIGNATURE_A" | "SIGNATURE_B" => format!("0x{}", hex(65)),
        "UNTIL" => "1800000000".to_owned(),
        "ENCRYPTED" | "SIGNATURE" | "CIPHERTEXT_BLOB" => "AAAA".to_owned(),
        other => panic!("add the variable {other} of the guide to this table"),
    }
}

#[test]
fn every_command_of_the_guide_exists() {
    let (mut count, mut wrong) = (0, Vec::new());
    for (page, text) in pages() {
        for line in shell_lines(&page, &text) {
            for words in commands(&line.text) {
                let Some(program) = program(&words[0]) else { continue };
                count += 1;
                let words: Vec<String> = words.iter().map(|word| filled(word)).collect();
                if let Err(error) = program.try_get_matches_from(&words)
                    && error.use_stderr()
                {
                    wrong.push(format!("{}: {}\n{error}", line.place, line.text));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 100, "{count} commands were found");
}

/// Commands in code spans that the program of that name does not have.
fn unknown_in_text(page: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for quoted in text.split('`').skip(1).step_by(2) {
        let mut words = quoted.split_whitespace();
        let Some(mut command) = words.next().and_then(program) else { continue };
        for word in words.skip_while(|word| word.starts_with("--json")) {
            let is_name = word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
            if word.starts_with('-') || !is_name || !command.has_subcommands() {
                break;
            }
            match command.find_subcommand(word) {
                Some(found) => command = found.clone(),
                None => {
                    wrong.push(format!("{page}: {quoted}"));
                    break;
                }
            }
        }
    }
    wrong
}

#[test]
fn every_command_in_the_text_exists() {
    let pages = pages();
    let wrong: Vec<_> = pages.iter().flat_map(|(page, text)| unknown_in_text(page, text)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(unknown_in_text("page", "run `mortise dev`").len(), 1);
}

/// The Rust files below a folder.
fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, files),
            false if path.extension().is_some_and(|extension| extension == "rs") => {
                files.push(path);
            }
            false => {}
        }
    }
}

/// Commands in messages, hints and comments of a source that do not exist.
fn unknown_in_source(place: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (at, _) in text.match_indices("mortise") {
        let (before, rest) = text.split_at(at);
        if !["`", "\"", ": ", "run ", "sudo "].iter().any(|start| before.ends_with(start)) {
            continue;
        }
        let command = rest.split(['`', '"', '\n', '\\']).next().unwrap_or_default();
        wrong.extend(unknown_in_text(place, &format!("`{command}`")));
    }
    wrong
}

#[test]
fn every_command_in_messages_and_hints_exists() {
    let mut files = Vec::new();
    for folder in ["engine/mortise-cli/src", "engine/mortise-dev/src"] {
        sources(&root().join(folder), &mut files);
    }
    assert!(files.len() > 100, "{} files were found", files.len());
    let mut wrong = Vec::new();
    // the names of earlier versions, and the label of the development image
    files.retain(|path| !path.ends_with("old_names.rs") && !path.ends_with("dev/platform.rs"));
    for path in &files {
        let text = std::fs::read_to_string(path).unwrap();
        wrong.extend(unknown_in_source(&path.display().to_string(), &text));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let planted = "let hint = \"next: mortise policy lint FILE\";";
    assert_eq!(unknown_in_source("a.rs", planted).len(), 1);
}

#[test]
fn lines_that_need_aws_are_marked() {
    let needs = ["aws", "nitro-cli", "systemctl", "dnf"];
    let mut wrong = Vec::new();
    for (page, text) in operator_pages() {
        for line in shell_lines(&page, &text) {
            let is_of_aws = commands(&line.text).iter().any(|c| needs.contains(&c[0].as_str()));
            if is_of_aws && !line.needs_aws {
                wrong.push(format!("{}: {}", line.place, line.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn commands_of_the_host_are_those_of_its_program() {
    let main = include_str!("../../../host-store/src/main.rs");
    let mut count = 0;
    for (page, text) in pages() {
        for line in shell_lines(&page, &text) {
            for words in commands(&line.text).iter().filter(|c| c[0] == "mortise-host") {
                let command = words.get(1).expect("a subcommand");
                let (first, rest) = command.split_at(1);
                let arm = format!("Command::{}{rest}(args)", first.to_uppercase());
                assert!(main.contains(&arm), "{}: {}", line.place, line.text);
                count += 1;
            }
        }
    }
    assert!(count > 0);
}

#[test]
fn wrong_command_is_found() {
    let text = "```sh\nmortise genesis --no-such-flag \\\n  now\n```\n";
    let lines = shell_lines("page", text);
    assert_eq!(lines[0].text, "mortise genesis --no-such-flag now");
    let found = commands("sudo mortise a \"b c\" > d && mortise-host run | e '$X'");
    assert_eq!(found[0], ["mortise", "a", "b c"]);
    assert_eq!(found[1], ["mortise-host", "run"]);
    assert_eq!(found[2], ["e", "$X"]);
    let wrong = mortise_cli::command().try_get_matches_from(&found[0]);
    assert!(wrong.is_err());
}
