//! RFC 6455 in a table: what a client sends after the handshake, and what comes of it. Each case is
//! given whole, and once more in single bytes.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use dunlin_net::websocket::{Decoded, FrameError, Frames, HandshakeError, Request};
use dunlin_net::{Origins, websocket};

/// What comes of the bytes.
enum Outcome {
    /// The connection goes on.
    Open,
    /// The peer has closed it in order.
    Closed,
    /// The connection is failed, with this Close code.
    Failed(FrameError, u16),
}
use Outcome::{Closed, Failed, Open};

struct Case {
    /// The section of RFC 6455, and what is tried.
    name: &'static str,
    sent: Vec<Vec<u8>>,
    /// The payload of data frames that is passed on.
    data: Vec<u8>,
    /// The frames that are answered, before the Close frame of a failure.
    answers: Vec<Vec<u8>>,
    outcome: Outcome,
}

const MASK: [u8; 4] = [0xa1, 0x00, 0xff, 0x5c];

/// A frame of a client, with whatever length field.
fn raw(first: u8, length: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    bytes.extend(length);
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short @ 0..=125 => vec![0x80 | short as u8],
        middle @ 126..=0xffff => [&[0xfe][..], &(middle as u16).to_be_bytes()].concat(),
        long => [&[0xff][..], &(long as u64).to_be_bytes()].concat(),
    };
    raw(first, &length, payload)
}

fn answer(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, payload.len() as u8][..], payload].concat()
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(0x88, &[&code.to_be_bytes()[..], reason].concat())
}

fn good(name: &'static str, sent: Vec<Vec<u8>>, data: Vec<u8>, answers: Vec<Vec<u8>>) -> Case {
    let outcome = Open;
    Case {
        name,
        sent,
        data,
        answers,
        outcome,
    }
}

fn bad(name: &'static str, sent: Vec<Vec<u8>>, error: FrameError, code: u16) -> Case {
    let (data, answers, outcome) = (Vec::new(), Vec::new(), Failed(error, code));
    Case {
        name,
        sent,
        data,
        answers,
        outcome,
    }
}

fn ends(name: &'static str, sent: Vec<u8>, answered: Vec<u8>) -> Case {
    let (sent, answers) = (vec![sent], vec![answered]);
    Case {
        name,
        sent,
        data: Vec::new(),
        answers,
        outcome: Closed,
    }
}

fn long(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i % 251) as u8).collect()
}

fn cases() -> Vec<Case> {
    let mut cases = well_formed();
    cases.extend(closing());
    cases.extend(broken());
    cases
}

fn well_formed() -> Vec<Case> {
    let lengths = [0, 1, 7, 8, 125, 126, 127, 0xffff, 0x1_0000];
    let of_every_length = lengths.map(|n| frame(0x82, &long(n))).to_vec();
    let all = lengths.map(long).concat();
    vec![
        good(
            "5.2 lengths in one, three and nine bytes",
            of_every_length,
            all,
            vec![],
        ),
        good(
            "5.4 a message in three fragments",
            vec![
                frame(0x02, b"one "),
                frame(0x00, b"two "),
                frame(0x80, b"three"),
            ],
            b"one two three".to_vec(),
            vec![],
        ),
        good(
            "5.4 empty fragments",
            vec![
                frame(0x02, b""),
                frame(0x00, b""),
                frame(0x80, b"x"),
                frame(0x82, b""),
            ],
            b"x".to_vec(),
            vec![],
        ),
        good(
            "5.4 a ping between fragments",
            vec![
                frame(0x02, b"one "),
                frame(0x89, b"hey"),
                frame(0x80, b"two"),
            ],
            b"one two".to_vec(),
            vec![answer(0x8a, b"hey")],
        ),
        good(
            "5.5.2 pings, empty and of 125 bytes",
            vec![frame(0x89, b""), frame(0x89, &long(125))],
            vec![],
            vec![answer(0x8a, b""), answer(0x8a, &long(125))],
        ),
        good(
            "5.5.3 a pong that nobody asked for",
            vec![frame(0x8a, b"hm")],
            vec![],
            vec![],
        ),
    ]
}

