//! `accrual completions` and `accrual man`, from the definition of the command line itself.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Cli, DONE, Usage};

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  accrual completions bash > /etc/bash_completion.d/accrual
  accrual completions zsh > \"${fpath[1]}/_accrual\"
  accrual completions fish > ~/.config/fish/completions/accrual.fish")]
pub struct CompletionsArguments {
    shell: Shell,
}

/// Print a page of the manual, for accrual or for one of its commands
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  accrual man > /usr/local/share/man/man1/accrual.1
  accrual man topics move | man -l -")]
pub struct ManArguments {
    /// The words of the command, as `topics move`
    command: Vec<String>,
}

pub fn completions(arguments: &CompletionsArguments, out: &mut dyn Write) -> anyhow::Result<u8> {
    // Through memory: a pipe that is closed early is no reason to panic.
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "accrual", &mut text);
    out.write_all(&text)?;
    Ok(DONE)
}

pub fn man(arguments: &ManArguments, out: &mut dyn Write) -> anyhow::Result<u8> {
    let mut all = Cli::command();
    all.build();
    let mut page = &all;
    for word in &arguments.command {
        let found = page.find_subcommand(word);
        page = found.ok_or(Usage("no such command: `accrual --help` lists them"))?;
    }
    let mut text = Vec::new();
    Man::new(page.clone()).render(&mut text)?;
    out.write_all(&text)?;
    Ok(DONE)
}
