//! `-L mqtt://[user[:password]@]host[:port]/topic`

/// The parts of such a URL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MqttUrl<'a> {
    pub(crate) user_name: Option<&'a str>,
    pub(crate) password: Option<&'a str>,
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
    pub(crate) topic: &'a str,
}

/// Why a text is no such URL.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UrlError {
    #[error("mqtts URLs need TLS, which is not supported by this tool yet.")]
    Tls,
    #[error("Unsupported URL scheme, expected mqtt://[user[:password]@]host[:port]/topic")]
    Scheme,
    #[error("Invalid URL for -L: no topic after the host")]
    NoTopic,
    #[error("Invalid URL for -L: no host")]
    NoHost,
    #[error("Invalid URL for -L: invalid port '{0}'")]
    Port(String),
}

impl<'a> MqttUrl<'a> {
    /// Splits `text`. Nothing is decoded: a percent sign stands for itself.
    pub(crate) fn parse(text: &'a str) -> Result<Self, UrlError> {
        if text.starts_with("mqtts://") {
            return Err(UrlError::Tls);
        }
        let rest = text.strip_prefix("mqtt://").ok_or(UrlError::Scheme)?;
        let (authority, topic) = rest.split_once('/').ok_or(UrlError::NoTopic)?;
        if topic.is_empty() {
            return Err(UrlError::NoTopic);
        }
        // A password may contain '@', a host cannot.
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, authority),
        };
        let (user_name, password) = match user.map(|user| user.split_once(':').ok_or(user)) {
            None => (None, None),
            Some(Ok((name, password))) => (Some(name), Some(password)),
            Some(Err(name)) => (Some(name), None),
        };
        let (host, port) = split_address(address)?;
        Ok(Self {
            user_name,
            password,
            host,
            port,
            topic,
        })
    }
}

/// Splits `host[:port]`, where the host may be an IPv6 address in brackets.
fn split_address(address: &str) -> Result<(&str, Option<u16>), UrlError> {
    let (host, port) = match address
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    let port = port.map(|port| port.parse().map_err(|_| UrlError::Port(port.to_owned())));
    Ok((host, port.transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_found() {
        let url = MqttUrl::parse("mqtt://me:p@ss@[::1]:1884/a/b").unwrap();
        assert_eq!(url.user_name, Some("me"));
        assert_eq!(url.password, Some("p@ss"));
        assert_eq!((url.host, url.port, url.topic), ("::1", Some(1884), "a/b"));
        let url = MqttUrl::parse("mqtt://host/#").unwrap();
        assert_eq!(
            (url.user_name, url.host, url.port, url.topic),
            (None, "host", None, "#")
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(MqttUrl::parse("http://host/a"), Err(UrlError::Scheme));
        assert_eq!(MqttUrl::parse("mqtts://host/a"), Err(UrlError::Tls));
        assert_eq!(MqttUrl::parse("mqtt://host"), Err(UrlError::NoTopic));
        assert_eq!(MqttUrl::parse("mqtt:///a"), Err(UrlError::NoHost));
        assert_eq!(
            MqttUrl::parse("mqtt://h:x/a"),
            Err(UrlError::Port("x".to_owned()))
        );
    }
}