fn closing() -> Vec<Case> {
    let mut cases = vec![
        ends(
            "5.5.1 an empty Close frame",
            frame(0x88, b""),
            answer(0x88, b""),
        ),
        ends(
            "5.5.1 a reason in UTF-8 is not repeated",
            close(1000, "Grüße".as_bytes()),
            answer(0x88, &1000u16.to_be_bytes()),
        ),
        ends(
            "5.5.1 what follows a Close frame is not looked at",
            [close(1001, b""), frame(0x82, b"late"), vec![0xff; 9]].concat(),
            answer(0x88, &1001u16.to_be_bytes()),
        ),
        bad(
            "5.5.1 half a status code",
            vec![frame(0x88, &[3])],
            FrameError::CloseCode,
            1002,
        ),
        bad(
            "5.5.1 a reason that is not UTF-8",
            vec![close(1000, &[0xce, 0xba, 0xe1, 0xbd])],
            FrameError::CloseReason,
            1007,
        ),
        bad(
            "5.5.1 a reason with a surrogate",
            vec![close(1000, &[0xed, 0xa0, 0x80])],
            FrameError::CloseReason,
            1007,
        ),
    ];
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
    ] {
        let answered = answer(0x88, &u16::to_be_bytes(code));
        cases.push(ends(
            "7.4 a status code that may be sent",
            close(code, b""),
            answered,
        ));
    }
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ] {
        let sent = vec![close(code, b"")];
        cases.push(bad(
            "7.4 a status code that may not",
            sent,
            FrameError::CloseCode,
            1002,
        ));
    }
    cases
}

fn broken() -> Vec<Case> {
    let unmasked = |first| vec![vec![first, 0x01, 0x00]];
    let mut cases = vec![
        bad(
            "5.1 a frame without mask",
            unmasked(0x82),
            FrameError::NotMasked,
            1002,
        ),
        bad(
            "5.1 a control frame without mask",
            unmasked(0x89),
            FrameError::NotMasked,
            1002,
        ),
        bad(
            "5.4 a continuation of nothing",
            vec![frame(0x80, b"")],
            FrameError::Fragment,
            1002,
        ),
        bad(
            "5.4 a continuation after the last fragment",
            vec![frame(0x02, b""), frame(0x80, b""), frame(0x80, b"")],
            FrameError::Fragment,
            1002,
        ),
        bad(
            "5.4 a new message within another",
            vec![frame(0x02, b""), frame(0x82, b"")],
            FrameError::Fragment,
            1002,
        ),
        bad(
            "5.5 a control frame of 126 bytes",
            vec![frame(0x89, &long(126))],
            FrameError::ControlFrame,
            1002,
        ),
        bad(
            "5.2 126 for a shorter length",
            vec![raw(0x82, &[0xfe, 0, 125], b"")],
            FrameError::Length,
            1002,
        ),
        bad(
            "5.2 127 for a shorter length",
            vec![raw(0x82, &[0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], b"")],
            FrameError::Length,
            1002,
        ),
        bad(
            "5.2 the highest bit of a length",
            vec![raw(0x82, &[0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], b"")],
            FrameError::Length,
            1002,
        ),
        bad(
            "a frame longer than any packet",
            vec![raw(0x82, &[0xff, 0, 0, 0, 0, 0x10, 0, 0, 5], b"")],
            FrameError::TooLong,
            1009,
        ),
        bad(
            "MQTT-6.0.0-1 a text frame",
            vec![frame(0x81, b"hi")],
            FrameError::Text,
            1003,
        ),
        bad(
            "MQTT-6.0.0-1 a text fragment",
            vec![frame(0x01, b"hi")],
            FrameError::Text,
            1003,
        ),
    ];
    for first in [0xc2, 0xa2, 0x92, 0xf2, 0xc1, 0x99] {
        let sent = vec![frame(first, b"")];
        cases.push(bad(
            "5.2 a reserved bit",
            sent,
            FrameError::ReservedBit,
            1002,
        ));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        let error = FrameError::UnknownOpcode(opcode);
        let sent = vec![frame(0x80 | opcode, b"")];
        cases.push(bad("5.2 an unknown opcode", sent, error, 1002));
    }
    for first in [0x08, 0x09, 0x0a] {
        let sent = vec![frame(first, b"")];
        cases.push(bad(
            "5.5 a control frame in fragments",
            sent,
            FrameError::ControlFrame,
            1002,
        ));
    }
    cases
}

