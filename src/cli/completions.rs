//! What a shell needs to complete the command line: a script of its own, or, behind kubectl, an
//! answer to each question.

use std::{io, process::ExitCode};

use clap::{Args, Command};
use clap_complete::Shell;

/// Flags of `sluice completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Prints the script for a shell.
pub fn completions(args: &CompletionsArgs, mut command: Command) -> ExitCode {
    clap_complete::generate(args.shell, &mut command, "sluice", &mut io::stdout());
    ExitCode::SUCCESS
}

/// Answers kubectl, which asks a program `kubectl_complete-sluice` how the last of `words` may go
/// on: one word a line, then what the shell does beside, 4 for nothing and 0 for file names.
pub fn answer(mut command: Command, words: &[String]) -> String {
    command.build();
    let (last, before) = words.split_last().map_or(("", words), |(l, b)| (l, b));
    let mut at = &command;
    for word in before {
        at = at.find_subcommand(word).unwrap_or(at);
    }
    let commands = at.get_subcommands().map(|c| c.get_name().to_owned());
    let flags = at.get_arguments().filter_map(|arg| arg.get_long());
    let flags = flags.map(|flag| format!("--{flag}"));
    let wanted = |word: &String| word.starts_with(last) && (!last.is_empty() || !is_flag(word));
    let mut lines: Vec<String> = commands.chain(flags).filter(wanted).collect();
    let directive = if lines.is_empty() { ":0" } else { ":4" };
    lines.push(directive.to_owned());
    lines.join("\n") + "\n"
}

fn is_flag(word: &str) -> bool {
    word.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectl_is_told_how_a_word_may_go_on() {
        let command = || {
            let check = Command::new("check").arg(clap::Arg::new("wait").long("wait"));
            Command::new("sluice").subcommand(check)
        };
        let ask = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            answer(command(), &words)
        };
        assert_eq!(ask(&["ch"]), "check\n:4\n");
        assert_eq!(ask(&["check", "--w"]), "--wait\n:4\n");
        assert_eq!(ask(&["check", "fi"]), ":0\n");
        assert_eq!(ask(&["check", ""]), ":0\n");
        assert_eq!(ask(&[]), "check\nhelp\n:4\n");
    }
}
