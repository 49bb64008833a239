//! The operator's guide (`docs/operator`) holds only commands that there are.
//!
//! Every `mortise ...` line of its blocks is parsed by the real command line, its variables filled
//! in; every `mortise ...` in running text names commands that exist; and what takes AWS says so.

use crate::args::Cli;
use clap::{CommandFactory as _, Parser as _};
use std::path::{Path, PathBuf};

/// A line of a block and where it stands.
#[derive(Debug)]
struct Line {
    place: String,
    text: String,
    needs_aws: bool,
}

fn pages() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operator");
    let files = std::fs::read_dir(folder).expect("the guide is there");
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

/// The shell lines of a page, continued ones joined.
fn shell_lines(page: &str, text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let (mut in_block, mut is_file, mut needs_aws) = (false, false, false);
    let mut joined = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("```") {
            in_block = line == "```sh";
            (needs_aws, is_file) = (false, false);
            continue;
        }
        if !in_block {
            continue;
        }
        if is_file {
            is_file = line != "END";
            continue;
        }
        needs_aws |= line == "# not run here: needs AWS";
        is_file = line.contains("<<'END'");
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

/// The commands of a line as words: pipes and lists taken apart, files left out.
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

/// What a variable of the guide stands for.
fn filled(word: &str) -> String {
    let Some(name) = word.strip_prefix('$') else { return word.to_owned() };
    let hex = |bytes: usize| "ab".repeat(bytes);
    match name {
        "PCR0" | "PCR1" | "PCR2" | "OLD" | "NEW" => hex(48),
        "ENGINE_ID" | "READER" => format!("0x{}", hex(32)),
        "SIGNATURE_A" | "SIGNATURE_B" => format!("0x{}", hex(65)),
        "UNTIL" => "1800000000".to_owned(),
        "ENCRYPTED" | "SIGNATURE" | "CIPHERTEXT_BLOB" => "AAAA".to_owned(),
        other => panic!("the guide's variable {other} is not known here"),
    }
}

#[test]
fn every_command_of_the_guide_is_one_that_there_is() {
    let (mut count, mut wrong) = (0, Vec::new());
    for (page, text) in pages() {
        for line in shell_lines(&page, &text) {
            for words in commands(&line.text) {
                if words[0] != "mortise" {
                    continue;
                }
                count += 1;
                let words: Vec<String> = words.iter().map(|word| filled(word)).collect();
                if let Err(error) = Cli::try_parse_from(&words)
                    && error.use_stderr()
                {
                    wrong.push(format!("{}: {}\n{error}", line.place, line.text));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 50, "{count} commands were found");
}

#[test]
fn every_command_in_the_text_names_commands_that_there_are() {
    let root = Cli::command();
    let mut wrong = Vec::new();
    for (page, text) in pages() {
        for quoted in text.split('`').skip(1).step_by(2) {
            let Some(rest) = quoted.strip_prefix("mortise ") else { continue };
            let mut command = &root;
            for word in rest.split_whitespace().skip_while(|word| word.starts_with("--json")) {
                let is_name = word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
                if word.starts_with('-') || !is_name || !command.has_subcommands() {
                    break;
                }
                match command.find_subcommand(word) {
                    Some(found) => command = found,
                    None => wrong.push(format!("{page}: {quoted}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_needs_aws_says_so_and_nothing_else_does() {
    let needs = ["aws", "nitro-cli", "systemctl", "dnf"];
    let mut wrong = Vec::new();
    for (page, text) in pages() {
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
                let arm = format!("command::{command}::");
                assert!(main.contains(&arm), "{}: {}", line.place, line.text);
                count += 1;
            }
        }
    }
    assert!(count > 0);
}

#[test]
fn a_wrong_command_would_be_found() {
    let text = "```sh\nmortise genesis --no-such-flag \\\n  now\n```\n";
    let lines = shell_lines("page", text);
    assert_eq!(lines[0].text, "mortise genesis --no-such-flag now");
    let found = commands("sudo mortise a \"b c\" > d && mortise-host run | e '$X'");
    assert_eq!(found[0], ["mortise", "a", "b c"]);
    assert_eq!(found[1], ["mortise-host", "run"]);
    assert_eq!(found[2], ["e", "$X"]);
    assert!(Cli::try_parse_from(["mortise", "genesis", "--no-such-flag"]).is_err());
}
