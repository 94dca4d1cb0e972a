//! Sessions over gRPC, server and client in one program: `LogIn` answers the ticket in the
//! response's metadata (`authorization: Bearer …`), and the calls after it bring it back.
//!
//! ```sh
//! cargo run --example grpc                                  # both, and a tour
//! cargo run --example grpc -- server                        # keeps listening
//! cargo run --example grpc -- client http://127.0.0.1:3000  # the tour, against that server
//! ```
#![expect(clippy::print_stdout, reason = "a program for people")]

mod profile_service;

use std::error::Error as StdError;

use serde::{Deserialize, Serialize};
use sessile::store::MemoryStore;
use sessile::transport::Bearer;
use sessile::{Key, SessionLayer, SessionRequest};
use tokio::net::TcpListener;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use self::profile_service::{
    Empty, LogInRequest, Profile, ProfileClient, ProfileReply, ProfileServer,
};

#[derive(Clone, Serialize, Deserialize)]
struct Member {
    name: String,
    visits: u32,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            let listener = listen("0").await?;
            let address = format!("http://{}", listener.local_addr()?);
            let server = tokio::spawn(serve(listener));
            tour(&address).await?;
            server.abort();
            Ok(())
        }
        ["server"] => {
            let port = std::env::var("PORT").unwrap_or_else(|_| "3000".into());
            let listener = listen(&port).await?;
            let address = format!("http://{}", listener.local_addr()?);
            println!("Listening on {address}: try cargo run --example grpc -- client {address}");
            Ok(serve(listener).await?)
        }
        ["client", address] => tour(address).await,
        _ => Err("usage: grpc [server | client http://ADDRESS]".into()),
    }
}

async fn listen(port: &str) -> Result<TcpListener, String> {
    let address = format!("127.0.0.1:{port}");
    TcpListener::bind(&address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}. Choose another port: PORT=3001")
    })
}

// ---- the server -----------------------------------------------------------------------------

async fn serve(listener: TcpListener) -> Result<(), tonic::transport::Error> {
    let sessions = SessionLayer::<Member>::new(MemoryStore::new(), Key::generate())
        // Bearer tickets are for TLS in production: whoever reads one has the session.
        .transport(Bearer::new());
    Server::builder()
        .layer(sessions)
        .add_service(ProfileServer::new(Members))
        .serve_with_incoming(TcpIncoming::from(listener))
        .await
}

struct Members;

#[tonic::async_trait]
impl Profile for Members {
    async fn log_in(&self, request: Request<LogInRequest>) -> Result<Response<Empty>, Status> {
        let session = request.session::<Member>().await?;
        let name = request.into_inner().name;
        if name.is_empty() {
            return Err(Status::invalid_argument("a name is missing"));
        }
        session.create(Member { name, visits: 0 })?;
        Ok(Response::new(Empty {}))
    }

    async fn profile(&self, request: Request<Empty>) -> Result<Response<ProfileReply>, Status> {
        // UNAUTHENTICATED without a live session.
        let member = request.active::<Member>().await?;
        let visits = member.session().update(|member| {
            member.visits += 1;
            member.visits
        })?;
        Ok(Response::new(ProfileReply { name: member.name.clone(), visits }))
    }

    async fn log_out(&self, request: Request<Empty>) -> Result<Response<Empty>, Status> {
        request.session::<Member>().await?.destroy()?;
        Ok(Response::new(Empty {}))
    }
}

// ---- the client -----------------------------------------------------------------------------

async fn tour(address: &str) -> Result<(), Box<dyn StdError>> {
    let mut client = ProfileClient::connect(address.to_owned()).await?;

    let refused = client.profile(Request::new(Empty {})).await;
    println!("Profile without a ticket: {}", refusal(refused)?);

    let answer = client.log_in(Request::new(LogInRequest { name: "alice".into() })).await?;
    let ticket = answer.metadata().get("authorization").ok_or("no ticket came")?.clone();
    println!("LogIn as alice: a ticket came in the metadata");

    for _ in 0..2 {
        let profile = client.profile(with(&ticket, Empty {})).await?.into_inner();
        println!("Profile: {}, visit {}", profile.name, profile.visits);
    }

    client.log_out(with(&ticket, Empty {})).await?;
    println!("LogOut");

    let refused = client.profile(with(&ticket, Empty {})).await;
    println!("Profile with the old ticket: {}", refusal(refused)?);
    Ok(())
}

/// A request with the ticket in its metadata.
fn with<M>(ticket: &MetadataValue<Ascii>, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", ticket.clone());
    request
}

fn refusal<M>(answer: Result<Response<M>, Status>) -> Result<String, &'static str> {
    match answer {
        Ok(_) => Err("a call that should be refused was not"),
        Err(status) => Ok(format!("{:?}, {}", status.code(), status.message())),
    }
}
