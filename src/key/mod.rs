//! The secret behind the tickets: [`Key`], and the [`Keyring`] that lets it be changed.

mod ring;

use std::env::{self, VarError};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::{
    BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, Encoding, HEXLOWER, HEXLOWER_PERMISSIVE,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

pub use self::ring::{Keyring, Revoked};
use crate::error::{ConfigError, Error, ErrorKind};

/// The application's secret: at least 32 bytes, from which every layer derives its own subkey.
///
/// 1. Fewer than 32 bytes, and keys that are plainly samples, do not build (RFC 7518, 3.2).
/// 2. The bytes given are turned into a root key (HKDF, RFC 5869) and only that is kept, in one
///    place however often the key is cloned; it is wiped when the last clone is dropped.
/// 3. It cannot be read back, printed or serialised. `Debug` shows the public [`KeyId`].
/// 4. Comparison takes the same time wherever two keys differ (ASVS 11.2.4).
///
/// Every instance of an application needs the same key, and needs it again after a restart:
/// [`Key::from_env`] is the usual way.
///
/// ```
/// use sessile::Key;
/// let key = Key::generate();
/// assert_eq!(format!("{key:?}"), format!("Key({})", key.id()));
/// ```
#[derive(Clone)]
pub struct Key {
    root: Arc<Zeroizing<[u8; ROOT_LEN]>>,
    id: KeyId,
}

impl Key {
    /// The key with these bytes, 32 or more, from a random generator and not from a person.
    ///
    /// ```
    /// use sessile::Key;
    /// # let secret: [u8; 32] = { use sha2::Digest; sha2::Sha256::digest("a test key").into() };
    /// let key = Key::from_bytes(&secret)?;
    /// assert!(Key::from_bytes(&[0; 32]).is_err());
    /// # let _ = key; Ok::<(), sessile::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// When there are fewer than 32 bytes, or when they show a pattern that no random generator
    /// makes: all equal, counting up, a repeated text, a placeholder such as `changeme`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ConfigError> {
        if bytes.len() < MIN_LEN {
            return Err(ConfigError::new(format!(
                "a key needs at least {MIN_LEN} bytes and this one has {}: {REMEDY}",
                bytes.len()
            )));
        }
        refuse_sample(bytes)?;
        Ok(Self::extract(bytes))
    }

    /// The key written in this text: 32 or more bytes in hexadecimal or base64, in the standard
    /// or the URL alphabet, padded or not. White space around it does not matter.
    ///
    /// A text of hexadecimal digits only is read as hexadecimal.
    ///
    /// ```
    /// use sessile::Key;
    /// # let secret: [u8; 32] = { use sha2::Digest; sha2::Sha256::digest("a test key").into() };
    /// let hex = data_encoding::HEXLOWER.encode(&secret);
    /// let base64 = data_encoding::BASE64.encode(&secret);
    /// assert_eq!(Key::from_text(&hex)?, Key::from_text(&base64)?);
    /// # Ok::<(), sessile::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// When the text is in neither form, or its bytes are refused by [`Key::from_bytes`]. The
    /// error never repeats the text.
    pub fn from_text(text: &str) -> Result<Self, ConfigError> {
        let text = text.trim();
        let unreadable =
            || ConfigError::new(format!("a key is written in hexadecimal or base64: {REMEDY}"));
        // A typed text such as `changeme` decodes to bytes that nobody would recognise.
        refuse_sample(text.as_bytes())?;
        let encoding = encoding_of(text);
        let len = encoding.decode_len(text.len()).map_err(|_| unreadable())?;
        let mut bytes = Zeroizing::new(vec![0; len]);
        let len = encoding.decode_mut(text.as_bytes(), &mut bytes).map_err(|_| unreadable())?;
        Self::from_bytes(bytes.get(..len).unwrap_or_default())
    }

    /// The key in this environment variable, in one of the forms of [`Key::from_text`].
    ///
    /// ```
    /// use sessile::Key;
    /// let error = Key::from_env("SESSION_KEY").unwrap_err();
    /// assert!(error.to_string().contains("`SESSION_KEY` is not set"));
    /// ```
    ///
    /// # Errors
    /// When the variable is missing or holds no usable key. The error names the variable and a
    /// command that makes a key, and never repeats the value.
    pub fn from_env(name: &str) -> Result<Self, ConfigError> {
        Self::from_variable(name, env::var(name).map(Zeroizing::new))
    }

    /// A new key from the operating system's generator (ASVS 11.5.1).
    ///
    /// For tests and for trying things out: sessions end with the process, because no other
    /// process knows the key.
    ///
    /// ```
    /// use sessile::Key;
    /// assert_ne!(Key::generate(), Key::generate());
    /// ```
    ///
    /// # Panics
    /// When the operating system gives no random bytes; [`Key::try_generate`] says so instead.
    #[expect(clippy::panic, reason = "documented, with a twin that does not; never on a request")]
    pub fn generate() -> Self {
        match Self::try_generate() {
            Ok(key) => key,
            Err(error) => panic!("{error}"),
        }
    }

    /// The same as [`Key::generate`] for those who would rather not panic.
    ///
    /// ```
    /// use sessile::Key;
    /// let key = Key::try_generate()?;
    /// # let _ = key; Ok::<(), sessile::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Random`] when the operating system gives no random bytes.
    pub fn try_generate() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; MIN_LEN]);
        getrandom::fill(&mut *bytes).map_err(|_| Error::new(ErrorKind::Random))?;
        Ok(Self::extract(&*bytes))
    }

    /// Its public name, for logs and for [`Keyring::revoke`].
    ///
    /// ```
    /// use sessile::Key;
    /// let key = Key::generate();
    /// assert_eq!(key.id(), key.clone().id());
    /// assert_eq!(key.id().to_string().len(), 16);
    /// ```
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The subkey for one use (`what`) under one name (`purpose`).
    ///
    /// What is signed or sealed under one subkey never passes under another (ASVS 11.3.4): the
    /// label is unambiguous because `what` is ours and holds no NUL.
    pub(crate) fn derive(&self, what: &'static str, purpose: &str) -> Zeroizing<[u8; ROOT_LEN]> {
        expand(&self.root, &[LABEL, what.as_bytes(), &[0], purpose.as_bytes()])
    }

    fn from_variable(
        name: &str,
        value: Result<Zeroizing<String>, VarError>,
    ) -> Result<Self, ConfigError> {
        let malformed = |why: &dyn fmt::Display| {
            ConfigError::new(format!("the environment variable `{name}` holds no key: {why}"))
        };
        match value {
            Ok(text) => Self::from_text(&text).map_err(|error| malformed(&error)),
            Err(VarError::NotUnicode(_)) => Err(malformed(&REMEDY)),
            Err(VarError::NotPresent) => Err(ConfigError::new(format!(
                "the environment variable `{name}` is not set: {REMEDY}, and every instance of \
                 the application needs the same"
            ))),
        }
    }

    fn extract(secret: &[u8]) -> Self {
        // Written where it stays: moving it there would leave a copy on the stack.
        let mut root = Arc::new(Zeroizing::new([0; ROOT_LEN]));
        hmac_into(&mut *Arc::make_mut(&mut root), EXTRACT_SALT, &[secret]);
        let id = KeyId::of(&root);
        Self { root, id }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.root.as_slice().ct_eq(other.root.as_slice()).into()
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

/// The public name of a [`Key`]: eight bytes of a keyed hash, written as 16 hexadecimal digits.
///
/// It tells keys apart in logs and revokes one ([`Keyring::revoke`]); of the key itself it tells
/// nothing (ASVS 16.2.5).
///
/// ```
/// use sessile::{Key, KeyId};
/// let id = Key::generate().id();
/// assert_eq!(id.to_string().parse::<KeyId>(), Ok(id));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; ID_LEN]);

impl KeyId {
    fn of(root: &[u8; ROOT_LEN]) -> Self {
        let hash = expand(root, &[LABEL, b"key id", &[0]]);
        let [a, b, c, d, e, f, g, h, ..] = *hash;
        Self([a, b, c, d, e, f, g, h])
    }
}

impl FromStr for KeyId {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let mut id = [0; ID_LEN];
        let right_length = text.len() == 2 * ID_LEN;
        if right_length && HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), &mut id).is_ok() {
            return Ok(Self(id));
        }
        Err(ConfigError::new("not the id of a key: expected the 16 hexadecimal digits in the log"))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

