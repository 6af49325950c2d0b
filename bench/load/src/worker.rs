//! One client thread: an epoll loop over its connections.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::time::Instant;

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventFlags};

use crate::Res;
use crate::args::{Args, LatencyFrom};
use crate::conn::{Conn, Shape};
use crate::socket::Socket;
use crate::tally::Tally;
use crate::template::Template;

/// The measurement has not begun.
const NOT_YET: u64 = u64::MAX;
/// How long a thread sleeps at most before it looks whether the measurement is over.
const LOOK_NS: u64 = 5_000_000;

/// What all threads share.
pub struct Shared {
    /// When the measurement began, in nanoseconds after `epoch`.
    begun_ns: AtomicU64,
    stop: AtomicBool,
    /// Threads that have reached their share of `--count`.
    pub finished: AtomicUsize,
    pub ready: Barrier,
    epoch: Instant,
}

impl Shared {
    pub fn new(threads: usize) -> Self {
        Self {
            begun_ns: AtomicU64::new(NOT_YET),
            stop: AtomicBool::new(false),
            finished: AtomicUsize::new(0),
            // The threads and the one that starts them.
            ready: Barrier::new(threads + 1),
            epoch: Instant::now(),
        }
    }

    /// Begins the measurement.
    pub fn begin(&self) {
        self.begun_ns.store(self.now_ns(), Relaxed);
    }

    /// Ends it.
    pub fn stop(&self) {
        self.stop.store(true, Relaxed);
    }

    fn now_ns(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    fn begun_ns(&self) -> Option<u64> {
        Some(self.begun_ns.load(Relaxed)).filter(|&begun| begun != NOT_YET)
    }
}

/// Requests of an open loop that have fallen due.
struct Timetable {
    begun_ns: u64,
    interval_ns: f64,
    /// Requests that have fallen due so far.
    ticks: u64,
    /// Due, and no connection had room.
    backlog: VecDeque<u64>,
}

impl Timetable {
    /// Moves due requests into the backlog; returns the time until the next one.
    fn advance(&mut self, now: u64) -> u64 {
        loop {
            let due = self.begun_ns + (self.ticks as f64 * self.interval_ns) as u64;
            if due > now {
                return due - now;
            }
            self.backlog.push_back(due);
            self.ticks += 1;
        }
    }
}

struct Worker<'a> {
    args: &'a Args,
    shared: &'a Shared,
    ep: OwnedFd,
    conns: Vec<Conn>,
    timetable: Option<Timetable>,
    /// The connection whose turn it is.
    turn: usize,
    tally: Tally,
}

/// Sends requests until the measurement is over; returns the measurements.
pub fn run(args: &Args, index: usize, template: &Arc<Template>, shared: &Shared) -> Res<Tally> {
    let connected = connect(args, index, template);
    shared.ready.wait();
    let (ep, conns) = connected?;
    let share = conns.len() as f64 / args.connections as f64;
    let timetable = args.rate.map(|rate| Timetable {
        begun_ns: shared.now_ns(),
        interval_ns: 1e9 / (rate * share),
        ticks: 0,
        backlog: VecDeque::new(),
    });
    let tally = Tally::new(args.slice_ns())?;
    let mut worker = Worker { args, shared, ep, conns, timetable, turn: 0, tally };
    worker.send_and_receive()?;
    Ok(worker.conclude())
}

fn connect(args: &Args, index: usize, template: &Arc<Template>) -> Res<(OwnedFd, Vec<Conn>)> {
    let count = (index..args.connections).step_by(args.threads).count();
    let shape = if args.stream { Shape::Stream } else { Shape::Unary };
    let ep = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut conns = Vec::with_capacity(count);
    for key in 0..count {
        let socket = Socket::connect(&args.target)?;
        let mut conn = Conn::new(socket, template.clone(), args.inflight, shape);
        conn.handshake()?; // blocking: preface out, the server's SETTINGS in
        conn.socket().set_nonblocking()?;
        epoll::add(&ep, conn.socket(), epoll::EventData::new_u64(key as u64), EventFlags::IN)?;
        conns.push(conn);
    }
    Ok((ep, conns))
}

