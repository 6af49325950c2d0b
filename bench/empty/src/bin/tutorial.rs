//! A server as tonic's tutorial has it: the multi-threaded runtime, the system's allocator, the usual release build.

use std::error::Error;

use clap::Parser as _;
use empty::listen::{self, Args};

fn main() -> Result<(), Box<dyn Error>> {
    let Args { listen: addresses, cores } = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(cores.get()).enable_all().build()?;
    runtime.block_on(async {
        for listeners in listen::bind(&addresses, 1)? {
            listen::serve(listeners).await.map_err(|error| error as Box<dyn Error>)?;
        }
        Ok(())
    })
}
