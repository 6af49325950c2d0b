//! Connections: their number, their set-up and the meaning of their errors.
//!
//! A connection that was left in the middle of something is never used again: it goes back to the
//! pool only after a success, and is closed otherwise, which ends its transaction.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime,
};
use tokio_postgres::NoTls;

use super::fault::Fault;
use super::migrate;
use super::seen::{Seen, read_mark, unmarked};
use super::tls::Tls;
use super::url::{Address, Channel};

/// Limits of connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) connections: usize,
    pub(super) connect: Duration,
    pub(super) statement: Duration,
    pub(super) lock: Duration,
    pub(super) idle_in_transaction: Duration,
}

/// Purpose of connections.
#[derive(Debug, Clone)]
pub(super) enum Purpose {
    /// To bring the tables to the latest version.
    Migrate,
    /// To count, in the ledger that was seen before: replacing a database breaks its connections, so a new connection
    /// checks the mark before anything else.
    Count(Arc<Seen>),
}

/// Creates the pool, without connecting yet.
pub(super) fn pool(address: &Address, bounds: Bounds, purpose: Purpose) -> Result<Pool, String> {
    let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let config = address.config.clone();
    let manager = match &address.channel {
        Channel::Plain => Manager::from_config(config, NoTls, manager_config),
        Channel::Checked(roots) => Manager::from_config(config, Tls::new(roots)?, manager_config),
    };
    let set_up = Hook::async_fn(move |client: &mut ClientWrapper, _| Box::pin(set_up(client, bounds, purpose.clone())));
    Pool::builder(manager)
        .max_size(bounds.connections)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(bounds.connect))
        .create_timeout(Some(bounds.connect))
        .post_create(set_up)
        .build()
        .map_err(|error| format!("cannot set up connections to the ledger: {error}"))
}

/// Sets the limits of a new connection and checks that its commits are durable.
///
/// An error of the database keeps its kind, so that a temporary one is not taken for a refusal.
async fn set_up(client: &ClientWrapper, bounds: Bounds, purpose: Purpose) -> Result<(), HookError> {
    let limits = format!(
        "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}",
        bounds.statement.as_millis(),
        bounds.lock.as_millis(),
        bounds.idle_in_transaction.as_millis(),
    );
    client.batch_execute(&limits).await.map_err(HookError::Backend)?;
    for setting in ["synchronous_commit", "fsync"] {
        let statement =
            client.prepare_cached("SELECT current_setting($1::TEXT, true)").await.map_err(HookError::Backend)?;
        let row = client.query_one(&statement, &[&setting]).await.map_err(HookError::Backend)?;
        let value: Option<String> = row.try_get(0).map_err(HookError::Backend)?;
        if value.as_deref() == Some("off") {
            return Err(HookError::message(format!(
                "`{setting}` is off in the database, so that acknowledged transfers could be lost: turn it on"
            )));
        }
    }
    let Purpose::Count(seen) = purpose else { return Ok(()) };
    let version = migrate::version(client).await.map_err(HookError::Backend)?;
    migrate::check(version).map_err(HookError::message)?;
    let before = seen.mark();
    let found = read_mark(client).await.map_err(HookError::Backend)?;
    let checked = found.ok_or_else(unmarked).and_then(|found| seen.check_mark(before, found));
    checked.map_err(|fault| HookError::message(fault.to_string()))
}

/// A connection that is in use.
#[derive(Debug)]
pub(super) struct Session(Option<Object>);

impl Session {
    /// Takes a connection from the pool, or makes one.
    pub(super) async fn open(pool: &Pool) -> Result<Self, Fault> {
        Ok(Self(Some(pool.get().await?)))
    }

    /// Returns the connection.
    pub(super) fn client(&self) -> Result<&ClientWrapper, Fault> {
        self.0.as_deref().ok_or_else(|| Fault::Lost("no connection".to_owned()))
    }

    /// Gives back a connection without an open transaction.
    pub(super) fn keep(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

/// A statement that is under way.
pub(super) type Call<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sends statements in their order, without waiting for one before the next is sent, and returns
/// their results in the same order: one round trip for all.
pub(super) async fn in_order<T>(mut calls: Vec<Call<'_, T>>) -> Vec<T> {
    let mut results: Vec<Option<T>> = calls.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (call, result) in calls.iter_mut().zip(&mut results) {
            if result.is_none()
                && let Poll::Ready(ready) = call.as_mut().poll(cx)
            {
                *result = Some(ready);
            }
        }
        if results.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}
