//! The opening handshake: an HTTP request in, an HTTP response out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::options::Origins;

/// What makes an answer to a key one of WebSocket. (RFC 6455, 1.3)
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The longest request, cookies included.
const REQUEST_MAXIMUM: usize = 16 * 1024;

const HEADERS_MAXIMUM: usize = 64;

const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

/// Why a request is no handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Not HTTP, or more than 64 headers.
    #[error("the request is not HTTP")]
    NotHttp,
    /// More than 16 KiB.
    #[error("the request is too long")]
    TooLong,
    /// Something else than GET, or HTTP before 1.1.
    #[error("the request is not GET with HTTP/1.1")]
    Method,
    /// An ordinary request, as of a browser that was given this address as a page.
    #[error("the request asks for no WebSocket")]
    NoUpgrade,
    /// Another version than 13.
    #[error("Sec-WebSocket-Version is not 13")]
    Version,
    /// The key is missing, or is not 16 bytes in base64.
    #[error("Sec-WebSocket-Key is not 16 bytes in base64")]
    Key,
    /// None of the subprotocols offered is MQTT. [MQTT-6.0.0-3]
    #[error("no subprotocol that is offered is mqtt or mqttv3.1")]
    Subprotocol,
    /// The page may not connect.
    #[error("Origin is not allowed")]
    Origin,
}

impl HandshakeError {
    fn status(self) -> &'static str {
        match self {
            Self::NotHttp | Self::Key | Self::Subprotocol => "400 Bad Request",
            Self::TooLong => "431 Request Header Fields Too Large",
            Self::Method => "405 Method Not Allowed",
            Self::NoUpgrade | Self::Version => "426 Upgrade Required",
            Self::Origin => "403 Forbidden",
        }
    }

    /// The HTTP response that says so.
    fn respond(self, out: &mut Vec<u8>) {
        let status = self.status();
        let text = format!("{self}; this is an MQTT broker\n");
        let length = text.len();
        let response = format!(
            "HTTP/1.1 {status}\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nAllow: GET\r\n\
             Content-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
        );
        out.extend_from_slice(response.as_bytes());
    }
}

/// A request that is being received.
#[derive(Debug, Default)]
pub struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// Takes `bytes`; when the request is complete, gives how many of them belonged to it. The
    /// response is appended to `out`.
    ///
    /// # Errors
    /// It is no handshake; what to answer is appended to `out`.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        origins: &Origins,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, HandshakeError> {
        let outcome = self.read(bytes, origins);
        match outcome {
            Ok(Some((taken, ref response))) => {
                out.extend_from_slice(response.as_bytes());
                Ok(Some(taken))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                error.respond(out);
                Err(error)
            }
        }
    }

    fn read(
        &mut self,
        bytes: &[u8],
        origins: &Origins,
    ) -> Result<Option<(usize, String)>, HandshakeError> {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        let searched = before.saturating_sub(3);
        let end = self.bytes[searched..]
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .map(|position| searched + position + 4);
        match end {
            _ if end.unwrap_or(self.bytes.len()) > REQUEST_MAXIMUM => Err(HandshakeError::TooLong),
            Some(end) => Ok(Some((end - before, accept(&self.bytes[..end], origins)?))),
            None => Ok(None),
        }
    }
}

/// The response to a complete request.
fn accept(request: &[u8], origins: &Origins) -> Result<String, HandshakeError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAXIMUM];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(request) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) | Err(_) => return Err(HandshakeError::NotHttp),
    }
    if parsed.method != Some("GET") || parsed.version != Some(1) {
        return Err(HandshakeError::Method);
    }
    let headers = Headers(parsed.headers);
    if !headers.list("Upgrade", "websocket") || !headers.list("Connection", "upgrade") {
        return Err(HandshakeError::NoUpgrade);
    }
    if headers.one("Sec-WebSocket-Version") != Some(b"13") {
        return Err(HandshakeError::Version);
    }
    let key = headers
        .one("Sec-WebSocket-Key")
        .ok_or(HandshakeError::Key)?;
    if STANDARD.decode(key).map_or(true, |bytes| bytes.len() != 16) {
        return Err(HandshakeError::Key);
    }
    if !headers.all("Origin").all(|origin| origins.allow(origin)) {
        return Err(HandshakeError::Origin);
    }
    let subprotocol = match headers.subprotocol()? {
        Some(name) => format!("Sec-WebSocket-Protocol: {name}\r\n"),
        None => String::new(),
    };
    Ok(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n{subprotocol}\r\n",
        answer(key)
    ))
}

/// The answer to a key, which shows that the server speaks WebSocket.
fn answer(key: &[u8]) -> String {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key);
    hash.update(GUID);
    STANDARD.encode(hash.finish())
}

/// The headers of a request.
struct Headers<'a>(&'a [httparse::Header<'a>]);

impl<'a> Headers<'a> {
    /// All values of a header.
    fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value.trim_ascii())
    }

    /// The value of a header that is there once.
    fn one(&self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// Whether `word` is in the list that the header has, in any case.
    fn list(&self, name: &str, word: &str) -> bool {
        self.words(name)
            .any(|found| found.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The words of a header that is a list.
    fn words(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii)
    }

    /// The first subprotocol offered that is MQTT; `None` if none at all is offered, which
    /// Mosquitto accepts, too.
    fn subprotocol(&self) -> Result<Option<&'static str>, HandshakeError> {
        let mut offered = self.words("Sec-WebSocket-Protocol").peekable();
        if offered.peek().is_none() {
            return Ok(None);
        }
        offered
            .find_map(|word| {
                SUBPROTOCOLS
                    .into_iter()
                    .find(|known| known.as_bytes() == word)
            })
            .map(Some)
            .ok_or(HandshakeError::Subprotocol)
    }
}
