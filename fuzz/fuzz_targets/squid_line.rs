//! No line of a Squid makes its helper panic, and what it answers is one line, on the channel that asked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neglist::wire::squid;

fuzz_target!(|bytes: &[u8]| {
    let headers = ["x-neglist-flow".to_owned(), "x-neglist-persons".to_owned()];
    let channel = squid::channel(bytes);
    let why = String::from_utf8_lossy(bytes);
    if squid::question(bytes, &headers).is_err() {
        let answer = squid::line(channel, &squid::broken(&why));
        assert!(!answer.contains(" OK") && !answer.starts_with("OK"), "{answer}");
        assert!(answer.trim_end_matches('\n').lines().count() <= 1, "{answer}");
    }
});
