//! Any bytes as what a WebSocket client sends: its request, and frames.

use dunlin_net::Origins;
use dunlin_net::websocket::{Decoded, Frames, Request};

/// Panics where what comes out depends on how the bytes were cut, or is more than came in. The first
/// byte says how they are cut, and whether they begin with a request.
pub fn check(bytes: &[u8]) {
    let Some((&how, bytes)) = bytes.split_first() else {
        return;
    };
    let size = usize::from(how >> 1).max(1);
    if how & 1 == 0 {
        let whole = decode(bytes, bytes.len().max(1));
        assert!(whole.0.len() <= bytes.len());
        assert_eq!(decode(bytes, size), whole);
    } else {
        assert_eq!(receive(bytes, size), receive(bytes, bytes.len().max(1)));
    }
}

/// Payload, replies and outcome of frames in pieces of `size`.
fn decode(bytes: &[u8], size: usize) -> (Vec<u8>, Vec<u8>, Decoded) {
    let (mut frames, mut data, mut replies) = (Frames::default(), Vec::new(), Vec::new());
    for piece in bytes.chunks(size) {
        let mut piece = piece.to_vec();
        let (length, decoded) = frames.decode(&mut piece, &mut replies);
        data.extend_from_slice(&piece[..length]);
        if decoded != Decoded::Open {
            return (data, replies, decoded);
        }
    }
    (data, replies, Decoded::Open)
}

/// How much of the bytes a request takes, in pieces of `size`, and what is answered; the fault, if
/// it is none.
fn receive(bytes: &[u8], size: usize) -> (Result<Option<usize>, String>, Vec<u8>) {
    let (mut request, mut response) = (Request::default(), Vec::new());
    let mut given = 0;
    for piece in bytes.chunks(size) {
        match request.receive(piece, &Origins::Any, &mut response) {
            Ok(None) => given += piece.len(),
            Ok(Some(taken)) => {
                assert!(taken <= piece.len() && response.starts_with(b"HTTP/1.1 101 "));
                return (Ok(Some(given + taken)), response);
            }
            Err(error) => {
                assert!(response.starts_with(b"HTTP/1.1 4"));
                return (Err(error.to_string()), response);
            }
        }
    }
    assert!(response.is_empty());
    (Ok(None), response)
}
