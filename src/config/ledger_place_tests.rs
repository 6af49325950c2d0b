//! Tests of ledger addresses: which texts are accepted, and that no secret is ever printed.

use std::ffi::OsString;

use super::super::{Flags, load};
use super::*;

const SECRET: &str = "hunter2";

/// Everything that a configuration with this address can print.
fn printed(address: &str) -> Vec<String> {
    let flags = Flags { config: None, values: vec![("ledger", vec![address.to_owned()])] };
    let environment = || [(OsString::from("NEGLIST_LEDGER"), OsString::from(address))];
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("neglist.yaml");
    std::fs::write(&file, format!("ledger: {}\n", serde_json::Value::from(address))).unwrap();
    let by_file = Flags { config: Some(file), values: Vec::new() };
    // Without quotes, as people write it.
    let bare = directory.path().join("bare.yaml");
    std::fs::write(&bare, format!("ledger: {address}\n")).unwrap();
    let by_bare_file = Flags { config: Some(bare), values: Vec::new() };
    let mut printed = vec![format!("{flags:?}"), shown(address)];
    for loaded in
        [load(&flags, []), load(&Flags::default(), environment()), load(&by_file, []), load(&by_bare_file, [])]
    {
        match loaded {
            Ok(loaded) => printed.extend([loaded.dump(), format!("{loaded:?}"), format!("{:?}", loaded.config.ledger)]),
            Err(error) => printed.extend([error.to_string(), format!("{error:?}")]),
        }
    }
    printed
}

#[test]
fn a9_paths_look_like_paths() {
    for path in [
        "./neglist.ledger",
        "/var/lib/neglist/ledger",
        "../neglist",
        "neglist.ledger",
        "data/neglist",
        "./postgresql",
        "/srv/data=1/my ledger",
        "./台账",
        "ledger.redb",
        "/tmp/.tmpAb3/l@b",
    ] {
        assert_eq!(parse(path), Ok(LedgerPlace::File(path.into())), "{path}");
        assert_eq!(shown(path), path);
    }
    assert_eq!(parse("none"), Ok(LedgerPlace::None));
}

#[test]
fn a9_neither_a_path_nor_a_url_is_refused_with_the_correct_form() {
    let none = "to keep no totals write `none`";
    let url = "write a database as `postgres://user:password@host:5432/database?sslmode=verify-full`";
    for (text, expected) in [
        ("None", none),
        ("NONE", none),
        ("off", none),
        ("no", none),
        ("false", none),
        ("null", none),
        ("~", none),
        ("postgresql", "does not look like a path"),
        ("postgres", "does not look like a path"),
        ("neglist", "does not look like a path"),
        ("db.example.com", "does not look like a path"),
        ("my ledger.ledger", "does not look like a path"),
        ("~/neglist.ledger", "`~` is not expanded here"),
        ("/var/lib/neglist/", "that is a directory"),
        ("./a\nb", "control character"),
        ("host=db.example password=hunter2 dbname=neglist", url),
        ("host=/var/run/postgresql dbname=neglist", url),
        ("./host=db.example password=hunter2", url),
        ("/x PASSWORD = hunter2", url),
        ("Server=db;Database=neglist;Uid=u;Pwd=hunter2;", url),
        ("mysql://u:hunter2@h/d", url),
        ("Postgres://u:hunter2@h/d", url),
        ("jdbc:postgresql://h/d?password=hunter2", url),
        ("postgres:u:hunter2@h/d", url),
        ("db.example:5432/neglist", url),
        ("u:hunter2@db.example/neglist", url),
        ("//u:hunter2@db.example/neglist", url),
        ("postgres://u:p@hunter2@h/d", url),
        ("postgres://u:…@h/d", "put it back"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(expected) && !error.contains(SECRET), "{text:?}: {error}");
    }
}

