//! Lines of a `mosquitto.conf`.

/// An option and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// From 1.
    pub(super) number: usize,
    pub(super) name: &'a str,
    /// The rest of the line, without spaces around it; may be empty.
    pub(super) value: &'a str,
}

/// The lines that are neither empty nor comments. A comment has `#` as its very first character, and
/// nothing but spaces stands between a name and its value, as Mosquitto has it.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let numbered = text.split('\n').enumerate();
    numbered.filter_map(|(index, line)| {
        let line = line.trim_end_matches('\r');
        if line.starts_with('#') {
            return None;
        }
        let line = line.trim_matches(' ').trim_end();
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        (!name.is_empty()).then_some(Line {
            number: index + 1,
            name,
            value: value.trim_start(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, &str, &str)> {
        lines(text)
            .map(|it| (it.number, it.name, it.value))
            .collect()
    }

    #[test]
    fn comments_and_empty_lines_are_left_out() {
        let text = "# listener 1\r\n\n   \n  listener  1883 \r\nuser root";
        assert_eq!(read(text), [(4, "listener", "1883"), (5, "user", "root")]);
    }

    #[test]
    fn a_comment_begins_the_line_and_a_tab_is_no_space() {
        assert_eq!(
            read(" # x\nlistener\t1\n"),
            [(1, "#", "x"), (2, "listener\t1", "")]
        );
        assert_eq!(
            read("log_timestamp_format %d # %Y"),
            [(1, "log_timestamp_format", "%d # %Y")]
        );
    }
}
