//! The proof of a payment: read from the `PAYMENT-SIGNATURE` header, bound to one invoice and one request, and
//! held against what has arrived at the node.
//!
//! Everything in it was chosen by the sender. The invoice counts because our own node signed it; the payment
//! counts because only its payer has the last instruction key that our node saw.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use channel::{
    amount::{Nano, Time},
    key::{PublicKey, Signature, sha256},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    claims::Payment,
    invoice::{Invoice, LIFETIME_SECS, Requirements, Resource},
    merchant::{Identity, Received},
};
use crate::http::nano;

/// A proof whose signatures are right. Whether it is paid is another question.
pub(super) struct Proof {
    pub(super) payment: Named,
    accepted: Requirements,
    invoice: Invoice,
    amount: Nano,
}

/// What names the payment, as it stands in the header.
pub(super) struct Named {
    pub(super) invoice: String,
    /// The virtual key.
    pub(super) channel: PublicKey,
    pub(super) instruction: PublicKey,
}

/// Why a payment is not accepted.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Stable, from the x402 list or its family for this network.
    pub(super) code: &'static str,
    pub(super) detail: String,
    /// The header is no payment at all: status 400, not 402.
    pub(super) malformed: bool,
    /// The offer that still stands.
    pub(super) keep: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PaymentPayload {
    x402_version: u64,
    resource: Option<NamedResource>,
    accepted: Requirements,
    payload: Payload,
}

/// Only the URL binds; other members are words.
#[derive(Deserialize)]
struct NamedResource {
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    invoice_id: String,
    channel_id: String,
    instruction_key: String,
    amount: String,
    signature: String,
}

impl Refusal {
    pub(super) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), malformed: false, keep: None }
    }

    fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self { malformed: true, ..Self::new(code, detail) }
    }
}

impl Proof {
    /// Checks all that can be checked without asking anybody: form, invoice, request, signature.
    pub(super) fn read(
        header: &[u8],
        resource: &Resource,
        identity: &Identity,
    ) -> Result<Self, Refusal> {
        let PaymentPayload { x402_version, resource: named, accepted, payload } = parse(header)?;
        if x402_version != 2 {
            let detail = format!("x402 version {x402_version} is not spoken here, 2 is");
            return Err(Refusal::malformed("invalid_x402_version", detail));
        }
        if accepted.scheme != "exact" || accepted.extra.asset_transfer_method != "payment-network" {
            return Err(Refusal::new(
                "unsupported_scheme",
                "this shop takes exact payments over the payment network",
            ));
        }
        if accepted.network != identity.network {
            let detail = format!("paid on {}, asked for on {}", accepted.network, identity.network);
            return Err(Refusal::new("invalid_network", detail));
        }
        let invoice = own_invoice(&accepted, identity)?;
        if accepted != rebuilt(&accepted, &invoice, identity) {
            return Err(Refusal::new(
                "invalid_payment_requirements",
                "`accepted` is not what was offered with this invoice",
            ));
        }
        if named.is_some_and(|named| named.url != resource.url) {
            return Err(Refusal::new(
                "invalid_exact_tvm_request_mismatch",
                format!("the payment names another resource than {}", resource.url),
            ));
        }
        let request_hash = resource.request_hash();
        if invoice.request_hash != hex::encode(request_hash) {
            return Err(Refusal::new(
                "invalid_exact_tvm_invoice_request_mismatch",
                "the invoice is for another request than this one",
            ));
        }
        if payload.invoice_id != invoice.id {
            return Err(Refusal::new(
                "invalid_exact_tvm_invoice",
                "the proof names another invoice than the one that it comes with",
            ));
        }
        let amount = nano(&invoice.amount).ok();
        let Some(amount) = amount.filter(|_| payload.amount == invoice.amount) else {
            let detail = format!("{} nano named, {} nano asked", payload.amount, invoice.amount);
            return Err(Refusal::new("invalid_exact_tvm_amount", detail));
        };
        let payment = payload.signed_for(&invoice, &request_hash)?;
        Ok(Self { payment, accepted, invoice, amount })
    }

    /// The end of the invoice's life.
    pub(super) fn expires(&self) -> Time {
        Time(u64::from(self.invoice.expiry) * 1000)
    }

    /// Compares with what has arrived under the proof's virtual key. A payment that came while the invoice was
    /// valid still counts after that for a while: its proof may come late.
    pub(super) fn covered_by(&self, received: Option<&Received>, now: Time) -> Result<(), Refusal> {
        let Some(received) = received else {
            if now >= self.expires() {
                return Err(Refusal::new(
                    "invalid_exact_tvm_expired",
                    "the invoice has expired unpaid: ask for a new one",
                ));
            }
            let detail =
                "the payment has not arrived yet: send the same request again, do not pay again";
            let keep = Some(self.accepted.to_value());
            return Err(Refusal { keep, ..Refusal::new("invalid_exact_tvm_not_final", detail) });
        };
        if received.instruction != self.payment.instruction {
            return Err(Refusal::new(
                "invalid_exact_tvm_signature",
                "the proof is not by the one who paid",
            ));
        }
        if received.amount < self.amount {
            let detail = format!("{} TON arrived, {} TON asked", received.amount, self.amount);
            return Err(Refusal::new("invalid_exact_tvm_amount", detail));
        }
        if now >= self.expires().plus_secs(LATE_SECS) {
            return Err(Refusal::new(
                "invalid_exact_tvm_expired",
                "the invoice expired too long ago",
            ));
        }
        // An older payment may have bought something that was forgotten here since.
        if received.at.plus_secs(LIFETIME_SECS + SKEW_SECS) < self.expires() {
            return Err(Refusal::new(
                "invalid_exact_tvm_invoice",
                "the payment is older than the invoice",
            ));
        }
        if received.at >= self.expires() {
            return Err(Refusal::new(
                "invalid_exact_tvm_expired",
                "the payment came after the invoice had expired",
            ));
        }
        Ok(())
    }

