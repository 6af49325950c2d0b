//! Compiles the messages of the contract, so that requests are written with its own field numbers.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    println!("cargo::rerun-if-changed={root}");
    let descriptors = protox::compile(["neglist/v1/decision.proto"], [root.to_owned(), format!("{root}/vendor")])?;
    prost_build::Config::new().include_file("contract.rs").compile_fds(descriptors)?;
    Ok(())
}
