//! How a server of a stream learns who its client is, if the client wants that: the client signs a nonce of its own
//! followed by one of the server's.
//!
//! Some clients ask nothing before they have seen the server's nonce, so a server that has no use for names must
//! answer all the same.

use alloc::vec::Vec;

use super::{Message, TcpError};
use crate::key::verify;

/// Bytes of a server's nonce, as many as the TON node sends.
pub const NONCE: usize = 256;
/// Most bytes of a client's nonce. Clients send 32 or 256.
const THEIRS_MAX: usize = 1024;

/// What the server of one connection knows of its client's name.
#[derive(Debug, Default)]
pub struct Guest {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Unknown,
    /// Both nonces, which the client is to sign.
    Asked(Vec<u8>),
    Known([u8; 32]),
}

impl Guest {
    /// Takes the nonce of [`Message::Authenticate`] and gives the message to send back. `fresh` must be random.
    ///
    /// A client may do this once.
    pub fn ask(&mut self, theirs: &[u8], fresh: [u8; NONCE]) -> Result<Message, TcpError> {
        if !matches!(self.state, State::Unknown) || theirs.len() > THEIRS_MAX {
            return Err(TcpError::Authentication);
        }
        self.state = State::Asked([theirs, &fresh].concat());
        Ok(Message::Nonce(fresh.to_vec()))
    }

    /// Takes the key and the signature of [`Message::Authenticated`]. Who was not asked is not listened to.
    pub fn prove(&mut self, key: [u8; 32], signature: &[u8; 64]) -> Result<(), TcpError> {
        let State::Asked(nonces) = &self.state else { return Ok(()) };
        if !verify(&key, nonces, signature) {
            return Err(TcpError::Authentication);
        }
        self.state = State::Known(key);
        Ok(())
    }

    /// The key that the client has shown to have.
    pub fn key(&self) -> Option<[u8; 32]> {
        match self.state {
            State::Known(key) => Some(key),
            State::Unknown | State::Asked(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::LocalKey;

    #[test]
    fn a_client_is_known_by_its_signature_of_both_nonces() {
        let (key, mut guest) = (LocalKey::from_seed(&[1; 32]), Guest::default());
        let Ok(Message::Nonce(ours)) = guest.ask(&[5; 32], [6; NONCE]) else { panic!("no nonce") };
        assert_eq!(ours, [6; NONCE]);
        assert_eq!(guest.key(), None);
        let signature = key.sign(&[[5; 32].as_slice(), &ours].concat());
        assert_eq!(guest.prove(key.public(), &signature), Ok(()));
        assert_eq!(guest.key(), Some(key.public()));
        // Once is enough.
        assert_eq!(guest.ask(&[5; 32], [6; NONCE]), Err(TcpError::Authentication));
    }

    #[test]
    fn a_signature_of_anything_else_ends_the_connection() {
        let key = LocalKey::from_seed(&[1; 32]);
        for signed in [[[6; 32], [5; 32]], [[5; 32], [7; 32]]] {
            let mut guest = Guest::default();
            guest.ask(&[5; 32], [6; NONCE]).unwrap();
            let signature = key.sign(&signed.concat());
            assert_eq!(guest.prove(key.public(), &signature), Err(TcpError::Authentication));
            assert_eq!(guest.key(), None);
        }
    }

    #[test]
    fn a_client_asks_once_and_briefly() {
        let mut guest = Guest::default();
        assert_eq!(guest.ask(&[0; 1025], [6; NONCE]), Err(TcpError::Authentication));
        assert_eq!(guest.prove([1; 32], &[2; 64]), Ok(()), "nobody asked");
        assert!(guest.ask(&[0; 1024], [6; NONCE]).is_ok());
        assert_eq!(guest.ask(&[], [6; NONCE]), Err(TcpError::Authentication));
    }
}
