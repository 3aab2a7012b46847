//! A shop and its customers, honest and not.

use daemon::client::Answer;
use hyper::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::merchant::{Market, Payment, header, invoice, node_key, resigned};
use channel::key::{SecretKey, Signature, sha256};

const ARTICLE: &str = "/article/1";

/// A refusal: its status, its code in header and body, and nothing of the article.
fn assert_refused(answer: &Answer, code: &str) {
    assert_eq!(answer.body["code"], code, "{}", answer.body);
    let malformed = ["invalid_payload", "invalid_x402_version"].contains(&code);
    if malformed {
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        return;
    }
    assert_eq!(answer.status, StatusCode::PAYMENT_REQUIRED);
    assert_eq!(header(answer, "payment-required")["error"], code);
    let response = header(answer, "payment-response");
    assert_eq!((&response["success"], &response["errorReason"]), (&json!(false), &json!(code)));
}

fn assert_delivered(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert!(answer.body.as_str().unwrap().starts_with("Your browser"));
}

#[tokio::test]
async fn what_costs_money_is_answered_with_a_signed_offer() {
    let market = Market::open().await;
    let answer = market.ask(Method::GET, ARTICLE, &HeaderMap::new()).await;
    assert_eq!(answer.status, StatusCode::PAYMENT_REQUIRED);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    let exposed = answer.headers["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("PAYMENT-REQUIRED") && exposed.contains("PAYMENT-RESPONSE"));
    assert!(answer.headers["payment-required"].len() < 4096, "proxies cut longer headers off");

    let url = format!("{}{ARTICLE}", market.shop.url);
    let required = header(&answer, "payment-required");
    assert_eq!(required["x402Version"], 2);
    assert_eq!(required["resource"]["url"], url);
    let offer = &required["accepts"][0];
    for (field, value) in [
        ("/scheme", json!("exact")),
        ("/network", json!("tvm:-3")),
        ("/amount", json!("10000000")),
        ("/asset", json!("TON")),
        ("/payTo", json!(format!("0:{}", "ab".repeat(32)))),
        ("/maxTimeoutSeconds", json!(300)),
        ("/extra/assetTransferMethod", json!("payment-network")),
        ("/extra/paymentFlow", json!("upfront")),
        ("/extra/nodeKey", json!(node_key().public().to_string())),
    ] {
        assert_eq!(offer.pointer(field), Some(&value), "{field}");
    }

    let invoice = invoice(offer);
    assert_eq!(invoice["v"], 1);
    assert_eq!(invoice["amount"], offer["amount"]);
    assert_eq!(invoice["routes"], json!([{ "relay": "03".repeat(32), "fee": "100000" }]));
    let request = json!({
        "bodyHash": hex::encode(sha256(&[])),
        "domain": "x402:exact:tvm:payment-network:http:1",
        "headers": [],
        "method": "GET",
        "url": url,
    });
    let request_hash = hex::encode(sha256(&[request.to_string().as_bytes()]));
    assert_eq!(invoice["requestHash"], request_hash);
    let text = offer["extra"]["invoice"].as_str().unwrap();
    let text = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text).unwrap();
    let mut signature = [0; 64];
    let hex = offer["extra"]["invoiceSignature"].as_str().unwrap();
    hex::decode_to_slice(hex, &mut signature).unwrap();
    let signed = sha256(&[b"rill:invoice:v1\0", &text]);
    assert!(node_key().public().verify(&signed, &Signature(signature)));
}

#[tokio::test]
async fn asking_what_there_is_costs_nothing() {
    let market = Market::open().await;
    let none = HeaderMap::new();
    let index = market.ask(Method::GET, "/", &none).await;
    assert_eq!(index.status, StatusCode::OK);
    assert_eq!(index.body["articles"][0]["price"], "10000000");

    let head = market.ask(Method::HEAD, ARTICLE, &none).await;
    assert_eq!((head.status, head.body), (StatusCode::OK, Value::Null));
    let options = market.ask(Method::OPTIONS, ARTICLE, &none).await;
    assert_eq!(options.status, StatusCode::NO_CONTENT);
    let allowed = options.headers["access-control-allow-headers"].to_str().unwrap();
    assert!(allowed.contains("PAYMENT-SIGNATURE"));

    let nothing = market.ask(Method::GET, "/article/99", &none).await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);

    let mut person = HeaderMap::new();
    person.insert("accept", "text/html,*/*".parse().unwrap());
    let paywall = market.ask(Method::GET, ARTICLE, &person).await;
    assert_eq!(paywall.status, StatusCode::PAYMENT_REQUIRED);
    assert!(paywall.body.as_str().unwrap().contains("0.01 TON"));
}

#[tokio::test]
async fn who_has_paid_gets_the_article_and_a_receipt() {
    let market = Market::open().await;
    let challenge = market.challenge(ARTICLE).await;
    let payment = Payment::new(1);
    market.arrives(&payment, "10000000", 0);
    let answer = market.show(ARTICLE, &payment.proof(&challenge)).await;
    assert_delivered(&answer);
    assert_eq!(answer.headers["cache-control"], "private");
    let receipt = header(&answer, "payment-response");
    let expected = json!({
        "success": true,
        "transaction": "",
        "network": "tvm:-3",
        "payer": payment.channel.to_string(),
        "amount": "10000000",
        "extra": { "invoiceId": invoice(&challenge["accepts"][0])["id"] },
    });
    assert_eq!(receipt, expected);
}

