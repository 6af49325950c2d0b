//! Messages of a process besides its log: the addresses of its listeners, and the reason why it does not start.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::AsFd as _;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// A standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Answers of a command.
    Out,
    /// Errors of a command.
    Err,
}

/// Writes a text to a stream. If the reader does not take it in time, the wait ends, and the text goes on being written as long
/// as the process lives.
///
/// # Errors
/// [`ErrorKind::TimedOut`] after the time-out; otherwise the error of the operating system, such as a closed stream.
pub fn say(stream: Stream, text: Vec<u8>, time_max: Duration) -> io::Result<()> {
    let handle = match stream {
        Stream::Out => io::stdout().as_fd().try_clone_to_owned()?,
        Stream::Err => io::stderr().as_fd().try_clone_to_owned()?,
    };
    write_within(File::from(handle), text, time_max)
}

fn write_within(mut output: File, text: Vec<u8>, time_max: Duration) -> io::Result<()> {
    let (done, written) = sync_channel(1);
    // The waiting thread may have timed out.
    let writing = move || drop(done.send(output.write_all(&text)));
    thread::Builder::new().name("say".to_owned()).spawn(writing)?;
    match written.recv_timeout(time_max) {
        Ok(written) => written,
        Err(RecvTimeoutError::Timeout) => Err(ErrorKind::TimedOut.into()),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the thread that writes ended")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn b1_a_pipe_that_is_full_is_waited_for_a_while_and_gets_the_text_all_the_same() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let text = vec![b'x'; 1 << 20];
        let written = write_within(File::from(OwnedFd::from(writer)), text.clone(), Duration::from_millis(10));
        assert_eq!(written.unwrap_err().kind(), ErrorKind::TimedOut);
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read, text);
    }

    #[test]
    fn b1_text_to_an_open_output_is_written_whole_and_a_closed_one_is_an_error() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        write_within(File::from(OwnedFd::from(writer)), b"text".to_vec(), Duration::from_secs(10)).unwrap();
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "text");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let written = write_within(File::from(OwnedFd::from(writer)), b"text".to_vec(), Duration::from_secs(10));
        assert_eq!(written.unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}
