//! Any bytes as the header of the PROXY protocol.

use dunlin_net::ProxyHeader;

/// Panics where a beginning of the bytes says something else than the whole of them.
pub fn check(bytes: &[u8]) {
    let whole = ProxyHeader::read(bytes);
    if let Ok(Some(header)) = whole {
        assert!(header.length <= bytes.len());
        assert_eq!(ProxyHeader::read(&bytes[..header.length]), whole);
        assert_eq!(ProxyHeader::read(&bytes[..header.length - 1]), Ok(None));
    }
    for length in 0..bytes.len().min(300) {
        match ProxyHeader::read(&bytes[..length]) {
            Ok(None) => {}
            said => assert_eq!(said, whole, "after {length} bytes"),
        }
    }
}
