//! Where the demo keeps its sessions, and the key that their tickets are signed with: both must
//! survive a restart for anybody to stay logged in.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER;
use sessile::Key;

/// Gone with `cargo clean`.
const FOLDER: &str = "target/demo";

pub(super) fn store_address() -> Result<String, Box<dyn Error>> {
    if let Ok(address) = env::var("SESSION_STORE") {
        return Ok(address);
    }
    fs::create_dir_all(FOLDER)?;
    Ok(format!("sqlite:{FOLDER}/sessions.db"))
}

/// From the environment, as in production; else one that is made once and kept beside the sessions,
/// which is fine for a demo and nothing else.
pub(super) fn key() -> Result<Key, Box<dyn Error>> {
    if env::var_os("SESSION_KEY").is_some() {
        return Ok(Key::from_env("SESSION_KEY")?);
    }
    fs::create_dir_all(FOLDER)?;
    let file = Path::new(FOLDER).join("key");
    if !file.exists() {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        write_private(&file, &HEXLOWER.encode(&bytes))?;
    }
    Ok(Key::from_text(fs::read_to_string(file)?.trim())?)
}

/// Readable by its owner only, and whole or not there: another demo may start at the same time.
fn write_private(file: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    let draft = file.with_extension(std::process::id().to_string());
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    std::io::Write::write_all(&mut options.open(&draft)?, text.as_bytes())?;
    // A link fails if the file is there by now: then that key counts.
    let made = fs::hard_link(&draft, file);
    fs::remove_file(&draft)?;
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(()),
    }
}
