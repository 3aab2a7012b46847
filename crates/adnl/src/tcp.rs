//! ADNL over TCP, the way liteservers are spoken to: a 256-byte handshake, then encrypted frames.
//!
//! The client knows the server's key and sends 160 random bytes encrypted to it; both sides cut the same stream
//! ciphers from them. Nothing here touches a socket: bytes of the stream go in, frames come out, and the other way
//! round. All randomness is an argument.
//!
//! Layouts: TON's documentation "ADNL TCP - liteserver".

mod guest;

use alloc::vec::Vec;

use aes::cipher::KeyIvInit;
use ctr::cipher::StreamCipher;
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    key::{LocalKey, PUB_ED25519, Stream, apply_shared, sha256, short_id},
    tl::{Reader, TlError, Writer},
};

pub use guest::{Guest, NONCE};

/// Bytes of the client's first message.
pub const HANDSHAKE: usize = 256;
/// Random bytes that a client brings along for one connection.
pub const SESSION: usize = 160;
/// Most bytes of one frame without its length field. TON's own limit.
pub const FRAME_MAX: usize = 1 << 24;
/// Nonce and checksum around the payload of a frame.
const FRAME_OVERHEAD: usize = 64;

const QUERY: u32 = 0xb48b_f97a;
const ANSWER: u32 = 0x0fac_8416;
const PING: u32 = 0x4d08_2b9a;
const PONG: u32 = 0xdc69_fb03;
const AUTHENTICATE: u32 = 0x445b_ab12;
const AUTHENTICATION_NONCE: u32 = 0xe35d_4ab6;
const AUTHENTICATION_COMPLETE: u32 = 0xf7ad_9ea6;

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TcpError {
    #[error("the handshake is for another server key")]
    WrongServer,
    #[error("the key of the other side is not a usable Ed25519 key")]
    BadKey,
    #[error("the handshake does not decrypt to its checksum")]
    BadHandshake,
    #[error("a frame of {length} bytes is announced, allowed are 64 to {max}")]
    FrameLength { length: usize, max: usize },
    #[error("a frame does not match its checksum")]
    Checksum,
    #[error("the client asks twice who it is, at too great length, or signs what it was not given")]
    Authentication,
}

/// Starts a connection to the server with this Ed25519 key. Returns the bytes to send first and the codec for
/// everything after.
///
/// `ephemeral` and `session` must be fresh random bytes for each connection.
pub fn connect(
    server: &[u8; 32],
    ephemeral: &[u8; 32],
    session: &[u8; SESSION],
) -> Result<([u8; HANDSHAKE], Codec), TcpError> {
    let key = LocalKey::from_seed(ephemeral);
    let secret = key.agree(server).ok_or(TcpError::BadKey)?;
    Ok((handshake(server, &key.public(), &secret, session), Codec::new(session, Side::Client)))
}

/// Takes a client's first message. Returns the codec for everything after; the server's first frame is an empty one.
pub fn accept(key: &LocalKey, handshake: &[u8; HANDSHAKE]) -> Result<Codec, TcpError> {
    let mut reader = Reader::new(handshake);
    let (id, client, checksum, mut session) =
        fields(&mut reader).map_err(|_| TcpError::BadHandshake)?;
    if id != key.id() {
        return Err(TcpError::WrongServer);
    }
    let secret = key.agree(&client).ok_or(TcpError::BadKey)?;
    apply_shared(&secret, &checksum, &mut *session);
    if sha256(&*session) != checksum {
        return Err(TcpError::BadHandshake);
    }
    Ok(Codec::new(&session, Side::Server))
}

/// Server's short id, client's key, checksum, session bytes.
type HandshakeFields = ([u8; 32], [u8; 32], [u8; 32], Zeroizing<[u8; SESSION]>);

fn fields(reader: &mut Reader<'_>) -> Result<HandshakeFields, TlError> {
    Ok((reader.array()?, reader.array()?, reader.array()?, Zeroizing::new(reader.array()?)))
}

