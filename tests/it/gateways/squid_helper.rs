//! `neglist squid-helper` in its own process, through pipes, in front of a decision server.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use neglist::app::server::{Drained, Server};

use crate::gateways::support::flows::{self, ALLOW, ASSESS, AT, CONTRACT, FILE};
use crate::support::server::{self, Directory, SetClock, address};
use crate::support::wait::{DEADLINE, until, within};

async fn serve(directory: &Directory, listen: &str, ledger: &str) -> Server {
    let ledger = directory.beside(ledger);
    let settings = [("ledger", ledger.to_str().unwrap()), ("listen", listen)];
    server::start(&directory.policies(), SetClock::at(AT), &settings).await
}

/// A helper; killed where it has not ended by itself.
struct Helper {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Helper {
    fn start(target: &str, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neglist"));
        command.args(["squid-helper", "--target", target, "--headers", "x-subjects"]).args(more).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, answers) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let stdin = child.stdin.take();
        Self { child, stdin, answers }
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stdin.as_mut().unwrap().write_all(bytes.as_ref()).unwrap();
    }

    #[track_caller]
    fn answer(&self) -> String {
        self.answers.recv_timeout(DEADLINE).unwrap()
    }

    #[track_caller]
    fn ask(&mut self, line: impl AsRef<[u8]>) -> String {
        self.send([line.as_ref(), b"\n"].concat());
        self.answer()
    }

