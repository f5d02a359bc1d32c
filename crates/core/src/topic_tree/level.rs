//! The text of one level: `sport` and `+` in `sport/+`.

/// Longest text that is kept inside the node, in bytes.
const SHORT: usize = 22;

/// The text of one level. Most are a few bytes long and need no allocation of their own.
pub(super) enum Level {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Box<[u8]>),
}

const _: () = assert!(size_of::<Level>() == 24);

impl Level {
    pub(super) const EMPTY: Self = Self::Short {
        length: 0,
        bytes: [0; SHORT],
    };

    pub(super) fn new(text: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match bytes.get_mut(..text.len()) {
            Some(start) => {
                start.copy_from_slice(text);
                Self::Short {
                    length: text.len() as u8,
                    bytes,
                }
            }
            None => Self::Long(text.into()),
        }
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => &bytes[..usize::from(*length)],
            Self::Long(text) => text,
        }
    }

    /// The text again as a string, which it was before the key was cut at its slashes.
    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).expect("a level lies between slashes of a valid string")
    }
}

/// The level of `key` that begins at byte `at`, and where the next one begins: beyond
/// `key.len()` when there is none. `a/` has two levels, of which the second is empty.
#[inline]
pub(super) fn level_at(key: &str, at: usize) -> (&[u8], usize) {
    let rest = &key.as_bytes()[at..];
    let length = rest
        .iter()
        .position(|&byte| byte == b'/')
        .unwrap_or(rest.len());
    (&rest[..length], at + length + 1)
}