impl Worker<'_> {
    fn send_and_receive(&mut self) -> Res<()> {
        let quota = self.args.count.map(|count| count.div_ceil(self.args.threads as u64));
        let mut quota_reported = false;
        let mut events = Vec::with_capacity(self.conns.len().max(1));
        self.fill_all()?;
        while !self.shared.stop.load(Relaxed) {
            let wait_ns = self.send_due()?.min(LOOK_NS);
            let timeout_ns = if self.args.busy_poll { 0 } else { wait_ns };
            let timeout = Timespec { tv_sec: 0, tv_nsec: timeout_ns as i64 };
            events.clear();
            match epoll::wait(&self.ep, rustix::buffer::spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return Err(e.into()),
            }
            for event in events.drain(..) {
                let flags = event.flags; // the event is a packed struct: copy the field out
                self.receive(event.data.u64(), flags)?;
            }
            if quota.is_some_and(|quota| !quota_reported && quota <= self.tally.total()) {
                quota_reported = true;
                self.shared.finished.fetch_add(1, Relaxed);
                if self.timetable.is_none() {
                    break; // this thread's share is done; others may still run
                }
            }
        }
        Ok(())
    }

    /// Closed loop: every connection gets as many requests as it may have.
    fn fill_all(&mut self) -> Res<()> {
        let now = self.shared.now_ns();
        for (key, conn) in self.conns.iter_mut().enumerate() {
            while self.timetable.is_none() && conn.has_room() {
                conn.submit(now);
            }
            conn.flush(&self.ep, key as u64)?;
        }
        Ok(())
    }

    /// Open loop: sends due requests; returns the time until the next is due.
    fn send_due(&mut self) -> Res<u64> {
        let Some(timetable) = &mut self.timetable else { return Ok(LOOK_NS) };
        let now = self.shared.now_ns();
        let wait_ns = timetable.advance(now);
        let count = self.conns.len();
        while let Some(&due) = timetable.backlog.front() {
            let next = (0..count).map(|step| (self.turn + step) % count).find(|&at| self.conns[at].has_room());
            let Some(at) = next else { break };
            let started = match self.args.latency_from {
                LatencyFrom::Due => due,
                LatencyFrom::Sent => now,
            };
            self.conns[at].submit(started);
            self.turn = at + 1;
            timetable.backlog.pop_front();
        }
        for (key, conn) in self.conns.iter_mut().enumerate() {
            conn.flush(&self.ep, key as u64)?;
        }
        Ok(wait_ns)
    }

    fn receive(&mut self, key: u64, flags: EventFlags) -> Res<()> {
        let Some(conn) = self.conns.get_mut(key as usize) else { return Ok(()) };
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            conn.read()?;
            let now = self.shared.now_ns(); // everything in one read arrived by now
            let (begun_ns, is_closed) = (self.shared.begun_ns(), self.timetable.is_none());
            let tally = &mut self.tally;
            let done = conn.process(|outcome, started| {
                let Some(begun_ns) = begun_ns else { return };
                // Closed loop counts completions in the window; open loop counts requests that
                // fell due in it.
                if is_closed || begun_ns <= started {
                    tally.record(outcome, started.saturating_sub(begun_ns), now - started.min(now));
                }
            })?;
            if is_closed && done > 0 {
                while conn.has_room() {
                    conn.submit(now);
                }
            }
        }
        conn.flush(&self.ep, key)
    }

    /// Open loop: what fell due in the window and is still unanswered counts with its age so far.
    fn conclude(mut self) -> Tally {
        let end = self.shared.now_ns();
        if let (Some(timetable), Some(begun_ns)) = (&self.timetable, self.shared.begun_ns()) {
            let backlog = timetable.backlog.iter().copied();
            let mut waiting: Vec<u64> = self.conns.iter().flat_map(Conn::outstanding).collect();
            match self.args.latency_from {
                LatencyFrom::Due => waiting.extend(backlog),
                LatencyFrom::Sent => self.tally.unsent = backlog.filter(|&due| begun_ns <= due).count() as u64,
            }
            for started in waiting.into_iter().filter(|&started| begun_ns <= started) {
                self.tally.record_unfinished(started - begun_ns, end.saturating_sub(started));
            }
        }
        self.tally.sample = self.conns.iter_mut().find_map(Conn::take_sample);
        self.tally
    }
}
