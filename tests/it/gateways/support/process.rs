//! A gateway in its own process, which is ended by its id when the test is over.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::support::wait::until;

/// A process, and all that it has written.
#[derive(Debug)]
pub(crate) struct Gateway {
    name: &'static str,
    child: Child,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Gateway {
    /// Starts a program with an environment of nothing but a path.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Self {
        let command = command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let output = Arc::new(Mutex::new(String::new()));
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let readers = vec![read_into(stdout, &output), read_into(stderr, &output)];
        Self { name, child, output, readers }
    }

    /// Returns its output so far, on stdout and stderr.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Sends it a signal: `TERM`, `HUP`, `USR2`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &id]).status();
        assert!(sent.unwrap().success(), "cannot send SIG{name} to {}", self.name);
    }

    /// Says whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until a file contains a value of the wanted type, such as a port.
    pub(crate) async fn wrote<T>(&mut self, path: &Path, read: impl Fn(&str) -> Option<T>) -> T {
        let what = format!("{} writes {}", self.name, path.display());
        until(&what, || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{} ended with {ended:?}:\n{}", self.name, self.output());
            read(&std::fs::read_to_string(path).ok()?)
        })
        .await
    }

    /// Waits until its output contains a value of the wanted type.
    pub(crate) async fn said<T>(&self, what: &str, read: impl Fn(&str) -> Option<T>) -> T {
        until(&format!("{} says {what}", self.name), || read(&self.output())).await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.name, self.output());
        }
    }
}

fn read_into(mut pipe: impl std::io::Read + Send + 'static, output: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            output.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    })
}
