//! The first head of a connection over HTTP/1, gathered before the protocol library sees the connection.
//!
//! The library allocates two buffers of eight KiB for a connection as soon as it reads. A client that opens many connections
//! and sends each head byte by byte would fill the memory with these buffers. So the head is gathered here, in as much memory
//! as it has bytes. The library begins once the head is complete, too long for this, or ended by the client.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most bytes of a head that are gathered here. The heads of gateways have some hundreds of bytes. A longer head continues in
/// the buffers of the library, which limits it.
const BYTES_MAX: usize = 4 << 10;
/// Bytes that are read at once.
const READ_BYTES: usize = 512;

/// A connection with its first bytes read.
#[derive(Debug)]
pub(super) struct FirstHead<C> {
    connection: C,
    /// The bytes that were read.
    first: Vec<u8>,
    /// How many of them were passed on.
    passed: usize,
}

impl<C: AsyncRead + Unpin> FirstHead<C> {
    /// Returns a connection from which nothing was read.
    pub(super) const fn new(connection: C) -> Self {
        Self { connection, first: Vec::new(), passed: 0 }
    }

    /// Reads the first head. The connection below limits the time.
    ///
    /// # Errors
    /// The connection failed, or the head takes too long.
    pub(super) fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut is_whole = false;
        while self.first.len() < BYTES_MAX && !is_whole {
            let mut room = [0; READ_BYTES];
            let mut buffer = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut self.connection).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                break;
            }
            // The end of a head may begin in the two bytes before.
            let look_from = self.first.len().saturating_sub(2);
            self.first.extend_from_slice(buffer.filled());
            is_whole = self.first.get(look_from..).is_some_and(ends_a_head);
        }
        Poll::Ready(Ok(()))
    }
}

/// Says whether the bytes contain an empty line, with any line ending that a reader accepts.
fn ends_a_head(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

impl<C: AsyncRead + Unpin> AsyncRead for FirstHead<C> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let rest = this.first.get(this.passed..).unwrap_or_default();
        if rest.is_empty() {
            return Pin::new(&mut this.connection).poll_read(context, buffer);
        }
        let (now, _) = rest.split_at(rest.len().min(buffer.remaining()));
        buffer.put_slice(now);
        this.passed += now.len();
        if this.passed == this.first.len() {
            (this.first, this.passed) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for FirstHead<C> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().connection).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().connection).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in pieces, then the end.
    struct Pieces {
        bytes: Vec<u8>,
        piece: usize,
        reads: usize,
    }

    impl AsyncRead for Pieces {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let count = self.piece.min(self.bytes.len()).min(buffer.remaining());
            buffer.put_slice(&self.bytes[..count]);
            self.bytes.drain(..count);
            self.reads += 1;
            Poll::Ready(Ok(()))
        }
    }

    async fn read(pieces: Pieces) -> FirstHead<Pieces> {
        let mut head = FirstHead::new(pieces);
        std::future::poll_fn(|context| head.poll_head(context)).await.unwrap();
        head
    }

    async fn all_of(mut head: FirstHead<Pieces>, room: usize) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let mut room = vec![0; room];
            let mut buffer = ReadBuf::new(&mut room);
            std::future::poll_fn(|context| Pin::new(&mut head).poll_read(context, &mut buffer)).await.unwrap();
            if buffer.filled().is_empty() {
                return all;
            }
            all.extend_from_slice(buffer.filled());
        }
    }

    #[tokio::test]
    async fn b5_every_byte_is_passed_on_once_in_any_pieces() {
        let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(3 * BYTES_MAX));
        for text in ["GET / HTTP/1.1\r\na: b\r\n\r\nbody", "GET / HTTP/1.1\n\nGET", "GET / HT", "", &long] {
            for piece in [1, 2, 3, 511, 512, 513, 100_000] {
                for room in [1, 7, 8192] {
                    let pieces = Pieces { bytes: text.as_bytes().to_vec(), piece, reads: 0 };
                    let head = read(pieces).await;
                    assert!(head.first.len() < BYTES_MAX + READ_BYTES);
                    assert_eq!(all_of(head, room).await, text.as_bytes(), "{piece} {room}");
                }
            }
        }
    }

    #[tokio::test]
    async fn b5_a_complete_head_is_passed_on_without_a_wait() {
        for text in ["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\n\n", "GET / HTTP/1.1\n\r\n"] {
            let head = read(Pieces { bytes: text.as_bytes().to_vec(), piece: 1, reads: 0 }).await;
            assert_eq!(head.connection.reads, text.len());
        }
    }
}