    /// Ends its input, and returns its exit code, its last answers, and its text for Squid's log.
    async fn end(mut self) -> (Option<i32>, Vec<String>, String) {
        drop(self.stdin.take());
        let status = until("the helper ends", || self.child.try_wait().unwrap()).await;
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), self.answers.iter().collect(), said)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line(channel: usize, (flow, persons): (&str, u64)) -> String {
    format!("{channel} POST http://partner.example/{flow}/x?q partner.example 80 {persons} -")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_outcome_has_its_answer() {
    let directory = Directory::of(&flows::files_with_rules());
    let server = serve(&directory, "127.0.0.1:0", "ledger").await;
    let mut helper = Helper::start(&address(&server, "grpc"), &[]);
    let answer = helper.ask(line(0, ALLOW));
    assert!(answer.starts_with("0 OK log=allow/") && answer.ends_with(" tag=allow"), "{answer}");
    for (channel, asked, tag) in [(1, FILE, "file"), (2, CONTRACT, "contract"), (3, ASSESS, "assess")] {
        let answer = helper.ask(line(channel, asked));
        assert!(answer.starts_with(&format!("{channel} ERR message={tag}%20")), "{answer}");
        assert!(answer.contains(&format!(" log={tag}/")) && answer.ends_with(&format!(" tag={tag}")), "{answer}");
    }
    for (line, reason) in [
        ("4 POST http://partner.example/nowhere partner.example 80 1 -", "NOTHING_MATCHES"),
        ("4 POST http://partner.example/trial/x partner.example 80 - -", "LABEL_MISSING"),
        ("4 POST http://partner.example/trial/x partner.example 80 1,%201 -", "LABEL_REPEATED"),
        ("4 POST http://partner.example/trial/x partner.example 80 %E4%B8%80 -", "LABEL_NOT_A_NUMBER"),
        ("4 POST http://partner.example/trial/%2e%2e/x partner.example 80 1 -", "PATH_NOT_NORMALISED"),
        ("4 POST http://partner.example/trial%2Fx partner.example 80 1 -", "PATH_NOT_NORMALISED"),
        // Counted, and Squid gives a request no id.
        ("4 POST http://partner.example/recorded/x partner.example 80 1 -", ""),
    ] {
        let answer = helper.ask(line);
        assert!(answer.starts_with("4 ERR message=") && answer.contains(reason), "{line}: {answer}");
    }
    let (code, answers, said) = helper.end().await;
    assert_eq!((code, answers, said.as_str()), (Some(0), vec![], ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_make_no_sense_are_never_ok() {
    let directory = Directory::of(&flows::files_with_rules());
    let server = serve(&directory, "127.0.0.1:0", "ledger").await;
    let mut helper = Helper::start(&address(&server, "grpc"), &["--line-bytes-max", "1000"]);
    let long = [b"7 POST http://partner.example/trial/".to_vec(), vec![b'x'; 300_000]].concat();
    for (garbage, begins) in [
        (&b""[..], "BH "),
        (b"OK", "BH "),
        (b"\xff\xfe\x00", "BH "),
        (b"POST http://partner.example/trial/x partner.example 80 1 -", "BH "),
        (b"7 ", "7 BH "),
        (b"7 POST http://partner.example/trial/x partner.example 80", "7 BH "),
        (b"7 POST http://partner.example/trial/x evil.example 80 1 -", "7 BH "),
        (b"7 POST http://partner.example/trial/\xe4\xb8\xad partner.example 80 1 -", "7 BH "),
        (b"7 POST http://partner.example/trial/x partner.example 80 caf\xe9 -", "7 BH "),
        (&long, "7 BH "),
    ] {
        let answer = helper.ask(garbage);
        assert!(answer.starts_with(&format!("{begins}message=")), "{}: {answer}", String::from_utf8_lossy(garbage));
        let next = helper.ask(line(8, ALLOW));
        assert!(next.starts_with("8 OK "), "{next}");
    }
    // A line that the end of the input cuts off might have been another question.
    helper.send("9 POST http://partner.example/trial/x partner.example 80 1 -");
    let (code, answers, _) = helper.end().await;
    assert_eq!(code, Some(0));
    assert!(answers.len() == 1 && answers[0].starts_with("9 BH "), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_a_thousand_questions_at_once_gets_its_own_answer() {
    const CHANNELS: usize = 1_000;
    let directory = Directory::of(&flows::files_with_rules());
    let server = serve(&directory, "127.0.0.1:0", "ledger").await;
    // A few at a time, and all of them.
    for in_flight_max in ["7", "1000"] {
        let more = ["--in-flight-max", in_flight_max, "--timeout-ms", "60000"];
        let mut helper = Helper::start(&address(&server, "grpc"), &more);
        let asked = |channel| [ALLOW, FILE, CONTRACT, ASSESS][channel % 4];
        let lines: String = (0..CHANNELS).map(|channel| line(channel, asked(channel)) + "\n").collect();
        helper.send(lines);
        // The end of the input cuts no answer off.
        let (code, answers, said) = helper.end().await;
        assert_eq!((code, answers.len()), (Some(0), CHANNELS), "{said}");
        let by_channel: HashMap<usize, &str> = answers
            .iter()
            .map(|answer| answer.split_once(' ').unwrap())
            .map(|(channel, answer)| (channel.parse().unwrap(), answer))
            .collect();
        for channel in 0..CHANNELS {
            let expected = ["OK ", "ERR ", "ERR ", "ERR "][channel % 4];
            let tag = ["allow", "file", "contract", "assess"][channel % 4];
            let answer = by_channel[&channel];
            assert!(answer.starts_with(expected) && answer.ends_with(tag), "{channel}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_nothing_is_ok_and_one_that_is_back_is_found() {
    let directory = Directory::of(&flows::files_with_rules());
    let socket = format!("unix:{}", directory.beside("neglist.sock").display());
    let mut helper = Helper::start(&socket, &["--timeout-ms", "20000"]);
    let answer = helper.ask(line(1, ALLOW));
    assert!(answer.starts_with("1 BH message="), "{answer}");
    assert!(answer.contains("cannot%20be%20reached:%20no%20such%20file"), "{answer}");
    for ledger in ["ledger-1", "ledger-2"] {
        let server = serve(&directory, &socket, ledger).await;
        let mut answer = helper.ask(line(2, ALLOW));
        while answer.starts_with("2 BH ") {
            answer = helper.ask(line(2, ALLOW));
        }
        assert!(answer.starts_with("2 OK "), "{answer}");
        assert_eq!(within("the end", server.drain()).await, Drained::Fully);
        for _ in 0..3 {
            let answer = helper.ask(line(3, ALLOW));
            assert!(answer.starts_with("3 BH message="), "{answer}");
        }
    }
    let (code, _, said) = helper.end().await;
    // Said once for each outage, not for each request.
    assert_eq!((code, said.matches("nothing passes").count(), said.matches("answers again").count()), (Some(0), 3, 2));
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_none() {
    // Takes connections into its queue and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = silent.local_addr().unwrap().to_string();
    let mut helper = Helper::start(&target, &["--timeout-ms", "100", "--in-flight-max", "2"]);
    let lines: String = (0..20).map(|channel| line(channel, ALLOW) + "\n").collect();
    helper.send(lines);
    let (code, answers, _) = helper.end().await;
    assert_eq!((code, answers.len()), (Some(0), 20));
    assert!(answers.iter().all(|answer| answer.contains(" BH message=")), "{answers:?}");
}

#[tokio::test]
async fn a_helper_whose_answers_are_not_read_ends() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neglist"));
    command.args(["squid-helper", "--target", "unix:/nowhere"]).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    let ended = until("the helper ends", || {
        // Its input stays open all the while.
        let _ = stdin.write_all(b"0 garbage\n");
        child.try_wait().unwrap()
    });
    assert_eq!(ended.await.code(), Some(1));
}

#[test]
fn arguments_that_make_no_sense_are_usage() {
    for arguments in [
        &["--target", "nowhere"][..],
        &["--headers", "a b"],
        &["--headers", "x-a,x-A"],
        &["--timeout-ms", "0"],
        &["--in-flight-max", "0"],
        &["--line-bytes-max", "1"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neglist"));
        let output = command.arg("squid-helper").args(arguments).env_clear().stdin(Stdio::null()).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}: {output:?}");
    }
}
