//! Names of earlier versions: each is answered by one line with the new name.

use crate::failure::Failure;

/// The variable that named the trust file.
const OLD_VARIABLE: &str = "MORTISE_TRUST";

/// Commands, with the command that replaces each.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["dev"], "mortise-dev dev"),
    (&["demo"], "mortise-dev demo"),
    (&["dev-host"], "mortise-dev dev-host"),
    (&["dev-engine"], "mortise-dev dev-engine"),
    (&["dev-kms"], "mortise-dev dev-kms"),
    (&["image", "boot"], "mortise-dev image boot"),
    (&["image", "local-config"], "mortise-dev image local-config"),
    (&["log", "export"], "mortise-host export"),
    (&["log", "import"], "mortise-host import"),
    (&["policy"], "mortise key-policy"),
];

/// Flags, with the flag that replaces each.
const FLAGS: &[(&str, &str)] = &[
    ("--trust", "--anchors FILE, one TOML file"),
    ("--policy", "--anchors FILE, one TOML file"),
    ("--allow-mode", "--allow-insecure MODE"),
];

/// Flags that came before the command in earlier versions.
const MOVED: &[&str] = &["--url", "--key", "--attempts", "--anchors", "--in-clear"];

/// The answer to a command line that does not parse and has an old name, if it has one.
pub(crate) fn answer(args: &[String]) -> Option<Failure> {
    let args = args.get(1..).unwrap_or_default();
    let text = flag(args).or_else(|| position(args)).or_else(|| command(args));
    text.map(Failure::usage)
}

/// A note about the old variable.
pub(crate) fn variable_note() -> Option<String> {
    std::env::var_os(OLD_VARIABLE)?;
    Some(format!("note: {OLD_VARIABLE} is not read: set MORTISE_ANCHORS to a TOML file instead"))
}

fn is_flag(arg: &str, flag: &str) -> bool {
    arg.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

fn flag(args: &[String]) -> Option<String> {
    let of = |arg: &String| FLAGS.iter().find(|(old, _)| is_flag(arg, old));
    let (old, new) = args.iter().find_map(of)?;
    Some(format!("{old} is now {new}"))
}

fn position(args: &[String]) -> Option<String> {
    let first = args.iter().find(|arg| *arg != "--json")?;
    let name = first.split('=').next().unwrap_or_default();
    let is_moved = MOVED.contains(&name) || name.starts_with("--attest-");
    is_moved.then(|| format!("write {name} after the command: mortise COMMAND {name} ..."))
}

fn command(args: &[String]) -> Option<String> {
    let words: Vec<&str> =
        args.iter().map(String::as_str).filter(|arg| !arg.starts_with('-')).collect();
    let (old, new) = COMMANDS.iter().find(|(old, _)| words.starts_with(old))?;
    Some(format!("`mortise {}` is now `{new}`", old.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::Parser as _;

    #[track_caller]
    fn check(words: &str, says: &str) {
        let args: Vec<String> = words.split(' ').map(str::to_owned).collect();
        assert!(Cli::try_parse_from(&args).is_err(), "{words} parses");
        let failure = answer(&args).unwrap_or_else(|| panic!("{words} is not answered"));
        assert_eq!(failure.exit_code(), 2);
        let text = failure.text();
        assert!(text.contains(says) && text.lines().count() == 1, "{words}: {text}");
    }

    #[test]
    fn every_old_name_is_answered_with_the_new_one() {
        for (old, new) in COMMANDS {
            check(&format!("mortise {}", old.join(" ")), new);
            check(&format!("mortise --json {} --data-dir x", old.join(" ")), new);
        }
        for (old, new) in FLAGS {
            check(&format!("mortise lock commit {old} x"), new);
            check(&format!("mortise {old}=x root"), new);
        }
        for flag in MOVED.iter().chain(&["--attest-root"]) {
            check(&format!("mortise {flag} x health"), "after the command");
            check(&format!("mortise --json {flag}=x health"), "after the command");
        }
    }

    #[test]
    fn other_wrong_commands_are_not_answered() {
        for words in ["mortise", "mortise devs", "mortise image describe", "mortise lock x"] {
            let args: Vec<String> = words.split(' ').map(str::to_owned).collect();
            assert!(answer(&args).is_none(), "{words}");
        }
    }
}
