//! One HTTP/2 client connection, with no more than a gRPC load generator needs.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use loona_hpack::Decoder;
use rustix::event::epoll;

use crate::Res;
use crate::http2::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame_len, u32_at, unpad, write_frame,
};
use crate::message::Assembly;
use crate::socket::Socket;
use crate::template::{Request, Template};

/// Receive windows: large, so that the client never throttles the server.
const STREAM_WINDOW: u32 = 1 << 24;
const CONN_WINDOW: u32 = 1 << 30;

/// How a request ended.
pub enum Done {
    Ok,
    /// The grpc-status (or what else went wrong) and a message.
    Err(String, String),
}

/// Whether requests are calls of their own or messages of one stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Unary,
    Stream,
}

/// What one header block says.
#[derive(Clone, Default)]
struct Head {
    http: Option<u16>,
    grpc: Option<u16>,
    message: String,
}

/// The progress of an answer's message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// There was none yet.
    Open,
    Right,
    Wrong,
}

/// A request that waits for its answer.
struct Slot {
    started: u64,
    payload: usize,
    open: bool,
    verdict: Verdict,
    status: Option<u16>,
    message: String,
    body: Assembly,
}

pub struct Conn {
    socket: Socket,
    template: Arc<Template>,
    shape: Shape,
    inflight_limit: usize,

    rbuf: Vec<u8>,
    rlen: usize,
    wbuf: Vec<u8>,
    wpos: usize,
    wants_out: bool,

    /// The first request, which fills the server's header table; then the set that refers to it.
    opening: Option<Request>,
    requests: Vec<Request>,
    turn: usize,
    next_id: u32,
    first_id: u32,
    slots: VecDeque<Slot>,
    inflight: usize,

    send_window: i64,
    stream_send_window: i64,
    peer_initial_window: i64,
    received: u32,
    stream_received: u32,

    hpack: Decoder<'static>,
    /// Header blocks made of one-octet references only, decoded since the table last changed.
    known: Vec<(u64, Head)>,
    partial: Option<(u32, u8, Vec<u8>)>,

    /// The answer of a stream that is arriving.
    body: Assembly,
    sample: Option<Vec<u8>>,
}

