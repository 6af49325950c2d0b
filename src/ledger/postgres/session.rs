//! Connections: how many, how they are set up, and what their errors mean.
//!
//! A connection that was left in the middle of something is never used again: it goes back to the
//! pool only after a success, and is closed otherwise, which ends its transaction.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use tokio_postgres::NoTls;
use tokio_postgres::error::{DbError, Severity};

use super::migrate;
use super::seen::{Look, Seen, unmarked};
use super::tls::Tls;
use super::url::{Address, Channel};

/// Why a transaction did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Another one was in the way: repeat it.
    Again(String),
    /// The connection is of no use any more: repeat it with another.
    Lost(String),
    /// Repeating does not help.
    Stop(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Again(why) | Fault::Lost(why) | Fault::Stop(why) => f.write_str(why),
        }
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(answer) = error.as_db_error() {
            return fault_of(answer);
        }
        let source = std::error::Error::source(&error);
        let why = source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
        if error.is_closed() || source.is_none_or(<dyn std::error::Error>::is::<std::io::Error>) {
            Fault::Lost(why)
        } else {
            Fault::Stop(why)
        }
    }
}

/// Source: `PostgreSQL`, appendix A, error codes.
fn fault_of(error: &DbError) -> Fault {
    let code = error.code().code();
    // Details and hints can quote rows, so they stay out.
    let why = format!("{} ({code})", error.message());
    let is_of = |classes: &[&str]| classes.iter().any(|class| code.starts_with(class));
    match code {
        // Lock not available in time, statement out of time, the same transfer id at the same time.
        "55P03" | "57014" | "23505" => Fault::Again(why),
        // It is not known whether the statement took effect (40003), this is a replica (25006), the
        // transaction is not what it should be, or a prepared statement has gone stale.
        "40003" | "25006" | "25P02" | "25P03" | "0A000" | "26000" => Fault::Lost(why),
        // Serialization failure and deadlock.
        _ if is_of(&["40"]) => Fault::Again(why),
        // The user or the database does not exist or may not be used.
        _ if is_of(&["28", "3D"]) => Fault::Stop(why),
        // Connection, resources, operator intervention.
        _ if is_of(&["08", "53", "57"]) || is_fatal(error) => Fault::Lost(why),
        _ => Fault::Stop(why),
    }
}

fn is_fatal(error: &DbError) -> bool {
    matches!(error.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
}

/// Says whether the server answered that the statement, and with it the transaction, failed.
pub(super) fn is_definite(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|answer| !is_fatal(answer) && answer.code().code() != "40003")
}

/// Says whether the server answered that COMMIT did nothing: the transaction could not be put in an
/// order with others, broke a constraint, or was lost already. A distributed database answers with
/// other errors also where it does not know itself what became of it.
pub(super) fn is_definite_at_commit(error: &tokio_postgres::Error) -> bool {
    let is_refusal = |answer: &DbError| ["40", "23", "25"].iter().any(|class| answer.code().code().starts_with(class));
    is_definite(error) && error.as_db_error().is_some_and(is_refusal)
}

impl From<PoolError> for Fault {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => error.into(),
            PoolError::PostCreateHook(HookError::Message(why)) => Fault::Stop(why.into_owned()),
            PoolError::Timeout(_) => Fault::Lost("no connection to the database in time".to_owned()),
            PoolError::Closed | PoolError::NoRuntimeSpecified => Fault::Stop(error.to_string()),
        }
    }
}

/// What connections are held to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) connections: usize,
    pub(super) connect: Duration,
    pub(super) statement: Duration,
    pub(super) lock: Duration,
    pub(super) idle_in_transaction: Duration,
}

/// What connections are for.
#[derive(Debug, Clone)]
pub(super) enum Purpose {
    /// To bring the tables to the latest version.
    Migrate,
    /// To count, in the ledger that was seen before: whatever takes the place of a database breaks its connections, so
    /// that it is looked at before it is asked anything.
    Count(Arc<Seen>),
}

/// Makes the pool. Connects to nothing yet.
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

/// Sets the limits of a new connection and checks that what it commits is durable.
///
/// An error of the database stays what it is, so that one that goes by is not taken for a refusal.
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
    let look = Look::take(client).await.map_err(HookError::Backend)?;
    let looked = look.ok_or_else(unmarked).and_then(|look| seen.looked(before, look));
    looked.map_err(|fault| HookError::message(fault.to_string()))
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

    /// Gives the connection back: it is in the middle of nothing.
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
