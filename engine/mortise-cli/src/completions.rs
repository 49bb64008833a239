//! `mortise completions`: prints the completion script of a shell.

use crate::args::Cli;
use crate::failure::Failure;
use crate::output::Output;
use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

const EXAMPLES: &str = "\
Examples:
  mortise completions bash > ~/.local/share/bash-completion/completions/mortise
  mortise completions zsh > \"${fpath[1]}/_mortise\"
  mortise completions fish > ~/.config/fish/completions/mortise.fish";

/// Flags of `mortise completions`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs `mortise completions`.
///
/// # Errors
/// None.
pub fn run(args: &CompletionsArgs, output: &Output) -> Result<(), Failure> {
    output.data(&script(args.shell));
    Ok(())
}

fn script(shell: Shell) -> String {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(shell, &mut command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_every_visible_command() {
        let command = Cli::command();
        let shown = command.get_subcommands().filter(|c| !c.is_hide_set());
        let names: Vec<String> = shown.map(|c| c.get_name().to_owned()).collect();
        assert!(names.len() > 15);
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            for name in &names {
                assert!(script.contains(name.as_str()), "{shell}: {name}");
            }
            assert!(script.contains("minimum-version"), "{shell}: flags");
        }
    }
}