#[tokio::test]
async fn the_same_proof_gets_the_same_answer_also_after_a_restart() {
    let mut market = Market::open().await;
    let payment = Payment::new(1);
    market.arrives(&payment, "10000000", 0);
    let proof = payment.proof(&market.challenge(ARTICLE).await);
    let first = market.show(ARTICLE, &proof).await;
    assert_delivered(&first);

    let second = market.show(ARTICLE, &proof).await;
    market.reopen().await;
    let third = market.show(ARTICLE, &proof).await;
    for again in [second, third] {
        assert_eq!(again.body, first.body);
        assert_eq!(again.headers["payment-response"], first.headers["payment-response"]);
    }
}

#[tokio::test]
async fn one_payment_buys_one_thing() {
    let mut market = Market::open().await;
    let payment = Payment::new(1);
    market.arrives(&payment, "10000000", 0);
    let first = market.challenge(ARTICLE).await;
    let second = market.challenge(ARTICLE).await;
    let other = market.challenge("/article/2").await;
    assert_delivered(&market.show(ARTICLE, &payment.proof(&first)).await);

    assert_refused(&market.show(ARTICLE, &payment.proof(&second)).await, "duplicate_settlement");
    market.reopen().await;
    let answer = market.show("/article/2", &payment.proof(&other)).await;
    assert_refused(&answer, "duplicate_settlement");
    // The invoice is spent for everybody else, too.
    let thief = Payment::new(2);
    market.arrives(&thief, "10000000", 0);
    assert_refused(&market.show(ARTICLE, &thief.proof(&first)).await, "duplicate_settlement");
}

#[tokio::test]
async fn many_copies_of_a_proof_at_once_are_one_sale() {
    let market = Market::open().await;
    let payment = Payment::new(1);
    market.arrives(&payment, "10000000", 0);
    let [one, other] = [market.challenge(ARTICLE).await, market.challenge(ARTICLE).await];
    let (one, other) = (payment.proof(&one), payment.proof(&other));
    let answers = tokio::join!(
        market.show(ARTICLE, &one),
        market.show(ARTICLE, &other),
        market.show(ARTICLE, &one),
        market.show(ARTICLE, &other),
    );
    let sold = [&answers.0, &answers.1, &answers.2, &answers.3].map(|answer| answer.status);
    assert_eq!((sold[0], sold[1]), (sold[2], sold[3]));
    assert_ne!(sold[0], sold[1]);
}

#[tokio::test]
async fn a_proof_is_for_one_resource_only() {
    let market = Market::open().await;
    let payment = Payment::new(1);
    market.arrives(&payment, "10000000", 0);
    let proof = payment.proof(&market.challenge(ARTICLE).await);
    let answer = market.show("/article/2", &proof).await;
    assert_refused(&answer, "invalid_exact_tvm_request_mismatch");
    let answer = market.show("/article/1?page=2", &proof).await;
    assert_refused(&answer, "invalid_exact_tvm_request_mismatch");

    let mut renamed = proof.clone();
    renamed["resource"]["url"] = format!("{}/article/2", market.shop.url).into();
    let answer = market.show("/article/2", &renamed).await;
    assert_refused(&answer, "invalid_exact_tvm_invoice_request_mismatch");
    // Nothing of this has spent the payment.
    assert_delivered(&market.show(ARTICLE, &proof).await);
}

#[tokio::test]
async fn a_proof_by_somebody_else_is_refused() {
    let market = Market::open().await;
    let challenge = market.challenge(ARTICLE).await;
    let payment = Payment::new(1);
    market.arrives(&payment, "10000000", 0);

    let mut forged = payment.proof(&challenge);
    forged["payload"]["signature"] = "00".repeat(64).into();
    assert_refused(&market.show(ARTICLE, &forged).await, "invalid_exact_tvm_signature");

    // Somebody who knows of the payment, such as a relay, signs with a key of their own.
    let thief = Payment { channel: payment.channel, last: SecretKey::from_seed([9; 32]) };
    let answer = market.show(ARTICLE, &thief.proof(&challenge)).await;
    assert_refused(&answer, "invalid_exact_tvm_signature");
    assert_delivered(&market.show(ARTICLE, &payment.proof(&challenge)).await);
}