    pub(super) fn payment(&self) -> Payment<'_> {
        Payment {
            invoice: &self.payment.invoice,
            channel: &self.payment.channel.0,
            instruction: &self.payment.instruction.0,
        }
    }

    /// The x402 settlement response.
    pub(super) fn receipt(&self, network: &str) -> Value {
        json!({
            "success": true,
            "transaction": "",
            "network": network,
            "payer": self.payment.channel.to_string(),
            "amount": self.invoice.amount,
            "extra": { "invoiceId": self.invoice.id },
        })
    }
}

impl Payload {
    /// The signature by the instruction key, over the invoice, the request and the virtual key.
    fn signed_for(&self, invoice: &Invoice, request_hash: &[u8; 32]) -> Result<Named, Refusal> {
        let malformed = |what: &str| {
            Refusal::malformed(
                "invalid_payload",
                format!("`{what}` is not hex of the right length"),
            )
        };
        let channel = key(&self.channel_id).ok_or_else(|| malformed("channelId"))?;
        let instruction = key(&self.instruction_key).ok_or_else(|| malformed("instructionKey"))?;
        let mut signature = [0; 64];
        hex::decode_to_slice(&self.signature, &mut signature)
            .map_err(|_| malformed("signature"))?;
        let mut id = [0; 32];
        hex::decode_to_slice(&invoice.id, &mut id).map_err(|_| malformed("invoiceId"))?;
        let digest = sha256(&[PROOF_DOMAIN, &id, request_hash, &channel.0]);
        if !instruction.verify(&digest, &Signature(signature)) {
            return Err(Refusal::new(
                "invalid_exact_tvm_signature",
                "the signature of the proof is wrong",
            ));
        }
        Ok(Named { invoice: invoice.id.clone(), channel, instruction })
    }
}

fn parse(header: &[u8]) -> Result<PaymentPayload, Refusal> {
    let malformed = |detail: String| Refusal::malformed("invalid_payload", detail);
    if header.len() > HEADER_MAX {
        return Err(malformed(format!("PAYMENT-SIGNATURE is longer than {HEADER_MAX} bytes")));
    }
    let json = BASE64_STANDARD
        .decode(header)
        .map_err(|error| malformed(format!("PAYMENT-SIGNATURE is not base64: {error}")))?;
    serde_json::from_slice(&json)
        .map_err(|error| malformed(format!("PAYMENT-SIGNATURE holds no payment: {error}")))
}

/// The invoice inside, if our node has signed it.
fn own_invoice(accepted: &Requirements, identity: &Identity) -> Result<Invoice, Refusal> {
    let refused = |detail: &str| Refusal::new("invalid_exact_tvm_invoice", detail);
    let bytes = BASE64_STANDARD
        .decode(&accepted.extra.invoice)
        .map_err(|_| refused("the invoice is not base64"))?;
    let mut signature = [0; 64];
    hex::decode_to_slice(&accepted.extra.invoice_signature, &mut signature)
        .map_err(|_| refused("the signature of the invoice is malformed"))?;
    if !identity.node.verify(&Invoice::digest(&bytes), &Signature(signature)) {
        return Err(refused("the invoice is not one of this shop"));
    }
    let invoice: Invoice =
        serde_json::from_slice(&bytes).map_err(|_| refused("the invoice is of another kind"))?;
    if invoice.v != 1 {
        return Err(refused("the invoice is of another version"));
    }
    Ok(invoice)
}

/// What was offered with this invoice.
fn rebuilt(accepted: &Requirements, invoice: &Invoice, identity: &Identity) -> Requirements {
    let mut offered = accepted.clone();
    offered.amount.clone_from(&invoice.amount);
    offered.asset.clone_from(&invoice.asset);
    offered.pay_to.clone_from(&identity.wallet);
    offered.max_timeout_seconds = LIFETIME_SECS;
    offered.extra.payment_flow = "upfront".to_owned();
    offered.extra.node_key = identity.node.to_string();
    offered
}

/// Lower-case hex only: one key has one spelling.
fn key(text: &str) -> Option<PublicKey> {
    let key: PublicKey = text.parse().ok()?;
    (key.to_string() == text).then_some(key)
}

const PROOF_DOMAIN: &[u8] = b"rill:proof:v1";

/// How long after the end of its invoice a payment made in time can be proven.
pub(super) const LATE_SECS: u64 = 7 * 86_400;

/// Between the clocks of node and shop.
const SKEW_SECS: u64 = 60;

const HEADER_MAX: usize = 16 << 10;
