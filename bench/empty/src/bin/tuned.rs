//! A server with what can be had around tonic: a runtime of one thread for each core, their own sockets on one port,
//! mimalloc, and a build with fat LTO in one codegen unit.

use std::error::Error;
use std::thread;

use clap::Parser as _;
use empty::listen::{self, Args, Listener};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Res = Result<(), Box<dyn Error + Send + Sync>>;

fn main() -> Result<(), Box<dyn Error>> {
    let Args { listen: addresses, cores } = Args::parse();
    let of_threads = listen::bind(&addresses, cores.get())?;
    let threads: Vec<thread::JoinHandle<Res>> =
        of_threads.into_iter().map(|listeners| thread::spawn(move || serve(listeners))).collect();
    for thread in threads {
        thread.join().map_err(|_| "a thread panicked")?.map_err(|error| error as Box<dyn Error>)?;
    }
    Ok(())
}

fn serve(listeners: Vec<Listener>) -> Res {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(listen::serve(listeners))
}
