//! A log whose reader stalls, goes away or takes little, and lines that are too long.

use std::io::Read as _;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

const LIMITS: LogLimits = LogLimits { queue_lines_max: 3, line_bytes_max: 64, flush_max: Duration::from_secs(10) };

/// An output that takes a line only when the test lets it, and records the lines that it took.
struct Gate {
    open: Receiver<()>,
    taken: Sender<String>,
}

impl Write for Gate {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.open.recv().map_err(io::Error::other)?;
        self.taken.send(String::from_utf8(line.to_vec()).unwrap()).map_err(io::Error::other)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The queue to which `tell` reports dropped lines: a plain function has no state of its own.
static TOLD: Mutex<Option<Arc<Lines>>> = Mutex::new(None);

fn tell(lines: u64) {
    let told = TOLD.lock().unwrap().clone().unwrap();
    told.push(format!("{lines} dropped").as_bytes());
}

#[test]
fn b1_a_reader_that_stalls_costs_lines_and_never_waits_for_them() {
    let lines = Arc::new(Lines::new(Format::Text, LIMITS));
    *TOLD.lock().unwrap() = Some(Arc::clone(&lines));
    let ((open, gate), (taken, written)) = (channel(), channel());
    Lines::write_to(&lines, Gate { open: gate, taken }, tell).unwrap();
    lines.push(b"0");
    // The first is being written; three wait, and the rest is dropped.
    while !lines.queue().is_writing {
        thread::yield_now();
    }
    for number in 1..=8 {
        lines.push(number.to_string().as_bytes());
    }
    assert_eq!(lines.dropped(), 5);
    lines.flush(Duration::from_millis(1));
    for _ in 0..5 {
        open.send(()).unwrap();
    }
    let seen: Vec<String> = written.iter().take(5).collect();
    assert_eq!(seen, ["0", "1", "2", "3", "5 dropped"]);
    lines.flush(LIMITS.flush_max);
    lines.push(b"9");
    open.send(()).unwrap();
    assert_eq!(written.recv().unwrap(), "9");
    assert_eq!(lines.dropped(), 5);
}

#[test]
fn b1_a_reader_that_is_gone_loses_lines_and_nothing_else() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let lines = Arc::new(Lines::new(Format::Text, LIMITS));
    Lines::write_to(&lines, Closed, |_| ()).unwrap();
    for _ in 0..3 {
        lines.push(b"line");
    }
    lines.flush(LIMITS.flush_max);
    assert_eq!(lines.dropped(), 3);
}

#[test]
fn b1_a_pipe_that_does_not_wait_is_tried_again() {
    struct Stubborn(std::io::PipeWriter, u32);
    impl Write for Stubborn {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1 % 2 == 1 {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.0.write(&bytes[..1])
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (mut reader, writer) = std::io::pipe().unwrap();
    write_patiently(&mut Stubborn(writer, 0), b"abc").unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "abc");
}

#[test]
fn b1_a_long_line_is_cut_and_stays_a_line_of_its_format() {
    let long = "重".repeat(100);
    let text = Lines::new(Format::Text, LIMITS).cut(long.as_bytes());
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("重重") && text.ends_with("… (cut: 300 bytes)\n") && text.len() < 100, "{text}");
    let json = Lines::new(Format::Json, LIMITS).cut(format!("{{\"a\":\"{long}\"}}").as_bytes());
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["bytes"], 308);
    assert!(json["begin"].as_str().unwrap().starts_with("{\"a\":\"重"), "{json}");
    assert_eq!(Lines::new(Format::Json, LIMITS).cut(b"short"), b"short");
}
