//! Which passwords may be chosen.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::email::{Email, Username};
use super::error::{AccountError, AccountErrorKind};
use super::password::Password;
use super::store::AccountAnswer;

/// Says whether a password is one of those that attackers try first.
///
/// [`CommonPasswords`] has a short list. One of your own may ask a service for breached passwords;
/// send it a prefix of a hash, never the password. A check that cannot answer says `false`, or an
/// error, which refuses the request.
///
/// ```
/// use sessile::accounts::{AccountAnswer, Chosen, PasswordCheck};
///
/// struct NoSeasons;
///
/// impl PasswordCheck for NoSeasons {
///     fn is_trivial(&self, chosen: &Chosen<'_>) -> AccountAnswer<bool> {
///         let text = chosen.text().to_lowercase();
///         let seasons = ["spring", "summer", "autumn", "winter"];
///         AccountAnswer::ready(Ok(seasons.iter().any(|season| text.starts_with(season))))
///     }
/// }
/// ```
pub trait PasswordCheck: Send + Sync + 'static {
    /// Whether it must be refused.
    fn is_trivial(&self, chosen: &Chosen<'_>) -> AccountAnswer<bool>;
}

/// A password that somebody wants to have, and who.
///
/// ```
/// use sessile::accounts::Chosen;
/// fn names_its_owner(chosen: &Chosen<'_>) -> bool {
///     let name = chosen.username().map(|name| name.as_str()).unwrap_or(chosen.email().local());
///     chosen.text().contains(name)
/// }
/// ```
pub struct Chosen<'a> {
    text: &'a str,
    email: &'a Email,
    username: Option<&'a Username>,
}

impl<'a> Chosen<'a> {
    /// The password, in NFC. Copy it nowhere.
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// The address of whom it shall be.
    pub const fn email(&self) -> &'a Email {
        self.email
    }

    /// Their username, if they have one.
    pub const fn username(&self) -> Option<&'a Username> {
        self.username
    }
}

impl fmt::Debug for Chosen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chosen")
    }
}

/// The built-in check: some two hundred passwords that lead every list of breached ones, as they
/// are, in other cases, or with digits and marks behind; one character repeated; a run such as
/// `12345678` or `abcdefgh`.
///
/// ```
/// use sessile::accounts::{CommonPasswords, Passwords};
/// let passwords = Passwords::new().check(CommonPasswords); // which is the default
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "complete: there is nothing to set")]
pub struct CommonPasswords;

impl PasswordCheck for CommonPasswords {
    fn is_trivial(&self, chosen: &Chosen<'_>) -> AccountAnswer<bool> {
        AccountAnswer::ready(Ok(is_common(chosen.text())))
    }
}

fn is_common(text: &str) -> bool {
    let lower = text.to_lowercase();
    let stem = lower.trim_end_matches(|char: char| !char.is_alphabetic());
    is_run(&lower) || COMMON.contains(&lower.as_str()) || COMMON.contains(&stem)
}

/// Whether each character follows its predecessor in the same way: `aaaa`, `1234`, `zyxw`.
fn is_run(text: &str) -> bool {
    let code = |char: char| i64::from(u32::from(char));
    let steps = || text.chars().zip(text.chars().skip(1)).map(|(a, b)| code(b) - code(a));
    let first = steps().next();
    first.is_some_and(|step| step.abs() <= 1 && steps().all(|other| other == step))
}

/// Lengths, and the checks. The parts that wait for nothing are decided first.
#[derive(Clone)]
pub(super) struct Policy {
    pub(super) length: RangeInclusive<usize>,
    pub(super) check: Arc<dyn PasswordCheck>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { length: 8..=128, check: Arc::new(CommonPasswords) }
    }
}

impl Policy {
    /// Whether they may have it.
    pub(super) async fn accept(
        &self,
        password: &Password,
        email: &Email,
        username: Option<&Username>,
    ) -> Result<(), AccountError> {
        let text = password.text()?;
        judge(text, &self.length)?;
        let answer = {
            let chosen = Chosen { text, email, username };
            if names_its_owner(&chosen) {
                return Err(AccountErrorKind::PasswordTrivial.into());
            }
            self.check.is_trivial(&chosen)
        };
        if answer.await? { Err(AccountErrorKind::PasswordTrivial.into()) } else { Ok(()) }
    }

    /// Whether anybody can have it, so that it is worth hashing.
    pub(super) fn is_possible(&self, password: &Password) -> bool {
        password.text().is_ok_and(|text| text.chars().count() <= *self.length.end())
    }
}

/// Counts characters, that is Unicode scalar values in NFC, as NIST SP 800-63B-4, 3.1.1.2 does.
fn judge(text: &str, length: &RangeInclusive<usize>) -> Result<(), AccountError> {
    let count = text.chars().count();
    let kind = if count < *length.start() {
        AccountErrorKind::PasswordTooShort
    } else if count > *length.end() {
        AccountErrorKind::PasswordTooLong
    } else if text.chars().any(char::is_control) {
        AccountErrorKind::PasswordUnfit
    } else {
        return Ok(());
    };
    Err(kind.into())
}

/// Whether it is the address, its local part or the username, in any case.
fn names_its_owner(chosen: &Chosen<'_>) -> bool {
    let lower = chosen.text().to_lowercase();
    let local = chosen.email().local().to_ascii_lowercase();
    let username = chosen.username().map(Username::key);
    lower == chosen.email().key() || lower == local || Some(lower.as_str()) == username
}