fn encoding_of(text: &str) -> Encoding {
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return HEXLOWER_PERMISSIVE;
    }
    match (text.contains(['-', '_']), text.ends_with('=')) {
        (false, false) => BASE64_NOPAD,
        (false, true) => BASE64,
        (true, false) => BASE64URL_NOPAD,
        (true, true) => BASE64URL,
    }
}

pub(crate) fn refuse_sample(bytes: &[u8]) -> Result<(), ConfigError> {
    if !is_sample(bytes) {
        return Ok(());
    }
    Err(ConfigError::new(format!("this key is a sample and not a secret: {REMEDY}")))
}

/// Whether somebody typed this instead of making it. A random key, written as bytes,
/// hexadecimal or base64, is mistaken for a sample less than once in 10^8 times.
fn is_sample(bytes: &[u8]) -> bool {
    let repeats = |period: usize| bytes.iter().zip(bytes.iter().skip(period)).all(|(a, b)| a == b);
    let mut steps = bytes.windows(2).filter_map(|pair| match pair {
        [a, b] => Some(b.wrapping_sub(*a)),
        _ => None,
    });
    let first = steps.next();
    let counts = bytes.len() > 2 && steps.all(|step| Some(step) == first);
    let lower = Zeroizing::new(bytes.to_ascii_lowercase());
    let holds = |word: &str| lower.windows(word.len()).any(|part| part == word.as_bytes());
    counts || (1..=bytes.len() / 2).take(16).any(repeats) || PLACEHOLDERS.into_iter().any(holds)
}

