//! An order: the account that gives it, the proof that the name is ours, the certificate.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use dunlin_auth::http::Fetch;
use dunlin_net::TlsServer;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount,
    NewOrder, Order, OrderStatus,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};

use super::files;
use super::http::{Http, run};
use crate::server::config::AcmeConfig;

/// How long one request may take; how long the authority may take to look, and to issue; and how
/// often it is asked whether it has.
const REQUEST: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(120);
const INTERVAL: Duration = Duration::from_secs(1);

/// What the authority calls an account that it does not know (any more).
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Has a certificate issued. Gives a new key and the chain, PEM.
pub(super) fn issue(
    config: &AcmeConfig,
    folder: &Path,
    servers: &[TlsServer],
) -> anyhow::Result<String> {
    run(async {
        let names = [Identifier::Dns(config.domain.clone())];
        let path = folder.join("account.json");
        let account = account(config, &path).await?;
        let order = match account.new_order(&NewOrder::new(&names)).await {
            Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
                fs::remove_file(&path).context("cannot remove the account")?;
                bail!("the authority does not know the account any more; it is given up");
            }
            order => order.context("the authority takes no order")?,
        };
        certificate(order, config, servers).await
    })
}

/// The account in the file at `path`, or a new one.
async fn account(config: &AcmeConfig, path: &Path) -> anyhow::Result<Account> {
    let fetch = Fetch::new(REQUEST, config.cafile.as_deref())?;
    let builder = Account::builder_with_http(Box::new(Http(fetch)));
    let known = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let contact = config.email.as_ref().map(|email| format!("mailto:{email}"));
            let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
            let wanted = NewAccount {
                contact: &contact,
                terms_of_service_agreed: true,
                only_return_existing: false,
            };
            let created = builder.create(&wanted, config.directory.clone(), None);
            let (account, credentials) = created.await.context("there is no account")?;
            files::write(path, &serde_json::to_string(&credentials)?)?;
            return Ok(account);
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let known: AccountCredentials =
        serde_json::from_slice(&known).with_context(|| format!("{} is damaged", path.display()))?;
    let account = builder.from_credentials(known).await;
    account.context("the authority does not answer")
}

/// Proves that the name is ours, and has the certificate issued.
async fn certificate(
    mut order: Order,
    config: &AcmeConfig,
    servers: &[TlsServer],
) -> anyhow::Result<String> {
    let answers = Answers(servers);
    answers.give(&mut order, &config.domain).await?;
    wait(&mut order, OrderStatus::Ready).await?;
    drop(answers);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new([config.domain.clone()])?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key)?;
    order.finalize_csr(request.der()).await?;
    wait(&mut order, OrderStatus::Valid).await?;
    let chain = order.certificate().await?;
    let chain = chain.context("the authority has no certificate for us")?;
    Ok(format!("{}{chain}", files::key_text(&key)))
}

/// Waits until the order has come so far.
async fn wait(order: &mut Order, wanted: OrderStatus) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = order.refresh().await?.status;
        match status {
            OrderStatus::Invalid => bail!("the authority has refused: {}", refusal(order).await),
            OrderStatus::Valid => return Ok(()),
            status if status == wanted => return Ok(()),
            _ if Instant::now() >= deadline => bail!("the authority takes too long"),
            _ => std::thread::sleep(INTERVAL),
        }
    }
}

/// Why the authority does not believe us.
async fn refusal(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else {
            break;
        };
        let errors = state.challenges.iter().filter_map(|it| it.error.as_ref());
        if let Some(error) = errors.into_iter().next() {
            return error.to_string();
        }
    }
    "it does not say why".to_owned()
}

/// The servers that answer the authority, as long as this lives.
struct Answers<'a>(&'a [TlsServer]);

impl Answers<'_> {
    /// Answers all that the authority wants to know, and has it come.
    async fn give(&self, order: &mut Order, domain: &str) -> anyhow::Result<()> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let challenge = authorization.challenge(ChallengeType::TlsAlpn01);
            let mut challenge =
                challenge.ok_or_else(|| anyhow!("the authority does not do TLS-ALPN-01"))?;
            let digest = challenge.key_authorization().digest();
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::new([domain.to_owned()])?;
            params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest.as_ref())];
            let certificate = params.self_signed(&key)?;
            for server in self.0 {
                server.answer_challenge(domain, certificate.der(), key.serialized_der())?;
            }
            challenge.set_ready().await?;
        }
        Ok(())
    }
}

impl Drop for Answers<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(TlsServer::end_challenge);
    }
}
