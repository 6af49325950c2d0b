//! `neglist ledger`, run as from a shell.

use std::fs;
use std::path::{Path, PathBuf};

use neglist::cli::console::Exit;
use neglist::ledger::{Hold, Ledger, Reservation};
use redb::ReadableTable;
use tempfile::TempDir;

use crate::ledger::support::{START, allow, check_sound, counted, general, named, open, reservation, sensitive, wait};
use crate::policy::commands::{Done, name, run, run_in, written};
use crate::support::postgres_server;
use crate::support::small::{OWN, PORT, Small};

const HEADER: &str = "exporter,year,counter,class,persons\n";

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn sheet(&self, text: impl AsRef<[u8]>) -> String {
        let path = self.path("sheet.csv");
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs a command on the ledger of a name.
    fn on(&self, ledger: &str, arguments: &[&str]) -> Done {
        let path = self.path(ledger);
        run(&[&["ledger", "--ledger", path.to_str().unwrap()], arguments].concat())
    }

    /// Hides the paths of the files.
    fn stable(&self, text: &str) -> String {
        text.replace(self.0.path().to_str().unwrap(), "DIR")
    }
}

#[track_caller]
fn succeeded(done: Done) -> String {
    assert_eq!((done.exit, done.err.as_str()), (Exit::Success, ""));
    done.out
}

/// Two committed transfers, one reservation, one transfer of persons by name.
fn fill(path: &Path) {
    let ledger = open(path);
    let national = [general("national"), sensitive("national")];
    let own = [general("beijing/pharma/clinical-trial")];
    for (id, people, counters) in [("a", counted(5, 1), &national[..]), ("b", named(0..7), &own[..])] {
        wait(ledger.reserve(reservation(id, people), allow(counters))).unwrap();
    }
    let until = Hold::Until(START.plus_seconds(600));
    let held = Reservation { hold: until, ..reservation("c", counted(2, 0)) };
    wait(ledger.reserve(held, allow(&national))).unwrap();
}

#[test]
fn show_lists_the_counters() {
    let place = Place::new();
    fill(&place.path("ledger"));
    let sheet = place.sheet(format!("{HEADER}beta,2025,national,general,90000\n"));
    succeeded(place.on("ledger", &["import", &sheet, "--id", "2025"]));
    insta::assert_snapshot!("ledger_show", succeeded(place.on("ledger", &["show"])));
    let shown = succeeded(place.on("ledger", &["show", "--exporter", "beta", "--format", "json"]));
    insta::assert_snapshot!("ledger_show_json", shown);
    assert_eq!(succeeded(place.on("ledger", &["show", "--year", "2024"])), "no counters\n");
    assert_eq!(succeeded(place.on("ledger", &["show", "--year", "2025"])).lines().count(), 2);
    // Named by the environment.
    let path = place.path("ledger");
    let environment = [("NEGLIST_LEDGER", path.to_str().unwrap()), ("NEGLIST_LISTEN", "nonsense")];
    let done = run_in(&environment, &["ledger", "show", "--exporter", "nobody"], b"");
    assert_eq!((done.exit, done.out.as_str()), (Exit::Success, "no counters\n"));
}

#[test]
fn an_export_can_be_imported() {
    let place = Place::new();
    fill(&place.path("old"));
    let exported = succeeded(place.on("old", &["export"]));
    insta::assert_snapshot!("ledger_export", exported);
    let sheet = place.sheet(&exported);
    let done = succeeded(place.on("new", &["import", &sheet, "--id", "moved", "--create"]));
    assert_eq!(done, "import `moved` added to 3 counters\n");
    let first = |text: &str| -> Vec<Vec<String>> {
        text.lines().map(|line| line.split(',').take(5).map(str::to_owned).collect()).collect()
    };
    assert_eq!(first(&succeeded(place.on("new", &["export"]))), first(&exported));
    check_sound(&open(&place.path("new")));
    // Apart from facts that only the first ledger knows, the export is the same again.
    let again = place.sheet(succeeded(place.on("new", &["export"])));
    succeeded(place.on("third", &["import", &again, "--id", "moved", "--create"]));
    assert_eq!(succeeded(place.on("third", &["export"])), succeeded(place.on("new", &["export"])));
    assert_eq!(succeeded(place.on("new", &["export", "--transfers"])).lines().count(), 1);
}