fn handshake(
    server: &[u8; 32],
    client: &[u8; 32],
    secret: &[u8; 32],
    session: &[u8; SESSION],
) -> [u8; HANDSHAKE] {
    let checksum = sha256(session);
    let mut sealed = *session;
    apply_shared(secret, &checksum, &mut sealed);

    let mut message = [0; HANDSHAKE];
    let parts = short_id(server).into_iter().chain(*client).chain(checksum).chain(sealed);
    message.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    message
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// One connection after the handshake: both stream ciphers and what has arrived of the next frame.
///
/// A frame is `length:int || nonce:32 || payload || sha256(nonce || payload)`, all encrypted.
pub struct Codec {
    receive: Stream,
    send: Stream,
    /// Decrypted bytes that are not yet a whole frame.
    pending: Vec<u8>,
    frame_max: usize,
    broken: Option<TcpError>,
}

impl Codec {
    fn new(session: &[u8; SESSION], side: Side) -> Self {
        let (to_client, rest) = session.split_at(32);
        let (to_server, rest) = rest.split_at(32);
        let (to_client_counter, rest) = rest.split_at(16);
        let (to_server_counter, _padding) = rest.split_at(16);
        let to_client = stream(to_client, to_client_counter);
        let to_server = stream(to_server, to_server_counter);
        let (receive, send) = match side {
            Side::Client => (to_client, to_server),
            Side::Server => (to_server, to_client),
        };
        Self { receive, send, pending: Vec::new(), frame_max: FRAME_MAX, broken: None }
    }

    /// Accepts only frames of up to `bytes` payload. A server needs far less than [`FRAME_MAX`] from its clients.
    pub fn with_payload_max(mut self, bytes: usize) -> Self {
        self.frame_max = bytes.saturating_add(FRAME_OVERHEAD).min(FRAME_MAX);
        self
    }

    /// Takes the next bytes of the stream, cut anywhere, and returns the payloads that are complete with them.
    ///
    /// After an error the stream has lost its place: every later call returns the same error. Payloads that were
    /// complete before the error in the same call are dropped with it.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, TcpError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        let known = self.pending.len();
        self.pending.extend_from_slice(bytes);
        if let Some(fresh) = self.pending.get_mut(known..) {
            self.receive.apply_keystream(fresh);
        }

        match frames(&self.pending, self.frame_max) {
            Ok((payloads, used)) => {
                self.pending.drain(..used.min(self.pending.len()));
                Ok(payloads)
            }
            Err(error) => {
                self.broken = Some(error);
                self.pending = Vec::new();
                Err(error)
            }
        }
    }

    /// Encrypts one frame. Frames must be sent in the order in which they were sealed.
    ///
    /// `nonce` is fresh randomness. The other side ends the connection when a payload is longer than
    /// [`FRAME_MAX`] - 64 bytes.
    pub fn seal(&mut self, payload: &[u8], nonce: [u8; 32]) -> Vec<u8> {
        let length = payload.len().saturating_add(FRAME_OVERHEAD);
        let checksum = Sha256::new().chain_update(nonce).chain_update(payload).finalize();
        let mut frame = Writer::new()
            .int(u32::try_from(length).unwrap_or(u32::MAX))
            .raw(&nonce)
            .raw(payload)
            .raw(&checksum)
            .finish();
        self.send.apply_keystream(&mut frame);
        frame
    }
}

fn stream(key: &[u8], counter: &[u8]) -> Stream {
    let mut exact = (Zeroizing::new([0_u8; 32]), Zeroizing::new([0_u8; 16]));
    exact.0.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    exact.1.iter_mut().zip(counter).for_each(|(to, from)| *to = *from);
    Stream::new((&*exact.0).into(), (&*exact.1).into())
}

/// The payloads of all whole frames at the front, and how many bytes they took.
fn frames(bytes: &[u8], max: usize) -> Result<(Vec<Vec<u8>>, usize), TcpError> {
    let mut payloads = Vec::new();
    let mut reader = Reader::new(bytes);
    let mut used = 0_usize;
    while let Ok(length) = reader.int() {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length < FRAME_OVERHEAD || length > max {
            return Err(TcpError::FrameLength { length, max });
        }
        let Ok(frame) = reader.take(length) else { break };
        let Some((hashed, checksum)) = frame.split_last_chunk::<32>() else { break };
        if sha256(hashed) != *checksum {
            return Err(TcpError::Checksum);
        }
        payloads
            .push(hashed.split_at_checked(32).map_or(Vec::new(), |(_, payload)| payload.to_vec()));
        used = bytes.len().saturating_sub(reader.rest().len());
    }
    Ok((payloads, used))
}

/// What the payload of a frame can be. An empty payload is none of these: it only keeps the connection alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// `adnl.message.query query_id:int256 query:bytes`
    Query { id: [u8; 32], bytes: Vec<u8> },
    /// `adnl.message.answer query_id:int256 answer:bytes`
    Answer { id: [u8; 32], bytes: Vec<u8> },
    /// `tcp.ping random_id:long`
    Ping(u64),
    /// `tcp.pong random_id:long`
    Pong(u64),
    /// `tcp.authentificate nonce:bytes`, in TON's own spelling: a client wants to say who it is, see [`Guest`].
    Authenticate { nonce: Vec<u8> },
    /// `tcp.authentificationNonce nonce:bytes`
    Nonce(Vec<u8>),
    /// `tcp.authentificationComplete key:PublicKey signature:bytes`
    Authenticated { key: [u8; 32], signature: [u8; 64] },
}