/// What comes of `pieces`, one after the other.
fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<u8>, Decoded) {
    let (mut frames, mut data, mut replies) = (Frames::default(), Vec::new(), Vec::new());
    for piece in pieces {
        let mut piece = piece.to_vec();
        let (length, decoded) = frames.decode(&mut piece, &mut replies);
        data.extend_from_slice(&piece[..length]);
        if decoded != Decoded::Open {
            return (data, replies, decoded);
        }
    }
    (data, replies, Decoded::Open)
}

fn check<'a>(case: &Case, pieces: impl Iterator<Item = &'a [u8]>) {
    let name = case.name;
    let (data, replies, decoded) = decode(pieces);
    assert!(data == case.data, "{name}: {data:02x?}");
    let mut expected = case.answers.concat();
    match case.outcome {
        Open => assert_eq!(decoded, Decoded::Open, "{name}"),
        Closed => assert_eq!(decoded, Decoded::Closed, "{name}"),
        Failed(error, code) => {
            assert_eq!(decoded, Decoded::Failed(error), "{name}");
            expected.extend(answer(0x88, &code.to_be_bytes()));
        }
    }
    assert_eq!(replies, expected, "{name}");
}

#[test]
fn frames() {
    for case in cases() {
        let bytes = case.sent.concat();
        check(&case, std::iter::once(&bytes[..]));
        check(&case, bytes.chunks(1));
        for size in [2, 3, 5, 13] {
            check(&case, bytes.chunks(size));
        }
    }
}

const REQUEST: &str = "GET /mqtt HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n";

