//! What the shop sells: three short texts about the thing that sold them. And its two pages for people.

/// One text.
#[derive(Clone, Copy)]
pub(super) struct Article {
    pub(super) title: &'static str,
    pub(super) content_type: &'static str,
    pub(super) body: &'static str,
}

/// With their numbers, from 1.
pub(super) fn all() -> impl Iterator<Item = (usize, Article)> {
    (1..).zip(ARTICLES)
}

pub(super) fn find(number: &str) -> Option<Article> {
    all().find(|(n, _)| n.to_string() == number).map(|(_, article)| article)
}

/// `price` in TON.
pub(super) fn index_page(price: &str) -> String {
    let rows: String = all()
        .map(|(number, article)| {
            format!("<li><a href=\"/article/{number}\">{}</a>, {price} TON</li>", article.title)
        })
        .collect();
    page("A shop that is paid per article", &format!("<ol>{rows}</ol><p>{HOW}</p>"))
}

pub(super) fn paywall_page(title: &str, price: &str) -> String {
    page(title, &format!("<p>This article costs {price} TON.</p><p>{HOW}</p>"))
}

/// Titles are ours; nothing in here comes from a request.
fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><body><h1>{title}</h1>{body}</body></html>"
    )
}

const HOW: &str = "A browser alone cannot pay for it. Open it with a payment node, for example the demo page that comes with Rill.";

const TEXT: &str = "text/plain; charset=utf-8";

const ARTICLES: [Article; 3] = [
    Article {
        title: "How this page was paid for",
        content_type: TEXT,
        body: "\
Your browser runs a payment node of its own. When it asked for this text, the server said what it costs and \
signed an invoice for exactly this request.

Your node had put coins into a contract that it shares with a relay. It signed a new state of that channel, in \
which a little more belongs to the relay, under the condition that the relay pays the shop. The relay signed the \
same promise in its channel with the shop, the shop's node opened the last envelope and found the money in it.

Nobody on the way had to be trusted: each promise is a signed message that the contract on chain would enforce. \
And nothing was written to the chain, which is why it took milliseconds and cost next to nothing.
",
    },
    Article {
        title: "What the relay knows",
        content_type: TEXT,
        body: "\
The relay in the middle sees the channel that it shares with you and the one that it shares with the shop. It \
passes on an envelope that it cannot open: inside is another envelope, for the next node, and so on to the last.

So it learns how much it forwards, to which neighbour, and until when. It does not learn what you bought, and \
from the outside all envelopes have the same size, so it cannot even tell how long the route is.

The proof that opened this page is a signature by a key that only your node has. The relay never saw it and \
cannot claim your purchase for itself.
",
    },
    Article {
        title: "What happens when something breaks",
        content_type: TEXT,
        body: "\
Every message between two nodes is written to disk before it is sent. If a machine stops in the middle, it reads \
its own records when it comes back and says again what it still owes.

If a neighbour stops for good, the last signed state goes to the contract, which waits for objections, pays out \
what was promised to those who can show the key, and returns the rest.

A payment therefore ends in one of two ways: it is done once, or it is not done and the coins come back at a \
time that was fixed when it began. If the answer of this shop is lost on the way, the same request with the same \
proof brings the same answer, and costs nothing more.
",
    },
];