/// HKDF-Expand (RFC 5869, 2.3) for one block of output.
fn expand(root: &[u8; ROOT_LEN], info: &[&[u8]]) -> Zeroizing<[u8; ROOT_LEN]> {
    let mut parts = info.to_vec();
    parts.push(&[1]);
    let mut out = Zeroizing::new([0; ROOT_LEN]);
    hmac_into(&mut out, root, &parts);
    out
}

fn hmac_into(out: &mut [u8; ROOT_LEN], key: &[u8; ROOT_LEN], parts: &[&[u8]]) {
    // HMAC pads a key with zeros to a whole block (RFC 2104, 2); given a block it cannot fail.
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    let mut tag = mac.finalize().into_bytes();
    out.copy_from_slice(&tag);
    tag.as_mut_slice().zeroize();
}

const MIN_LEN: usize = 32;
const ROOT_LEN: usize = 32;
const ID_LEN: usize = 8;
const LABEL: &[u8] = b"sessile v1 ";
const EXTRACT_SALT: &[u8; ROOT_LEN] = b"sessile v1 root key extraction\0\0";
const REMEDY: &str = "make one with `openssl rand -hex 32`";
const PLACEHOLDERS: [&str; 8] = [
    "changeme",
    "change-me",
    "change_me",
    "change me",
    "password",
    "sessile",
    "0123456789",
    "keyboard cat",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_ne, proptest};

    use super::*;

    const SECRET: &str = "b1946ac92492d2347c6235b4d2611184f2ca1bb6c7e907d06dafe4687e579fce";

    #[test]
    fn r46_subkeys_are_hkdf_of_the_secret() {
        // Fixed for ever: another value here logs everybody out with an upgrade.
        let key = Key::from_text(SECRET).unwrap();
        let salt = Hmac::<Sha256>::new_from_slice(EXTRACT_SALT).unwrap();
        let root = salt.chain_update(HEXLOWER.decode(SECRET.as_bytes()).unwrap()).finalize();
        assert_eq!(key.root.as_slice(), root.into_bytes().as_slice());
        let label = Hmac::<Sha256>::new_from_slice(key.root.as_slice()).unwrap();
        let want = label.chain_update(b"sessile v1 ticket\0__Host-sid\x01").finalize();
        assert_eq!(key.derive("ticket", "__Host-sid").as_slice(), want.into_bytes().as_slice());
    }

    #[test]
    fn r46_another_use_or_purpose_or_key_has_another_subkey() {
        let key = Key::from_text(SECRET).unwrap();
        let other = Key::generate();
        let subkeys = [
            key.derive("ticket", "sid"),
            key.derive("ticket", "sid2"),
            key.derive("ticket", ""),
            key.derive("csrf", "sid"),
            other.derive("ticket", "sid"),
        ];
        for (i, a) in subkeys.iter().enumerate() {
            assert!(subkeys.iter().skip(i + 1).all(|b| a != b), "subkey {i} repeats");
        }
    }

    #[test]
    fn a_variable_is_read_or_refused_by_name_and_without_its_value() {
        let read = |value| Key::from_variable("MY_KEY", value);
        assert!(read(Ok(Zeroizing::new(format!(" {SECRET}\n")))).is_ok());
        let cases = [
            ("missing", Err(VarError::NotPresent), "is not set"),
            ("not text", Err(VarError::NotUnicode("hunter2".into())), "holds no key"),
            ("empty", Ok(""), "32 bytes"),
            ("short", Ok("c0ffee"), "32 bytes"),
            ("neither form", Ok("hunter2 hunter2!"), "hexadecimal or base64"),
        ];
        for (name, value, want) in cases {
            let error = read(value.map(|text| Zeroizing::new(text.to_owned()))).unwrap_err();
            let text = error.to_string();
            for part in ["`MY_KEY`", want, "openssl rand -hex 32"] {
                assert!(text.contains(part), "{name}: {text:?} lacks {part:?}");
            }
            assert!(!text.contains("hunter2"), "{name}: {text:?} shows the value");
        }
    }

    #[test]
    fn r43_samples_are_told_from_keys() {
        let counting: Vec<u8> = (0..32).collect();
        let cases: [(&str, &[u8]); 8] = [
            ("zeros", &[0; 32]),
            ("ones", &[0xff; 64]),
            ("counting up", &counting),
            ("counting down", &counting.iter().rev().copied().collect::<Vec<u8>>()),
            ("a repeated text", b"0xDEADBEEF......0xDEADBEEF......"),
            ("a placeholder", b"please CHANGEME before deploying!"),
            ("digits", b"abcdef0123456789abcdef0123456789"),
            ("this crate", b"a secret for the sessile examples"),
        ];
        for (name, bytes) in cases {
            assert!(is_sample(bytes), "{name}");
            assert!(Key::from_bytes(bytes).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn random_keys_are_no_samples(bytes in any::<[u8; 32]>()) {
            // Shrinking ends at zeros; what is asked here is asked of what a generator makes.
            let random = expand(&bytes, &[b"random"]);
            prop_assert!(!is_sample(random.as_slice()));
            prop_assert!(!is_sample(HEXLOWER.encode(random.as_slice()).as_bytes()));
            prop_assert!(!is_sample(BASE64.encode(random.as_slice()).as_bytes()));
        }

        #[test]
        fn other_bytes_are_another_key(a in any::<[u8; 32]>(), bit in 0usize..256) {
            let mut b = a;
            b[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(Key::extract(&a), Key::extract(&b));
            prop_assert_ne!(Key::extract(&a).id(), Key::extract(&b).id());
        }
    }
}
