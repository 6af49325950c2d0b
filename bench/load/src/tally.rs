//! Counts of answers and their latencies: of the whole measurement, and of slices of it.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::Res;
use crate::conn::Done;

/// Two minutes: longer times count as two minutes.
const LONGEST_NS: u64 = 120_000_000_000;

/// What one thread, or all of them, have measured.
pub struct Tally {
    answered: Histogram<u64>,
    failed: Histogram<u64>,
    /// Answered, failed, and unfinished with the age so far.
    all: Histogram<u64>,
    pub ok: u64,
    pub errors: BTreeMap<String, u64>,
    pub first_error: Option<String>,
    /// Sent, or due, and not answered at the end.
    pub unfinished: u64,
    /// Due, and never sent, because no connection had room.
    pub unsent: u64,
    pub sample: Option<Vec<u8>>,
    timeline: Timeline,
}

impl Tally {
    /// Returns an empty tally, with slices of this many nanoseconds if they are wanted.
    pub fn new(slice_ns: Option<u64>) -> Res<Self> {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_NS, 3);
        Ok(Self {
            answered: histogram()?,
            failed: histogram()?,
            all: histogram()?,
            ok: 0,
            errors: BTreeMap::new(),
            first_error: None,
            unfinished: 0,
            unsent: 0,
            sample: None,
            timeline: Timeline { slice_ns, slices: Vec::new() },
        })
    }

    /// Counts an answer; `at_ns`: when its latency began, from the beginning of the measurement.
    #[inline]
    pub fn record(&mut self, done: Done, at_ns: u64, latency_ns: u64) {
        let latency_ns = latency_ns.max(1);
        self.all.saturating_record(latency_ns);
        let slice = self.timeline.slice(at_ns);
        match done {
            Done::Ok => {
                self.ok += 1;
                self.answered.saturating_record(latency_ns);
                if let Some(slice) = slice {
                    slice.ok += 1;
                    slice.latency.saturating_record(latency_ns);
                }
            }
            Done::Err(what, message) => {
                self.failed.saturating_record(latency_ns);
                self.first_error.get_or_insert_with(|| format!("{what}: {message}"));
                *self.errors.entry(what).or_default() += 1;
                if let Some(slice) = slice {
                    slice.errors += 1;
                }
            }
        }
    }

    /// Counts a request that has no answer.
    pub fn record_unfinished(&mut self, at_ns: u64, age_ns: u64) {
        self.unfinished += 1;
        self.all.saturating_record(age_ns.max(1));
        if let Some(slice) = self.timeline.slice(at_ns) {
            slice.unfinished += 1;
        }
    }

    /// Returns the number of answers.
    pub fn total(&self) -> u64 {
        self.ok + self.errors.values().sum::<u64>()
    }

    pub fn merge(&mut self, other: Self) -> Res<()> {
        self.answered.add(other.answered)?;
        self.failed.add(other.failed)?;
        self.all.add(other.all)?;
        self.ok += other.ok;
        self.unfinished += other.unfinished;
        self.unsent += other.unsent;
        for (what, count) in other.errors {
            *self.errors.entry(what).or_default() += count;
        }
        self.first_error = self.first_error.take().or(other.first_error);
        self.sample = self.sample.take().or(other.sample);
        self.timeline.merge(other.timeline)
    }

    /// Latencies of all requests.
    pub fn all_us(&self) -> Value {
        percentiles(&self.all)
    }

    /// Latencies of correctly answered requests.
    pub fn answered_us(&self) -> Value {
        percentiles(&self.answered)
    }

    /// Latencies of refused or wrongly answered requests.
    pub fn failed_us(&self) -> Value {
        percentiles(&self.failed)
    }

    /// The slices, or null where none were wanted.
    pub fn timeline(&self) -> Value {
        self.timeline.report()
    }
}

fn microseconds(ns: u64) -> f64 {
    (ns as f64 / 10.0).round() / 100.0
}

