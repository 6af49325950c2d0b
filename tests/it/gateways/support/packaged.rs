//! Gateways of the system's packages, running the files of `examples/` on free ports.
//!
//! None of them takes port 0, so the tests look for a free port. If another process takes it first, the gateway ends, and
//! another is tried.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::process::Gateway;
use super::tools;
use crate::support::wait::{holds_within, until};

/// How many free ports are tried.
const ATTEMPTS: usize = 5;

/// Which gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// nginx, `auth_request`.
    Nginx,
    /// HAProxy, with Lua.
    Haproxy,
    /// Caddy, `forward_auth`.
    Caddy,
    /// Squid, `external_acl_type`.
    Squid,
}

impl Kind {
    const fn program(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
            Self::Squid => "squid",
        }
    }

    /// Which headers it sends, as the configuration of a server has them.
    pub(crate) const fn family(self) -> &'static str {
        match self {
            Self::Nginx | Self::Haproxy | Self::Squid => "x-original",
            Self::Caddy => "x-forwarded",
        }
    }

    /// The files of its example; the first is its configuration.
    const fn files(self) -> &'static [&'static str] {
        match self {
            Self::Nginx => &["nginx.conf"],
            Self::Haproxy => &["haproxy.cfg", "neglist.lua"],
            Self::Caddy => &["Caddyfile"],
            Self::Squid => &["squid.conf", "ERR_NEGLIST"],
        }
    }

    /// Its address in the example.
    const fn written_address(self) -> &'static str {
        match self {
            Self::Nginx => "127.0.0.1:10010",
            Self::Haproxy => "127.0.0.1:10020",
            Self::Squid => "127.0.0.1:10030",
            Self::Caddy => "http://:10040",
        }
    }

    /// How long it waits for an answer, as the example has it, and where it waits for `seconds`.
    fn waiting(self, seconds: f32) -> (&'static str, String) {
        let milliseconds = seconds * 1000.0;
        match self {
            Self::Nginx => ("proxy_read_timeout 2s", format!("proxy_read_timeout {milliseconds}ms")),
            Self::Haproxy => ("TIMEOUT_MS = 2000", format!("TIMEOUT_MS = {milliseconds}")),
            Self::Caddy => ("response_header_timeout 2s", format!("response_header_timeout {milliseconds}ms")),
            Self::Squid => ("squid-helper ", format!("squid-helper --timeout-ms {milliseconds} ")),
        }
    }

    fn command(self, program: &Path, directory: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(directory);
        let configuration = directory.join(self.files()[0]);
        match self {
            Self::Nginx => command.arg("-p").arg(directory).arg("-c").arg(configuration).args(["-g", "daemon off;"]),
            // With a master, so that it can be told to read its configuration again.
            Self::Haproxy => command.arg("-W").arg("-C").arg(directory).arg("-f").arg(configuration),
            Self::Caddy => command.args(["run", "--adapter", "caddyfile", "--config"]).arg(configuration),
            Self::Squid => command.arg("-N").arg("-f").arg(configuration),
        };
        command
    }
}

/// An example, and the replacements in its text.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    kind: Kind,
    replaced: Vec<(String, String)>,
}

impl Setup {
    /// Returns the example of a gateway, patient with answers: a machine that does much else is no outage.
    pub(crate) fn of(kind: Kind) -> Self {
        Self { kind, replaced: Vec::new() }.waiting(20.0)
    }

    /// Puts another text in the place of one that has to be there.
    pub(crate) fn with(mut self, old: &str, new: &str) -> Self {
        self.replaced.retain(|(known, _)| known != old);
        self.replaced.push((old.to_owned(), new.to_owned()));
        self
    }

    /// Lets it wait so long for an answer.
    pub(crate) fn waiting(self, seconds: f32) -> Self {
        let (old, new) = self.kind.waiting(seconds);
        self.with(old, &new)
    }

    /// Lets it ask a server at an address, over gRPC (Squid) or HTTP (all others).
    pub(crate) fn asking(self, address: &str) -> Self {
        match self.kind {
            Kind::Squid => self.with("127.0.0.1:50051", address),
            Kind::Nginx | Kind::Haproxy | Kind::Caddy => self.with("127.0.0.1:8080", address),
        }
    }

