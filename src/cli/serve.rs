//! `neglist serve`.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::complain::complain;
use crate::app;
use crate::app::serve::EXIT_USAGE;
use crate::config::{self, Flags};

/// Serve decisions until a signal stops the server.
///
/// Every key of the configuration is also an environment variable: `drain_seconds` is
/// `NEGLIST_DRAIN_SECONDS`. Flags take precedence over the environment, and the environment over the file.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The policy directory [default: ./policies].
    #[arg(long, value_name = "DIR")]
    policies: Option<String>,
    /// Address for gRPC: `host:port` or `unix:/path`; may be repeated [default: 127.0.0.1:50051].
    #[arg(long, value_name = "ADDR")]
    listen: Vec<String>,
    /// Address for policy admins: a loopback address, `unix:/path` or `none` [default: 127.0.0.1:50052].
    #[arg(long, value_name = "ADDR")]
    admin: Option<String>,
    /// Address for HTTP: `host:port`, `unix:/path` or `none` [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Place of the year's totals: a file, `postgres://…` or `none` [default: ./neglist.ledger].
    #[arg(long, value_name = "PATH|URL|none")]
    ledger: Option<String>,
    /// Create the ledger if it does not exist: needed once, for the first start with a ledger that `--ledger` names.
    #[arg(long)]
    ledger_create: bool,
    /// Place of the subject key, under which pseudonyms of identifiers are made [default: beside a ledger in a file].
    #[arg(long, value_name = "PATH|beside")]
    subject_key: Option<String>,
    /// A configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the effective configuration as YAML and exit.
    #[arg(long)]
    dump_config: bool,
}

impl Arguments {
    fn flags(self) -> Flags {
        let mut values = Vec::new();
        values.extend(self.policies.map(|policies| ("policies", vec![policies])));
        values.extend((!self.listen.is_empty()).then_some(("listen", self.listen)));
        values.extend(self.admin.map(|admin| ("admin", vec![admin])));
        values.extend(self.http.map(|http| ("http", vec![http])));
        values.extend(self.ledger.map(|ledger| ("ledger", vec![ledger])));
        values.extend(self.ledger_create.then(|| ("ledger_create", vec!["yes".to_owned()])));
        values.extend(self.subject_key.map(|path| ("subject_key", vec![path])));
        Flags { config: self.config, values }
    }
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let dump = arguments.dump_config;
    let loaded = match config::load(&arguments.flags(), config::environment()) {
        Ok(loaded) => loaded,
        Err(error) => {
            complain(&error.to_string());
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    if dump {
        io::stdout().write_all(loaded.dump().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    app::serve::serve(&loaded.config, &loaded.ignored_variables)
}
