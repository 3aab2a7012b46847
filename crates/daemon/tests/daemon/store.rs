//! The disk: what was committed is there, what was not is not.

use std::fs;

use daemon::{
    Daemon, StartError,
    store::{Store, StoreError},
};
use node::io::Writes;
use tempfile::TempDir;

use crate::support;

fn writes(pairs: &[(&str, Option<&str>)]) -> Writes {
    let bytes = |text: &str| text.as_bytes().to_vec();
    pairs.iter().map(|(key, value)| (bytes(key), value.map(bytes))).collect()
}

fn record(key: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
    (key.as_bytes().to_vec(), value.as_bytes().to_vec())
}

#[test]
fn a_store_that_was_never_closed_has_everything_that_was_committed() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("node.redb");
    let store = Store::open(&path).unwrap();
    for n in 0..20 {
        let number = n.to_string();
        store.commit(&writes(&[("counter", Some(&number)), (&number, Some("there"))])).unwrap();
        // The file as a power cut would leave it: the store is open, nothing tidies up.
        let image = dir.path().join("image.redb");
        fs::copy(&path, &image).unwrap();
        let records = Store::open(&image).unwrap().records().unwrap();
        assert!(records.contains(&record("counter", &number)));
        assert_eq!(records.len(), n + 2);
    }
}

#[test]
fn a_deleted_record_stays_deleted() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("node.redb");
    let store = Store::open(&path).unwrap();
    store.commit(&writes(&[("a", Some("1")), ("b", Some("2")), ("c", Some("3"))])).unwrap();
    store.commit(&writes(&[("b", None), ("c", Some("4")), ("never there", None)])).unwrap();
    drop(store);
    let records = Store::open(&path).unwrap().records().unwrap();
    assert_eq!(records, [record("a", "1"), record("c", "4")]);
}

#[test]
fn what_is_over_is_not_read_at_the_start_and_is_found_when_it_is_asked_for() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path().join("node.redb")).unwrap();
    let all = ["g", "gz", "h", "hp", "hr0", "i", "ih"];
    store.commit(&writes(&all.map(|key| (key, Some("there"))))).unwrap();
    let records = store.records().unwrap();
    assert_eq!(records, ["g", "gz", "i", "ih"].map(|key| record(key, "there")));
    assert_eq!(store.record(b"hp").unwrap().as_deref(), Some(&b"there"[..]));
    assert_eq!(store.record(b"hq").unwrap(), None);
}

#[test]
fn two_writers_never_share_a_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("node.redb");
    let _first = Store::open(&path).unwrap();
    let error = Store::open(&path).err().unwrap();
    assert!(matches!(error, StoreError::InUse { .. }));
    assert!(error.to_string().contains("stop the other node"), "{error}");
}

#[test]
fn what_is_no_store_is_named_and_left_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("node.redb");
    fs::write(&path, [7; 9000]).unwrap();
    let error = Store::open(&path).err().unwrap().to_string();
    assert!(error.contains("node.redb"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), [7; 9000]);
}

#[tokio::test]
async fn a_second_daemon_in_the_same_directory_does_not_start() {
    let first = support::lone(support::config()).await;
    let second = Daemon::start(support::config(), first.dir.path()).await;
    assert!(matches!(second.err(), Some(StartError::Store(StoreError::InUse { .. }))));
    first.assert_healthy().await;
}

#[tokio::test]
async fn a_stopped_daemon_gives_its_directory_and_its_ports_back() {
    let config = support::config();
    let text = config.to_text();
    let first = support::lone(config).await;
    let (http, adnl, key) = (first.daemon.http, first.daemon.adnl, first.daemon.key);
    first.daemon.stop().await;

    let mut config = daemon::config::Config::parse(&text).unwrap();
    (config.listen.http, config.listen.udp) = (http, adnl);
    let again = Daemon::start(config, first.dir.path()).await.unwrap();
    assert_eq!((again.http, again.adnl, again.key), (http, adnl, key));
}
