//! HTTP for the library that speaks ACME: the requests of `auth`, which block. This thread may.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use dunlin_auth::http::Fetch;
use http::Request;
use http_body_util::{BodyExt, Collected};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

pub(super) struct Http(pub(super) Fetch);

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let fetch = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let Ok(body) = body.collect().await.map(Collected::to_bytes);
            let request = Request::from_parts(head, body.to_vec());
            let answer = fetch.exchange(request);
            let (parts, body) = answer
                .map_err(|error| Error::Other(Box::new(error)))?
                .into_parts();
            let body = Box::new(Bytes::from(body));
            Ok(BytesResponse { parts, body })
        })
    }
}

/// Runs what waits for nothing but such requests, and so does not give way before it has ended.
pub(super) fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(outcome) = future.as_mut().poll(&mut context) {
            return outcome;
        }
        std::thread::yield_now();
    }
}
