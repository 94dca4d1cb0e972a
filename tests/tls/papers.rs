//! What TLS is made of.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use sessile::Id;

/// Two authorities, and a certificate for `localhost` from the first.
pub(crate) struct Papers {
    pub(crate) dir: PathBuf,
}

impl Papers {
    pub(crate) fn new() -> Self {
        let name = format!("sessile-tls-{}", Id::generate().unwrap());
        let papers = Self { dir: std::env::temp_dir().join(name) };
        fs::create_dir(&papers.dir).unwrap();
        for authority in ["ca", "other"] {
            papers.openssl(&format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
                 -subj /CN={authority} -keyout {authority}.key -out {authority}.pem"
            ));
        }
        papers.openssl(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
             -keyout server.key -out server.csr",
        );
        fs::write(papers.path("names"), "subjectAltName=DNS:localhost\n").unwrap();
        papers.openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
             -extfile names -out server.pem",
        );
        papers
    }

    fn openssl(&self, arguments: &str) {
        let command = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(&self.dir)
            .output()
            .expect("openssl, which makes the certificates: install the package of that name");
        assert!(command.status.success(), "{}", String::from_utf8_lossy(&command.stderr));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn pem(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

impl Drop for Papers {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.dir));
    }
}
