//! What `tonic-prost-build` would generate from this file, written by hand so that the example
//! needs neither a build script nor `protoc`:
//!
//! ```proto
//! syntax = "proto3";
//! package sessile.example;
//!
//! service Profile {
//!   rpc LogIn(LogInRequest) returns (Empty);
//!   rpc Profile(Empty) returns (ProfileReply);
//!   rpc LogOut(Empty) returns (Empty);
//! }
//! message LogInRequest { string name = 1; }
//! message ProfileReply { string name = 1; uint32 visits = 2; }
//! message Empty {}
//! ```

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use prost::Message;
use tonic::body::Body;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::server::NamedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LogInRequest {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ProfileReply {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(uint32, tag = "2")]
    pub(crate) visits: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Empty {}

const LOG_IN: &str = "/sessile.example.Profile/LogIn";
const PROFILE: &str = "/sessile.example.Profile/Profile";
const LOG_OUT: &str = "/sessile.example.Profile/LogOut";

/// What a server implements.
#[tonic::async_trait]
pub(crate) trait Profile: Send + Sync + 'static {
    async fn log_in(&self, request: Request<LogInRequest>) -> Result<Response<Empty>, Status>;
    async fn profile(&self, request: Request<Empty>) -> Result<Response<ProfileReply>, Status>;
    async fn log_out(&self, request: Request<Empty>) -> Result<Response<Empty>, Status>;
}

/// Brings HTTP requests to a [`Profile`].
pub(crate) struct ProfileServer<P>(Arc<P>);

impl<P> ProfileServer<P> {
    pub(crate) fn new(profile: P) -> Self {
        Self(Arc::new(profile))
    }
}

impl<P: Profile> Service<http::Request<Body>> for ProfileServer<P> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let profile = Arc::clone(&self.0);
        Box::pin(async move {
            let profile = &*profile;
            Ok(match request.uri().path() {
                LOG_IN => unary(request, |request| profile.log_in(request)).await,
                PROFILE => unary(request, |request| profile.profile(request)).await,
                LOG_OUT => unary(request, |request| profile.log_out(request)).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

/// Decodes one message, calls the method, encodes its answer.
async fn unary<Q, A, F>(
    request: http::Request<Body>,
    method: impl FnMut(Request<Q>) -> F,
) -> http::Response<Body>
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    F: Future<Output = Result<Response<A>, Status>>,
{
    let mut grpc = tonic::server::Grpc::new(ProstCodec::<A, Q>::default());
    grpc.unary(service_fn(method), request).await
}

impl<P> Clone for ProfileServer<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P> NamedService for ProfileServer<P> {
    const NAME: &'static str = "sessile.example.Profile";
}

/// Calls a [`Profile`] somewhere else.
#[derive(Clone)]
pub(crate) struct ProfileClient(tonic::client::Grpc<Channel>);

impl ProfileClient {
    pub(crate) async fn connect(address: String) -> Result<Self, tonic::transport::Error> {
        let channel = Endpoint::new(address)?.connect().await?;
        Ok(Self(tonic::client::Grpc::new(channel)))
    }

    pub(crate) async fn log_in(
        &mut self,
        request: Request<LogInRequest>,
    ) -> Result<Response<Empty>, Status> {
        self.call(LOG_IN, request).await
    }

    pub(crate) async fn profile(
        &mut self,
        request: Request<Empty>,
    ) -> Result<Response<ProfileReply>, Status> {
        self.call(PROFILE, request).await
    }

    pub(crate) async fn log_out(
        &mut self,
        request: Request<Empty>,
    ) -> Result<Response<Empty>, Status> {
        self.call(LOG_OUT, request).await
    }

    async fn call<Q, A>(
        &mut self,
        path: &'static str,
        request: Request<Q>,
    ) -> Result<Response<A>, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let unready = |error| Status::unavailable(format!("the server is not there: {error}"));
        self.0.ready().await.map_err(unready)?;
        let codec = ProstCodec::<Q, A>::default();
        self.0.unary(request, PathAndQuery::from_static(path), codec).await
    }
}
