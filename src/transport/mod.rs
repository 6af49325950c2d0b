//! Connections and calls: their limits in number, size and time, and the way from bytes to calls.
//!
//! Nothing here knows a rule of the lists. Requests of `Decide` take the fast path ([`fast_path`]); all others are handed to
//! the generated services and to the HTTP doors.

pub mod accept;
mod activity;
pub mod admission;
mod body_guard;
pub mod budget;
mod call_head;
pub mod connection;
pub mod connections;
pub mod fast_path;
mod first_head;
mod framing;
mod gather;
mod graceful;
pub mod health;
pub mod http1;
pub mod http2;
mod inbound;
mod inline_executor;
pub mod listen;
pub mod message_size;
pub mod open_files;
mod pool;
mod request_body;
mod response_body;
mod rounds;
mod slow_client;
mod strict;
mod turn;
pub mod worker_threads;
pub mod wrong_protocol;