impl Message {
    /// Parses a payload. [`TlError::Constructor`] for a message that is not known here; ignore those.
    pub fn parse(payload: &[u8]) -> Result<Self, TlError> {
        let mut reader = Reader::new(payload);
        let message = match reader.int()? {
            QUERY => Self::Query { id: reader.int256()?, bytes: reader.bytes()?.to_vec() },
            ANSWER => Self::Answer { id: reader.int256()?, bytes: reader.bytes()?.to_vec() },
            PING => Self::Ping(reader.long()?),
            PONG => Self::Pong(reader.long()?),
            AUTHENTICATE => Self::Authenticate { nonce: reader.bytes()?.to_vec() },
            AUTHENTICATION_NONCE => Self::Nonce(reader.bytes()?.to_vec()),
            AUTHENTICATION_COMPLETE => {
                reader.expect(PUB_ED25519)?;
                let (key, signature) = (reader.int256()?, reader.bytes()?);
                let signature = signature.try_into().map_err(|_| TlError::Value("signature"))?;
                Self::Authenticated { key, signature }
            }
            other => return Err(TlError::Constructor(other)),
        };
        reader.finish()?;
        Ok(message)
    }

    /// The payload for [`Codec::seal`].
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Query { id, bytes } => Writer::boxed(QUERY).int256(id).bytes(bytes).finish(),
            Self::Answer { id, bytes } => Writer::boxed(ANSWER).int256(id).bytes(bytes).finish(),
            Self::Ping(id) => Writer::boxed(PING).long(*id).finish(),
            Self::Pong(id) => Writer::boxed(PONG).long(*id).finish(),
            Self::Authenticate { nonce } => Writer::boxed(AUTHENTICATE).bytes(nonce).finish(),
            Self::Nonce(nonce) => Writer::boxed(AUTHENTICATION_NONCE).bytes(nonce).finish(),
            Self::Authenticated { key, signature } => Writer::boxed(AUTHENTICATION_COMPLETE)
                .int(PUB_ED25519)
                .int256(key)
                .bytes(signature)
                .finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// A connection recorded by an independent implementation (tonstack/adnl-rs) with a liteserver.
    const RECORDED_SESSION: &str = "b3d529e34b839a521518447b68343aebaae9314ac95aaacfdb687a2163d1a98638db306b63409ef7bc906b4c9dc115488cf90dfa964f520542c69e1a4a495edf9ae9ee72023203c8b266d552f251e8d724929733428c8e276ab3bd6291367336a6ab8dc3d36243419bd0b742f76691a5dec14edbd50f7c1b58ec961ae45be58cbf6623f3ec9705bd5d227761ec79cee377e2566ff668f863552bddfd6ff3a16b";
    const RECORDED_HANDSHAKE: &str = "a3fc70bfeff13b04ed4f2581045ff95a385df762eb82ab9902066061c2e6033e67d45a90e775d8f78d9feb9bdd222446e07c3de4a54e29220d18c18c5b340db36c06a61a8eb209b2b4f9d7359d76e3e0722024579d2b8bc920a6506238d6d88d14a880eb99b4996df8a11bb1a7124e39825848c74fc3d7bfab034e71dbc2e2d1606c14db1b04bb25b544a83b47815e9ec0590a9f4dd011b4bae7b01ddb376570d6641919e63933bf297a073b8febfae0c4dd298215e5db929c6764c43502874b7b5af6380fd52d3fd072b7046d6ccadecc771f54b461b5a157fe3e059df9575dc72dfc89e36b26a7cf9a4e7925c96e88d5342c139154c4a6e4e9d683d9373e3a";
    const RECORDED_SECRET: &str =
        "1f4d11789a5559b238f7ac8213e112184f16a97593b4a059c878af288a784b79";
    const RECORDED_SERVER: &str =
        "2615edec7d5d6538314132321a2615e1ff5550046e0f1165ff59150632d2301f";
    const RECORDED_CLIENT: &str =
        "67d45a90e775d8f78d9feb9bdd222446e07c3de4a54e29220d18c18c5b340db3";
    const RECORDED_EMPTY: &str = "81e95e433c87c9ad2a716637b3a12644fbfb12dbd02996abc40ed2beb352483d6ecf9e2ad181a5abde4d4146ca3a8524739d3acebb2d7599cc6b81967692a62118997e16";
    const RECORDED_ANSWER: &str = "4b72a32bf31894cce9ceffd2dd97176e502946524e45e62689bd8c5d31ad53603c5fd3b402771f707cd2747747fad9df52e6c23ceec9fa2ee5b0f68b61c33c7790db03d1c593798a29d716505cea75acdf0e031c25447c55c4d29d32caab29bd5a0787644843bafc04160c92140aab0ecc990927";

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    fn pair() -> (Codec, Codec) {
        let server = LocalKey::from_seed(&[1; 32]);
        let (hello, client) = connect(&server.public(), &[2; 32], &[3; SESSION]).unwrap();
        (client, accept(&server, &hello).unwrap())
    }

