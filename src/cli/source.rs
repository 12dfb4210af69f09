//! Who is asked by `explain`, `quote` and `dead-letters list`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::{ConfigArgument, Usage};
use crate::app::answers::{Address, Answers, Source};
use crate::app::operations::Operations;
use crate::config::secret::Secret;
use crate::config::{TOKEN_VARIABLE, URL_VARIABLE};

/// Kafka and Redis themselves, or a running instance.
#[derive(Debug, Args)]
pub struct SourceArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Ask a running instance at http://HOST:PORT or https://…, not Kafka and Redis [env: ACCRUAL_URL]
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    url: Option<String>,
    /// The instance's http.token is in this file [env: ACCRUAL_TOKEN, which holds the token itself]
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    token_file: Option<PathBuf>,
    /// Trust the authorities in this PEM file, not the public ones
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    ca_file: Option<PathBuf>,
}

impl SourceArguments {
    pub fn answers(&self, operations: &dyn Operations) -> anyhow::Result<Box<dyn Answers>> {
        operations.answers(self.source(|name| std::env::var(name).ok())?)
    }

    /// A file of settings that is named wins over a variable with an instance.
    fn source(&self, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Source> {
        let variable = |name| variable(name).filter(|text| !text.is_empty());
        let url = self.url.clone();
        let url = url.or_else(|| variable(URL_VARIABLE).filter(|_| !self.config.is_named()));
        let Some(url) = url else {
            if self.token_file.is_some() || self.ca_file.is_some() {
                anyhow::bail!(Usage("name the instance that is asked: --url, or ACCRUAL_URL"));
            }
            return Ok(Source::Servers(Box::new(self.config.settings()?)));
        };
        let token = match &self.token_file {
            Some(path) => Some(text(path)?),
            None => variable(TOKEN_VARIABLE),
        };
        let read = |path: &PathBuf| std::fs::read(path).with_context(|| path.display().to_string());
        Ok(Source::Instance(Address {
            url,
            token: token.map(|token| Secret::new(token.trim())),
            certificates: self.ca_file.as_ref().map(read).transpose()?,
        }))
    }
}

fn text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        source: SourceArguments,
    }

    const URL: (&str, &str) = (URL_VARIABLE, "http://a:1");
    const TOKEN: (&str, &str) = (TOKEN_VARIABLE, "secret");

    type Variables<'v> = &'v [(&'v str, &'v str)];

    /// `url token`, `servers`, or what is wrong.
    fn asked(line: &str, variables: Variables) -> String {
        let line = Line::try_parse_from(std::iter::once("x").chain(line.split_whitespace()));
        let Ok(line) = line else {
            return "usage".to_owned();
        };
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, text)| (*text).to_owned())
        };
        match line.source.source(variable) {
            Ok(Source::Servers(_)) => "servers".to_owned(),
            Ok(Source::Instance(address)) => {
                let token = address.token.as_ref().map_or("-", Secret::expose);
                format!("{} {token}", address.url)
            }
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn an_instance_is_asked_where_one_is_named() {
        let file = std::env::temp_dir().join(format!("accrual-token-{}", std::process::id()));
        std::fs::write(&file, "from a file\n").unwrap();
        let with_file = format!("--url http://b:2 --token-file {}", file.display());
        let rows: &[(&str, Variables, &str)] = &[
            ("", &[], "servers"),
            ("", &[TOKEN], "servers"),
            ("", &[(URL_VARIABLE, "")], "servers"),
            ("", &[URL], "http://a:1 -"),
            ("", &[URL, TOKEN], "http://a:1 secret"),
            ("--url http://b:2", &[URL, TOKEN], "http://b:2 secret"),
            (&with_file, &[TOKEN], "http://b:2 from a file"),
            ("--config deploy/accrual.toml", &[URL, TOKEN], "servers"),
            ("--config deploy/accrual.toml --url http://b:2", &[], "usage"),
            (
                "--token-file nowhere",
                &[],
                "name the instance that is asked: --url, or ACCRUAL_URL",
            ),
            (
                "--token-file nowhere",
                &[URL],
                "nowhere: No such file or directory (os error 2)",
            ),
        ];
        for (line, variables, wanted) in rows {
            assert_eq!(asked(line, variables), *wanted, "{line} {variables:?}");
        }
        std::fs::remove_file(&file).unwrap();
    }
}
