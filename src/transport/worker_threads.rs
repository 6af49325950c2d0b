//! The threads that answer requests. Each has a runtime of its own, so that one core reads, decides and answers a request
//! without cost to the others.
//!
//! Other work (policies, the writer of the ledger, the admin listener) runs on other threads.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

/// The threads that serve. They end when this value is dropped, and drop the tasks that still run on them.
pub struct Cores {
    cores: Vec<Core>,
    ended: watch::Sender<bool>,
}

/// One thread.
struct Core {
    runtime: Handle,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cores").field("count", &self.cores.len()).finish_non_exhaustive()
    }
}

impl Cores {
    /// Starts threads. `count`: `None` for as many as the machine has cores.
    ///
    /// # Errors
    /// The system starts no thread.
    pub fn start(count: Option<NonZeroUsize>) -> io::Result<Self> {
        let count = count.unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
        let (ended, _) = watch::channel(false);
        let mut started = Self { cores: Vec::with_capacity(count.get()), ended };
        for number in 0..count.get() {
            // A failure drops the threads that were started, which ends them.
            let core = started.core(number)?;
            started.cores.push(core);
        }
        Ok(started)
    }

    fn core(&self, number: usize) -> io::Result<Core> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (handle, mut ended) = (runtime.handle().clone(), self.ended.subscribe());
        let until_ended = async move {
            // A dropped sender ends the thread as well.
            let _ = ended.wait_for(|ended| *ended).await;
        };
        let thread = thread::Builder::new().name(format!("serve-{number}")).spawn(move || {
            runtime.block_on(until_ended);
            runtime.shutdown_background();
        })?;
        Ok(Core { runtime: handle, thread: Some(thread) })
    }

    /// Returns the runtimes, one for each thread. There is at least one.
    pub fn runtimes(&self) -> impl ExactSizeIterator<Item = &Handle> {
        self.cores.iter().map(|core| &core.runtime)
    }
}

impl Drop for Cores {
    /// Waits for the threads. Tasks do not block, so this takes at most as long as the longest decision.
    fn drop(&mut self) {
        self.ended.send_replace(true);
        for core in &mut self.cores {
            if let Some(thread) = core.thread.take() {
                // An error means that the thread panicked, so it has ended.
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_runtime_has_its_own_thread() {
        let cores = Cores::start(NonZeroUsize::new(3)).unwrap();
        let mut seen = Vec::new();
        for runtime in cores.runtimes() {
            let name = || async { thread::current().name().map(str::to_owned) };
            let first = runtime.spawn(name()).await.unwrap();
            assert_eq!(runtime.spawn(name()).await.unwrap(), first);
            seen.push(first.unwrap());
        }
        assert_eq!(seen, ["serve-0", "serve-1", "serve-2"]);
    }

    #[tokio::test]
    async fn running_tasks_are_dropped_with_the_threads() {
        let cores = Cores::start(NonZeroUsize::new(1)).unwrap();
        let (alive, gone) = tokio::sync::oneshot::channel::<()>();
        let endless = cores.runtimes().next().unwrap().spawn(async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        });
        drop(cores);
        assert!(gone.await.is_err());
        assert!(endless.await.unwrap_err().is_cancelled());
    }
}