#[test]
fn transfers_are_exported_without_pseudonyms() {
    let place = Place::new();
    fill(&place.path("ledger"));
    insta::assert_snapshot!("ledger_transfers", succeeded(place.on("ledger", &["export", "--transfers"])));
    let text = succeeded(place.on("ledger", &["export", "--transfers", "--format", "json"]));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let transfers = value["transfers"].as_array().unwrap();
    assert_eq!(transfers.len(), 3);
    assert_eq!(transfers[1]["changes"][0]["added"], 7);
    let counters: serde_json::Value =
        serde_json::from_str(&succeeded(place.on("ledger", &["export", "--format", "json"]))).unwrap();
    assert_eq!(counters["counters"].as_array().unwrap().len(), 3);
}

#[test]
fn an_import_counts_once_and_can_be_withdrawn() {
    let place = Place::new();
    // As spreadsheets write it: a byte-order mark, CR LF, rows of commas, columns in another order.
    let sheet = "\u{feff}Persons,exporter,Class,counter,year\r\n5,acme,general,national,2026\r\n\r\n,,,,\r\n\
        7,\"acme, inc\",sensitive,clearance/filing-1,2026\r\n";
    let sheet = place.sheet(sheet);
    let tried = succeeded(place.on("ledger", &["import", &sheet, "--id", "one", "--dry-run"]));
    assert!(tried.ends_with("the file is valid; it would add to 2 counters\n"), "{tried}");
    assert!(!place.path("ledger").exists(), "a dry run leaves the ledger alone");
    let import = ["import", sheet.as_str(), "--id", "one"];
    let create = [&import[..], &["--create"]].concat();
    assert_eq!(succeeded(place.on("ledger", &create)), "import `one` added to 2 counters\n");
    let after = succeeded(place.on("ledger", &["export"]));
    assert_eq!(
        after,
        "exporter,year,counter,class,persons,committed,reserved,imported\nacme,2026,national,general,5,5,0,5\n\
        \"acme, inc\",2026,clearance/filing-1,sensitive,7,7,0,7\n"
    );
    let again = succeeded(place.on("ledger", &import));
    assert_eq!(again, "import `one` is in the ledger already, with the same totals: nothing changed\n");
    assert_eq!(succeeded(place.on("ledger", &["export"])), after);
    let other = place.sheet(format!("{HEADER}acme,2026,national,general,6\n"));
    let done = place.on("ledger", &["import", &other, "--id", "one"]);
    let why = "error: import `one` brought in other totals: use a new id, or withdraw it first\n";
    assert_eq!((done.exit, done.err.as_str()), (Exit::Failed, why));
    let withdraw = ["import", "--withdraw", "--id", "one"];
    let back = succeeded(place.on("ledger", &withdraw));
    assert_eq!(back, "import `one` was withdrawn from 2 counters\n");
    let done = place.on("ledger", &withdraw);
    assert_eq!((done.exit, done.err.as_str()), (Exit::Failed, "error: there is no import `one`\n"));
    succeeded(place.on("ledger", &["import", &other, "--id", "one"]));
    let shown = succeeded(place.on("ledger", &["export"]));
    assert!(shown.contains("acme,2026,national,general,6,6,0,6\n"), "{shown}");
    check_sound(&open(&place.path("ledger")));
}

