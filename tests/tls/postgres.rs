//! PostgreSQL.

use std::fs;
use std::path::Path;
use std::process::Command;

use sessile::OpenErrorKind;
use sessile::store::{PostgresOptions, PostgresStore};

use super::papers::Papers;
use super::services::Services;
use super::{begin, expect};

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_spoken_to_if_its_authority_vouches_for_it_and_not_otherwise() {
    let (services, papers) = (Services::start(&["postgres"]), Papers::new());
    let url = services.url("postgres").replace("127.0.0.1", "localhost");
    let with = |mode: &str, authority: &Path| {
        format!("{url}?sslmode={mode}&sslrootcert={}", authority.display())
    };
    let open = async |url: String| PostgresStore::<String>::open(PostgresOptions::new(url)).await;
    let (ca, other) = (papers.path("ca.pem"), papers.path("other.pem"));
    let outcome = open(with("require", &ca)).await;
    expect(outcome, OpenErrorKind::Config, "`sslmode`", "a server without TLS");

    turn_on_tls(&services, &papers);
    let store = open(with("verify-full", &ca)).await.unwrap();
    begin(&store).await;
    let outcome = open(with("verify-full", &other)).await;
    expect(outcome, OpenErrorKind::Config, "sslrootcert", "a server of another authority");
    let address = with("verify-full", &ca).replace("localhost", "127.0.0.1");
    expect(open(address).await, OpenErrorKind::Config, "sslrootcert", "another host's certificate");
    begin(&open(format!("{url}?sslmode=require")).await.unwrap()).await;
}

/// With the rights of the server's own user, to which the files must belong.
fn turn_on_tls(services: &Services, papers: &Papers) {
    let data = services.log("postgres").with_file_name("data");
    let config = data.join("postgresql.conf");
    let settings = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{settings}\nssl = on\n")).unwrap();
    for (from, to) in [("server.pem", "server.crt"), ("server.key", "server.key")] {
        // A copy of a file that is the server's has the server's owner and rights.
        let to = data.join(to);
        let copy = Command::new("cp")
            .arg("--preserve=mode,ownership")
            .args([data.join("PG_VERSION"), to.clone()])
            .status();
        assert!(copy.unwrap().success());
        fs::write(to, papers.pem(from)).unwrap();
    }
    services.restart("postgres");
}
