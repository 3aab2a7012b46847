//! The control interface of the program: who may use it, and what it does.

#[path = "common/program.rs"]
mod program;

use program::Program;

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn a_page_of_another_origin_can_neither_read_nor_command() {
    let devnet = Program::start(&[]);
    let host = ("host", devnet.control());
    let seqno = devnet.get("/info")["seqno"].clone();
    let evil = ("origin", "http://evil.example");
    for (line, body) in
        [("GET /info", ""), ("OPTIONS /warp", ""), ("POST /warp", r#"{"seconds":86400}"#)]
    {
        for origin in [evil, ("origin", "null"), ("origin", "http://127.0.0.1:1")] {
            let (status, head, body) = devnet.request(line, &[host, JSON, origin], body);
            assert_eq!(status, 403, "{line} {origin:?}");
            assert!(!head.contains("access-control-allow"), "{head}");
            assert!(!body.contains("seed"), "{body}");
        }
    }
    let info = devnet.get("/info");
    assert_eq!(info["seqno"], seqno);
    // Its own page, if it had one, is no stranger.
    let own = format!("http://{}", devnet.control());
    assert_eq!(devnet.request("GET /info", &[host, ("origin", &own)], "").0, 200);
}

#[test]
fn a_name_that_was_turned_to_this_machine_is_not_answered() {
    let devnet = Program::start(&["--allow-host", "chain"]);
    let port = devnet.control().rsplit(':').next().unwrap();
    let status = |host: &str| devnet.request("GET /info", &[("host", host)], "").0;
    for host in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1.evil.example", "", "@"]
    {
        assert_eq!(status(host), 403, "{host}");
    }
    for host in ["localhost", "127.0.0.1", "[::1]", "chain"] {
        assert_eq!(status(&format!("{host}:{port}")), 200, "{host}");
    }
}

#[test]
fn pages_of_an_origin_that_was_named_may_do_everything() {
    let devnet = Program::start(&["--allow-origin", "http://localhost:5173"]);
    let headers = [("host", devnet.control()), ("origin", "http://localhost:5173"), JSON];
    let (status, head, _) = devnet.request("OPTIONS /warp", &headers, "");
    assert_eq!(status, 204);
    assert!(head.contains("access-control-allow-origin: http://localhost:5173"), "{head}");
    assert!(head.contains("access-control-allow-headers: content-type"), "{head}");
    let (status, head, _) = devnet.request("POST /warp", &headers, r#"{"seconds":60}"#);
    assert_eq!(status, 200);
    assert!(head.contains("vary: origin"), "{head}");
    // A clock that cannot be moved so far is not moved at all.
    let before = devnet.get("/info")["now"].as_u64().unwrap();
    let (status, _, body) = devnet.request("POST /warp", &headers, r#"{"seconds":4294967295}"#);
    assert_eq!(status, 422, "{body}");
    assert!(body.contains("2147483647"), "{body}");
    assert!(devnet.get("/info")["now"].as_u64().unwrap() < before + 60);
}