#[test]
fn each_bad_line_is_reported_and_nothing_imported() {
    let place = Place::new();
    let long = "x".repeat(129);
    let lines = [
        "acme,2026,national,general,1",
        "",
        "acme,26,national,general,1",
        "acme,2016,national,general,1",
        "acme,2026,nation,general,1",
        "acme,2026,national/x/y,general,1",
        "acme,2026,beijing/pharma,general,1",
        "acme,2026,beijing//trial,general,1",
        "acme,2026,clearance/,general,1",
        "acme,2026,national,secret,1",
        "acme,2026,national,sensitive,1.5",
        "acme,2026,national,sensitive,-1",
        "acme,2026,national,sensitive,10000000001",
        "acme,2026,national,sensitive,",
        "acme,2026,national,sensitive,1,000",
        "acme,2026,national",
        ",2026,national,general,1",
        " acme,2026,national,general,1",
        &format!("{long},2026,national,general,1"),
        "acme,2026, national ,general,2",
        "\u{1b}[31m,x,y,z,w",
    ];
    let sheet = place.sheet(format!("{HEADER}{}\n", lines.join("\r\n")));
    let done = place.on("ledger", &["import", &sheet, "--id", "one"]);
    assert_eq!((done.exit, done.out.as_str()), (Exit::Failed, ""));
    insta::assert_snapshot!("ledger_bad_lines", place.stable(&done.err));
    assert!(!place.path("ledger").exists());

    for (text, why) in [
        (&b""[..], "sheet.csv:1: no totals: the first line is"),
        (HEADER.as_bytes(), "sheet.csv:1: no totals: the first line is"),
        (b"acme,2026,national,general,1\n", "sheet.csv:1: no column `exporter`"),
        (b"exporter;year;counter;class;persons\n", "sheet.csv:1: no column `exporter`"),
        (b"exporter,year,counter,class,persons,note\n", "sheet.csv:1: unknown column `note`: remove it"),
        (b"exporter,year,counter,class,persons,persons\n", "sheet.csv:1: duplicate column `persons`"),
        (
            b"exporter,year,counter,class,persons\n\xb9\xab,2026\n",
            "sheet.csv:2: not UTF-8: save the spreadsheet as `CSV UTF-8`",
        ),
    ] {
        let done = place.on("ledger", &["import", &place.sheet(text), "--id", "one"]);
        assert_eq!(done.exit, Exit::Failed);
        assert!(done.err.contains(why), "{why}: {}", done.err);
        assert!(!place.path("ledger").exists());
    }
    let done = place.on("ledger", &["import", "/no/such/file.csv", "--id", "one"]);
    assert_eq!(done.exit, Exit::Usage);
}

#[test]
fn a_ledger_that_is_missing_held_or_turned_off_is_refused() {
    let place = Place::new();
    let sheet = place.sheet(format!("{HEADER}acme,2026,national,general,1\n"));
    let withdraw: &[&str] = &["import", "--withdraw", "--id", "one"];
    let import: &[&str] = &["import", &sheet, "--id", "one"];
    let commands: [&[&str]; 5] = [&["show"], &["export"], &["verify"], withdraw, import];
    for command in commands {
        let done = place.on("missing", command);
        assert_eq!((done.exit, done.out.as_str()), (Exit::Failed, ""));
        let changes = if command[0] == "import" { "; to begin a new one there, add `--create`" } else { "" };
        let help = format!("  help: name the ledger with `--ledger` or `NEGLIST_LEDGER`{changes}\n");
        assert_eq!(place.stable(&done.err), format!("error: there is no ledger at `DIR/missing`\n{help}"));
        assert!(!place.path("missing").exists());
    }
    let held = open(&place.path("held"));
    let create = [import, &["--create"]].concat();
    for command in commands.into_iter().chain([&create[..]]) {
        let done = place.on("held", command);
        assert_eq!(done.exit, Exit::Failed);
        insta::assert_snapshot!("ledger_held", place.stable(&done.err));
    }
    drop(held);
    let done = run(&["ledger", "--ledger", "none", "show"]);
    assert_eq!(done.exit, Exit::Usage);
    assert_eq!(done.err, "error: counting is turned off\n  help: name a ledger with `--ledger`\n");
    let done = run(&["ledger", "--ledger", "postgres://me:hunter2@db.invalid/totals", "show"]);
    assert_eq!(done.exit, Exit::Failed);
    assert!(done.err.contains("sslmode=verify-full") && !done.err.contains("hunter2"), "{}", done.err);
}

