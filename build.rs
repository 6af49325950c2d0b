//! Compiles the protocol files: protox reads them, tonic's generator writes the Rust.

use std::path::PathBuf;

use prost::Message as _;

const FILES: [&str; 3] = ["neglist/v1/decision.proto", "neglist/v1/ledger.proto", "neglist/v1/policy.proto"];
const INCLUDES: [&str; 2] = ["proto", "proto/vendor"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for include in INCLUDES {
        println!("cargo::rerun-if-changed={include}");
    }
    let descriptors = protox::compile(FILES, INCLUDES)?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .extern_path(".google.rpc", "::tonic_types::pb")
        .codec_path("crate::wire::codec::ProtoCodec")
        .compile_fds(descriptors)?;
    Ok(())
}