    /// Lets it send on what passes to a port of this machine.
    pub(crate) fn sending_to(self, port: u16) -> Self {
        self.with("127.0.0.1:18080", &format!("127.0.0.1:{port}"))
    }

    fn write(&self, directory: &Path, address: SocketAddr) {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(self.kind.program());
        let files = self.kind.files();
        let mut texts: Vec<String> =
            files.iter().map(|name| fs::read_to_string(examples.join(name)).unwrap()).collect();
        let mut replaced = self.replaced.clone();
        let listening = match self.kind {
            Kind::Caddy => format!("http://:{}", address.port()),
            Kind::Nginx | Kind::Haproxy | Kind::Squid => address.to_string(),
        };
        replaced.push((self.kind.written_address().to_owned(), listening));
        if self.kind == Kind::Squid {
            let place = directory.to_str().unwrap();
            // A test is over when the last answer is there.
            replaced.push(("shutdown_lifetime 5 seconds".to_owned(), "shutdown_lifetime 0 seconds".to_owned()));
            replaced.push(("/var/run/neglist-squid".to_owned(), place.to_owned()));
            replaced.push(("/usr/local/bin/neglist".to_owned(), format!("{place}/neglist")));
            replaced.push(("/etc/squid/neglist-errors".to_owned(), place.to_owned()));
        }
        for (old, new) in &replaced {
            assert!(texts.iter().any(|text| text.contains(old)), "the example of {:?} has no `{old}`", self.kind);
            texts = texts.iter().map(|text| text.replace(old, new)).collect();
        }
        for (name, text) in files.iter().zip(texts) {
            fs::write(directory.join(name), text).unwrap();
        }
    }

    /// Starts it; `None` where the program is not installed and need not be.
    pub(crate) async fn start(self) -> Option<Running> {
        let program = tools::packaged(self.kind.program())?;
        for _ in 0..ATTEMPTS {
            let directory = self.directory();
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = free.local_addr().unwrap();
            drop(free);
            self.write(directory.path(), address);
            let mut command = self.kind.command(&program, directory.path());
            let gateway = Gateway::start(self.kind.program(), &mut command);
            let mut running = Running { kind: self.kind, gateway, address, _directory: directory };
            if running.listens().await {
                return Some(running);
            }
            let output = running.gateway.output();
            assert!(output.contains("in use") || output.contains("bind"), "{:?} ended:\n{output}", self.kind);
        }
        panic!("no free port for {:?}", self.kind)
    }

    fn directory(&self) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        // Started by root, Squid and the workers of nginx run as another user.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        if self.kind == Kind::Squid {
            let (binary, link) = (env!("CARGO_BIN_EXE_neglist"), directory.path().join("neglist"));
            if fs::hard_link(binary, &link).is_err() {
                fs::copy(binary, &link).unwrap();
            }
        }
        directory
    }
}

/// A running gateway.
#[derive(Debug)]
pub(crate) struct Running {
    kind: Kind,
    gateway: Gateway,
    address: SocketAddr,
    _directory: TempDir,
}

impl Running {
    /// Returns where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets it read its configuration again.
    pub(crate) fn reload(&self) {
        match self.kind {
            Kind::Nginx | Kind::Squid => self.gateway.signal("HUP"),
            Kind::Haproxy => self.gateway.signal("USR2"),
            Kind::Caddy => panic!("the example has no way to reload"),
        }
    }

    /// Waits until it takes connections; says no where it has ended.
    async fn listens(&mut self) -> bool {
        let what = format!("{:?} listens or ends", self.kind);
        until(&what, || {
            if self.gateway.has_ended() {
                return Some(false);
            }
            TcpStream::connect(self.address).is_ok().then_some(true)
        })
        .await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Killed outright, nginx would leave its workers behind.
        if self.gateway.has_ended() {
            return;
        }
        self.gateway.signal("TERM");
        holds_within(2_500, || self.gateway.has_ended());
    }
}