#[test]
fn verify_lists_discrepancies() {
    type Key = (&'static str, u16, &'static str, u8);
    type Value = (u32, (u64, u64, u64, u64, u64, u64));
    const COUNTERS: redb::TableDefinition<'_, Key, Value> = redb::TableDefinition::new("counters");
    let place = Place::new();
    let path = place.path("ledger");
    fill(&path);
    let sound = succeeded(place.on("ledger", &["verify"]));
    assert_eq!(sound, "the totals agree with the transfers and imports\n");

    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut counters = transaction.open_table(COUNTERS).unwrap();
        let key = ("acme", 2026, "national", 0);
        let (number, parts) = counters.get(key).unwrap().unwrap().value();
        counters.insert(key, (number, (parts.0, parts.1, parts.2 - 1, parts.3, parts.4, parts.5))).unwrap();
    }
    transaction.commit().unwrap();
    drop(database);
    let done = place.on("ledger", &["verify"]);
    assert_eq!((done.exit, done.err.as_str()), (Exit::Failed, ""));
    insta::assert_snapshot!("ledger_verify", done.out);

    // Wrong bytes are noticed when the file is opened.
    let mut bytes = fs::read(&path).unwrap();
    for byte in bytes.iter_mut().skip(4096) {
        *byte ^= 0x55;
    }
    fs::write(&path, bytes).unwrap();
    let done = place.on("ledger", &["verify"]);
    assert_eq!((done.exit, done.out.as_str()), (Exit::Failed, ""));
    assert!(done.err.contains("restore it from a backup"), "{}", done.err);
}

#[test]
fn a_ledger_in_a_database_is_no_different() {
    let Some(server) = postgres_server::shared() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = runtime.block_on(server.database());
    let run =
        |arguments: &[&str]| succeeded(run_in(&[("NEGLIST_LEDGER", &url)], &[&["ledger"], arguments].concat(), b""));
    let place = Place::new();
    fill(&place.path("old"));
    let exported = succeeded(place.on("old", &["export"]));
    let sheet = place.sheet(&exported);
    let import = ["import", sheet.as_str(), "--id", "moved"];
    let create = [&import[..], &["--create"]].concat();
    for (arguments, hint) in [(&["show"][..], "a server creates"), (&import, "`ledger import --create` creates")] {
        let done = run_in(&[("NEGLIST_LEDGER", &url)], &[&["ledger"], arguments].concat(), b"");
        let why = "error: the ledger is not available: the database has no tables of a ledger\n";
        assert_eq!(done.exit, Exit::Failed);
        let help = done.err.strip_prefix(why).unwrap();
        let begins = format!("  help: name the right database; {hint}");
        assert!(help.starts_with(&begins) && help.contains("started once with `--ledger-create`"), "{help}");
    }
    assert_eq!(run(&create), "import `moved` added to 3 counters\n");
    let again = "import `moved` is in the ledger already, with the same totals: nothing changed\n";
    assert_eq!(run(&import), again);
    succeeded(place.on("new", &create));
    for command in [&["show"][..], &["export"], &["export", "--transfers"], &["verify"]] {
        assert_eq!(run(command), succeeded(place.on("new", command)), "{command:?}");
    }
    assert_eq!(run(&["import", "--withdraw", "--id", "moved"]), "import `moved` was withdrawn from 3 counters\n");
    assert_eq!(run(&["verify"]), "the totals agree with the transfers and imports\n");
}

