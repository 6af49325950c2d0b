//! A real Envoy that runs a configuration of `examples/`, with ports that are free.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::client::Ask;
use super::process::Gateway;
use super::tools;

/// An example, with the addresses that it names replaced.
#[derive(Debug, Clone)]
pub(crate) struct Example {
    text: String,
}

impl Example {
    /// Reads an example.
    pub(crate) fn of(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/envoy").join(name);
        Self { text: fs::read_to_string(path).unwrap() }
    }

    /// Returns the names of all examples.
    pub(crate) fn names() -> Vec<String> {
        let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/envoy")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Puts another text in the place of one that has to be there.
    #[track_caller]
    pub(crate) fn with(self, old: &str, new: &str) -> Self {
        assert!(self.text.contains(old), "the example has no `{old}`");
        Self { text: self.text.replace(old, new) }
    }

    /// Replaces the ports that Envoy listens on by free ones.
    pub(crate) fn on_free_ports(self) -> Self {
        let mut text = self.text;
        for port in ["10000", "10001", "10002", "9901"] {
            text = text.replace(&format!("port_value: {port} "), "port_value: 0 ");
        }
        Self { text }
    }

    /// Gives answers more time than the examples do: a machine that does much else is no outage.
    pub(crate) fn patient(self) -> Self {
        self.with("timeout: 0.5s", "timeout: 20s")
    }

    /// Lets it ask a server at an address as servers write them: `127.0.0.1:50051`, `unix:/path`.
    #[track_caller]
    pub(crate) fn asking(self, address: &str) -> Self {
        const WRITTEN: &str = "socket_address: { address: 127.0.0.1, port_value: 50051 }";
        let place = if let Some(path) = address.strip_prefix("unix:") {
            format!("pipe: {{ path: {path} }}")
        } else {
            let (host, port) = address.rsplit_once(':').unwrap();
            format!("socket_address: {{ address: {host}, port_value: {port} }}")
        };
        self.with(WRITTEN, &place)
    }

    /// Lets it send on what passes to a port of this machine.
    #[track_caller]
    pub(crate) fn sending_to(self, port: u16) -> Self {
        self.with("port_value: 18080 ", &format!("port_value: {port} "))
    }
}

/// A running Envoy.
#[derive(Debug)]
pub(crate) struct Envoy {
    gateway: Gateway,
    admin: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Envoy {
    /// Starts it; `None` where there is no Envoy and need not be.
    pub(crate) async fn start(example: Example) -> Option<Self> {
        let binary = tools::envoy()?;
        let directory = tempfile::tempdir().unwrap();
        let written = write(directory.path(), &example);
        let admin_path = directory.path().join("admin");
        let mut command = Command::new(binary);
        // Without --disable-hot-restart it would share memory with others of its base id.
        command.args(["--concurrency", "1", "--disable-hot-restart", "-l", "warning", "--admin-address-path"]);
        command.arg(&admin_path).arg("-c").arg(written);
        // By default a line of the access log is in its file after ten seconds.
        command.args(["--file-flush-interval-msec", "20"]);
        let mut gateway = Gateway::start("Envoy", &mut command);
        let open = |admin: &SocketAddr| TcpStream::connect(admin).is_ok();
        let admin = gateway.wrote(&admin_path, |text| text.trim().parse().ok().filter(open)).await;
        let envoy = Self { gateway, admin, _directory: directory };
        crate::support::wait::until("Envoy is ready", || (envoy.admin("/ready").trim() == "LIVE").then_some(())).await;
        Some(envoy)
    }

    /// Checks a configuration; `None` where there is no Envoy and need not be.
    pub(crate) fn validate(example: &Example) -> Option<Result<(), String>> {
        let binary = tools::envoy()?;
        let directory = tempfile::tempdir().unwrap();
        let written = write(directory.path(), example);
        let output = Command::new(binary).args(["--mode", "validate", "-l", "warning", "-c"]).arg(written).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Some(if output.status.success() { Ok(()) } else { Err(said) })
    }

    /// Returns the address of a listener.
    pub(crate) fn address(&self, listener: &str) -> SocketAddr {
        let listeners: serde_json::Value = serde_json::from_str(&self.admin("/listeners?format=json")).unwrap();
        let statuses = listeners["listener_statuses"].as_array().unwrap();
        let found = statuses.iter().find(|status| status["name"] == listener);
        let socket = &found.unwrap_or_else(|| panic!("no {listener}: {listeners}"))["local_address"]["socket_address"];
        format!("{}:{}", socket["address"].as_str().unwrap(), socket["port_value"]).parse().unwrap()
    }

    /// Returns a number that it counts, such as `http.reverse.ext_authz.denied`; 0 where it has not begun to.
    pub(crate) fn counted(&self, name: &str) -> u64 {
        let text = self.admin(&format!("/stats?filter=^{}$", name.replace('.', "\\.")));
        text.trim().rsplit_once(": ").map_or(0, |(_, number)| number.parse().unwrap())
    }

    /// Waits until the access log has a line for which something holds, and returns it as JSON.
    pub(crate) async fn logged(&self, holds: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let lines = |output: &str| {
            let lines = output.lines().filter_map(|line| serde_json::from_str(line).ok());
            lines.into_iter().find(|line| holds(line))
        };
        self.gateway.said("a line of its access log", lines).await
    }

    fn admin(&self, path: &str) -> String {
        Ask::new(&format!("GET {path}"), "admin").send(self.admin).text()
    }
}

fn write(directory: &Path, Example { text }: &Example) -> PathBuf {
    let path = directory.join("envoy.yaml");
    fs::write(&path, text).unwrap();
    path
}
