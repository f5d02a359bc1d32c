//! Finding the one bit that is wrong.
//!
//! A CRC-32 that does not match differs from the right one by a pattern. For a single wrong bit that
//! depends on its distance from the end alone, and no two bits have the same one. So such a bit can
//! be put right. If more is wrong, the pattern is that of no bit within so short a frame, but for
//! about one case in 2³² for each of its bits; what a frame holds is checked once more then.

/// Frames that are longer are not put right.
pub(crate) const LONGEST: usize = 64 << 10;

/// The pattern of the last bit: the polynomial, in reflected order.
const LAST: u32 = 0xedb8_8320;

/// Flips the bit of `bytes` that makes two checksums differ like that. False: it is not one bit.
pub(crate) fn flip(bytes: &mut [u8], difference: u32) -> bool {
    let mut pattern = LAST;
    for byte in bytes.iter_mut().rev() {
        for bit in (0..8).rev() {
            if pattern == difference {
                *byte ^= 1 << bit;
                return true;
            }
            pattern = (pattern >> 1) ^ if pattern & 1 == 1 { LAST } else { 0 };
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_one_bit_is_found() {
        let right: Vec<u8> = (0..300u32).map(|n| (n * 7) as u8).collect();
        let crc = crc32fast::hash(&right);
        for at in 0..right.len() * 8 {
            let mut bytes = right.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            let difference = crc ^ crc32fast::hash(&bytes);
            assert!(flip(&mut bytes, difference), "{at}");
            assert_eq!(bytes, right, "{at}");
        }
    }

    #[test]
    fn two_bits_are_not_taken_for_one() {
        let right = [0x5a; 300];
        let crc = crc32fast::hash(&right);
        for at in 0..right.len() * 8 - 1 {
            let mut bytes = right;
            bytes[at / 8] ^= 1 << (at % 8);
            bytes[(at + 1) / 8] ^= 1 << ((at + 1) % 8);
            let wrong = bytes;
            let difference = crc ^ crc32fast::hash(&bytes);
            assert!(!flip(&mut bytes, difference), "{at}");
            assert_eq!(bytes, wrong);
        }
    }
}
