//! The ledger in a file on a small file system, which fills up. Only Linux can mount one.

use std::fs;
use std::path::Path;

use neglist::ledger::embedded::{EmbeddedLedger, Settings};
use neglist::ledger::{Hold, Ledger, Reservation};

use crate::ledger::place::{Place, add, check_closed, open, pause, quick, refused, tick_until_open, total};
use crate::ledger::support::{START, allow, check_sound, counted, general, named, reservation, wait};
use crate::support::missing;

/// A small file system in memory, unmounted at the end, also after a failed test.
struct SmallDisk {
    place: Place,
}

impl SmallDisk {
    /// Mounts one of 4 MiB; `None` if the user of the test may not, unless `NEGLIST_REQUIRE_MOUNT` is 1.
    fn mount() -> Option<Self> {
        let place = Place::new();
        match mount(&["-t", "tmpfs", "-o", "size=4m,mode=700", "neglist-test"], place.directory.path()) {
            Ok(()) => Some(Self { place }),
            Err(why) => {
                missing::report(
                    "A full disk",
                    &format!("No file system can be mounted: {why}"),
                    "NEGLIST_REQUIRE_MOUNT",
                );
                None
            }
        }
    }

    /// Fills it except for some bytes.
    fn fill(&self, bytes_left: u64) {
        use std::io::Write as _;
        let mut filler = fs::File::create(self.place.path("filler")).unwrap();
        let mut bytes = 0_u64;
        while filler.write_all(&[7; 4_096]).is_ok() {
            bytes += 4_096;
        }
        filler.set_len(bytes.checked_sub(bytes_left).unwrap()).unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.place.path("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a test that fails may still have files open there.
        let unmounted = std::process::Command::new("umount").arg("-l").arg(self.place.directory.path()).status();
        assert!(std::thread::panicking() || unmounted.unwrap().success());
    }
}

fn mount(arguments: &[&str], place: &Path) -> Result<(), String> {
    let mounted = std::process::Command::new("mount").args(arguments).arg(place).output();
    let mounted = mounted.map_err(|error| error.to_string())?;
    if mounted.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&mounted.stderr).into_owned()) }
}

#[test]
fn b16_a_file_system_that_is_nearly_full_refuses_reservations_until_it_is_freed() {
    let Some(disk) = SmallDisk::mount() else { return };
    let settings = Settings { reserve_bytes: 1 << 20, ..quick() };
    let ledger = EmbeddedLedger::open(disk.place.ledger(), settings).unwrap();
    add(&ledger, "one", 1_000).unwrap();
    let held = Reservation { hold: Hold::Until(START.plus_seconds(600)), ..reservation("held", counted(50, 0)) };
    wait(ledger.reserve(held, allow(&[general("national")]))).unwrap();
    disk.fill(512 << 10);
    wait(ledger.tick(START)).unwrap();
    assert!(ledger.is_full());
    assert!(refused(add(&ledger, "two", 7)).contains("`ledger_reserve_bytes`"));
    wait(ledger.commit("held", START)).unwrap();
    assert_eq!(total(&ledger, "acme"), Ok(1_050));
    disk.free();
    wait(ledger.tick(START)).unwrap();
    assert!(!ledger.is_full());
    add(&ledger, "two", 7).unwrap();
    assert_eq!(total(&ledger, "acme"), Ok(1_057));
    check_sound(&ledger);
    drop(ledger);
    assert_eq!(total(&open(&disk.place.ledger()), "acme"), Ok(1_057));
}

/// The server of the test counts until a write fails for lack of space: acknowledged counts stay, and no others.
#[test]
fn b16_a_file_system_without_room_loses_nothing_and_counting_goes_on_by_itself() {
    let Some(disk) = SmallDisk::mount() else { return };
    let path = disk.place.ledger();
    let settings = Settings { reserve_bytes: 0, ..quick() };
    let ledger = EmbeddedLedger::open(&path, settings.clone()).unwrap();
    add(&ledger, "one", 1_000).unwrap();
    disk.fill(64 << 10);
    let people = |round: u64| reservation(&format!("many-{round}"), named(round * 1_000..(round + 1) * 1_000));
    let reserve = |round| wait(ledger.reserve(people(round), allow(&[general("national")])));
    let failed = (0..1_000).find(|round| reserve(*round).is_err()).expect("the file system is never full");
    check_closed(&ledger, "closed after a failure");
    // Tried again while there is no space: open or not, each total equals the acknowledged count.
    for _ in 0..5 {
        drop(wait(ledger.tick(START)));
        pause(10);
        if let Ok(found) = total(&ledger, "acme") {
            assert!([1_000 + failed * 1_000, 2_000 + failed * 1_000].contains(&found), "{found} after {failed}");
        }
    }
    disk.free();
    tick_until_open(&ledger);
    reserve(failed).unwrap();
    reserve(failed + 1).unwrap();
    let expected = 1_000 + (failed + 2) * 1_000;
    assert_eq!(total(&ledger, "acme"), Ok(expected));
    check_sound(&ledger);
    drop(ledger);
    let ledger = EmbeddedLedger::open(&path, settings).unwrap();
    assert_eq!(total(&ledger, "acme"), Ok(expected));
    check_sound(&ledger);
    drop(ledger);
    // A read-only file system is reported with its path and the remedy.
    mount(&["-o", "remount,ro"], disk.place.directory.path()).unwrap();
    let why = refused(EmbeddedLedger::open(&path, quick()));
    assert!(why.contains("Read-only file system") && why.contains("needs write permission"), "{why}");
}
