use dunlin_client::Message;
use dunlin_packet::{PacketId, Property, QoS};

use super::*;

fn message() -> ReceivedMessage {
    let mut message = Message::new("abcdef", "{\"k\": 1}");
    message.qos = QoS::AtLeastOnce;
    message.properties.push(Property::ContentType("json"));
    message.properties.push(Property::UserProperty("a", "1"));
    message.properties.push(Property::UserProperty("a", "2"));
    ReceivedMessage {
        message,
        packet_id: PacketId::new(7),
        dup: false,
    }
}

fn noon() -> ZonedDateTime {
    "2026-08-01T12:00:00.5+02:00[+02:00]".parse().unwrap()
}

fn render_message(format: &str, received: &ReceivedMessage) -> String {
    let mut out = Vec::new();
    Template::parse(format, false)
        .unwrap()
        .render(received, &noon(), &mut out)
        .unwrap();
    String::from_utf8(out).unwrap()
}

fn render(format: &str) -> String {
    render_message(format, &message())
}

#[test]
fn parts_of_a_message() {
    assert_eq!(render("%t %q %r %m %l"), "abcdef 1 0 7 8");
    assert_eq!(render("%C|%P|%E|%R|%A|%S"), "json|a:1 a:2||||");
    assert_eq!(render("%x %X"), "7b226b223a20317d 7B226B223A20317D");
    assert_eq!(render("%p%%@@\\\\"), "{\"k\": 1}%@\\");
}

#[test]
fn widths_and_flags() {
    assert_eq!(
        render("%10t|%-10t|%.2t|%5.2t|"),
        "    abcdef|abcdef    |ab|   ab|"
    );
    assert_eq!(
        render("%010l|%-5l|%08m|%05F|%5q"),
        "0000000008|8    |00000007|00000|1"
    );
    assert_eq!(render("%.2p"), "{\"k\": 1}");
}

#[test]
fn times_and_escapes() {
    assert_eq!(render("%I"), "2026-08-01T12:00:00+0200");
    assert_eq!(render("%U"), "1785578400.500000000");
    assert_eq!(
        render("@Y-@m-@d @N\\n\\t\\e\\0"),
        "2026-08-01 500000000\n\t\x1b\0"
    );
}

#[test]
fn json_with_the_payload_as_text_or_value() {
    let head = r#"{"tst":"2026-08-01T12:00:00.500000+0200","topic":"abcdef","qos":1,"retain":0,"payloadlen":8,"mid":7,"#;
    let properties = r#""properties":{"content-type":"json","user-properties":{"a":"1","a":"2"}},"#;
    assert_eq!(
        render("%j"),
        format!(r#"{head}{properties}"payload":"{{\"k\": 1}}"}}"#)
    );
    assert_eq!(
        render("%J"),
        format!(r#"{head}{properties}"payload":{{"k":1}}}}"#)
    );
}

#[test]
fn json_needs_a_json_payload() {
    let text = ReceivedMessage {
        message: Message::new("t", "hi"),
        packet_id: None,
        dup: false,
    };
    let template = Template::parse("%J", false).unwrap();
    assert!(template.render(&text, &noon(), &mut Vec::new()).is_err());
    let empty = ReceivedMessage {
        message: Message::new("t", ""),
        packet_id: None,
        dup: false,
    };
    assert!(render_message("%J", &empty).ends_with(r#""payload":null}"#));
}

#[test]
fn bad_formats_are_named() {
    let error = |format: &str| Template::parse(format, false).unwrap_err();
    assert_eq!(error("%"), TemplateError::Incomplete);
    assert_eq!(error("%05"), TemplateError::Incomplete);
    assert_eq!(error("%y"), TemplateError::UnknownPart('y'));
    assert_eq!(error("\\z"), TemplateError::UnknownEscape('z'));
    assert_eq!(error("@!"), TemplateError::UnknownTime('!'));
}