#[tokio::test]
async fn an_invoice_that_the_shop_did_not_make_is_refused() {
    let market = Market::open().await;
    let challenge = market.challenge(ARTICLE).await;
    let payment = Payment::new(1);
    market.arrives(&payment, "10000000", 0);
    let stranger = SecretKey::from_seed([9; 32]);
    let cheap = resigned(&challenge, "amount", json!("1"), &stranger);
    let answer = market.show(ARTICLE, &payment.proof(&cheap)).await;
    assert_refused(&answer, "invalid_exact_tvm_invoice");

    let mut other = payment.proof(&challenge);
    other["payload"]["invoiceId"] = "00".repeat(32).into();
    assert_refused(&market.show(ARTICLE, &other).await, "invalid_exact_tvm_invoice");

    for (pointer, value, code) in [
        ("/accepted/amount", json!("1"), "invalid_payment_requirements"),
        ("/accepted/payTo", json!("0:00"), "invalid_payment_requirements"),
        ("/accepted/network", json!("tvm:-239"), "invalid_network"),
        ("/accepted/scheme", json!("upto"), "unsupported_scheme"),
        ("/payload/amount", json!("1"), "invalid_exact_tvm_amount"),
    ] {
        let mut changed = payment.proof(&challenge);
        *changed.pointer_mut(pointer).unwrap() = value;
        assert_refused(&market.show(ARTICLE, &changed).await, code);
    }
}

#[tokio::test]
async fn too_little_money_is_refused() {
    let market = Market::open().await;
    let challenge = market.challenge(ARTICLE).await;
    let payment = Payment::new(1);
    market.arrives(&payment, "9999999", 0);
    let answer = market.show(ARTICLE, &payment.proof(&challenge)).await;
    assert_refused(&answer, "invalid_exact_tvm_amount");
}

#[tokio::test]
async fn an_unpaid_claim_is_told_to_wait_and_offered_the_same_invoice() {
    let market = Market::open().await;
    let challenge = market.challenge(ARTICLE).await;
    let payment = Payment::new(1);
    let proof = payment.proof(&challenge);
    let answer = market.show(ARTICLE, &proof).await;
    assert_refused(&answer, "invalid_exact_tvm_not_final");
    let offered = &header(&answer, "payment-required")["accepts"][0];
    assert_eq!(offered, &challenge["accepts"][0]);

    market.arrives(&payment, "10000000", 0);
    assert_delivered(&market.show(ARTICLE, &proof).await);
}

#[tokio::test]
async fn an_expired_invoice_counts_only_if_it_was_paid_in_time() {
    let market = Market::open().await;
    let challenge = market.challenge(ARTICLE).await;
    let expiry = invoice(&challenge["accepts"][0])["expiry"].as_u64().unwrap();
    let expired = |ago: u64| resigned(&challenge, "expiry", json!(expiry - 300 - ago), &node_key());

    let unpaid = Payment::new(1).proof(&expired(10));
    assert_refused(&market.show(ARTICLE, &unpaid).await, "invalid_exact_tvm_expired");

    let late = Payment::new(2);
    market.arrives(&late, "10000000", 0);
    let answer = market.show(ARTICLE, &late.proof(&expired(10))).await;
    assert_refused(&answer, "invalid_exact_tvm_expired");

    let in_time = Payment::new(3);
    market.arrives(&in_time, "10000000", 30);
    assert_delivered(&market.show(ARTICLE, &in_time.proof(&expired(10))).await);
}

#[tokio::test]
async fn a_payment_older_than_the_invoice_cannot_pay_it() {
    let market = Market::open().await;
    let challenge = market.challenge(ARTICLE).await;
    let payment = Payment::new(1);
    market.arrives(&payment, "10000000", 3600);
    let answer = market.show(ARTICLE, &payment.proof(&challenge)).await;
    assert_refused(&answer, "invalid_exact_tvm_invoice");
}

#[tokio::test]
async fn a_header_that_is_no_payment_is_a_bad_request() {
    let market = Market::open().await;
    let challenge = market.challenge(ARTICLE).await;
    for text in ["", "%%%", "AAAA", "e30=", "bnVsbA=="] {
        assert_refused(&market.show_text(ARTICLE, text).await, "invalid_payload");
    }
    let mut old = Payment::new(1).proof(&challenge);
    old["x402Version"] = 1.into();
    assert_refused(&market.show(ARTICLE, &old).await, "invalid_x402_version");
    for pointer in ["/payload/channelId", "/payload/instructionKey", "/payload/signature"] {
        for wrong in ["", "zz", "ABCD", &"AB".repeat(32), &"00".repeat(1000)] {
            let mut changed = Payment::new(1).proof(&challenge);
            *changed.pointer_mut(pointer).unwrap() = wrong.into();
            assert_refused(&market.show(ARTICLE, &changed).await, "invalid_payload");
        }
    }
}

#[tokio::test]
async fn a_shop_whose_node_is_offline_says_so_and_forgets_no_sale() {
    let mut market = Market::open().await;
    let sold = Payment::new(1);
    market.arrives(&sold, "10000000", 0);
    let proof = sold.proof(&market.challenge(ARTICLE).await);
    assert_delivered(&market.show(ARTICLE, &proof).await);
    let open = market.challenge(ARTICLE).await;
    market.node_down().await;

    let answer = market.ask(Method::GET, ARTICLE, &HeaderMap::new()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.body["code"], "payment_node_unreachable");
    let answer = market.show(ARTICLE, &Payment::new(2).proof(&open)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_delivered(&market.show(ARTICLE, &proof).await);
}
