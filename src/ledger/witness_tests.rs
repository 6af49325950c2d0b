//! A witness keeps the highest mark, and leaves other files alone.

use super::*;

fn mark(identity: u8, position: u64) -> Mark {
    Mark { identity: Identity::from_bytes([identity; 16]), position }
}

#[test]
fn a_recorded_mark_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = beside(&directory.path().join("ledger"));
    assert!(path.ends_with("ledger.witness"));
    let mut witness = Witness::open(&path).unwrap();
    assert_eq!(witness.seen(), None);
    for position in [0, 1, 2, 7, 8] {
        witness.record(mark(1, position)).unwrap();
        assert_eq!(Witness::open(&path).unwrap().seen(), Some(mark(1, position)));
    }
    witness.record(mark(2, 3)).unwrap();
    assert_eq!(Witness::open(&path).unwrap().seen(), Some(mark(2, 3)));
    fs::remove_file(&path).unwrap();
    assert!(witness.tend().unwrap() && !witness.tend().unwrap());
    assert_eq!(Witness::open(&path).unwrap().seen(), Some(mark(2, 3)));
    Witness::open(&path).unwrap().remove().unwrap();
    assert_eq!(Witness::open(&path).unwrap().seen(), None);
    remove(&path).unwrap();
}

#[test]
fn a_torn_slot_leaves_the_one_before_and_two_are_damage() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("witness");
    let mut witness = Witness::open(&path).unwrap();
    for position in 0..4 {
        witness.record(mark(1, position)).unwrap();
    }
    let whole = fs::read(&path).unwrap();
    assert_eq!(whole.len(), SLOT_BYTES * 2);
    for at in 0..RECORD_BYTES {
        let mut torn = whole.clone();
        torn[SLOT_BYTES + at] ^= 1;
        fs::write(&path, &torn).unwrap();
        assert_eq!(Witness::open(&path).unwrap().seen(), Some(mark(1, 2)), "byte {at}");
        torn[at] ^= 1;
        fs::write(&path, &torn).unwrap();
        assert_eq!(Witness::open(&path).unwrap_err().kind(), ErrorKind::InvalidData, "byte {at}");
    }
    fs::write(&path, b"").unwrap();
    assert!(Witness::open(&path).unwrap_err().to_string().contains("is damaged or not a witness"));
}

#[test]
fn a1_only_a_witness_is_replaced_or_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("witness");
    for bytes in [b"redb\x1a\x0a\xa9\x0d\x0a".as_slice(), b"\0", b"neglist ledger witness 2", &[0; 9_000]] {
        fs::write(&path, bytes).unwrap();
        for error in [
            Witness::open(&path).map(|_| ()).unwrap_err(),
            renew(&path, mark(1, 0)).unwrap_err(),
            remove(&path).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains("it is another file") && !text.contains(ACCEPT_COMMAND), "{text}");
        }
        assert!(fs::read(&path).unwrap() == bytes);
    }
    let mut cut_off = record(mark(1, 5), 0);
    cut_off.pop();
    for bytes in [b"".as_slice(), b"neglist", &cut_off] {
        fs::write(&path, bytes).unwrap();
        assert!(Witness::open(&path).unwrap_err().to_string().contains(ACCEPT_COMMAND));
        renew(&path, mark(1, 3)).unwrap();
        assert_eq!(Witness::open(&path).unwrap().seen(), Some(mark(1, 3)));
    }
    // A witness that another file has replaced meanwhile.
    let mut witness = Witness::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, b"a spreadsheet").unwrap();
    assert!(witness.tend().is_err() && fs::read(&path).unwrap() == b"a spreadsheet");
}

#[cfg(unix)]
#[test]
fn a4_a_dangling_link_is_no_missing_witness() {
    let directory = tempfile::tempdir().unwrap();
    let (path, target) = (directory.path().join("witness"), directory.path().join("target"));
    std::os::unix::fs::symlink(&target, &path).unwrap();
    assert!(Witness::open(&path).unwrap_err().to_string().contains("a link that leads nowhere"));
    assert!(renew(&path, mark(1, 0)).is_err() && remove(&path).is_err());
    renew(&target, mark(1, 2)).unwrap();
    renew(&path, mark(1, 3)).unwrap();
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink(), "the link stays");
    assert_eq!(Witness::open(&target).unwrap().seen(), Some(mark(1, 3)));
}

#[test]
fn b9_a_read_only_witness_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("witness");
    renew(&path, mark(1, 2)).unwrap();
    assert!(Witness::open(&path).unwrap().check_writable().is_ok());
    let store = WitnessFile { read_alone: true, ..WitnessFile::new(&path) };
    let why = Witness { store: Box::new(store), seen: None }.check_writable().unwrap_err();
    assert!(why.to_string().contains("may not be written"), "{why}");
}