#[test]
fn a9_urls_are_shown_without_their_secrets() {
    for (url, expected) in [
        ("postgres://u:hunter2@h/d", "postgres://u:…@h/d"),
        ("postgresql://u:hunter2@h:5432,i:5433/d?sslmode=disable", "postgresql://u:…@h:5432,i:5433/d?sslmode=disable"),
        ("postgres://u:p%40ss%3Fhunter2@h/d", "postgres://u:…@h/d"),
        ("postgres://u@[::1]:5432/d", "postgres://u@[::1]:5432/d"),
        ("postgres:///d?host=%2Frun&password=hunter2", "postgres:///d?host=%2Frun&password=…"),
        (
            "postgres:///d?host=/run&user=hunter2&sslrootcert=/etc/ca%20.pem",
            "postgres:///d?host=/run&user=…&sslrootcert=/etc/ca%20.pem",
        ),
        ("postgres://u@%2Frun%2Fpg/d", "postgres://u@%2Frun%2Fpg/d"),
        ("postgres://u:hunter2@h", "postgres://u:…@h"),
        ("postgres://u:a=b&c,hunter2^[!]'\"@h/d", "postgres://u:…@h/d"),
        ("postgres://u:密码@h/d", "postgres://u:…@h/d"),
    ] {
        assert_eq!(parse(url), Ok(LedgerPlace::Postgres(Secret(url.to_owned()))), "{url}");
        assert_eq!(shown(url), expected, "{url}");
    }
}

#[test]
fn a9_no_secret_is_printed_in_any_form_of_the_address() {
    let nasty = [
        "postgres://u:hunter2@h/d",
        "postgres://u:p@ss?hunter2@h/d",
        "postgres://u:p@ss?word=hunter2@h/d",
        "postgres://u:p@ss/hunter2@h/d",
        "postgres://u:p#hunter2@h/d",
        "postgres://u:p:hunter2@h/d",
        "postgres://u:p%hunter2@h/d",
        "postgres://u:p%4hunter2@h/d",
        "postgres://u:5432/hunter2@h/d",
        "postgres://u:1?hunter2",
        "postgres://u:1/hunter2@h",
        "postgres://u:h unter2 hunter2@h/d",
        "postgres://u:[hunter2]@h/d",
        "postgres://u@h:hunter2/d",
        "postgres://u@h/d?password=hunter2",
        "postgres://u@h/d?Password=hunter2",
        "postgres://u@h/d?hunter2",
        "postgres://u@h/d?hunter2=1",
        "postgres://u@h/d#hunter2",
        "postgres://u@h/d?sslmode=disable&passwd=hunter2",
        "postgres://u:hunter2\u{0}@h/d",
        "postgres://u:hunter2\n@h/d",
        "postgresql://:hunter2@h/d",
        "POSTGRES://u:hunter2@h/d",
        "postgres:/u:hunter2@h/d",
        "postgres//u:hunter2@h/d",
        " postgres://u:hunter2@h/d",
        "'postgres://u:hunter2@h/d'",
        "\"postgres://u:hunter2@h/d\"",
        "u:hunter2@h/d",
        "hunter2@h",
        "hunter2",
        "host=h password=hunter2 dbname=d",
        "host=h\npassword=hunter2",
        "password='hunter2' host=h",
        "host=h password = hunter2",
        "dbname=d;password=hunter2",
        "/host=h password=hunter2",
        "./x?password=hunter2",
        "postgres://u:…hunter2@h/d",
    ];
    for address in nasty {
        for printed in printed(address) {
            assert!(!printed.contains(SECRET), "{address:?}: {printed}");
        }
    }
}

#[test]
fn a9_the_dump_names_the_ledger_and_can_be_read_back_without_a_secret() {
    for (address, expected) in [
        ("/var/lib/neglist.ledger", "ledger: \"/var/lib/neglist.ledger\"\n"),
        ("none", "ledger: \"none\"\n"),
        ("postgres://u@h/d?sslmode=disable", "ledger: \"postgres://u@h/d?sslmode=disable\"\n"),
        ("postgres://u:hunter2@h/d", "ledger: \"postgres://u:…@h/d\"\n"),
    ] {
        let flags = Flags { config: None, values: vec![("ledger", vec![address.to_owned()])] };
        let dump = load(&flags, []).unwrap().dump();
        assert!(dump.contains(expected), "{address}: {dump}");
    }
}

#[test]
fn a9_a_key_or_a_public_url_with_a_password_is_not_repeated() {
    for text in ["cret@h/d", "postgres://u:s3cret@h/d", "ledger:postgres://u:s3cret@h/d", "host=h PASSWORD=s3cret"] {
        assert_eq!(shown_elsewhere(text), "…");
    }
    assert_eq!(shown_elsewhere("drain_second"), "drain_second");
    let refused = crate::config::public_url::PublicUrl::parse("https://u:s3cret@h/").unwrap_err();
    assert!(!refused.contains("s3cret") && refused.contains("no user"), "{refused}");
}
