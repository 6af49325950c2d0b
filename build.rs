//! Compiles the protocol files: protox reads them, tonic's generator writes the Rust.
//!
//! The server of the decision service is written apart, because its handlers take and return bytes: see `wire::raw`.

use std::path::{Path, PathBuf};

use prost::Message as _;
use tonic_build::manual;

/// Our own contract.
const FILES: [&str; 3] = ["neglist/v1/decision.proto", "neglist/v1/ledger.proto", "neglist/v1/policy.proto"];
/// What Envoy asks.
const ENVOY_FILES: [&str; 1] = ["envoy/service/auth/v3/external_auth.proto"];
/// Packages of Envoy's contract that messages are made of. The others only annotate fields.
const ENVOY_PACKAGES: [&str; 6] =
    ["envoy.service.auth.v3", "envoy.config.core.v3", "envoy.type.v3", "xds.core.v3", "google.protobuf", "google.rpc"];
const INCLUDES: [&str; 2] = ["proto", "proto/vendor"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for include in INCLUDES {
        println!("cargo::rerun-if-changed={include}");
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    own(&out)?;
    envoy(&out)
}

fn generator() -> tonic_prost_build::Builder {
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .extern_path(".google.rpc", "::tonic_types::pb")
        .codec_path("crate::wire::codec::ProtoCodec")
}

fn own(out: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let descriptors = protox::compile(FILES, INCLUDES)?;
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    // The names are what unknown fields are looked up by.
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    // It names persons: `wire::subjects` shows it without them.
    config.skip_debug(["neglist.v1.ReserveRequest"]);
    generator().codec_path("crate::wire::codec::ContractCodec").compile_fds_with_config(descriptors, config)?;
    let service = decision_service();
    manual::Builder::new().build_client(false).out_dir(out).compile(&[service]);
    Ok(())
}

/// `DecisionService` once more, with handlers that read and write messages themselves.
fn decision_service() -> manual::Service {
    let method = |name: &str, route: &str| {
        manual::Method::builder()
            .name(name)
            .route_name(route)
            .input_type(format!("crate::wire::decide::raw::Received<crate::wire::generated::v1::{route}Request>"))
            .output_type(format!("crate::wire::decide::raw::Reply<crate::wire::generated::v1::{route}Response>"))
            .codec_path("crate::wire::decide::raw::RawCodec")
    };
    manual::Service::builder()
        .name("DecisionService")
        .package("neglist.v1")
        .method(method("decide", "Decide").build())
        .method(method("decide_batch", "DecideBatch").build())
        .method(method("decide_stream", "DecideStream").client_streaming().server_streaming().build())
        .build()
}

/// Apart from our own, so that neither depends on the content of the other.
fn envoy(out: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut descriptors = protox::compile(ENVOY_FILES, INCLUDES)?;
    std::fs::write(out.join("envoy_descriptors.bin"), descriptors.encode_to_vec())?;
    descriptors.file.retain(|file| ENVOY_PACKAGES.contains(&file.package()));
    generator().include_file("envoy.rs").compile_fds(descriptors)?;
    Ok(())
}