#[test]
fn the_configuration_names_the_ledger_and_its_settings() {
    let place = Place::new();
    fill(&place.path("ledger"));
    let ledger = place.path("ledger");
    let config = place.path("neglist.yaml");
    let text = format!("ledger: {}\nledger_cache_bytes: 2097152\nlisten: '127.0.0.1:0'\n", ledger.display());
    fs::write(&config, &text).unwrap();
    let file = config.to_str().unwrap();
    let shown = succeeded(place.on("ledger", &["show"]));
    assert_eq!(succeeded(run(&["ledger", "--config", file, "show"])), shown);
    assert_eq!(succeeded(run_in(&[("NEGLIST_CONFIG", file)], &["ledger", "show"], b"")), shown);
    // The environment overrides the file, a flag overrides both.
    let other = place.path("other");
    let elsewhere = run_in(&[("NEGLIST_LEDGER", other.to_str().unwrap())], &["ledger", "--config", file, "show"], b"");
    assert!(elsewhere.err.contains("there is no ledger at"), "{}", elsewhere.err);
    // Faults in the rest of the ledger's settings are reported before anything is opened.
    fs::write(&config, text.replace("2097152", "some")).unwrap();
    let done = run(&["ledger", "--config", file, "show"]);
    assert_eq!(done.exit, Exit::Usage);
    assert!(done.err.contains("neglist.yaml:2:1: ledger_cache_bytes: `some`"), "{}", done.err);
    for (variable, why) in [
        ("NEGLIST_LEDGER_CONNECTIONS_MAX", "`0` is not a whole number from 1"),
        ("NEGLIST_LEDGER_CONECTIONS_MAX", "did you mean `NEGLIST_LEDGER_CONNECTIONS_MAX`?"),
    ] {
        let done = run_in(&[(variable, "0")], &["ledger", "show"], b"");
        assert_eq!(done.exit, Exit::Usage);
        assert!(done.err.contains(variable) && done.err.contains(why), "{}", done.err);
    }
}

