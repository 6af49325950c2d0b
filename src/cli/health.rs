//! `neglist health`: asks a server for its health, for the health checks of containers. Its answer equals that of `/readyz`.

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::complain::complain;
use crate::app::serve::{EXIT_FAILURE, EXIT_USAGE};
use crate::config::address::Address;
use crate::config::{self, Flags};

/// Time-out of the whole check: below the ten seconds after which container runtimes give up.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Check the health of a server: exit code 0 if it is healthy, else 1. The answer equals that of `/readyz`: not healthy while
/// the server stops, or while its ledger does not answer.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The server: `host:port` or `unix:/path` [default: the first address of `NEGLIST_LISTEN`, else 127.0.0.1:50051].
    #[arg(long, value_name = "ADDR")]
    target: Option<String>,
    /// Check one service, such as `neglist.v1.DecisionService`, which answers callers that state their totals even without a
    /// ledger [default: the whole server].
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    service: String,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let address = match target(arguments.target.as_deref()) {
        Ok(address) => address,
        Err(message) => {
            complain(&message);
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(async {
        tokio::time::timeout(TIMEOUT, ask(&address, &arguments.service))
            .await
            .unwrap_or_else(|_| Err(anyhow::anyhow!("`{address}` did not answer within {} s", TIMEOUT.as_secs())))
    })?;
    writeln!(io::stdout(), "{}", status.as_str_name())?;
    Ok(if status == ServingStatus::Serving { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILURE) })
}

fn target(flag: Option<&str>) -> Result<Address, String> {
    if let Some(text) = flag {
        return Address::parse(text).map_err(|message| format!("--target: {message}"));
    }
    let loaded = config::load(&Flags::default(), config::environment()).map_err(|error| error.to_string())?;
    loaded.config.listen.into_iter().next().map(reachable).ok_or_else(|| "name a server with `--target`".to_owned())
}

/// Returns an address for a listener on all addresses of this machine.
fn reachable(address: Address) -> Address {
    match address {
        Address::Tcp { host, port } => match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) if ip.is_unspecified() => Address::Tcp { host: "127.0.0.1".into(), port },
            Ok(IpAddr::V6(ip)) if ip.is_unspecified() => Address::Tcp { host: "::1".into(), port },
            Ok(_) | Err(_) => Address::Tcp { host, port },
        },
        Address::Unix(path) => Address::Unix(path),
    }
}

async fn ask(address: &Address, service: &str) -> anyhow::Result<ServingStatus> {
    let uri = match address {
        Address::Tcp { .. } => format!("http://{address}"),
        Address::Unix(_) => address.to_string(),
    };
    let endpoint = Endpoint::from_shared(uri).with_context(|| format!("`{address}` is not the address of a server"))?;
    let channel = endpoint.connect().await.map_err(|error| {
        // Every error of the chain repeats the error below it.
        let error = anyhow::Error::from(error);
        anyhow::anyhow!("cannot reach `{address}`: {}", error.root_cause())
    })?;
    let request = HealthCheckRequest { service: service.to_owned() };
    let response = HealthClient::new(channel).check(request).await;
    let response = response.map_err(|status| refused(address, &status))?;
    Ok(response.into_inner().status())
}

/// Returns the message for a status: sent by the server, or made from a connection error.
fn refused(address: &Address, status: &tonic::Status) -> anyhow::Error {
    match std::error::Error::source(status) {
        None => anyhow::anyhow!("`{address}` answered {}", status.message()),
        Some(_) => anyhow::anyhow!(
            "`{address}` does not speak gRPC, or closed the connection: use an address of `listen` or `admin`, not of `http`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_asked_on_loopback() {
        for (listen, ask) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("10.0.0.1:1", "10.0.0.1:1"),
            ("localhost:1", "localhost:1"),
            ("unix:/a", "unix:/a"),
        ] {
            assert_eq!(reachable(Address::parse(listen).unwrap()).to_string(), ask);
        }
    }
}