impl Conn {
    pub fn new(socket: Socket, template: Arc<Template>, inflight: usize, shape: Shape) -> Self {
        Self {
            socket,
            template,
            shape,
            inflight_limit: inflight,
            rbuf: vec![0; 256 * 1024],
            rlen: 0,
            wbuf: Vec::with_capacity(64 * 1024),
            wpos: 0,
            wants_out: false,
            opening: None,
            requests: Vec::new(),
            turn: 0,
            next_id: 1,
            first_id: 1,
            slots: VecDeque::new(),
            inflight: 0,
            send_window: 65535,
            stream_send_window: 65535,
            peer_initial_window: 65535,
            received: 0,
            stream_received: 0,
            hpack: Decoder::new(),
            known: Vec::new(),
            partial: None,
            body: Assembly::default(),
            sample: None,
        }
    }

    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Sends the preface, waits for the server's SETTINGS, and prepares the request bytes.
    pub fn handshake(&mut self) -> Res<()> {
        self.wbuf.extend(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut settings = Vec::new();
        for (id, value) in [(2u16, 0u32), (4, STREAM_WINDOW)] {
            settings.extend(id.to_be_bytes());
            settings.extend(value.to_be_bytes());
        }
        write_frame(&mut self.wbuf, SETTINGS, 0, 0, &settings);
        write_frame(&mut self.wbuf, WINDOW_UPDATE, 0, 0, &(CONN_WINDOW - 65535).to_be_bytes());
        while self.wpos < self.wbuf.len() {
            self.wpos += self.socket.write(&self.wbuf[self.wpos..])?;
        }
        self.wbuf.clear();
        self.wpos = 0;

        while self.rlen < 9 || self.rlen < 9 + frame_len(&self.rbuf) {
            let got = self.socket.read(&mut self.rbuf[self.rlen..])?;
            if got == 0 {
                return Err("the server closed the connection at the handshake".into());
            }
            self.rlen += got;
        }
        if self.rbuf[3] != SETTINGS {
            return Err("the server's first frame is not SETTINGS".into());
        }
        let mut table = 4096;
        for entry in self.rbuf[9..9 + frame_len(&self.rbuf)].chunks_exact(6) {
            if entry[..2] == [0, 1] {
                table = u32_at(entry, 2) as usize;
            }
        }
        self.process(|_, _| {})?;
        self.prepare(table)
    }

    /// Prepares the request bytes for a server with a dynamic table of this many octets.
    fn prepare(&mut self, table: usize) -> Res<()> {
        let template = self.template.clone();
        let indexing = template.fits(table);
        let first = template.block(true, indexing);
        if template.longest() as i64 > self.peer_initial_window.min(65535) {
            return Err("a payload larger than the server's initial window is not supported".into());
        }
        match self.shape {
            Shape::Stream => {
                write_frame(&mut self.wbuf, HEADERS, END_HEADERS, 1, &first);
                self.stream_send_window = self.peer_initial_window;
                self.requests = template.requests(None);
            }
            Shape::Unary => {
                let later = template.block(false, indexing);
                self.opening = template.requests(Some(&first)).into_iter().next();
                self.requests = template.requests(Some(&later));
            }
        }
        Ok(())
    }

    #[inline]
    pub fn has_room(&self) -> bool {
        let need = self.requests[self.turn].flow;
        self.inflight < self.inflight_limit
            && self.send_window >= need
            && (self.shape == Shape::Unary || self.stream_send_window >= need)
    }

    /// Queues one request. `started` is the time its latency counts from.
    #[inline]
    pub fn submit(&mut self, started: u64) {
        let opening = self.opening.take();
        let request = opening.as_ref().unwrap_or(&self.requests[self.turn]);
        let at = self.wbuf.len();
        self.wbuf.extend_from_slice(&request.bytes);
        let id = if self.shape == Shape::Stream { 1 } else { self.next_id };
        for &offset in &request.ids {
            self.wbuf[at + offset..at + offset + 4].copy_from_slice(&id.to_be_bytes());
        }
        self.send_window -= request.flow;
        match self.shape {
            Shape::Stream => self.stream_send_window -= request.flow,
            Shape::Unary => self.next_id += 2,
        }
        self.slots.push_back(Slot {
            started,
            payload: self.turn,
            open: true,
            verdict: Verdict::Open,
            status: None,
            message: String::new(),
            body: Assembly::default(),
        });
        self.turn = if self.turn + 1 == self.requests.len() { 0 } else { self.turn + 1 };
        self.inflight += 1;
    }

    pub fn flush(&mut self, ep: &OwnedFd, key: u64) -> Res<()> {
        while self.wpos < self.wbuf.len() {
            match self.socket.write(&self.wbuf[self.wpos..]) {
                Ok(n) => self.wpos += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        let pending = self.wpos < self.wbuf.len();
        if !pending {
            self.wbuf.clear();
            self.wpos = 0;
        }
        if pending != self.wants_out {
            self.wants_out = pending;
            let out = if pending { epoll::EventFlags::OUT } else { epoll::EventFlags::empty() };
            epoll::modify(ep, &self.socket, epoll::EventData::new_u64(key), epoll::EventFlags::IN | out)?;
        }
        Ok(())
    }

    /// One read; level-triggered epoll calls again if there is more.
    pub fn read(&mut self) -> Res<()> {
        if self.rlen == self.rbuf.len() {
            self.rbuf.resize(self.rbuf.len() * 2, 0);
        }
        match self.socket.read(&mut self.rbuf[self.rlen..]) {
            Ok(0) => Err("the server closed the connection".into()),
            Ok(n) => {
                self.rlen += n;
                Ok(())
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Handles every whole frame received; reports each finished request. Returns how many.
    pub fn process(&mut self, mut done: impl FnMut(Done, u64)) -> Res<usize> {
        let buf = std::mem::take(&mut self.rbuf);
        let mut at = 0;
        let mut count = 0;
        let result = loop {
            let rest = &buf[at..self.rlen];
            if rest.len() < 9 {
                break Ok(());
            }
            let len = frame_len(rest);
            if rest.len() < 9 + len {
                break Ok(());
            }
            let frame = self.frame(&rest[..9], &rest[9..9 + len], &mut |outcome, started| {
                count += 1;
                done(outcome, started);
            });
            if let Err(e) = frame {
                break Err(e);
            }
            at += 9 + len;
        };
        self.rbuf = buf;
        if at > 0 {
            self.rbuf.copy_within(at..self.rlen, 0);
            self.rlen -= at;
        }
        result.map(|()| count)
    }

    #[inline]
    fn frame(&mut self, head: &[u8], body: &[u8], done: &mut dyn FnMut(Done, u64)) -> Res<()> {
        let (kind, flags, stream) = (head[3], head[4], u32_at(head, 5) & 0x7fff_ffff);
        match kind {
            DATA => self.data(stream, flags, body, done)?,
            HEADERS => {
                let mut block = unpad(flags, body)?;
                if flags & PRIORITY != 0 {
                    block = block.get(5..).ok_or("short HEADERS frame")?;
                }
                if flags & END_HEADERS != 0 {
                    self.headers(stream, flags, block, done)?;
                } else {
                    self.partial = Some((stream, flags, block.to_vec()));
                }
            }
            CONTINUATION => {
                let (stream, first, mut block) = self.partial.take().ok_or("stray CONTINUATION")?;
                block.extend(body);
                if flags & END_HEADERS != 0 {
                    self.headers(stream, first, &block, done)?;
                } else {
                    self.partial = Some((stream, first, block));
                }
            }
            SETTINGS if flags & ACK == 0 => self.settings(body),
            PING if flags & ACK == 0 => write_frame(&mut self.wbuf, PING, ACK, 0, body),
            WINDOW_UPDATE if body.len() == 4 => {
                let more = i64::from(u32_at(body, 0) & 0x7fff_ffff);
                if stream == 0 {
                    self.send_window += more;
                } else if self.shape == Shape::Stream && stream == 1 {
                    self.stream_send_window += more;
                }
            }
            RST_STREAM if body.len() == 4 => {
                let code = u32_at(body, 0);
                self.end(stream, &format!("rst-{code}"), done);
            }
            GOAWAY => {
                let code = if body.len() >= 8 { u32_at(body, 4) } else { 0 };
                return Err(format!("the server sent GOAWAY (code {code})").into());
            }
            _ => {}
        }
        Ok(())
    }

    fn settings(&mut self, body: &[u8]) {
        for entry in body.chunks_exact(6) {
            let value = u32_at(entry, 2);
            match u16::from_be_bytes([entry[0], entry[1]]) {
                3 if self.shape == Shape::Unary => {
                    self.inflight_limit = self.inflight_limit.min(value.max(1) as usize);
                }
                4 => {
                    self.stream_send_window += i64::from(value) - self.peer_initial_window;
                    self.peer_initial_window = i64::from(value);
                }
                _ => {}
            }
        }
        write_frame(&mut self.wbuf, SETTINGS, ACK, 0, &[]);
    }

    #[inline]
    fn data(&mut self, stream: u32, flags: u8, body: &[u8], done: &mut dyn FnMut(Done, u64)) -> Res<()> {
        self.received += body.len() as u32;
        if self.received >= CONN_WINDOW / 2 {
            write_frame(&mut self.wbuf, WINDOW_UPDATE, 0, 0, &self.received.to_be_bytes());
            self.received = 0;
        }
        let content = unpad(flags, body)?;
        match self.shape {
            Shape::Stream => {
                self.stream_received += body.len() as u32;
                if self.stream_received >= STREAM_WINDOW / 2 {
                    write_frame(&mut self.wbuf, WINDOW_UPDATE, 0, stream, &self.stream_received.to_be_bytes());
                    self.stream_received = 0;
                }
                self.answers_of_stream(content, done);
            }
            Shape::Unary => self.answer_of_call(stream, content),
        }
        if flags & END_STREAM != 0 {
            self.end(stream, "no-trailers", done);
        }
        Ok(())
    }

    /// Unary mode: a part of the answer to one request.
    fn answer_of_call(&mut self, stream: u32, content: &[u8]) {
        let Some(slot) = slot(&mut self.slots, self.first_id, stream) else { return };
        let wanted = self.sample.is_none() || self.template.expects(slot.payload);
        if !wanted || content.is_empty() {
            return;
        }
        let (template, sample, verdict, payload) = (&self.template, &mut self.sample, &mut slot.verdict, slot.payload);
        slot.body.take(content, |message| {
            sample.get_or_insert_with(|| message.to_vec());
            // One call, one answer: a second one is wrong.
            let right = *verdict == Verdict::Open && template.accepts(payload, message);
            *verdict = if right { Verdict::Right } else { Verdict::Wrong };
        });
    }

    /// Stream mode: finds the response messages; they answer in order.
    fn answers_of_stream(&mut self, content: &[u8], done: &mut dyn FnMut(Done, u64)) {
        let (template, sample, slots, inflight) =
            (&self.template, &mut self.sample, &mut self.slots, &mut self.inflight);
        self.body.take(content, |message| {
            let Some(slot) = slots.pop_front() else { return };
            sample.get_or_insert_with(|| message.to_vec());
            *inflight -= 1;
            let outcome = if template.accepts(slot.payload, message) { Done::Ok } else { mismatch() };
            done(outcome, slot.started);
        });
    }

    fn headers(&mut self, stream: u32, flags: u8, block: &[u8], done: &mut dyn FnMut(Done, u64)) -> Res<()> {
        let head = self.decode(block)?;
        let http = head.http.filter(|&status| status != 200);
        if let Some(slot) = slot(&mut self.slots, self.first_id, stream) {
            if let Some(http) = http {
                slot.message = format!("HTTP status {http}");
            }
            if head.grpc.is_some() {
                slot.status = head.grpc;
                slot.message = head.message;
            }
        }
        if flags & END_STREAM != 0 {
            self.end(stream, "no-status", done);
        }
        Ok(())
    }

    fn decode(&mut self, block: &[u8]) -> Res<Head> {
        // References of one octet each leave the table as it is, so their meaning can be kept.
        let key = (block.len() <= 8 && block.iter().all(|&b| b >= 0x80 && b != 0xff))
            .then(|| block.iter().fold(0u64, |k, &b| k << 8 | u64::from(b)));
        if let Some(key) = key
            && let Some((_, head)) = self.known.iter().find(|(k, _)| *k == key)
        {
            return Ok(head.clone());
        }
        let mut head = Head::default();
        self.hpack
            .decode_with_cb(block, |name: Cow<[u8]>, value: Cow<[u8]>| {
                let text = || String::from_utf8_lossy(&value).into_owned();
                match &name[..] {
                    b":status" => head.http = text().parse().ok(),
                    b"grpc-status" => head.grpc = text().parse().ok(),
                    b"grpc-message" => head.message = text(),
                    _ => {}
                }
            })
            .map_err(|e| format!("bad header block: {e:?}"))?;
        match key {
            Some(key) => self.known.push((key, head.clone())),
            None => self.known.clear(),
        }
        Ok(head)
    }

    fn end(&mut self, stream: u32, without_status: &str, done: &mut dyn FnMut(Done, u64)) {
        if self.shape == Shape::Stream {
            // The stream is over: everything in flight on it fails.
            let status = self.slots.front().and_then(|slot| slot.status);
            for slot in self.slots.drain(..) {
                let what = status.map_or(without_status.to_owned(), |s| format!("stream-ended-{s}"));
                done(Done::Err(what, slot.message), slot.started);
            }
            self.inflight = 0;
            self.inflight_limit = 0;
            return;
        }
        let Some(slot) = slot(&mut self.slots, self.first_id, stream) else { return };
        slot.open = false;
        self.inflight -= 1;
        let right = slot.verdict == Verdict::Right || !self.template.expects(slot.payload);
        let outcome = match slot.status {
            Some(0) if right => Done::Ok,
            Some(0) => mismatch(),
            Some(code) => Done::Err(code.to_string(), std::mem::take(&mut slot.message)),
            None => Done::Err(without_status.to_owned(), std::mem::take(&mut slot.message)),
        };
        done(outcome, slot.started);
        while self.slots.front().is_some_and(|slot| !slot.open) {
            self.slots.pop_front();
            self.first_id += 2;
        }
    }

    /// Start times of the requests not answered yet.
    pub fn outstanding(&self) -> impl Iterator<Item = u64> + '_ {
        self.slots.iter().filter(|slot| slot.open).map(|slot| slot.started)
    }

    pub fn take_sample(&mut self) -> Option<Vec<u8>> {
        self.sample.take()
    }
}

fn mismatch() -> Done {
    Done::Err("mismatch".into(), "the answer differs from the expected one".into())
}

#[inline]
fn slot(slots: &mut VecDeque<Slot>, first_id: u32, stream: u32) -> Option<&mut Slot> {
    let at = stream.checked_sub(first_id)? / 2;
    slots.get_mut(at as usize).filter(|slot| slot.open)
}