    #[test]
    fn the_handshake_equals_a_recorded_one() {
        let made = handshake(
            &bytes(RECORDED_SERVER),
            &bytes(RECORDED_CLIENT),
            &bytes(RECORDED_SECRET),
            &bytes(RECORDED_SESSION),
        );
        assert_eq!(hex::encode(made), RECORDED_HANDSHAKE);
    }

    #[test]
    fn a_recorded_liteserver_stream_is_understood() {
        let mut codec = Codec::new(&bytes(RECORDED_SESSION), Side::Client);
        assert_eq!(codec.feed(&hex::decode(RECORDED_EMPTY).unwrap()), Ok(vec![vec![]]));
        let frames = codec.feed(&hex::decode(RECORDED_ANSWER).unwrap()).unwrap();
        let answer = Message::Answer {
            id: bytes("71ff48e9b263959b17a04faae4a23501380d2aa932b09eac6f9846fcbae9bbcb"),
            bytes: hex::decode("0d0053e9a3ac3062").unwrap(),
        };
        assert_eq!(Message::parse(&frames[0]), Ok(answer));
    }

    #[test]
    fn frames_arrive_however_the_stream_is_cut() {
        let payloads: Vec<Vec<u8>> = vec![vec![], vec![1], vec![2; 1000], vec![3; 70_000]];
        for cut in [1, 3, 4, 5, 63, 64, 1000, 100_000] {
            let (mut client, mut server) = pair();
            let stream: Vec<u8> =
                payloads.iter().flat_map(|payload| client.seal(payload, [9; 32])).collect();
            let arrived: Vec<_> =
                stream.chunks(cut).flat_map(|chunk| server.feed(chunk).unwrap()).collect();
            assert_eq!(arrived, payloads);
            let back = server.seal(b"pong", [8; 32]);
            assert_eq!(client.feed(&back), Ok(vec![b"pong".to_vec()]));
        }
    }

    #[test]
    fn every_changed_byte_of_a_handshake_is_refused() {
        let server = LocalKey::from_seed(&[1; 32]);
        let (hello, _) = connect(&server.public(), &[2; 32], &[3; SESSION]).unwrap();
        for at in 0..HANDSHAKE {
            let mut changed = hello;
            changed[at] ^= 0x10;
            assert!(accept(&server, &changed).is_err(), "byte {at}");
        }
        assert_eq!(
            accept(&LocalKey::from_seed(&[4; 32]), &hello).err(),
            Some(TcpError::WrongServer)
        );
    }

    #[test]
    fn every_changed_byte_of_a_frame_ends_the_connection_for_good() {
        let sealed = pair().0.seal(b"attack at dawn", [7; 32]);
        for at in 0..sealed.len() {
            let (_, mut server) = pair();
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            // A changed length makes the reader wait for bytes that then do not match.
            let error = match server.feed(&changed) {
                Ok(frames) => {
                    assert!(frames.is_empty());
                    server.feed(&vec![0; FRAME_MAX + 4]).unwrap_err()
                }
                Err(error) => error,
            };
            assert_eq!(server.feed(b""), Err(error), "byte {at}");
        }
    }

    #[test]
    fn a_frame_above_the_limit_is_refused_before_its_bytes_are_kept() {
        let (mut client, server) = pair();
        let mut server = server.with_payload_max(100);
        assert_eq!(server.feed(&client.seal(&[0; 100], [1; 32])), Ok(vec![vec![0; 100]]));
        let big = client.seal(&[0; 101], [1; 32]);
        let error = Err(TcpError::FrameLength { length: 165, max: 164 });
        assert_eq!(server.feed(&big[..4]), error);
    }

    #[test]
    fn garbage_never_panics() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..2000 {
            let (_, mut server) = pair();
            let length = random.usize(..300);
            let garbage: Vec<u8> = core::iter::repeat_with(|| random.u8(..)).take(length).collect();
            assert!(server.feed(&garbage).map_or(true, |frames| frames.is_empty()));
            let _ = Message::parse(&garbage);
        }
    }
}
