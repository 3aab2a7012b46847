//! The HTTP API: who may do what, and how it says no.

use daemon::client;
use hyper::{HeaderMap, Method, StatusCode};
use node::invitation::Invitation;
use serde_json::{Value, json};

use crate::support::{config, lone};

fn code(body: &Value) -> &str {
    body.pointer("/error/code").and_then(Value::as_str).unwrap_or("none")
}

fn message(body: &Value) -> &str {
    body.pointer("/error/message").and_then(Value::as_str).unwrap_or("none")
}

#[tokio::test]
async fn everybody_may_ask_for_health_and_invitation_from_every_origin() {
    let lone = lone(config()).await;
    for path in ["/health", "/invitation"] {
        let answer = client::get(&lone.url(path), None).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
    }
    let invitation = lone.get("/invitation").await.body;
    let invitation: Invitation = invitation.as_str().unwrap().parse().unwrap();
    assert_eq!(invitation, lone.daemon.invitation);
}

#[tokio::test]
async fn a_page_may_ask_before_it_asks_the_faucet() {
    let lone = lone(config()).await;
    let none = HeaderMap::new();
    let url = lone.url("/faucet");
    let answer = client::send(Method::OPTIONS, &url, None, &none, None).await.unwrap();
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    assert_eq!(answer.headers["access-control-allow-headers"], "content-type");
}

#[tokio::test]
async fn nobody_sees_or_moves_money_without_the_token() {
    let lone = lone(config()).await;
    let calls = [
        (Method::GET, "/snapshot"),
        (Method::GET, "/payments/00"),
        (Method::GET, "/received/00"),
        (Method::POST, "/contacts"),
        (Method::POST, "/channels"),
        (Method::POST, "/payments"),
        (Method::POST, "/payments/00/proof"),
        (Method::POST, "/sign"),
    ];
    for (method, path) in calls {
        for token in [None, Some("wrong"), Some("")] {
            let url = lone.url(path);
            let none = HeaderMap::new();
            let answer = client::send(method.clone(), &url, token, &none, None).await.unwrap();
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} {token:?}");
            assert_eq!(code(&answer.body), "unauthorized");
            assert!(!answer.headers.contains_key("access-control-allow-origin"));
        }
    }
}

#[tokio::test]
async fn malformed_requests_are_told_what_is_wrong() {
    let lone = lone(config()).await;
    let key = lone.daemon.key.to_string();
    for (path, body, says) in [
        ("/contacts", json!({ "invitation": "http://x" }), "rill://"),
        ("/contacts", json!({}), "missing field `invitation`"),
        ("/contacts", json!(null), "invalid type"),
        ("/channels", json!({ "peer": "xy", "deposit": "1" }), "`peer`"),
        ("/channels", json!({ "channel": "xy", "deposit": "1" }), "`channel`"),
        ("/channels", json!({ "peer": key, "channel": key, "deposit": "1" }), "either"),
        ("/channels", json!({ "deposit": "1" }), "either"),
        ("/channels", json!({ "peer": key, "deposit": 1 }), "expected a string"),
        ("/channels", json!({ "peer": key, "deposit": "1.5" }), "1500000000"),
        ("/channels", json!({ "peer": key, "deposit": "-1" }), "not an amount"),
        ("/channels", json!({ "peer": key, "deposit": "9".repeat(60) }), "not an amount"),
        ("/payments", json!({ "id": "1", "route": [], "amount": "1" }), "`id`"),
        ("/sign", json!({ "domain": "rill:invoice:v1", "text": "%" }), "base64"),
        // With a name of one's own choice this would be the hash of a channel state.
        ("/sign", json!({ "domain": "\u{1}yChSt", "text": "AAAA" }), "`domain`"),
        ("/sign", json!({ "domain": "rill:invoice:v1\0", "text": "AAAA" }), "`domain`"),
    ] {
        let answer = lone.post(path, body.clone()).await;
        let kind = answer.status.is_client_error() && answer.status != StatusCode::UNAUTHORIZED;
        assert!(kind, "{path} {body}: {}", answer.status);
        assert!(message(&answer.body).contains(says), "{path} {body}: {}", answer.body);
    }
}

#[tokio::test]
async fn commands_that_cannot_be_carried_out_have_a_code() {
    let lone = lone(config()).await;
    let stranger = "11".repeat(32);
    let answer = lone.post("/channels", json!({ "peer": stranger, "deposit": "1" })).await;
    assert_eq!((answer.status, code(&answer.body)), (StatusCode::NOT_FOUND, "unknown_peer"));
    assert_eq!(answer.body.pointer("/error/peer").unwrap(), &json!(stranger));
    let answer = lone.post("/channels", json!({ "channel": stranger, "deposit": "1" })).await;
    assert_eq!((answer.status, code(&answer.body)), (StatusCode::NOT_FOUND, "not_found"));
    for path in ["/payments/", "/received/"] {
        let answer = lone.get(&format!("{path}{stranger}")).await;
        assert_eq!((answer.status, code(&answer.body)), (StatusCode::NOT_FOUND, "not_found"));
    }
    let answer = lone.get("/elsewhere").await;
    assert_eq!((answer.status, code(&answer.body)), (StatusCode::NOT_FOUND, "not_found"));
    let answer = lone.get("/sign").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_node_signs_for_its_owner_apart_from_everything_else() {
    let lone = lone(config()).await;
    let answer = lone.post("/sign", json!({ "domain": "rill:invoice:v1", "text": "aGVsbG8=" }));
    let answer = answer.await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.body["key"], lone.daemon.key.to_string());
    let mut signature = [0; 64];
    hex::decode_to_slice(answer.body["signature"].as_str().unwrap(), &mut signature).unwrap();
    let signed = channel::key::sha256(&[b"rill:invoice:v1\0hello"]);
    assert!(lone.daemon.key.verify(&signed, &channel::key::Signature(signature)));
}

#[tokio::test]
async fn a_faucet_that_is_not_there_says_so() {
    let lone = lone(config()).await;
    let answer = client::post(&lone.url("/faucet"), None, &json!({ "amount": "1" })).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(message(&answer.body).contains("[devnet]"));

    let mut config = config();
    config.devnet = Some(daemon::config::Devnet {
        control: "http://127.0.0.1:9".to_owned(),
        faucet_max: channel::amount::Nano(10),
    });
    let lone = self::lone(config).await;
    let too_much = lone.post("/faucet", json!({ "amount": "11" })).await;
    assert_eq!(too_much.status, StatusCode::BAD_REQUEST);
    let silent = lone.post("/faucet", json!({ "amount": "10" })).await;
    assert_eq!(
        (silent.status, code(&silent.body)),
        (StatusCode::BAD_GATEWAY, "faucet_unreachable")
    );
}