#[test]
fn handshakes() {
    type Change = (&'static str, &'static str);
    let long: &'static str = format!("b\r\nCookie: {}", "x".repeat(17_000)).leak();
    let many: &'static str = format!("b{}", "\r\nA: b".repeat(64)).leak();
    let cases: [(&str, Change, Result<&str, HandshakeError>); 24] = [
        ("as it should be", ("", ""), Ok("101")),
        ("1.9 any path", ("/mqtt", "/"), Ok("101")),
        (
            "4.2.1 words in any case",
            ("websocket", "WebSocket"),
            Ok("101"),
        ),
        (
            "4.2.1 header names in any case",
            ("Upgrade: w", "UPGRADE:w"),
            Ok("101"),
        ),
        (
            "4.2.1 a list in Connection",
            (": Upgrade", ": keep-alive , upgrade"),
            Ok("101"),
        ),
        (
            "4.2.1 the first subprotocol known",
            ("b\r\n", "b\r\nSec-WebSocket-Protocol: x, mqtt\r\n"),
            Ok("mqtt\r\n"),
        ),
        (
            "4.2.1 MQTT 3.1",
            ("b\r\n", "b\r\nSec-WebSocket-Protocol: mqttv3.1,mqtt\r\n"),
            Ok("mqttv3.1\r\n"),
        ),
        (
            "4.2.1 a list over two headers",
            (
                "b\r\n",
                "b\r\nSec-WebSocket-Protocol: x\r\nsec-websocket-protocol: mqtt\r\n",
            ),
            Ok("mqtt\r\n"),
        ),
        (
            "9.1 extensions are not taken up",
            (
                "b\r\n",
                "b\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
            ),
            Ok("101"),
        ),
        (
            "only unknown subprotocols",
            ("b\r\n", "b\r\nSec-WebSocket-Protocol: chat\r\n"),
            Err(HandshakeError::Subprotocol),
        ),
        (
            "subprotocols are case-sensitive",
            ("b\r\n", "b\r\nSec-WebSocket-Protocol: MQTT\r\n"),
            Err(HandshakeError::Subprotocol),
        ),
        ("4.2.1 POST", ("GET", "POST"), Err(HandshakeError::Method)),
        (
            "4.2.1 HTTP/1.0",
            ("HTTP/1.1", "HTTP/1.0"),
            Err(HandshakeError::Method),
        ),
        (
            "HTTP/2",
            (" /mqtt HTTP/1.1", " * HTTP/2.0"),
            Err(HandshakeError::NotHttp),
        ),
        (
            "no HTTP at all",
            (" /mqtt HTTP/1.1", " a load of this"),
            Err(HandshakeError::NotHttp),
        ),
        (
            "a page",
            ("Upgrade: websocket\r\n", ""),
            Err(HandshakeError::NoUpgrade),
        ),
        (
            "4.2.1 another upgrade",
            (": websocket", ": h2c"),
            Err(HandshakeError::NoUpgrade),
        ),
        (
            "4.2.1 no upgrade of the connection",
            (": Upgrade", ": close"),
            Err(HandshakeError::NoUpgrade),
        ),
        (
            "4.4 an older version",
            (": 13", ": 8"),
            Err(HandshakeError::Version),
        ),
        (
            "4.2.1 no key",
            ("Sec-WebSocket-Key", "Sec-WebSocket-Lock"),
            Err(HandshakeError::Key),
        ),
        (
            "4.2.1 a key of 15 bytes",
            ("Dw==", "D==="),
            Err(HandshakeError::Key),
        ),
        (
            "4.2.1 two keys",
            (
                "b\r\n",
                "b\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n",
            ),
            Err(HandshakeError::Key),
        ),
        (
            "a request of 17 KB",
            ("b\r\n", long),
            Err(HandshakeError::TooLong),
        ),
        ("70 headers", ("b\r\n", many), Err(HandshakeError::NotHttp)),
    ];
    for (name, (from, to), expected) in cases {
        let to = if to.starts_with('b') && !to.ends_with("\r\n") {
            format!("{to}\r\n")
        } else {
            to.to_owned()
        };
        let request = match from {
            "" => REQUEST.to_owned(),
            from => REQUEST.replacen(from, &to, 1),
        };
        for size in [1, 7, request.len()] {
            let (outcome, response) = receive(request.as_bytes(), size);
            match expected {
                Ok(part) => {
                    assert_eq!(outcome, Ok(Some(())), "{name}");
                    assert!(response.starts_with("HTTP/1.1 101 "), "{name}: {response}");
                    assert!(response.contains(part), "{name}: {response}");
                    assert!(!response.contains("Extensions"), "{name}: {response}");
                }
                Err(error) => {
                    assert_eq!(outcome, Err(error), "{name}");
                    assert!(response.starts_with("HTTP/1.1 4"), "{name}: {response}");
                }
            }
        }
    }
}

/// Gives `request` in pieces of `size`; what comes of it, and what is answered.
fn receive(request: &[u8], size: usize) -> (Result<Option<()>, HandshakeError>, String) {
    let (mut receiver, mut response) = (Request::default(), Vec::new());
    let mut outcome = Ok(None);
    for piece in request.chunks(size) {
        outcome = receiver.receive(piece, &Origins::Any, &mut response);
        if outcome != Ok(None) {
            break;
        }
    }
    let response = String::from_utf8(response).unwrap();
    (outcome.map(|taken| taken.map(|_| ())), response)
}

#[test]
fn what_follows_a_request_is_not_taken() {
    let bytes = [REQUEST.as_bytes(), &frame(0x82, b"early")].concat();
    let (start, end) = bytes.split_at(REQUEST.len() - 2);
    let mut request = websocket::Request::default();
    let mut response = Vec::new();
    assert_eq!(
        request.receive(start, &Origins::Any, &mut response),
        Ok(None)
    );
    assert_eq!(
        request.receive(end, &Origins::Any, &mut response),
        Ok(Some(2))
    );
}
