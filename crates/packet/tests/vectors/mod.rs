//! Reads the vector files: `versions | bytes | more columns`, a line each; `#` starts a comment line.

use dunlin_packet::ProtocolVersion;

/// One line of a vector file.
pub(crate) struct Vector {
    /// File and line, for messages.
    pub(crate) place: String,
    pub(crate) versions: Vec<ProtocolVersion>,
    pub(crate) bytes: Vec<u8>,
    /// The columns after the bytes.
    pub(crate) columns: Vec<&'static str>,
}

pub(crate) fn valid() -> Vec<Vector> {
    parse("valid.txt", include_str!("valid.txt"))
}

pub(crate) fn tolerated() -> Vec<Vector> {
    parse("tolerated.txt", include_str!("tolerated.txt"))
}

pub(crate) fn malformed() -> Vec<Vector> {
    parse("malformed.txt", include_str!("malformed.txt"))
}

fn parse(file: &str, text: &'static str) -> Vec<Vector> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(index, line)| {
            let mut columns = line.split(" | ");
            let versions = columns.next().expect("a column");
            let bytes = columns.next().expect("a column");
            Vector {
                place: format!("{file}:{}", index + 1),
                versions: versions.split(' ').map(version).collect(),
                bytes: parse_bytes(bytes),
                columns: columns.collect(),
            }
        })
        .collect()
}

fn version(text: &str) -> ProtocolVersion {
    match text {
        "3.1" => ProtocolVersion::V3_1,
        "3.1.1" => ProtocolVersion::V3_1_1,
        "5.0" => ProtocolVersion::V5,
        other => panic!("no such version: {other}"),
    }
}

/// Hexadecimal, with text between quotes in place.
fn parse_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, part) in text.split('\'').enumerate() {
        if index % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<u8> = part
            .chars()
            .filter_map(|c| c.to_digit(16))
            .map(|digit| digit as u8)
            .collect();
        assert_eq!(digits.len() % 2, 0, "half a byte in {text}");
        bytes.extend(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]));
    }
    bytes
}