#[test]
fn a_database_is_reached_with_the_settings_of_a_server() {
    let Some(server) = postgres_server::shared() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = runtime.block_on(server.database());
    let place = Place::new();
    let sheet = place.sheet(format!("{HEADER}acme,2026,national,general,1\n"));
    let create = ["ledger", "import", sheet.as_str(), "--id", "one", "--create"];
    succeeded(run_in(&[("NEGLIST_LEDGER", &url)], &create, b""));
    // Another session holds the account: the command gives up after the configured time.
    runtime.block_on(async {
        let (holder, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        holder.batch_execute("BEGIN; SELECT id FROM neglist_account FOR UPDATE").await.unwrap();
        let other = ["ledger", "import", sheet.as_str(), "--id", "two"].map(str::to_owned);
        let url = url.clone();
        let held = tokio::task::spawn_blocking(move || {
            let environment = [("NEGLIST_LEDGER", url.as_str()), ("NEGLIST_LEDGER_REQUEST_MAX_MS", "100")];
            run_in(&environment, &other.each_ref().map(String::as_str), b"")
        });
        let held = held.await.unwrap();
        assert_eq!((held.exit, held.out.as_str()), (Exit::Failed, ""));
        assert!(held.err.contains("the ledger is not available"), "{}", held.err);
        holder.batch_execute("ROLLBACK").await.unwrap();
        drop(holder);
        connection.await.unwrap().unwrap();
    });
    let counters = succeeded(run_in(&[("NEGLIST_LEDGER", &url)], &["ledger", "export"], b""));
    assert!(counters.contains("acme,2026,national,general,1,"), "{counters}");
}

#[test]
fn names_unknown_to_the_policies_are_refused_with_their_lines() {
    let place = Place::new();
    let beta = "exporters:\n  - {id: beta, name: {zh: 乙公司, en: Beta}, zones: [], ciio: no, kinds: [], held: {general: 0, \
        sensitive: 0, specially_sensitive: 0}}\n";
    let policies = written(&Small::new().with(OWN, "exporters:\n", beta));
    let lines = [
        "acme,2026,national,general,1",
        "acme,2026,port/pharma/clinical-trial,sensitive,1",
        "acme,2026,clearance/filing-1,sensitive,1",
    ];
    let known = place.sheet(format!("{HEADER}{}\n", lines.join("\n")));
    let import = ["import", known.as_str(), "--id", "one", "--policies", name(&policies)];
    let tried = succeeded(place.on("ledger", &[&import[..], &["--dry-run"]].concat()));
    assert!(tried.ends_with("it would add to 3 counters\n"), "{tried}");
    succeeded(place.on("ledger", &[&import[..], &["--create"]].concat()));

    let lines = [
        "acmee,2026,national,general,1",
        "somebody else,2026,national,general,1",
        "acme,2026,prot/pharma/clinical-trial,general,1",
        "acme,2026,port/farma/clinical-trial,general,1",
        "acme,2026,port/pharma/clinical-trail,general,1",
        "acme,2026,port/nothing-like-it/clinical-trial,general,1",
        "acme,2026,port/retail-services/other,general,1",
        "acme,2026,clearance/filing-2,general,1",
        "acmee,2026,clearance/filing-1,general,1",
        "beta,2026,clearance/filing-1,general,1",
        "acme,2026,clearance/nothing-like-it,general,1",
        "acme,2026,national,general,x",
    ];
    let unknown = place.sheet(format!("{HEADER}{}\n", lines.join("\n")));
    let import = ["import", unknown.as_str(), "--id", "two", "--policies", name(&policies)];
    for more in [&["--dry-run"][..], &[]] {
        let done = place.on("ledger", &[&import[..], more].concat());
        assert_eq!((done.exit, done.out.as_str()), (Exit::Failed, ""));
        insta::assert_snapshot!("ledger_unknown_names", place.stable(&done.err));
    }
    // Without policies the form alone is checked.
    let without = place.on("ledger", &["import", unknown.as_str(), "--id", "two"]);
    assert_eq!(without.err.lines().count(), 2, "{}", without.err);

    let broken = written(&Small::new().with(PORT, "mode: before-export", "mode: before"));
    let done = place.on("ledger", &["import", known.as_str(), "--id", "two", "--policies", name(&broken)]);
    assert_eq!((done.exit, done.out.as_str()), (Exit::Failed, ""));
    assert!(done.err.contains("P006") && done.err.contains("have 1 error"), "{}", done.err);
}

#[test]
fn a9_no_command_prints_a_possible_password_or_makes_a_file_of_it() {
    let place = Place::new();
    let policies = written(&Small::new());
    let here: Vec<_> = fs::read_dir(".").unwrap().map(|entry| entry.unwrap().file_name()).collect();
    for address in [
        "host=127.0.0.1 password=hunter2 dbname=neglist",
        "postgres://u:p@ss?hunter2@h/d",
        "postgres://u:p@ss?word=hunter2@h/d",
        "postgres://u:hunter2@h:x/d",
        "postgres://u:hunter2@127.0.0.1:1/d?connect_timeout=1",
        "postgres://u:hunter2@db.example/d",
        "postgres://u@127.0.0.1/d?sslmode=hunter2",
        "postgres://u:hunter2@127.0.0.1/d?connect_timeout=hunter2",
        "mysql://u:hunter2@h/d",
        "u:hunter2@h/d",
        "hunter2",
    ] {
        let environment = [("NEGLIST_LEDGER", address), ("NEGLIST_LEDGER_REQUEST_MAX_MS", "100")];
        for done in [
            run_in(&environment[1..], &["ledger", "--ledger", address, "show"], b""),
            run_in(&environment, &["ledger", "verify"], b""),
            run_in(&environment[1..], &["check", name(&policies), "--ledger", address], b""),
        ] {
            assert_ne!(done.exit, Exit::Success, "{address}");
            assert!(
                !done.err.contains("hunter2") && !done.out.contains("hunter2"),
                "{address}: {}{}",
                done.out,
                done.err
            );
            assert!(!done.err.is_empty(), "{address}");
        }
    }
    for word in ["None", "off", "postgresql"] {
        let done = run(&["ledger", "--ledger", word, "import", &place.sheet(HEADER), "--id", "x", "--create"]);
        assert_eq!(done.exit, Exit::Usage, "{}", done.err);
    }
    let after: Vec<_> = fs::read_dir(".").unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(here, after);
}

/// An account of each name, with its number of persons.
fn fill_as(path: &Path, names: &[&str]) {
    let ledger = open(path);
    for (id, name) in names.iter().enumerate() {
        let account =
            neglist::ledger::Account { exporter: (*name).to_owned(), ..reservation("", counted(1, 0)).account };
        let of_name = Reservation { account, ..reservation(&format!("t-{id}"), counted(7, 0)) };
        wait(ledger.reserve(of_name, allow(&[general("national")]))).unwrap();
    }
}

#[test]
fn a4_a_ledger_with_names_older_than_the_rule_is_shown_checked_and_exported() {
    let place = Place::new();
    let names = ["acme", "acme ", "acme\n", "acme\u{200b}", "Zu\u{308}rich"];
    fill_as(&place.path("ledger"), &names);
    // Each has its own line, and invisible characters are shown.
    let shown = succeeded(place.on("ledger", &["show"]));
    assert_eq!(shown.lines().count(), 1 + names.len(), "{shown}");
    assert!(shown.contains("acme␠") && shown.contains("acme\\u{a}") && shown.contains("acme\\u{200b}"), "{shown}");
    assert!(shown.contains("Zu\\u{308}rich"), "{shown}");
    assert_eq!(succeeded(place.on("ledger", &["show", "--exporter", "acme\u{200b}"])).lines().count(), 2);
    let verified = succeeded(place.on("ledger", &["verify"]));
    assert!(verified.contains("the totals agree"), "{verified}");
    assert!(verified.contains("U+200B at byte 4") && verified.contains("export the ledger"), "{verified}");
    // Nothing is lost, and nothing is imported under such a name.
    let exported = succeeded(place.on("ledger", &["export"]));
    let sheet = place.sheet(&exported);
    let done = place.on("other", &["import", &sheet, "--id", "x", "--create"]);
    assert_eq!(done.exit, Exit::Failed);
    for wanted in ["U+0020 at byte 4", "U+000A at byte 4", "U+200B at byte 4", "U+0075 `u` at byte 1"] {
        assert!(done.err.contains(wanted), "{wanted} in {}", done.err);
    }
    assert_eq!(done.err.lines().count(), names.len(), "each wrong line, and that nothing was imported: {}", done.err);
    let done = place.on("ledger", &["show", "--exporter", "nobody\u{200b}"]);
    assert!(done.exit != Exit::Success && done.err.contains("U+200B at byte 6"), "{}", done.err);
}

#[test]
fn c_no_name_forges_a_row_or_runs_in_a_spreadsheet() {
    let place = Place::new();
    let forged = "acme\nbeta  2026  national  general  0  0  0";
    let names = ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "'acme", "914403001922038216", "2026-05", forged];
    fill_as(&place.path("ledger"), &names);
    let shown = succeeded(place.on("ledger", &["show"]));
    assert_eq!(shown.lines().count(), 1 + names.len(), "{shown}");
    assert!(!shown.lines().any(|line| line.starts_with("beta")), "{shown}");
    let exported = succeeded(place.on("ledger", &["export"]));
    for line in exported.lines() {
        assert!(!line.trim_start_matches('"').starts_with(['=', '+', '-', '@']), "{line}");
    }
    let transfers = succeeded(place.on("ledger", &["export", "--transfers"]));
    assert!(transfers.contains("\"'=cmd") || transfers.contains("'=cmd"), "{transfers}");
    // It is imported unchanged, except for the invalid name.
    let kept: Vec<&str> = exported
        .lines()
        .filter(|line| !line.contains("acme\n") && !line.contains("beta") && !line.contains("\"acme"))
        .collect();
    let sheet = place.sheet(kept.join("\n"));
    succeeded(place.on("other", &["import", &sheet, "--id", "x", "--create"]));
    let json = succeeded(place.on("other", &["show", "--format", "json"]));
    for name in names.iter().filter(|name| !name.contains('\n')) {
        assert!(json.contains(&format!("\"exporter\": \"{name}\"")), "{name} in {json}");
    }
    let sheet = place.sheet(format!("{HEADER}9.14E+17,2025,national,general,5\n"));
    let done = place.on("ledger", &["import", &sheet, "--id", "y"]);
    assert!(
        done.exit == Exit::Failed && done.err.contains("a spreadsheet has converted it to a number"),
        "{}",
        done.err
    );
}
