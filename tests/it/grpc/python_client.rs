//! `examples/python/client.py` before a server, with Python's own gRPC.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::gateways::support::tools;
use crate::support::server::{Directory, Process};

#[tokio::test(flavor = "multi_thread")]
async fn the_example_client_gets_its_expected_answers() {
    let Some(python) = tools::python() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let generated = tempfile::tempdir().unwrap();
    let mut generate = Command::new(python);
    generate.args(["-m", "grpc_tools.protoc", "-I"]).arg(root.join("proto")).arg("-I").arg(root.join("proto/vendor"));
    for out in ["--python_out=", "--grpc_python_out="] {
        generate.arg(format!("{out}{}", generated.path().display()));
    }
    let output = generate.arg("neglist/v1/decision.proto").stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let server = Process::start(&root.join("policies"));
    let mut client = Command::new(python);
    client.arg(root.join("examples/python/client.py")).arg(server.grpc()[0]).env("PYTHONPATH", generated.path());
    let output = client.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null()).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && !said.contains("FAIL"), "{said}{complained}");
    // Health twice, reflection, two of a decision, two of many, two of an error.
    assert_eq!(said.lines().filter(|line| line.starts_with("ok  ")).count(), 9, "{said}");
    server.stop().await;
}

/// Health without protocol files: an empty request, and SERVING.
const ASK: &str = r#"
import sys, grpc
with grpc.insecure_channel(sys.argv[1]) as channel:
    check = channel.unary_unary("/grpc.health.v1.Health/Check", request_serializer=bytes, response_deserializer=bytes)
    print(check(b"", timeout=20).hex())
"#;

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_path_as_authority_is_answered() {
    let Some(python) = tools::python() else { return };
    let directory = Directory::small();
    let socket = directory.beside("n.sock");
    let address = format!("unix:{}", socket.display());
    let server = Process::start_with(&directory.policies(), &[&address], &[]);
    for target in [address.clone(), format!("unix://{}", socket.display())] {
        let output = Command::new(python).args(["-c", ASK, &target]).stdin(Stdio::null()).output().unwrap();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0801", "{target}: {complained}");
    }
    server.stop().await;
}
