//! From the configuration, and the files that it names, to the realms of all listeners.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use dunlin_auth::acl::{AclFile, Roles};
use dunlin_auth::certificate::NameFrom;
use dunlin_auth::http::{Fetch, Http};
use dunlin_auth::jwt::{Jwt, JwtConfig, Key, KeySet, KeySource};
use dunlin_auth::password::{PasswordFile, PasswordHash, Verified};
use dunlin_auth::{AuthConfig, Realm};
use dunlin_net::ClientCertificates;

use super::Realms;
use super::policy::since_1970;
use crate::server::config::{AccessConfig, Config, UserNameFrom};

/// How long a server may take that has a key set.
const KEY_SET_TIMEOUT: Duration = Duration::from_secs(5);

/// Files that have been read, as several listeners may name the same.
#[derive(Default)]
struct Files {
    passwords: HashMap<PathBuf, Arc<PasswordFile>>,
    acls: HashMap<PathBuf, Arc<AclFile>>,
}

/// The realms of all listeners, in their order.
pub(in crate::server) fn realms(
    config: &Config,
    verified: &Arc<Verified>,
) -> anyhow::Result<Realms> {
    let auth = &config.authentication;
    let mut files = Files::default();
    let roles = Arc::new(Roles::new(auth).context("[auth]")?);
    let jwt = auth.jwt.as_ref().map(jwt).transpose()?.map(Arc::new);
    let http = auth.http.clone().map(Http::new).transpose()?.map(Arc::new);
    let realm = |(listener, settings): (usize, &crate::server::config::ListenerConfig)| {
        let access = &settings.access;
        let tls = settings.tls.as_ref();
        Ok(Arc::new(Realm {
            listener: u16::try_from(listener).context("more than 65,536 listeners")?,
            anonymous: access.anonymous,
            name_from: tls.and_then(|tls| name_from(tls.user_name)),
            may_lack_certificate: tls
                .is_some_and(|tls| tls.client_certificates == ClientCertificates::Optional),
            user_name_is_client_id: access.use_user_name_as_client_id,
            mount_point: settings.mount_point.clone(),
            jwt: jwt.clone(),
            passwords: files.users(access, auth)?,
            verified: verified.clone(),
            http: http.clone(),
            acl: files.acl(access)?,
            roles: roles.clone(),
        }))
    };
    config.listeners.iter().enumerate().map(realm).collect()
}

impl Files {
    /// The users of a listener: those of its file, and those of the configuration.
    fn users(
        &mut self,
        access: &AccessConfig,
        auth: &AuthConfig,
    ) -> anyhow::Result<Option<Arc<PasswordFile>>> {
        let of_file = match &access.password_file {
            Some(path) => Some(self.passwords(path)?),
            None => None,
        };
        let with_password = |(name, user): (&String, _)| {
            let user: &dunlin_auth::acl::UserConfig = user;
            let hash = user.password.as_ref()?;
            let hash = PasswordHash::parse(hash.reveal());
            Some(hash.map(|hash| (name.clone(), hash)).map_err(|error| {
                anyhow!("auth.users.{name}.password {error}: `dunlin passwd` makes one")
            }))
        };
        let own: Vec<_> = auth.users.iter().filter_map(with_password).collect();
        if own.is_empty() {
            return Ok(of_file);
        }
        let mut all = of_file.map_or_else(PasswordFile::default, |file| (*file).clone());
        for user in own {
            let (name, hash) = user?;
            all.insert(&name, hash);
        }
        Ok(Some(Arc::new(all)))
    }

    fn passwords(&mut self, path: &Path) -> anyhow::Result<Arc<PasswordFile>> {
        if let Some(known) = self.passwords.get(path) {
            return Ok(known.clone());
        }
        let file = PasswordFile::parse(&read(path)?);
        for skipped in file.skipped() {
            tracing::warn!("{}: {skipped}", path.display());
        }
        let file = Arc::new(file);
        self.passwords.insert(path.to_owned(), file.clone());
        Ok(file)
    }

    fn acl(&mut self, access: &AccessConfig) -> anyhow::Result<Option<Arc<AclFile>>> {
        let Some(path) = &access.acl_file else {
            return Ok(None);
        };
        if let Some(known) = self.acls.get(path) {
            return Ok(Some(known.clone()));
        }
        let acl = AclFile::parse(&path.display().to_string(), &read(path)?)?;
        let acl = Arc::new(acl);
        self.acls.insert(path.to_owned(), acl.clone());
        Ok(Some(acl))
    }
}

fn name_from(part: UserNameFrom) -> Option<NameFrom> {
    match part {
        UserNameFrom::Connect => None,
        UserNameFrom::CommonName => Some(NameFrom::CommonName),
        UserNameFrom::Subject => Some(NameFrom::Subject),
        UserNameFrom::SubjectAlternativeName => Some(NameFrom::SubjectAlternativeName),
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn jwt(config: &JwtConfig) -> anyhow::Result<Jwt> {
    let mut keys = KeySet::default();
    if let Some(secret) = &config.secret {
        keys.extend(KeySet::one(Key::Secret(secret.clone())));
    }
    if let Some(path) = &config.public_key_file {
        let key = Key::from_pem(&read(path)?);
        let key = key.with_context(|| path.display().to_string())?;
        keys.extend(KeySet::one(key));
    }
    let mut source = None;
    match &config.key_set {
        Some(url) if url.starts_with("http") => {
            source = Some(key_source(url, config.key_set_refresh)?);
        }
        Some(path) => {
            let text = fs::read(path).with_context(|| format!("cannot read {path}"))?;
            keys.extend(KeySet::parse(&text).with_context(|| path.clone())?);
        }
        None => {}
    }
    if keys.is_empty() && source.is_none() {
        bail!("auth.jwt has no key: secret, public_key_file or key_set");
    }
    let jwt = Jwt::new(config.clone(), keys);
    Ok(match source {
        Some(source) => jwt.with_source(source),
        None => jwt,
    })
}

/// A server that gives a key set, and what it gives now.
fn key_source(url: &str, life: u64) -> anyhow::Result<KeySource> {
    let fetch = Fetch::new(KEY_SET_TIMEOUT, None)?;
    let answer = fetch.get(url)?;
    let text = answer.with_context(|| format!("{url} does not answer with a key set"))?;
    let keys = KeySet::parse(&text).with_context(|| url.to_owned())?;
    let (url, now) = (url.to_owned(), since_1970());
    Ok(KeySource::new(url, fetch, keys, life, now))
}