/// Those of eight characters and more, and stems that people lengthen to that.
#[rustfmt::skip]
const COMMON: &[&str] = &[
    "password", "passwort", "motdepasse", "contraseña", "contrasena", "passw0rd", "p@ssword",
    "p@ssw0rd", "pa$$word", "pa$$w0rd", "password1", "password12", "password123", "passwordpassword",
    "letmein", "letmein1", "welcome", "welcome1", "changeme", "changeit", "default", "secret",
    "topsecret", "mysecret", "admin", "administrator", "adminadmin", "admin123", "root", "rootroot",
    "toor", "guest", "user", "username", "test", "testtest", "tester", "testing", "demo", "temp",
    "temporary", "qwerty", "qwertyui", "qwertyuiop", "qwerty123", "qwerty12", "qwer1234",
    "qwertz", "qwertzui", "qwertzuiop", "azerty", "azertyui", "azertyuiop", "asdf", "asdfasdf",
    "asdfghjk", "asdfghjkl", "zxcvbnm", "zxcvbnm1", "1q2w3e4r", "1q2w3e4r5t", "1qaz2wsx", "qazwsx",
    "qazwsxedc", "q1w2e3r4", "q1w2e3r4t5", "zaq12wsx", "1qazxsw2", "123qwe123", "123qweasd",
    "abc", "abcd", "abcd1234", "abc123456", "a1b2c3d4", "aa123456", "a1234567", "a12345678",
    "1234abcd", "12341234", "12344321", "123123123", "11223344", "112233445566", "123321123",
    "1234567891", "12345678910", "0123456789", "1234567890", "0987654321", "987654321", "87654321",
    "123456789a", "147258369", "159753456", "19841984", "12121212", "69696969", "88888888",
    "iloveyou", "iloveyou1", "iloveyou2", "iloveu", "ilovegod", "lovelove", "loveyou", "lovers",
    "princess", "princess1", "sunshine", "sunshine1", "football", "football1", "baseball",
    "basketball", "softball", "superman", "superman1", "batman", "spiderman", "starwars", "pokemon",
    "pokemon1", "naruto", "master", "mastermind", "shadow", "shadow1", "monkey", "dragon", "dragon1",
    "michael", "michael1", "michelle", "jennifer", "jessica", "jordan23", "jordan", "charlie",
    "charlie1", "samantha", "alexander", "alexandra", "daniel", "danielle", "nicholas", "jonathan",
    "christian", "elizabeth", "victoria", "patrick", "anthony", "benjamin", "veronica", "caroline",
    "chocolate", "cheese", "computer", "computer1", "internet", "internet1", "samsung", "samsung1",
    "google", "facebook", "linkedin", "twitter", "microsoft", "windows", "trustno1", "whatever",
    "whatever1", "nothing", "freedom", "freedom1", "liverpool", "liverpool1", "chelsea", "arsenal",
    "manchester", "barcelona", "realmadrid", "juventus", "mustang", "mercedes", "corvette",
    "porsche", "ferrari", "harley", "swordfish", "hunter", "hunter2", "maverick", "midnight",
    "mountain", "butterfly", "blink182", "metallica", "slipknot", "greenday", "rockstar", "babygirl",
    "babygirl1", "beautiful", "blessed", "jesuschrist", "summer", "winter", "spring", "autumn",
    "correcthorsebatterystaple", "dontforget", "openopen", "security", "pleasechange", "q1q1q1q1",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_anybody_would_try_are_found_in_their_disguises() {
        let cases = [
            ("password", true),
            ("Password1!", true),
            ("PASSWORD2024", true),
            ("letmein!!", true),
            ("12345678", true),
            ("87654321", true),
            ("aaaaaaaaaaaa", true),
            ("abcdefghij", true),
            ("qwertyuiop", true),
            ("correct horse battery staple", false),
            ("password is my cat's name", false),
            ("tr0ub4dor&3", false),
            ("", false),
        ];
        for (text, common) in cases {
            assert_eq!(is_common(text), common, "{text}");
        }
    }

    #[test]
    fn r61_lengths_are_counted_in_characters_after_normalisation() {
        use AccountErrorKind::{PasswordTooLong, PasswordTooShort, PasswordUnfit};
        let long = |count: usize| "é".repeat(count);
        let cases = [
            ("empty", String::new(), Some(PasswordTooShort)),
            ("seven", "1a2b3c4".to_owned(), Some(PasswordTooShort)),
            ("eight", "1a2b3c4d".to_owned(), None),
            ("seven decomposed are fourteen scalars", "e\u{301}".repeat(7), Some(PasswordTooShort)),
            ("eight of three bytes", "密".repeat(8), None),
            ("the longest", long(128), None),
            ("one more", long(129), Some(PasswordTooLong)),
            ("the longest, decomposed", "e\u{301}".repeat(128), None),
            ("a megabyte", "a".repeat(1 << 20), Some(PasswordTooLong)),
            ("a control character", "1a2b3c4d\0".to_owned(), Some(PasswordUnfit)),
            ("blanks are characters", " a b c d ".to_owned(), None),
        ];
        for (name, text, expected) in cases {
            let password = Password::new(text);
            let found = password.text().and_then(|text| judge(text, &(8..=128)));
            assert_eq!(found.err().map(|error| error.kind()), expected, "{name}");
        }
    }
}