fn percentiles(histogram: &Histogram<u64>) -> Value {
    if histogram.is_empty() {
        return Value::Null;
    }
    let at = |quantile| microseconds(histogram.value_at_quantile(quantile));
    json!({
        "p50": at(0.50),
        "p90": at(0.90),
        "p99": at(0.99),
        "p999": at(0.999),
        "max": microseconds(histogram.max()),
        "mean": microseconds(histogram.mean() as u64),
    })
}

/// Latencies by the time at which they began.
struct Timeline {
    slice_ns: Option<u64>,
    slices: Vec<Slice>,
}

struct Slice {
    ok: u64,
    errors: u64,
    unfinished: u64,
    /// Of correctly answered requests.
    latency: Histogram<u32>,
}

impl Slice {
    fn new() -> Option<Self> {
        // From a microsecond on, two digits: 14 KiB a slice.
        let latency = Histogram::new_with_bounds(1_000, LONGEST_NS, 2).ok()?;
        Some(Self { ok: 0, errors: 0, unfinished: 0, latency })
    }
}

impl Timeline {
    /// Returns the slice of a moment, where slices are wanted.
    #[inline]
    fn slice(&mut self, at_ns: u64) -> Option<&mut Slice> {
        let index = usize::try_from(at_ns / self.slice_ns?).ok()?;
        while self.slices.len() <= index {
            self.slices.push(Slice::new()?);
        }
        self.slices.get_mut(index)
    }

    fn merge(&mut self, other: Self) -> Res<()> {
        let Some(slice_ns) = self.slice_ns else { return Ok(()) };
        for (index, theirs) in other.slices.into_iter().enumerate() {
            let ours = self.slice(index as u64 * slice_ns).ok_or("no slice")?;
            ours.ok += theirs.ok;
            ours.errors += theirs.errors;
            ours.unfinished += theirs.unfinished;
            ours.latency.add(theirs.latency)?;
        }
        Ok(())
    }

    fn report(&self) -> Value {
        let Some(slice_ns) = self.slice_ns else { return Value::Null };
        let report = |(index, slice): (usize, &Slice)| {
            let at = |quantile| microseconds(slice.latency.value_at_quantile(quantile));
            json!({
                "at_ms": index as u64 * slice_ns / 1_000_000,
                "ok": slice.ok,
                "errors": slice.errors,
                "unfinished": slice.unfinished,
                "p50": at(0.50),
                "p99": at(0.99),
                "p999": at(0.999),
                "max": microseconds(slice.latency.max()),
            })
        };
        self.slices.iter().enumerate().map(report).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_by_when_a_request_began() {
        let mut tally = Tally::new(Some(1_000_000)).unwrap();
        tally.record(Done::Ok, 0, 5_000);
        tally.record(Done::Err("8".into(), "full".into()), 2_500_000, 7_000);
        tally.record_unfinished(2_999_999, 9_000);
        let mut other = Tally::new(Some(1_000_000)).unwrap();
        other.record(Done::Ok, 2_000_000, 5_000);
        tally.merge(other).unwrap();
        let timeline = tally.timeline();
        let counts = |slice: usize| ["ok", "errors", "unfinished"].map(|key| timeline[slice][key].as_u64().unwrap());
        assert_eq!([counts(0), counts(1), counts(2)], [[1, 0, 0], [0, 0, 0], [1, 1, 1]]);
        assert_eq!((tally.total(), tally.ok, tally.errors["8"], tally.unfinished), (3, 2, 1, 1));
        assert_eq!(tally.first_error.as_deref(), Some("8: full"));
        assert!(tally.failed_us()["p50"].as_f64().unwrap() > tally.answered_us()["p50"].as_f64().unwrap());
    }

    #[test]
    fn without_slices_there_is_no_timeline() {
        let mut tally = Tally::new(None).unwrap();
        tally.record(Done::Ok, 1 << 60, 5_000);
        assert!(tally.timeline().is_null());
        assert!(tally.failed_us().is_null());
    }
}
