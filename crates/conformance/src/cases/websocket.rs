//! MQTT over WebSocket [6].

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::case::{Failure, Outcome, cases, ensure, fail};
use crate::scene::Scene;
use crate::wire::{self, Packet};

cases! {
    ["MQTT-6.0.0-1", "MQTT311-6.0.0-1"] text_frames_close
        "a text frame closes the connection";
    ["MQTT-6.0.0-2", "MQTT311-6.0.0-2"] frames_are_not_packets
        "packets may be spread over frames, and a frame may hold several";
    ["MQTT-6.0.0-4", "MQTT311-6.0.0-4"] subprotocol_is_mqtt
        "the subprotocol selected is mqtt";
}

const BINARY: u8 = 0x2;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;

/// A WebSocket connection, as little of one as the cases need.
struct Socket {
    stream: TcpStream,
    header: String,
    received: Vec<u8>,
}

fn broken(error: std::io::Error) -> Failure {
    Failure::Unexpected(format!("WebSocket: {error}"))
}

impl Socket {
    fn open(scene: &Scene<'_>) -> Result<Self, Failure> {
        let Some(address) = scene.broker().websocket else {
            fail!("no WebSocket address is known for the broker");
        };
        let mut stream =
            TcpStream::connect(address).map_err(|e| Failure::Unreachable(e.to_string()))?;
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .map_err(broken)?;
        let request = format!(
            "GET /mqtt HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).map_err(broken)?;
        let mut header = Vec::new();
        while !header.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).map_err(broken)?;
            header.push(byte[0]);
        }
        let header = String::from_utf8_lossy(&header).to_lowercase();
        ensure!(header.starts_with("http/1.1 101"), "no WebSocket: {header}");
        Ok(Self {
            stream,
            header,
            received: Vec::new(),
        })
    }

    fn send(&mut self, kind: u8, payload: &[u8]) -> Outcome {
        const MASK: [u8; 4] = [0x5a, 0x00, 0xff, 0x21];
        let length = u8::try_from(payload.len()).unwrap_or(u8::MAX);
        ensure!(length < 126, "the cases need only short frames");
        let mut frame = vec![0x80 | kind, 0x80 | length];
        frame.extend(MASK);
        frame.extend(
            payload
                .iter()
                .zip(MASK.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        self.stream.write_all(&frame).map_err(broken)
    }

    /// The next frame, or `None` once the broker has closed.
    fn frame(&mut self) -> Result<Option<(u8, Vec<u8>)>, Failure> {
        let mut head = [0; 2];
        match self.stream.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                fail!("WebSocket: nothing came in time")
            }
            Err(_) => return Ok(None),
        }
        let mut length = usize::from(head[1] & 0x7f);
        if length == 126 {
            let mut long = [0; 2];
            self.stream.read_exact(&mut long).map_err(broken)?;
            length = u16::from_be_bytes(long).into();
        }
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).map_err(broken)?;
        Ok(Some((head[0] & 0x0f, payload)))
    }

    /// The next packet; every data frame must be binary.
    fn receive(&mut self, scene: &Scene<'_>) -> Result<Packet, Failure> {
        loop {
            if let Some(length) = wire::split(&self.received)? {
                let bytes: Vec<u8> = self.received.drain(..length).collect();
                return Ok(wire::parse(scene.version(), &bytes)?);
            }
            match self.frame()? {
                Some((0x0 | BINARY, payload)) => self.received.extend(payload),
                Some((PING, _)) => {}
                other => fail!("WebSocket: expected a binary frame, came {other:02x?}"),
            }
        }
    }
}

fn text_frames_close(scene: &Scene<'_>) -> Outcome {
    let mut socket = Socket::open(scene)?;
    socket.send(TEXT, &scene.connect_packet("c").packet())?;
    loop {
        match socket.frame()? {
            None | Some((CLOSE, _)) => return Ok(()),
            Some((PING, _)) => {}
            Some((_, payload)) => {
                let accepted = payload.first() == Some(&0x20) && payload.get(3) == Some(&0);
                ensure!(!accepted, "a CONNECT in a text frame was accepted");
            }
        }
    }
}

fn frames_are_not_packets(scene: &Scene<'_>) -> Outcome {
    let mut socket = Socket::open(scene)?;
    let connect = scene.connect_packet("c").packet();
    let (start, end) = connect.split_at(5);
    socket.send(BINARY, start)?;
    socket.send(BINARY, &[end, &wire::PINGREQ[..1]].concat())?;
    socket.send(BINARY, &[&wire::PINGREQ[1..], &wire::PINGREQ[..]].concat())?;
    let connack = socket.receive(scene)?;
    ensure!(
        matches!(connack, Packet::ConnAck { code: 0, .. }),
        "expected CONNACK: {connack:?}"
    );
    for _ in 0..2 {
        let packet = socket.receive(scene)?;
        ensure!(
            packet == Packet::PingResp,
            "expected PINGRESP, came {packet:?}"
        );
    }
    Ok(())
}

fn subprotocol_is_mqtt(scene: &Scene<'_>) -> Outcome {
    let socket = Socket::open(scene)?;
    let selected = socket
        .header
        .lines()
        .find_map(|line| line.strip_prefix("sec-websocket-protocol:"))
        .map(str::trim);
    ensure!(
        selected == Some("mqtt"),
        "expected subprotocol mqtt, came {selected:?}"
    );
    Ok(())
}
