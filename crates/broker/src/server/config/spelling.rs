//! The word that was meant by a misspelt one.

/// The distance at which a word may be meant still, however long it is.
const FARTHEST: usize = 4;

/// The most similar of `words`, if any is similar enough to be meant. A word after a dot counts as
/// well as the whole: `packet_size` is near `limits.packet_size`.
pub(super) fn nearest<'a>(wrong: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance_of = |word: &'a str| {
        let whole = distance(wrong, word);
        let last = word.rsplit('.').next().unwrap_or(word);
        let own = wrong.rsplit('.').next().unwrap_or(wrong);
        (whole.min(distance(own, last)), whole)
    };
    let near = |(distance, _): &(usize, usize)| {
        *distance <= wrong.chars().count().div_ceil(3).min(FARTHEST)
    };
    words
        .map(|word| (distance_of(word), word))
        .filter(|(distance, _)| near(distance))
        .min()
        .map(|(_, word)| word)
}

/// How many characters have to be put in, left out or replaced.
fn distance(a: &str, b: &str) -> usize {
    // Words of such different lengths are not near each other, and looking closer takes its time.
    let longer = a.chars().count().abs_diff(b.chars().count());
    if longer > FARTHEST {
        return longer;
    }
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found_and_nothing_else() {
        let words = || ["listen", "limits.packet_size", "limits.queued_bytes"].into_iter();
        assert_eq!(nearest("lisen", words()), Some("listen"));
        assert_eq!(nearest("packet_size", words()), Some("limits.packet_size"));
        assert_eq!(
            nearest("limits.paket_size", words()),
            Some("limits.packet_size")
        );
        assert_eq!(nearest("colour", words()), None);
    }
}
